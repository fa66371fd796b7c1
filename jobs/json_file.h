/* Small JSON files of a store: read whole, replaced whole. */
#ifndef ATELIER_JSON_FILE_H
#define ATELIER_JSON_FILE_H

#include "error.h"
#include "publish.h"
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* Publishes `value` (a new reference, taken over; NULL: out of memory) as the file's whole content.
 * Errors: E_ENVIRONMENT: an earlier file stands as it was; E_INPUT as publish_begin. */
int json_file_write(const char *path, json_t *value, struct error *err);

/* The first half of that: writes the temporary file alone. *staged is written on success only. */
int json_file_stage(const char *path, json_t *value, struct publication *staged, struct error *err);

/* Reads an object. *value is a new reference, or NULL if there is no such file.
 * Errors: E_INPUT: no JSON, no object, longer than 16 MB; E_ENVIRONMENT. */
int json_file_read(const char *path, json_t **value, struct error *err);

/* Members of an object; what is absent or of another type is the default. */
const char *json_text(const json_t *object, const char *key, const char *otherwise);
double json_number(const json_t *object, const char *key, double otherwise);
int64_t json_whole(const json_t *object, const char *key, int64_t otherwise);
/* Cuts off what has no room. */
void json_copy_text(const json_t *object, const char *key, char *text, size_t size);

/* Any bytes as a JSON text: what is no UTF-8 becomes '?'. NULL text gives null. */
json_t *json_any_text(const char *text);

#endif
