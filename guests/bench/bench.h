#ifndef BENCH_H
#define BENCH_H
#include "types.h"

/* Contract with the lab: HINT #126 with X0 = benchmark << 8 | phase. A NOP everywhere else. */
enum benchmark { HYPERCALL = 1, DEVICE_IO = 2, VIRTUAL_IPI = 3, VIRTUAL_EOI = 4 };
enum phase { OPERATION_BEGINS = 1, OPERATION_ENDS = 2, SERIES_BEGINS = 3, SERIES_ENDS = 4 };

static inline void marker(enum benchmark benchmark, enum phase phase)
{
    register u64 x0 __asm__("x0") = (u64)benchmark << 8 | phase;

    __asm__ volatile("hint #126" : : "r"(x0) : "memory");
}

#define MAX_CPUS 8
#define SGI_PING 1

struct cpu {
    u64 mpidr;
    u32 index;
    bool up;
    volatile u32 ticks;
    bool last_tick;         /* the next tick is not followed by another */
    volatile u32 retrigger; /* so many of the next ticks come back to back */
    /* Virtual IPI: set by this CPU's handler, and again when it is ready for the next one. */
    volatile u32 received, ready;
    volatile bool leave;
};

extern struct cpu cpus[MAX_CPUS];
extern u32 cpu_count;
/* bootargs quiet=1: nothing but "bench: done" and failures, where every character is an exit. */
extern bool quiet;

/* Brings CPU `index` up, running `function` on it. */
void start_cpu(u32 index, void (*function)(u64));
/* On the CPU itself. */
void NORETURN stop_this_cpu(void);
void wait_cpu_off(u32 index);
void cpu_interrupts_init(struct cpu *cpu);

void timer_start(void);
/* Was it one of the checks' interrupts? */
bool checks_irq(u32 intid);
void run_checks(const char *bootargs, u64 memory_end, bool hypercalls);
bool fp_check(u64 seed, bool hypercalls);
void run_series(const char *bootargs, bool hypercalls);
#endif
