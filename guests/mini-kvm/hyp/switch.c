/* The world switch. Mirrors switch.c of 4.10: same steps, same order. */
#include "accessors.h"
#include "hyp.h"
#include "guest.h"

struct hyp_config hyp_config;

extern u8 kernel_vectors[];

static bool __fpsimd_enabled(void)
{
#if VHE
    return sysreg_read(CPACR_EL1, "__fpsimd_enabled_vhe") & CPACR_EL1_FPEN;
#else
    return !(sysreg_read(CPTR_EL2, "__fpsimd_enabled_nvhe") & CPTR_EL2_TFP);
#endif
}

static void __activate_traps(struct vcpu *vcpu)
{
    sysreg_write(HCR_EL2, vcpu->hcr_el2, "__activate_traps");
    sysreg_write(HSTR_EL2, BIT(15), "__activate_traps");
    sysreg_write(PMSELR_EL0, 0, "__activate_traps");
    sysreg_write(PMUSERENR_EL0, PMUSERENR_MASK, "__activate_traps");
    sysreg_write(MDCR_EL2, vcpu->mdcr_el2, "__activate_traps");
#if VHE
    u64 cpacr = sysreg_read(CPACR_EL1, "__activate_traps_vhe");
    sysreg_write(CPACR_EL1, (cpacr | CPACR_EL1_TTA) & ~CPACR_EL1_FPEN, "__activate_traps_vhe");
    sysreg_write(VBAR_EL1, (u64)__kvm_hyp_vector, "__activate_traps_vhe");
#else
    sysreg_write(CPTR_EL2, CPTR_EL2_DEFAULT | CPTR_EL2_TTA | CPTR_EL2_TFP, "__activate_traps_nvhe");
#endif
}

static void __deactivate_traps(struct vcpu *vcpu)
{
    /* A virtual SError that was pended and not yet taken stays pended. */
    if (vcpu->hcr_el2 & HCR_VSE)
        vcpu->hcr_el2 = sysreg_read(HCR_EL2, "__deactivate_traps");
#if VHE
    sysreg_write(HCR_EL2, HCR_HOST_VHE_FLAGS, "__deactivate_traps_vhe");
    sysreg_write(CPACR_EL1, CPACR_EL1_FPEN, "__deactivate_traps_vhe");
    sysreg_write(VBAR_EL1, (u64)kernel_vectors, "__deactivate_traps_vhe");
#else
    sysreg_write(HCR_EL2, HCR_RW, "__deactivate_traps_nvhe");
    sysreg_write(CPTR_EL2, CPTR_EL2_DEFAULT, "__deactivate_traps_nvhe");
#endif
    sysreg_write(HSTR_EL2, 0, "__deactivate_traps");
    sysreg_write(MDCR_EL2, sysreg_read(MDCR_EL2, "__deactivate_traps") & MDCR_EL2_HPMN_MASK, "__deactivate_traps");
    sysreg_write(PMUSERENR_EL0, 0, "__deactivate_traps");
}

static void __activate_vm(struct vcpu *vcpu)
{
    sysreg_write(VTTBR_EL2, vcpu->kvm->vttbr, "__activate_vm");
}

static void __deactivate_vm(void)
{
    sysreg_write(VTTBR_EL2, 0, "__deactivate_vm");
}

static void __vgic_save_state(struct vcpu *vcpu)
{
    if (hyp_config.gicv3)
        __vgic_v3_save_state(vcpu);
    else
        __vgic_v2_save_state(vcpu);
    sysreg_write(HCR_EL2, sysreg_read(HCR_EL2, "__vgic_save_state") & ~HCR_INT_OVERRIDE, "__vgic_save_state");
}

static void __vgic_restore_state(struct vcpu *vcpu)
{
    u64 hcr = sysreg_read(HCR_EL2, "__vgic_restore_state");

    sysreg_write(HCR_EL2, hcr | HCR_INT_OVERRIDE | vcpu->irq_lines, "__vgic_restore_state");
    if (hyp_config.gicv3)
        __vgic_v3_restore_state(vcpu);
    else
        __vgic_v2_restore_state(vcpu);
}

/* The IPA of a fault that did not record one: ask stage 1 again. */
static bool __translate_far_to_hpfar(u64 far, u64 *hpfar)
{
    u64 par = sysreg_read(PAR_EL1, "__translate_far_to_hpfar"), found;

    sys_instruction("at s1e1r", far, "__translate_far_to_hpfar");
    isb();
    found = sysreg_read(PAR_EL1, "__translate_far_to_hpfar");
    sysreg_write(PAR_EL1, par, "__translate_far_to_hpfar");
    if (found & 1)
        return false;
    *hpfar = (found >> 12 & ((1UL << 36) - 1)) << 4;
    return true;
}

