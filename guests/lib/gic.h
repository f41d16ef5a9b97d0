/*
 * The physical (or, in a VM, virtual) interrupt controller: GICv2 or GICv3, found in the device tree.
 * The function names in comments are those of Linux 4.10's irq-gic.c and irq-gic-v3.c.
 */
#ifndef LIB_GIC_H
#define LIB_GIC_H
#include "fdt.h"
#include "types.h"

#define GICD_CTLR 0x000
#define GICD_TYPER 0x004
#define GICD_IIDR 0x008
#define GICD_IGROUPR 0x080
#define GICD_ISENABLER 0x100
#define GICD_ICENABLER 0x180
#define GICD_ISPENDR 0x200
#define GICD_ICPENDR 0x280
#define GICD_ISACTIVER 0x300
#define GICD_ICACTIVER 0x380
#define GICD_IPRIORITYR 0x400
#define GICD_ITARGETSR 0x800
#define GICD_ICFGR 0xc00
#define GICD_SGIR 0xf00
#define GICD_CPENDSGIR 0xf10
#define GICD_SPENDSGIR 0xf20
#define GICD_IROUTER 0x6000
#define GICD_PIDR2 0xffe8

#define GICC_CTLR 0x00
#define GICC_PMR 0x04
#define GICC_BPR 0x08
#define GICC_IAR 0x0c
#define GICC_EOIR 0x10
#define GICC_DIR 0x1000

#define GICR_CTLR 0x0000
#define GICR_IIDR 0x0004
#define GICR_TYPER 0x0008
#define GICR_WAKER 0x0014
#define GICR_SGI_BASE 0x10000
#define GICR_STRIDE 0x20000

#define GIC_SPURIOUS 1023
#define PPI_HYP_TIMER 26
#define PPI_VIRTUAL_TIMER 27
#define PPI_PHYSICAL_TIMER 30
#define GIC_MAX_CPUS 8

struct gic {
    u32 version;
    /* EOImode = 1: writing EOIR only drops the priority, gic_deactivate() does the rest. */
    bool split_eoi;
    u64 gicd, gicc, gich, gicv, gicr;
    u64 gicc_size, gich_size, gicv_size, gicr_size;
    /* GICv3: this CPU's redistributor frame; by CPU index. */
    u64 redistributor[GIC_MAX_CPUS];
};

extern struct gic gic;

bool gic_probe(const struct fdt *fdt);
void gic_distributor_init(void);
void gic_cpu_init(u32 cpu, u64 mpidr, bool split_eoi);
void gic_enable(u32 cpu, u32 intid);
void gic_disable(u32 cpu, u32 intid);
void gic_set_active(u32 cpu, u32 intid, bool active);
u32 gic_acknowledge(void);
void gic_end(u32 iar);
void gic_deactivate(u32 iar);
/* `cpu` is the GICv2 CPU interface number, `mpidr` the affinity for GICv3. */
void gic_send_sgi(u32 cpu, u64 mpidr, u32 intid);
#endif
