/*
 * EL1 state: the order and the set of registers are those of sysreg-sr.c of 4.10.
 *
 * nVHE: host and VM both use EL1, so both worlds are saved whole. VHE: the host lives at EL2 and shares only the
 * "common" registers with the VM; the VM is still saved whole at every exit, by its _EL12 names.
 */
#include "accessors.h"
#include "hyp.h"

static void __sysreg_save_common_state(struct cpu_context *ctxt)
{
    ctxt->sys[ACTLR] = sysreg_read(ACTLR_EL1, "__sysreg_save_common_state");
    ctxt->sys[TPIDR_EL0] = sysreg_read(TPIDR_EL0, "__sysreg_save_common_state");
    ctxt->sys[TPIDRRO_EL0] = sysreg_read(TPIDRRO_EL0, "__sysreg_save_common_state");
    ctxt->sys[TPIDR_EL1] = sysreg_read(TPIDR_EL1, "__sysreg_save_common_state");
    ctxt->sys[MDSCR] = sysreg_read(MDSCR_EL1, "__sysreg_save_common_state");
    ctxt->sp_el0 = sysreg_read(SP_EL0, "__sysreg_save_common_state");
    ctxt->pc = sysreg_read_el2(ELR, "__sysreg_save_common_state");
    ctxt->pstate = sysreg_read_el2(SPSR, "__sysreg_save_common_state");
}

static void __sysreg_save_state(struct cpu_context *ctxt)
{
    ctxt->sys[MPIDR] = sysreg_read(VMPIDR_EL2, "__sysreg_save_state");
    ctxt->sys[CSSELR] = sysreg_read(CSSELR_EL1, "__sysreg_save_state");
    ctxt->sys[SCTLR] = sysreg_read_el1(SCTLR, "__sysreg_save_state");
    ctxt->sys[CPACR] = sysreg_read_el1(CPACR, "__sysreg_save_state");
    ctxt->sys[TTBR0] = sysreg_read_el1(TTBR0, "__sysreg_save_state");
    ctxt->sys[TTBR1] = sysreg_read_el1(TTBR1, "__sysreg_save_state");
    ctxt->sys[TCR] = sysreg_read_el1(TCR, "__sysreg_save_state");
    ctxt->sys[ESR] = sysreg_read_el1(ESR, "__sysreg_save_state");
    ctxt->sys[AFSR0] = sysreg_read_el1(AFSR0, "__sysreg_save_state");
    ctxt->sys[AFSR1] = sysreg_read_el1(AFSR1, "__sysreg_save_state");
    ctxt->sys[FAR] = sysreg_read_el1(FAR, "__sysreg_save_state");
    ctxt->sys[MAIR] = sysreg_read_el1(MAIR, "__sysreg_save_state");
    ctxt->sys[VBAR] = sysreg_read_el1(VBAR, "__sysreg_save_state");
    ctxt->sys[CONTEXTIDR] = sysreg_read_el1(CONTEXTIDR, "__sysreg_save_state");
    ctxt->sys[AMAIR] = sysreg_read_el1(AMAIR, "__sysreg_save_state");
    ctxt->sys[CNTKCTL] = sysreg_read_el1(CNTKCTL, "__sysreg_save_state");
    ctxt->sys[PAR] = sysreg_read(PAR_EL1, "__sysreg_save_state");
    ctxt->sp_el1 = sysreg_read(SP_EL1, "__sysreg_save_state");
    ctxt->elr_el1 = sysreg_read_el1(ELR, "__sysreg_save_state");
    ctxt->spsr_el1 = sysreg_read_el1(SPSR, "__sysreg_save_state");
}

