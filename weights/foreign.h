/* Files that no reader takes, but whose nature is worth saying. */
#ifndef ATELIER_FOREIGN_H
#define ATELIER_FOREIGN_H

#include <stddef.h>

/* What a file is, by its first bytes, as the end of a sentence that begins with its name: "is an
 * HTML page, not a weight file: ...". NULL when that is unknown. */
const char *foreign_format(const unsigned char *start, size_t count);

#endif
