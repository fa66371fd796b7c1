/* What numbers depend on, beside the parameters: equal fingerprints promise equal bytes. */
#ifndef ATELIER_NUMERICS_H
#define ATELIER_NUMERICS_H

#include <stddef.h>

/* A library core runs on: its name, the version loaded, and more where it matters. */
struct library {
    char name[24];
    char version[96];
};
enum { LIBRARIES_CORE = 6 };
void libraries_core(struct library list[LIBRARIES_CORE]);

/* "0.2.0 1a2b3c; avx512; winograd, winograd-bf16; liblbfgs 1.10; ..." */
void numerics_fingerprint(const char *version, char *text, size_t size);

/* The instruction set in use: "avx512". */
const char *numerics_instruction_set(void);

#endif
