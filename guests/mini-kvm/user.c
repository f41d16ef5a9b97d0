/*
 * What a user space (QEMU, kvmtool) does for the VM: memory, image, device tree, the UART, and running the vCPUs.
 * The board is the machine's own: QEMU's `virt`.
 */
#include "gic.h"
#include "host.h"
#include "print.h"
#include "string.h"

#define RAM_BASE 0x40000000UL
#define UART_BASE 0x09000000UL
#define UART_SIZE 0x1000UL
#define UARTDR 0x00
#define UARTFR 0x18
#define UARTFR_EMPTY 0x90 /* TXFE, RXFE */
#define UART_ID 0xfe0
#define PHANDLE_GIC 1
#define PHANDLE_CLOCK 2
#define GIC_PPI 1
#define GIC_SPI 0
#define LEVEL_HIGH 4

static void copy_to_guest(struct kvm *kvm, u64 ipa, const void *from, u64 size)
{
    const u8 *p = from;

    while (size) {
        u64 offset = ipa & (PAGE_SIZE - 1), n = PAGE_SIZE - offset;
        u8 *page = guest_page(kvm, ipa);

        if (n > size)
            n = size;
        if (!page)
            panic("mini-kvm: the image does not fit into the VM's memory\n");
        memcpy(page + offset, p, n);
        p += n;
        ipa += n;
        size -= n;
    }
}

/* ---- device tree ------------------------------------------------------------------------------------------------- */

#define CELLS(w, name, ...) fdt_put_cells(w, name, (const u32[]){ __VA_ARGS__ }, sizeof((const u32[]){ __VA_ARGS__ }) / 4)
#define U64(x) (u32)((u64)(x) >> 32), (u32)(x)

static void cpus_node(struct fdt_writer *w, u32 count)
{
    fdt_node(w, "cpus");
    CELLS(w, "#address-cells", 1);
    CELLS(w, "#size-cells", 0);
    for (u32 i = 0; i < count; i++) {
        char name[] = "cpu@0";

        name[4] = (char)('0' + i);
        fdt_node(w, name);
        fdt_put_string(w, "device_type", "cpu");
        fdt_put_string(w, "compatible", "arm,cortex-a57");
        fdt_put_string(w, "enable-method", "psci");
        CELLS(w, "reg", i);
        fdt_end_node(w);
    }
    fdt_end_node(w);
}

static void gic_node(struct fdt_writer *w, u32 count)
{
    fdt_node(w, "intc@8000000");
    fdt_put_string(w, "compatible", gic.version == 3 ? "arm,gic-v3" : "arm,cortex-a15-gic");
    CELLS(w, "#interrupt-cells", 3);
    fdt_put(w, "interrupt-controller", NULL, 0);
    if (gic.version == 3)
        CELLS(w, "reg", U64(0x08000000), U64(0x10000), U64(0x080a0000), U64(count * GICR_STRIDE));
    else
        CELLS(w, "reg", U64(0x08000000), U64(0x1000), U64(0x08010000), U64(0x2000));
    CELLS(w, "phandle", PHANDLE_GIC);
    fdt_end_node(w);
}

static void timer_node(struct fdt_writer *w, u32 count)
{
    u32 flags = (gic.version == 3 ? 0 : ((1U << count) - 1) << 8) | LEVEL_HIGH;

    fdt_node(w, "timer");
    fdt_put_string(w, "compatible", "arm,armv8-timer");
    fdt_put(w, "always-on", NULL, 0);
    CELLS(w, "interrupts", GIC_PPI, 13, flags, GIC_PPI, 14, flags, GIC_PPI, 11, flags, GIC_PPI, 10, flags);
    fdt_end_node(w);
}

static void uart_nodes(struct fdt_writer *w)
{
    static const char compatible[] = "arm,pl011\0arm,primecell", names[] = "uartclk\0apb_pclk";

    fdt_node(w, "apb-pclk");
    fdt_put_string(w, "compatible", "fixed-clock");
    CELLS(w, "#clock-cells", 0);
    CELLS(w, "clock-frequency", 24000000);
    fdt_put_string(w, "clock-output-names", "clk24mhz");
    CELLS(w, "phandle", PHANDLE_CLOCK);
    fdt_end_node(w);
    fdt_node(w, "pl011@9000000");
    fdt_put(w, "compatible", compatible, sizeof(compatible));
    CELLS(w, "reg", U64(UART_BASE), U64(UART_SIZE));
    CELLS(w, "interrupts", GIC_SPI, 1, LEVEL_HIGH);
    CELLS(w, "clocks", PHANDLE_CLOCK, PHANDLE_CLOCK);
    fdt_put(w, "clock-names", names, sizeof(names));
    fdt_end_node(w);
}

