#include "known.h"

#include "files.h"
#include "words.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KERAS  "https://storage.googleapis.com/tensorflow/keras-applications/vgg19/"
#define OXFORD "http://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe/"
#define ONNX   "https://huggingface.co/onnxmodelzoo/legacy_models"

/* Sizes and digests are those their publishers give (Keras' sources, torchvision's file name and
 * third-party lists of its SHA-256, Git LFS pointers, OpenVINO's model zoo, MatConvNet's table);
 * none was computed from a download of ours. */
const struct known_file known_files[] = {
    {.name = "vgg19-keras",
     .file = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
     .address = KERAS "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
     .bytes = 80134624,
     .md5 = "253f8cb515780f3b799900260a226db6",
     .reader = &weight_reader_keras,
     .convention = CONVENTION_CAFFE,
     .note = "Oxford's weights, convolutions only: the smallest download"},
    {.name = "vgg19-keras-full",
     .file = "vgg19_weights_tf_dim_ordering_tf_kernels.h5",
     .address = KERAS "vgg19_weights_tf_dim_ordering_tf_kernels.h5",
     .bytes = 574710816,
     .md5 = "cbe5617147190e668d6c5d5026f83318",
     .reader = &weight_reader_keras,
     .convention = CONVENTION_CAFFE,
     .note = "Oxford's weights with the fully connected layers"},
    {.name = "vgg19-torchvision",
     .file = "vgg19-dcbb9e9d.pth",
     .address = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
     .bytes = 574673361,
     .sha256 = "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
     .reader = &weight_reader_torch,
     .convention = CONVENTION_TORCHVISION,
     .note = "torchvision's own training, not Oxford's weights"},
    {.name = "vgg19-safetensors",
     .file = "model.safetensors",
     .address = "https://huggingface.co/timm/vgg19.tv_in1k/resolve/main/model.safetensors",
     .page = "https://huggingface.co/timm/vgg19.tv_in1k",
     .sha256 = "11aea017b543ff59233749d8f1cf544cda749378f5790d2fedab841fb86b7669",
     .reader = &weight_reader_safetensors,
     .convention = CONVENTION_TORCHVISION,
     .licence = "BSD-3-Clause",
     .note = "torchvision's training, as timm publishes it"},
    {.name = "vgg19-caffe",
     .file = "VGG_ILSVRC_19_layers.caffemodel",
     .address = OXFORD "VGG_ILSVRC_19_layers.caffemodel",
     .bytes = 574671192,
     .md5 = "b5c644beabd7cf06bdd9065cfd674c97",
     .sha256 = "31b4c627c40c6ee151325f079b7ac557fddbd1f79af932888796127a4f4f6954",
     .reader = &weight_reader_caffe,
     .convention = CONVENTION_CAFFE,
     .licence = "CC BY 4.0",
     .note = "Oxford's weights as first published"},
    {.name = "vgg19-caffe-pth",
     .file = "vgg19-d01eb7cb.pth",
     .address = "https://web.eecs.umich.edu/~justincj/models/vgg19-d01eb7cb.pth",
     .sha256 = "d01eb7cb",
     .reader = &weight_reader_torch,
     .convention = CONVENTION_CAFFE,
     .note = "Oxford's weights converted by J. Johnson; neural-style-pt saves them anew under the "
             "same name, with another digest"},
    {.name = "vgg19-caffe-normalised",
     .file = "vgg_normalised.caffemodel",
     .address = "https://bethgelab.org/media/uploads/deeptextures/vgg_normalised.caffemodel",
     .sha256 = "2e0fb14efd38e98c6889e288d81a6382a2da1f5716587507e5fc4c46779b0c87",
     .reader = &weight_reader_caffe,
     .convention = CONVENTION_CAFFE,
     .note = "Gatys' rescaling of Oxford's weights to mean activations of 1, made for average "
             "pooling; needs other style and content weights"},
    {.name = "vgg19-gatys",
     .file = "vgg_conv.pth",
     .address = "https://bethgelab.org/media/uploads/pytorch_models/vgg_conv.pth",
     .reader = &weight_reader_torch,
     .convention = CONVENTION_CAFFE,
     .note = "Oxford's weights, convolutions only, converted by Gatys; the address is often dead"},
    {.name = "vgg19-caffe2-onnx",
     .file = "vgg19-caffe2-9.onnx",
     .page = ONNX,
     .bytes = 574674712,
     .sha256 = "cfb97260b303ad3963999662456571b89c5f73dbdd2fd9dffd19fed7a90f766b",
     .reader = &weight_reader_onnx,
     .convention = CONVENTION_CAFFE,
     .note = "Oxford's weights"},
    {.name = "vgg19-mxnet-onnx",
     .file = "vgg19-7.onnx",
     .page = ONNX,
     .reader = &weight_reader_onnx,
     .convention = CONVENTION_TORCHVISION,
     .note = "MXNet's own training, with torchvision's input"},
    {.name = "vgg19-matconvnet",
     .file = "imagenet-vgg-verydeep-19.mat",
     .address = "https://www.vlfeat.org/matconvnet/models/imagenet-vgg-verydeep-19.mat",
     .bytes = 534904783,
     .md5 = "106118b7cf60435e6d8e04f6a6dc3657",
     .reader = &weight_reader_mat,
     .convention = CONVENTION_CAFFE,
     .note = "Oxford's weights, as MatConvNet's importer stores them"},
    {.name = "vgg19-matconvnet-beta16",
     .file = "beta16-imagenet-vgg-verydeep-19.mat",
     .address = "https://www.vlfeat.org/matconvnet/models/beta16/imagenet-vgg-verydeep-19.mat",
     .md5 = "8ee3263992981a1d26e73b3ca028a123",
     .reader = &weight_reader_mat,
     .convention = CONVENTION_CAFFE,
     .note = "Oxford's weights, as MatConvNet's importer stored them until 2015"},
};
enum { FILES = sizeof known_files / sizeof *known_files };
const int known_file_count = FILES;

