/* A PNG of 8 or 16 bits, sRGB, text chunks before the pixels, no time stamp. */
#include "image_page.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct writer {
    const struct image_page *page;
    FILE *stream;
    struct image_trouble *trouble;
    png_structp png;
    png_infop info;
    png_text *chunks;
};

static void escape(png_structp png, png_const_charp words)
{
    struct writer *w = png_get_error_ptr(png);
    snprintf(w->trouble->words, sizeof w->trouble->words, "%s", words);
    png_longjmp(png, 1);
}

static void say_nothing(png_structp png, png_const_charp words)
{
    (void)png;
    (void)words;
}

static void put(png_structp png, png_bytep bytes, size_t count)
{
    struct writer *w = png_get_io_ptr(png);
    if (fwrite(bytes, 1, count, w->stream) == count)
        return;
    w->trouble->cause = errno;
    png_error(png, "cannot write");
}

/* Files are flushed when they are published. */
static void flush_nothing(png_structp png) { (void)png; }

static int is_ascii(const char *text)
{
    while (*text && (unsigned char)*text < 0x80)
        text++;
    return *text == 0;
}

/* tEXt is Latin-1 and known to every reader; iTXt is UTF-8. */
static void put_texts(struct writer *w)
{
    size_t count = w->page->text_count;
    if (count == 0)
        return;
    if (count > INT_MAX || !(w->chunks = calloc(count, sizeof *w->chunks)))
        png_error(w->png, "not enough memory for the text");
    for (size_t i = 0; i < count; i++) {
        const struct image_text *text = &w->page->texts[i];
        int kind = is_ascii(text->value) ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
        w->chunks[i].compression = kind;
        w->chunks[i].key = (char *)text->key;
        w->chunks[i].text = (char *)text->value;
    }
    png_set_text(w->png, w->info, w->chunks, (int)count);
}

static void put_picture(struct writer *w)
{
    const struct image *image = w->page->image;
    w->info = png_create_info_struct(w->png);
    if (!w->info)
        png_error(w->png, "not enough memory");
    png_set_write_fn(w->png, w, put, flush_nothing);
    png_set_IHDR(w->png, w->info, (png_uint_32)image->width, (png_uint_32)image->height,
                 image->deep ? 16 : 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_sRGB(w->png, w->info, PNG_sRGB_INTENT_PERCEPTUAL);
    put_texts(w);
    png_write_info(w->png, w->info);
    if (image->deep && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
        png_set_swap(w->png);
    const size_t row = 3 * (size_t)image->width;
    for (int y = 0; y < image->height; y++)
        png_write_row(w->png, image->deep ? (png_const_bytep)(image->deep + row * (size_t)y)
                                          : image->rgb + row * (size_t)y);
    png_write_end(w->png, NULL);
}

/* The one place where libpng's errors land. */
static int encode(struct writer *w)
{
    w->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, w, escape, say_nothing);
    if (!w->png) {
        w->trouble->cause = ENOMEM;
        return -1;
    }
    if (setjmp(png_jmpbuf(w->png)) != 0)
        return -1;
    put_picture(w);
    return 0;
}

int image_put_png(const struct image_page *page, FILE *stream, struct image_trouble *trouble)
{
    struct writer w = {.page = page, .stream = stream, .trouble = trouble};
    int failed = encode(&w);
    png_destroy_write_struct(&w.png, &w.info);
    free(w.chunks);
    return failed;
}
