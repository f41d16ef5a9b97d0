/*
 * The virtual interrupt controller: which interrupts are pending or active for which vCPU. Mirrors vgic.c of 4.10, with
 * one lock for all of it.
 */
#include "gic.h"
#include "host.h"

struct vgic_irq *vgic_irq(struct vcpu *vcpu, u32 intid)
{
    if (intid < 32)
        return &vcpu->vgic.private_irqs[intid];
    return intid < 32 + SPI_COUNT ? &vcpu->kvm->spis[intid - 32] : NULL;
}

bool vgic_irq_pending(const struct vgic_irq *irq)
{
    return irq->latch || (irq->level && irq->line_level);
}

/* vgic_target_oracle: where the interrupt should be now; NULL if nowhere. */
static struct vcpu *target(const struct kvm *kvm, const struct vgic_irq *irq)
{
    if (irq->active)
        return irq->vcpu ? irq->vcpu : irq->target_vcpu;
    if (irq->enabled && vgic_irq_pending(irq) && kvm->gic_enabled)
        return irq->target_vcpu;
    return NULL;
}

static void list_add(struct vcpu *vcpu, struct vgic_irq *irq)
{
    struct vgic_irq **tail = &vcpu->vgic.list;

    while (*tail)
        tail = &(*tail)->next;
    irq->next = NULL;
    irq->vcpu = vcpu;
    *tail = irq;
}

/* vgic_queue_irq_unlock, with the lock held by the caller. */
void vgic_queue(struct vgic_irq *irq)
{
    struct vcpu *vcpu = target(&kvm, irq);

    if (!vcpu)
        return;
    if (!irq->vcpu)
        list_add(vcpu, irq);
    vcpu_kick(vcpu);
}

/* kvm_vgic_inject_irq */
void vgic_inject(struct vcpu *vcpu, u32 intid, bool level)
{
    struct vgic_irq *irq = vgic_irq(vcpu, intid);

    spin_lock(&kvm.vgic_lock);
    if (irq->level ? irq->line_level != level : level) {
        if (irq->level)
            irq->line_level = level;
        else
            irq->latch = true;
        vgic_queue(irq);
    }
    spin_unlock(&kvm.vgic_lock);
}

static bool before(const struct vgic_irq *a, const struct vgic_irq *b)
{
    bool pa = a->enabled && vgic_irq_pending(a), pb = b->enabled && vgic_irq_pending(b);

    if (a->active || b->active)
        return a->active && !b->active;
    if (!pa || !pb)
        return pa && !pb;
    return a->priority < b->priority;
}

/* Active first, then by priority; stable. */
static void sort_list(struct vcpu *vcpu)
{
    struct vgic_irq *sorted = NULL, *irq = vcpu->vgic.list;

    while (irq) {
        struct vgic_irq *next = irq->next, **at = &sorted;

        while (*at && !before(irq, *at))
            at = &(*at)->next;
        irq->next = *at;
        *at = irq;
        irq = next;
    }
    vcpu->vgic.list = sorted;
}

/* kvm_vgic_flush_hwstate: the list registers of the next turn, in memory. */
void vgic_flush(struct vcpu *vcpu)
{
    u32 count = 0, depth = 0, nr_lr = kvm.nr_lr;

    spin_lock(&kvm.vgic_lock);
    for (struct vgic_irq *irq = vcpu->vgic.list; irq; irq = irq->next) {
        depth++;
        for (u32 more = irq->source; more &= more - 1;)
            depth++;
    }
    if (depth > nr_lr) {
        vgic_lr_underflow(vcpu);
        sort_list(vcpu);
    }
    for (struct vgic_irq *irq = vcpu->vgic.list; irq && count < nr_lr; irq = irq->next) {
        if (target(&kvm, irq) != vcpu)
            continue;
        do
            vgic_lr_fill(vcpu, irq, count++);
        while (irq->source && count < nr_lr);
    }
    vcpu->vgic.used_lrs = count;
    while (count < nr_lr)
        vgic_lr_clear(vcpu, count++);
    spin_unlock(&kvm.vgic_lock);
}

/* vgic_prune_ap_list: drops what is done, moves what has a new target. */
static void prune_list(struct vcpu *vcpu)
{
    struct vgic_irq **at = &vcpu->vgic.list;

    while (*at) {
        struct vgic_irq *irq = *at;
        struct vcpu *to = target(&kvm, irq);

        if (to == vcpu) {
            at = &irq->next;
            continue;
        }
        *at = irq->next;
        irq->vcpu = NULL;
        if (to) {
            list_add(to, irq);
            vcpu_kick(to);
        }
    }
}

/* kvm_vgic_sync_hwstate: back from the list registers. */
void vgic_sync(struct vcpu *vcpu)
{
    spin_lock(&kvm.vgic_lock);
    vgic_lr_fold(vcpu);
    prune_list(vcpu);
    spin_unlock(&kvm.vgic_lock);
}

/* kvm_vgic_vcpu_pending_irq */
bool vgic_pending(struct vcpu *vcpu)
{
    bool pending = false;

    spin_lock(&kvm.vgic_lock);
    for (struct vgic_irq *irq = vcpu->vgic.list; irq; irq = irq->next)
        pending |= vgic_irq_pending(irq) && irq->enabled;
    spin_unlock(&kvm.vgic_lock);
    return pending;
}

void vgic_init(struct kvm *kvm)
{
    kvm->gich = gic.version == 2 ? gic.gich : 0;
    for (u32 i = 0; i < SPI_COUNT; i++)
        kvm->spis[i] = (struct vgic_irq){ .intid = 32 + i, .level = true, .targets = 1, .target_vcpu = &kvm->vcpus[0] };
    for (u32 c = 0; c < kvm->vcpu_count; c++) {
        struct vcpu *vcpu = &kvm->vcpus[c];

        for (u32 i = 0; i < 32; i++)
            vcpu->vgic.private_irqs[i] = (struct vgic_irq){
                .intid = i,
                .level = i >= 16,
                .enabled = i < 16, /* SGIs are always enabled (4.10) */
                .targets = (u8)(1 << c),
                .target_vcpu = vcpu,
            };
        /* kvm_timer_enable: the timer's interrupt is deactivated by the VM on the physical controller. */
        vcpu->vgic.private_irqs[PPI_VIRTUAL_TIMER].hw = true;
        vcpu->vgic.private_irqs[PPI_VIRTUAL_TIMER].hwintid = PPI_VIRTUAL_TIMER;
        vgic_lr_enable(vcpu);
    }
    if (gic.version == 2)
        /* vgic_v2_map_resources: the VM's CPU interface is the hardware's virtual one. */
        stage2_map_device(kvm, 0x08010000, gic.gicv, 0x2000);
}
