/*
 * Start-up at EL2. nVHE: prepares EL2, leaves a stub there and goes down to EL1, where the kernel part runs.
 * VHE: sets HCR_EL2.E2H and TGE and stays. Mirrors el2_setup and the stub of arch/arm64/kernel.
 */
#include "accessors.h"

#define HVC_GET_VECTORS 1
#define HVC_SET_VECTORS 2
#define ESR_EC_HVC64 0x16
#define SPSR_EL1H_DAIF 0x3c5
#define SCTLR_EL1_OFF 0x30d00800

    .section .hyp.text, "ax"

function el2_setup
    sys_read x0, sctlr_el2, el2_setup
    mov     x1, #(1 << 25)
    bic     x0, x0, x1                              /* EE: little-endian */
    sys_write sctlr_el2, x0, el2_setup
    isb
#if VHE
    sys_read x2, id_aa64mmfr1_el1, el2_setup
    ubfx    x2, x2, #8, #4                          /* VH; without it guest_main finds itself at EL1 */
#else
    mov     x2, #0
#endif
    mov     x0, #(1 << 31)                          /* HCR_EL2.RW */
    cbz     x2, 1f
    orr     x0, x0, #(1 << 27)                      /* TGE */
    orr     x0, x0, #(1 << 34)                      /* E2H */
1:  sys_write hcr_el2, x0, el2_setup
    isb

    cbnz    x2, 5f
    sys_read x0, cnthctl_el2, el2_setup
    orr     x0, x0, #3                              /* EL1PCEN | EL1PCTEN */
    sys_write cnthctl_el2, x0, el2_setup
5:  sys_write cntvoff_el2, xzr, el2_setup

    sys_read x0, id_aa64pfr0_el1, el2_setup
    ubfx    x0, x0, #24, #4                         /* GIC system registers */
    cbz     x0, 2f
    sys_read x0, S3_4_C12_C9_5, el2_setup           /* ICC_SRE_EL2 */
    orr     x0, x0, #1                              /* SRE */
    orr     x0, x0, #8                              /* Enable */
    sys_write S3_4_C12_C9_5, x0, el2_setup
    isb
    sys_read x0, S3_4_C12_C9_5, el2_setup           /* did it stick? */
    tbz     x0, #0, 2f
    sys_write S3_4_C12_C11_0, xzr, el2_setup        /* ICH_HCR_EL2 */

2:  sys_read x0, midr_el1, el2_setup
    sys_read x1, mpidr_el1, el2_setup
    sys_write vpidr_el2, x0, el2_setup
    sys_write vmpidr_el2, x1, el2_setup

    cbnz    x2, 6f                                  /* VHE: EL1 is the VM's alone */
    mov     x0, #(SCTLR_EL1_OFF & 0xffff)
    movk    x0, #(SCTLR_EL1_OFF >> 16), lsl #16
    sys_write sctlr_el1, x0, el2_setup
    mov     x0, #0x33ff
    sys_write cptr_el2, x0, el2_setup
6:
    sys_write hstr_el2, xzr, el2_setup

    sys_read x0, id_aa64dfr0_el1, el2_setup
    sbfx    x0, x0, #8, #4                          /* PMUVer */
    mov     x1, #0
    cmp     x0, #1
    b.lt    3f
    sys_read x1, pmcr_el0, el2_setup
    ubfx    x1, x1, #11, #5                         /* N: all counters for EL1 */
3:  sys_write mdcr_el2, x1, el2_setup
    sys_write vttbr_el2, xzr, el2_setup
    cbz     x2, 4f
    isb
    ret
4:  address x0, __hyp_stub_vectors
    sys_write vbar_el2, x0, el2_setup
    mov     x0, #SPSR_EL1H_DAIF
    sys_write spsr_el2, x0, el2_setup
    sys_write elr_el2, lr, el2_setup
    sys_eret el2_setup
end_function el2_setup

#if !VHE
stub_sync:
    sys_read x30, esr_el2, __hyp_stub_vectors
    lsr     x30, x30, #26
    cmp     x30, #ESR_EC_HVC64
    b.ne    3f
    cmp     x0, #HVC_GET_VECTORS
    b.ne    1f
    sys_read x0, vbar_el2, __hyp_stub_vectors
    b       3f
1:  cmp     x0, #HVC_SET_VECTORS
    b.ne    3f
    sys_write vbar_el2, x1, __hyp_stub_vectors
3:  sys_eret __hyp_stub_vectors

/* __hyp_set_vectors(vectors) */
function __hyp_set_vectors
    str     lr, [sp, #-16]!
    mov     x1, x0
    mov     x0, #HVC_SET_VECTORS
    sys_hvc __hyp_set_vectors
    ldr     lr, [sp], #16
    ret
end_function __hyp_set_vectors
#endif

    .align  11
__hyp_stub_vectors:
    .rept   8
    .align  7
    b       .
    .endr
    .align  7
#if VHE
    b       .
#else
    b       stub_sync
#endif
    .rept   7
    .align  7
    b       .
    .endr
