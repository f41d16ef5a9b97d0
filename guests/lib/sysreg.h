/*
 * System registers, each by name. Registers that the assembler does not know at -march=armv8-a are given by encoding
 * (op0, op1, CRn, CRm, op2 of the Arm ARM).
 *
 * Every access names the Linux 4.10 function whose access it mirrors. The name costs nothing at run time: it is read
 * by mini-kvm/accesses.mjs, which compares the source with mini-kvm/linux-4.10.txt.
 */
#ifndef LIB_SYSREG_H
#define LIB_SYSREG_H
#include "types.h"

#define sysreg_read(reg, function)                                      \
    ({                                                                  \
        _Static_assert(sizeof(function) > 1, "name the 4.10 function"); \
        u64 value_;                                                     \
        __asm__ volatile("mrs %0, " SR_##reg : "=r"(value_));           \
        value_;                                                         \
    })
#define sysreg_write(reg, value, function)                               \
    do {                                                                 \
        _Static_assert(sizeof(function) > 1, "name the 4.10 function");  \
        u64 value_ = (u64)(value);                                       \
        __asm__ volatile("msr " SR_##reg ", %x0" : : "rZ"(value_));       \
    } while (0)
/* TLBI, AT, IC: `sys_instruction("tlbi ipas2e1is", value, "__kvm_tlb_flush_vmid_ipa")`, or without a value. */
#define sys_instruction(instruction, value, function)                               \
    do {                                                                            \
        _Static_assert(sizeof(function) > 1, "name the 4.10 function");             \
        __asm__ volatile(instruction ", %x0" : : "rZ"((u64)(value)) : "memory");    \
    } while (0)
#define sys_instruction0(instruction, function)                         \
    do {                                                                \
        _Static_assert(sizeof(function) > 1, "name the 4.10 function"); \
        __asm__ volatile(instruction : : : "memory");                   \
    } while (0)

/* EL1 translation regime, exceptions, identification. */
#define SR_SCTLR_EL1 "sctlr_el1"
#define SR_ACTLR_EL1 "actlr_el1"
#define SR_CPACR_EL1 "cpacr_el1"
#define SR_TTBR0_EL1 "ttbr0_el1"
#define SR_TTBR1_EL1 "ttbr1_el1"
#define SR_TCR_EL1 "tcr_el1"
#define SR_ESR_EL1 "esr_el1"
#define SR_AFSR0_EL1 "afsr0_el1"
#define SR_AFSR1_EL1 "afsr1_el1"
#define SR_FAR_EL1 "far_el1"
#define SR_MAIR_EL1 "mair_el1"
#define SR_VBAR_EL1 "vbar_el1"
#define SR_CONTEXTIDR_EL1 "contextidr_el1"
#define SR_AMAIR_EL1 "amair_el1"
#define SR_CNTKCTL_EL1 "cntkctl_el1"
#define SR_PAR_EL1 "par_el1"
#define SR_ELR_EL1 "elr_el1"
#define SR_SPSR_EL1 "spsr_el1"
#define SR_SP_EL1 "sp_el1"
#define SR_SP_EL0 "sp_el0"
#define SR_CSSELR_EL1 "csselr_el1"
#define SR_TPIDR_EL0 "tpidr_el0"
#define SR_TPIDRRO_EL0 "tpidrro_el0"
#define SR_TPIDR_EL1 "tpidr_el1"
#define SR_MDSCR_EL1 "mdscr_el1"
#define SR_MDCCINT_EL1 "mdccint_el1"
#define SR_MPIDR_EL1 "mpidr_el1"
#define SR_MIDR_EL1 "midr_el1"
#define SR_CTR_EL0 "ctr_el0"
#define SR_CurrentEL "CurrentEL"
#define SR_DAIF "daif"
#define SR_ID_AA64PFR0_EL1 "id_aa64pfr0_el1"
#define SR_ID_AA64DFR0_EL1 "id_aa64dfr0_el1"
#define SR_ID_AA64ISAR0_EL1 "id_aa64isar0_el1"
#define SR_ID_AA64MMFR0_EL1 "id_aa64mmfr0_el1"
#define SR_ID_AA64MMFR1_EL1 "id_aa64mmfr1_el1"
#define SR_PMSELR_EL0 "pmselr_el0"
#define SR_PMUSERENR_EL0 "pmuserenr_el0"

/* VHE: what the _EL1 name means for the guest while HCR_EL2.E2H is 1 (op1 = 5). */
#define SR_SCTLR_EL12 "S3_5_C1_C0_0"
#define SR_CPACR_EL12 "S3_5_C1_C0_2"
#define SR_TTBR0_EL12 "S3_5_C2_C0_0"
#define SR_TTBR1_EL12 "S3_5_C2_C0_1"
#define SR_TCR_EL12 "S3_5_C2_C0_2"
#define SR_SPSR_EL12 "S3_5_C4_C0_0"
#define SR_ELR_EL12 "S3_5_C4_C0_1"
#define SR_AFSR0_EL12 "S3_5_C5_C1_0"
#define SR_AFSR1_EL12 "S3_5_C5_C1_1"
#define SR_ESR_EL12 "S3_5_C5_C2_0"
#define SR_FAR_EL12 "S3_5_C6_C0_0"
#define SR_MAIR_EL12 "S3_5_C10_C2_0"
#define SR_AMAIR_EL12 "S3_5_C10_C3_0"
#define SR_VBAR_EL12 "S3_5_C12_C0_0"
#define SR_CONTEXTIDR_EL12 "S3_5_C13_C0_1"
#define SR_CNTKCTL_EL12 "S3_5_C14_C1_0"
#define SR_CNTV_CTL_EL02 "S3_5_C14_C3_1"
#define SR_CNTV_CVAL_EL02 "S3_5_C14_C3_2"

/* EL2. */
#define SR_HCR_EL2 "hcr_el2"
#define SR_HSTR_EL2 "hstr_el2"
#define SR_CPTR_EL2 "cptr_el2"
#define SR_MDCR_EL2 "mdcr_el2"
#define SR_VTTBR_EL2 "vttbr_el2"
#define SR_VTCR_EL2 "vtcr_el2"
#define SR_VPIDR_EL2 "vpidr_el2"
#define SR_VMPIDR_EL2 "vmpidr_el2"
#define SR_TPIDR_EL2 "tpidr_el2"
#define SR_ESR_EL2 "esr_el2"
#define SR_FAR_EL2 "far_el2"
#define SR_HPFAR_EL2 "hpfar_el2"
#define SR_ELR_EL2 "elr_el2"
#define SR_SPSR_EL2 "spsr_el2"
#define SR_VBAR_EL2 "vbar_el2"
#define SR_SCTLR_EL2 "sctlr_el2"
#define SR_CNTHCTL_EL2 "cnthctl_el2"
#define SR_CNTVOFF_EL2 "cntvoff_el2"

/* Generic timer. */
#define SR_CNTFRQ_EL0 "cntfrq_el0"
#define SR_CNTVCT_EL0 "cntvct_el0"
#define SR_CNTPCT_EL0 "cntpct_el0"
#define SR_CNTV_CTL_EL0 "cntv_ctl_el0"
#define SR_CNTV_CVAL_EL0 "cntv_cval_el0"
#define SR_CNTV_TVAL_EL0 "cntv_tval_el0"
#define SR_CNTP_CTL_EL0 "cntp_ctl_el0"
#define SR_CNTP_CVAL_EL0 "cntp_cval_el0"
#define SR_CNTP_TVAL_EL0 "cntp_tval_el0"

/* GICv3 CPU interface. */
#define SR_ICC_PMR_EL1 "S3_0_C4_C6_0"
#define SR_ICC_DIR_EL1 "S3_0_C12_C11_1"
#define SR_ICC_SGI1R_EL1 "S3_0_C12_C11_5"
#define SR_ICC_IAR1_EL1 "S3_0_C12_C12_0"
#define SR_ICC_EOIR1_EL1 "S3_0_C12_C12_1"
#define SR_ICC_BPR1_EL1 "S3_0_C12_C12_3"
#define SR_ICC_CTLR_EL1 "S3_0_C12_C12_4"
#define SR_ICC_SRE_EL1 "S3_0_C12_C12_5"
#define SR_ICC_IGRPEN1_EL1 "S3_0_C12_C12_7"
#define SR_ICC_SRE_EL2 "S3_4_C12_C9_5"

/* GICv3 virtual interface control. */
#define SR_ICH_AP0R0_EL2 "S3_4_C12_C8_0"
#define SR_ICH_AP0R1_EL2 "S3_4_C12_C8_1"
#define SR_ICH_AP0R2_EL2 "S3_4_C12_C8_2"
#define SR_ICH_AP0R3_EL2 "S3_4_C12_C8_3"
#define SR_ICH_AP1R0_EL2 "S3_4_C12_C9_0"
#define SR_ICH_AP1R1_EL2 "S3_4_C12_C9_1"
#define SR_ICH_AP1R2_EL2 "S3_4_C12_C9_2"
#define SR_ICH_AP1R3_EL2 "S3_4_C12_C9_3"
#define SR_ICH_HCR_EL2 "S3_4_C12_C11_0"
#define SR_ICH_VTR_EL2 "S3_4_C12_C11_1"
#define SR_ICH_MISR_EL2 "S3_4_C12_C11_2"
#define SR_ICH_EISR_EL2 "S3_4_C12_C11_3"
#define SR_ICH_ELRSR_EL2 "S3_4_C12_C11_5"
#define SR_ICH_VMCR_EL2 "S3_4_C12_C11_7"
#define SR_ICH_LR0_EL2 "S3_4_C12_C12_0"
#define SR_ICH_LR1_EL2 "S3_4_C12_C12_1"
#define SR_ICH_LR2_EL2 "S3_4_C12_C12_2"
#define SR_ICH_LR3_EL2 "S3_4_C12_C12_3"
#define SR_ICH_LR4_EL2 "S3_4_C12_C12_4"
#define SR_ICH_LR5_EL2 "S3_4_C12_C12_5"
#define SR_ICH_LR6_EL2 "S3_4_C12_C12_6"
#define SR_ICH_LR7_EL2 "S3_4_C12_C12_7"
#define SR_ICH_LR8_EL2 "S3_4_C12_C13_0"
#define SR_ICH_LR9_EL2 "S3_4_C12_C13_1"
#define SR_ICH_LR10_EL2 "S3_4_C12_C13_2"
#define SR_ICH_LR11_EL2 "S3_4_C12_C13_3"
#define SR_ICH_LR12_EL2 "S3_4_C12_C13_4"
#define SR_ICH_LR13_EL2 "S3_4_C12_C13_5"
#define SR_ICH_LR14_EL2 "S3_4_C12_C13_6"
#define SR_ICH_LR15_EL2 "S3_4_C12_C13_7"

/* Breakpoints and watchpoints. */
#define SR_DBGBCR0_EL1 "dbgbcr0_el1"
#define SR_DBGBCR1_EL1 "dbgbcr1_el1"
#define SR_DBGBCR2_EL1 "dbgbcr2_el1"
#define SR_DBGBCR3_EL1 "dbgbcr3_el1"
#define SR_DBGBCR4_EL1 "dbgbcr4_el1"
#define SR_DBGBCR5_EL1 "dbgbcr5_el1"
#define SR_DBGBCR6_EL1 "dbgbcr6_el1"
#define SR_DBGBCR7_EL1 "dbgbcr7_el1"
#define SR_DBGBCR8_EL1 "dbgbcr8_el1"
#define SR_DBGBCR9_EL1 "dbgbcr9_el1"
#define SR_DBGBCR10_EL1 "dbgbcr10_el1"
#define SR_DBGBCR11_EL1 "dbgbcr11_el1"
#define SR_DBGBCR12_EL1 "dbgbcr12_el1"
#define SR_DBGBCR13_EL1 "dbgbcr13_el1"
#define SR_DBGBCR14_EL1 "dbgbcr14_el1"
#define SR_DBGBCR15_EL1 "dbgbcr15_el1"
#define SR_DBGBVR0_EL1 "dbgbvr0_el1"
#define SR_DBGBVR1_EL1 "dbgbvr1_el1"
#define SR_DBGBVR2_EL1 "dbgbvr2_el1"
#define SR_DBGBVR3_EL1 "dbgbvr3_el1"
#define SR_DBGBVR4_EL1 "dbgbvr4_el1"
#define SR_DBGBVR5_EL1 "dbgbvr5_el1"
#define SR_DBGBVR6_EL1 "dbgbvr6_el1"
#define SR_DBGBVR7_EL1 "dbgbvr7_el1"
#define SR_DBGBVR8_EL1 "dbgbvr8_el1"
#define SR_DBGBVR9_EL1 "dbgbvr9_el1"
#define SR_DBGBVR10_EL1 "dbgbvr10_el1"
#define SR_DBGBVR11_EL1 "dbgbvr11_el1"
#define SR_DBGBVR12_EL1 "dbgbvr12_el1"
#define SR_DBGBVR13_EL1 "dbgbvr13_el1"
#define SR_DBGBVR14_EL1 "dbgbvr14_el1"
#define SR_DBGBVR15_EL1 "dbgbvr15_el1"
#define SR_DBGWCR0_EL1 "dbgwcr0_el1"
#define SR_DBGWCR1_EL1 "dbgwcr1_el1"
#define SR_DBGWCR2_EL1 "dbgwcr2_el1"
#define SR_DBGWCR3_EL1 "dbgwcr3_el1"
#define SR_DBGWCR4_EL1 "dbgwcr4_el1"
#define SR_DBGWCR5_EL1 "dbgwcr5_el1"
#define SR_DBGWCR6_EL1 "dbgwcr6_el1"
#define SR_DBGWCR7_EL1 "dbgwcr7_el1"
#define SR_DBGWCR8_EL1 "dbgwcr8_el1"
#define SR_DBGWCR9_EL1 "dbgwcr9_el1"
#define SR_DBGWCR10_EL1 "dbgwcr10_el1"
#define SR_DBGWCR11_EL1 "dbgwcr11_el1"
#define SR_DBGWCR12_EL1 "dbgwcr12_el1"
#define SR_DBGWCR13_EL1 "dbgwcr13_el1"
#define SR_DBGWCR14_EL1 "dbgwcr14_el1"
#define SR_DBGWCR15_EL1 "dbgwcr15_el1"
#define SR_DBGWVR0_EL1 "dbgwvr0_el1"
#define SR_DBGWVR1_EL1 "dbgwvr1_el1"
#define SR_DBGWVR2_EL1 "dbgwvr2_el1"
#define SR_DBGWVR3_EL1 "dbgwvr3_el1"
#define SR_DBGWVR4_EL1 "dbgwvr4_el1"
#define SR_DBGWVR5_EL1 "dbgwvr5_el1"
#define SR_DBGWVR6_EL1 "dbgwvr6_el1"
#define SR_DBGWVR7_EL1 "dbgwvr7_el1"
#define SR_DBGWVR8_EL1 "dbgwvr8_el1"
#define SR_DBGWVR9_EL1 "dbgwvr9_el1"
#define SR_DBGWVR10_EL1 "dbgwvr10_el1"
#define SR_DBGWVR11_EL1 "dbgwvr11_el1"
#define SR_DBGWVR12_EL1 "dbgwvr12_el1"
#define SR_DBGWVR13_EL1 "dbgwvr13_el1"
#define SR_DBGWVR14_EL1 "dbgwvr14_el1"
#define SR_DBGWVR15_EL1 "dbgwvr15_el1"

static inline u64 irq_save(void)
{
    u64 flags = sysreg_read(DAIF, "arch_local_irq_save");

    __asm__ volatile("msr daifset, #2" ::: "memory"); /* 4.10: arch_local_irq_save */
    return flags;
}

static inline void irq_restore(u64 flags)
{
    __asm__ volatile("msr daif, %0" : : "r"(flags) : "memory"); /* 4.10: arch_local_irq_restore */
}

static inline void irq_enable(void)
{
    __asm__ volatile("msr daifclr, #2" ::: "memory"); /* 4.10: arch_local_irq_enable */
}

static inline void irq_disable(void)
{
    __asm__ volatile("msr daifset, #2" ::: "memory"); /* 4.10: arch_local_irq_disable */
}
#endif
