/* Stage 2 of the VM: tables filled on fault with 4K pages. Mirrors mmu.c of 4.10. */
#include "accessors.h"
#include "host.h"
#include "hyp.h"
#include "print.h"

#define S2_VALID BIT(0)
#define S2_TABLE BIT(1)
#define S2_NORMAL (0xfUL << 2)
#define S2_DEVICE (0x1UL << 2)
#define S2_READ_WRITE (3UL << 6)
#define S2_INNER_SHAREABLE (3UL << 8)
#define S2_AF BIT(10)
#define S2_XN BIT(54)
#define S2_ADDRESS 0x0000fffffffff000UL
#define MAX_GUEST_PAGES 32768 /* 128 MiB */

/* What user space has given the VM as memory, page by page; 0: not yet. */
static u64 pages[MAX_GUEST_PAGES];

void stage2_init(struct kvm *kvm)
{
    if (kvm->memory_size / PAGE_SIZE > MAX_GUEST_PAGES)
        panic("mini-kvm: the VM's memory is too large\n");
    /* 40-bit IPAs: 1024 entries of 1 GiB. */
    kvm->pgd = (u64 *)memory_take(2 * PAGE_SIZE, 2 * PAGE_SIZE);
}

void *guest_page(struct kvm *kvm, u64 ipa)
{
    u64 index = (ipa - kvm->memory_base) / PAGE_SIZE, page;

    if (ipa < kvm->memory_base || ipa >= kvm->memory_base + kvm->memory_size)
        return NULL;
    page = __atomic_load_n(&pages[index], __ATOMIC_ACQUIRE);
    if (!page) {
        u64 fresh = (u64)memory_page();
        if (__atomic_compare_exchange_n(&pages[index], &page, fresh, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            page = fresh;
    }
    return (void *)page;
}

/* The entry for `ipa` at level 3; tables are added as needed. */
static u64 *entry_of(struct kvm *kvm, u64 ipa)
{
    u64 *table = kvm->pgd, *entry = &table[ipa >> 30 & 1023];

    for (int shift = 21; shift >= 12; shift -= 9) {
        if (!(*entry & S2_VALID)) {
            u64 next = (u64)memory_page();
            dsb(ishst);
            *(volatile u64 *)entry = next | S2_VALID | S2_TABLE;
        }
        entry = &((u64 *)(*entry & S2_ADDRESS))[ipa >> shift & 511];
    }
    return entry;
}

/* stage2_set_pte: break before make when there was an entry. */
static void set_entry(struct kvm *kvm, u64 ipa, u64 value)
{
    u64 *entry = entry_of(kvm, ipa);

    if (*entry & S2_VALID) {
        *(volatile u64 *)entry = 0;
        dsb(ishst);
        kvm_call_hyp(__kvm_tlb_flush_vmid_ipa, kvm, ipa, 0);
    }
    *(volatile u64 *)entry = value;
    dsb(ishst);
}

/* What the host wrote must be seen by a VM whose caches are off, and by its instruction fetches. */
static void clean_page(u64 page)
{
    for (u64 a = page; a < page + PAGE_SIZE; a += 64)
        __asm__ volatile("dc civac, %0" : : "r"(a) : "memory");
    dsb(ish);
    sys_instruction0("ic ialluis", "__flush_icache_all");
    dsb(ish);
}

int stage2_fault(struct vcpu *vcpu, u64 ipa)
{
    struct kvm *kvm = vcpu->kvm;
    u64 page = (u64)guest_page(kvm, ipa), attributes = S2_NORMAL | S2_READ_WRITE | S2_INNER_SHAREABLE | S2_AF;

    clean_page(page);
    spin_lock(&kvm->mmu_lock);
    /* Another vCPU may have been here first. */
    if ((*entry_of(kvm, ipa) & (S2_ADDRESS | S2_VALID)) != (page | S2_VALID))
        set_entry(kvm, ipa, page | attributes | S2_VALID | S2_TABLE);
    spin_unlock(&kvm->mmu_lock);
    return 1;
}

void stage2_map_device(struct kvm *kvm, u64 ipa, u64 pa, u64 size)
{
    spin_lock(&kvm->mmu_lock);
    for (u64 at = 0; at < size; at += PAGE_SIZE)
        set_entry(kvm, ipa + at, (pa + at) | S2_DEVICE | S2_READ_WRITE | S2_AF | S2_XN | S2_VALID | S2_TABLE);
    spin_unlock(&kvm->mmu_lock);
}

/* stage2_flush_vm: the VM has turned its caches on or off. */
void stage2_flush(struct kvm *kvm)
{
    for (u64 i = 0; i < kvm->memory_size / PAGE_SIZE; i++)
        if (pages[i])
            clean_page(pages[i]);
}
