/* Basic types, barriers and device accesses shared by all guests. */
#ifndef LIB_TYPES_H
#define LIB_TYPES_H

#ifndef __ASSEMBLER__

/* All symbols are reached PC-relative, never through a GOT. */
#pragma GCC visibility push(hidden)

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef signed int s32;
typedef signed long s64;
typedef unsigned long usize;

#define NULL ((void *)0)
#define bool _Bool
#define true 1
#define false 0

#define BIT(n) (1UL << (n))
#define ALIGN_UP(x, a) (((x) + (a) - 1) & ~((u64)(a) - 1))
#define ALIGN_DOWN(x, a) ((x) & ~((u64)(a) - 1))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define UNUSED __attribute__((unused))
#define NORETURN __attribute__((noreturn))
#define NOINLINE __attribute__((noinline))
#define ALWAYS_INLINE inline __attribute__((always_inline))

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096UL

#define isb() __asm__ volatile("isb" ::: "memory")
#define dsb(domain) __asm__ volatile("dsb " #domain ::: "memory")
#define dmb(domain) __asm__ volatile("dmb " #domain ::: "memory")
#define wfi() __asm__ volatile("wfi" ::: "memory")
#define wfe() __asm__ volatile("wfe" ::: "memory")
#define sev() __asm__ volatile("sev" ::: "memory")
#define barrier() __asm__ volatile("" ::: "memory")

/*
 * Device accesses are written in assembly so that each is exactly one plain load or store: a
 * hypervisor that emulates the device needs a valid ISS (ESR_EL2.ISV = 1).
 */
static ALWAYS_INLINE u32 mmio_read32(u64 address)
{
    u32 value;
    __asm__ volatile("ldr %w0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static ALWAYS_INLINE void mmio_write32(u64 address, u32 value)
{
    __asm__ volatile("str %w0, [%1]" : : "rZ"(value), "r"(address) : "memory");
}

static ALWAYS_INLINE u64 mmio_read64(u64 address)
{
    u64 value;
    __asm__ volatile("ldr %0, [%1]" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static ALWAYS_INLINE void mmio_write64(u64 address, u64 value)
{
    __asm__ volatile("str %x0, [%1]" : : "rZ"(value), "r"(address) : "memory");
}

static ALWAYS_INLINE void mmio_write8(u64 address, u8 value)
{
    __asm__ volatile("strb %w0, [%1]" : : "rZ"(value), "r"(address) : "memory");
}

/* A spinlock from load-acquire exclusive and store-release (any Armv8.0 PE). */
struct spinlock {
    u32 held;
};

static inline void spin_lock(struct spinlock *lock)
{
    while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE))
        while (__atomic_load_n(&lock->held, __ATOMIC_RELAXED))
            ;
}

static inline void spin_unlock(struct spinlock *lock)
{
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
}

#endif /* !__ASSEMBLER__ */
#endif
