#include "tensor_file.h"

#include <stdlib.h>
#include <string.h>

struct source {
    const struct tensor_format *format;
    const struct named_list *list;
};

/* Somebody's Keras kernels stay (3, 3, in, out): in VGG-19 that is no other layer's shape. */
static enum kernel_order order_of(const struct tensor *tensor)
{
    bool keras = tensor->rank == 4 && tensor->shape[0] == 3 && tensor->shape[1] == 3;
    return keras ? KERNEL_HWIO : KERNEL_OIHW;
}

static int open_part(const struct source *source, const struct named_tensors *named, int conv,
                     enum named_part part, struct tensor *out, struct error *err)
{
    const struct named_entry *entry = &source->list->entries[named->tensor[conv][part]];
    int status = source->format->tensor(entry->file, entry->id, out, err);
    if (status)
        fail_context(err, "layer conv%d_%d: %s: ", vgg19_convs[conv].block, vgg19_convs[conv].index,
                     named_parts[part]);
    return status;
}

static int read_conv(const struct source *source, const struct named_tensors *named, int conv,
                     float *kernel, float *bias, struct error *err)
{
    struct tensor tensor = {0};
    int status;
    TRY(open_part(source, named, conv, NAMED_KERNEL, &tensor, err));
    TRY(tensor_read_kernel(&tensor, order_of(&tensor), conv, kernel, err));
    TRY(open_part(source, named, conv, NAMED_BIAS, &tensor, err));
    TRY(tensor_read_bias(&tensor, conv, bias, err));
done:
    return status;
}

/* *same: another candidate's convolution holds these numbers. */
static int compare_conv(const struct source *source, const struct named_tensors *named, int conv,
                        const struct vgg19_weights *weights, bool *same, struct error *err)
{
    const size_t out = (size_t)vgg19_convs[conv].out,
                 count = 9 * (size_t)vgg19_convs[conv].in * out;
    float *values = malloc((count + out) * sizeof *values);
    if (!values)
        return fail_errno(err, "not enough memory");
    int status = read_conv(source, named, conv, values, values + count, err);
    *same = status == 0 && memcmp(values, weights->kernel[conv], count * sizeof *values) == 0 &&
            memcmp(values + count, weights->bias[conv], out * sizeof *values) == 0;
    free(values);
    return status;
}

static int compare_candidates(const struct source *source, const struct named_choice *choice,
                              const struct vgg19_weights *weights, struct error *err)
{
    int status = 0;
    bool same = choice->count <= NAMED_MOST;
    for (size_t i = 1; i < choice->count && same; i++)
        for (int conv = 0; conv < weights->convs && same; conv++)
            TRY(compare_conv(source, &choice->candidate[i], conv, weights, &same, err));
    if (!same)
        status = named_ambiguous(choice, err);
done:
    return status;
}

int tensors_read(const struct tensor_format *format, const struct named_list *list,
                 struct vgg19_weights *weights, int *convention, struct error *err)
{
    const struct source source = {format, list};
    struct named_choice choice;
    int status;
    TRY(named_choose(list, weights->convs, &choice, err));
    TRY(named_check(&choice.candidate[0], weights->convs, convention, err));
    weights->by_shape = choice.candidate[0].by_shape;
    for (int conv = 0; conv < weights->convs; conv++)
        TRY(read_conv(&source, &choice.candidate[0], conv, weights->kernel[conv],
                      weights->bias[conv], err));
    TRY(compare_candidates(&source, &choice, weights, err));
done:
    return status;
}

int tensor_file_read(const struct tensor_format *format, struct region bytes,
                     struct vgg19_weights *weights, int *convention, struct error *err)
{
    struct named_list list = {0};
    void *file = NULL;
    int status;
    TRY(format->open(bytes, &file, err));
    TRY(format->list(file, &list, err));
    if (list.count == 0 && format->explain)
        TRY(format->explain(file, err));
    TRY(tensors_read(format, &list, weights, convention, err));
done:
    named_list_release(&list);
    format->close(file);
    return status;
}
