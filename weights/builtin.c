#include "builtin.h"

#include "mapped.h"
#include "params.h"

int builtin_read(struct vgg19_weights *weights, struct error *err)
{
    int convention = CONVENTION_AUTO;
    struct error why;
    if (safetensors_read(builtin_file(), weights, &convention, &why) != 0)
        return fail(err, E_BUG, "the built-in network is damaged: %s", why.message);
    return 0;
}
