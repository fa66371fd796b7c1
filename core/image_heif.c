/* HEIC and AVIF through libheif: the primary picture, turned and cropped as the file itself says
 * (its EXIF only repeats that). */
#include "image_file.h"

#include <libheif/heif.h>
#include <stdlib.h>
#include <string.h>

/* All is freed by heif_close. */
struct heif_decoder {
    struct image_decoder base;
    struct heif_context *context;
    struct heif_image_handle *handle;
    struct heif_image *image;
    uint8_t *bytes, *profile;
    size_t profile_bytes;
    uint16_t *row;
};

static int fail_heif(const struct heif_decoder *d, struct heif_error trouble, struct error *err)
{
    if (trouble.subcode == heif_suberror_Security_limit_exceeded) /* its code is that of memory */
        return fail(err, E_INPUT, "'%s' claims more than a picture has: %s", d->base.file->path,
                    trouble.message);
    switch (trouble.code) {
    case heif_error_Memory_allocation_error:
        return image_fail_memory(d->base.file, err);
    case heif_error_Unsupported_filetype:
    case heif_error_Unsupported_feature:
    case heif_error_Decoder_plugin_error:
        return fail(err, E_INPUT,
                    "cannot read '%s': %s; convert it to PNG or JPEG, or install libheif's "
                    "plugins (libheif-plugin-libde265, libheif-plugin-dav1d)",
                    d->base.file->path, trouble.message);
    default:
        return fail(err, E_INPUT,
                    "'%s' is truncated or corrupt: %s; get it again from where it came",
                    d->base.file->path, trouble.message);
    }
}

static int open_primary(struct heif_decoder *d, struct error *err)
{
    int status;
    TRY(image_file_bytes(d->base.file, &d->bytes, err));
    d->context = heif_context_alloc();
    if (!d->context)
        return image_fail_memory(d->base.file, err);
    struct heif_error trouble = heif_context_read_from_memory_without_copy(
        d->context, d->bytes, d->base.file->size_bytes, NULL);
    if (trouble.code == heif_error_Ok)
        trouble = heif_context_get_primary_image_handle(d->context, &d->handle);
    if (trouble.code != heif_error_Ok)
        return fail_heif(d, trouble, err);
    int width = heif_image_handle_get_width(d->handle);
    int height = heif_image_handle_get_height(d->handle);
    d->base.form = (struct image_form){
        .width = (unsigned)(width > 0 ? width : 0),
        .height = (unsigned)(height > 0 ? height : 0),
        .channels = 3,
        .alpha = heif_image_handle_has_alpha_channel(d->handle),
        .sample_bytes = heif_image_handle_get_luma_bits_per_pixel(d->handle) > 8 ? 2 : 1,
        .orientation = 1,
    };
    TRY(image_check_sides(d->base.file, d->base.form.width, d->base.form.height, err));
done:
    return status;
}

/* An ICC profile, or the codes of the pixels (nclx). */
static int read_colour(struct heif_decoder *d, struct error *err)
{
    struct heif_color_profile_nclx *codes = NULL;
    struct image_colour *colour = &d->base.colour;
    d->profile_bytes = heif_image_handle_get_raw_color_profile_size(d->handle);
    if (d->profile_bytes > 0) {
        d->profile = malloc(d->profile_bytes);
        if (!d->profile)
            return image_fail_memory(d->base.file, err);
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

/* Beside what it hands over libheif keeps the planes it converts, and the decoder its own. */
enum { LIBRARY_BYTES_PER_PX = 8 };

static int heif_open(struct image_decoder *decoder, struct error *err)
{
    int status;
    struct heif_decoder *d = (struct heif_decoder *)decoder;
    const struct image_form *form = &decoder->form;
    TRY(open_primary(d, err));
    TRY(read_colour(d, err));
    uint64_t each = form->sample_bytes * (LIBRARY_BYTES_PER_PX + (form->alpha ? 5u : 3u));
    decoder->bytes = decoder->file->size_bytes + each * form->width * form->height;
done:
    return status;
}

static enum heif_chroma layout_of(const struct heif_decoder *d)
{
    if (d->base.form.sample_bytes == 1)
        return d->base.form.alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return d->base.form.alpha ? heif_chroma_interleaved_RRGGBBAA_LE
                              : heif_chroma_interleaved_RRGGBB_LE;
#else
    return d->base.form.alpha ? heif_chroma_interleaved_RRGGBBAA_BE
                              : heif_chroma_interleaved_RRGGBB_BE;
#endif
}

/* Of 10 or 12 bits to 16. */
static const void *widened(struct heif_decoder *d, const uint8_t *row, int bits)
{
    size_t count = (size_t)d->base.form.width * (d->base.form.channels + d->base.form.alpha);
    unsigned most = (1u << bits) - 1;
    for (size_t i = 0; i < count; i++) {
        uint16_t sample;
        memcpy(&sample, row + 2 * i, sizeof sample);
        d->row[i] = (uint16_t)((sample * 65535u + most / 2) / most);
    }
    return d->row;
}

static int put_rows(struct heif_decoder *d, struct error *err)
{
    int stride = 0, bits = heif_image_get_bits_per_pixel_range(d->image, heif_channel_interleaved);
    const uint8_t *pixels =
        heif_image_get_plane_readonly(d->image, heif_channel_interleaved, &stride);
    int width = heif_image_get_primary_width(d->image);
    int height = heif_image_get_primary_height(d->image);
    if (!pixels || width != (int)d->base.form.width || height != (int)d->base.form.height ||
        bits > 16)
        return fail(err, E_INPUT, "'%s' is corrupt: its size is not what it says",
                    d->base.file->path);
    for (unsigned y = 0; y < d->base.form.height; y++) {
        const void *row = pixels + (size_t)stride * y;
        if (d->base.form.sample_bytes == 2)
            row = widened(d, row, bits);
        image_canvas_put(&d->base.canvas, 0, y, d->base.form.width, row);
    }
    return 0;
}

static int heif_decode(struct image_decoder *decoder, struct error *err)
{
    int status;
    struct heif_decoder *d = (struct heif_decoder *)decoder;
    d->row = malloc(8 * (size_t)decoder->form.width);
    if (!d->row)
        return image_fail_memory(decoder->file, err);
    struct heif_error trouble =
        heif_decode_image(d->handle, &d->image, heif_colorspace_RGB, layout_of(d), NULL);
    if (trouble.code != heif_error_Ok)
        return fail_heif(d, trouble, err);
    TRY(put_rows(d, err));
    if (heif_context_get_number_of_top_level_images(d->context) > 1)
        image_note(decoder->file->notes, "it holds several pictures; the primary one is taken");
done:
    return status;
}

static void heif_close(struct image_decoder *decoder)
{
    struct heif_decoder *d = (struct heif_decoder *)decoder;
    heif_image_release(d->image);
    heif_image_handle_release(d->handle);
    heif_context_free(d->context);
    free(d->bytes);
    free(d->profile);
    free(d->row);
}

static void heif_version(char *text, size_t size)
{
    snprintf(text, size, "%s", heif_get_version());
}

const struct image_codec image_codec_heif = {
    sizeof(struct heif_decoder), heif_open, heif_decode, heif_close, heif_version,
};
