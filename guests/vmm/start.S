/* Entry of the process, system calls and new threads (Linux arm64: number in x8, arguments in x0 to x5). */
#define FUNCTION(name) .globl name; .hidden name; .type name, %function; .balign 16; name:
#define SYS_clone 220
#define SYS_exit 93

    .text
/* The kernel starts the process with SP at argc, argv[0] .. argv[argc - 1], NULL. */
FUNCTION(_start)
    mov x29, xzr
    mov x30, xzr
    ldr x0, [sp]
    add x1, sp, #8
    bl  main
    b   .

/* s64 system_call(u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f) */
FUNCTION(system_call)
    mov x8, x0
    mov x0, x1
    mov x1, x2
    mov x2, x3
    mov x3, x4
    mov x4, x5
    mov x5, x6
    svc #0
    ret

/* s64 start_thread(u64 flags, void *stack_top, void (*function)(void *), void *argument): the thread ends with its function. */
FUNCTION(start_thread)
    stp x2, x3, [x1, #-16]!
    mov x2, xzr
    mov x3, xzr
    mov x4, xzr
    mov x8, #SYS_clone
    svc #0
    cbz x0, 1f
    ret
1:  mov x29, xzr
    mov x30, xzr
    ldp x1, x0, [sp], #16
    blr x1
    mov x0, xzr
    mov x8, #SYS_exit
    svc #0
    b   .

    .section .note.GNU-stack, "", %progbits
