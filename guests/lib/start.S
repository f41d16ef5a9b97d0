/*
 * Image header and start-up (arm64 boot protocol: x0 = device tree, MMU off, EL2h or EL1h).
 *
 * The guest supplies el2_setup (called at EL2, returns in x0's place at the EL its kernel part uses, LR = return
 * address) and guest_main(dtb).
 */
#include "asm.h"

#define SCTLR_EL1_ON 0x30d0181d /* RES1 | I | SA0=1,SA=1 | C | M (__cpu_setup's crval without UCT, UCI, nTWE ..) */
#define STACK_SIZE 16384

    .section .head.text, "ax"
    .global _head
_head:
    b       _start
    .long   0
    .quad   0                       /* text_offset: any 2 MiB aligned base */
    .quad   _image_size
    .quad   0xa                     /* little-endian, 4K pages, anywhere in memory */
    .quad   0
    .quad   0
    .quad   0
    .ascii  "ARM\x64"
    .long   0

function _start
    mov     x20, x0
    mov     x21, #0                 /* x21: the EL we were started at */
    address x1, boot_stack_end
    mov     sp, x1
    sys_read x2, CurrentEL, el2_setup
    cmp     x2, #(2 << 2)
    b.ne    1f
    mov     x21, #2
    bl      el2_setup
    address x1, boot_stack_end      /* SP_EL1, where el2_setup went down */
    mov     sp, x1
1:
    address x0, _bss_start
    address x2, _bss_end
    sub     x2, x2, x0
    mov     x1, #0
    bl      memset
    mov     x0, x20
    mov     x1, x21
    mov     x29, #0
    bl      guest_main
2:  wfi
    b       2b
end_function _start

/* PSCI CPU_ON comes here: x0 = { stack, function, argument, translation table root }. */
function secondary_entry
    mov     x20, x0
    ldr     x1, [x20]
    mov     sp, x1
    sys_read x2, CurrentEL, el2_setup
    cmp     x2, #(2 << 2)
    b.ne    1f
    bl      el2_setup
    ldr     x1, [x20]
    mov     sp, x1
1:
    ldr     x0, [x20, #24]
    bl      enable_mmu
    ldp     x1, x0, [x20, #8]
    mov     x29, #0
    blr     x1
2:  wfi
    b       2b
end_function secondary_entry

/*
 * enable_mmu(root): EL1 names; in a VHE kernel they mean EL2. 39-bit input addresses, 4K granule, inner shareable
 * write-back walks, upper range off. Also the vectors.
 */
function enable_mmu
    sys_instruction "tlbi vmalle1", __cpu_setup
    dsb     nsh
    mov     x1, #(3 << 20)
    sys_write cpacr_el1, x1, __cpu_setup            /* FP and SIMD */
    mov     x1, #(1 << 12)
    sys_write mdscr_el1, x1, __cpu_setup            /* TDCC */
    isb
    mov     x1, #0xff04                             /* attribute 1: normal write-back, 0: Device-nGnRE */
    sys_write mair_el1, x1, __cpu_setup
    ldr     x1, =0x00803519                         /* EPD1, SH0 inner, ORGN0, IRGN0 write-back, T0SZ 25 */
    sys_read x2, id_aa64mmfr0_el1, __cpu_setup
    and     x2, x2, #15
    mov     x3, #5
    cmp     x2, x3
    csel    x2, x2, x3, lo
    bfi     x1, x2, #32, #3                         /* IPS */
    sys_write tcr_el1, x1, __cpu_setup
    sys_write ttbr0_el1, x0, __enable_mmu
    sys_write ttbr1_el1, xzr, __enable_mmu
    address x1, kernel_vectors
    sys_write vbar_el1, x1, __primary_switched
    isb
    ldr     x1, =SCTLR_EL1_ON
    sys_write sctlr_el1, x1, __enable_mmu
    isb
    sys_instruction "ic iallu", __enable_mmu
    dsb     nsh
    isb
    ret
end_function enable_mmu

/* ------------------------------------------------------------------------------------------------------------------ */

    .text

#define FRAME_SIZE 272

.macro enter
    sub     sp, sp, #FRAME_SIZE
    stp     x0, x1, [sp, #0]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    sys_read x1, elr_el1, kernel_entry
    sys_read x2, spsr_el1, kernel_entry
    stp     x30, x1, [sp, #240]
    str     x2, [sp, #256]
.endm

/* Kernel vectors; `kind` is the index of the entry. */
    .align  11
    .global kernel_vectors
kernel_vectors:
    .set    index, 0
    .rept   16
    .align  7
    enter
    mov     x1, #index
    b       exception
    .set    index, index + 1
    .endr

exception:
    mov     x0, sp
    and     x2, x1, #3
    cmp     x2, #1
    b.ne    1f
    bl      kernel_irq
    b       2f
1:  sys_read x2, esr_el1, el1_sync.kernel
    sys_read x3, far_el1, el1_sync.kernel
    bl      kernel_fault                            /* (frame, kind, esr, far); returns if it mended the cause */
2:
    ldp     x30, x1, [sp, #240]
    ldr     x2, [sp, #256]
    sys_write elr_el1, x1, kernel_exit
    sys_write spsr_el1, x2, kernel_exit
    ldp     x0, x1, [sp, #0]
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    add     sp, sp, #FRAME_SIZE
    sys_eret kernel_exit

    .bss
    .align  4
boot_stack:
    .space  STACK_SIZE
    .global boot_stack_end
boot_stack_end:
