/* The virtual machine of Python's pickle, without its effects. Its instructions are one byte and an
 * argument; they work on a stack, on a memo of numbered values, and on marks in the stack.
 * Source: CPython Lib/pickletools.py and Lib/pickle.py; torch/_weights_only_unpickler.py for which
 * instructions occur. */
#include "pickle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Published files have a few hundred values; this is for checkpoints of large models. */
enum { MOST_VALUES = 1 << 20, MOST_ARGS = 64 };

struct machine {
    struct region bytes;
    size_t at;
    struct pickle_globals allowed;
    struct pickle *out;
    uint32_t *stack, *memo;
    size_t node_room, cell_room, stack_room, memo_room;
    size_t depth, memo_next;
    bool stopped;
};

/* ---- memory ---- */

static int too_many(struct error *err)
{
    return fail(err, E_INPUT, "its pickle holds more than %d values", MOST_VALUES);
}

/* Room for `need` elements; new ones are zero. */
static int grow(void **array, size_t *room, size_t need, size_t size, struct error *err)
{
    if (need <= *room)
        return 0;
    if (need > MOST_VALUES)
        return too_many(err);
    size_t more = *room ? *room : 64;
    while (more < need)
        more *= 2;
    char *bigger = realloc(*array, more * size);
    if (!bigger)
        return fail_errno(err, "not enough memory");
    memset(bigger + *room * size, 0, (more - *room) * size);
    *array = bigger;
    *room = more;
    return 0;
}

static struct pickle_node *node_at(const struct machine *m, uint32_t value)
{
    return &m->out->nodes[value];
}

static int push(struct machine *m, uint32_t value, struct error *err)
{
    int status = grow((void **)&m->stack, &m->stack_room, m->depth + 1, sizeof *m->stack, err);
    if (!status)
        m->stack[m->depth++] = value;
    return status;
}

static int add_node(struct machine *m, struct pickle_node node, uint32_t *value, struct error *err)
{
    struct pickle *p = m->out;
    int status = grow((void **)&p->nodes, &m->node_room, p->node_count + 1, sizeof *p->nodes, err);
    if (status)
        return status;
    p->nodes[p->node_count] = node;
    *value = (uint32_t)p->node_count++;
    return 0;
}

static int push_node(struct machine *m, struct pickle_node node, struct error *err)
{
    uint32_t value = 0;
    int status = add_node(m, node, &value, err);
    return status ? status : push(m, value, err);
}

static int append(struct machine *m, uint32_t container, uint32_t value, struct error *err)
{
    struct pickle *p = m->out;
    int status = grow((void **)&p->cells, &m->cell_room, p->cell_count + 1, sizeof *p->cells, err);
    if (status)
        return status;
    uint32_t cell = (uint32_t)p->cell_count++;
    p->cells[cell] = (struct pickle_cell){.value = value};
    struct pickle_node *node = node_at(m, container);
    if (node->items.last)
        p->cells[node->items.last].next = cell;
    else
        node->items.first = cell;
    node->items.last = cell;
    node->items.count++;
    return 0;
}

/* ---- the stack ---- */

static int underflow(struct error *err) { return fail(err, E_INPUT, "it lacks a value"); }

/* The mark is no value. */
static int pop(struct machine *m, uint32_t *value, struct error *err)
{
    if (m->depth == 0 || m->stack[m->depth - 1] == 0)
        return underflow(err);
    *value = m->stack[--m->depth];
    return 0;
}

static int top(const struct machine *m, uint32_t *value, struct error *err)
{
    if (m->depth == 0 || m->stack[m->depth - 1] == 0)
        return underflow(err);
    *value = m->stack[m->depth - 1];
    return 0;
}

/* Takes what stands above the last mark off the stack, and the mark: *first is where it begins and
 * stays readable until the next push. */
static int pop_to_mark(struct machine *m, size_t *first, size_t *count, struct error *err)
{
    size_t start = m->depth;
    while (start > 0 && m->stack[start - 1] != 0)
        start--;
    if (start == 0)
        return fail(err, E_INPUT, "it lacks a mark");
    *first = start;
    *count = m->depth - start;
    m->depth = start - 1;
    return 0;
}

