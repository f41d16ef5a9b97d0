/* Functions of the hypervisor part: the kernel part reaches them by kvm_call_hyp() only. */
#ifndef HYP_H
#define HYP_H
#include "kvm.h"

/*
 * nVHE: HVC to EL2 with the function in X0; VHE: a call (hyp-entry.S). Returns what the function returns.
 */
u64 kvm_call_hyp_asm(u64 function, u64 a, u64 b, u64 c);
#define kvm_call_hyp(function, a, b, c) kvm_call_hyp_asm((u64)(function), (u64)(a), (u64)(b), (u64)(c))

u64 __kvm_vcpu_run(struct vcpu *vcpu);
u64 __guest_enter(struct vcpu *vcpu, struct cpu_context *host);
u64 __init_stage2_translation(void);
u64 __kvm_get_mdcr_el2(void);
void __kvm_flush_vm_context(void);
void __kvm_tlb_flush_vmid(struct kvm *kvm);
void __kvm_tlb_flush_vmid_ipa(struct kvm *kvm, u64 ipa);
u64 __vgic_v3_get_ich_vtr_el2(void);
void __vgic_v3_init_lrs(void);

void __sysreg_save_host_state(struct cpu_context *ctxt);
void __sysreg_save_guest_state(struct cpu_context *ctxt);
void __sysreg_restore_host_state(struct cpu_context *ctxt);
void __sysreg_restore_guest_state(struct cpu_context *ctxt);
void __sysreg32_save_state(struct vcpu *vcpu);
void __sysreg32_restore_state(struct vcpu *vcpu);
void __debug_cond_save_host_state(struct vcpu *vcpu);
void __debug_cond_restore_host_state(struct vcpu *vcpu);
void __debug_save_state(struct vcpu *vcpu, struct debug_state *debug, struct cpu_context *ctxt);
void __debug_restore_state(struct vcpu *vcpu, struct debug_state *debug, struct cpu_context *ctxt);
void __timer_save_state(struct vcpu *vcpu);
void __timer_restore_state(struct vcpu *vcpu);
void __vgic_v2_save_state(struct vcpu *vcpu);
void __vgic_v2_restore_state(struct vcpu *vcpu);
void __vgic_v3_save_state(struct vcpu *vcpu);
void __vgic_v3_restore_state(struct vcpu *vcpu);
void __fpsimd_save_state(void *state);
void __fpsimd_restore_state(void *state);

/* Hypervisor start-up (hyp-init.S, head.S). */
extern u8 __kvm_hyp_init[], __kvm_hyp_vector[];
void __hyp_set_vectors(u64 vectors);
void __cpu_init_hyp_mode(u64 pgd, u64 stack, u64 vectors);

/* Set once before the first VM runs: the static keys of Linux. */
struct hyp_config {
    bool gicv3;
    bool fp;
    u64 panic;
};
extern struct hyp_config hyp_config;
#endif
