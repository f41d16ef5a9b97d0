/* The kernel part's interrupts: the reschedule IPI, its timer, and those that only end a VM's turn. */
#include "accessors.h"
#include "gic.h"
#include "host.h"
#include "print.h"
#include "psci.h"

#define TIMER_ENABLE 1

struct pcpu *this_cpu(void)
{
    return (struct pcpu *)sysreg_read(TPIDR_EL1, "__my_cpu_offset");
}

u64 host_counter(void)
{
    isb();
    return sysreg_read(CNTVCT_EL0, "arch_counter_get_cntvct");
}

void host_timer_arm(u64 counts)
{
    if (counts > 0x7fffffff)
        counts = 0x7fffffff;
    sysreg_write(CNTP_TVAL_EL0, counts, "set_next_event");
    sysreg_write(CNTP_CTL_EL0, TIMER_ENABLE, "set_next_event");
    isb();
}

void host_timer_disarm(void)
{
    sysreg_write(CNTP_CTL_EL0, 0, "timer_shutdown");
    isb();
}

void host_kick(u32 cpu)
{
    gic_send_sgi(cpu, pcpus[cpu].mpidr, IPI_RESCHEDULE);
}

void host_interrupts_init(struct pcpu *cpu)
{
    gic_cpu_init(cpu->id, cpu->mpidr, true);
    gic_enable(cpu->id, PPI_VIRTUAL_TIMER);
    gic_enable(cpu->id, PPI_HOST_TIMER);
    gic_enable(cpu->id, PPI_MAINTENANCE);
}

void kernel_irq(struct frame *frame UNUSED)
{
    u32 iar = gic_acknowledge(), intid = iar & 0x3ff;

    if (intid >= 1020)
        return;
    gic_end(iar);
    switch (intid) {
    case IPI_RESCHEDULE:
    case PPI_MAINTENANCE: /* it has done its work by ending the VM's turn */
        gic_deactivate(iar);
        break;
    case PPI_HOST_TIMER:
        host_timer_disarm();
        gic_deactivate(iar);
        break;
    case PPI_VIRTUAL_TIMER:
        /*
         * Forwarded to the VM, so its deactivation is the VM's. The world switch has turned the timer off and
         * timer_sync() looks after it; to see it here is rare, not wrong.
         */
        this_cpu()->unexpected_interrupts++;
        break;
    default:
        print("mini-kvm: cpu %u: unexpected interrupt %u\n", this_cpu()->id, intid);
        gic_deactivate(iar);
    }
}

void kernel_fault(struct frame *frame, u64 kind, u64 esr, u64 far)
{
    panic("mini-kvm: exception %lu in the kernel part: ESR 0x%lx FAR 0x%lx PC 0x%lx\n", kind, esr, far, frame->pc);
}

void NORETURN hyp_panic_message(u64 spsr, u64 elr, u64 esr, u64 far, u64 hpfar, u64 par, u64 vcpu);
void hyp_panic_message(u64 spsr, u64 elr, u64 esr, u64 far, u64 hpfar, u64 par, u64 vcpu)
{
    panic("mini-kvm: HYP panic: SPSR 0x%lx PC 0x%lx ESR 0x%lx FAR 0x%lx HPFAR 0x%lx PAR 0x%lx vCPU 0x%lx\n", spsr, elr,
          esr, far, hpfar, par, vcpu);
}

void machine_stop(void)
{
    system_off();
}
