/* Fetches a made-up file, for test_fetch.py:
 *   fetch_driver ADDRESS FILE FOLDER BYTES MD5 SHA256 STOP_AT SILENCE_S
 * "-" is an unknown. Prints each number of bytes that progress was told, and the path; stops at
 * STOP_AT bytes, unless that is 0. Ends with the error's code. */
#include "fetch.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int on_progress(void *context, uint64_t bytes, uint64_t total)
{
    const uint64_t *stop_at = context;
    printf("progress %" PRIu64 " %" PRIu64 "\n", bytes, total);
    return *stop_at > 0 && bytes >= *stop_at;
}

static const char *known(const char *text) { return strcmp(text, "-") == 0 ? NULL : text; }

int main(int argc, char **argv)
{
    if (argc != 9) {
        fprintf(stderr,
                "usage: fetch_driver ADDRESS FILE FOLDER BYTES MD5 SHA256 STOP_AT SILENCE_S\n");
        return 64;
    }
    signal(SIGXFSZ, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct known_file file = {.name = "made-up",
                              .address = known(argv[1]),
                              .page = "http://example.org/",
                              .file = argv[2],
                              .bytes = known(argv[4]) ? strtoull(argv[4], NULL, 10) : 0,
                              .md5 = known(argv[5]),
                              .sha256 = known(argv[6]),
                              .reader = &weight_reader_keras};
    uint64_t stop_at = strtoull(argv[7], NULL, 10);
    unsigned silence_s = (unsigned)strtoul(argv[8], NULL, 10);
    struct fetch fetch = {.folder = known(argv[3]),
                          .progress = on_progress,
                          .context = &stop_at,
                          .connect_s = silence_s,
                          .stall_s = silence_s};
    struct error err = {0};
    char *path = NULL;
    int status = fetch_file(&file, &fetch, &path, &err);
    if (status)
        fprintf(stderr, "%s\n", err.message);
    else
        printf("path %s\n", path);
    if (status != 0 && (status != err.code || path))
        return 70;
    free(path);
    return status;
}
