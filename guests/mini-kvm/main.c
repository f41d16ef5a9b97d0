/*
 * mini-kvm, the guest hypervisor: boots at EL2 (real or virtual), installs its hypervisor part, and runs the Image it
 * finds as its initrd as a VM, each vCPU on a CPU of its own.
 *
 * bootargs: vcpus=2 memory=33554432 -- (the VM's own bootargs)
 */
#include "accessors.h"
#include "gic.h"
#include "host.h"
#include "print.h"
#include "psci.h"
#include "string.h"

#define STACK_SIZE 16384

struct pcpu pcpus[MAX_CPUS];
u32 pcpu_count;
struct pagetable kernel_tables;
struct kvm kvm;

static u8 stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(16)));
static struct secondary_start starts[MAX_CPUS];

/* Translation tables of the time before the MMU is on: no locks there (exclusives need normal memory). */
static u64 early_tables[16][512] __attribute__((aligned(4096)));

static void *early_table(void)
{
    static u32 used;

    if (used == ARRAY_SIZE(early_tables))
        panic("mini-kvm: out of translation tables\n");
    return early_tables[used++];
}

static void find_cpus(const struct fdt *fdt)
{
    int node = -1;

    while ((node = fdt_device_type(fdt, node, "cpu")) >= 0 && pcpu_count < MAX_CPUS) {
        u32 length;
        const void *reg = fdt_property(fdt, node, "reg", &length);

        if (!reg)
            continue;
        pcpus[pcpu_count].id = pcpu_count;
        pcpus[pcpu_count].mpidr = length == 8 ? fdt_u64(reg) : fdt_u32(reg);
        pcpu_count++;
    }
}

static u64 chosen_address(const struct fdt *fdt, const char *name)
{
    u32 length = 0;
    const void *value = fdt_property(fdt, fdt_top(fdt, "chosen"), name, &length);

    return !value ? 0 : length == 8 ? fdt_u64(value) : fdt_u32(value);
}

/* The kernel part's own map: devices, all memory, code read-only. */
static void map_memory(u64 base, u64 size)
{
    u64 image = (u64)_image_start, end = ALIGN_UP((u64)_image_end, 0x200000);
    struct pagetable *pt = &kernel_tables;
    u64 before = ALIGN_DOWN(image, 0x200000);

    *pt = (struct pagetable){ .root = early_table(), .format = FORMAT_EL1, .page = early_table };
    pagetable_map(pt, 0x08000000, 0x08000000, MAP_DEVICE); /* GIC, UART and the like of the virt board */
    if (before > base)
        pagetable_map(pt, base, before - base, MAP_DATA);
    pagetable_map(pt, image, (u64)(_hyp_text_end - _image_start), MAP_TEXT);
    pagetable_map(pt, (u64)_rodata_start, (u64)(_rodata_end - _rodata_start), MAP_RODATA);
    pagetable_map(pt, (u64)_data_start, end - (u64)_data_start, MAP_DATA);
    if (base + size > end)
        pagetable_map(pt, end, base + size - end, MAP_DATA);
}

static void cpu_init(struct pcpu *cpu)
{
    sysreg_write(TPIDR_EL1, (u64)cpu, "set_my_cpu_offset");
    host_interrupts_init(cpu);
    hyp_init_cpu(cpu);
    irq_enable();
}

static void secondary_main(u64 index)
{
    struct pcpu *cpu = &pcpus[index];

    cpu_init(cpu);
    __atomic_store_n(&cpu->up, true, __ATOMIC_RELEASE);
    user_vcpu_thread(&kvm.vcpus[index]);
    irq_disable();
    __atomic_store_n(&cpu->up, false, __ATOMIC_RELEASE);
    psci_call(PSCI_CPU_OFF, 0, 0, 0);
}

