/*
 * Entry of the yard's programs: position independent, own stack, ends with PSCI SYSTEM_OFF by HVC and the checksum in X1.
 * The number of rounds is the doubleword at offset 8 of the image. HOSTED: a Linux program that writes the checksum to stdout.
 */
    .global _start
_start:
    b 1f
    nop
rounds:
    .quad ROUNDS
1:  adr x1, stack_end
    mov sp, x1
    ldr x0, rounds
    bl mix
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
    .balign 16
    .skip 65536
stack_end:
result: .skip 16