static void __sysreg_restore_common_state(struct cpu_context *ctxt)
{
    sysreg_write(ACTLR_EL1, ctxt->sys[ACTLR], "__sysreg_restore_common_state");
    sysreg_write(TPIDR_EL0, ctxt->sys[TPIDR_EL0], "__sysreg_restore_common_state");
    sysreg_write(TPIDRRO_EL0, ctxt->sys[TPIDRRO_EL0], "__sysreg_restore_common_state");
    sysreg_write(TPIDR_EL1, ctxt->sys[TPIDR_EL1], "__sysreg_restore_common_state");
    sysreg_write(MDSCR_EL1, ctxt->sys[MDSCR], "__sysreg_restore_common_state");
    sysreg_write(SP_EL0, ctxt->sp_el0, "__sysreg_restore_common_state");
    sysreg_write_el2(ELR, ctxt->pc, "__sysreg_restore_common_state");
    sysreg_write_el2(SPSR, ctxt->pstate, "__sysreg_restore_common_state");
}

static void __sysreg_restore_state(struct cpu_context *ctxt)
{
    sysreg_write(VMPIDR_EL2, ctxt->sys[MPIDR], "__sysreg_restore_state");
    sysreg_write(CSSELR_EL1, ctxt->sys[CSSELR], "__sysreg_restore_state");
    sysreg_write_el1(SCTLR, ctxt->sys[SCTLR], "__sysreg_restore_state");
    sysreg_write_el1(CPACR, ctxt->sys[CPACR], "__sysreg_restore_state");
    sysreg_write_el1(TTBR0, ctxt->sys[TTBR0], "__sysreg_restore_state");
    sysreg_write_el1(TTBR1, ctxt->sys[TTBR1], "__sysreg_restore_state");
    sysreg_write_el1(TCR, ctxt->sys[TCR], "__sysreg_restore_state");
    sysreg_write_el1(ESR, ctxt->sys[ESR], "__sysreg_restore_state");
    sysreg_write_el1(AFSR0, ctxt->sys[AFSR0], "__sysreg_restore_state");
    sysreg_write_el1(AFSR1, ctxt->sys[AFSR1], "__sysreg_restore_state");
    sysreg_write_el1(FAR, ctxt->sys[FAR], "__sysreg_restore_state");
    sysreg_write_el1(MAIR, ctxt->sys[MAIR], "__sysreg_restore_state");
    sysreg_write_el1(VBAR, ctxt->sys[VBAR], "__sysreg_restore_state");
    sysreg_write_el1(CONTEXTIDR, ctxt->sys[CONTEXTIDR], "__sysreg_restore_state");
    sysreg_write_el1(AMAIR, ctxt->sys[AMAIR], "__sysreg_restore_state");
    sysreg_write_el1(CNTKCTL, ctxt->sys[CNTKCTL], "__sysreg_restore_state");
    sysreg_write(PAR_EL1, ctxt->sys[PAR], "__sysreg_restore_state");
    sysreg_write(SP_EL1, ctxt->sp_el1, "__sysreg_restore_state");
    sysreg_write_el1(ELR, ctxt->elr_el1, "__sysreg_restore_state");
    sysreg_write_el1(SPSR, ctxt->spsr_el1, "__sysreg_restore_state");
}

void __sysreg_save_host_state(struct cpu_context *ctxt)
{
    if (!VHE)
        __sysreg_save_state(ctxt);
    __sysreg_save_common_state(ctxt);
}

void __sysreg_save_guest_state(struct cpu_context *ctxt)
{
    __sysreg_save_state(ctxt);
    __sysreg_save_common_state(ctxt);
}

void __sysreg_restore_host_state(struct cpu_context *ctxt)
{
    if (!VHE)
        __sysreg_restore_state(ctxt);
    __sysreg_restore_common_state(ctxt);
}

void __sysreg_restore_guest_state(struct cpu_context *ctxt)
{
    __sysreg_restore_state(ctxt);
    __sysreg_restore_common_state(ctxt);
}

/* AArch32 VMs only, and there are none: what is left is the question. */
void __sysreg32_save_state(struct vcpu *vcpu UNUSED)
{
    (void)sysreg_read(HCR_EL2, "__sysreg32_save_state");
}

void __sysreg32_restore_state(struct vcpu *vcpu UNUSED)
{
    (void)sysreg_read(HCR_EL2, "__sysreg32_restore_state");
}
