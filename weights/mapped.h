/* Readers of formats whose files are read in place, out of a memory map: what lies in layers nobody
 * asked for is never touched. Here they are given the bytes, for tests and for fuzzing. */
#ifndef ATELIER_MAPPED_H
#define ATELIER_MAPPED_H

#include "tensor.h"
#include "vgg19.h"

/* As weight_reader.read (weights.h), on the whole content of a file. */
typedef int mapped_reader(struct region file, struct vgg19_weights *weights, int *convention,
                          struct error *err);
mapped_reader torch_read, safetensors_read, caffe_read, onnx_read, mat_read;

/* The zlib in use, which .mat files are packed with. */
const char *mat_zlib_version(void);

/* Maps the file and reads it. */
int mapped_read(const char *path, mapped_reader *read, struct vgg19_weights *weights,
                int *convention, struct error *err);

#endif
