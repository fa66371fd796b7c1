/* A chunk is a big-endian length, four letters, that many bytes and a CRC (PNG specification,
 * section 5.3). libpng is told to skip what is read here: it takes memory for a chunk before it
 * knows whether the file is as long, does not know cICP, nor the orientation in text that
 * ImageMagick and older programs write ("Raw profile type exif": its length, and hex digits). */
#include "image_png_chunks.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    SIGNATURE_BYTES = 8,
    CHUNK_MAX_BYTES = 16 << 20, /* of those that are read whole */
    TEXT_MAX_BYTES = 16 << 20,  /* of a text, inflated */
    KEYWORD_MAX = 79
};

/* A chunk that is read whole; bytes has a 0 behind it. */
struct chunk {
    char type[5];
    uint8_t *bytes;
    size_t length;
    bool before_pixels;
};

struct walk {
    const struct image_file *file;
    struct png_lore *lore;
    bool has_codes, has_profile, has_srgb, pixels_seen;
    struct image_colour codes, curve;
    size_t profile_bytes;
};

static uint32_t big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Caller frees; NULL: damaged, too long, or no memory. */
static uint8_t *inflated(const uint8_t *bytes, size_t length, size_t most, size_t *out)
{
    size_t room = 4 * length + 1024, used = 0;
    uint8_t *made = NULL;
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)length};
    int state = inflateInit(&stream);
    while (state == Z_OK && used <= most) {
        uint8_t *more = realloc(made, room + 1);
        if (!more)
            break;
        made = more;
        stream.next_out = made + used;
        stream.avail_out = (uInt)(room - used);
        state = inflate(&stream, Z_NO_FLUSH);
        used = room - stream.avail_out;
        room *= 2;
    }
    inflateEnd(&stream);
    if (state != Z_STREAM_END || used > most) {
        free(made);
        return NULL;
    }
    made[used] = 0;
    *out = used;
    return made;
}

/* --- texts --- */

/* "\nexif\n      42\n" and hex digits in lines. Caller frees; NULL: none such. */
static uint8_t *from_hex(const char *text, size_t *out)
{
    size_t length = strlen(text), count = 0;
    unsigned value = 0, digits = 0;
    const char *at = text + strspn(text, " \n\r\t");
    at += strcspn(at, "\n");
    at += strspn(at, " \n\r\t");
    at += strspn(at, "0123456789");
    uint8_t *made = malloc(length / 2 + 1);
    for (; made && *at; at++) {
        if (!isxdigit((unsigned char)*at))
            continue;
        value = value << 4 |
                (unsigned)(isdigit((unsigned char)*at) ? *at - '0' : (*at | 32) - 'a' + 10);
        if (++digits % 2 == 0)
            made[count++] = (uint8_t)value;
    }
    *out = count;
    return made;
}

static void keep_profile(struct walk *walk, uint8_t *profile, size_t bytes)
{
    free(walk->lore->profile);
    walk->lore->profile = profile;
    walk->profile_bytes = profile ? bytes : 0;
    walk->has_profile = true;
}

static void take_raw(struct walk *walk, const char *kind, const char *text)
{
    size_t count = 0;
    uint8_t *block = from_hex(text, &count);
    static const char xmp[] = "http://ns.adobe.com/xap/1.0/";
    if (!block)
        return;
    bool is_exif = strcmp(kind, "exif") == 0 || strcmp(kind, "APP1") == 0;
    bool is_profile = strcmp(kind, "icc") == 0 || strcmp(kind, "icm") == 0;
    if (strcmp(kind, "xmp") == 0 ||
        (is_exif && count > sizeof xmp && memcmp(block, xmp, sizeof xmp) == 0))
        image_xmp_read(&walk->lore->exif, (const char *)block, count);
    else if (is_exif)
        image_exif_read(&walk->lore->exif, block, count);
    if (is_profile && !walk->has_profile) {
        keep_profile(walk, block, count);
        return;
    }
    free(block);
}

static const char raw_kind[] = "Raw profile type ";
static const char xmp_keyword[] = "XML:com.adobe.xmp";

static void take_text(struct walk *walk, const char *keyword, const char *text, size_t length)
{
    if (strncmp(keyword, raw_kind, sizeof raw_kind - 1) == 0)
        take_raw(walk, keyword + sizeof raw_kind - 1, text);
    else
        image_xmp_read(&walk->lore->exif, text, length);
}

