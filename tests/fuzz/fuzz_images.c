/* Pictures of every format that is built in: probed, and read where they are small. */
#include "fuzz_folder.h"
#include "image.h"

enum { PIXELS_MOST = 1 << 20 };

static void check(int status, const struct error *err)
{
    if (status != 0 && ((status != E_INPUT && status != E_ENVIRONMENT) || !err->message[0]))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    char path[128];
    struct image_size size = {0};
    struct image image = {0};
    struct image_notes notes = {0};
    struct error err = {0};
    snprintf(path, sizeof path, "%s/picture", in_fuzz_folder());
    fuzz_write(path, bytes, count);
    image_is_ours(path);
    int status = image_probe(path, &size, &err);
    check(status, &err);
    if (status != 0 || (uint64_t)size.width * (uint64_t)size.height > PIXELS_MOST)
        return 0;
    status = image_read(path, &image, &notes, &err);
    check(status, &err);
    if (status == 0 && (image.width != size.width || image.height != size.height))
        abort();
    image_release(&image);
    return 0;
}
