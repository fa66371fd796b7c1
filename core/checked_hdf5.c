#include "checked_hdf5.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static herr_t innermost(unsigned n, const H5E_error2_t *record, void *text)
{
    if (n == 0)
        snprintf(text, 256, "%s", record->desc ? record->desc : "");
    return 0;
}

int checked_fail(struct error *err, const char *what)
{
    char reason[256] = "";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, reason);
    if (strncmp(reason, "truncated file", 14) == 0)
        return fail(err, E_INPUT, "the file is truncated: it ends before its data does (%s)",
                    reason);
    return fail(err, E_INPUT, "damaged or truncated: %s%s%s", what, reason[0] ? ": " : "", reason);
}

int checked_open_access(const char *name, hid_t access, hid_t *file, struct error *err)
{
    int status = 0;
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
#if H5_VERSION_GE(1, 10, 7)
    H5Pset_file_locking(access, false, true);
#endif
    hid_t opened = H5Fopen(name, H5F_ACC_RDONLY, access);
    if (opened < 0)
        status = checked_fail(err, "cannot open it as HDF5");
    else
        *file = opened;
    checked_close(access);
    return status;
}

int checked_open_descriptor(int descriptor, hid_t *file, struct error *err)
{
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    return checked_open_access(name, H5Pcreate(H5P_FILE_ACCESS), file, err);
}

int checked_open(const char *path, hid_t *file, struct error *err)
{
    struct stat info;
    int status, opened = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (opened < 0)
        return fail_errno(err, "cannot open it");
    if (fstat(opened, &info) != 0)
        status = fail_errno(err, "cannot open it");
    else if (!S_ISREG(info.st_mode))
        status = fail(err, E_INPUT, "it is not a regular file");
    else
        status = checked_open_descriptor(opened, file, err);
    close(opened);
    return status;
}

void checked_close(hid_t id)
{
    if (id >= 0)
        H5Idec_ref(id);
}

/* The object of one name in a group. */
static int open_child(hid_t group, const char *name, hid_t *child, struct error *err)
{
    H5L_info_t link;
    htri_t exists = H5Lexists(group, name, H5P_DEFAULT);
    if (exists < 0)
        return checked_fail(err, "cannot look up a name");
    if (!exists) {
        *child = H5I_INVALID_HID;
        return 0;
    }
    if (H5Lget_info(group, name, &link, H5P_DEFAULT) < 0)
        return checked_fail(err, "cannot look up a name");
    if (link.type != H5L_TYPE_HARD)
        return fail(err, E_INPUT,
                    "%s stands in its place, which is refused: data must lie in the "
                    "file itself",
                    link.type == H5L_TYPE_SOFT ? "a soft link" : "an external link");
    *child = H5Oopen(group, name, H5P_DEFAULT);
    return *child < 0 ? checked_fail(err, "cannot open an object") : 0;
}

int checked_object(hid_t from, const char *path, H5I_type_t kind, hid_t *object, struct error *err)
{
    int status = 0;
    char *rest = NULL;
    hid_t next = H5I_INVALID_HID, at = H5Oopen(from, ".", H5P_DEFAULT);
    char *names = strdup(path);
    if (at < 0 || !names) {
        status = names ? checked_fail(err, "cannot open a group")
                       : fail(err, E_ENVIRONMENT, "not enough memory");
        goto done;
    }
    for (char *name = strtok_r(names, "/", &rest); name; name = strtok_r(NULL, "/", &rest)) {
        if (H5Iget_type(at) != H5I_GROUP) {
            status = fail(err, E_INPUT, "there is a dataset where a group should be");
            goto done;
        }
        TRY(open_child(at, name, &next, err));
        checked_close(at);
        at = next;
        if (at < 0)
            break;
    }
    if (at >= 0 && H5Iget_type(at) != kind) {
        status = fail(err, E_INPUT, "expected a %s", kind == H5I_GROUP ? "group" : "dataset");
        goto done;
    }
    *object = at;
    at = H5I_INVALID_HID;
done:
    checked_close(at);
    free(names);
    return status;
}

static int check_filters(hid_t properties, struct error *err)
{
    int filters = H5Pget_nfilters(properties);
    if (filters < 0)
        return checked_fail(err, "cannot read how a dataset is stored");
    for (int i = 0; i < filters; i++) {
        unsigned flags, config;
        size_t values = 0;
        H5Z_filter_t filter =
            H5Pget_filter2(properties, (unsigned)i, &flags, &values, NULL, 0, NULL, &config);
        if (filter < H5Z_FILTER_NONE || filter >= H5Z_FILTER_RESERVED)
            return fail(err, E_INPUT, "packed with filter %d, which needs a plug-in: refused",
                        (int)filter);
    }
    return 0;
}

