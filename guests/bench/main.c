/*
 * bench, the nested VM: own page tables, a few virtual timer ticks on every CPU, then the paper's microbenchmarks.
 * It runs as L2 of mini-kvm, as a plain VM, at EL1 without a hypervisor, and bare at EL2 (then with a stub of its own).
 *
 * bootargs: quiet=1 ops=64 warm=16 only=hypercall,deviceIo,virtualIpi,virtualEoi checks=wfi,retrigger,fp,storm,flood
 */
#include "bench.h"
#include "fdt.h"
#include "gic.h"
#include "guest.h"
#include "pagetable.h"
#include "print.h"
#include "psci.h"
#include "string.h"
#include "sysreg.h"

#define TICKS_WANTED 3
#define TIMER_ENABLE 1
#define TIMER_MASK 2

struct cpu cpus[MAX_CPUS];
u32 cpu_count;
bool quiet;

static u64 tables[16][512] __attribute__((aligned(4096)));
static u32 tables_used;
static u8 stacks[MAX_CPUS][8192] __attribute__((aligned(16)));
static struct secondary_start starts[MAX_CPUS];
static struct pagetable pagetable;
static bool hypercall_probe_failed;

static void *new_table(void)
{
    if (tables_used == ARRAY_SIZE(tables))
        panic("bench: out of translation tables\n");
    return tables[tables_used++];
}

void machine_stop(void)
{
    system_off();
}

static u32 this_cpu(void)
{
    u64 mpidr = sysreg_read(MPIDR_EL1, "read_cpuid_mpidr") & 0xff00ffffffUL;

    for (u32 i = 0; i < cpu_count; i++)
        if (cpus[i].mpidr == mpidr)
            return i;
    return 0;
}

/* ---- interrupts -------------------------------------------------------------------------------------------------- */

static void timer_set(u64 counts)
{
    sysreg_write(CNTV_TVAL_EL0, counts, "set_next_event");
    sysreg_write(CNTV_CTL_EL0, TIMER_ENABLE, "set_next_event");
    isb();
}

void timer_start(void)
{
    timer_set(sysreg_read(CNTFRQ_EL0, "arch_timer_get_cntfrq") / 2000);
}

static void timer_stop(void)
{
    sysreg_write(CNTV_CTL_EL0, TIMER_MASK, "timer_shutdown");
    isb();
}

void kernel_irq(struct frame *frame UNUSED)
{
    u32 iar = gic_acknowledge(), intid = iar & 0x3ff;
    struct cpu *cpu = &cpus[this_cpu()];

    if (intid == SGI_PING) {
        cpu->received++;
        gic_end(iar);
        cpu->ready = cpu->received;
        return;
    }
    if (intid == PPI_VIRTUAL_TIMER) {
        cpu->ticks++;
        if (cpu->retrigger) {
            timer_set(0); /* the line is up again before the end of this interrupt */
            cpu->retrigger--;
            gic_end(iar);
            return;
        }
        timer_stop();
        gic_end(iar);
        if (cpu->ticks < TICKS_WANTED && !cpu->last_tick)
            timer_start();
        return;
    } else if (intid == GIC_SPURIOUS) {
        return;
    } else if (!checks_irq(intid)) {
        print("bench: cpu %u: unexpected interrupt %u\n", cpu->index, intid);
    }
    gic_end(iar);
}

void kernel_fault(struct frame *frame, u64 kind, u64 esr, u64 far)
{
    /* An UNDEFINED HVC (no EL2, no PSCI by HVC): skip it, the hypercall series is left out. */
    if (kind == 4 && esr >> 26 == 0 && *(u32 *)frame->pc == 0xd4000002) {
        hypercall_probe_failed = true;
        frame->pc += 4;
        return;
    }
    panic("bench: exception %lu: ESR 0x%lx FAR 0x%lx PC 0x%lx\n", kind, esr, far, frame->pc);
}

void cpu_interrupts_init(struct cpu *cpu)
{
    gic_cpu_init(cpu->index, cpu->mpidr, false);
    gic_enable(cpu->index, PPI_VIRTUAL_TIMER);
}

/* Counts a few ticks; returns how many arrived before giving up. */
static u32 check_ticks(struct cpu *cpu)
{
    u64 limit = sysreg_read(CNTVCT_EL0, "arch_counter_get_cntvct") + sysreg_read(CNTFRQ_EL0, "arch_timer_get_cntfrq") * 4;

    cpu->ticks = 0;
    timer_start();
    irq_enable();
    while (cpu->ticks < TICKS_WANTED && sysreg_read(CNTVCT_EL0, "arch_counter_get_cntvct") < limit)
        ;
    irq_disable();
    timer_stop();
    return cpu->ticks;
}

/* ---- CPUs -------------------------------------------------------------------------------------------------------- */

