/* HEIC and AVIF through libheif: the primary picture, turned and cropped as the file itself says
 * (its EXIF only repeats that). */
#include "image_file.h"

#include <string.h>

/* An ISO media file of these brands; AVIF sequences have a still picture, too. */
static bool recognises(const uint8_t *head, size_t got)
{
    static const char *const brands[] = {"heic", "heix", "heim", "heis", "hevc",
                                         "hevx", "mif1", "msf1", "avif", "avis"};
    if (got < 12 || memcmp(head + 4, "ftyp", 4) != 0)
        return false;
    for (size_t i = 0; i < sizeof brands / sizeof *brands; i++)
        if (memcmp(head + 8, brands[i], 4) == 0)
            return true;
    return false;
}

#if ATELIER_HEIF
#include <libheif/heif.h>
#include <stdlib.h>

/* All is freed by decoder_close. */
struct decoder {
    struct image_file *file;
    struct heif_context *context;
    struct heif_image_handle *handle;
    struct heif_image *image;
    uint8_t *bytes, *profile;
    size_t profile_bytes;
    uint16_t *row;
    struct image_form form;
    struct image_canvas canvas;
};

static int fail_heif(const struct decoder *d, struct heif_error trouble, struct error *err)
{
    switch (trouble.code) {
    case heif_error_Memory_allocation_error:
        return image_fail_memory(d->file, err);
    case heif_error_Unsupported_filetype:
    case heif_error_Unsupported_feature:
    case heif_error_Decoder_plugin_error:
        return fail(err, E_INPUT,
                    "cannot read '%s': %s; convert it to PNG or JPEG, or install libheif's "
                    "plugins (libheif-plugin-libde265, libheif-plugin-dav1d)",
                    d->file->path, trouble.message);
    default:
        return fail(err, E_INPUT,
                    "'%s' is truncated or corrupt: %s; get it again from where it came",
                    d->file->path, trouble.message);
    }
}

static int decoder_open(struct decoder *d, struct error *err)
{
    int status;
    TRY(image_file_bytes(d->file, &d->bytes, err));
    d->context = heif_context_alloc();
    if (!d->context)
        return image_fail_memory(d->file, err);
    struct heif_error trouble =
        heif_context_read_from_memory_without_copy(d->context, d->bytes, d->file->size_bytes, NULL);
    if (trouble.code == heif_error_Ok)
        trouble = heif_context_get_primary_image_handle(d->context, &d->handle);
    if (trouble.code != heif_error_Ok)
        return fail_heif(d, trouble, err);
    int width = heif_image_handle_get_width(d->handle);
    int height = heif_image_handle_get_height(d->handle);
    d->form = (struct image_form){
        .width = (unsigned)(width > 0 ? width : 0),
        .height = (unsigned)(height > 0 ? height : 0),
        .channels = 3,
        .alpha = heif_image_handle_has_alpha_channel(d->handle),
        .sample_bytes = heif_image_handle_get_luma_bits_per_pixel(d->handle) > 8 ? 2 : 1,
        .orientation = 1,
    };
    TRY(image_check_sides(d->file, d->form.width, d->form.height, err));
done:
    return status;
}

/* An ICC profile, or the codes of the pixels (nclx). */
static int read_colour(struct decoder *d, struct image_colour *colour, struct error *err)
{
    struct heif_color_profile_nclx *codes = NULL;
    *colour = (struct image_colour){0};
    d->profile_bytes = heif_image_handle_get_raw_color_profile_size(d->handle);
    if (d->profile_bytes > 0) {
        d->profile = malloc(d->profile_bytes);
        if (!d->profile)
            return image_fail_memory(d->file, err);
        if (heif_image_handle_get_raw_color_profile(d->handle, d->profile).code != heif_error_Ok)
            d->profile_bytes = 0;
        *colour = (struct image_colour){
            .kind = COLOUR_PROFILE, .profile = d->profile, .profile_bytes = d->profile_bytes};
    } else if (heif_image_handle_get_nclx_color_profile(d->handle, &codes).code == heif_error_Ok) {
        int primaries = (int)codes->color_primaries,
            transfer = (int)codes->transfer_characteristics;
        if (colour_codes_known(primaries, transfer))
            *colour = (struct image_colour){
                .kind = COLOUR_CODES, .primaries = primaries, .transfer = transfer};
        heif_nclx_color_profile_free(codes);
    }
    return 0;
}

