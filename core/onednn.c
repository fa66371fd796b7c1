#include "onednn.h"

#include <assert.h>
#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl_debug.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if DNNL_CPU_THREADING_RUNTIME != DNNL_RUNTIME_OMP && DNNL_CPU_THREADING_RUNTIME != DNNL_RUNTIME_SEQ
#error                                                                                             \
    "this oneDNN brings threads of its own: use an OpenMP or sequential one, or -DATELIER_ONEDNN=OFF"
#endif

/* --- what differs between versions 2 and 3 --- */

#if DNNL_VERSION_MAJOR >= 3

typedef dnnl_memory_desc_t layout;
typedef const_dnnl_memory_desc_t layout_view;

static layout_view view(const layout *it) { return *it; }

static dnnl_status_t layout_new(layout *it, const dnnl_dims_t dims, dnnl_data_type_t type,
                                dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_create_with_tag(it, 4, dims, type, tag);
}

static void layout_free(layout *it)
{
    if (*it)
        dnnl_memory_desc_destroy(*it);
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
    return dnnl_post_ops_append_sum(ops, 1, 0, dnnl_f32);
}

static dnnl_status_t describe_conv(dnnl_primitive_desc_t *desc, dnnl_engine_t engine,
                                   const layout *src, const layout *weights, const layout *dst,
                                   const_dnnl_primitive_attr_t attributes)
{
    const dnnl_dims_t strides = {1, 1}, none = {0, 0};
    return dnnl_convolution_forward_primitive_desc_create(
        desc, engine, dnnl_forward_inference, dnnl_convolution_direct, *src, *weights, NULL, *dst,
        strides, none, none, none, attributes);
}

#else

typedef dnnl_memory_desc_t layout;
typedef const dnnl_memory_desc_t *layout_view;

static layout_view view(const layout *it) { return it; }

static dnnl_status_t layout_new(layout *it, const dnnl_dims_t dims, dnnl_data_type_t type,
                                dnnl_format_tag_t tag)
{
    return dnnl_memory_desc_init_by_tag(it, 4, dims, type, tag);
}

static void layout_free(layout *it) { (void)it; }

static dnnl_status_t append_sum(dnnl_post_ops_t ops) { return dnnl_post_ops_append_sum(ops, 1); }

static dnnl_status_t describe_conv(dnnl_primitive_desc_t *desc, dnnl_engine_t engine,
                                   const layout *src, const layout *weights, const layout *dst,
                                   const_dnnl_primitive_attr_t attributes)
{
    const dnnl_dims_t strides = {1, 1}, none = {0, 0};
    dnnl_convolution_desc_t conv;
    dnnl_status_t status =
        dnnl_convolution_forward_desc_init(&conv, dnnl_forward_inference, dnnl_convolution_direct,
                                           src, weights, NULL, dst, strides, none, none);
    return status != dnnl_success
               ? status
               : dnnl_primitive_desc_create(desc, &conv, attributes, engine, NULL);
}

#endif

/* --- the rest is the same in both --- */

struct onednn_conv {
    layout src, kernel, dst;
    dnnl_primitive_desc_t desc, pack_desc;
    dnnl_primitive_t conv, pack;
};

static dnnl_engine_t processor; /* lives as long as the program */

static void find_processor(void) { dnnl_engine_create(&processor, dnnl_cpu, 0); }

static dnnl_engine_t engine(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find_processor);
    return processor;
}

static layout_view weights_of(const struct onednn_conv *conv)
{
    return dnnl_primitive_desc_query_md(conv->desc, dnnl_query_weights_md, 0);
}

static layout_view scratch_of(const struct onednn_conv *conv)
{
    return dnnl_primitive_desc_query_md(conv->desc, dnnl_query_scratchpad_md, 0);
}

#define DNNL_TRY(call)                                                                             \
    do {                                                                                           \
        if ((status = (call)) != dnnl_success)                                                     \
            goto done;                                                                             \
    } while (0)

static dnnl_status_t attributes_new(bool accumulate, dnnl_primitive_attr_t *attributes)
{
    dnnl_status_t status;
    dnnl_post_ops_t ops = NULL;
    DNNL_TRY(dnnl_primitive_attr_create(attributes));
    DNNL_TRY(dnnl_primitive_attr_set_scratchpad_mode(*attributes, dnnl_scratchpad_mode_user));
    DNNL_TRY(dnnl_post_ops_create(&ops));
    if (accumulate)
        DNNL_TRY(append_sum(ops));
    DNNL_TRY(dnnl_primitive_attr_set_post_ops(*attributes, ops));
done:
    dnnl_post_ops_destroy(ops);
    return status;
}

