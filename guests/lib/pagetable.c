#include "pagetable.h"
#include "print.h"

static u64 attributes(enum pagetable_format format, enum mapping mapping)
{
    u64 xn = format == FORMAT_EL2 ? DESC_UXN : DESC_UXN | DESC_PXN;
    u64 base = DESC_VALID | DESC_AF | (format == FORMAT_EL2 ? DESC_AP_EL0 : 0);

    switch (mapping) {
    case MAP_TEXT:
        return base | DESC_ATTR(ATTR_NORMAL) | DESC_INNER_SHAREABLE | DESC_READ_ONLY | (xn & ~DESC_PXN & (format == FORMAT_EL2 ? 0 : ~0UL));
    case MAP_RODATA:
        return base | DESC_ATTR(ATTR_NORMAL) | DESC_INNER_SHAREABLE | DESC_READ_ONLY | xn;
    case MAP_DATA:
        return base | DESC_ATTR(ATTR_NORMAL) | DESC_INNER_SHAREABLE | xn;
    default:
        return base | DESC_ATTR(ATTR_DEVICE) | xn;
    }
}

/* Maps one block or page at the lowest level needed; returns its size. */
static u64 map_one(struct pagetable *pt, u64 address, u64 size, u64 attr)
{
    u64 *table = pt->root;

    for (int level = 1;; level++) {
        int shift = 12 + 9 * (3 - level);
        u64 *entry = &table[address >> shift & 511];

        if (level == 3) {
            *entry = address | attr | DESC_TABLE;
            return PAGE_SIZE;
        }
        if (!(*entry & DESC_VALID)) {
            if (!(address & (BIT(shift) - 1)) && size >= BIT(shift)) {
                *entry = address | attr;
                return BIT(shift);
            }
            *entry = (u64)pt->page() | DESC_VALID | DESC_TABLE;
        } else if (!(*entry & DESC_TABLE)) {
            panic("pagetable: 0x%lx is already mapped by a block\n", address);
        }
        table = (u64 *)(*entry & DESC_ADDRESS);
    }
}

void pagetable_map(struct pagetable *pt, u64 address, u64 size, enum mapping mapping)
{
    u64 attr = attributes(pt->format, mapping);
    u64 end = ALIGN_UP(address + size, PAGE_SIZE);

    address = ALIGN_DOWN(address, PAGE_SIZE);
    while (address < end)
        address += map_one(pt, address, end - address, attr);
}