/* ---- arguments in the bytes ---- */

static int take(struct machine *m, uint64_t count, struct region *part, struct error *err)
{
    if (!region_part(m->bytes, m->at, count, part))
        return fail(err, E_INPUT, "it is truncated");
    m->at += (size_t)count;
    return 0;
}

static uint64_t little_endian(struct region bytes)
{
    uint64_t value = 0;
    for (size_t i = bytes.count; i > 0; i--)
        value = value << 8 | bytes.bytes[i - 1];
    return value;
}

static int take_number(struct machine *m, int size, uint64_t *value, struct error *err)
{
    struct region part;
    int status = take(m, (uint64_t)size, &part, err);
    if (!status)
        *value = little_endian(part);
    return status;
}

/* ---- instructions: each has a number from the table at the end ---- */

static int do_skip(struct machine *m, int size, struct error *err)
{
    struct region part;
    return take(m, (uint64_t)size, &part, err);
}

static int do_protocol(struct machine *m, int size, struct error *err)
{
    uint64_t version;
    int status = take_number(m, size, &version, err);
    if (!status && (version < 2 || version > 5))
        status = fail(err, E_INPUT, "protocol %d is not known", (int)version);
    return status;
}

static int do_mark(struct machine *m, int unused, struct error *err)
{
    (void)unused;
    return push(m, 0, err);
}

static int do_stop(struct machine *m, int unused, struct error *err)
{
    (void)unused;
    m->stopped = true;
    int status = pop(m, &m->out->root, err);
    if (!status && m->depth > 0)
        status = fail(err, E_INPUT, "it ends with %zu values too many", m->depth);
    return status;
}

static int do_empty(struct machine *m, int kind, struct error *err)
{
    return push_node(m, (struct pickle_node){.kind = (enum pickle_kind)kind}, err);
}

static int do_bool(struct machine *m, int value, struct error *err)
{
    return push_node(m, (struct pickle_node){.kind = PICKLE_BOOL, .integer = value}, err);
}

static int do_unsigned(struct machine *m, int size, struct error *err)
{
    uint64_t value;
    int status = take_number(m, size, &value, err);
    return status
               ? status
               : push_node(m, (struct pickle_node){.kind = PICKLE_INT, .integer = (int64_t)value},
                           err);
}

static int do_signed(struct machine *m, int size, struct error *err)
{
    uint64_t value;
    int status = take_number(m, size, &value, err);
    if (status)
        return status;
    const struct pickle_node node = {.kind = PICKLE_INT, .integer = (int32_t)(uint32_t)value};
    return push_node(m, node, err);
}

/* Two's complement of any length. */
static int do_long(struct machine *m, int size, struct error *err)
{
    uint64_t count;
    struct region part;
    int status;
    TRY(take_number(m, size, &count, err));
    TRY(take(m, count, &part, err));
    struct pickle_node node = {.kind = PICKLE_LONG, .text = part};
    if (part.count <= 8) {
        uint64_t value = little_endian(part);
        if (part.count > 0 && part.count < 8 && part.bytes[part.count - 1] & 0x80)
            value |= UINT64_MAX << 8 * part.count;
        node = (struct pickle_node){.kind = PICKLE_INT};
        memcpy(&node.integer, &value, sizeof value);
    }
    status = push_node(m, node, err);
done:
    return status;
}

static int do_float(struct machine *m, int size, struct error *err)
{
    int status = do_skip(m, size, err);
    return status ? status : do_empty(m, PICKLE_OTHER, err);
}

static int do_bytes(struct machine *m, int size, struct error *err)
{
    uint64_t count;
    struct region part;
    int status;
    TRY(take_number(m, size, &count, err));
    TRY(take(m, count, &part, err));
    status = do_empty(m, PICKLE_OTHER, err);
done:
    return status;
}

