/* The device tree of the VM. */
#include "fdt.h"
#include "string.h"
#include "virtio.h"

#define PHANDLE_GIC 1
#define PHANDLE_CLOCK 2
#define GIC_SPI 0
#define GIC_PPI 1
#define LEVEL_HIGH 4
#define CELLS(w, name, ...) fdt_put_cells(w, name, (const u32[]){ __VA_ARGS__ }, sizeof((const u32[]){ __VA_ARGS__ }) / 4)
#define U64(x) (u32)((u64)(x) >> 32), (u32)(x)

static void chosen(struct fdt_writer *w, const struct vm *vm)
{
    fdt_node(w, "chosen");
    fdt_put_string(w, "bootargs", vm->options.bootargs);
    fdt_put_string(w, "stdout-path", "/pl011@9000000");
    if (vm->initrd_end != vm->initrd_start) {
        CELLS(w, "linux,initrd-start", U64(vm->initrd_start));
        CELLS(w, "linux,initrd-end", U64(vm->initrd_end));
    }
    fdt_end_node(w);
}

static void cpus(struct fdt_writer *w, u32 count)
{
    fdt_node(w, "cpus");
    CELLS(w, "#address-cells", 1);
    CELLS(w, "#size-cells", 0);
    for (u32 i = 0; i < count; i++) {
        char name[] = "cpu@0";

        name[4] = (char)('0' + i);
        fdt_node(w, name);
        fdt_put_string(w, "device_type", "cpu");
        fdt_put_string(w, "compatible", "arm,armv8");
        fdt_put_string(w, "enable-method", "psci");
        CELLS(w, "reg", i);
        fdt_end_node(w);
    }
    fdt_end_node(w);
}

static void interrupt_controller(struct fdt_writer *w, const struct vm *vm)
{
    fdt_node(w, "intc@8000000");
    fdt_put_string(w, "compatible", vm->gic == 3 ? "arm,gic-v3" : "arm,cortex-a15-gic");
    CELLS(w, "#interrupt-cells", 3);
    fdt_put(w, "interrupt-controller", NULL, 0);
    if (vm->gic == 3)
        CELLS(w, "reg", U64(GICD_BASE), U64(0x10000), U64(GICR_BASE), U64(vm->options.vcpus * GICR_STRIDE));
    else
        CELLS(w, "reg", U64(GICD_BASE), U64(0x1000), U64(GICC_BASE), U64(0x2000));
    if (vm->options.el2)
        CELLS(w, "interrupts", GIC_PPI, MAINTENANCE_PPI, LEVEL_HIGH);
    CELLS(w, "phandle", PHANDLE_GIC);
    fdt_end_node(w);
}

/* PPIs 13, 14, 11 and 10 (secure and non-secure physical, virtual, hypervisor), and 12 (hypervisor's virtual). */
static void timer(struct fdt_writer *w, const struct vm *vm)
{
    u32 flags = (vm->gic == 3 ? 0 : ((1U << vm->options.vcpus) - 1) << 8) | LEVEL_HIGH;
    const u32 lines[] = { GIC_PPI, 13, flags, GIC_PPI, 14, flags, GIC_PPI, 11, flags, GIC_PPI, 10, flags, GIC_PPI, 12, flags };

    fdt_node(w, "timer");
    fdt_put_string(w, "compatible", "arm,armv8-timer");
    fdt_put(w, "always-on", NULL, 0);
    fdt_put_cells(w, "interrupts", lines, vm->options.el2 && !vm->options.e2h0 ? 15 : 12);
    fdt_end_node(w);
}

static void uart(struct fdt_writer *w)
{
    static const char compatible[] = "arm,pl011\0arm,primecell", clocks[] = "uartclk\0apb_pclk";

    fdt_node(w, "apb-pclk");
    fdt_put_string(w, "compatible", "fixed-clock");
    CELLS(w, "#clock-cells", 0);
    CELLS(w, "clock-frequency", 24000000);
    CELLS(w, "phandle", PHANDLE_CLOCK);
    fdt_end_node(w);
    fdt_node(w, "pl011@9000000");
    fdt_put(w, "compatible", compatible, sizeof(compatible));
    CELLS(w, "reg", U64(UART_BASE), U64(UART_SIZE));
    CELLS(w, "interrupts", GIC_SPI, UART_SPI, LEVEL_HIGH);
    CELLS(w, "clocks", PHANDLE_CLOCK, PHANDLE_CLOCK);
    fdt_put(w, "clock-names", clocks, sizeof(clocks));
    fdt_end_node(w);
}

static void virtio(struct fdt_writer *w, const struct vm *vm)
{
    static const char *const names[VIRTIO_SLOTS] = { "virtio_mmio@a000000", "virtio_mmio@a000200", "virtio_mmio@a000400" };

    for (u32 i = 0; i < VIRTIO_SLOTS; i++) {
        if (!vm->virtio[i])
            continue;
        fdt_node(w, names[i]);
        fdt_put_string(w, "compatible", "virtio,mmio");
        CELLS(w, "reg", U64(VIRTIO_BASE + i * VIRTIO_SIZE), U64(VIRTIO_SIZE));
        CELLS(w, "interrupts", GIC_SPI, VIRTIO_SPI + i, LEVEL_HIGH);
        fdt_put(w, "dma-coherent", NULL, 0);
        fdt_end_node(w);
    }
}

u32 device_tree(const struct vm *vm, void *buffer, u32 capacity)
{
    static struct fdt_writer w;
    static const char psci[] = "arm,psci-1.0\0arm,psci-0.2";

    fdt_begin(&w, buffer, capacity);
    fdt_node(&w, "");
    fdt_put_string(&w, "compatible", "linux,dummy-virt");
    fdt_put_string(&w, "model", "vmm");
    CELLS(&w, "#address-cells", 2);
    CELLS(&w, "#size-cells", 2);
    CELLS(&w, "interrupt-parent", PHANDLE_GIC);
    chosen(&w, vm);
    fdt_node(&w, "memory@40000000");
    fdt_put_string(&w, "device_type", "memory");
    CELLS(&w, "reg", U64(RAM_BASE), U64(vm->memory_size));
    fdt_end_node(&w);
    fdt_node(&w, "psci");
    fdt_put(&w, "compatible", psci, sizeof(psci));
    /* HVC of a guest with EL2 is its own. */
    fdt_put_string(&w, "method", vm->options.el2 ? "smc" : "hvc");
    fdt_end_node(&w);
    cpus(&w, vm->options.vcpus);
    interrupt_controller(&w, vm);
    timer(&w, vm);
    uart(&w);
    virtio(&w, vm);
    fdt_end_node(&w);
    return fdt_finish(&w);
}
