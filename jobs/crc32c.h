/* CRC-32C (Castagnoli): reflected polynomial 0x82F63B78, as iSCSI and TensorBoard have it. */
#ifndef ATELIER_CRC32C_H
#define ATELIER_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Checked by: test_collect, against the check value of "123456789". */
uint32_t crc32c(const void *bytes, size_t count);

#endif
