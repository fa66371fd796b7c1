/* A reader of Python pickles that executes nothing: what a pickle would build or call stays a tree
 * of tagged values. It knows the opcodes that PyTorch's files consist of, in protocols 2 to 5, and
 * refuses all others; names of Python objects that are not on the caller's list mean nothing. Every
 * length, count and index is checked, values may be shared and cyclic, and nothing here recurses.
 */
#ifndef ATELIER_PICKLE_H
#define ATELIER_PICKLE_H

#include "error.h"
#include "tensor.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,       /* integer */
    PICKLE_INT,        /* integer */
    PICKLE_LONG,       /* text: more than 8 bytes, little-endian */
    PICKLE_OTHER,      /* a float or bytes: no value is kept */
    PICKLE_TEXT,       /* text: not terminated, any bytes */
    PICKLE_TUPLE,      /* items */
    PICKLE_LIST,       /* items */
    PICKLE_SET,        /* items */
    PICKLE_DICT,       /* items: key, value, key, value; OrderedDict too. Keys may repeat */
    PICKLE_GLOBAL,     /* global: an index into the caller's list */
    PICKLE_FOREIGN,    /* the name of a Python object that is not on it */
    PICKLE_CALL,       /* call: what Python would have called, with what */
    PICKLE_PERSISTENT, /* call.args: the id of an object that is stored elsewhere */
    PICKLE_MARK,       /* never part of a value */
};

/* Values are indices into nodes, items are chains of cells. 0 is no cell, and the MARK. */
struct pickle_node {
    enum pickle_kind kind;
    union {
        int64_t integer;
        struct region text; /* borrowed from the pickle's bytes */
        struct {
            uint32_t first, last, count;
        } items;
        size_t global;
        struct {
            /* state: of BUILD; items: the list or dict of what was filled in; 0 where none was */
            uint32_t function, args, state, items;
        } call;
    };
};
struct pickle_cell {
    uint32_t value, next;
};

/* Python objects a pickle may name, as "module name". */
struct pickle_globals {
    const char *const *names;
    size_t count;
};

struct pickle {
    struct pickle_node *nodes;
    struct pickle_cell *cells;
    size_t node_count, cell_count;
    size_t bytes; /* of the pickle, with its STOP */
    uint32_t root;
};

/* Reads the pickle at the start of `bytes`, which must outlive it. Bytes behind it are ignored.
 * Errors: E_INPUT saying what and at which byte; E_ENVIRONMENT without memory.
 * Owned: pickle_release. */
int pickle_read(struct region bytes, struct pickle_globals allowed, struct pickle *out,
                struct error *err);
void pickle_release(struct pickle *pickle);

/* Item i of a tuple or list, or NULL when there is none: for short ones. */
const struct pickle_node *pickle_item(const struct pickle *pickle, const struct pickle_node *node,
                                      uint32_t i);

/* Whether the node is this text, or this whole number at least 0. */
bool pickle_is(const struct pickle_node *node, const char *text);
bool pickle_count(const struct pickle_node *node, uint64_t *value);

#endif