static void start_cpu(u32 index)
{
    s64 status;

    starts[index] = (struct secondary_start){
        .stack = (u64)&stacks[index + 1],
        .function = (u64)secondary_main,
        .argument = index,
        .root = (u64)kernel_tables.root,
    };
    /* The new CPU reads this with its MMU off. */
    for (u64 a = ALIGN_DOWN((u64)&starts[index], 16); a < (u64)(&starts[index] + 1); a += 16)
        __asm__ volatile("dc civac, %0" : : "r"(a) : "memory");
    dsb(sy);
    status = psci_call(PSCI_CPU_ON64, pcpus[index].mpidr, (u64)secondary_entry, (u64)&starts[index]);
    if (status != PSCI_SUCCESS)
        panic("mini-kvm: CPU_ON of cpu %u: %ld\n", index, status);
    while (!__atomic_load_n(&pcpus[index].up, __ATOMIC_ACQUIRE))
        ;
}

/* The part of the bootargs behind "--". */
static const char *vm_arguments(const char *args)
{
    for (; args && *args; args++)
        if (args[0] == '-' && args[1] == '-' && (args[2] == ' ' || !args[2]))
            return args[2] ? args + 3 : args + 2;
    return "";
}

static void require_el2(u64 started_at_el)
{
    u64 el = sysreg_read(CurrentEL, "is_kernel_in_hyp_mode") >> 2;

    if (started_at_el != 2)
        panic("mini-kvm: not started at EL2: no virtualization here\n");
    if (VHE && el != 2)
        panic("mini-kvm: this is the VHE build, and the CPU has no FEAT_VHE\n");
}

void guest_main(const void *dtb, u64 started_at_el)
{
    static char bootargs[256];
    struct fdt fdt;
    const char *args;
    u64 base = 0, size = 0, uart = 0, uart_size, initrd, initrd_end;
    u32 length = 0, vcpus;

    if (!fdt_open(&fdt, dtb))
        return;
    psci_init(&fdt);
    if (!fdt_reg(&fdt, fdt_top(&fdt, "memory"), 0, &base, &size))
        return;
    initrd = chosen_address(&fdt, "linux,initrd-start");
    initrd_end = chosen_address(&fdt, "linux,initrd-end");
    args = fdt_property(&fdt, fdt_top(&fdt, "chosen"), "bootargs", &length);
    if (args && length <= sizeof(bootargs))
        memcpy(bootargs, args, length);
    memory_init(base, size);
    memory_reserve((u64)_image_start, (u64)(_image_end - _image_start));
    memory_reserve((u64)dtb, fdt.total);
    if (initrd_end > initrd)
        memory_reserve(initrd, initrd_end - initrd);
    map_memory(base, size);
    enable_mmu((u64)kernel_tables.root);

    fdt_reg(&fdt, fdt_compatible(&fdt, -1, "arm,pl011"), 0, &uart, &uart_size);
    console_init(uart);
    find_cpus(&fdt);
    if (!gic_probe(&fdt))
        panic("mini-kvm: no interrupt controller in the device tree\n");
    print("mini-kvm: %s, GICv%u, %u CPUs\n", VHE ? "VHE" : "nVHE", gic.version, pcpu_count);
    require_el2(started_at_el);
    if (gic.version == 2 && !gic.gich)
        panic("mini-kvm: the GICv2 has no virtual interface\n");
    if (initrd_end <= initrd)
        panic("mini-kvm: no VM: give its Image as the initrd\n");
    vcpus = (u32)argument_number(bootargs, "vcpus", 2);
    if (!vcpus || vcpus > pcpu_count)
        panic("mini-kvm: vcpus=%u, but %u CPUs\n", vcpus, pcpu_count);

    gic_distributor_init();
    hyp_tables_init();
    cpu_init(&pcpus[0]);
    user_build_vm(&kvm, (const void *)initrd, initrd_end - initrd, vcpus,
                  ALIGN_UP(argument_number(bootargs, "memory", 32 << 20), PAGE_SIZE), vm_arguments(bootargs));
    for (u32 i = 1; i < vcpus; i++)
        start_cpu(i);
    print("mini-kvm: VM starts: %u vCPUs, %lu MiB\n", vcpus, kvm.memory_size >> 20);
    user_vcpu_thread(&kvm.vcpus[0]);
    for (u32 i = 1; i < vcpus; i++)
        while (__atomic_load_n(&pcpus[i].up, __ATOMIC_ACQUIRE))
            ;
    print("mini-kvm: done\n");
    system_off();
}