static int do_text(struct machine *m, int size, struct error *err)
{
    uint64_t count;
    struct region part;
    int status;
    TRY(take_number(m, size, &count, err));
    TRY(take(m, count, &part, err));
    status = push_node(m, (struct pickle_node){.kind = PICKLE_TEXT, .text = part}, err);
done:
    return status;
}

/* "PROTO 4" cuts a pickle into frames, which change nothing. */
static int do_frame(struct machine *m, int size, struct error *err)
{
    uint64_t count;
    int status = take_number(m, size, &count, err);
    if (!status && count > m->bytes.count - m->at)
        status = fail(err, E_INPUT, "it is truncated");
    return status;
}

/* The innermost items of a tuple on the stack. */
static int make_tuple(struct machine *m, size_t first, size_t count, struct error *err)
{
    uint32_t tuple = 0;
    int status;
    TRY(add_node(m, (struct pickle_node){.kind = PICKLE_TUPLE}, &tuple, err));
    for (size_t i = 0; i < count; i++)
        TRY(append(m, tuple, m->stack[first + i], err));
    status = push(m, tuple, err);
done:
    return status;
}

static int do_short_tuple(struct machine *m, int count, struct error *err)
{
    for (int i = 0; i < count; i++) {
        uint32_t ignored = 0;
        int status = pop(m, &ignored, err);
        if (status)
            return status;
    }
    return make_tuple(m, m->depth, (size_t)count, err);
}

static int do_tuple(struct machine *m, int unused, struct error *err)
{
    (void)unused;
    size_t first = 0, count = 0;
    int status = pop_to_mark(m, &first, &count, err);
    return status ? status : make_tuple(m, first, count, err);
}

/* Objects of other classes may be containers, too: they get one. */
static int container_of(struct machine *m, enum pickle_kind kind, uint32_t *container,
                        struct error *err)
{
    uint32_t items = 0;
    if (node_at(m, *container)->kind != PICKLE_CALL)
        return 0;
    if (!node_at(m, *container)->call.items) {
        int status = add_node(m, (struct pickle_node){.kind = kind}, &items, err);
        if (status)
            return status;
        node_at(m, *container)->call.items = items;
    }
    *container = node_at(m, *container)->call.items;
    return 0;
}

/* Appends to the container below what was popped. */
static int fill(struct machine *m, enum pickle_kind kind, size_t first, size_t count,
                struct error *err)
{
    uint32_t container = 0;
    int status;
    TRY(top(m, &container, err));
    TRY(container_of(m, kind, &container, err));
    if (node_at(m, container)->kind != kind || (kind == PICKLE_DICT && count % 2 != 0))
        return fail(err, E_INPUT, "it fills what is no such container");
    for (size_t i = 0; i < count; i++)
        TRY(append(m, container, m->stack[first + i], err));
done:
    return status;
}

static int do_append(struct machine *m, int kind, struct error *err)
{
    const int count = kind == PICKLE_DICT ? 2 : 1;
    for (int i = 0; i < count; i++) {
        uint32_t ignored = 0;
        int status = pop(m, &ignored, err);
        if (status)
            return status;
    }
    return fill(m, (enum pickle_kind)kind, m->depth, (size_t)count, err);
}

static int do_appends(struct machine *m, int kind, struct error *err)
{
    size_t first = 0, count = 0;
    int status = pop_to_mark(m, &first, &count, err);
    return status ? status : fill(m, (enum pickle_kind)kind, first, count, err);
}

static int do_frozen_set(struct machine *m, int unused, struct error *err)
{
    (void)unused;
    size_t first = 0, count = 0;
    int status = pop_to_mark(m, &first, &count, err);
    return status ? status : do_empty(m, PICKLE_SET, err);
}

static int do_pop(struct machine *m, int unused, struct error *err)
{
    (void)unused;
    if (m->depth == 0)
        return underflow(err);
    m->depth--;
    return 0;
}

static int do_pop_mark(struct machine *m, int unused, struct error *err)
{
    (void)unused;
    size_t first = 0, count = 0;
    return pop_to_mark(m, &first, &count, err);
}