static bool __populate_fault_info(struct vcpu *vcpu)
{
    u64 esr = sysreg_read_el2(ESR, "__populate_fault_info"), far, hpfar;

    vcpu->esr_el2 = esr;
    if (ESR_EC(esr) != EC_DATA_ABORT_LOWER && ESR_EC(esr) != EC_INSTRUCTION_ABORT_LOWER)
        return true;
    far = sysreg_read_el2(FAR, "__populate_fault_info");
    if (!(esr & ESR_S1PTW) && (esr & ESR_FSC_TYPE) == FSC_PERMISSION) {
        if (!__translate_far_to_hpfar(far, &hpfar))
            return false;
    } else {
        hpfar = sysreg_read(HPFAR_EL2, "__populate_fault_info");
    }
    vcpu->far_el2 = far;
    vcpu->hpfar_el2 = hpfar;
    return true;
}

u64 __kvm_vcpu_run(struct vcpu *vcpu)
{
    struct cpu_context *host = vcpu->host, *guest = &vcpu->ctxt;
    u64 exit;
    bool fp;

    sysreg_write(TPIDR_EL2, (u64)vcpu, "__kvm_vcpu_run");
    __sysreg_save_host_state(host);
    __debug_cond_save_host_state(vcpu);

    __activate_traps(vcpu);
    __activate_vm(vcpu);
    __vgic_restore_state(vcpu);
    __timer_restore_state(vcpu);
    __sysreg32_restore_state(vcpu);
    __sysreg_restore_guest_state(guest);
    __debug_restore_state(vcpu, &vcpu->debug, guest);

    do {
        exit = __guest_enter(vcpu, host);
    } while (exit == EXIT_TRAP && !__populate_fault_info(vcpu));

    fp = __fpsimd_enabled();
    __sysreg_save_guest_state(guest);
    __sysreg32_save_state(vcpu);
    __timer_save_state(vcpu);
    __vgic_save_state(vcpu);
    __deactivate_traps(vcpu);
    __deactivate_vm();
    __sysreg_restore_host_state(host);
    if (fp) {
        __fpsimd_save_state(guest->v);
        __fpsimd_restore_state(host->v);
    }
    __debug_save_state(vcpu, &vcpu->debug, guest);
    __debug_cond_restore_host_state(vcpu);
    return exit;
}

/* An exception nobody expected at EL2: give the host its world back and let it say so. */
void NORETURN __hyp_panic(void);
void NORETURN __hyp_do_panic(u64 handler, u64 spsr, u64 elr, u64 esr, u64 far, u64 hpfar, u64 par, u64 vcpu);
void NORETURN hyp_panic_message(u64 spsr, u64 elr, u64 esr, u64 far, u64 hpfar, u64 par, u64 vcpu);

void __hyp_panic(void)
{
    u64 spsr = sysreg_read_el2(SPSR, "__hyp_panic");
    u64 elr = sysreg_read_el2(ELR, "__hyp_panic");
    u64 par = sysreg_read(PAR_EL1, "__hyp_panic");
    u64 esr, far, hpfar, who;

    if (sysreg_read(VTTBR_EL2, "__hyp_panic")) {
        struct vcpu *vcpu = (struct vcpu *)sysreg_read(TPIDR_EL2, "__hyp_panic");

        __deactivate_traps(vcpu);
        __deactivate_vm();
        __sysreg_restore_host_state(vcpu->host);
    }
#if VHE
    esr = sysreg_read_el2(ESR, "__hyp_call_panic_vhe");
    far = sysreg_read_el2(FAR, "__hyp_call_panic_vhe");
    hpfar = sysreg_read(HPFAR_EL2, "__hyp_call_panic_vhe");
    who = sysreg_read(TPIDR_EL2, "__hyp_call_panic_vhe");
    hyp_panic_message(spsr, elr, esr, far, hpfar, par, who);
#else
    esr = sysreg_read(ESR_EL2, "__hyp_call_panic_nvhe");
    far = sysreg_read_el2(FAR, "__hyp_call_panic_nvhe");
    hpfar = sysreg_read(HPFAR_EL2, "__hyp_call_panic_nvhe");
    who = sysreg_read(TPIDR_EL2, "__hyp_call_panic_nvhe");
    __hyp_do_panic(hyp_config.panic, spsr, elr, esr, far, hpfar, par, who);
#endif
}