static u32 device_tree(void *buffer, u32 capacity, const struct kvm *kvm, const char *bootargs)
{
    static struct fdt_writer w;

    fdt_begin(&w, buffer, capacity);
    fdt_node(&w, "");
    fdt_put_string(&w, "compatible", "linux,dummy-virt");
    fdt_put_string(&w, "model", "mini-kvm");
    CELLS(&w, "#address-cells", 2);
    CELLS(&w, "#size-cells", 2);
    CELLS(&w, "interrupt-parent", PHANDLE_GIC);
    fdt_node(&w, "chosen");
    fdt_put_string(&w, "bootargs", bootargs);
    fdt_put_string(&w, "stdout-path", "/pl011@9000000");
    fdt_end_node(&w);
    fdt_node(&w, "memory@40000000");
    fdt_put_string(&w, "device_type", "memory");
    CELLS(&w, "reg", U64(kvm->memory_base), U64(kvm->memory_size));
    fdt_end_node(&w);
    fdt_node(&w, "psci");
    fdt_put_string(&w, "compatible", "arm,psci-0.2");
    fdt_put_string(&w, "method", "hvc");
    fdt_end_node(&w);
    cpus_node(&w, kvm->vcpu_count);
    gic_node(&w, kvm->vcpu_count);
    timer_node(&w, kvm->vcpu_count);
    uart_nodes(&w);
    fdt_end_node(&w);
    return fdt_finish(&w);
}

/* ------------------------------------------------------------------------------------------------------------------ */

void user_build_vm(struct kvm *kvm, const void *image, u64 size, u32 vcpus, u64 memory, const char *bootargs)
{
    static u8 dtb[4096] __attribute__((aligned(8)));
    const u8 *header = image;
    u64 offset, entry;
    u32 dtb_size;

    if (size < 64 || memcmp(header + 56, "ARM\x64", 4))
        panic("mini-kvm: the initrd is not an arm64 Image\n");
    memcpy(&offset, header + 8, 8);
    kvm->vcpu_count = vcpus;
    kvm->memory_base = RAM_BASE;
    kvm->memory_size = memory;
    stage2_init(kvm);
    vgic_init(kvm);
    kvm->cntvoff = host_counter(); /* kvm_timer_init */
    entry = RAM_BASE + 0x200000 + offset;
    copy_to_guest(kvm, entry, image, size);
    dtb_size = device_tree(dtb, sizeof(dtb), kvm, bootargs);
    if (!dtb_size)
        panic("mini-kvm: the VM's device tree is too large\n");
    copy_to_guest(kvm, RAM_BASE, dtb, dtb_size);
    for (u32 i = 0; i < vcpus; i++) {
        struct vcpu *vcpu = &kvm->vcpus[i];

        vcpu->kvm = kvm;
        vcpu->id = i;
        vcpu->cpu = i;
        vcpu->host = &pcpus[i].host_context;
        vcpu->power_off = i != 0;
        vcpu_reset(vcpu, entry, RAM_BASE);
    }
}

/* The VM's PL011: transmits to the machine's own, receives nothing. */
static void uart_access(struct run *run)
{
    static const u8 id[] = { 0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };
    u64 offset = run->address - UART_BASE;

    if (run->write) {
        if (offset == UARTDR)
            console_char((char)run->data);
        return;
    }
    run->data = 0;
    if (offset == UARTFR)
        run->data = UARTFR_EMPTY;
    else if (offset >= UART_ID && offset < 0x1000)
        run->data = id[(offset - UART_ID) / 4];
}

static void report(const struct kvm *kvm)
{
    for (u32 i = 0; i < kvm->vcpu_count; i++) {
        const struct vcpu *v = &kvm->vcpus[i];

        print("mini-kvm: vcpu %u: %lu exits: %lu hypercalls, %lu device accesses, %lu user accesses, %lu stage 2, "
              "%lu system registers, %lu wfx, %lu interrupts (%lu unexpected)\n",
              i, v->stat.exits, v->stat.hypercalls, v->stat.mmio_kernel, v->stat.mmio_user, v->stat.stage2,
              v->stat.system, v->stat.wfx, v->stat.irq, pcpus[v->cpu].unexpected_interrupts);
    }
}

/* One thread per vCPU, each pinned to its CPU. Returns when the VM is off. */
void user_vcpu_thread(struct vcpu *vcpu)
{
    struct kvm *kvm = vcpu->kvm;

    for (;;) {
        vcpu_run(vcpu);
        switch (vcpu->run.reason) {
        case EXIT_REASON_MMIO:
            if (vcpu->run.address - UART_BASE < UART_SIZE)
                uart_access(&vcpu->run);
            else if (!vcpu->run.write)
                vcpu->run.data = 0;
            break;
        case EXIT_REASON_ERROR:
            print("mini-kvm: the VM has failed\n");
            /* fall through */
        default:
            if (!__atomic_exchange_n(&kvm->shutdown, true, __ATOMIC_SEQ_CST)) {
                for (u32 i = 0; i < kvm->vcpu_count; i++)
                    vcpu_kick(&kvm->vcpus[i]);
                report(kvm);
                print("mini-kvm: VM off\n");
            }
            return;
        }
    }
}
