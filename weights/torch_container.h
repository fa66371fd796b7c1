/* The two containers of PyTorch's files: a pickle, and the storages (arrays of numbers) it refers
 * to by key. What is asked for is checked; nothing is copied. Only torch.c uses this.
 * Errors: E_INPUT; E_ENVIRONMENT without memory. */
#ifndef ATELIER_TORCH_CONTAINER_H
#define ATELIER_TORCH_CONTAINER_H

#include "pickle.h"
#include "tensor.h"
#include "zip.h"

/* A storage as the pickle tells of it. */
struct torch_storage {
    struct region key;
    const struct torch_type *type;
    uint64_t count;     /* numbers */
    struct region data; /* NULL until it is known */
};
struct torch_type {
    const char *name; /* of its storage in a pickle: "torch FloatStorage" */
    size_t bytes;
    bool real; /* and then: */
    enum tensor_type tensor;
};

/* ---- since PyTorch 1.6: a zip archive of stored members, STEM/data.pkl and STEM/data/KEY ---- */

struct torch_zip {
    struct zip archive;
    struct region stem; /* with its slash */
    bool big_endian;
};
bool torch_zip_recognises(const unsigned char *start, size_t count);

/* Owned: torch_zip_release. *object is the pickle's member. */
int torch_zip_open(struct region file, struct torch_zip *zip, struct region *object,
                   struct error *err);
void torch_zip_release(struct torch_zip *zip);
int torch_zip_locate(const struct torch_zip *zip, struct torch_storage *storage, struct error *err);

/* ---- before: five pickles (magic number, version, system, object, keys), then the storages ----
 */

bool torch_legacy_recognises(const unsigned char *start, size_t count);

/* *object is what begins with the object's pickle. */
int torch_legacy_open(struct region file, struct region *object, struct error *err);

/* Walks the storages behind the object's pickle; `storages` is sorted by torch_storage_order. */
int torch_legacy_locate(struct region behind, struct torch_storage *storages, size_t count,
                        struct error *err);

/* For qsort and bsearch: by key. */
int torch_storage_order(const void *a, const void *b);

#endif
