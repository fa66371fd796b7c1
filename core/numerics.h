/* What numbers depend on, beside the parameters: equal fingerprints promise equal bytes. */
#ifndef ATELIER_NUMERICS_H
#define ATELIER_NUMERICS_H

#include <stddef.h>

/* A library core runs on: its name, the version loaded, and more where it matters. */
struct library {
    char name[24];
    char version[96];
};
enum { LIBRARIES_CORE = 10 };
void libraries_core(struct library list[LIBRARIES_CORE]);

/* Raised with every change to the program after which the same parameters give other bytes. */
enum { NUMERICS_VERSION = 1 };

/* "arithmetic 1; avx512; winograd, winograd-bf16; liblbfgs 1.10; zimg 3.0.4" for a render of that
 * PRECISION_*; AUTO names everything. What computes is in it: oneDNN where an engine of it is used.
 * libpng and libjpeg-turbo are not: a PNG says its pixels exactly, a JPEG's are integers that
 * libjpeg-turbo's releases agree on; results list the versions in `libraries`. */
void numerics_fingerprint(int precision, char *text, size_t size);

/* The instruction set in use: "avx512". */
const char *numerics_instruction_set(void);

#endif
