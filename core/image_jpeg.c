/* JPEG through libjpeg. Its warnings of missing or damaged data are errors here: it would paint
 * grey over what is lost. What is wrong once every row is known to be sound is not: the entropy
 * coder says so when it runs out of bits, whatever stands behind its last row. */
#include "image_file.h"

#include <jerror.h>
#include <jpeglib.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(x)    #x
#define AS_TEXT(x) TEXT(x)

enum {
    APP1 = JPEG_APP0 + 1,
    APP2 = JPEG_APP0 + 2,
    MARKER_MAX_BYTES = 0xffff,
    SCANS_MAX = 500,         /* of a progressive file; 10 are usual, and each takes time */
    BLOCK_PX = 8,            /* and */
    PX_PER_BYTE_MAX = 64 * 8 /* a block takes one bit at least */
};

struct jpeg_decoder {
    struct image_decoder base;
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr manager;
    struct jpeg_progress_mgr monitor;
    jmp_buf escape;
    int cause; /* libjpeg's message code */
    char words[JMSG_LENGTH_MAX];
    bool cut, odd;   /* it warned: no end marker; something harmless */
    bool lost;       /* it warned of something that is not harmless */
    bool too_many;   /* scans */
    bool at_profile; /* whose pieces may be warned of; the message's number depends on a build */
    unsigned seen;   /* components in a scan, one bit each */
    JDIMENSION rows; /* that are sound */
    struct image_exif exif;
    uint8_t *row;    /* freed by close_jpeg, */
    JOCTET *profile; /* and this */
};

static void escape(j_common_ptr common)
{
    struct jpeg_decoder *d = common->client_data;
    d->cause = common->err->msg_code;
    common->err->format_message(common, d->words);
    longjmp(d->escape, 1);
}

/* level: -1 warning, 0 and above trace. Running out of file is told from running out of bits: the
 * coder reads ahead. An arithmetic coder does not know when it is out of bits. */
static void judge_message(j_common_ptr common, int level)
{
    struct jpeg_decoder *d = common->client_data;
    if (level >= 0 || d->at_profile)
        return;
    switch (common->err->msg_code) {
    case JWRN_JPEG_EOF:
        d->cut = true;
        if (!d->jpeg.arith_code || d->rows == d->jpeg.image_height)
            return;
        break;
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_TOO_MUCH_DATA:
        d->odd = true;
        return;
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
        return;
    }
    d->lost = true;
    escape(common);
}

static void say_nothing(j_common_ptr common) { (void)common; }

/* Before each step of reading scans ahead: the last scan's header is known. */
static void count_scans(j_common_ptr common)
{
    struct jpeg_decoder *d = common->client_data;
    for (int i = 0; i < d->jpeg.comps_in_scan; i++)
        d->seen |= 1u << d->jpeg.cur_comp_info[i]->component_index;
    d->too_many = d->jpeg.input_scan_number > SCANS_MAX;
    if (d->too_many)
        escape(common);
}

/* The file is sound, libjpeg just does not do it. */
static int is_unsupported(int cause)
{
    switch (cause) {
    case JERR_BAD_PRECISION: /* 12 bits */
    case JERR_SOF_UNSUPPORTED:
    case JERR_ARITH_NOTIMPL:
    case JERR_IMAGE_TOO_BIG:
    case JERR_CCIR601_NOTIMPL:
    case JERR_COMPONENT_COUNT:
    case JERR_NOTIMPL:
    case JERR_NOT_COMPILED:
        return 1;
    }
    return 0;
}

static const char way_on[] = "get it again from where it came, or open it in a picture editor and "
                             "save what is left of it";

static int explain(const struct jpeg_decoder *d, struct error *err)
{
    const char *path = d->base.file->path;
    if (ferror(d->base.file->stream))
        return fail_errno(err, "cannot read '%s'", path);
    if (d->cause == JERR_OUT_OF_MEMORY)
        return image_fail_memory(d->base.file, err);
    if (d->too_many)
        return fail(err, E_INPUT, "'%s' has more than %d scans: save it anew", path, SCANS_MAX);
    if ((d->cut || d->cause == JERR_INPUT_EOF) && d->rows > 0)
        return fail(err, E_INPUT, "'%s' is truncated after row %u of %u: %s", path, d->rows,
                    d->jpeg.image_height, way_on);
    if (d->cut || d->cause == JERR_INPUT_EOF)
        return fail(err, E_INPUT, "'%s' is truncated: %s", path, way_on);
    if (is_unsupported(d->cause))
        return fail(err, E_INPUT, "cannot read '%s': %s; convert it to an 8-bit RGB JPEG or PNG",
                    path, d->words);
    return fail(err, E_INPUT, "'%s' is corrupt: %s; %s", path, d->words, way_on);
}

/* --- the header --- */

static bool begins(const struct jpeg_marker_struct *marker, const char *words, size_t bytes)
{
    return marker->marker == APP1 && marker->data_length > bytes &&
           memcmp(marker->data, words, bytes) == 0;
}

