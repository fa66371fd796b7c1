#include "json_file.h"

#include "files.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BYTES_MOST = 16 << 20 };

int json_file_stage(const char *path, json_t *value, struct publication *staged, struct error *err)
{
    int status = 0;
    struct publication made = {0};
    char *text = value ? json_dumps(value, JSON_INDENT(1) | JSON_REAL_PRECISION(15)) : NULL;
    if (!text) {
        status = fail(err, E_ENVIRONMENT, "not enough memory to write '%s'", path);
        goto done;
    }
    TRY(publish_begin(path, &made, err));
    TRY(publish_write(&made, text, strlen(text), err));
    TRY(publish_write(&made, "\n", 1, err));
    *staged = made;
    made = (struct publication){0};
done:
    publish_abort(&made);
    free(text);
    json_decref(value);
    return status;
}

int json_file_write(const char *path, json_t *value, struct error *err)
{
    struct publication staged;
    int status = json_file_stage(path, value, &staged, err);
    return status == 0 ? publish_commit(&staged, err) : status;
}

static int check_size(int file, const char *path, struct error *err)
{
    struct stat info;
    if (fstat(file, &info) != 0)
        return fail_errno(err, "cannot read '%s'", path);
    if (info.st_size > BYTES_MOST)
        return fail(err, E_INPUT, "'%s' is not a file of atelier's", path);
    return 0;
}

static int load(int file, const char *path, json_t **value, struct error *err)
{
    json_error_t reason;
    json_t *loaded = json_loadfd(file, JSON_REJECT_DUPLICATES, &reason);
    if (!loaded)
        return fail(err, E_INPUT, "%s:%d:%d: %s", path, reason.line, reason.column, reason.text);
    if (!json_is_object(loaded)) {
        json_decref(loaded);
        return fail(err, E_INPUT, "'%s' is not a JSON object", path);
    }
    *value = loaded;
    return 0;
}

int json_file_read(const char *path, json_t **value, struct error *err)
{
    int file, status = files_open(path, &file, err);
    if (status != 0)
        return status;
    if (file < 0) {
        *value = NULL;
        return 0;
    }
    TRY(check_size(file, path, err));
    TRY(load(file, path, value, err));
done:
    close(file);
    return status;
}

const char *json_text(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : otherwise;
}

double json_number(const json_t *object, const char *key, double otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

int64_t json_whole(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

void json_copy_text(const json_t *object, const char *key, char *text, size_t size)
{
    snprintf(text, size, "%s", json_text(object, key, ""));
}

json_t *json_any_text(const char *text)
{
    if (!text)
        return json_null();
    json_t *value = json_string(text);
    char *copy = value ? NULL : strdup(text);
    if (!copy)
        return value;
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c > 126)
            *c = '?';
    value = json_string(copy);
    free(copy);
    return value;
}
