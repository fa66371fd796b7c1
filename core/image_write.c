/* The picture that a render leaves, in the format that its name's extension says. */
#include "image_output.h"
#include "image_page.h"
#include "publish.h"

#include <assert.h>
#include <errno.h>
#include <lcms2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef int put_function(const struct image_page *, FILE *, struct image_trouble *);

static const struct {
    const char *extension;
    put_function *put;
} kinds[] = {
    {".png", image_put_png},  {".jpg", image_put_jpeg},  {".jpeg", image_put_jpeg},
#if ATELIER_TIFF
    {".tif", image_put_tiff}, {".tiff", image_put_tiff},
#endif
};
enum { KINDS = sizeof kinds / sizeof *kinds };

#if ATELIER_TIFF
static const char choice[] = ".png, .jpg or .tif";
#else
static const char choice[] = ".png or .jpg";
#endif

/* -1: none of them. */
static int kind_of(const char *path)
{
    size_t length = strlen(path);
    for (int i = 0; i < KINDS; i++) {
        size_t extension = strlen(kinds[i].extension);
        if (length > extension && strcasecmp(path + length - extension, kinds[i].extension) == 0 &&
            path[length - extension - 1] != '/')
            return i;
    }
    return -1;
}

int image_extension(const char *path, size_t *length, struct error *err)
{
    int kind = kind_of(path);
    if (kind < 0)
        return fail(err, E_INPUT, "output must end in %s, got '%s'", choice, path);
    *length = strlen(kinds[kind].extension);
    return 0;
}

bool image_holds_deep(const char *path)
{
    int kind = kind_of(path);
    return kind >= 0 && kinds[kind].put != image_put_jpeg;
}

static int write_file(const struct image_page *page, put_function *put,
                      const struct publication *to, struct error *err)
{
    const char *path = to->path;
    struct image_trouble trouble = {0};
    FILE *stream = publish_as_stream(to);
    if (!stream)
        return fail_errno(err, "cannot write '%s'", path);
    int failed = put(page, stream, &trouble);
    if (fclose(stream) != 0 && !failed) {
        failed = 1;
        trouble.cause = errno;
    }
    if (!failed)
        return 0;
    return fail(err, E_ENVIRONMENT, "cannot write '%s': %s", path,
                trouble.cause ? strerror(trouble.cause) : trouble.words);
}

static int stage(const struct image_page *page, put_function *put, const char *path,
                 struct publication *staged, struct error *err)
{
    assert(page->image->width >= 1 && page->image->height >= 1);
    struct publication publication = {0};
    int status;
    TRY(publish_begin(path, &publication, err));
    TRY(write_file(page, put, &publication, err));
    *staged = publication;
    publication = (struct publication){0};
done:
    publish_abort(&publication);
    return status;
}

int image_stage(const char *path, const struct image *image, const struct image_text *texts,
                size_t text_count, int quality, struct publication *staged, struct error *err)
{
    struct image_page page = {
        .image = image, .texts = texts, .text_count = text_count, .quality = quality};
    size_t length;
    int status = image_extension(path, &length, err);
    return status != 0 ? status : stage(&page, kinds[kind_of(path)].put, path, staged, err);
}

int image_stage_png(const char *path, const struct image *image, const struct image_text *texts,
                    size_t text_count, struct publication *staged, struct error *err)
{
    struct image_page page = {.image = image, .texts = texts, .text_count = text_count};
    return stage(&page, image_put_png, path, staged, err);
}

int image_write_png(const char *path, const struct image *image, const struct image_text *texts,
                    size_t text_count, struct error *err)
{
    struct publication staged;
    int status = image_stage_png(path, image, texts, text_count, &staged, err);
    return status != 0 ? status : publish_commit(&staged, err);
}

/* lcms puts the time of making into its header: 2000-01-01 instead. */
uint8_t *image_srgb_profile(size_t *bytes)
{
    enum { DATE_AT = 24, HEADER_BYTES = 128 };
    static const uint8_t date[12] = {0x07, 0xd0, 0, 1, 0, 1};
    cmsHPROFILE profile = cmsCreate_sRGBProfile();
    cmsUInt32Number size = 0;
    uint8_t *made = NULL;
    if (profile && cmsSaveProfileToMem(profile, NULL, &size) && size > HEADER_BYTES)
        made = malloc(size);
    if (made && !cmsSaveProfileToMem(profile, made, &size)) {
        free(made);
        made = NULL;
    }
    if (made)
        memcpy(made + DATE_AT, date, sizeof date);
    if (profile)
        cmsCloseProfile(profile);
    *bytes = size;
    return made;
}
