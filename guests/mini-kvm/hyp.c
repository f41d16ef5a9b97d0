/* Installs the hypervisor part: its own stage 1 tables at EL2 (nVHE), stage 2 control, and what the VMs need to know. */
#include "accessors.h"
#include "gic.h"
#include "host.h"
#include "hyp.h"
#include "print.h"

void hyp_panic_message(void);

#if !VHE
static struct pagetable hyp_tables;
static u8 hyp_stacks[MAX_CPUS][PAGE_SIZE] __attribute__((aligned(4096)));
#endif

/* EL2 maps its own code, the read-only and the writable data, and the virtual interface control registers. */
void hyp_tables_init(void)
{
    hyp_config.gicv3 = gic.version == 3;
    hyp_config.panic = (u64)hyp_panic_message;
#if !VHE
    hyp_tables = (struct pagetable){ .root = memory_page(), .format = FORMAT_EL2, .page = memory_page };
    pagetable_map(&hyp_tables, (u64)_hyp_text_start, (u64)(_hyp_text_end - _hyp_text_start), MAP_TEXT);
    pagetable_map(&hyp_tables, (u64)_rodata_start, (u64)(_rodata_end - _rodata_start), MAP_RODATA);
    pagetable_map(&hyp_tables, (u64)_data_start, (u64)(_image_end - _data_start), MAP_DATA);
    if (gic.version == 2)
        pagetable_map(&hyp_tables, gic.gich, gic.gich_size, MAP_DEVICE);
#endif
}

void hyp_init_cpu(struct pcpu *cpu)
{
#if VHE
    /* kvm_timer_init_vhe: with E2H these bits speak of EL0, and mean the VM when TGE is 0. */
    u64 cnthctl = sysreg_read(CNTHCTL_EL2, "kvm_timer_init_vhe");
    sysreg_write(CNTHCTL_EL2, (cnthctl & ~(CNTHCTL_EL1PCEN << 10)) | CNTHCTL_EL1PCTEN << 10, "kvm_timer_init_vhe");
#else
    dsb(sy);
    __hyp_set_vectors((u64)__kvm_hyp_init);
    __cpu_init_hyp_mode((u64)hyp_tables.root, (u64)&hyp_stacks[cpu->id + 1], (u64)__kvm_hyp_vector);
#endif
    kvm_call_hyp(__init_stage2_translation, 0, 0, 0);
    cpu->mdcr_el2 = kvm_call_hyp(__kvm_get_mdcr_el2, 0, 0, 0);
    if (gic.version == 3) {
        kvm.nr_lr = (kvm_call_hyp(__vgic_v3_get_ich_vtr_el2, 0, 0, 0) & 15) + 1;
        kvm_call_hyp(__vgic_v3_init_lrs, 0, 0, 0);
    } else {
        kvm.nr_lr = (gich_read(gic.gich, GICH_VTR, "vgic_v2_probe") & 63) + 1;
    }
}