static void take_deflated(struct walk *walk, const char *keyword, const uint8_t *bytes,
                          size_t length)
{
    size_t count = 0;
    uint8_t *text = inflated(bytes, length, TEXT_MAX_BYTES, &count);
    if (text)
        take_text(walk, keyword, (const char *)text, count);
    free(text);
}

/* tEXt: keyword, 0, text. zTXt: keyword, 0, method, deflated. iTXt: keyword, 0, whether deflated,
 * method, language, 0, translated keyword, 0, text. */
static void take_text_chunk(struct walk *walk, const struct chunk *chunk)
{
    const char *keyword = (const char *)chunk->bytes;
    const uint8_t *at = chunk->bytes + strlen(keyword) + 1, *end = chunk->bytes + chunk->length;
    bool deflated = chunk->type[0] == 'z';
    if (chunk->type[0] == 'z')
        at += 1;
    if (chunk->type[0] == 'i') {
        deflated = at < end && *at;
        at += 2;
        for (int i = 0; i < 2 && at < end; i++)
            at += strlen((const char *)at) + 1;
    }
    if (at >= end)
        return;
    if (deflated)
        take_deflated(walk, keyword, at, (size_t)(end - at));
    else
        take_text(walk, keyword, (const char *)at, (size_t)(end - at));
}

/* --- colours --- */

static void take_profile(struct walk *walk, const struct chunk *chunk)
{
    size_t name = strlen((const char *)chunk->bytes), bytes = 0;
    uint8_t *profile = NULL;
    if (name + 2 < chunk->length)
        profile = inflated(chunk->bytes + name + 2, chunk->length - name - 2,
                           COLOUR_PROFILE_MAX_BYTES, &bytes);
    keep_profile(walk, profile, bytes);
}

static void take_codes(struct walk *walk, const struct chunk *chunk)
{
    const uint8_t *b = chunk->bytes;
    if (chunk->length != 4 || b[2] != 0)
        return;
    if (!colour_codes_known(b[0], b[1]) || b[3] != 1) {
        image_note(walk->file->notes, "its cICP chunk (%d, %d, %s range) is not known here", b[0],
                   b[1], b[3] == 1 ? "full" : "narrow");
        return;
    }
    walk->codes = (struct image_colour){.kind = COLOUR_CODES, .primaries = b[0], .transfer = b[1]};
    walk->has_codes = true;
}

static void take_gamma(struct walk *walk, const struct chunk *chunk)
{
    if (chunk->length != 4 || big_endian(chunk->bytes) == 0)
        return;
    walk->curve.kind = COLOUR_CURVE;
    walk->curve.gamma = big_endian(chunk->bytes) * 1e-5;
}

static void take_primaries(struct walk *walk, const struct chunk *chunk)
{
    if (chunk->length != 32)
        return;
    walk->curve.kind = COLOUR_CURVE;
    walk->curve.has_primaries = true;
    for (int i = 0; i < 8; i++)
        walk->curve.primary[i / 2][i % 2] = big_endian(chunk->bytes + 4 * i) * 1e-5;
}

static void take_srgb(struct walk *walk, const struct chunk *chunk)
{
    walk->has_srgb |= chunk->length == 1;
}

static void take_exif(struct walk *walk, const struct chunk *chunk)
{
    image_exif_read(&walk->lore->exif, chunk->bytes, chunk->length);
}

static void take_nothing(struct walk *walk, const struct chunk *chunk) { (void)walk, (void)chunk; }

/* --- the walk --- */

/* The chunks that are read. A wrong checksum of a critical one is refused here; libpng is told to
 * leave them alone, so that pixels whose own checksum is right count as right. */
static const struct {
    const char *type;
    bool critical, anywhere, is_text;
    void (*take)(struct walk *, const struct chunk *);
} readers[] = {
    {"IHDR", true, false, false, take_nothing},   {"PLTE", true, false, false, take_nothing},
    {"tRNS", true, false, false, take_nothing},   {"cICP", false, false, false, take_codes},
    {"iCCP", false, false, false, take_profile},  {"sRGB", false, false, false, take_srgb},
    {"gAMA", false, false, false, take_gamma},    {"cHRM", false, false, false, take_primaries},
    {"eXIf", false, true, false, take_exif},      {"tEXt", false, true, true, take_text_chunk},
    {"zTXt", false, true, true, take_text_chunk}, {"iTXt", false, true, true, take_text_chunk},
};
enum { READERS = sizeof readers / sizeof *readers };

