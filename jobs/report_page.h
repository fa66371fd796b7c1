/* The page of a report, made part of the program by embed.cmake from the files in report/. */
#ifndef ATELIER_REPORT_PAGE_H
#define ATELIER_REPORT_PAGE_H

/* HTML, in which @POLICY@, @STYLE@, @DATA@ and @SCRIPT@ are still to be replaced, in that order. */
extern const char report_page[];
extern const char report_style[];  /* CSS */
extern const char report_script[]; /* JavaScript */

#endif
