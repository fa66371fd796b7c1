/* VGG-19's layers by the shapes and the order of a file's tensors, where names tell nothing: 16
 * kernels, no more, in VGG-19's order, and as many biases in theirs. The order is that of the file
 * and that of the names, numbers in them counting as such; where both fit they must agree. */
#include "named.h"

#include <stdlib.h>
#include <string.h>

/* ---- names in the order of their numbers ---- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The length of the digits at `at`, past zeros in front of them. */
static size_t digits(const struct named_entry *e, size_t *at)
{
    size_t end;
    while (*at + 1 < e->length && e->name[*at] == '0' && is_digit(e->name[*at + 1]))
        ++*at;
    for (end = *at; end < e->length && is_digit(e->name[end]); end++)
        ;
    return end - *at;
}

static int by_name(const void *a, const void *b)
{
    const struct named_entry *x = *(const struct named_entry *const *)a,
                             *y = *(const struct named_entry *const *)b;
    size_t i = 0, j = 0;
    while (i < x->length && j < y->length) {
        size_t left = 1, right = 1;
        if (is_digit(x->name[i]) && is_digit(y->name[j]))
            left = digits(x, &i), right = digits(y, &j);
        if (left != right)
            return left < right ? -1 : 1;
        int order = memcmp(x->name + i, y->name + j, left);
        if (order)
            return order;
        i += left, j += right;
    }
    return (x->length - i > y->length - j) - (x->length - i < y->length - j);
}

/* ---- the tensors that matter ---- */

/* What stands before the last dot or slash. */
static size_t stem(const struct named_entry *e)
{
    size_t at = e->length;
    while (at > 0 && e->name[at - 1] != '.' && e->name[at - 1] != '/')
        at--;
    return at;
}

/* A bias of a fully connected layer stands beside a matrix. */
static bool is_beside_matrix(const struct named_list *list, const struct named_entry *bias)
{
    size_t length = stem(bias);
    for (size_t i = 0; length > 0 && i < list->count; i++)
        if (list->entries[i].rank == 2 && stem(&list->entries[i]) == length &&
            memcmp(list->entries[i].name, bias->name, length) == 0)
            return true;
    return false;
}

/* Kernels, and biases of convolutions. 0 and more: as many as there are room for. */
struct sorted {
    const struct named_entry *kernels[VGG19_CONVS], *biases[VGG19_CONVS];
    size_t kernel_count, bias_count;
};

static void sort_out(const struct named_list *list, struct sorted *s)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct named_entry *e = &list->entries[i];
        if (e->rank == 4) {
            if (s->kernel_count < VGG19_CONVS)
                s->kernels[s->kernel_count] = e;
            s->kernel_count++;
        } else if (e->rank == 1 && !is_beside_matrix(list, e)) {
            if (s->bias_count < VGG19_CONVS)
                s->biases[s->bias_count] = e;
            s->bias_count++;
        }
    }
}

static bool fits(const struct sorted *s)
{
    for (int conv = 0; conv < VGG19_CONVS; conv++)
        if (!named_is_kernel(s->kernels[conv], conv) ||
            s->biases[conv]->shape[0] != (uint64_t)vgg19_convs[conv].out)
            return false;
    return true;
}

bool named_by_order(const struct named_list *list, struct named_tensors *named)
{
    struct sorted file = {.kernel_count = 0};
    sort_out(list, &file);
    if (file.kernel_count != VGG19_CONVS || file.bias_count != VGG19_CONVS)
        return false;
    struct sorted name = file;
    qsort(name.kernels, VGG19_CONVS, sizeof *name.kernels, by_name);
    qsort(name.biases, VGG19_CONVS, sizeof *name.biases, by_name);
    bool by_file = fits(&file), by_names = fits(&name);
    if (!by_file && !by_names)
        return false;
    if (by_file && by_names && memcmp(&file, &name, sizeof file) != 0)
        return false;
    const struct sorted *good = by_file ? &file : &name;
    *named = (struct named_tensors){.by_number = true, .by_shape = true};
    for (int conv = 0; conv < VGG19_CONVS; conv++) {
        named_set(named, conv, NAMED_KERNEL, (size_t)(good->kernels[conv] - list->entries), NULL);
        named_set(named, conv, NAMED_BIAS, (size_t)(good->biases[conv] - list->entries), NULL);
    }
    return true;
}
