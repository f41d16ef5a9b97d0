/* Stage 1 translation tables, 4K granule, 39-bit input addresses (start at level 1), identity maps. */
#ifndef LIB_PAGETABLE_H
#define LIB_PAGETABLE_H
#include "types.h"

/* MAIR_ELx attribute indices (start.S). */
#define ATTR_DEVICE 0UL
#define ATTR_NORMAL 1UL

#define DESC_VALID BIT(0)
#define DESC_TABLE BIT(1) /* levels 1, 2: table; level 3: page */
#define DESC_ATTR(i) ((i) << 2)
#define DESC_AP_EL0 BIT(6) /* AP[1]: RES1 in a regime without EL0 */
#define DESC_READ_ONLY BIT(7)
#define DESC_INNER_SHAREABLE (3UL << 8)
#define DESC_AF BIT(10)
#define DESC_PXN BIT(53)
#define DESC_UXN BIT(54) /* XN in a regime without EL0 */
#define DESC_ADDRESS 0x0000fffffffff000UL

enum pagetable_format { FORMAT_EL1, FORMAT_EL2 };
enum mapping { MAP_TEXT, MAP_RODATA, MAP_DATA, MAP_DEVICE };

struct pagetable {
    u64 *root;
    enum pagetable_format format;
    /* Returns a zeroed page. */
    void *(*page)(void);
};

void pagetable_map(struct pagetable *pt, u64 address, u64 size, enum mapping mapping);
#endif
