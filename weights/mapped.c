#include "mapped.h"

#include "file_map.h"
#include <fcntl.h>

int mapped_read(const char *path, mapped_reader *read, struct vgg19_weights *weights,
                int *convention, struct error *err)
{
    struct region file;
    int status = file_map(AT_FDCWD, path, &file, err);
    if (status)
        return status;
    status = read(file, weights, convention, err);
    int lost = file_map_whole(err); /* whatever reading it made of that */
    file_unmap(&file);
    return lost ? lost : status;
}
