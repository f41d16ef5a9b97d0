#ifndef LIB_FDT_H
#define LIB_FDT_H
#include "types.h"

/* A read-only view of a flattened device tree (Devicetree Specification v0.3, chapter 5). Nodes are offsets into the
 * structure block; -1 means not found. */
struct fdt {
    const u8 *base;
    u32 structure, structure_size, strings, strings_size, total;
};

bool fdt_open(struct fdt *fdt, const void *blob);
/* The next node after `node` (-1: from the start) that has `compatible` in its list. */
int fdt_compatible(const struct fdt *fdt, int node, const char *compatible);
/* A child of the root by exact name (or by name without its unit address); "" is the root itself. */
int fdt_top(const struct fdt *fdt, const char *name);
/* The next node whose device_type is `type`. */
int fdt_device_type(const struct fdt *fdt, int node, const char *type);
const void *fdt_property(const struct fdt *fdt, int node, const char *name, u32 *length);
u32 fdt_u32(const void *cell);
u64 fdt_u64(const void *cells);
/* Entry `index` of `reg`, by the root's #address-cells and #size-cells. */
bool fdt_reg(const struct fdt *fdt, int node, u32 index, u64 *address, u64 *size);

/* Writing: a tree is built front to back into one buffer. */
struct fdt_writer {
    u8 *base;
    u32 capacity, at, strings_at;
    char strings[512];
    bool overflow;
};
void fdt_begin(struct fdt_writer *w, void *buffer, u32 capacity);
void fdt_node(struct fdt_writer *w, const char *name);
void fdt_end_node(struct fdt_writer *w);
void fdt_put(struct fdt_writer *w, const char *name, const void *value, u32 length);
void fdt_put_string(struct fdt_writer *w, const char *name, const char *value);
void fdt_put_cells(struct fdt_writer *w, const char *name, const u32 *cells, u32 count);
/* Finishes the tree; returns its size, 0 if the buffer was too small. */
u32 fdt_finish(struct fdt_writer *w);
#endif
