/* Into the VM and out of it. Mirrors entry.S of 4.10. */
#include "accessors.h"
#include "offsets.h"

#define EXIT_WITH_SERROR_BIT 31
#define CPTR_TFP_SHIFT 10

    .section .hyp.text, "ax"

.macro save_x19_to_lr context
    stp     x19, x20, [\context, #19 * 8]
    stp     x21, x22, [\context, #21 * 8]
    stp     x23, x24, [\context, #23 * 8]
    stp     x25, x26, [\context, #25 * 8]
    stp     x27, x28, [\context, #27 * 8]
    stp     x29, x30, [\context, #29 * 8]
.endm

.macro load_x19_to_lr context
    ldp     x19, x20, [\context, #19 * 8]
    ldp     x21, x22, [\context, #21 * 8]
    ldp     x23, x24, [\context, #23 * 8]
    ldp     x25, x26, [\context, #25 * 8]
    ldp     x27, x28, [\context, #27 * 8]
    ldp     x29, x30, [\context, #29 * 8]
.endm

/* u64 __guest_enter(vcpu, host context): returns when the VM exits */
function __guest_enter
    save_x19_to_lr x1
    str     x1, [sp, #-16]!
    mov     x18, x0                                 /* the context is the vCPU's first member */
    load_x19_to_lr x18
    ldp     x0, x1, [x18, #0 * 8]
    ldp     x2, x3, [x18, #2 * 8]
    ldp     x4, x5, [x18, #4 * 8]
    ldp     x6, x7, [x18, #6 * 8]
    ldp     x8, x9, [x18, #8 * 8]
    ldp     x10, x11, [x18, #10 * 8]
    ldp     x12, x13, [x18, #12 * 8]
    ldp     x14, x15, [x18, #14 * 8]
    ldp     x16, x17, [x18, #16 * 8]
    ldr     x18, [x18, #18 * 8]
    sys_eret __guest_enter
end_function __guest_enter

/* x0: exit code, x1: vcpu, the VM's x0 and x1 on the stack, all else the VM's */
function __guest_exit
    stp     x2, x3, [x1, #2 * 8]
    ldp     x2, x3, [sp], #16
    stp     x2, x3, [x1, #0]
    stp     x4, x5, [x1, #4 * 8]
    stp     x6, x7, [x1, #6 * 8]
    stp     x8, x9, [x1, #8 * 8]
    stp     x10, x11, [x1, #10 * 8]
    stp     x12, x13, [x1, #12 * 8]
    stp     x14, x15, [x1, #14 * 8]
    stp     x16, x17, [x1, #16 * 8]
    str     x18, [x1, #18 * 8]
    save_x19_to_lr x1
    ldr     x2, [sp], #16
    load_x19_to_lr x2

    /* An SError of the VM is taken here, in a window of one instruction, or never. */
    sys_read x2, elr_el2, __guest_exit
    sys_read x3, esr_el2, __guest_exit
    sys_read x4, spsr_el2, __guest_exit
    mov     x5, x0
    dsb     sy
    msr     daifclr, #4                             /* 4.10: __guest_exit */
    .global abort_guest_exit_start
abort_guest_exit_start:
    isb
    .global abort_guest_exit_end
abort_guest_exit_end:
    tbz     x0, #EXIT_WITH_SERROR_BIT, 1f
    sys_write elr_el2, x2, __guest_exit
    sys_write esr_el2, x3, __guest_exit
    sys_write spsr_el2, x4, __guest_exit
    orr     x0, x0, x5
1:  ret
end_function __guest_exit

/* The VM's first use of FP or SIMD since it was entered: save the host's, load the VM's, let it go on. */
function __fpsimd_guest_restore
    stp     x2, x3, [sp, #-16]!
    stp     x4, x30, [sp, #-16]!
#if VHE
    sys_read x2, cpacr_el1, __fpsimd_guest_restore
    orr     x2, x2, #(3 << 20)
    sys_write cpacr_el1, x2, __fpsimd_guest_restore
#else
    sys_read x2, cptr_el2, __fpsimd_guest_restore
    bic     x2, x2, #(1 << CPTR_TFP_SHIFT)
    sys_write cptr_el2, x2, __fpsimd_guest_restore
#endif
    isb
    sys_read x3, tpidr_el2, __fpsimd_guest_restore
    ldr     x0, [x3, #VCPU_HOST]
    add     x0, x0, #CONTEXT_FP
    bl      __fpsimd_save_state
    add     x0, x3, #CONTEXT_FP
    bl      __fpsimd_restore_state
    sys_read x1, hcr_el2, __fpsimd_guest_restore    /* RW: no FPEXC32 to restore */
    ldp     x4, x30, [sp], #16
    ldp     x2, x3, [sp], #16
    ldp     x0, x1, [sp], #16
    sys_eret __fpsimd_guest_restore
end_function __fpsimd_guest_restore

    .arch   armv8-a+fp+simd

.macro fp_registers op
    .irp    n, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
    fp_pair \op, \n
    .endr
.endm

.altmacro
.macro fp_pair_names op, n, m, offset
    \op     q\n, q\m, [x0, #\offset]
.endm
.macro fp_pair op, n
    fp_pair_names \op, \n, %(\n + 1), %(\n * 16)
.endm

/* x0: 32 vector registers, FPSR, FPCR; leaves x2 to x30 alone but for x4 */
function __fpsimd_save_state
    fp_registers stp
    mrs     x4, fpsr                                /* 4.10: fpsimd_save */
    str     w4, [x0, #512]
    mrs     x4, fpcr                                /* 4.10: fpsimd_save */
    str     w4, [x0, #516]
    ret
end_function __fpsimd_save_state

function __fpsimd_restore_state
    fp_registers ldp
    ldr     w4, [x0, #512]
    msr     fpsr, x4                                /* 4.10: fpsimd_restore */
    ldr     w4, [x0, #516]
    msr     fpcr, x4                                /* 4.10: fpsimd_restore */
    ret
end_function __fpsimd_restore_state
