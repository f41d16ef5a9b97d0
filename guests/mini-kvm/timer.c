/* The VM's virtual timer seen from the kernel part. Mirrors arch_timer.c of 4.10. */
#include "gic.h"
#include "host.h"
#include "hyp.h"

#define CTL_ENABLE 1
#define CTL_IMASK 2

static bool can_fire(const struct timer_cpu *timer)
{
    return (timer->cntv_ctl & (CTL_ENABLE | CTL_IMASK)) == CTL_ENABLE;
}

bool timer_should_fire(struct vcpu *vcpu)
{
    struct timer_cpu *timer = &vcpu->timer;

    return can_fire(timer) && timer->cntv_cval <= host_counter() - vcpu->kvm->cntvoff;
}

/* Tells the virtual interrupt controller if the timer's line has changed. */
static void update_state(struct vcpu *vcpu)
{
    struct timer_cpu *timer = &vcpu->timer;

    if (timer_should_fire(vcpu) == timer->level)
        return;
    timer->active_cleared_last = false;
    timer->level = !timer->level;
    vgic_inject(vcpu, PPI_VIRTUAL_TIMER, timer->level);
}

/*
 * Before the VM runs. If the interrupt is already in the VM's hands, the physical one is made active so that the timer
 * does not end the VM's turn at once; the VM's deactivation (the list register has the HW bit) clears it. Else it is made
 * inactive, which is remembered to save the access next time.
 */
void timer_flush(struct vcpu *vcpu)
{
    struct timer_cpu *timer = &vcpu->timer;
    bool active;

    update_state(vcpu);
    active = timer->level || vgic_irq(vcpu, PPI_VIRTUAL_TIMER)->active;
    if (timer->active_cleared_last && !active)
        return;
    gic_set_active(vcpu->cpu, PPI_VIRTUAL_TIMER, active);
    timer->active_cleared_last = !active;
}

void timer_sync(struct vcpu *vcpu)
{
    update_state(vcpu);
}

/* The vCPU goes to sleep: the host's timer stands in for the VM's. */
void timer_schedule(struct vcpu *vcpu)
{
    struct timer_cpu *timer = &vcpu->timer;

    if (timer_should_fire(vcpu) || !can_fire(timer))
        return;
    host_timer_arm(timer->cntv_cval - (host_counter() - vcpu->kvm->cntvoff));
}

void timer_unschedule(struct vcpu *vcpu UNUSED)
{
    host_timer_disarm();
}