/* oneDNN chooses the order of the weights; feature maps and kernels are as they are here. */
static dnnl_status_t make(const struct onednn_shape *s, bool accumulate, struct onednn_conv *made)
{
    const dnnl_dims_t src = {1, s->in, s->height + 2, s->width + 2};
    const dnnl_dims_t kernel = {s->out, s->in, 3, 3}, dst = {1, s->out, s->height, s->width};
    dnnl_status_t status;
    dnnl_primitive_attr_t attributes = NULL;
    layout any = {0};
    DNNL_TRY(attributes_new(accumulate, &attributes));
    DNNL_TRY(layout_new(&made->src, src, dnnl_bf16, dnnl_nhwc));
    DNNL_TRY(layout_new(&made->kernel, kernel, dnnl_bf16, dnnl_hwio));
    DNNL_TRY(layout_new(&made->dst, dst, dnnl_f32, dnnl_nhwc));
    DNNL_TRY(layout_new(&any, kernel, dnnl_bf16, dnnl_format_tag_any));
    DNNL_TRY(describe_conv(&made->desc, engine(), &made->src, &any, &made->dst, attributes));
    DNNL_TRY(dnnl_primitive_create(&made->conv, made->desc));
    DNNL_TRY(dnnl_reorder_primitive_desc_create(&made->pack_desc, view(&made->kernel), engine(),
                                                weights_of(made), engine(), NULL));
    DNNL_TRY(dnnl_primitive_create(&made->pack, made->pack_desc));
done:
    layout_free(&any);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

int onednn_conv_new(const struct onednn_shape *shape, bool accumulate, struct onednn_conv **conv,
                    struct error *err)
{
    struct onednn_conv *made = calloc(1, sizeof *made);
    dnnl_status_t status = dnnl_out_of_memory;
    int threads = omp_get_max_threads();
    omp_set_num_threads(1); /* a primitive's blocks depend on it */
    if (made)
        status = make(shape, accumulate, made);
    omp_set_num_threads(threads);
    if (status != dnnl_success) {
        onednn_conv_free(made);
        return fail(err, E_ENVIRONMENT, "oneDNN cannot do a convolution of %d to %d channels: %s",
                    shape->in, shape->out, dnnl_status2str(status));
    }
    *conv = made;
    return 0;
}

void onednn_conv_free(struct onednn_conv *conv)
{
    if (!conv)
        return;
    dnnl_primitive_destroy(conv->pack);
    dnnl_primitive_desc_destroy(conv->pack_desc);
    dnnl_primitive_destroy(conv->conv);
    dnnl_primitive_desc_destroy(conv->desc);
    layout_free(&conv->src);
    layout_free(&conv->kernel);
    layout_free(&conv->dst);
    free(conv);
}

size_t onednn_weight_bytes(const struct onednn_conv *conv)
{
    return dnnl_memory_desc_get_size(weights_of(conv));
}

size_t onednn_scratch_bytes(const struct onednn_conv *conv)
{
    return dnnl_memory_desc_get_size(scratch_of(conv));
}

enum { ARGUMENTS_MAX = 4 };

struct argument {
    int index;
    layout_view layout;
    const void *data;
};

/* Whatever can go wrong with a primitive went wrong when it was made: what is left is a malloc of a
 * few bytes. */
static void run(dnnl_primitive_t primitive, const struct argument *arguments, int count)
{
    dnnl_exec_arg_t list[ARGUMENTS_MAX] = {{0}};
    dnnl_stream_t stream = NULL;
    dnnl_status_t status = dnnl_stream_create(&stream, engine(), dnnl_stream_default_flags);
    for (int i = 0; i < count && status == dnnl_success; i++) {
        list[i].arg = arguments[i].index;
        status = dnnl_memory_create(&list[i].memory, arguments[i].layout, engine(),
                                    (void *)(size_t)arguments[i].data);
    }
    if (status == dnnl_success)
        status = dnnl_primitive_execute(primitive, stream, count, list);
    if (status == dnnl_success)
        status = dnnl_stream_wait(stream);
    assert(status == dnnl_success);
    for (int i = 0; i < count; i++)
        dnnl_memory_destroy(list[i].memory);
    dnnl_stream_destroy(stream);
}

void onednn_pack(const struct onednn_conv *conv, const void *kernel, void *packed)
{
    const struct argument arguments[] = {{DNNL_ARG_FROM, view(&conv->kernel), kernel},
                                         {DNNL_ARG_TO, weights_of(conv), packed}};
    run(conv->pack, arguments, 2);
}

void onednn_run(const struct onednn_conv *conv, const void *src, const void *packed, float *dst,
                void *scratch)
{
    const struct argument arguments[ARGUMENTS_MAX] = {
        {DNNL_ARG_SRC, view(&conv->src), src},
        {DNNL_ARG_WEIGHTS, weights_of(conv), packed},
        {DNNL_ARG_DST, view(&conv->dst), dst},
        {DNNL_ARG_SCRATCHPAD, scratch_of(conv), scratch}};
    run(conv->conv, arguments, ARGUMENTS_MAX);
}

/* --- what is loaded --- */

bool onednn_has_matrix_units(void)
{
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    return (isa & dnnl_cpu_isa_avx512_core_amx) == dnnl_cpu_isa_avx512_core_amx;
}

void onednn_version(char *text, size_t size)
{
    const dnnl_version_t *version = dnnl_version();
    const char *isa = dnnl_cpu_isa2str(dnnl_get_effective_cpu_isa());
    snprintf(text, size, "%d.%d.%d, %s", version->major, version->minor, version->patch,
             strncmp(isa, "cpu_isa_", 8) == 0 ? isa + 8 : isa);
}
