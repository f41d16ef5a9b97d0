#include "asm.h"

    .arch   armv8-a+fp+simd
    .text

/*
 * fp_check(seed, hypercalls): fills v0 to v31 and FPCR, exits to the hypervisor by a hypercall (if there is one), and
 * compares. Returns 1 if all are unchanged.
 */
function fp_check
    stp     x29, x30, [sp, #-16]!
    mov     x9, x0
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    add     x10, x9, #\n
    dup     v\n\().2d, x10
    ins     v\n\().d[1], x9
    .endr
    mov     x10, #(1 << 22)                         /* FPCR.RMode = 1 */
    msr     fpcr, x10
    cbz     x1, 1f
    mov     x0, #0x4b000000
    hvc     #0
1:  mov     x0, #1
    .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    add     x10, x9, #\n
    umov    x11, v\n\().d[0]
    cmp     x10, x11
    csel    x0, x0, xzr, eq
    umov    x11, v\n\().d[1]
    cmp     x9, x11
    csel    x0, x0, xzr, eq
    .endr
    mrs     x11, fpcr
    mov     x10, #(1 << 22)
    cmp     x10, x11
    csel    x0, x0, xzr, eq
    msr     fpcr, xzr
    ldp     x29, x30, [sp], #16
    ret
end_function fp_check