static const struct known_file *by_name(const char *name)
{
    for (int i = 0; i < known_file_count; i++)
        if (strcmp(known_files[i].name, name) == 0)
            return &known_files[i];
    return NULL;
}

int known_find(const char *name, const struct known_file **file, struct error *err)
{
    const struct known_file *found = by_name(name);
    if (found) {
        *file = found;
        return 0;
    }
    const char *names[FILES];
    char nearest[128], all[512] = "";
    for (size_t i = 0, used = 0; i < FILES && used < sizeof all; i++) {
        names[i] = known_files[i].name;
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    }
    words_nearest(name, names, FILES, nearest, sizeof nearest);
    if (nearest[0])
        return fail(err, E_INPUT, "there is no known weight file '%s'; nearest: %s", name, nearest);
    return fail(err, E_INPUT, "there is no known weight file '%s'; known: %s", name, all);
}

static bool sha256_agrees(const struct known_file *file, const struct digests *digests)
{
    return strncmp(file->sha256, digests->sha256, strlen(file->sha256)) == 0;
}

const struct known_file *known_by_digests(const struct digests *digests)
{
    for (int i = 0; i < known_file_count; i++) {
        const struct known_file *file = &known_files[i];
        if (file->sha256 ? sha256_agrees(file, digests)
                         : file->md5 && strcmp(file->md5, digests->md5) == 0)
            return file;
    }
    return NULL;
}

int known_check(const struct known_file *file, const char *path, const struct digests *digests,
                struct error *err)
{
    if (file->bytes && digests->bytes != file->bytes)
        return fail(err, E_INPUT,
                    "'%s' is not %s as published: expected %" PRIu64 " bytes, got %" PRIu64, path,
                    file->name, file->bytes, digests->bytes);
    if (file->sha256 && !sha256_agrees(file, digests))
        return fail(err, E_INPUT, "'%s' is not %s as published: expected a SHA-256 %s%s, got %s",
                    path, file->name, strlen(file->sha256) < DIGEST_HEX - 1 ? "that begins " : "",
                    file->sha256, digests->sha256);
    if (file->md5 && digests->md5[0] && strcmp(file->md5, digests->md5) != 0)
        return fail(err, E_INPUT, "'%s' is not %s as published: expected MD5 %s, got %s", path,
                    file->name, file->md5, digests->md5);
    if (file->md5 && !digests->md5[0] && !file->sha256)
        return fail(err, E_ENVIRONMENT,
                    "cannot check '%s': only its MD5 is published, and libcrypto here has no MD5",
                    path);
    return 0;
}

/* *folder, or an error when memory is out. */
static int folder_is(const char *start, const char *end, char **folder, struct error *err)
{
    char *text = NULL;
    if (asprintf(&text, "%s%s", start, end) < 0)
        return fail(err, E_ENVIRONMENT, "not enough memory for a file's name");
    *folder = text;
    return 0;
}

int known_cache_folder(char **folder, struct error *err)
{
    const char *ours = getenv("ATELIER_CACHE"), *xdg = getenv("XDG_CACHE_HOME"),
               *home = getenv("HOME");
    if (ours && *ours)
        return folder_is(ours, "", folder, err);
    if (xdg && *xdg == '/') /* the XDG specification: relative ones are ignored */
        return folder_is(xdg, "/atelier", folder, err);
    if (home && *home)
        return folder_is(home, "/.cache/atelier", folder, err);
    return fail(err, E_ENVIRONMENT,
                "there is no cache folder: neither ATELIER_CACHE, XDG_CACHE_HOME nor HOME is set");
}

int known_make_folder(const char *folder, struct error *err)
{
    if (files_make_folders(folder, err) == 0)
        return 0;
    if (err) {
        size_t used = strlen(err->message);
        snprintf(err->message + used, sizeof err->message - used, " (ATELIER_CACHE names another)");
        err->code = E_ENVIRONMENT;
    }
    return E_ENVIRONMENT;
}

static int check_cached(const struct known_file *file, const char *path, struct error *err)
{
    struct stat info;
    if (stat(path, &info) != 0) {
        if (file->address && (file->sha256 || file->md5))
            return fail(err, E_INPUT,
                        "weight file '%s' is not there yet: 'atelier weights --fetch %s' gets it",
                        path, file->name);
        return fail(err, E_INPUT, "weight file '%s' is not there: get it from %s", path,
                    file->address ? file->address : file->page);
    }
    if (file->bytes && S_ISREG(info.st_mode) && (uint64_t)info.st_size != file->bytes)
        return fail(err, E_INPUT,
                    "'%s' is not %s as published: expected %" PRIu64 " bytes, got %lld; give its "
                    "path to use it all the same",
                    path, file->name, file->bytes, (long long)info.st_size);
    return 0;
}

int known_path(const char *name, char **path, bool *is_known, struct error *err)
{
    char *folder = NULL, *text = NULL;
    int status = 0;
    const struct known_file *file = by_name(name);
    *is_known = file != NULL;
    *path = NULL;
    if (!file)
        return 0;
    if (!file->reader)
        return fail(err, E_INPUT, "cannot use %s: %s", name, file->note);
    TRY(known_cache_folder(&folder, err));
    if (asprintf(&text, "%s/%s", folder, file->file) < 0) {
        text = NULL;
        status = fail(err, E_ENVIRONMENT, "not enough memory for a file's name");
        goto done;
    }
    TRY(check_cached(file, text, err));
    *path = text;
    text = NULL;
done:
    free(text);
    free(folder);
    return status;
}
