/* WebP through libwebp and libwebpdemux: still pictures, and the first frame of an animation. */
#include "image_file.h"

#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

/* All is freed by webp_close. */
struct webp_decoder {
    struct image_decoder base;
    uint8_t *bytes, *pixels;
    WebPDemuxer *demuxer;
    WebPIterator frame;
    bool has_frame, has_profile, is_animation;
    WebPChunkIterator profile;
};

static int fail_truncated(const struct webp_decoder *d, struct error *err)
{
    return fail(err, E_INPUT, "'%s' is truncated: get it again from where it came",
                d->base.file->path);
}

static int fail_corrupt(const struct webp_decoder *d, struct error *err)
{
    return fail(err, E_INPUT,
                "'%s' is corrupt: libwebp cannot decode it; get it again from where "
                "it came",
                d->base.file->path);
}

static void read_exif(struct webp_decoder *d, struct image_exif *exif)
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
static int find_frame(struct webp_decoder *d, struct error *err)
{
    int status;
    WebPDemuxState state;
    struct image_exif exif = {0};
    TRY(image_file_bytes(d->base.file, &d->bytes, err));
    WebPData data = {d->bytes, d->base.file->size_bytes};
    d->demuxer = WebPDemuxPartial(&data, &state);
    if (!d->demuxer || state == WEBP_DEMUX_PARSE_ERROR)
        return state == WEBP_DEMUX_PARSE_ERROR ? fail_corrupt(d, err) : fail_truncated(d, err);
    d->has_frame = WebPDemuxGetFrame(d->demuxer, 1, &d->frame);
    if (!d->has_frame || !d->frame.complete)
        return fail_truncated(d, err);
    d->is_animation = WebPDemuxGetI(d->demuxer, WEBP_FF_FRAME_COUNT) > 1;
    read_exif(d, &exif);
    d->base.form = (struct image_form){
        .width = WebPDemuxGetI(d->demuxer, WEBP_FF_CANVAS_WIDTH),
        .height = WebPDemuxGetI(d->demuxer, WEBP_FF_CANVAS_HEIGHT),
        .channels = 3,
        .alpha = true,
        .sample_bytes = 1,
        .orientation = image_exif_orientation(&exif),
    };
    TRY(image_check_sides(d->base.file, d->base.form.width, d->base.form.height, err));
done:
    return status;
}

static void find_profile(struct webp_decoder *d)
{
    d->has_profile = WebPDemuxGetChunk(d->demuxer, "ICCP", 1, &d->profile);
    if (d->has_profile)
        d->base.colour = (struct image_colour){.kind = COLOUR_PROFILE,
                                               .profile = d->profile.chunk.bytes,
                                               .profile_bytes = d->profile.chunk.size};
}

/* Beside the RGBA of 4 bytes a pixel libwebp keeps a lossless picture as ARGB of its own. */
static uint64_t pixel_bytes(const struct webp_decoder *d)
{
    WebPBitstreamFeatures features;
    bool lossy = WebPGetFeatures(d->frame.fragment.bytes, d->frame.fragment.size, &features) ==
                     VP8_STATUS_OK &&
                 features.format == 1;
    return lossy ? 5 : 8;
}

static int webp_open(struct image_decoder *decoder, struct error *err)
{
    int status;
    struct webp_decoder *d = (struct webp_decoder *)decoder;
    TRY(find_frame(d, err));
    find_profile(d);
    decoder->bytes =
        decoder->file->size_bytes + pixel_bytes(d) * decoder->form.width * decoder->form.height;
done:
    return status;
}

/* The frame's own part of the canvas; the rest stays transparent. */
static int decode_frame(struct webp_decoder *d, struct error *err)
{
    size_t stride = 4 * (size_t)d->base.form.width;
    const WebPIterator *f = &d->frame;
    if (f->x_offset < 0 || f->y_offset < 0 ||
        (unsigned)(f->x_offset + f->width) > d->base.form.width ||
        (unsigned)(f->y_offset + f->height) > d->base.form.height)
        return fail_corrupt(d, err);
    memset(d->pixels, 0, stride * d->base.form.height);
    size_t start = (size_t)f->y_offset * stride + 4 * (size_t)f->x_offset;
    if (!WebPDecodeRGBAInto(f->fragment.bytes, f->fragment.size, d->pixels + start,
                            stride * d->base.form.height - start, (int)stride))
        return fail_corrupt(d, err);
    return 0;
}

static int webp_decode(struct image_decoder *decoder, struct error *err)
{
    int status;
    struct webp_decoder *d = (struct webp_decoder *)decoder;
    const struct image_form *form = &decoder->form;
    TRY(image_allocate(decoder->file, form->width, form->height, 4, &d->pixels, err));
    TRY(decode_frame(d, err));
    for (unsigned y = 0; y < form->height; y++)
        image_canvas_put(&decoder->canvas, 0, y, form->width,
                         d->pixels + 4 * (size_t)form->width * y);
    if (d->is_animation)
        image_note(decoder->file->notes, "an animation; its first frame is taken");
done:
    return status;
}

static void webp_close(struct image_decoder *decoder)
{
    struct webp_decoder *d = (struct webp_decoder *)decoder;
    if (d->has_frame)
        WebPDemuxReleaseIterator(&d->frame);
    if (d->has_profile)
        WebPDemuxReleaseChunkIterator(&d->profile);
    WebPDemuxDelete(d->demuxer);
    free(d->pixels);
    free(d->bytes);
}

static void webp_version(char *text, size_t size)
{
    int number = WebPGetDecoderVersion();
    snprintf(text, size, "%d.%d.%d", number >> 16, number >> 8 & 255, number & 255);
}

const struct image_codec image_codec_webp = {
    sizeof(struct webp_decoder), webp_open, webp_decode, webp_close, webp_version,
};
