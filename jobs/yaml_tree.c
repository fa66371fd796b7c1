/* libyaml's events become nodes by way of a stack of the collections that are open. */
#include "yaml_tree.h"

#include "name_index.h"
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct reader {
    struct complaints *complaints;
    struct error *err;
    struct yaml_tree tree;
    struct node *open[YAML_DEPTH_MAX];
    char *anchor[YAML_DEPTH_MAX]; /* of the open ones; NULL: none */
    int depth;
    struct name_index anchors; /* of what is complete */
    struct node **anchored;
    int documents;
};

static int no_memory(struct reader *reader)
{
    return fail(reader->err, E_ENVIRONMENT, "not enough memory");
}

static struct origin place(const yaml_mark_t *mark)
{
    return (struct origin){.line = (int)mark->line + 1, .column = (int)mark->column + 1};
}

static int refuse(struct reader *reader, struct origin origin, const char *words)
{
    complain(reader->complaints, origin, "%s", words);
    return complaints_verdict(reader->complaints, reader->err);
}

static struct node *new_node(struct reader *reader, enum node_kind kind, const yaml_mark_t *mark)
{
    struct node *node = calloc(1, sizeof *node);
    if (!node)
        return NULL;
    *node = (struct node){.kind = kind, .origin = place(mark), .next = reader->tree.all};
    reader->tree.all = node;
    return node;
}

/* Entries in items: room is made whenever their number is a power of two. */
static int append(struct reader *reader, struct node *parent, struct node *child)
{
    size_t used = parent->count;
    if ((used & (used - 1)) == 0) {
        struct node **items = reallocarray(parent->items, used ? 2 * used : 1, sizeof *items);
        if (!items)
            return no_memory(reader);
        parent->items = items;
    }
    parent->items[parent->count++] = child;
    return 0;
}

/* Puts a node where it belongs. While a map is open, its count is that of keys and values. */
static int attach(struct reader *reader, struct node *node)
{
    if (reader->depth == 0) {
        reader->tree.root = node;
        return 0;
    }
    struct node *parent = reader->open[reader->depth - 1];
    if (parent->kind == NODE_MAP && parent->count % 2 == 0) {
        if (node->kind != NODE_SCALAR)
            return refuse(reader, node->origin, "a key must be a word, not a list or a map");
        if (node->plain && strcmp(node->text, "<<") == 0)
            return refuse(reader, node->origin,
                          "merge keys (<<) are not understood: write the keys out, or put what is "
                          "common under 'defaults'");
    }
    return append(reader, parent, node);
}

/* --- anchors --- */

static int remember(struct reader *reader, const char *anchor, struct node *node)
{
    size_t number;
    bool is_new;
    int status = name_index_add(&reader->anchors, anchor, &number, &is_new, reader->err);
    if (status != 0)
        return status;
    if (is_new) {
        struct node **anchored = reallocarray(reader->anchored, number + 1, sizeof *anchored);
        if (!anchored)
            return no_memory(reader);
        reader->anchored = anchored;
    }
    reader->anchored[number] = node;
    return 0;
}

static int follow(struct reader *reader, const yaml_event_t *event)
{
    size_t number;
    const char *anchor = (const char *)event->data.alias.anchor;
    struct origin origin = place(&event->start_mark);
    if (!name_index_find(&reader->anchors, anchor, &number)) {
        complain(reader->complaints, origin, "there is no complete '&%s' before this alias",
                 anchor);
        return complaints_verdict(reader->complaints, reader->err);
    }
    return attach(reader, reader->anchored[number]);
}

/* --- events --- */

static int on_scalar(struct reader *reader, const yaml_event_t *event)
{
    struct node *node = new_node(reader, NODE_SCALAR, &event->start_mark);
    if (!node)
        return no_memory(reader);
    size_t length = event->data.scalar.length;
    const char *text = (const char *)event->data.scalar.value;
    if (strlen(text) != length)
        return refuse(reader, node->origin, "a NUL character stands in this text");
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    node->text = strdup(text);
    if (!node->text)
        return no_memory(reader);
    int status = attach(reader, node);
    if (status == 0 && event->data.scalar.anchor)
        status = remember(reader, (const char *)event->data.scalar.anchor, node);
    return status;
}

