/* Page allocator: the free memory, front to back, around what is reserved. Nothing is ever given back. */
#include "host.h"
#include "print.h"
#include "string.h"

static struct {
    u64 base, size;
} reserved[8];
static u32 reserved_count;
static u64 next, limit;
static struct spinlock lock;

void memory_init(u64 base, u64 size)
{
    next = base;
    limit = base + size;
}

void memory_reserve(u64 base, u64 size)
{
    if (reserved_count == ARRAY_SIZE(reserved))
        panic("mini-kvm: too many reserved ranges\n");
    reserved[reserved_count].base = ALIGN_DOWN(base, PAGE_SIZE);
    reserved[reserved_count].size = ALIGN_UP(base + size, PAGE_SIZE) - ALIGN_DOWN(base, PAGE_SIZE);
    reserved_count++;
}

u64 memory_take(u64 size, u64 align)
{
    u64 at;

    spin_lock(&lock);
    at = ALIGN_UP(next, align);
    for (u32 i = 0; i < reserved_count; i++) {
        if (at < reserved[i].base + reserved[i].size && reserved[i].base < at + size) {
            at = ALIGN_UP(reserved[i].base + reserved[i].size, align);
            i = (u32)-1; /* look at all again */
        }
    }
    if (at + size > limit)
        panic("mini-kvm: out of memory\n");
    next = at + size;
    spin_unlock(&lock);
    memset((void *)at, 0, size);
    return at;
}

void *memory_page(void)
{
    return (void *)memory_take(PAGE_SIZE, PAGE_SIZE);
}
