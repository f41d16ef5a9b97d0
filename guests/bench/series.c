/* The four microbenchmarks. Each operation stands between two markers; see bench.h. */
#include "bench.h"
#include "gic.h"
#include "print.h"
#include "string.h"
#include "sysreg.h"

#define HYPERCALL_FUNCTION 0x4b000000 /* no such function: the hypervisor returns at once */

static inline u64 counter(void)
{
    isb();
    return sysreg_read(CNTVCT_EL0, "arch_counter_get_cntvct");
}

static inline void op_hypercall(void)
{
    register u64 x0 __asm__("x0") = HYPERCALL_FUNCTION;

    __asm__ volatile("hvc #0" : "+r"(x0) : : "x1", "x2", "x3", "memory");
}

/* A register of the interrupt controller that the hypervisor emulates. */
static inline void op_device_io(void)
{
    mmio_read32(gic.gicd + GICD_IIDR);
}

static inline void op_virtual_eoi(void)
{
    if (gic.version == 2)
        mmio_write32(gic.gicc + GICC_EOIR, GIC_SPURIOUS);
    else
        sysreg_write(ICC_EOIR1_EL1, GIC_SPURIOUS, "gic_write_eoir");
}

static inline void op_virtual_ipi(void)
{
    u32 before = cpus[1].received;

    gic_send_sgi(1, cpus[1].mpidr, SGI_PING);
    while (cpus[1].received == before)
        ;
}

/* The receiver spins with interrupts on. */
static void receiver(u64 index)
{
    struct cpu *cpu = &cpus[index];

    cpu_interrupts_init(cpu);
    cpu->received = cpu->ready = 0;
    cpu->leave = false;
    irq_enable();
    __atomic_store_n(&cpu->up, true, __ATOMIC_RELEASE);
    while (!cpu->leave)
        ;
    irq_disable();
    stop_this_cpu();
}

#define SERIES(benchmark, operation, settle)                \
    ({                                                      \
        u64 start_ = 0;                                     \
        for (u64 i_ = 0; i_ < warm + operations; i_++) {    \
            if (i_ == warm) {                               \
                start_ = counter();                         \
                marker(benchmark, SERIES_BEGINS);           \
            }                                               \
            if (i_ >= warm)                                 \
                marker(benchmark, OPERATION_BEGINS);        \
            operation;                                      \
            if (i_ >= warm)                                 \
                marker(benchmark, OPERATION_ENDS);          \
            settle;                                         \
        }                                                   \
        marker(benchmark, SERIES_ENDS);                     \
        counter() - start_;                                 \
    })

static void report(const char *name, u64 operations, u64 counts)
{
    if (!quiet)
        print("bench: %s: %lu operations, %lu counts\n", name, operations, counts);
}

void run_series(const char *bootargs, bool hypercalls)
{
    u64 operations = argument_number(bootargs, "ops", 64), warm = argument_number(bootargs, "warm", 16);

    if (hypercalls && argument_selects(bootargs, "only", "hypercall"))
        report("hypercall", operations, SERIES(HYPERCALL, op_hypercall(), ));
    if (argument_selects(bootargs, "only", "deviceIo"))
        report("deviceIo", operations, SERIES(DEVICE_IO, op_device_io(), ));
    if (argument_selects(bootargs, "only", "virtualIpi")) {
        if (cpu_count < 2) {
            print("bench: virtualIpi: needs two CPUs, skipped\n");
        } else {
            start_cpu(1, receiver);
            report("virtualIpi", operations, SERIES(VIRTUAL_IPI, op_virtual_ipi(), while (cpus[1].ready != cpus[1].received)));
            cpus[1].leave = true;
            wait_cpu_off(1);
        }
    }
    if (argument_selects(bootargs, "only", "virtualEoi"))
        report("virtualEoi", operations, SERIES(VIRTUAL_EOI, op_virtual_eoi(), ));
}