static int on_open(struct reader *reader, enum node_kind kind, const yaml_char_t *anchor,
                   const yaml_event_t *event)
{
    struct node *node = new_node(reader, kind, &event->start_mark);
    if (!node)
        return no_memory(reader);
    if (reader->depth == YAML_DEPTH_MAX)
        return refuse(reader, node->origin, "lists and maps are nested too deeply");
    int status = attach(reader, node);
    if (status != 0)
        return status;
    char *copy = anchor ? strdup((const char *)anchor) : NULL;
    if (anchor && !copy)
        return no_memory(reader);
    reader->anchor[reader->depth] = copy;
    reader->open[reader->depth++] = node;
    return 0;
}

/* Every key once: the other value would be lost silently. The first one stays. */
static int check_keys(struct reader *reader, struct node *map)
{
    struct name_index seen = {0};
    int status = 0;
    size_t kept = 0;
    for (size_t i = 0; i < map->count && status == 0; i++) {
        size_t first;
        bool is_new;
        struct node *key = node_key(map, i), *value = node_value(map, i);
        status = name_index_put(&seen, key->text, kept, &first, &is_new, reader->err);
        if (status == 0 && !is_new) {
            complain(reader->complaints, key->origin, "'%s' stands twice here, first at %d:%d",
                     key->text, node_key(map, first)->origin.line,
                     node_key(map, first)->origin.column);
            continue;
        }
        map->items[2 * kept] = key;
        map->items[2 * kept + 1] = value;
        kept++;
    }
    map->count = kept;
    name_index_release(&seen);
    return status;
}

static int on_close(struct reader *reader)
{
    struct node *node = reader->open[--reader->depth];
    char *anchor = reader->anchor[reader->depth];
    int status = anchor ? remember(reader, anchor, node) : 0;
    free(anchor);
    if (status == 0 && node->kind == NODE_MAP) {
        node->count /= 2;
        status = check_keys(reader, node);
    }
    return status;
}

static int on_event(struct reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(reader, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(reader, NODE_LIST, event->data.sequence_start.anchor, event);
    case YAML_MAPPING_START_EVENT:
        return on_open(reader, NODE_MAP, event->data.mapping_start.anchor, event);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close(reader);
    case YAML_ALIAS_EVENT:
        return follow(reader, event);
    case YAML_DOCUMENT_START_EVENT:
        if (reader->documents++ > 0)
            return refuse(reader, place(&event->start_mark),
                          "a second document begins here: one file holds one sweep");
        return 0;
    default:
        return 0;
    }
}

static int on_parser_error(struct reader *reader, const yaml_parser_t *parser)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return no_memory(reader);
    struct origin origin = place(&parser->problem_mark);
    const char *tab = parser->problem && strstr(parser->problem, "cannot start any token")
                          ? " (a tab, perhaps: YAML is indented by spaces)"
                          : "";
    complain(reader->complaints, origin, "this is not YAML: %s%s%s%s",
             parser->problem ? parser->problem : "unreadable", parser->context ? " " : "",
             parser->context ? parser->context : "", tab);
    return complaints_verdict(reader->complaints, reader->err);
}

static int read_events(struct reader *reader, yaml_parser_t *parser)
{
    for (bool done = false; !done;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return on_parser_error(reader, parser);
        done = event.type == YAML_STREAM_END_EVENT;
        int status = on_event(reader, &event);
        yaml_event_delete(&event);
        if (status != 0)
            return status;
    }
    return 0;
}

int yaml_tree_read(const char *text, size_t bytes, struct complaints *complaints,
                   struct yaml_tree *out, struct error *err)
{
    yaml_parser_t parser;
    struct reader reader = {.complaints = complaints, .err = err};
    if (bytes > YAML_BYTES_MAX)
        return refuse(&reader, (struct origin){0},
                      "a sweep file has at most 16 MB: write a manifest (CSV) instead");
    if (!yaml_parser_initialize(&parser))
        return no_memory(&reader);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, bytes);
    int status = read_events(&reader, &parser);
    yaml_parser_delete(&parser);
    while (reader.depth > 0)
        free(reader.anchor[--reader.depth]);
    name_index_release(&reader.anchors);
    free(reader.anchored);
    if (status == 0)
        *out = reader.tree;
    else
        yaml_tree_release(&reader.tree);
    return status;
}

void yaml_tree_release(struct yaml_tree *tree)
{
    while (tree->all) {
        struct node *node = tree->all;
        tree->all = node->next;
        free(node->text);
        free(node->items);
        free(node);
    }
    tree->root = NULL;
}

bool node_is_null(const struct node *node)
{
    return node->kind == NODE_SCALAR && node->plain &&
           (!*node->text || strcmp(node->text, "~") == 0 || strcmp(node->text, "null") == 0 ||
            strcmp(node->text, "Null") == 0 || strcmp(node->text, "NULL") == 0);
}