/* Whether a text's keyword is one that is looked for; the stream stays where it is. */
static bool is_wanted_text(FILE *stream, size_t length)
{
    char keyword[KEYWORD_MAX + 1] = "";
    size_t head = length < KEYWORD_MAX ? length : KEYWORD_MAX;
    size_t got = fread(keyword, 1, head, stream);
    if (fseeko(stream, -(off_t)got, SEEK_CUR) != 0)
        return false;
    return strncmp(keyword, raw_kind, sizeof raw_kind - 1) == 0 ||
           strcmp(keyword, xmp_keyword) == 0;
}

static int read_chunk(struct walk *walk, int reader, struct chunk *chunk, struct error *err)
{
    FILE *stream = walk->file->stream;
    uint8_t sum[4];
    chunk->bytes = malloc(chunk->length + 1);
    if (!chunk->bytes)
        return image_fail_memory(walk->file, err);
    chunk->bytes[chunk->length] = 0;
    if (fread(chunk->bytes, 1, chunk->length, stream) != chunk->length ||
        fread(sum, 1, sizeof sum, stream) != sizeof sum)
        return 0;
    uLong crc = crc32(crc32(0, (const Bytef *)chunk->type, 4), chunk->bytes, (uInt)chunk->length);
    if (crc == big_endian(sum))
        readers[reader].take(walk, chunk);
    else if (readers[reader].critical)
        return fail(err, E_INPUT, "'%s' is corrupt: %s: CRC error", walk->file->path, chunk->type);
    return 0;
}

/* -1: the chunk is passed over. */
static int reader_of(const struct walk *walk, const struct chunk *chunk)
{
    for (int i = 0; i < READERS; i++)
        if (strcmp(chunk->type, readers[i].type) == 0 && chunk->length <= CHUNK_MAX_BYTES &&
            (readers[i].anywhere || !walk->pixels_seen) &&
            (!readers[i].is_text || is_wanted_text(walk->file->stream, chunk->length)))
            return i;
    return -1;
}

/* One chunk; *more is false at the end, or where the file is cut. */
static int step(struct walk *walk, bool *more, struct error *err)
{
    uint8_t head[8];
    struct chunk chunk = {0};
    FILE *stream = walk->file->stream;
    *more = false;
    if (fread(head, 1, sizeof head, stream) != sizeof head)
        return 0;
    memcpy(chunk.type, head + 4, 4);
    chunk.length = big_endian(head);
    off_t at = ftello(stream);
    if (at < 0 || (uint64_t)at + chunk.length + 4 > walk->file->size_bytes ||
        strcmp(chunk.type, "IEND") == 0)
        return 0;
    if (strcmp(chunk.type, "CgBI") == 0)
        return fail(err, E_INPUT,
                    "'%s' is a PNG of Xcode's own kind (CgBI): bring it back with 'xcrun pngcrush "
                    "-revert-iphone-optimizations', or take the original",
                    walk->file->path);
    walk->pixels_seen |= strcmp(chunk.type, "IDAT") == 0;
    int reader = reader_of(walk, &chunk);
    int status = reader >= 0 ? read_chunk(walk, reader, &chunk, err) : 0;
    free(chunk.bytes);
    *more = status == 0 && fseeko(stream, at + (off_t)chunk.length + 4, SEEK_SET) == 0;
    return status;
}

/* PNG specification, third edition, section 4.3. */
static void settle_colour(const struct walk *walk)
{
    struct image_colour *colour = &walk->lore->colour;
    if (walk->has_codes)
        *colour = walk->codes;
    else if (walk->has_profile)
        *colour = (struct image_colour){.kind = COLOUR_PROFILE,
                                        .profile = walk->lore->profile,
                                        .profile_bytes = walk->profile_bytes};
    else if (!walk->has_srgb)
        *colour = walk->curve;
    if (colour->kind == COLOUR_SRGB && !walk->has_srgb && walk->lore->exif.adobe_rgb)
        colour->kind = COLOUR_ADOBE_RGB;
}

int png_lore_read(const struct image_file *file, struct png_lore *lore, struct error *err)
{
    int status = 0;
    bool more = fseeko(file->stream, SIGNATURE_BYTES, SEEK_SET) == 0;
    struct walk walk = {.file = file, .lore = lore};
    while (more)
        TRY(step(&walk, &more, err));
    if (ferror(file->stream))
        status = fail_errno(err, "cannot read '%s'", file->path);
    settle_colour(&walk);
    rewind(file->stream);
done:
    return status;
}

void png_lore_release(struct png_lore *lore)
{
    free(lore->profile);
    *lore = (struct png_lore){0};
}
