#include "thumbnail.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

int thumbnail_make(const struct image *image, int longer, struct image *out, struct error *err)
{
    int status = 0;
    struct image small = {image->width, image->height, NULL, NULL};
    float *values = NULL;
    if (image->width > longer || image->height > longer)
        image_fit(image->width, image->height, longer, &small.width, &small.height);
    size_t count = 3 * (size_t)small.width * (size_t)small.height;
    small.rgb = malloc(count);
    values = malloc(count * sizeof *values);
    if (!small.rgb || !values) {
        status = fail(err, E_ENVIRONMENT, "not enough memory for a small picture");
        goto done;
    }
    TRY(image_resize(image, small.width, small.height, values, err));
    image_quantise(values, count, small.rgb);
    *out = small;
    small.rgb = NULL;
done:
    free(values);
    image_release(&small);
    return status;
}

struct encoder {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr manager;
    jmp_buf escape;
    char words[JMSG_LENGTH_MAX];
    unsigned char *bytes; /* libjpeg's, from malloc; set when it is finished or escapes */
    unsigned long count;
};

static void escape(j_common_ptr common)
{
    struct encoder *e = common->client_data;
    common->err->format_message(common, e->words);
    longjmp(e->escape, 1);
}

static void say_nothing(j_common_ptr common) { (void)common; }

static void encode(struct encoder *e, const struct image *image, int quality)
{
    jpeg_create_compress(&e->jpeg);
    jpeg_mem_dest(&e->jpeg, &e->bytes, &e->count);
    e->jpeg.image_width = (JDIMENSION)image->width;
    e->jpeg.image_height = (JDIMENSION)image->height;
    e->jpeg.input_components = 3;
    e->jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&e->jpeg);
    jpeg_set_quality(&e->jpeg, quality, TRUE);
    e->jpeg.optimize_coding = TRUE;
    jpeg_start_compress(&e->jpeg, TRUE);
    while (e->jpeg.next_scanline < e->jpeg.image_height) {
        JSAMPROW row = image->rgb + 3 * (size_t)image->width * e->jpeg.next_scanline;
        jpeg_write_scanlines(&e->jpeg, &row, 1);
    }
    jpeg_finish_compress(&e->jpeg);
}

int thumbnail_jpeg(const struct image *image, int quality, unsigned char **bytes, size_t *count,
                   struct error *err)
{
    struct encoder e = {0};
    e.jpeg.err = jpeg_std_error(&e.manager);
    e.jpeg.client_data = &e;
    e.manager.error_exit = escape;
    e.manager.output_message = say_nothing;
    if (setjmp(e.escape) != 0) { /* the one place where libjpeg's errors land */
        jpeg_destroy_compress(&e.jpeg);
        free(e.bytes);
        return fail(err, E_ENVIRONMENT, "cannot make a JPEG: %s", e.words);
    }
    encode(&e, image, quality);
    jpeg_destroy_compress(&e.jpeg);
    *bytes = e.bytes;
    *count = e.count;
    return 0;
}
