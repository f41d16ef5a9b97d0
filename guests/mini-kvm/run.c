/* KVM_RUN: one vCPU's loop of entries and exits. Mirrors kvm_arch_vcpu_ioctl_run of 4.10. */
#include "accessors.h"
#include "host.h"
#include "hyp.h"
#include "string.h"

#define SPSR_EL1H_DAIF 0x3c5
#define CPACR_RESET 0
#define SCTLR_RESET 0x00c50078

void vcpu_reset(struct vcpu *vcpu, u64 pc, u64 argument)
{
    memset(&vcpu->ctxt, 0, sizeof(vcpu->ctxt));
    vcpu->ctxt.pc = pc;
    vcpu->ctxt.x[0] = argument;
    vcpu->ctxt.pstate = SPSR_EL1H_DAIF;
    vcpu->ctxt.sys[SCTLR] = SCTLR_RESET;
    vcpu->ctxt.sys[CPACR] = CPACR_RESET;
    vcpu->ctxt.sys[MPIDR] = BIT(31) | vcpu->id;
    vcpu->hcr_el2 = HCR_GUEST_FLAGS | (VHE ? HCR_E2H : 0);
    memset(&vcpu->timer, 0, sizeof(vcpu->timer));
    vcpu->timer.enabled = true;
}

/* kvm_arm_setup_debug: the VM's debug and PMU registers trap until it has used them. */
static void setup_debug(struct vcpu *vcpu)
{
    vcpu->mdcr_el2 = (u32)((pcpus[vcpu->cpu].mdcr_el2 & MDCR_EL2_HPMN_MASK) | MDCR_EL2_TPM | MDCR_EL2_TPMCR |
                           MDCR_EL2_TDRA | MDCR_EL2_TDOSA);
    if (!(vcpu->debug_flags & DEBUG_DIRTY))
        vcpu->mdcr_el2 |= MDCR_EL2_TDA;
}

/* update_vttbr: the only VMID, once. */
static void update_vttbr(struct kvm *kvm)
{
    static struct spinlock lock;

    if (__atomic_load_n(&kvm->vttbr, __ATOMIC_ACQUIRE))
        return;
    spin_lock(&lock);
    if (!kvm->vttbr) {
        kvm_call_hyp(__kvm_flush_vm_context, 0, 0, 0);
        __atomic_store_n(&kvm->vttbr, 1UL << 48 | (u64)kvm->pgd, __ATOMIC_RELEASE);
    }
    spin_unlock(&lock);
}

void vcpu_kick(struct vcpu *vcpu)
{
    u32 in_guest = IN_GUEST_MODE;

    if (vcpu->cpu == this_cpu()->id)
        return;
    if (vcpu->blocked ||
        __atomic_compare_exchange_n(&vcpu->mode, &in_guest, EXITING_GUEST_MODE, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        host_kick(vcpu->cpu);
}

/* Is there still nothing for it to do? A vCPU that was off waits to be turned on, any other for an interrupt. */
static bool idle(struct vcpu *vcpu, bool was_off)
{
    if (vcpu->kvm->shutdown)
        return false;
    return was_off ? vcpu->power_off : !vgic_pending(vcpu) && !timer_should_fire(vcpu);
}

/* kvm_vcpu_block, and vcpu_sleep for a vCPU that is off. */
void vcpu_block(struct vcpu *vcpu)
{
    bool was_off = vcpu->power_off;

    if (!was_off)
        timer_schedule(vcpu);
    for (;;) {
        irq_disable();
        __atomic_store_n(&vcpu->blocked, true, __ATOMIC_SEQ_CST);
        if (!idle(vcpu, was_off))
            break;
        wfi(); /* wakes with the interrupt still pending; taken when interrupts are enabled */
        irq_enable();
        isb();
    }
    vcpu->blocked = false;
    irq_enable();
    if (!was_off)
        timer_unschedule(vcpu);
}

int vcpu_run(struct vcpu *vcpu)
{
    int ret = 1;

    if (vcpu->run.reason == EXIT_REASON_MMIO)
        mmio_return(vcpu);
    vcpu->run.reason = EXIT_REASON_UNKNOWN;
    while (ret > 0) {
        u64 exit;

        update_vttbr(vcpu->kvm);
        if (vcpu->power_off)
            vcpu_block(vcpu);
        if (vcpu->kvm->shutdown) {
            vcpu->run.reason = EXIT_REASON_SHUTDOWN;
            return 0;
        }
        /*
         * 4.10 flushes timer and interrupts before it masks interrupts, and leans on the host's tick for a kick that
         * falls between; there is no tick here. The accesses are the same.
         */
        irq_disable();
        __atomic_store_n(&vcpu->mode, IN_GUEST_MODE, __ATOMIC_SEQ_CST);
        timer_flush(vcpu);
        vgic_flush(vcpu);
        if (vcpu->power_off || vcpu->kvm->shutdown) {
            vcpu->mode = OUTSIDE_GUEST_MODE;
            irq_enable();
            timer_sync(vcpu);
            vgic_sync(vcpu);
            continue;
        }
        setup_debug(vcpu);
        exit = kvm_call_hyp(__kvm_vcpu_run, vcpu, 0, 0);
        __atomic_store_n(&vcpu->mode, OUTSIDE_GUEST_MODE, __ATOMIC_SEQ_CST);
        vcpu->stat.exits++;
        /* An interrupt that ended the VM's turn is still pending: take it now. */
        irq_enable();
        timer_sync(vcpu);
        vgic_sync(vcpu);
        ret = handle_exit(vcpu, exit);
    }
    return ret;
}

void vcpu_skip(struct vcpu *vcpu)
{
    vcpu->ctxt.pc += 4;
}

/* kvm_inject_undefined */
void vcpu_undefined(struct vcpu *vcpu)
{
    struct cpu_context *c = &vcpu->ctxt;
    u64 mode = c->pstate & 15, offset = mode == 5 ? 0x200 : mode == 4 ? 0 : 0x400;

    c->elr_el1 = c->pc;
    c->spsr_el1 = c->pstate;
    c->pc = c->sys[VBAR] + offset;
    c->pstate = SPSR_EL1H_DAIF;
    c->sys[ESR] = ESR_IL;
}
