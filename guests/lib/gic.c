/* GICv2 and GICv3 driver: only Group 0 (v2) or Group 1 (v3) interrupts, one priority. */
#include "gic.h"
#include "sysreg.h"

struct gic gic;

#define GICD_CTLR_ENABLE_GRP0 BIT(0)
#define GICD_CTLR_ENABLE_GRP1 BIT(1)
#define GICD_CTLR_ARE BIT(4)
#define GICD_CTLR_RWP BIT(31)
#define GICC_CTLR_ENABLE BIT(0)
#define GICC_CTLR_EOIMODE BIT(9)
#define GICR_WAKER_PROCESSOR_SLEEP BIT(1)
#define GICR_WAKER_CHILDREN_ASLEEP BIT(2)
#define ICC_SRE_SRE BIT(0)
#define ICC_CTLR_EOIMODE BIT(1)
#define PRIORITY 0xa0

bool gic_probe(const struct fdt *fdt)
{
    u64 size;
    int node = fdt_compatible(fdt, -1, "arm,gic-v3");

    if (node >= 0) {
        gic.version = 3;
        return fdt_reg(fdt, node, 0, &gic.gicd, &size) && fdt_reg(fdt, node, 1, &gic.gicr, &gic.gicr_size);
    }
    node = fdt_compatible(fdt, -1, "arm,cortex-a15-gic");
    if (node < 0)
        node = fdt_compatible(fdt, -1, "arm,gic-400");
    if (node < 0)
        return false;
    gic.version = 2;
    if (fdt_reg(fdt, node, 2, &gic.gich, &gic.gich_size))
        fdt_reg(fdt, node, 3, &gic.gicv, &gic.gicv_size);
    return fdt_reg(fdt, node, 0, &gic.gicd, &size) && fdt_reg(fdt, node, 1, &gic.gicc, &gic.gicc_size);
}

void gic_distributor_init(void) /* gic_dist_init */
{
    u32 lines = ((mmio_read32(gic.gicd + GICD_TYPER) & 31) + 1) * 32;

    mmio_write32(gic.gicd + GICD_CTLR, 0);
    for (u32 i = 32; i < lines; i += 32) {
        mmio_write32(gic.gicd + GICD_ICENABLER + i / 8, ~0U);
        if (gic.version == 3)
            mmio_write32(gic.gicd + GICD_IGROUPR + i / 8, ~0U);
    }
    for (u32 i = 32; i < lines; i += 4) {
        mmio_write32(gic.gicd + GICD_IPRIORITYR + i, PRIORITY * 0x01010101U);
        if (gic.version == 2)
            mmio_write32(gic.gicd + GICD_ITARGETSR + i, 0x01010101U);
    }
    if (gic.version == 3)
        mmio_write32(gic.gicd + GICD_CTLR, GICD_CTLR_ARE | GICD_CTLR_ENABLE_GRP1);
    else
        mmio_write32(gic.gicd + GICD_CTLR, GICD_CTLR_ENABLE_GRP0);
    while (gic.version == 3 && mmio_read32(gic.gicd + GICD_CTLR) & GICD_CTLR_RWP)
        ;
}

/* The frame with this CPU's interrupts 0 to 31. */
static u64 private_frame(u32 cpu)
{
    return gic.version == 3 ? gic.redistributor[cpu] + GICR_SGI_BASE : gic.gicd;
}

static void find_redistributor(u32 cpu, u64 mpidr) /* gic_populate_rdist */
{
    u64 affinity = (mpidr & 0xffffff) | (mpidr >> 32 & 0xff) << 24;

    for (u64 frame = gic.gicr; frame < gic.gicr + gic.gicr_size; frame += GICR_STRIDE) {
        u64 typer = mmio_read64(frame + GICR_TYPER);
        if (typer >> 32 == affinity) {
            gic.redistributor[cpu] = frame;
            return;
        }
        if (typer & BIT(4)) /* Last */
            return;
    }
}

