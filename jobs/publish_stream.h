/* A text or binary file that is written from beginning to end and appears whole or not at all. */
#ifndef ATELIER_PUBLISH_STREAM_H
#define ATELIER_PUBLISH_STREAM_H

#include "publish.h"
#include <stdio.h>

struct publish_stream {
    struct publication publication;
    FILE *file;
};

/* Opens it under its temporary name. Errors: as publish_begin; E_ENVIRONMENT. */
int publish_stream_begin(const char *path, struct publish_stream *out, struct error *err);

/* Gives it its name if all went well so far (status 0) and all of it could be written; removes it
 * otherwise. Releases it, always. Returns status, or E_ENVIRONMENT. Safe on {0}. */
int publish_stream_end(struct publish_stream *stream, int status, struct error *err);

#endif
