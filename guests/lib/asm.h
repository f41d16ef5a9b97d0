/* Assembler macros shared by all guests. */
#ifndef LIB_ASM_H
#define LIB_ASM_H

/* A PC-relative address: the image may run anywhere. */
.macro address reg, symbol
    adrp    \reg, \symbol
    add     \reg, \reg, :lo12:\symbol
.endm

/*
 * System-register accesses carry the name of the Linux 4.10 function they mirror as their last operand (see
 * sysreg.h): `sys_read x1, esr_el2, el1_sync`.
 */
.macro sys_read reg, sysreg, function
    .ifb \function
    .error "name the 4.10 function"
    .endif
    mrs     \reg, \sysreg
.endm

.macro sys_write sysreg, reg, function
    .ifb \function
    .error "name the 4.10 function"
    .endif
    msr     \sysreg, \reg
.endm

/* TLBI, AT, IC without an operand: `sys_instruction "tlbi alle2", __do_hyp_init`. */
.macro sys_instruction instruction, function
    .ifb \function
    .error "name the 4.10 function"
    .endif
    \instruction
.endm

/* Exception returns and calls, which a hypervisor below may trap as well. */
.macro sys_eret function
    .ifb \function
    .error "name the 4.10 function"
    .endif
    eret
.endm

.macro sys_hvc function
    .ifb \function
    .error "name the 4.10 function"
    .endif
    hvc     #0
.endm

.macro function name
    .global \name
    .type   \name, %function
\name:
.endm

.macro end_function name
    .size   \name, . - \name
.endm
#endif