static void gicv3_cpu_init(u32 cpu, u64 mpidr)
{
    u64 frame;

    find_redistributor(cpu, mpidr);
    frame = gic.redistributor[cpu];
    /* gic_enable_redist */
    mmio_write32(frame + GICR_WAKER, mmio_read32(frame + GICR_WAKER) & ~(u32)GICR_WAKER_PROCESSOR_SLEEP);
    while (mmio_read32(frame + GICR_WAKER) & GICR_WAKER_CHILDREN_ASLEEP)
        ;
    mmio_write32(frame + GICR_SGI_BASE + GICD_IGROUPR, ~0U);
    sysreg_write(ICC_SRE_EL1, sysreg_read(ICC_SRE_EL1, "gic_enable_sre") | ICC_SRE_SRE, "gic_enable_sre");
    isb();
    sysreg_write(ICC_PMR_EL1, 0xf0, "gic_write_pmr");
    sysreg_write(ICC_BPR1_EL1, 0, "gic_write_bpr1");
    sysreg_write(ICC_CTLR_EL1, gic.split_eoi ? ICC_CTLR_EOIMODE : 0, "gic_write_ctlr");
    sysreg_write(ICC_IGRPEN1_EL1, 1, "gic_write_grpen1");
    isb();
}

void gic_cpu_init(u32 cpu, u64 mpidr, bool split_eoi) /* gic_cpu_init, gic_cpu_config */
{
    u64 frame;

    gic.split_eoi = split_eoi;
    if (gic.version == 3)
        gicv3_cpu_init(cpu, mpidr);
    frame = private_frame(cpu);
    mmio_write32(frame + GICD_ICACTIVER, ~0U);
    mmio_write32(frame + GICD_ICENABLER, 0xffff0000U);
    mmio_write32(frame + GICD_ISENABLER, 0x0000ffffU);
    for (u32 i = 0; i < 32; i += 4)
        mmio_write32(frame + GICD_IPRIORITYR + i, PRIORITY * 0x01010101U);
    if (gic.version == 2) {
        mmio_write32(gic.gicc + GICC_PMR, 0xf0);
        mmio_write32(gic.gicc + GICC_CTLR, GICC_CTLR_ENABLE | (split_eoi ? GICC_CTLR_EOIMODE : 0));
    }
}

/* Writes this interrupt's bit of a one-bit-per-interrupt register. */
static void poke(u32 cpu, u32 intid, u32 reg)
{
    u64 frame = intid < 32 ? private_frame(cpu) : gic.gicd;

    mmio_write32(frame + reg + intid / 32 * 4, 1U << intid % 32);
}

void gic_enable(u32 cpu, u32 intid)
{
    poke(cpu, intid, GICD_ISENABLER);
}

void gic_disable(u32 cpu, u32 intid)
{
    poke(cpu, intid, GICD_ICENABLER);
}

void gic_set_active(u32 cpu, u32 intid, bool active) /* gic_irq_set_irqchip_state */
{
    poke(cpu, intid, active ? GICD_ISACTIVER : GICD_ICACTIVER);
}

u32 gic_acknowledge(void)
{
    u32 iar;

    if (gic.version == 2)
        return mmio_read32(gic.gicc + GICC_IAR);
    iar = (u32)sysreg_read(ICC_IAR1_EL1, "gic_read_iar_common");
    dsb(sy);
    return iar;
}

void gic_end(u32 iar)
{
    if (gic.version == 2) {
        mmio_write32(gic.gicc + GICC_EOIR, iar);
    } else {
        sysreg_write(ICC_EOIR1_EL1, iar, "gic_write_eoir");
        isb();
    }
}

void gic_deactivate(u32 iar)
{
    if (gic.version == 2) {
        mmio_write32(gic.gicc + GICC_DIR, iar);
    } else {
        sysreg_write(ICC_DIR_EL1, iar, "gic_write_dir");
        isb();
    }
}

void gic_send_sgi(u32 cpu, u64 mpidr, u32 intid)
{
    /* Other CPUs must see what was stored before the interrupt (gic_raise_softirq). */
    dsb(ishst);
    if (gic.version == 2) {
        mmio_write32(gic.gicd + GICD_SGIR, 1U << (16 + cpu) | intid);
    } else {
        u64 value = (mpidr >> 32 & 0xff) << 48 | (mpidr >> 16 & 0xff) << 32 | (u64)intid << 24 |
                    (mpidr >> 8 & 0xff) << 16 | BIT(mpidr & 15);
        sysreg_write(ICC_SGI1R_EL1, value, "gic_write_sgi1r");
        isb();
    }
}
