/*
 * bench bare at EL2: it gives itself the smallest hypervisor there is and goes down to EL1. The hypercall benchmark
 * then measures an HVC and the ERET of this stub.
 */
#include "asm.h"

#define HCR_EL2_RW (1 << 31)
#define SPSR_EL1H_DAIF 0x3c5
#define SCTLR_EL1_OFF 0x30d00800

    .text
function el2_setup
    mov     x0, #HCR_EL2_RW
    sys_write hcr_el2, x0, el2_setup
    isb
    sys_read x0, cnthctl_el2, el2_setup
    orr     x0, x0, #3                              /* EL1PCEN | EL1PCTEN */
    sys_write cnthctl_el2, x0, el2_setup
    sys_write cntvoff_el2, xzr, el2_setup
    sys_read x0, id_aa64pfr0_el1, el2_setup
    ubfx    x0, x0, #24, #4
    cbz     x0, 1f
    sys_read x0, S3_4_C12_C9_5, el2_setup           /* ICC_SRE_EL2 */
    mov     x1, #9                                  /* Enable | SRE */
    orr     x0, x0, x1
    sys_write S3_4_C12_C9_5, x0, el2_setup
    isb
    sys_write S3_4_C12_C11_0, xzr, el2_setup        /* ICH_HCR_EL2 */
1:  sys_read x0, midr_el1, el2_setup
    sys_read x1, mpidr_el1, el2_setup
    sys_write vpidr_el2, x0, el2_setup
    sys_write vmpidr_el2, x1, el2_setup
    sys_write hstr_el2, xzr, el2_setup
    sys_write mdcr_el2, xzr, el2_setup
    sys_write vttbr_el2, xzr, el2_setup
    mov     x0, #(SCTLR_EL1_OFF & 0xffff)
    movk    x0, #(SCTLR_EL1_OFF >> 16), lsl #16
    sys_write sctlr_el1, x0, el2_setup
    mov     x0, #0x33ff
    sys_write cptr_el2, x0, el2_setup
    address x0, stub_vectors
    sys_write vbar_el2, x0, el2_setup
    mov     x0, #SPSR_EL1H_DAIF
    sys_write spsr_el2, x0, el2_setup
    sys_write elr_el2, lr, el2_setup
    eret
end_function el2_setup

    .align  11
stub_vectors:
    .rept   8
    .align  7
    b       .
    .endr
    .align  7
    eret                                            /* HVC from EL1: back at once */
    .rept   7
    .align  7
    b       .
    .endr