static int do_copy_top(struct machine *m, int unused, struct error *err)
{
    (void)unused;
    uint32_t value = 0;
    int status = top(m, &value, err);
    return status ? status : push(m, value, err);
}

/* ---- the memo ---- */

static int memo_put(struct machine *m, uint64_t index, struct error *err)
{
    uint32_t value = 0;
    int status;
    if (index >= MOST_VALUES)
        return too_many(err);
    TRY(top(m, &value, err));
    TRY(grow((void **)&m->memo, &m->memo_room, (size_t)index + 1, sizeof *m->memo, err));
    m->memo[index] = value;
done:
    return status;
}

static int do_put(struct machine *m, int size, struct error *err)
{
    uint64_t index;
    int status = take_number(m, size, &index, err);
    return status ? status : memo_put(m, index, err);
}

static int do_memoize(struct machine *m, int unused, struct error *err)
{
    (void)unused;
    return memo_put(m, m->memo_next++, err);
}

static int do_get(struct machine *m, int size, struct error *err)
{
    uint64_t index;
    int status = take_number(m, size, &index, err);
    if (status)
        return status;
    if (index >= m->memo_room || m->memo[index] == 0)
        return fail(err, E_INPUT, "it uses value %" PRIu64 ", which it has not named", index);
    return push(m, m->memo[index], err);
}

/* ---- Python objects ---- */

static bool names(const char *allowed, struct region module, struct region name)
{
    size_t length = strlen(allowed);
    return length == module.count + 1 + name.count &&
           memcmp(allowed, module.bytes, module.count) == 0 && allowed[module.count] == ' ' &&
           memcmp(allowed + module.count + 1, name.bytes, name.count) == 0;
}

static int push_global(struct machine *m, struct region module, struct region name,
                       struct error *err)
{
    for (size_t i = 0; i < m->allowed.count; i++)
        if (names(m->allowed.names[i], module, name))
            return push_node(m, (struct pickle_node){.kind = PICKLE_GLOBAL, .global = i}, err);
    return push_node(m, (struct pickle_node){.kind = PICKLE_FOREIGN}, err);
}

static int take_line(struct machine *m, struct region *line, struct error *err)
{
    struct region rest = {m->bytes.bytes + m->at, m->bytes.count - m->at};
    const unsigned char *end = rest.count ? memchr(rest.bytes, '\n', rest.count) : NULL;
    if (!end)
        return fail(err, E_INPUT, "it is truncated");
    *line = (struct region){rest.bytes, (size_t)(end - rest.bytes)};
    m->at += line->count + 1;
    return 0;
}

static int do_global(struct machine *m, int unused, struct error *err)
{
    (void)unused;
    struct region module, name;
    int status;
    TRY(take_line(m, &module, err));
    TRY(take_line(m, &name, err));
    status = push_global(m, module, name, err);
done:
    return status;
}

static int do_stack_global(struct machine *m, int unused, struct error *err)
{
    (void)unused;
    uint32_t module = 0, name = 0;
    int status;
    TRY(pop(m, &name, err));
    TRY(pop(m, &module, err));
    if (node_at(m, name)->kind != PICKLE_TEXT || node_at(m, module)->kind != PICKLE_TEXT)
        return fail(err, E_INPUT, "it names a Python object by what is no text");
    status = push_global(m, node_at(m, module)->text, node_at(m, name)->text, err);
done:
    return status;
}

static int do_persistent(struct machine *m, int unused, struct error *err)
{
    (void)unused;
    uint32_t id = 0;
    int status = pop(m, &id, err);
    return status ? status
                  : push_node(m, (struct pickle_node){.kind = PICKLE_PERSISTENT, .call.args = id},
                              err);
}

