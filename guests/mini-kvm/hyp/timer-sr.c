/* The virtual timer and who may touch the physical one. Mirrors timer-sr.c of 4.10. */
#include "accessors.h"
#include "hyp.h"

void __timer_save_state(struct vcpu *vcpu)
{
    struct timer_cpu *timer = &vcpu->timer;

    if (timer->enabled) {
        timer->cntv_ctl = sysreg_read_el0(CNTV_CTL, "__timer_save_state");
        timer->cntv_cval = sysreg_read_el0(CNTV_CVAL, "__timer_save_state");
    }
    sysreg_write_el0(CNTV_CTL, 0, "__timer_save_state");
#if !VHE
    /* The kernel part may use the physical timer again. */
    u64 cnthctl = sysreg_read(CNTHCTL_EL2, "__timer_save_state");
    sysreg_write(CNTHCTL_EL2, cnthctl | CNTHCTL_EL1PCTEN | CNTHCTL_EL1PCEN, "__timer_save_state");
#endif
    sysreg_write(CNTVOFF_EL2, 0, "__timer_save_state");
}

void __timer_restore_state(struct vcpu *vcpu)
{
    struct timer_cpu *timer = &vcpu->timer;

#if !VHE
    /* The VM may read the physical counter, but the physical timer traps. */
    u64 cnthctl = sysreg_read(CNTHCTL_EL2, "__timer_restore_state");
    sysreg_write(CNTHCTL_EL2, (cnthctl & ~CNTHCTL_EL1PCEN) | CNTHCTL_EL1PCTEN, "__timer_restore_state");
#endif
    if (timer->enabled) {
        sysreg_write(CNTVOFF_EL2, vcpu->kvm->cntvoff, "__timer_restore_state");
        sysreg_write_el0(CNTV_CVAL, timer->cntv_cval, "__timer_restore_state");
        isb();
        sysreg_write_el0(CNTV_CTL, timer->cntv_ctl, "__timer_restore_state");
    }
}
