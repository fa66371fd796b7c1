/* A YAML document as a tree whose every node knows its place. libyaml's own tree is not used since
 * its time grows with the square of the depth. */
#ifndef ATELIER_YAML_TREE_H
#define ATELIER_YAML_TREE_H

#include "complaint.h"

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAP };

/* Owned by the tree. A node may be reached twice, through an alias, but never from itself. */
struct node {
    enum node_kind kind;
    bool plain; /* a scalar without quotes: empty, ~ and null mean nothing */
    struct origin origin;
    char *text;          /* of a scalar */
    size_t count;        /* items of a list; pairs of a map */
    struct node **items; /* of a map: key, value, key, value */
    struct node *next;   /* all nodes of the tree */
};

struct yaml_tree {
    struct node *root; /* NULL for a document without content */
    struct node *all;
};

enum { YAML_DEPTH_MAX = 16, YAML_BYTES_MAX = 16 << 20 };

/* Reads the only document of a text. Keys of maps are scalars, and no key stands twice in a map.
 * Everything else that is wrong with the YAML becomes a complaint, the first one only where parsing
 * cannot go on. Errors: E_INPUT after a complaint; E_ENVIRONMENT. Owned: yaml_tree_release. */
int yaml_tree_read(const char *text, size_t bytes, struct complaints *complaints,
                   struct yaml_tree *out, struct error *err);
void yaml_tree_release(struct yaml_tree *tree);

/* Key and value of pair i of a map. */
static inline struct node *node_key(const struct node *map, size_t i) { return map->items[2 * i]; }
static inline struct node *node_value(const struct node *map, size_t i)
{
    return map->items[2 * i + 1];
}

/* Whether a node is no value at all: empty, ~ or null without quotes. */
bool node_is_null(const struct node *node);

#endif
