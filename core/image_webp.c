/* WebP through libwebp and libwebpdemux: still pictures, and the first frame of an animation. */
#include "image_file.h"

#include <string.h>

static bool recognises(const uint8_t *head, size_t got)
{
    return image_begins_with(head, got, "RIFF", 4) &&
           (got <= 8 || image_begins_with(head + 8, got - 8, "WEBP", 4));
}

#if ATELIER_WEBP
#include <stdlib.h>
#include <webp/decode.h>
#include <webp/demux.h>

/* All is freed by decoder_close. */
struct decoder {
    struct image_file *file;
    uint8_t *bytes, *pixels;
    WebPDemuxer *demuxer;
    WebPIterator frame;
    bool has_frame, has_profile, is_animation;
    WebPChunkIterator profile;
    struct image_form form;
    struct image_canvas canvas;
};

static int fail_truncated(const struct decoder *d, struct error *err)
{
    return fail(err, E_INPUT, "'%s' is truncated: get it again from where it came", d->file->path);
}

static int fail_corrupt(const struct decoder *d, struct error *err)
{
    return fail(err, E_INPUT,
                "'%s' is corrupt: libwebp cannot decode it; get it again from where "
                "it came",
                d->file->path);
}

static void read_exif(struct decoder *d, struct image_exif *exif)
{
    WebPChunkIterator chunk;
    if (WebPDemuxGetChunk(d->demuxer, "EXIF", 1, &chunk))
        image_exif_read(exif, chunk.chunk.bytes, chunk.chunk.size);
    WebPDemuxReleaseChunkIterator(&chunk);
    if (WebPDemuxGetChunk(d->demuxer, "XMP ", 1, &chunk))
        image_xmp_read(exif, (const char *)chunk.chunk.bytes, chunk.chunk.size);
    WebPDemuxReleaseChunkIterator(&chunk);
}

/* Finds the first frame and what lies beside it. */
static int decoder_open(struct decoder *d, struct error *err)
{
    int status;
    WebPDemuxState state;
    struct image_exif exif = {0};
    TRY(image_file_bytes(d->file, &d->bytes, err));
    WebPData data = {d->bytes, d->file->size_bytes};
    d->demuxer = WebPDemuxPartial(&data, &state);
    if (!d->demuxer || state == WEBP_DEMUX_PARSE_ERROR)
        return state == WEBP_DEMUX_PARSE_ERROR ? fail_corrupt(d, err) : fail_truncated(d, err);
    d->has_frame = WebPDemuxGetFrame(d->demuxer, 1, &d->frame);
    if (!d->has_frame || !d->frame.complete)
        return fail_truncated(d, err);
    d->is_animation = WebPDemuxGetI(d->demuxer, WEBP_FF_FRAME_COUNT) > 1;
    read_exif(d, &exif);
    d->has_profile = WebPDemuxGetChunk(d->demuxer, "ICCP", 1, &d->profile);
    d->form = (struct image_form){
        .width = WebPDemuxGetI(d->demuxer, WEBP_FF_CANVAS_WIDTH),
        .height = WebPDemuxGetI(d->demuxer, WEBP_FF_CANVAS_HEIGHT),
        .channels = 3,
        .alpha = true,
        .sample_bytes = 1,
        .orientation = image_exif_orientation(&exif),
    };
    TRY(image_check_sides(d->file, d->form.width, d->form.height, err));
done:
    return status;
}

static struct image_colour colour_of(const struct decoder *d)
{
    struct image_colour colour = {0};
    if (d->has_profile)
        colour = (struct image_colour){.kind = COLOUR_PROFILE,
                                       .profile = d->profile.chunk.bytes,
                                       .profile_bytes = d->profile.chunk.size};
    return colour;
}

/* The frame's own part of the canvas; the rest stays transparent. */
static int decode_frame(struct decoder *d, struct error *err)
{
    size_t stride = 4 * (size_t)d->form.width;
    const WebPIterator *f = &d->frame;
    if (f->x_offset < 0 || f->y_offset < 0 || (unsigned)(f->x_offset + f->width) > d->form.width ||
        (unsigned)(f->y_offset + f->height) > d->form.height)
        return fail_corrupt(d, err);
    memset(d->pixels, 0, stride * d->form.height);
    size_t start = (size_t)f->y_offset * stride + 4 * (size_t)f->x_offset;
    if (!WebPDecodeRGBAInto(f->fragment.bytes, f->fragment.size, d->pixels + start,
                            stride * d->form.height - start, (int)stride))
        return fail_corrupt(d, err);
    return 0;
}

static int decode(struct decoder *d, struct error *err)
{
    int status;
    TRY(decoder_open(d, err));
    struct image_colour colour = colour_of(d);
    TRY(image_canvas_begin(d->file, &d->form, &colour, &d->canvas, err));
    TRY(image_allocate(d->file, d->form.width, d->form.height, 4, &d->pixels, err));
    TRY(decode_frame(d, err));
    for (unsigned y = 0; y < d->form.height; y++)
        image_canvas_put(&d->canvas, 0, y, d->form.width,
                         d->pixels + 4 * (size_t)d->form.width * y);
    if (d->is_animation)
        image_note(d->file->notes, "an animation; its first frame is taken");
done:
    return status;
}

static void decoder_close(struct decoder *d)
{
    if (d->has_frame)
        WebPDemuxReleaseIterator(&d->frame);
    if (d->has_profile)
        WebPDemuxReleaseChunkIterator(&d->profile);
    WebPDemuxDelete(d->demuxer);
    image_canvas_release(&d->canvas);
    free(d->pixels);
    free(d->bytes);
}

/* Beside the RGBA of 4 bytes a pixel libwebp keeps a lossless picture as ARGB of its own. */
static uint64_t pixel_bytes(const struct decoder *d)
{
    WebPBitstreamFeatures features;
    bool lossy = WebPGetFeatures(d->frame.fragment.bytes, d->frame.fragment.size, &features) ==
                     VP8_STATUS_OK &&
                 features.format == 1;
    return lossy ? 5 : 8;
}

static int probe(struct image_file *file, struct image_size *size, struct error *err)
{
    struct decoder d = {.file = file};
    int status = decoder_open(&d, err);
    if (status == 0)
        *size = image_form_size(&d.form,
                                file->size_bytes + pixel_bytes(&d) * d.form.width * d.form.height);
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

static void version(char *text, size_t size)
{
    int number = WebPGetDecoderVersion();
    snprintf(text, size, "%d.%d.%d", number >> 16, number >> 8 & 255, number & 255);
}
#endif

const struct image_format image_format_webp = {
    .name = "WebP",
    .kind = "a WebP picture",
    .library = "libwebp",
    .package = "libwebp-dev",
    .recognises = recognises,
#if ATELIER_WEBP
    .probe = probe,
    .read = read_picture,
    .version = version,
#endif
};
