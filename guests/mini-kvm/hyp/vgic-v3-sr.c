/* GICv3 virtual interface control (system registers). Mirrors vgic-v3-sr.c of 4.10. */
#include "accessors.h"
#include "hyp.h"

#define VTR_LISTREGS(vtr) ((vtr) & 0xf)            /* highest list register */
#define VTR_PRIBITS(vtr) (((u32)(vtr) >> 29) + 1)  /* priority bits */

#define EACH_LR(op) \
    op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11) op(12) op(13) op(14) op(15)

static u64 __gic_v3_get_lr(u32 lr)
{
#define GET(n) \
    case n:    \
        return sysreg_read(ICH_LR##n##_EL2, "__gic_v3_get_lr");
    switch (lr & 15) {
        EACH_LR(GET)
    }
    return 0;
}

static void __gic_v3_set_lr(u64 value, u32 lr)
{
#define SET(n)                                                       \
    case n:                                                          \
        sysreg_write(ICH_LR##n##_EL2, value, "__gic_v3_set_lr");     \
        break;
    switch (lr & 15) {
        EACH_LR(SET)
    }
}

static void save_maint_int_state(struct vcpu *vcpu, u32 nr_lr)
{
    struct vgic_v3_cpu_if *cpu_if = &vcpu->vgic.v3;
    bool expected = cpu_if->hcr & ICH_HCR_UIE;

    for (u32 i = 0; i < nr_lr; i++)
        if (vcpu->vgic.live_lrs & BIT(i))
            expected |= !(cpu_if->lr[i] & ICH_LR_HW) && cpu_if->lr[i] & ICH_LR_EOI;
    cpu_if->misr = 0;
    cpu_if->eisr = 0;
    if (!expected)
        return;
    cpu_if->misr = (u32)sysreg_read(ICH_MISR_EL2, "save_maint_int_state.v3");
    if (cpu_if->misr & ICH_MISR_EOI)
        cpu_if->eisr = (u32)sysreg_read(ICH_EISR_EL2, "save_maint_int_state.v3");
}

void __vgic_v3_save_state(struct vcpu *vcpu)
{
    struct vgic_v3_cpu_if *cpu_if = &vcpu->vgic.v3;

    cpu_if->vmcr = (u32)sysreg_read(ICH_VMCR_EL2, "__vgic_v3_save_state");
    if (vcpu->vgic.live_lrs) {
        u64 vtr;
        u32 highest, bits;

        cpu_if->elrsr = (u32)sysreg_read(ICH_ELRSR_EL2, "__vgic_v3_save_state");
        sysreg_write(ICH_HCR_EL2, 0, "__vgic_v3_save_state");
        vtr = sysreg_read(ICH_VTR_EL2, "__vgic_v3_save_state");
        highest = VTR_LISTREGS(vtr);
        bits = VTR_PRIBITS(vtr);
        save_maint_int_state(vcpu, highest + 1);
        for (u32 i = 0; i <= highest; i++) {
            if (!(vcpu->vgic.live_lrs & BIT(i)))
                continue;
            if (cpu_if->elrsr & BIT(i))
                cpu_if->lr[i] &= ~ICH_LR_STATE;
            else
                cpu_if->lr[i] = __gic_v3_get_lr(i);
            __gic_v3_set_lr(0, i);
        }
        if (bits >= 7) {
            cpu_if->ap0r[3] = (u32)sysreg_read(ICH_AP0R3_EL2, "__vgic_v3_save_state");
            cpu_if->ap0r[2] = (u32)sysreg_read(ICH_AP0R2_EL2, "__vgic_v3_save_state");
        }
        if (bits >= 6)
            cpu_if->ap0r[1] = (u32)sysreg_read(ICH_AP0R1_EL2, "__vgic_v3_save_state");
        cpu_if->ap0r[0] = (u32)sysreg_read(ICH_AP0R0_EL2, "__vgic_v3_save_state");
        if (bits >= 7) {
            cpu_if->ap1r[3] = (u32)sysreg_read(ICH_AP1R3_EL2, "__vgic_v3_save_state");
            cpu_if->ap1r[2] = (u32)sysreg_read(ICH_AP1R2_EL2, "__vgic_v3_save_state");
        }
        if (bits >= 6)
            cpu_if->ap1r[1] = (u32)sysreg_read(ICH_AP1R1_EL2, "__vgic_v3_save_state");
        cpu_if->ap1r[0] = (u32)sysreg_read(ICH_AP1R0_EL2, "__vgic_v3_save_state");
        vcpu->vgic.live_lrs = 0;
    } else {
        cpu_if->misr = 0;
        cpu_if->eisr = 0;
        cpu_if->elrsr = 0xffff;
        for (u32 i = 0; i < 4; i++)
            cpu_if->ap0r[i] = cpu_if->ap1r[i] = 0;
    }
    /* The host uses the system registers again. */
    sysreg_write(ICC_SRE_EL2, sysreg_read(ICC_SRE_EL2, "__vgic_v3_save_state") | ICC_SRE_EL2_ENABLE,
                 "__vgic_v3_save_state");
}

void __vgic_v3_restore_state(struct vcpu *vcpu)
{
    struct vgic_v3_cpu_if *cpu_if = &vcpu->vgic.v3;
    u64 live = 0, vtr = sysreg_read(ICH_VTR_EL2, "__vgic_v3_restore_state");
    u32 highest = VTR_LISTREGS(vtr), bits = VTR_PRIBITS(vtr);

    for (u32 i = 0; i <= highest; i++)
        if (cpu_if->lr[i] & ICH_LR_STATE)
            live |= BIT(i);
    sysreg_write(ICH_VMCR_EL2, cpu_if->vmcr, "__vgic_v3_restore_state");
    if (live) {
        sysreg_write(ICH_HCR_EL2, cpu_if->hcr, "__vgic_v3_restore_state");
        if (bits >= 7) {
            sysreg_write(ICH_AP0R3_EL2, cpu_if->ap0r[3], "__vgic_v3_restore_state");
            sysreg_write(ICH_AP0R2_EL2, cpu_if->ap0r[2], "__vgic_v3_restore_state");
        }
        if (bits >= 6)
            sysreg_write(ICH_AP0R1_EL2, cpu_if->ap0r[1], "__vgic_v3_restore_state");
        sysreg_write(ICH_AP0R0_EL2, cpu_if->ap0r[0], "__vgic_v3_restore_state");
        if (bits >= 7) {
            sysreg_write(ICH_AP1R3_EL2, cpu_if->ap1r[3], "__vgic_v3_restore_state");
            sysreg_write(ICH_AP1R2_EL2, cpu_if->ap1r[2], "__vgic_v3_restore_state");
        }
        if (bits >= 6)
            sysreg_write(ICH_AP1R1_EL2, cpu_if->ap1r[1], "__vgic_v3_restore_state");
        sysreg_write(ICH_AP1R0_EL2, cpu_if->ap1r[0], "__vgic_v3_restore_state");
        for (u32 i = 0; i <= highest; i++)
            if (live & BIT(i))
                __gic_v3_set_lr(cpu_if->lr[i], i);
    }
    vcpu->vgic.live_lrs = live;
    /* The VM's ICC_SRE_EL1 traps: it cannot turn SRE off. */
    sysreg_write(ICC_SRE_EL2, sysreg_read(ICC_SRE_EL2, "__vgic_v3_restore_state") & ~ICC_SRE_EL2_ENABLE,
                 "__vgic_v3_restore_state");
}

void __vgic_v3_init_lrs(void)
{
    u32 highest = VTR_LISTREGS(sysreg_read(ICH_VTR_EL2, "__vgic_v3_init_lrs"));

    for (u32 i = 0; i <= highest; i++)
        __gic_v3_set_lr(0, i);
}

u64 __vgic_v3_get_ich_vtr_el2(void)
{
    return sysreg_read(ICH_VTR_EL2, "__vgic_v3_get_ich_vtr_el2");
}