static enum heif_chroma layout_of(const struct decoder *d)
{
    if (d->form.sample_bytes == 1)
        return d->form.alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return d->form.alpha ? heif_chroma_interleaved_RRGGBBAA_LE : heif_chroma_interleaved_RRGGBB_LE;
#else
    return d->form.alpha ? heif_chroma_interleaved_RRGGBBAA_BE : heif_chroma_interleaved_RRGGBB_BE;
#endif
}

/* Of 10 or 12 bits to 16. */
static const void *widened(struct decoder *d, const uint8_t *row, int bits)
{
    size_t count = (size_t)d->form.width * (d->form.channels + d->form.alpha);
    unsigned most = (1u << bits) - 1;
    for (size_t i = 0; i < count; i++) {
        uint16_t sample;
        memcpy(&sample, row + 2 * i, sizeof sample);
        d->row[i] = (uint16_t)((sample * 65535u + most / 2) / most);
    }
    return d->row;
}

static int put_rows(struct decoder *d, struct error *err)
{
    int stride = 0, bits = heif_image_get_bits_per_pixel_range(d->image, heif_channel_interleaved);
    const uint8_t *pixels =
        heif_image_get_plane_readonly(d->image, heif_channel_interleaved, &stride);
    int width = heif_image_get_primary_width(d->image);
    int height = heif_image_get_primary_height(d->image);
    if (!pixels || width != (int)d->form.width || height != (int)d->form.height || bits > 16)
        return fail(err, E_INPUT, "'%s' is corrupt: its size is not what it says", d->file->path);
    for (unsigned y = 0; y < d->form.height; y++) {
        const void *row = pixels + (size_t)stride * y;
        if (d->form.sample_bytes == 2)
            row = widened(d, row, bits);
        image_canvas_put(&d->canvas, 0, y, d->form.width, row);
    }
    return 0;
}

static int decode(struct decoder *d, struct error *err)
{
    int status;
    struct image_colour colour;
    TRY(decoder_open(d, err));
    TRY(read_colour(d, &colour, err));
    TRY(image_canvas_begin(d->file, &d->form, &colour, &d->canvas, err));
    d->row = malloc(8 * (size_t)d->form.width);
    if (!d->row)
        return image_fail_memory(d->file, err);
    struct heif_error trouble =
        heif_decode_image(d->handle, &d->image, heif_colorspace_RGB, layout_of(d), NULL);
    if (trouble.code != heif_error_Ok)
        return fail_heif(d, trouble, err);
    TRY(put_rows(d, err));
    if (heif_context_get_number_of_top_level_images(d->context) > 1)
        image_note(d->file->notes, "it holds several pictures; the primary one is taken");
done:
    return status;
}

static void decoder_close(struct decoder *d)
{
    heif_image_release(d->image);
    heif_image_handle_release(d->handle);
    heif_context_free(d->context);
    image_canvas_release(&d->canvas);
    free(d->bytes);
    free(d->profile);
    free(d->row);
}

/* Beside what it hands over libheif keeps the planes it converts, and the decoder its own. */
enum { LIBRARY_BYTES_PER_PX = 8 };

static int probe(struct image_file *file, struct image_size *size, struct error *err)
{
    struct decoder d = {.file = file};
    int status = decoder_open(&d, err);
    if (status == 0) {
        uint64_t each = d.form.sample_bytes * (LIBRARY_BYTES_PER_PX + (d.form.alpha ? 5u : 3u));
        *size = image_form_size(&d.form, file->size_bytes + each * d.form.width * d.form.height);
    }
    decoder_close(&d);
    return status;
}

static int read_picture(struct image_file *file, struct image *out, struct error *err)
{
    struct decoder d = {.file = file};
    int status = decode(&d, err);
    if (status == 0)
        image_canvas_end(&d.canvas, out);
    decoder_close(&d);
    return status;
}

static void version(char *text, size_t size) { snprintf(text, size, "%s", heif_get_version()); }
#endif

const struct image_format image_format_heif = {
    .name = "HEIC and AVIF",
    .kind = "a HEIC or AVIF picture",
    .library = "libheif",
    .package = "libheif-dev",
    .recognises = recognises,
#if ATELIER_HEIF
    .probe = probe,
    .read = read_picture,
    .version = version,
#endif
};
