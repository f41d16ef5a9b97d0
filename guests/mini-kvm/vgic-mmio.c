/* The VM's distributor and redistributors. Mirrors vgic-mmio*.c of 4.10. */
#include "gic.h"
#include "host.h"

#define GICD_BASE 0x08000000UL
#define GICD_SIZE 0x10000UL
#define GICR_BASE 0x080a0000UL
#define IIDR 0x4b00043bU /* product 'K', implementer Arm */
#define CTLR_ENABLE_GRP1 BIT(1)
#define CTLR_ARE_DS 0x50U
#define PIDR2_GICV3 0x3bU

/* ---- registers with one bit per interrupt ------------------------------------------------------------------------ */

static bool read_bit(const struct vgic_irq *irq, u32 reg)
{
    switch (reg) {
    case GICD_IGROUPR:
        return gic.version == 3;
    case GICD_ISENABLER:
    case GICD_ICENABLER:
        return irq->enabled;
    case GICD_ISPENDR:
    case GICD_ICPENDR:
        return vgic_irq_pending(irq);
    default:
        return irq->active;
    }
}

static void write_bit(struct vgic_irq *irq, u32 reg)
{
    switch (reg) {
    case GICD_ISENABLER:
        irq->enabled = true;
        break;
    case GICD_ICENABLER:
        irq->enabled = false;
        break;
    case GICD_ISPENDR:
        irq->latch = true;
        break;
    case GICD_ICPENDR:
        irq->latch = false;
        break;
    case GICD_ISACTIVER:
        irq->active = true;
        break;
    case GICD_ICACTIVER:
        irq->active = false;
        break;
    default:
        return;
    }
    vgic_queue(irq);
}

static void one_bit(struct vcpu *vcpu, u32 reg, u32 offset, u32 size, bool write, u64 *data)
{
    u32 first = offset * 8;
    u64 result = 0;

    for (u32 i = 0; i < size * 8; i++) {
        struct vgic_irq *irq = vgic_irq(vcpu, first + i);

        if (!irq)
            break;
        if (!write)
            result |= (u64)read_bit(irq, reg) << i;
        else if (*data & BIT(i))
            write_bit(irq, reg);
    }
    if (!write)
        *data = result;
}

/* ---- registers with one byte per interrupt, and the rest ----------------------------------------------------------- */

static u8 read_byte(struct vcpu *vcpu, u32 reg, const struct vgic_irq *irq)
{
    if (reg == GICD_IPRIORITYR)
        return irq->priority;
    return irq->intid < 32 ? (u8)(1 << vcpu->id) : irq->targets;
}

static void write_byte(struct vcpu *vcpu, u32 reg, struct vgic_irq *irq, u8 value)
{
    if (reg == GICD_IPRIORITYR) {
        irq->priority = value & 0xf8;
    } else if (irq->intid >= 32) {
        irq->targets = value & (u8)(BIT(vcpu->kvm->vcpu_count) - 1);
        irq->target_vcpu = &vcpu->kvm->vcpus[irq->targets ? __builtin_ctz(irq->targets) : 0];
    }
}

static void one_byte(struct vcpu *vcpu, u32 reg, u32 offset, u32 size, bool write, u64 *data)
{
    u64 result = 0;

    for (u32 i = 0; i < size; i++) {
        struct vgic_irq *irq = vgic_irq(vcpu, offset + i);

        if (!irq)
            break;
        if (write)
            write_byte(vcpu, reg, irq, (u8)(*data >> i * 8));
        else
            result |= (u64)read_byte(vcpu, reg, irq) << i * 8;
    }
    if (!write)
        *data = result;
}

static void configuration(struct vcpu *vcpu, u32 offset, bool write, u64 *data)
{
    u64 result = 0;

    for (u32 i = 0; i < 16; i++) {
        struct vgic_irq *irq = vgic_irq(vcpu, offset * 4 + i);

        if (!irq)
            break;
        if (!write)
            result |= irq->level ? 0 : 2UL << i * 2;
        else if (irq->intid >= 32)
            irq->level = !(*data >> i * 2 & 2);
    }
    if (!write)
        *data = result;
}

static void pending_sgis(struct vcpu *vcpu, u32 offset, bool set, u32 size, bool write, u64 *data)
{
    u64 result = 0;

    for (u32 i = 0; i < size; i++) {
        struct vgic_irq *irq = vgic_irq(vcpu, offset + i);
        u8 sources = (u8)(*data >> i * 8);

        if (!write) {
            result |= (u64)irq->source << i * 8;
            continue;
        }
        irq->source = set ? irq->source | sources : irq->source & (u8)~sources;
        irq->latch = irq->source;
        vgic_queue(irq);
    }
    if (!write)
        *data = result;
}

/* vgic_mmio_write_sgir and vgic_v3_dispatch_sgi, with the lock held */
void vgic_sgi(struct vcpu *from, u32 intid, u32 target_list, bool all_others)
{
    for (u32 i = 0; i < from->kvm->vcpu_count; i++) {
        struct vgic_irq *irq;

        if (all_others ? i == from->id : !(target_list & BIT(i)))
            continue;
        irq = vgic_irq(&from->kvm->vcpus[i], intid);
        irq->latch = true;
        irq->source |= gic.version == 2 ? (u8)(1 << from->id) : 0;
        vgic_queue(irq);
    }
}

void vgic_v3_sgi1r(struct vcpu *from, u64 value)
{
    /* Affinities 1 to 3 of all our vCPUs are 0. */
    bool here = !(value & 0x00ff00ff00ff0000UL);

    spin_lock(&kvm.vgic_lock);
    vgic_sgi(from, value >> 24 & 15, here ? value & 0xffff : 0, value & BIT(40));
    spin_unlock(&kvm.vgic_lock);
}