static void read_markers(struct jpeg_decoder *d)
{
    static const char exif[] = "Exif\0", xmp[] = "http://ns.adobe.com/xap/1.0/";
    for (const struct jpeg_marker_struct *m = d->jpeg.marker_list; m; m = m->next) {
        if (begins(m, exif, sizeof exif))
            image_exif_read(&d->exif, m->data, m->data_length);
        else if (begins(m, xmp, sizeof xmp))
            image_xmp_read(&d->exif, (const char *)m->data, m->data_length);
    }
}

static bool is_cmyk(const struct jpeg_decoder *d)
{
    return d->jpeg.jpeg_color_space == JCS_CMYK || d->jpeg.jpeg_color_space == JCS_YCCK;
}

static int check_plausible(const struct jpeg_decoder *d, struct error *err)
{
    uint64_t pixels = (uint64_t)d->jpeg.image_width * d->jpeg.image_height;
    if (d->jpeg.arith_code || pixels / PX_PER_BYTE_MAX <= d->base.file->size_bytes)
        return 0;
    return fail(err, E_INPUT, "'%s' is truncated: it holds too little for its size in px",
                d->base.file->path);
}

/* A profile comes in pieces, which must all be there. */
static void read_colour(struct jpeg_decoder *d)
{
    unsigned bytes = 0;
    bool has_piece = false;
    for (const struct jpeg_marker_struct *m = d->jpeg.marker_list; m; m = m->next)
        has_piece |= m->marker == APP2 && m->data_length > 14 &&
                     memcmp(m->data, "ICC_PROFILE", sizeof "ICC_PROFILE") == 0;
    d->at_profile = true;
    if (has_piece && !jpeg_read_icc_profile(&d->jpeg, &d->profile, &bytes))
        bytes = 0;
    d->at_profile = false;
    if (has_piece)
        d->base.colour = (struct image_colour){
            .kind = COLOUR_PROFILE, .profile = d->profile, .profile_bytes = bytes};
    else if (d->exif.adobe_rgb)
        d->base.colour.kind = COLOUR_ADOBE_RGB;
}

static int read_header(struct jpeg_decoder *d, struct error *err)
{
    int status;
    jpeg_create_decompress(&d->jpeg);
    d->jpeg.progress = &d->monitor;
    jpeg_stdio_src(&d->jpeg, d->base.file->stream);
    jpeg_save_markers(&d->jpeg, APP1, MARKER_MAX_BYTES);
    jpeg_save_markers(&d->jpeg, APP2, MARKER_MAX_BYTES);
    jpeg_read_header(&d->jpeg, TRUE);
    J_COLOR_SPACE colours = d->jpeg.jpeg_color_space;
    if (colours != JCS_GRAYSCALE && colours != JCS_YCbCr && colours != JCS_RGB && !is_cmyk(d))
        return fail(err, E_INPUT, "'%s' is a JPEG of %d channels; convert it to RGB",
                    d->base.file->path, d->jpeg.num_components);
    read_markers(d);
    d->base.form = (struct image_form){
        .width = d->jpeg.image_width,
        .height = d->jpeg.image_height,
        .channels = is_cmyk(d)                 ? 4
                    : colours == JCS_GRAYSCALE ? 1
                                               : 3,
        .sample_bytes = 1,
        .orientation = image_exif_orientation(&d->exif),
    };
    TRY(image_check_sides(d->base.file, d->base.form.width, d->base.form.height, err));
    TRY(check_plausible(d, err));
    read_colour(d);
done:
    return status;
}

/* --- the pixels --- */

/* A progressive file's scans refine each coefficient to its last bit, the others' hold each
 * component once. */
static bool has_all_scans(const struct jpeg_decoder *d)
{
    const struct jpeg_decompress_struct *jpeg = &d->jpeg;
    for (int c = 0; c < jpeg->num_components; c++) {
        if (!(d->seen & 1u << c))
            return false;
        for (int i = 0; jpeg->coef_bits && i < DCTSIZE2; i++)
            if (jpeg->coef_bits[c][i] != 0)
                return false;
    }
    return true;
}

static int start(struct jpeg_decoder *d, struct error *err)
{
    (void)err;
    jpeg_start_decompress(&d->jpeg);
    return 0;
}

static int guarded(struct jpeg_decoder *d, int (*work)(struct jpeg_decoder *, struct error *),
                   struct error *err);

/* A file of several scans is read to its end here. What cannot be read behind its last scan is
 * taken for the end. */
static int read_scans(struct jpeg_decoder *d, struct error *err)
{
    bool several = jpeg_has_multiple_scans(&d->jpeg);
    struct error why = {0};
    int status = guarded(d, start, &why);
    if (status == E_INPUT && several && !d->lost && !d->too_many && has_all_scans(d)) {
        d->jpeg.unread_marker = JPEG_EOI;
        d->cut = true;
        status = guarded(d, start, &why);
    }
    if (status != 0)
        return fail(err, status, "%s", why.message);
    if (several && !has_all_scans(d) && (d->cut || !d->jpeg.progressive_mode))
        return fail(err, E_INPUT, "'%s' is truncated: some of its scans are missing; %s",
                    d->base.file->path, way_on);
    return 0;
}

