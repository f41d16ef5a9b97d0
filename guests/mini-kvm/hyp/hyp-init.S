/* nVHE: the first HVC of each CPU turns EL2's MMU on and installs the hypervisor. Mirrors hyp-init.S. */
#include "accessors.h"
#if !VHE

#define TCR_EL2_MASK 0xff3f /* what is taken from TCR_EL1: TG0, SH0, ORGN0, IRGN0, T0SZ */
#define TCR_EL2_RES1 0x80800000
#define SCTLR_EL2_ON 0x30c5183f /* RES1 | I | SA | C | A | M */
#define SCTLR_EE (1 << 25)

    .section .hyp.text, "ax"
    .align  11
    .global __kvm_hyp_init
__kvm_hyp_init:
    .rept   8
    .align  7
    b       .
    .endr
    .align  7
    b       do_hyp_init
    .rept   7
    .align  7
    b       .
    .endr

/* x0: translation table, x1: stack, x2: vectors */
do_hyp_init:
    sys_write ttbr0_el2, x0, __do_hyp_init
    sys_read x4, tcr_el1, __do_hyp_init
    ldr     x5, =TCR_EL2_MASK
    and     x4, x4, x5
    ldr     x5, =TCR_EL2_RES1
    orr     x4, x4, x5
    sys_read x5, id_aa64mmfr0_el1, __do_hyp_init
    and     x5, x5, #15
    mov     x6, #5
    cmp     x5, x6
    csel    x5, x5, x6, lo
    bfi     x4, x5, #16, #3                         /* PS */
    sys_write tcr_el2, x4, __do_hyp_init
    sys_read x4, mair_el1, __do_hyp_init
    sys_write mair_el2, x4, __do_hyp_init
    isb
    sys_instruction "tlbi alle2", __do_hyp_init
    dsb     sy
    sys_read x4, sctlr_el2, __do_hyp_init
    mov     x5, #SCTLR_EE
    and     x4, x4, x5
    ldr     x5, =SCTLR_EL2_ON
    orr     x4, x4, x5
    sys_write sctlr_el2, x4, __do_hyp_init
    isb
    mov     sp, x1
    sys_write vbar_el2, x2, __do_hyp_init
    sys_eret __do_hyp_init
    .ltorg

/* __cpu_init_hyp_mode(pgd, stack, vectors): at EL1, with __kvm_hyp_init installed */
function __cpu_init_hyp_mode
    str     lr, [sp, #-16]!
    sys_hvc __cpu_init_hyp_mode
    ldr     lr, [sp], #16
    ret
end_function __cpu_init_hyp_mode
#endif
