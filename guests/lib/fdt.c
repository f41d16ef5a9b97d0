/* Flattened device trees: a small bounds-checked reader and a writer. */
#include "fdt.h"
#include "string.h"

#define FDT_MAGIC 0xd00dfeed
#define FDT_BEGIN_NODE 1
#define FDT_END_NODE 2
#define FDT_PROP 3
#define FDT_NOP 4
#define FDT_END 9

u32 fdt_u32(const void *cell)
{
    const u8 *p = cell;

    return (u32)p[0] << 24 | (u32)p[1] << 16 | (u32)p[2] << 8 | p[3];
}

u64 fdt_u64(const void *cells)
{
    return (u64)fdt_u32(cells) << 32 | fdt_u32((const u8 *)cells + 4);
}

bool fdt_open(struct fdt *fdt, const void *blob)
{
    const u8 *p = blob;

    if (!blob || ((u64)blob & 7) || fdt_u32(p) != FDT_MAGIC)
        return false;
    fdt->base = p;
    fdt->total = fdt_u32(p + 4);
    fdt->structure = fdt_u32(p + 8);
    fdt->strings = fdt_u32(p + 12);
    fdt->strings_size = fdt_u32(p + 32);
    fdt->structure_size = fdt_u32(p + 36);
    return fdt->structure + fdt->structure_size <= fdt->total && fdt->strings + fdt->strings_size <= fdt->total;
}

/*
 * One step through the structure block: returns the token at *at and moves *at behind it. For a node `name` is its
 * name; for a property `name`, `value` and `length` are set.
 */
static u32 step(const struct fdt *fdt, u32 *at, const char **name, const void **value, u32 *length)
{
    const u8 *s = fdt->base + fdt->structure;
    u32 token;

    if (*at + 4 > fdt->structure_size)
        return FDT_END;
    token = fdt_u32(s + *at);
    *at += 4;
    if (token == FDT_BEGIN_NODE) {
        *name = (const char *)s + *at;
        *at += ALIGN_UP(strlen(*name) + 1, 4);
    } else if (token == FDT_PROP) {
        if (*at + 8 > fdt->structure_size)
            return FDT_END;
        *length = fdt_u32(s + *at);
        *name = (const char *)fdt->base + fdt->strings + fdt_u32(s + *at + 4);
        *value = s + *at + 8;
        *at += 8 + ALIGN_UP(*length, 4);
        if (*at > fdt->structure_size)
            return FDT_END;
    }
    return token;
}

const void *fdt_property(const struct fdt *fdt, int node, const char *wanted, u32 *length)
{
    u32 at = (u32)node, size;
    const char *name;
    const void *value;

    if (node < 0 || step(fdt, &at, &name, &value, &size) != FDT_BEGIN_NODE)
        return NULL;
    for (;;) {
        u32 token = step(fdt, &at, &name, &value, &size);
        if (token == FDT_NOP)
            continue;
        if (token != FDT_PROP)
            return NULL;
        if (!strcmp(name, wanted)) {
            if (length)
                *length = size;
            return value;
        }
    }
}

/* The next node in document order after `node`, or -1; *depth counts from the root (0). */
static int next_node(const struct fdt *fdt, int node, int *depth)
{
    u32 at = 0, size;
    const char *name;
    const void *value;

    if (node >= 0) {
        at = (u32)node;
        step(fdt, &at, &name, &value, &size);
    }
    for (;;) {
        u32 here = at;
        switch (step(fdt, &at, &name, &value, &size)) {
        case FDT_BEGIN_NODE:
            (*depth)++;
            return (int)here;
        case FDT_END_NODE:
            (*depth)--;
            break;
        case FDT_PROP:
        case FDT_NOP:
            break;
        default:
            return -1;
        }
    }
}

int fdt_compatible(const struct fdt *fdt, int node, const char *compatible)
{
    int depth = 0;

    while ((node = next_node(fdt, node, &depth)) >= 0) {
        u32 length = 0;
        const char *list = fdt_property(fdt, node, "compatible", &length);
        for (u32 i = 0; list && i < length; i += strlen(list + i) + 1)
            if (!strcmp(list + i, compatible))
                return node;
    }
    return -1;
}

int fdt_device_type(const struct fdt *fdt, int node, const char *type)
{
    int depth = 0;

    while ((node = next_node(fdt, node, &depth)) >= 0) {
        const char *is = fdt_property(fdt, node, "device_type", NULL);
        if (is && !strcmp(is, type))
            return node;
    }
    return -1;
}

