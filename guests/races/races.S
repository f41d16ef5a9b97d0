/*
 * TLB maintenance against running vCPUs. Four CPUs at EL2; three of them run one nested VM that counts up in a word of one page: each reads
 * its word, compares it with what it wrote last, and writes one more. Meanwhile the first CPU moves the page from under them, as break-before-make
 * asks: descriptor invalid, TLBI by IPA and for stage 1, DSB; then it copies the page, fills the old one with a pattern, and maps the copy.
 * A translation that survives the TLBI reads the pattern or loses a count. Prints "races: done", or "races: stale".
 */
#include "asm.h"

#define ROUNDS 300
#define DELAYS 0x1fff              /* instructions between two moves: up to this, by a generator */
#define CPUS 4
#define SHARED 0x10000000           /* the nested VM's address of the page; it is in no RAM */
#define PATTERN 0x9d3c5ae79d3c5ae7
#define PL011 0x09000000

#define CPU_ON 0xc4000003
#define CPU_OFF 0x84000002
#define SYSTEM_OFF 0x84000008

#define S2_NORMAL 0x7fc             /* access flag, inner shareable, read and write, write-back */
#define VTCR 0x80023560             /* 32 bits, start at level 1, 4 KiB, write-back walks, 40-bit output */
#define HCR 0x80000001              /* RW, VM */
#define SCTLR_EL1_OFF 0x30d00800
#define SPSR_EL1H 0x3c5

    .section .head.text, "ax"
    .global _head
_head:
    b       first
    .long   0
    .quad   0
    .quad   _image_size
    .quad   0xa
    .quad   0
    .quad   0
    .quad   0
    .ascii  "ARM\x64"
    .long   0

.macro constant reg, value
    ldr     \reg, =\value
.endm

first:
    /* The nested VM's stage 2: its code where it is, and the shared page through three levels. */
    address x0, level1
    address x1, level2
    orr     x2, x1, #3
    str     x2, [x0]
    constant x2, (0x40000000 | S2_NORMAL | 1)
    str     x2, [x0, #8]
    address x2, level3
    orr     x3, x2, #3
    str     x3, [x1, #(SHARED >> 21 << 3)]
    address x21, page_a
    address x22, page_b
    constant x3, (S2_NORMAL | 3)
    orr     x3, x3, x21
    str     x3, [x2]
    dsb     ish
    bl      setup

    mov     x19, #1
1:  constant x0, CPU_ON
    mov     x1, x19
    address x2, secondary
    mov     x3, x19
    smc     #0
    cbnz    x0, cannot_start
    add     x19, x19, #1
    cmp     x19, #CPUS
    b.lo    1b

    mov     x20, #ROUNDS
    address x23, level3
    constant x25, PATTERN
    mov     x26, #1
round:
    str     xzr, [x23]
    dsb     ishst
    constant x0, (SHARED >> 12)
    tlbi    ipas2e1is, x0
    dsb     ish
    tlbi    vmalle1is
    dsb     ish
    isb
    /* Nobody reaches the page now. */
    mov     x1, #0
1:  ldr     x2, [x21, x1]
    str     x2, [x22, x1]
    str     x25, [x21, x1]
    add     x1, x1, #8
    cmp     x1, #256
    b.lo    1b
    constant x1, (S2_NORMAL | 3)
    orr     x1, x1, x22
    str     x1, [x23]
    dsb     ish
    mov     x1, x21
    mov     x21, x22
    mov     x22, x1
    constant x1, 0x5851f42d4c957f2d
    mul     x26, x26, x1
    add     x26, x26, #0x7b1
    lsr     x1, x26, #40
    and     x1, x1, #DELAYS
    add     x1, x1, #1
2:  subs    x1, x1, #1
    b.ne    2b
    subs    x20, x20, #1
    b.ne    round

    address x0, stop
    mov     x1, #1
    str     x1, [x0]
    dsb     ish
    /* Results: 1 as it should be, 2 what is stale. */
    address x0, results
    mov     x1, #1
    mov     x3, #0
3:  ldr     x2, [x0, x1, lsl #3]
    cbz     x2, 3b
    orr     x3, x3, x2
    add     x1, x1, #1
    cmp     x1, #CPUS
    b.lo    3b
    cmp     x3, #1
    address x0, done_text
    address x1, stale_text
    csel    x0, x0, x1, eq
say:
    constant x1, PL011
1:  ldrb    w2, [x0], #1
    cbz     w2, 2f
    str     w2, [x1]
    b       1b
2:  constant x0, SYSTEM_OFF
    smc     #0
    b       .
cannot_start:
    address x0, start_text
    b       say

/* x0: number of the CPU. */
secondary:
    mov     x19, x0
    bl      setup
    lsl     x21, x19, #3
    mov     x19, #0
    constant x20, SHARED
    address x22, stop
    address x0, nested
    msr     elr_el2, x0
    mov     x0, #SPSR_EL1H
    msr     spsr_el2, x0
    isb
    eret

setup:
    constant x0, HCR
    msr     hcr_el2, x0
    isb
    constant x0, VTCR
    msr     vtcr_el2, x0
    address x0, level1
    movk    x0, #1, lsl #48         /* VMID 1 */
    msr     vttbr_el2, x0
    constant x0, SCTLR_EL1_OFF
    msr     sctlr_el1, x0
    mov     x0, #0x33ff
    msr     cptr_el2, x0
    address x0, vectors
    msr     vbar_el2, x0
    isb
    ret

/* The nested VM: x19 what it wrote last, x20 the page, x21 its word, x22 when to stop. */
nested:
    ldr     x2, [x20, x21]
    cmp     x2, x19
    b.ne    1f
    add     x19, x19, #1
    str     x19, [x20, x21]
    ldr     x3, [x22]
    cbz     x3, nested
    hvc     #1
1:  hvc     #2

    .align  11
vectors:
    .rept   8
    .align  7
    b       fatal
    .endr
    .align  7
    b       from_nested
    .rept   7
    .align  7
    b       fatal
    .endr

/* x0 to x5 are not used where the nested VM can fault. */
from_nested:
    mrs     x0, esr_el2
    lsr     x1, x0, #26
    cmp     x1, #0x24
    b.eq    1f
    cmp     x1, #0x16
    b.ne    fatal
    and     x0, x0, #3
    address x1, results
    str     x0, [x1, x21]
    dsb     ish
    constant x0, CPU_OFF
    smc     #0
    b       .
    /* The page is on its way: again when it has arrived. */
1:  address x1, level3
2:  ldr     x0, [x1]
    cbz     x0, 2b
    eret

fatal:
    address x0, fatal_text
    b       say

    .ltorg
done_text:
    .asciz  "races: done\n"
stale_text:
    .asciz  "races: stale\n"
start_text:
    .asciz  "races: a CPU does not start\n"
fatal_text:
    .asciz  "races: unexpected exception\n"

    .bss
    .align  12
level1: .space 4096
level2: .space 4096
level3: .space 4096
page_a: .space 4096
page_b: .space 4096
stop:   .space 64
results: .space 64
