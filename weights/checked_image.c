/* HDF5 files in memory, through HDF5's driver for such: it copies an image several times unless it
 * is told how to get along with one, which is what these callbacks do. */
#include "checked_image.h"

#include <stdint.h>

static void *borrow(size_t bytes, H5FD_file_image_op_t op, void *image)
{
    (void)bytes, (void)op;
    return (void *)(uintptr_t)((const struct region *)image)->bytes;
}

/* The same bytes, always. */
static void *copy_nothing(void *to, const void *from, size_t bytes, H5FD_file_image_op_t op,
                          void *image)
{
    (void)from, (void)bytes, (void)op, (void)image;
    return to;
}

/* Only a file that is written grows. */
static void *refuse_growth(void *bytes, size_t count, H5FD_file_image_op_t op, void *image)
{
    (void)bytes, (void)count, (void)op, (void)image;
    return NULL;
}

static herr_t free_nothing(void *bytes, H5FD_file_image_op_t op, void *image)
{
    (void)bytes, (void)op, (void)image;
    return 0;
}

static void *same_context(void *image) { return image; }

static herr_t keep_context(void *image)
{
    (void)image;
    return 0;
}

int checked_open_image(struct region bytes, hid_t *file, struct error *err)
{
    enum { GROWTH_BYTES = 1 << 16 };
    H5FD_file_image_callbacks_t callbacks = {
        .image_malloc = borrow,
        .image_memcpy = copy_nothing,
        .image_realloc = refuse_growth,
        .image_free = free_nothing,
        .udata_copy = same_context,
        .udata_free = keep_context,
        .udata = &bytes,
    };
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fapl_core(access, GROWTH_BYTES, false);
    H5Pset_file_image_callbacks(access, &callbacks);
    H5Pset_file_image(access, (void *)(uintptr_t)bytes.bytes, bytes.count);
    return checked_open_access("an image in memory", access, file, err);
}