int fdt_top(const struct fdt *fdt, const char *wanted)
{
    usize n = strlen(wanted);
    int depth = -1, node = -1;

    while ((node = next_node(fdt, node, &depth)) >= 0) {
        const char *name = (const char *)fdt->base + fdt->structure + node + 4;
        if (depth == 0 && !n)
            return node;
        if (depth == 1 && !strncmp(name, wanted, n) && (!name[n] || name[n] == '@'))
            return node;
    }
    return -1;
}

bool fdt_reg(const struct fdt *fdt, int node, u32 index, u64 *address, u64 *size)
{
    int root = fdt_top(fdt, "");
    u32 length = 0;
    const u8 *reg = fdt_property(fdt, node, "reg", &length);
    const void *a = fdt_property(fdt, root, "#address-cells", NULL), *s = fdt_property(fdt, root, "#size-cells", NULL);
    u32 ac = a ? fdt_u32(a) : 2, sc = s ? fdt_u32(s) : 1;

    if (!reg || (index + 1) * (ac + sc) * 4 > length)
        return false;
    reg += index * (ac + sc) * 4;
    *address = ac == 2 ? fdt_u64(reg) : fdt_u32(reg);
    *size = sc == 2 ? fdt_u64(reg + ac * 4) : fdt_u32(reg + ac * 4);
    return true;
}

/* ------------------------------------------------------------------------------------------------------------------ */

static void put32(struct fdt_writer *w, u32 value)
{
    if (w->at + 4 > w->capacity) {
        w->overflow = true;
        return;
    }
    w->base[w->at++] = (u8)(value >> 24);
    w->base[w->at++] = (u8)(value >> 16);
    w->base[w->at++] = (u8)(value >> 8);
    w->base[w->at++] = (u8)value;
}

static void put_bytes(struct fdt_writer *w, const void *bytes, u32 n)
{
    u32 padded = (u32)ALIGN_UP(n, 4);

    if (w->at + padded > w->capacity) {
        w->overflow = true;
        return;
    }
    memcpy(w->base + w->at, bytes, n);
    memset(w->base + w->at + n, 0, padded - n);
    w->at += padded;
}

#define HEADER_SIZE 40
#define STRUCTURE_AT (HEADER_SIZE + 16) /* one empty reservation entry */

void fdt_begin(struct fdt_writer *w, void *buffer, u32 capacity)
{
    memset(w, 0, sizeof(*w));
    w->base = buffer;
    w->capacity = capacity;
    memset(buffer, 0, STRUCTURE_AT);
    w->at = STRUCTURE_AT;
}

void fdt_node(struct fdt_writer *w, const char *name)
{
    put32(w, FDT_BEGIN_NODE);
    put_bytes(w, name, (u32)strlen(name) + 1);
}

void fdt_end_node(struct fdt_writer *w)
{
    put32(w, FDT_END_NODE);
}

static u32 string_offset(struct fdt_writer *w, const char *name)
{
    u32 at = 0, n = (u32)strlen(name) + 1;

    while (at < w->strings_at) {
        if (!strcmp(w->strings + at, name))
            return at;
        at += (u32)strlen(w->strings + at) + 1;
    }
    if (at + n > sizeof(w->strings)) {
        w->overflow = true;
        return 0;
    }
    memcpy(w->strings + at, name, n);
    w->strings_at = at + n;
    return at;
}

void fdt_put(struct fdt_writer *w, const char *name, const void *value, u32 length)
{
    put32(w, FDT_PROP);
    put32(w, length);
    put32(w, string_offset(w, name));
    put_bytes(w, value, length);
}

void fdt_put_string(struct fdt_writer *w, const char *name, const char *value)
{
    fdt_put(w, name, value, (u32)strlen(value) + 1);
}

void fdt_put_cells(struct fdt_writer *w, const char *name, const u32 *cells, u32 count)
{
    put32(w, FDT_PROP);
    put32(w, count * 4);
    put32(w, string_offset(w, name));
    for (u32 i = 0; i < count; i++)
        put32(w, cells[i]);
}

u32 fdt_finish(struct fdt_writer *w)
{
    u32 structure_end, end;

    put32(w, FDT_END);
    structure_end = w->at;
    put_bytes(w, w->strings, w->strings_at);
    end = w->at;
    if (w->overflow)
        return 0;
    w->at = 0;
    put32(w, FDT_MAGIC);
    put32(w, end);
    put32(w, STRUCTURE_AT);
    put32(w, structure_end);
    put32(w, HEADER_SIZE);
    put32(w, 17);
    put32(w, 16);
    put32(w, 0);
    put32(w, w->strings_at);
    put32(w, structure_end - STRUCTURE_AT);
    return end;
}
