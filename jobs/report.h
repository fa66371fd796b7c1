/* A sweep as one web page that needs nothing else: pictures, loss curves, a table, what failed, how
 * long it took and how it was made. report/ holds the page itself. */
#ifndef ATELIER_REPORT_H
#define ATELIER_REPORT_H

#include "axes.h"

struct report {
    const struct runs *runs;
    const struct axes *axes;
    const char *creator; /* "atelier 0.2.0 (commit)" */
    const char *made;    /* when: 2026-01-31T12:34:56Z */
    bool beside;         /* the page lies in the store's folder, and so finds pictures from there */
    bool embed;          /* full pictures inside, too; else they are linked */
};

/* Publishes the page at path. Whatever the store's texts hold, they stay texts: JSON in which '<'
 * is escaped, put into the page as text nodes, under a policy that runs this one script only.
 * Errors: E_INPUT (path), E_ENVIRONMENT: an earlier file stands as it was.
 * Memory: the page's size, about 10 kB a run and more when embedded. */
int report_write(const struct report *report, const char *path, struct error *err);

/* Curves in a page, and what is promised of them. */
#define REPORT_TOLERANCE 0.01 /* relative */
enum { REPORT_NUMBERS = 500000, REPORT_ROWS_MIN = 24, REPORT_ROWS_MAX = 2000 };

#endif
