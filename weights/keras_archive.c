/* The .keras files of Keras 3 (and 2.12 on): a zip archive of metadata.json, config.json and
 * model.weights.h5, stored, or deflated by whoever packed it again. An .h5 file that somebody
 * zipped is read alike. Source: keras/src/saving/saving_lib.py. */
#include "file_map.h"
#include "keras.h"
#include "named.h"
#include "weights.h"
#include "zip.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

enum {
    MOST_DEFLATE_RATIO = 1032, /* 258 bytes in two bits */
    SHOWN = 5,
};

static bool recognises(const unsigned char *start, size_t count)
{
    return zip_begins(start, count);
}

/* ---- which member ---- */

static bool ends_with(struct region name, const char *end)
{
    size_t length = strlen(end);
    return name.count >= length && memcmp(name.bytes + name.count - length, end, length) == 0;
}

/* What there is instead. */
static int fail_without(const struct zip *zip, const char *what, struct error *err)
{
    char there[SHOWN * (NAMED_TEXT + 4) + 8] = "", name[NAMED_TEXT];
    size_t used = 0;
    for (size_t i = 0; i < zip->count && i < SHOWN; i++) {
        named_text((const char *)zip->members[i].name.bytes, zip->members[i].name.count, name);
        used += (size_t)snprintf(there + used, sizeof there - used, "%s'%s'", i ? ", " : "", name);
    }
    return fail(err, E_INPUT, "it is a zip archive %s: it holds %s%s", what,
                zip->count ? there : "nothing", zip->count > SHOWN ? ", ..." : "");
}

/* Keras' own, wherever it lies, else the only .h5. */
static int choose(const struct zip *zip, const struct zip_member **chosen, struct error *err)
{
    static const char *const ends[] = {"model.weights.h5", ".h5", ".hdf5"};
    const struct zip_member *found = NULL;
    for (size_t end = 0; end < sizeof ends / sizeof *ends && !found; end++)
        for (size_t i = 0; i < zip->count; i++) {
            if (!ends_with(zip->members[i].name, ends[end]))
                continue;
            if (found)
                return fail_without(zip, "with several files of weights", err);
            found = &zip->members[i];
        }
    if (!found)
        return fail_without(zip, "without a 'model.weights.h5', which .keras files have", err);
    *chosen = found;
    return 0;
}

/* ---- its bytes ---- */

/* Fills *out, which has the member's size, and not a byte more. */
static int inflate_into(struct region packed, struct region out, const char *name,
                        struct error *err)
{
    z_stream stream = {0};
    size_t in = 0, made = 0;
    int state = Z_OK;
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    while (state == Z_OK) {
        const size_t step = 1u << 30;
        stream.next_in = (unsigned char *)(uintptr_t)packed.bytes + in;
        stream.avail_in = (uInt)(packed.count - in < step ? packed.count - in : step);
        stream.next_out = (unsigned char *)(uintptr_t)out.bytes + made;
        stream.avail_out = (uInt)(out.count - made < step ? out.count - made : step);
        const uInt given = stream.avail_in, room = stream.avail_out;
        state = inflate(&stream, Z_NO_FLUSH);
        in += given - stream.avail_in;
        made += room - stream.avail_out;
    }
    inflateEnd(&stream);
    if (state == Z_MEM_ERROR)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    if (state != Z_STREAM_END || made != out.count)
        return fail(err, E_INPUT, "its zip member '%s' is damaged: it does not inflate", name);
    return 0;
}

static int inflate_member(const struct zip_member *m, struct region packed, const char *name,
                          struct region *out, struct error *err)
{
    if (m->size == 0 || m->size / MOST_DEFLATE_RATIO > packed.count)
        return fail(err, E_INPUT, "its zip member '%s' cannot be %" PRIu64 " bytes", name, m->size);
    void *memory = mmap(NULL, (size_t)m->size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return fail_errno(err, "not enough memory to unpack '%s'", name);
    struct region made = {memory, (size_t)m->size};
    int status = inflate_into(packed, made, name, err);
    if (status)
        munmap(memory, made.count);
    else
        *out = made;
    return status;
}

/* *inflated is what has to be unmapped, if anything. */
static int open_member(const struct zip *zip, const struct zip_member *m, struct region *data,
                       struct region *inflated, struct error *err)
{
    char name[NAMED_TEXT];
    struct region packed;
    named_text((const char *)m->name.bytes, m->name.count, name);
    int status = zip_packed(zip, m, name, &packed, err);
    if (status)
        return status;
    if (m->encrypted || (m->method != ZIP_STORED && m->method != ZIP_DEFLATED))
        return fail(err, E_INPUT,
                    "its zip member '%s' is encrypted or packed in a way that is not read: unzip "
                    "it",
                    name);
    if (m->method == ZIP_DEFLATED) {
        status = inflate_member(m, packed, name, inflated, err);
        *data = *inflated;
    } else if (m->packed != m->size)
        status = fail(err, E_INPUT, "its zip member '%s' has two sizes", name);
    else
        *data = packed;
    return status;
}

static int read_archive(const char *path, struct vgg19_weights *weights, int *convention,
                        struct error *err)
{
    struct region file = {0}, inflated = {0};
    struct zip zip = {0};
    struct keras_source source = {0};
    const struct zip_member *member = NULL;
    int status, lost;
    TRY(file_map(AT_FDCWD, path, &file, err));
    TRY(zip_open(file, &zip, err));
    TRY(choose(&zip, &member, err));
    TRY(open_member(&zip, member, &source.image, &inflated, err));
    status = keras_read_guarded(&source, weights, convention, err);
    lost = file_map_whole(err);
    status = lost ? lost : status;
done:
    if (inflated.bytes)
        munmap((void *)(uintptr_t)inflated.bytes, inflated.count);
    zip_release(&zip);
    file_unmap(&file);
    return status;
}

const struct weight_reader weight_reader_keras_archive = {
    .format = "Keras archive",
    .guesses = "the layers' names",
    .recognises = recognises,
    .read = read_archive,
};
