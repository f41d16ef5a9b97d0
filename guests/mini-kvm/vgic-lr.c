/* List registers of both GIC versions, in memory. Mirrors vgic-v2.c and vgic-v3.c of 4.10. */
#include "accessors.h"
#include "gic.h"
#include "host.h"

#define V2_SOURCE_SHIFT 10
#define V2_PHYSICAL_SHIFT 10
#define V2_PRIORITY_SHIFT 23
#define V3_PHYSICAL_SHIFT 32
#define V3_PRIORITY_SHIFT 48

/* What a list register says, whatever its layout. */
struct lr {
    u32 intid, hwintid, source, priority;
    bool pending, active, hw, eoi;
};

static void write_lr(struct vcpu *vcpu, u32 n, const struct lr *lr)
{
    if (gic.version == 2) {
        vcpu->vgic.v2.lr[n] = (u32)(lr->intid | (lr->pending ? GICH_LR_PENDING : 0) | (lr->active ? GICH_LR_ACTIVE : 0) |
                                    (lr->eoi ? GICH_LR_EOI : 0) | (u64)(lr->priority >> 3) << V2_PRIORITY_SHIFT |
                                    (lr->hw ? GICH_LR_HW | (u64)lr->hwintid << V2_PHYSICAL_SHIFT
                                            : (u64)lr->source << V2_SOURCE_SHIFT));
    } else {
        vcpu->vgic.v3.lr[n] = lr->intid | (lr->pending ? ICH_LR_PENDING : 0) | (lr->active ? ICH_LR_ACTIVE : 0) |
                              (lr->eoi ? ICH_LR_EOI : 0) | (u64)lr->priority << V3_PRIORITY_SHIFT | ICH_LR_GROUP |
                              (lr->hw ? ICH_LR_HW | (u64)lr->hwintid << V3_PHYSICAL_SHIFT : 0);
    }
}

static struct lr read_lr(const struct vcpu *vcpu, u32 n)
{
    if (gic.version == 2) {
        u32 value = vcpu->vgic.v2.lr[n];
        return (struct lr){
            .intid = value & 0x3ff,
            .source = value >> V2_SOURCE_SHIFT & 7,
            .pending = value & GICH_LR_PENDING,
            .active = value & GICH_LR_ACTIVE,
        };
    } else {
        u64 value = vcpu->vgic.v3.lr[n];
        return (struct lr){
            .intid = (u32)value,
            .pending = value & ICH_LR_PENDING,
            .active = value & ICH_LR_ACTIVE,
        };
    }
}

/* vgic_populate_lr */
void vgic_lr_fill(struct vcpu *vcpu, struct vgic_irq *irq, u32 n)
{
    struct lr lr = { .intid = irq->intid, .priority = irq->priority, .active = irq->active };

    if (vgic_irq_pending(irq)) {
        lr.pending = true;
        if (!irq->level)
            irq->latch = false;
        if (irq->intid < 16 && gic.version == 2) {
            /* One list register per source of an SGI. */
            lr.source = (u32)__builtin_ctz(irq->source);
            irq->source &= (u8)(irq->source - 1);
            irq->latch = irq->source;
        }
    }
    if (irq->hw) {
        lr.hw = true;
        lr.hwintid = irq->hwintid;
        /* Pending of an active hardware interrupt is kept at the physical distributor. */
        if (lr.active)
            lr.pending = false;
    } else {
        lr.eoi = irq->level;
    }
    write_lr(vcpu, n, &lr);
}

void vgic_lr_clear(struct vcpu *vcpu, u32 n)
{
    if (gic.version == 2)
        vcpu->vgic.v2.lr[n] = 0;
    else
        vcpu->vgic.v3.lr[n] = 0;
}

/* More interrupts than list registers: an interrupt when the last of them is nearly done. */
void vgic_lr_underflow(struct vcpu *vcpu)
{
    if (gic.version == 2)
        vcpu->vgic.v2.hcr |= GICH_HCR_UIE;
    else
        vcpu->vgic.v3.hcr |= ICH_HCR_UIE;
}

/* vgic_process_maintenance_interrupt and vgic_fold_lr_state */
void vgic_lr_fold(struct vcpu *vcpu)
{
    if (gic.version == 2)
        vcpu->vgic.v2.hcr &= ~(u32)GICH_HCR_UIE;
    else
        vcpu->vgic.v3.hcr &= ~(u32)ICH_HCR_UIE;
    for (u32 n = 0; n < vcpu->vgic.used_lrs; n++) {
        struct lr lr = read_lr(vcpu, n);
        struct vgic_irq *irq = vgic_irq(vcpu, lr.intid);

        if (!irq)
            continue;
        irq->active = lr.active;
        if (!irq->level && lr.pending) {
            irq->latch = true;
            if (lr.intid < 16 && gic.version == 2)
                irq->source |= (u8)(1 << lr.source);
        }
        if (irq->level && !lr.pending)
            irq->latch = false;
    }
    vcpu->vgic.used_lrs = 0;
}

/* vgic_enable */
void vgic_lr_enable(struct vcpu *vcpu)
{
    if (gic.version == 2) {
        vcpu->vgic.v2.hcr = GICH_HCR_EN;
        vcpu->vgic.v2.elrsr = ~0UL;
    } else {
        vcpu->vgic.v3.hcr = ICH_HCR_EN;
        vcpu->vgic.v3.elrsr = ~0U;
        vcpu->vgic.v3.sre = ICC_SRE_EL1_DIB | ICC_SRE_EL1_DFB | ICC_SRE_EL1_SRE;
    }
}