int checked_storage(hid_t dataset, struct error *err)
{
    hid_t properties = H5Dget_create_plist(dataset);
    if (properties < 0)
        return checked_fail(err, "cannot read how a dataset is stored");
    H5D_layout_t layout = H5Pget_layout(properties);
    int status;
    if (layout == H5D_VIRTUAL)
        status = fail(err, E_INPUT,
                      "a virtual dataset is refused: data must lie in the file "
                      "itself");
    else if (H5Pget_external_count(properties) != 0)
        status = fail(err, E_INPUT,
                      "external storage is refused: data must lie in the file "
                      "itself");
    else if (layout < 0)
        status = checked_fail(err, "cannot read how a dataset is stored");
    else
        status = check_filters(properties, err);
    checked_close(properties);
    return status;
}

/* ---- all of a file ---- */

enum { MOST_DEPTH = 32, MOST_OBJECTS = 100000, MOST_PATH = 4096 };

struct walk {
    checked_visitor *visit;
    void *context;
    struct error *err;
    int status, depth, objects;
    char path[MOST_PATH];
};

static int walk_group(hid_t group, struct walk *walk);

/* What stands behind a hard link; its groups come with all they hold. */
static int walk_object(hid_t object, struct walk *walk)
{
    H5I_type_t kind = H5Iget_type(object);
    int status = walk->visit(walk->context, walk->path, object, kind, walk->err);
    if (status || kind != H5I_GROUP)
        return status;
    if (walk->depth == MOST_DEPTH)
        return fail(walk->err, E_INPUT, "its groups are more than %d deep", MOST_DEPTH);
    walk->depth++;
    status = walk_group(object, walk);
    walk->depth--;
    return status;
}

/* A link of another kind is named, and not followed. */
static int walk_link(hid_t group, const char *name, const H5L_info_t *link, struct walk *walk)
{
    if (++walk->objects > MOST_OBJECTS)
        return fail(walk->err, E_INPUT, "it holds more than %d objects", MOST_OBJECTS);
    if (link->type != H5L_TYPE_HARD)
        return walk->visit(walk->context, walk->path, H5I_INVALID_HID, H5I_BADID, walk->err);
    hid_t object = H5Oopen(group, name, H5P_DEFAULT);
    if (object < 0)
        return checked_fail(walk->err, "cannot open an object");
    int status = walk_object(object, walk);
    checked_close(object);
    return status;
}

static herr_t each_link(hid_t group, const char *name, const H5L_info_t *link, void *context)
{
    struct walk *walk = context;
    size_t before = strlen(walk->path);
    int length = snprintf(walk->path + before, MOST_PATH - before, "%s%s", before ? "/" : "", name);
    if (length < 0 || (size_t)length >= MOST_PATH - before)
        walk->status = fail(walk->err, E_INPUT, "the path of an object is too long");
    else
        walk->status = walk_link(group, name, link, walk);
    walk->path[before] = '\0';
    return walk->status ? -1 : 0;
}

static int walk_group(hid_t group, struct walk *walk)
{
    hsize_t at = 0;
    if (H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, &at, each_link, walk) < 0)
        return walk->status ? walk->status : checked_fail(walk->err, "cannot list a group");
    return 0;
}

int checked_walk(hid_t group, checked_visitor *visit, void *context, struct error *err)
{
    struct walk *walk = malloc(sizeof *walk);
    if (!walk)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    *walk = (struct walk){.visit = visit, .context = context, .err = err};
    int status = walk_group(group, walk);
    free(walk);
    return status;
}

static int visit_contained(void *context, const char *path, hid_t object, H5I_type_t kind,
                           struct error *err)
{
    (void)context;
    int status = 0;
    if (kind == H5I_BADID)
        status = fail(err, E_INPUT, "a link is refused: data must lie in the file itself");
    else if (kind == H5I_DATASET)
        status = checked_storage(object, err);
    if (status)
        fail_context(err, "'%.200s': ", path);
    return status;
}

int checked_contained(hid_t file, struct error *err)
{
    return checked_walk(file, visit_contained, NULL, err);
}
