#include "mapped.h"

int mapped_read(const char *path, mapped_reader *read, struct vgg19_weights *weights,
                int *convention, struct error *err)
{
    struct region file;
    int status = region_map(path, &file, err);
    if (status)
        return status;
    status = read(file, weights, convention, err);
    region_unmap(&file);
    return status;
}