/* Registers that distributor and redistributor share. False: not one of them. */
static bool common(struct vcpu *vcpu, u32 offset, u32 size, bool write, u64 *data)
{
    if (offset >= GICD_IGROUPR && offset < GICD_IPRIORITYR) {
        one_bit(vcpu, offset & ~0x7fU, offset & 0x7f, size, write, data);
        return true;
    }
    if (offset >= GICD_IPRIORITYR && offset < GICD_ITARGETSR) {
        one_byte(vcpu, GICD_IPRIORITYR, offset - GICD_IPRIORITYR, size, write, data);
        return true;
    }
    if (offset >= GICD_ICFGR && offset < GICD_ICFGR + 0x100) {
        configuration(vcpu, offset - GICD_ICFGR, write, data);
        return true;
    }
    return false;
}

static void control(struct vcpu *vcpu, bool write, u64 *data)
{
    struct kvm *kvm = vcpu->kvm;
    bool before = kvm->gic_enabled;

    if (!write) {
        *data = gic.version == 3 ? CTLR_ARE_DS | (kvm->gic_enabled ? CTLR_ENABLE_GRP1 : 0) : kvm->gic_enabled;
        return;
    }
    kvm->gic_enabled = *data & (gic.version == 3 ? CTLR_ENABLE_GRP1 : 1);
    if (!before && kvm->gic_enabled)
        for (u32 i = 0; i < kvm->vcpu_count; i++)
            vcpu_kick(&kvm->vcpus[i]);
}

static void router(struct vcpu *vcpu, u32 offset, u32 size, bool write, u64 *data)
{
    struct vgic_irq *irq = vgic_irq(vcpu, offset / 8);

    if (!irq || irq->intid < 32 || size != 8)
        return;
    if (!write) {
        *data = irq->affinity;
        return;
    }
    irq->affinity = *data & 0xff00ffffffUL;
    for (u32 i = 0; i < vcpu->kvm->vcpu_count; i++)
        if (i == irq->affinity)
            irq->target_vcpu = &vcpu->kvm->vcpus[i];
}

static void distributor(struct vcpu *vcpu, u32 offset, u32 size, bool write, u64 *data)
{
    u32 lines = (32 + SPI_COUNT) / 32 - 1;

    if (offset == GICD_CTLR) {
        control(vcpu, write, data);
    } else if (offset == GICD_TYPER && !write) {
        *data = gic.version == 3 ? lines | 9U << 19 : lines | (vcpu->kvm->vcpu_count - 1) << 5;
    } else if (offset == GICD_IIDR && !write) {
        *data = IIDR;
    } else if (common(vcpu, offset, size, write, data)) {
        return;
    } else if (gic.version == 2 && offset >= GICD_ITARGETSR && offset < GICD_ICFGR) {
        one_byte(vcpu, GICD_ITARGETSR, offset - GICD_ITARGETSR, size, write, data);
    } else if (gic.version == 2 && offset == GICD_SGIR && write) {
        u32 filter = *data >> 24 & 3;
        vgic_sgi(vcpu, *data & 15, filter == 2 ? (u32)BIT(vcpu->id) : *data >> 16 & 0xff, filter == 1);
    } else if (gic.version == 2 && offset >= GICD_CPENDSGIR && offset < GICD_SPENDSGIR + 16) {
        pending_sgis(vcpu, offset & 15, offset >= GICD_SPENDSGIR, size, write, data);
    } else if (gic.version == 3 && offset >= GICD_IROUTER && offset < GICD_IROUTER + 8 * (32 + SPI_COUNT)) {
        router(vcpu, offset - GICD_IROUTER, size, write, data);
    } else if (gic.version == 3 && offset == GICD_PIDR2 && !write) {
        *data = PIDR2_GICV3;
    }
}

static void redistributor(struct vcpu *owner, u32 offset, u32 size, bool write, u64 *data)
{
    bool last = owner->id + 1 == owner->kvm->vcpu_count;
    u64 typer = (u64)owner->id << 32 | owner->id << 8 | (last ? BIT(4) : 0);

    if (offset >= GICR_SGI_BASE) {
        common(owner, offset - GICR_SGI_BASE, size, write, data);
        return;
    }
    if (write)
        return;
    if (offset == GICR_IIDR)
        *data = IIDR;
    else if (offset == GICR_TYPER)
        *data = typer;
    else if (offset == GICR_TYPER + 4)
        *data = typer >> 32;
    else if (offset == GICD_PIDR2)
        *data = PIDR2_GICV3;
}

bool vgic_mmio(struct vcpu *vcpu, u64 address, u32 size, bool write, u64 *data)
{
    u64 value = write ? *data : 0;
    bool is_distributor = address - GICD_BASE < GICD_SIZE;

    if (!is_distributor && (gic.version != 3 || address - GICR_BASE >= vcpu->kvm->vcpu_count * (u64)GICR_STRIDE))
        return false;
    spin_lock(&kvm.vgic_lock);
    if (is_distributor)
        distributor(vcpu, (u32)(address - GICD_BASE), size, write, &value);
    else
        redistributor(&vcpu->kvm->vcpus[(address - GICR_BASE) / GICR_STRIDE], (u32)((address - GICR_BASE) % GICR_STRIDE),
                      size, write, &value);
    spin_unlock(&kvm.vgic_lock);
    if (!write)
        *data = value;
    return true;
}