/* An OrderedDict is a dict; Python 2 gives it its items as ([[key, value], ...],). */
static int make_dict(struct machine *m, uint32_t args, struct error *err)
{
    uint32_t dict = 0;
    int status;
    TRY(add_node(m, (struct pickle_node){.kind = PICKLE_DICT}, &dict, err));
    if (node_at(m, args)->items.count > 1)
        return fail(err, E_INPUT, "it makes an OrderedDict of %d arguments",
                    (int)node_at(m, args)->items.count);
    const struct pickle_node *items = pickle_item(m->out, node_at(m, args), 0);
    if (items && items->kind != PICKLE_LIST && items->kind != PICKLE_TUPLE)
        return fail(err, E_INPUT, "it makes an OrderedDict of what is no list");
    for (uint32_t cell = items ? items->items.first : 0; cell; cell = m->out->cells[cell].next) {
        const struct pickle_node *pair = node_at(m, m->out->cells[cell].value);
        if ((pair->kind != PICKLE_LIST && pair->kind != PICKLE_TUPLE) || pair->items.count != 2)
            return fail(err, E_INPUT, "it makes an OrderedDict of what are no pairs");
        uint32_t key = pair->items.first, value = pair->items.last;
        TRY(append(m, dict, m->out->cells[key].value, err));
        TRY(append(m, dict, m->out->cells[value].value, err));
    }
    status = push(m, dict, err);
done:
    return status;
}

static int do_call(struct machine *m, int unused, struct error *err)
{
    (void)unused;
    uint32_t args = 0, function = 0;
    int status;
    TRY(pop(m, &args, err));
    TRY(pop(m, &function, err));
    const enum pickle_kind kind = node_at(m, function)->kind;
    if (node_at(m, args)->kind != PICKLE_TUPLE ||
        (kind != PICKLE_GLOBAL && kind != PICKLE_FOREIGN && kind != PICKLE_CALL &&
         kind != PICKLE_PERSISTENT))
        return fail(err, E_INPUT, "it calls what is no function");
    const char *name = kind == PICKLE_GLOBAL ? m->allowed.names[node_at(m, function)->global] : "";
    if (strcmp(name, "collections OrderedDict") == 0)
        return make_dict(m, args, err);
    if (kind == PICKLE_GLOBAL && node_at(m, args)->items.count > MOST_ARGS)
        return fail(err, E_INPUT, "it calls a function with %d arguments",
                    (int)node_at(m, args)->items.count);
    status = push_node(m, (struct pickle_node){.kind = PICKLE_CALL, .call = {function, args, 0, 0}},
                       err);
done:
    return status;
}

/* NEWOBJ_EX: a call with keyword arguments, which tell nothing. */
static int do_call_named(struct machine *m, int unused, struct error *err)
{
    uint32_t named = 0;
    int status = pop(m, &named, err);
    return status ? status : do_call(m, unused, err);
}

/* The attributes of an OrderedDict (PyTorch's _metadata) are of no use here. */
static int do_build(struct machine *m, int unused, struct error *err)
{
    (void)unused;
    uint32_t state = 0, object = 0;
    int status;
    TRY(pop(m, &state, err));
    TRY(top(m, &object, err));
    if (node_at(m, object)->kind == PICKLE_CALL)
        node_at(m, object)->call.state = state;
    else if (node_at(m, object)->kind != PICKLE_DICT)
        status = fail(err, E_INPUT, "it gives a state to what has none");
done:
    return status;
}

