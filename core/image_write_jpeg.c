/* A JPEG without subsampling, tagged as sRGB; each text is a comment, "key=value". */
#include "image_page.h"

#include <errno.h>
#include <jpeglib.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

enum { COMMENT_MAX_BYTES = 65533 };

struct writer {
    const struct image_page *page;
    FILE *stream;
    struct image_trouble *trouble;
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr manager;
    jmp_buf escape;
    uint8_t *profile;
    char *comment;
};

static void escape(j_common_ptr common)
{
    struct writer *w = common->client_data;
    char words[JMSG_LENGTH_MAX];
    common->err->format_message(common, words);
    snprintf(w->trouble->words, sizeof w->trouble->words, "%s", words);
    if (ferror(w->stream))
        w->trouble->cause = errno;
    longjmp(w->escape, 1);
}

static void say_nothing(j_common_ptr common) { (void)common; }

static void fail_memory(struct writer *w)
{
    w->trouble->cause = ENOMEM;
    longjmp(w->escape, 1);
}

static void put_profile(struct writer *w)
{
    size_t bytes = 0;
    w->profile = image_srgb_profile(&bytes);
    if (!w->profile)
        fail_memory(w);
    jpeg_write_icc_profile(&w->jpeg, w->profile, (unsigned)bytes);
}

static void put_texts(struct writer *w)
{
    for (size_t i = 0; i < w->page->text_count; i++) {
        const struct image_text *text = &w->page->texts[i];
        free(w->comment);
        w->comment = NULL;
        int length = asprintf(&w->comment, "%s=%s", text->key, text->value);
        if (length < 0) {
            w->comment = NULL;
            fail_memory(w);
        }
        length = length < COMMENT_MAX_BYTES ? length : COMMENT_MAX_BYTES;
        jpeg_write_marker(&w->jpeg, JPEG_COM, (const JOCTET *)w->comment, (unsigned)length);
    }
}

static void put_picture(struct writer *w)
{
    const struct image *image = w->page->image;
    struct jpeg_compress_struct *jpeg = &w->jpeg;
    jpeg_create_compress(jpeg);
    jpeg_stdio_dest(jpeg, w->stream);
    jpeg->image_width = (JDIMENSION)image->width;
    jpeg->image_height = (JDIMENSION)image->height;
    jpeg->input_components = 3;
    jpeg->in_color_space = JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, w->page->quality, TRUE);
    jpeg->comp_info[0].h_samp_factor = jpeg->comp_info[0].v_samp_factor = 1;
    jpeg->dct_method = JDCT_ISLOW;
    jpeg->optimize_coding = TRUE;
    jpeg_start_compress(jpeg, TRUE);
    put_texts(w);
    put_profile(w);
    for (int y = 0; y < image->height; y++) {
        JSAMPROW row = image->rgb + 3 * (size_t)image->width * (size_t)y;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
}

int image_put_jpeg(const struct image_page *page, FILE *stream, struct image_trouble *trouble)
{
    struct writer w = {.page = page, .stream = stream, .trouble = trouble};
    w.jpeg.err = jpeg_std_error(&w.manager);
    w.jpeg.client_data = &w;
    w.manager.error_exit = escape;
    w.manager.output_message = say_nothing;
    volatile int failed = -1;
    if (setjmp(w.escape) == 0) {
        put_picture(&w);
        failed = 0;
    }
    jpeg_destroy_compress(&w.jpeg);
    free(w.profile);
    free(w.comment);
    return failed;
}
