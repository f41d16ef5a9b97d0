/* The vectors of the hypervisor. Mirrors hyp-entry.S of 4.10. */
#include "accessors.h"
#include "offsets.h"

#define ESR_EC_SHIFT 26
#define EC_FP_ASIMD 0x07
#define EC_HVC64 0x16
#define EXIT_IRQ 0
#define EXIT_SERROR 1
#define EXIT_TRAP 2
#define EXIT_WITH_SERROR_BIT 31
#define HVC_GET_VECTORS 1
#define SPSR_EL1H_DAIF 0x3c5

    .section .hyp.text, "ax"

/* kvm_call_hyp_asm(function, a, b, c) */
function kvm_call_hyp_asm
#if VHE
    str     lr, [sp, #-16]!
    mov     x9, x0
    mov     x0, x1
    mov     x1, x2
    mov     x2, x3
    blr     x9
    ldr     lr, [sp], #16
    isb                                             /* __vhe_hyp_call: the ISB an exception return would have been */
    ret
#else
    str     lr, [sp, #-16]!                         /* the call at EL2 uses LR */
    sys_hvc __kvm_call_hyp
    ldr     lr, [sp], #16
    ret
#endif
end_function kvm_call_hyp_asm

el1_sync:                                           /* the VM trapped, or the kernel part calls */
    stp     x0, x1, [sp, #-16]!
#if VHE
    sys_read x1, esr_el1, el1_sync
#else
    sys_read x1, esr_el2, el1_sync
#endif
    lsr     x0, x1, #ESR_EC_SHIFT
    cmp     x0, #EC_HVC64
    b.ne    el1_trap
    sys_read x1, vttbr_el2, el1_sync                /* a VM is running: the HVC is its own */
    cbnz    x1, el1_trap

    ldp     x0, x1, [sp], #16
    cmp     x0, #HVC_GET_VECTORS
    b.ne    1f
    sys_read x0, vbar_el2, el1_sync
    sys_eret el1_sync
1:  mov     lr, x0
    mov     x0, x1
    mov     x1, x2
    mov     x2, x3
    blr     lr
    sys_eret el1_sync

el1_trap:                                           /* x0: exception class */
    cmp     x0, #EC_FP_ASIMD
    b.eq    __fpsimd_guest_restore
    sys_read x1, tpidr_el2, el1_trap
    mov     x0, #EXIT_TRAP
    b       __guest_exit

el1_irq:
    stp     x0, x1, [sp, #-16]!
    sys_read x1, tpidr_el2, el1_irq
    mov     x0, #EXIT_IRQ
    b       __guest_exit

el1_error:
    stp     x0, x1, [sp, #-16]!
    sys_read x1, tpidr_el2, el1_error
    mov     x0, #EXIT_SERROR
    b       __guest_exit

/* An SError at EL2 is expected in the window of __guest_exit and nowhere else. */
el2_error:
    sys_read x0, elr_el2, el2_error
    address x1, abort_guest_exit_start
    cmp     x0, x1
    address x1, abort_guest_exit_end
    ccmp    x0, x1, #4, ne
    b.ne    hyp_invalid
    mov     x0, #(1 << EXIT_WITH_SERROR_BIT)
    sys_eret el2_error

hyp_invalid:
    b       __hyp_panic

/* __hyp_do_panic(handler, spsr, elr, esr, far, hpfar, par, vcpu): nVHE, gives the message to the kernel part. */
function __hyp_do_panic
    mov     x8, x0
    mov     x0, #SPSR_EL1H_DAIF
    sys_write spsr_el2, x0, __hyp_do_panic
    sys_write elr_el2, x8, __hyp_do_panic
    mov     x0, x1
    mov     x1, x2
    mov     x2, x3
    mov     x3, x4
    mov     x4, x5
    mov     x5, x6
    mov     x6, x7
    sys_eret __hyp_do_panic
end_function __hyp_do_panic

.macro entry target
    .align  7
    b       \target
.endm

    .align  11
    .global __kvm_hyp_vector
__kvm_hyp_vector:
    .rept   7
    entry   hyp_invalid
    .endr
    entry   el2_error
    .rept   2
    entry   el1_sync
    entry   el1_irq
    entry   hyp_invalid
    entry   el1_error
    .endr
