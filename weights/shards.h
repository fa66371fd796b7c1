/* Models in several files. Hugging Face's index is JSON that says which of the files beside it
 * holds each tensor, {"weight_map": {"features.0.weight": "model-00001-of-00002.safetensors",
 * ...}}; the files are safetensors, or PyTorch's (.bin). Source: huggingface_hub, serialization. */
#ifndef ATELIER_SHARDS_H
#define ATELIER_SHARDS_H

#include "error.h"
#include "vgg19.h"

/* As weight_reader.read (weights.h), of the index at `path`. Only files that may hold VGG-19's
 * tensors have to be there; their names must be plain ones, in the index's folder. */
int shards_read(const char *path, struct vgg19_weights *weights, int *convention,
                struct error *err);

/* Of a file in which VGG-19 was not found, for the reason in err: says that it is one of several,
 * if its name does, and what to name instead. Returns err's code. */
int shard_hint(const char *path, struct error *err);

#endif
