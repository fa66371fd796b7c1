/* Getting a published weight file through HTTP (libcurl, which honours https_proxy and the like).
 */
#ifndef ATELIER_FETCH_H
#define ATELIER_FETCH_H

#include "known.h"

/* How to fetch; {0} will do. */
struct fetch {
    const char *folder; /* where to; NULL: known_cache_folder. Made if it is not there */

    /* Called at least about once a second, often more, and at the end, with the bytes that are
     * there and those there will be (0: unknown). What is not 0 stops the download. NULL: none. */
    int (*progress)(void *context, uint64_t bytes, uint64_t total);
    void *context;

    unsigned connect_s; /* the longest wait for a connection; 0: 30 */
    unsigned stall_s;   /* the longest time without a byte; 0: 60 */
};

/* Sees to it that the file is in the folder, as published: *path is where. What is there already is
 * checked, and kept even if it is another file. The download is kept in `FILE.part` until its size
 * and digest have been checked, then gets its name at once; an interrupted one goes on where it
 * stopped. Whoever comes second while another process fetches the same file waits for it. The
 * certificate of https is verified, and https is never left by a redirect.
 *
 * Errors: E_INPUT when no address or no digest of the file is known, when what came (or was there)
 * has another size or digest: expected and got, and the part is removed; E_INTERRUPTED when
 * progress stopped it; E_ENVIRONMENT: no network, an answer that is not the file, a full disk, a
 * folder that cannot be written: the part stays. Messages about the network name the address and
 * the folder, for those who have a browser. A limit on file sizes gives an error only where SIGXFSZ
 * is ignored. Threads: one at a time. Caller frees *path. Checked by: tests/weights/test_fetch.py
 */
int fetch_file(const struct known_file *file, const struct fetch *fetch, char **path,
               struct error *err);

/* The libcurl in use: "7.88.1". */
const char *fetch_curl_version(void);

#endif
