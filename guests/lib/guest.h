/* What every guest supplies to start.S, and what start.S supplies to it. */
#ifndef LIB_GUEST_H
#define LIB_GUEST_H
#include "types.h"

struct frame {
    u64 x[31];
    u64 pc;
    u64 pstate;
    u64 unused;
};

/* The memory that holds a secondary CPU's start: passed to PSCI CPU_ON as the context. */
struct secondary_start {
    u64 stack;
    u64 function;
    u64 argument;
    u64 root;
};

/* Supplied by the guest. */
void guest_main(const void *dtb, u64 started_at_el);
void kernel_irq(struct frame *frame);
void kernel_fault(struct frame *frame, u64 kind, u64 esr, u64 far);

/* Supplied by start.S. */
void secondary_entry(void);
void enable_mmu(u64 root);
extern u8 _image_start[], _text_end[], _hyp_text_start[], _hyp_text_end[], _rodata_start[], _rodata_end[], _data_start[],
    _image_end[];
#endif
