/* TLB maintenance of the VM's two stages. Mirrors tlb.c and s2-setup.c of 4.10. */
#include "accessors.h"
#include "hyp.h"

void __kvm_tlb_flush_vmid_ipa(struct kvm *kvm, u64 ipa)
{
    dsb(ishst);
    sysreg_write(VTTBR_EL2, kvm->vttbr, "__kvm_tlb_flush_vmid_ipa");
    isb();
    sys_instruction("tlbi ipas2e1is", ipa >> 12, "__kvm_tlb_flush_vmid_ipa");
    /* Stage 1 walks may have been combined with the old stage 2 entry: drop them all. */
    dsb(ish);
    sys_instruction0("tlbi vmalle1is", "__kvm_tlb_flush_vmid_ipa");
    dsb(ish);
    isb();
    sysreg_write(VTTBR_EL2, 0, "__kvm_tlb_flush_vmid_ipa");
}

void __kvm_tlb_flush_vmid(struct kvm *kvm)
{
    dsb(ishst);
    sysreg_write(VTTBR_EL2, kvm->vttbr, "__kvm_tlb_flush_vmid");
    isb();
    sys_instruction0("tlbi vmalls12e1is", "__kvm_tlb_flush_vmid");
    dsb(ish);
    isb();
    sysreg_write(VTTBR_EL2, 0, "__kvm_tlb_flush_vmid");
}

void __kvm_flush_vm_context(void)
{
    dsb(ishst);
    sys_instruction0("tlbi alle1is", "__kvm_flush_vm_context");
    sys_instruction0("ic ialluis", "__kvm_flush_vm_context");
    dsb(ish);
}

#define VTCR_RES1 BIT(31)
#define VTCR_SH0_INNER (3UL << 12)
#define VTCR_ORGN0_WBWA (1UL << 10)
#define VTCR_IRGN0_WBWA (1UL << 8)
#define VTCR_SL0_LEVEL1 (1UL << 6)
#define VTCR_HA BIT(21)
#define VTCR_VS_16BIT BIT(19)

/* 4K granule; 40-bit IPAs, as far as the PE has so many: two concatenated tables at level 1. Returns the IPA size. */
u64 __init_stage2_translation(void)
{
    static const u8 bits[] = { 32, 36, 40, 42, 44, 48 };
    u64 range = sysreg_read(ID_AA64MMFR0_EL1, "__init_stage2_translation") & 7;
    u64 vtcr = VTCR_RES1 | VTCR_SH0_INNER | VTCR_ORGN0_WBWA | VTCR_IRGN0_WBWA | VTCR_SL0_LEVEL1;
    u64 size;

    if (range > 5)
        range = 5;
    size = bits[range];
    vtcr |= range << 16 | (64 - (size > 40 ? 40 : size));
    if (sysreg_read(ID_AA64MMFR1_EL1, "__init_stage2_translation") & 15)
        vtcr |= VTCR_HA;
    if ((sysreg_read(ID_AA64MMFR1_EL1, "__init_stage2_translation") >> 4 & 15) == 2)
        vtcr |= VTCR_VS_16BIT;
    sysreg_write(VTCR_EL2, vtcr, "__init_stage2_translation");
    return size;
}