static const struct {
    int (*run)(struct machine *m, int argument, struct error *err);
    int argument;
} instructions[256] = {
    [0x80] = {do_protocol, 1},
    [0x95] = {do_frame, 8},
    ['('] = {do_mark, 0},
    ['.'] = {do_stop, 0},
    ['N'] = {do_empty, PICKLE_NONE},
    [')'] = {do_empty, PICKLE_TUPLE},
    [']'] = {do_empty, PICKLE_LIST},
    ['}'] = {do_empty, PICKLE_DICT},
    [0x8f] = {do_empty, PICKLE_SET},
    [0x88] = {do_bool, 1},
    [0x89] = {do_bool, 0},
    ['K'] = {do_unsigned, 1},
    ['M'] = {do_unsigned, 2},
    ['J'] = {do_signed, 4},
    [0x8a] = {do_long, 1},
    [0x8b] = {do_long, 4},
    ['G'] = {do_float, 8},
    ['C'] = {do_bytes, 1},
    ['B'] = {do_bytes, 4},
    [0x8e] = {do_bytes, 8},
    [0x96] = {do_bytes, 8},
    ['U'] = {do_text, 1},
    [0x8c] = {do_text, 1},
    ['T'] = {do_text, 4},
    ['X'] = {do_text, 4},
    [0x8d] = {do_text, 8},
    [0x85] = {do_short_tuple, 1},
    [0x86] = {do_short_tuple, 2},
    [0x87] = {do_short_tuple, 3},
    ['t'] = {do_tuple, 0},
    ['a'] = {do_append, PICKLE_LIST},
    ['e'] = {do_appends, PICKLE_LIST},
    ['s'] = {do_append, PICKLE_DICT},
    ['u'] = {do_appends, PICKLE_DICT},
    [0x90] = {do_appends, PICKLE_SET},
    [0x91] = {do_frozen_set, 0},
    ['0'] = {do_pop, 0},
    ['1'] = {do_pop_mark, 0},
    ['2'] = {do_copy_top, 0},
    ['q'] = {do_put, 1},
    ['r'] = {do_put, 4},
    [0x94] = {do_memoize, 0},
    ['h'] = {do_get, 1},
    ['j'] = {do_get, 4},
    ['c'] = {do_global, 0},
    [0x93] = {do_stack_global, 0},
    ['Q'] = {do_persistent, 0},
    ['R'] = {do_call, 0},
    [0x81] = {do_call, 0}, /* NEWOBJ */
    [0x92] = {do_call_named, 0},
    ['b'] = {do_build, 0},
};

static int step(struct machine *m, struct error *err)
{
    uint64_t code;
    int status = take_number(m, 1, &code, err);
    if (status)
        return status;
    if (!instructions[code].run)
        return fail(err, E_INPUT, "instruction 0x%02x is refused", (int)code);
    return instructions[code].run(m, instructions[code].argument, err);
}

int pickle_read(struct region bytes, struct pickle_globals allowed, struct pickle *out,
                struct error *err)
{
    struct pickle made = {0};
    struct machine m = {.bytes = bytes, .allowed = allowed, .out = &made};
    uint32_t mark = 0;
    int status;
    TRY(add_node(&m, (struct pickle_node){.kind = PICKLE_MARK}, &mark, err));
    TRY(grow((void **)&made.cells, &m.cell_room, 1, sizeof *made.cells, err));
    made.cell_count = 1;
    while (!m.stopped) {
        const size_t at = m.at;
        status = step(&m, err);
        if (status == E_INPUT)
            fail_context(err, "its pickle is damaged or not a state dict, at byte %zu: ", at);
        if (status)
            goto done;
    }
    made.bytes = m.at;
    *out = made;
    made = (struct pickle){0};
done:
    pickle_release(&made);
    free(m.stack);
    free(m.memo);
    return status;
}

void pickle_release(struct pickle *pickle)
{
    if (!pickle)
        return;
    free(pickle->nodes);
    free(pickle->cells);
    *pickle = (struct pickle){0};
}

const struct pickle_node *pickle_item(const struct pickle *pickle, const struct pickle_node *node,
                                      uint32_t i)
{
    if ((node->kind != PICKLE_TUPLE && node->kind != PICKLE_LIST) || i >= node->items.count)
        return NULL;
    uint32_t cell = node->items.first;
    while (i-- > 0)
        cell = pickle->cells[cell].next;
    return &pickle->nodes[pickle->cells[cell].value];
}

bool pickle_is(const struct pickle_node *node, const char *text)
{
    const size_t length = strlen(text);
    return node && node->kind == PICKLE_TEXT && node->text.count == length &&
           memcmp(node->text.bytes, text, length) == 0;
}

bool pickle_count(const struct pickle_node *node, uint64_t *value)
{
    if (!node || node->kind != PICKLE_INT || node->integer < 0)
        return false;
    *value = (uint64_t)node->integer;
    return true;
}
