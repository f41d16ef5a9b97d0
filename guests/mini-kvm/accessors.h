/*
 * The two builds differ in what a register name means (Linux: read_sysreg_el0/el1/el2). `_el1` is the VM's EL1
 * register, `_el2` the hypervisor's own, `_el0` the VM's timer:
 *
 *            nVHE       VHE (HCR_EL2.E2H = 1)
 *   _el1     X_EL1      X_EL12
 *   _el2     X_EL2      X_EL1, which means X_EL2
 *   _el0     X_EL0      X_EL02
 */
#ifndef ACCESSORS_H
#define ACCESSORS_H

#if VHE
#define NAMED_EL0 _EL02
#define NAMED_EL1 _EL12
#define NAMED_EL2 _EL1
#else
#define NAMED_EL0 _EL0
#define NAMED_EL1 _EL1
#define NAMED_EL2 _EL2
#endif

#ifdef __ASSEMBLER__
#include "asm.h"
#else
#include "sysreg.h"

#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define READ2(reg, function) sysreg_read(reg, function)
#define WRITE2(reg, value, function) sysreg_write(reg, value, function)

#define sysreg_read_el0(reg, function) READ2(JOIN(reg, NAMED_EL0), function)
#define sysreg_read_el1(reg, function) READ2(JOIN(reg, NAMED_EL1), function)
#define sysreg_read_el2(reg, function) READ2(JOIN(reg, NAMED_EL2), function)
#define sysreg_write_el0(reg, value, function) WRITE2(JOIN(reg, NAMED_EL0), value, function)
#define sysreg_write_el1(reg, value, function) WRITE2(JOIN(reg, NAMED_EL1), value, function)
#define sysreg_write_el2(reg, value, function) WRITE2(JOIN(reg, NAMED_EL2), value, function)

/* GICv2's virtual interface control registers, by MMIO. */
#define gich_read(base, reg, function)                                  \
    ({                                                                  \
        _Static_assert(sizeof(function) > 1, "name the 4.10 function"); \
        mmio_read32((base) + (reg));                                    \
    })
#define gich_write(base, reg, value, function)                          \
    do {                                                                \
        _Static_assert(sizeof(function) > 1, "name the 4.10 function"); \
        mmio_write32((base) + (reg), value);                            \
    } while (0)

#define GICH_HCR 0x000
#define GICH_VTR 0x004
#define GICH_VMCR 0x008
#define GICH_MISR 0x010
#define GICH_EISR0 0x020
#define GICH_EISR1 0x024
#define GICH_ELRSR0 0x030
#define GICH_ELRSR1 0x034
#define GICH_APR 0x0f0
#define GICH_LR0 0x100
#define GICH_HCR_EN BIT(0)
#define GICH_HCR_UIE BIT(1)
#define GICH_MISR_EOI BIT(0)
#define GICH_LR_EOI BIT(19)
#define GICH_LR_PENDING BIT(28)
#define GICH_LR_ACTIVE BIT(29)
#define GICH_LR_STATE (3UL << 28)
#define GICH_LR_HW BIT(31)

#define ICH_HCR_EN BIT(0)
#define ICH_HCR_UIE BIT(1)
#define ICH_MISR_EOI BIT(0)
#define ICH_LR_EOI BIT(41)
#define ICH_LR_GROUP BIT(60)
#define ICH_LR_HW BIT(61)
#define ICH_LR_PENDING BIT(62)
#define ICH_LR_ACTIVE BIT(63)
#define ICH_LR_STATE (3UL << 62)
#define ICC_SRE_EL2_ENABLE BIT(3)
#define ICC_SRE_EL1_SRE BIT(0)
#define ICC_SRE_EL1_DFB BIT(1)
#define ICC_SRE_EL1_DIB BIT(2)
#endif
#endif
