/* The kernel part: what it has of its own, and its functions. */
#ifndef HOST_H
#define HOST_H
#include "fdt.h"
#include "guest.h"
#include "kvm.h"
#include "pagetable.h"

#define IPI_RESCHEDULE 0
#define PPI_MAINTENANCE 25
/* The kernel part's own timer: at EL1 the physical timer, at EL2 (VHE) the hypervisor timer under the same name. */
#define PPI_HOST_TIMER (VHE ? PPI_HYP_TIMER : PPI_PHYSICAL_TIMER)

struct pcpu {
    u64 mpidr;
    u32 id;
    bool up;
    u64 mdcr_el2;
    struct cpu_context host_context;
    u64 unexpected_interrupts;
};

extern struct pcpu pcpus[MAX_CPUS];
extern u32 pcpu_count;
extern struct pagetable kernel_tables;
extern struct kvm kvm;

struct pcpu *this_cpu(void);

/* memory.c */
void memory_init(u64 base, u64 size);
void memory_reserve(u64 base, u64 size);
void *memory_page(void);
u64 memory_take(u64 size, u64 align);

/* host.c: interrupts of the host and sleeping */
void host_interrupts_init(struct pcpu *cpu);
void host_kick(u32 cpu);
void host_timer_arm(u64 counts);
void host_timer_disarm(void);
u64 host_counter(void);

/* hyp.c: installs the hypervisor part on this CPU */
void hyp_tables_init(void);
void hyp_init_cpu(struct pcpu *cpu);

/* run.c */
int vcpu_run(struct vcpu *vcpu);
void vcpu_kick(struct vcpu *vcpu);
void vcpu_block(struct vcpu *vcpu);
void vcpu_reset(struct vcpu *vcpu, u64 pc, u64 argument);
void vcpu_skip(struct vcpu *vcpu);
void vcpu_undefined(struct vcpu *vcpu);

/* exits.c */
int handle_exit(struct vcpu *vcpu, u64 exit);
/* Completes an access that user space (or the in-kernel device) performed. */
void mmio_return(struct vcpu *vcpu);

/* sysregs.c */
int handle_sysreg(struct vcpu *vcpu);

/* stage2.c */
void stage2_init(struct kvm *kvm);
int stage2_fault(struct vcpu *vcpu, u64 ipa);
void stage2_map_device(struct kvm *kvm, u64 ipa, u64 pa, u64 size);
void stage2_flush(struct kvm *kvm);
/* The page that backs a guest address, taken from the pool if it has none yet; NULL outside guest memory. */
void *guest_page(struct kvm *kvm, u64 ipa);

/* vgic.c */
void vgic_init(struct kvm *kvm);
struct vgic_irq *vgic_irq(struct vcpu *vcpu, u32 intid);
void vgic_queue(struct vgic_irq *irq);
void vgic_inject(struct vcpu *vcpu, u32 intid, bool level);
void vgic_flush(struct vcpu *vcpu);
void vgic_sync(struct vcpu *vcpu);
bool vgic_pending(struct vcpu *vcpu);
bool vgic_irq_pending(const struct vgic_irq *irq);
/* vgic-lr.c */
void vgic_lr_fill(struct vcpu *vcpu, struct vgic_irq *irq, u32 lr);
void vgic_lr_clear(struct vcpu *vcpu, u32 lr);
void vgic_lr_underflow(struct vcpu *vcpu);
void vgic_lr_fold(struct vcpu *vcpu);
void vgic_lr_enable(struct vcpu *vcpu);
/* vgic-mmio.c: true if the address belongs to the interrupt controller */
bool vgic_mmio(struct vcpu *vcpu, u64 address, u32 size, bool write, u64 *data);
void vgic_sgi(struct vcpu *from, u32 intid, u32 target_list, bool all_others);
void vgic_v3_sgi1r(struct vcpu *from, u64 value);

/* timer.c */
void timer_flush(struct vcpu *vcpu);
void timer_sync(struct vcpu *vcpu);
bool timer_should_fire(struct vcpu *vcpu);
void timer_schedule(struct vcpu *vcpu);
void timer_unschedule(struct vcpu *vcpu);

/* guest-psci.c */
int guest_psci(struct vcpu *vcpu);

/* user.c: what a user space (QEMU) does */
void user_build_vm(struct kvm *kvm, const void *image, u64 size, u32 vcpus, u64 memory, const char *bootargs);
void user_vcpu_thread(struct vcpu *vcpu);
extern u64 host_uart;
#endif
