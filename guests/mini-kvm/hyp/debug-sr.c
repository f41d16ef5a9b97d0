/* Debug registers: moved only when the VM has used them (DEBUG_DIRTY). Mirrors debug-sr.c of 4.10. */
#include "accessors.h"
#include "hyp.h"

/* Registers `highest` down to 0 of one kind. */
#define SAVE(kind, n)                                                       \
    case n:                                                                 \
        state[n] = sysreg_read(kind##n##_EL1, "__debug_save_state");        \
        __attribute__((fallthrough));
#define RESTORE(kind, n)                                                    \
    case n:                                                                 \
        sysreg_write(kind##n##_EL1, state[n], "__debug_restore_state");     \
        __attribute__((fallthrough));
#define DOWN_TO_0(op, kind)                                                                                \
    op(kind, 15) op(kind, 14) op(kind, 13) op(kind, 12) op(kind, 11) op(kind, 10) op(kind, 9) op(kind, 8)  \
    op(kind, 7) op(kind, 6) op(kind, 5) op(kind, 4) op(kind, 3) op(kind, 2) op(kind, 1) op(kind, 0)
#define MOVER(name, op, kind)                   \
    static void name(u64 *state, u32 highest)   \
    {                                           \
        switch (highest) {                      \
            DOWN_TO_0(op, kind)                 \
        default:                                \
            break;                              \
        }                                       \
    }

MOVER(save_dbgbcr, SAVE, DBGBCR)
MOVER(save_dbgbvr, SAVE, DBGBVR)
MOVER(save_dbgwcr, SAVE, DBGWCR)
MOVER(save_dbgwvr, SAVE, DBGWVR)
MOVER(restore_dbgbcr, RESTORE, DBGBCR)
MOVER(restore_dbgbvr, RESTORE, DBGBVR)
MOVER(restore_dbgwcr, RESTORE, DBGWCR)
MOVER(restore_dbgwvr, RESTORE, DBGWVR)

void __debug_save_state(struct vcpu *vcpu, struct debug_state *debug, struct cpu_context *ctxt)
{
    u64 dfr0;
    u32 breakpoints, watchpoints;

    if (!(vcpu->debug_flags & DEBUG_DIRTY))
        return;
    dfr0 = sysreg_read(ID_AA64DFR0_EL1, "__debug_save_state");
    breakpoints = dfr0 >> 12 & 15;
    watchpoints = dfr0 >> 20 & 15;
    save_dbgbcr(debug->bcr, breakpoints);
    save_dbgbvr(debug->bvr, breakpoints);
    save_dbgwcr(debug->wcr, watchpoints);
    save_dbgwvr(debug->wvr, watchpoints);
    ctxt->sys[MDCCINT] = sysreg_read(MDCCINT_EL1, "__debug_save_state");
}

void __debug_restore_state(struct vcpu *vcpu, struct debug_state *debug, struct cpu_context *ctxt)
{
    u64 dfr0;
    u32 breakpoints, watchpoints;

    if (!(vcpu->debug_flags & DEBUG_DIRTY))
        return;
    dfr0 = sysreg_read(ID_AA64DFR0_EL1, "__debug_restore_state");
    breakpoints = dfr0 >> 12 & 15;
    watchpoints = dfr0 >> 20 & 15;
    restore_dbgbcr(debug->bcr, breakpoints);
    restore_dbgbvr(debug->bvr, breakpoints);
    restore_dbgwcr(debug->wcr, watchpoints);
    restore_dbgwvr(debug->wvr, watchpoints);
    sysreg_write(MDCCINT_EL1, ctxt->sys[MDCCINT], "__debug_restore_state");
}

void __debug_cond_save_host_state(struct vcpu *vcpu)
{
    if (vcpu->ctxt.sys[MDSCR] & (MDSCR_KDE | MDSCR_MDE))
        vcpu->debug_flags |= DEBUG_DIRTY;
    __debug_save_state(vcpu, &vcpu->host_debug, vcpu->host);
}

void __debug_cond_restore_host_state(struct vcpu *vcpu)
{
    __debug_restore_state(vcpu, &vcpu->host_debug, vcpu->host);
    vcpu->debug_flags &= ~(u32)DEBUG_DIRTY;
}

u64 __kvm_get_mdcr_el2(void)
{
    return sysreg_read(MDCR_EL2, "__kvm_get_mdcr_el2");
}
