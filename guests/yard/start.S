/*
 * Entry of the yard's programs, as an arm64 Image: identity map with caches on, own stack, FP on; ends with PSCI SYSTEM_OFF by HVC and the
 * checksum in X1. The doublewords at offsets 64 and 72 say which row runs and for how many rounds. HOSTED: a Linux program that writes the
 * checksum to stdout.
 */
    .global _start
_start:
    b 1f
    .long 0
    .quad 0x80000               // text_offset
    .quad 0x600000              // image_size, .bss included
    .quad 2                     // 4 KiB pages
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .long 0
row:
    .quad ROW
rounds:
    .quad ROUNDS
1:
#ifndef HOSTED
    // 0 to 1 GiB Device, 1 to 2 GiB Normal.
    adr x1, table
    mov x2, #0x401
    movk x2, #0x0040, lsl #48
    str x2, [x1]
    mov x2, #0x0705
    movk x2, #0x4000, lsl #16
    str x2, [x1, #8]
    dsb sy
    mov x2, #0xff00
    msr mair_el1, x2
    mov x2, #0x3519
    movk x2, #0x80, lsl #16
    msr tcr_el1, x2
    msr ttbr0_el1, x1
    isb
    mrs x2, sctlr_el1
    mov x3, #0x1005
    orr x2, x2, x3
    msr sctlr_el1, x2
    mov x2, #0x300000
    msr cpacr_el1, x2
    isb
#endif
    adr x1, stack_end
    mov sp, x1
    ldr x0, row
    ldr x1, rounds
    bl yard
#ifdef HOSTED
    adr x1, result
    str x0, [x1]
    mov x0, #1
    mov x2, #8
    mov x8, #64
    svc #0
    mov x0, #0
    mov x8, #93
    svc #0
#endif
    mov x1, x0
    mov w0, #0x0008
    movk w0, #0x8400, lsl #16
    hvc #0
2:  b 2b
    .bss
    .balign 4096
table: .skip 4096
    .skip 65536
stack_end:
result: .skip 16
