/* Private to jobs/: the text of a sweep file or manifest, read and looked over before anything is
 * parsed. */
#ifndef ATELIER_JOB_TEXT_H
#define ATELIER_JOB_TEXT_H

#include "complaint.h"

/* Reads the file into complaints->source: UTF-8 without control characters. What it is instead (a
 * picture, a spreadsheet, UTF-16, a folder) becomes a complaint with a way out.
 * *text, of *bytes and a final 0, is borrowed from complaints and skips a byte order mark; *folder
 * is the absolute folder of the file (the working folder for a pipe); caller frees it.
 * Errors: E_INPUT after a complaint; E_ENVIRONMENT. */
int job_text_read(const char *path, struct complaints *complaints, const char **text, size_t *bytes,
                  char **folder, struct error *err);

/* Whether the text is a sweep (YAML) rather than a manifest (CSV): the first line that holds
 * anything but a comment says so, since a header has no colon, list or brace. */
bool job_text_is_sweep(const char *text);

#endif
