#include "builtin.h"

#include "mapped.h"
#include "params.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* Its pages are the program's file's, which has them should they be asked for again. */
static void give_back(struct region network)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)network.bytes;
    const uintptr_t from = (start + page - 1) / page * page,
                    to = (start + network.count) / page * page;
    if (from < to)
        madvise((void *)from, to - from, MADV_DONTNEED);
}

int builtin_read(struct vgg19_weights *weights, struct error *err)
{
    int convention = CONVENTION_AUTO;
    struct error why;
    int status = safetensors_read(builtin_file(), weights, &convention, &why);
    give_back(builtin_file());
    return status == 0 ? 0 : fail(err, E_BUG, "the built-in network is damaged: %s", why.message);
}