/* Adobe's programs store CMYK the other way round. */
static void turn_inks(struct jpeg_decoder *d)
{
    for (size_t i = 0; i < 4 * (size_t)d->base.form.width; i++)
        d->row[i] = (uint8_t)(255 - d->row[i]);
}

static int read_rows(struct jpeg_decoder *d, struct error *err)
{
    (void)err;
    bool turned = is_cmyk(d) && d->jpeg.saw_Adobe_marker;
    for (JDIMENSION y = 0; y < d->jpeg.image_height; y++) {
        JSAMPROW row = d->row;
        jpeg_read_scanlines(&d->jpeg, &row, 1);
        if (turned)
            turn_inks(d);
        image_canvas_put(&d->base.canvas, 0, y, d->base.form.width, d->row);
        d->rows = y + 1;
    }
    return 0;
}

/* Only to see how the file ends. */
static int read_end(struct jpeg_decoder *d, struct error *err)
{
    (void)err;
    jpeg_finish_decompress(&d->jpeg);
    return 0;
}

/* The one place where libjpeg's errors land. */
static int guarded(struct jpeg_decoder *d, int (*work)(struct jpeg_decoder *, struct error *),
                   struct error *err)
{
    if (setjmp(d->escape) != 0)
        return explain(d, err);
    return work(d, err);
}

/* --- as a format --- */

/* Several scans meet in memory as coefficients of two bytes. */
static uint64_t coefficient_bytes(const struct jpeg_decoder *d)
{
    uint64_t bytes = 0;
    if (!jpeg_has_multiple_scans((j_decompress_ptr)(uintptr_t)&d->jpeg))
        return 0;
    for (int c = 0; c < d->jpeg.num_components; c++) {
        const jpeg_component_info *component = &d->jpeg.comp_info[c];
        uint64_t across = d->jpeg.image_width * (uint64_t)component->h_samp_factor;
        uint64_t down = d->jpeg.image_height * (uint64_t)component->v_samp_factor;
        across = (across / (uint64_t)d->jpeg.max_h_samp_factor / BLOCK_PX + 2) * BLOCK_PX;
        down = (down / (uint64_t)d->jpeg.max_v_samp_factor / BLOCK_PX + 2) * BLOCK_PX;
        bytes += across * down * sizeof(JCOEF);
    }
    return bytes;
}

/* libjpeg's rows of blocks and of samples on their way to pixels. */
static uint64_t strip_bytes(const struct jpeg_decoder *d)
{
    return 64 * (uint64_t)d->jpeg.image_width * (uint64_t)d->jpeg.num_components;
}

static int open_jpeg(struct image_decoder *decoder, struct error *err)
{
    struct jpeg_decoder *d = (struct jpeg_decoder *)decoder;
    d->jpeg.err = jpeg_std_error(&d->manager);
    d->jpeg.client_data = d;
    d->manager.error_exit = escape;
    d->manager.emit_message = judge_message;
    d->manager.output_message = say_nothing;
    d->monitor.progress_monitor = count_scans;
    int status = guarded(d, read_header, err);
    if (status == 0)
        decoder->bytes = coefficient_bytes(d) + strip_bytes(d);
    return status;
}

static int decode_jpeg(struct image_decoder *decoder, struct error *err)
{
    int status;
    struct jpeg_decoder *d = (struct jpeg_decoder *)decoder;
    TRY(image_allocate(decoder->file, decoder->form.width, 1, decoder->form.channels, &d->row,
                       err));
    d->jpeg.out_color_space = is_cmyk(d)                    ? JCS_CMYK
                              : decoder->form.channels == 1 ? JCS_GRAYSCALE
                                                            : JCS_RGB;
    d->jpeg.dct_method = JDCT_ISLOW;
    TRY(read_scans(d, err));
    TRY(guarded(d, read_rows, err));
    if (guarded(d, read_end, NULL) != 0 || d->cut)
        image_note(decoder->file->notes, "no end marker; all rows are there");
    else if (d->odd)
        image_note(decoder->file->notes,
                   "bytes that belong nowhere were skipped; all rows are there");
done:
    return status;
}

static void close_jpeg(struct image_decoder *decoder)
{
    struct jpeg_decoder *d = (struct jpeg_decoder *)decoder;
    jpeg_destroy_decompress(&d->jpeg);
    free(d->row);
    free(d->profile);
}

static void version_jpeg(char *text, size_t size)
{
    snprintf(text, size, "%s", AS_TEXT(LIBJPEG_TURBO_VERSION));
}

const struct image_codec image_codec_jpeg = {
    sizeof(struct jpeg_decoder), open_jpeg, decode_jpeg, close_jpeg, version_jpeg,
};
