/* Entry of the yard's programs: position independent, own stack, ends with SVC #0 (HOSTED: prints the checksum's low byte as exit status). */
    .global _start
_start:
#ifdef HOSTED
    ldr x0, [sp]            /* argc - 1 times ten rounds */
    sub x0, x0, #1
    mov x1, #ROUNDS
    mul x0, x0, x1
#endif
    adr x1, stack_end
    mov sp, x1
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
#endif
    svc #0
1:  b 1b
    .bss
    .balign 16
    .skip 65536
stack_end:
result: .skip 16