void start_cpu(u32 index, void (*function)(u64))
{
    s64 status;

    starts[index] = (struct secondary_start){
        .stack = (u64)&stacks[index + 1],
        .function = (u64)function,
        .argument = index,
        .root = (u64)pagetable.root,
    };
    cpus[index].up = false;
    /* The new CPU reads this with its MMU off. */
    for (u64 a = ALIGN_DOWN((u64)&starts[index], 16); a < (u64)(&starts[index] + 1); a += 16)
        __asm__ volatile("dc civac, %0" : : "r"(a) : "memory");
    dsb(sy);
    status = psci_call(PSCI_CPU_ON64, cpus[index].mpidr, (u64)secondary_entry, (u64)&starts[index]);
    if (status != PSCI_SUCCESS)
        panic("bench: CPU_ON of cpu %u: %ld\n", index, status);
    while (!__atomic_load_n(&cpus[index].up, __ATOMIC_ACQUIRE))
        ;
}

void stop_this_cpu(void)
{
    psci_call(PSCI_CPU_OFF, 0, 0, 0);
    panic("bench: CPU_OFF returned\n");
}

void wait_cpu_off(u32 index)
{
    while (psci_call(PSCI_AFFINITY_INFO64, cpus[index].mpidr, 0, 0) != PSCI_OFF)
        ;
}

/* A secondary CPU's self-test: ticks, then one SGI from CPU 0. */
static void secondary_check(u64 index)
{
    struct cpu *cpu = &cpus[index];
    u32 ticks;

    cpu_interrupts_init(cpu);
    ticks = check_ticks(cpu);
    if (!quiet)
        print("bench: cpu %u: %u timer interrupts\n", cpu->index, ticks);
    cpu->received = cpu->ready = 0;
    irq_enable();
    __atomic_store_n(&cpu->up, true, __ATOMIC_RELEASE);
    while (!cpu->ready)
        ;
    irq_disable();
    stop_this_cpu();
}

static void find_cpus(const struct fdt *fdt)
{
    int node = -1;

    while ((node = fdt_device_type(fdt, node, "cpu")) >= 0 && cpu_count < MAX_CPUS) {
        u32 length;
        const void *reg = fdt_property(fdt, node, "reg", &length);
        if (!reg)
            continue;
        cpus[cpu_count].mpidr = length == 8 ? fdt_u64(reg) : fdt_u32(reg);
        cpus[cpu_count].index = cpu_count;
        cpu_count++;
    }
}

/* ------------------------------------------------------------------------------------------------------------------ */

static u64 memory_end;

static void map_memory(const struct fdt *fdt)
{
    u64 image = (u64)_image_start, base = 0, size = 0, end = ALIGN_UP((u64)_image_end, 0x200000);

    pagetable = (struct pagetable){ .root = new_table(), .format = FORMAT_EL1, .page = new_table };
    if (!fdt_reg(fdt, fdt_top(fdt, "memory"), 0, &base, &size))
        return;
    memory_end = base + size;
    pagetable_map(&pagetable, 0x08000000, 0x08000000, MAP_DEVICE); /* GIC, UART, virtio-mmio of the virt board */
    pagetable_map(&pagetable, base, image - base, MAP_DATA);
    pagetable_map(&pagetable, image, (u64)_text_end - image, MAP_TEXT);
    pagetable_map(&pagetable, (u64)_rodata_start, (u64)(_rodata_end - _rodata_start), MAP_RODATA);
    pagetable_map(&pagetable, (u64)_data_start, end - (u64)_data_start, MAP_DATA);
    if (base + size > end)
        pagetable_map(&pagetable, end, base + size - end, MAP_DATA);
}

static u64 uart_base(const struct fdt *fdt)
{
    u64 base = 0, size;

    fdt_reg(fdt, fdt_compatible(fdt, -1, "arm,pl011"), 0, &base, &size);
    return base;
}

void guest_main(const void *dtb, u64 started_at_el)
{
    static char bootargs[256];
    struct fdt fdt;
    const char *args;
    u32 length, ticks;

    if (!fdt_open(&fdt, dtb))
        return;
    psci_init(&fdt);
    map_memory(&fdt);
    enable_mmu((u64)pagetable.root);
    console_init(uart_base(&fdt));
    args = fdt_property(&fdt, fdt_top(&fdt, "chosen"), "bootargs", &length);
    if (args && length <= sizeof(bootargs))
        memcpy(bootargs, args, length);
    find_cpus(&fdt);
    if (!gic_probe(&fdt))
        panic("bench: no interrupt controller in the device tree\n");
    quiet = argument_number(bootargs, "quiet", 0) != 0;
    if (!quiet)
        print("bench: GICv%u, %u CPUs, started at EL%lu\n", gic.version, cpu_count, started_at_el ? started_at_el : 1);

    gic_distributor_init();
    cpu_interrupts_init(&cpus[0]);
    ticks = check_ticks(&cpus[0]);
    if (!quiet)
        print("bench: cpu 0: %u timer interrupts\n", ticks);
    for (u32 i = 1; i < cpu_count; i++) {
        start_cpu(i, secondary_check);
        gic_send_sgi(i, cpus[i].mpidr, SGI_PING);
        wait_cpu_off(i);
    }
    smccc_hvc(0x4b000000, 0, 0, 0);
    if (hypercall_probe_failed)
        print("bench: HVC is UNDEFINED here\n");
    run_checks(bootargs, memory_end, !hypercall_probe_failed);
    run_series(bootargs, !hypercall_probe_failed);
    print("bench: done\n");
    system_off();
}
