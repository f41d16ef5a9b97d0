/* GICv2 virtual interface control: list registers move only if one is in use. Mirrors vgic-v2-sr.c of 4.10. */
#include "accessors.h"
#include "hyp.h"

/* Why a maintenance interrupt may have come: asked only if one was possible. */
static void save_maint_int_state(struct vcpu *vcpu, u64 base)
{
    struct vgic_v2_cpu_if *cpu_if = &vcpu->vgic.v2;
    u32 nr_lr = vcpu->kvm->nr_lr;
    bool expected = cpu_if->hcr & GICH_HCR_UIE;

    for (u32 i = 0; i < nr_lr; i++)
        if (vcpu->vgic.live_lrs & BIT(i))
            expected |= !(cpu_if->lr[i] & GICH_LR_HW) && cpu_if->lr[i] & GICH_LR_EOI;
    cpu_if->misr = 0;
    cpu_if->eisr = 0;
    if (!expected)
        return;
    cpu_if->misr = gich_read(base, GICH_MISR, "save_maint_int_state.v2");
    if (!(cpu_if->misr & GICH_MISR_EOI))
        return;
    cpu_if->eisr = gich_read(base, GICH_EISR0, "save_maint_int_state.v2");
    if (nr_lr > 32)
        cpu_if->eisr |= (u64)gich_read(base, GICH_EISR1, "save_maint_int_state.v2") << 32;
}

static void save_elrsr(struct vcpu *vcpu, u64 base)
{
    struct vgic_v2_cpu_if *cpu_if = &vcpu->vgic.v2;

    cpu_if->elrsr = gich_read(base, GICH_ELRSR0, "save_elrsr");
    if (vcpu->kvm->nr_lr > 32)
        cpu_if->elrsr |= (u64)gich_read(base, GICH_ELRSR1, "save_elrsr") << 32;
}

static void save_lrs(struct vcpu *vcpu, u64 base)
{
    struct vgic_v2_cpu_if *cpu_if = &vcpu->vgic.v2;

    for (u32 i = 0; i < vcpu->kvm->nr_lr; i++) {
        if (!(vcpu->vgic.live_lrs & BIT(i)))
            continue;
        if (cpu_if->elrsr & BIT(i))
            cpu_if->lr[i] &= ~(u32)GICH_LR_STATE;
        else
            cpu_if->lr[i] = gich_read(base, GICH_LR0 + i * 4, "save_lrs");
        gich_write(base, GICH_LR0 + i * 4, 0, "save_lrs");
    }
}

void __vgic_v2_save_state(struct vcpu *vcpu)
{
    struct vgic_v2_cpu_if *cpu_if = &vcpu->vgic.v2;
    u64 base = vcpu->kvm->gich;

    if (!base)
        return;
    cpu_if->vmcr = gich_read(base, GICH_VMCR, "__vgic_v2_save_state");
    if (vcpu->vgic.live_lrs) {
        cpu_if->apr = gich_read(base, GICH_APR, "__vgic_v2_save_state");
        save_maint_int_state(vcpu, base);
        save_elrsr(vcpu, base);
        save_lrs(vcpu, base);
        gich_write(base, GICH_HCR, 0, "__vgic_v2_save_state");
        vcpu->vgic.live_lrs = 0;
    } else {
        cpu_if->eisr = 0;
        cpu_if->elrsr = ~0UL;
        cpu_if->misr = 0;
        cpu_if->apr = 0;
    }
}

void __vgic_v2_restore_state(struct vcpu *vcpu)
{
    struct vgic_v2_cpu_if *cpu_if = &vcpu->vgic.v2;
    u64 base = vcpu->kvm->gich, live = 0;
    u32 nr_lr = vcpu->kvm->nr_lr;

    if (!base)
        return;
    for (u32 i = 0; i < nr_lr; i++)
        if (cpu_if->lr[i] & GICH_LR_STATE)
            live |= BIT(i);
    if (live) {
        gich_write(base, GICH_HCR, cpu_if->hcr, "__vgic_v2_restore_state");
        gich_write(base, GICH_APR, cpu_if->apr, "__vgic_v2_restore_state");
        for (u32 i = 0; i < nr_lr; i++)
            if (live & BIT(i))
                gich_write(base, GICH_LR0 + i * 4, cpu_if->lr[i], "__vgic_v2_restore_state");
    }
    gich_write(base, GICH_VMCR, cpu_if->vmcr, "__vgic_v2_restore_state");
    vcpu->vgic.live_lrs = live;
}
