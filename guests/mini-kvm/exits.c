/* Why the VM stopped, and what to do. Mirrors handle_exit.c and mmio.c of 4.10. Returns > 0 to go on, 0 to user space. */
#include "host.h"
#include "hyp.h"
#include "print.h"

static int stop(struct vcpu *vcpu, const char *why)
{
    print("mini-kvm: vcpu %u: %s: ESR 0x%lx FAR 0x%lx HPFAR 0x%lx PC 0x%lx\n", vcpu->id, why, vcpu->esr_el2, vcpu->far_el2,
          vcpu->hpfar_el2, vcpu->ctxt.pc);
    vcpu->run.reason = EXIT_REASON_ERROR;
    return 0;
}

static int handle_wfx(struct vcpu *vcpu)
{
    vcpu->stat.wfx++;
    if (!(vcpu->esr_el2 & 1)) /* WFI; for WFE there is nobody else to yield to */
        vcpu_block(vcpu);
    vcpu_skip(vcpu);
    return 1;
}

void mmio_return(struct vcpu *vcpu)
{
    u64 esr = vcpu->esr_el2, data = vcpu->run.data;
    u32 rt = esr >> 16 & 31, bits = vcpu->run.size * 8;

    if (vcpu->run.write)
        return;
    if (bits < 64)
        data &= (1UL << bits) - 1;
    if (esr & ESR_SSE && bits < 64)
        data = (u64)((s64)(data << (64 - bits)) >> (64 - bits));
    if (!(esr & ESR_SF))
        data &= 0xffffffffUL;
    if (rt != 31)
        vcpu->ctxt.x[rt] = data;
}

/* io_mem_abort: a device of the kernel part, or of user space. */
static int handle_mmio(struct vcpu *vcpu, u64 ipa)
{
    struct run *run = &vcpu->run;
    u64 esr = vcpu->esr_el2;
    u32 rt = esr >> 16 & 31;

    if (!(esr & ESR_ISV))
        return stop(vcpu, "access outside memory without a valid syndrome");
    run->address = ipa;
    run->size = 1U << (esr >> 22 & 3);
    run->write = esr & ESR_WNR;
    run->data = !run->write || rt == 31 ? 0 : vcpu->ctxt.x[rt];
    vcpu_skip(vcpu);
    if (vgic_mmio(vcpu, ipa, run->size, run->write, &run->data)) {
        vcpu->stat.mmio_kernel++;
        mmio_return(vcpu);
        return 1;
    }
    vcpu->stat.mmio_user++;
    run->reason = EXIT_REASON_MMIO;
    return 0;
}

static int handle_abort(struct vcpu *vcpu)
{
    u64 ipa = vcpu->hpfar_el2 >> 4 << 12;
    bool instruction = ESR_EC(vcpu->esr_el2) == EC_INSTRUCTION_ABORT_LOWER;
    u64 type = vcpu->esr_el2 & ESR_FSC_TYPE;

    if (type != FSC_FAULT && type != FSC_ACCESS && type != FSC_PERMISSION)
        return stop(vcpu, "unexpected stage 2 abort");
    if (!guest_page(vcpu->kvm, ipa)) {
        if (instruction)
            return stop(vcpu, "instruction fetch outside memory");
        if (vcpu->esr_el2 & ESR_CM) { /* cache maintenance of nothing */
            vcpu_skip(vcpu);
            return 1;
        }
        if (vcpu->esr_el2 & ESR_S1PTW)
            return stop(vcpu, "translation table outside memory");
        return handle_mmio(vcpu, ipa | (vcpu->far_el2 & (PAGE_SIZE - 1)));
    }
    vcpu->stat.stage2++;
    return stage2_fault(vcpu, ipa);
}

static int handle_trap(struct vcpu *vcpu)
{
    switch (ESR_EC(vcpu->esr_el2)) {
    case EC_WFX:
        return handle_wfx(vcpu);
    case EC_HVC64:
        vcpu->stat.hypercalls++;
        return guest_psci(vcpu);
    case EC_SMC64:
        vcpu_undefined(vcpu); /* 4.10: no firmware for the VM */
        return 1;
    case EC_SYS64:
        vcpu->stat.system++;
        return handle_sysreg(vcpu);
    case EC_DATA_ABORT_LOWER:
    case EC_INSTRUCTION_ABORT_LOWER:
        return handle_abort(vcpu);
    default:
        print("mini-kvm: vcpu %u: exception class 0x%lx made UNDEFINED, PC 0x%lx\n", vcpu->id, ESR_EC(vcpu->esr_el2),
              vcpu->ctxt.pc);
        vcpu_undefined(vcpu);
        return 1;
    }
}

int handle_exit(struct vcpu *vcpu, u64 exit)
{
    if (exit & EXIT_WITH_SERROR || exit == EXIT_SERROR) {
        vcpu->hcr_el2 |= HCR_VSE;
        return 1;
    }
    if (exit == EXIT_IRQ) {
        vcpu->stat.irq++;
        return 1;
    }
    return handle_trap(vcpu);
}
