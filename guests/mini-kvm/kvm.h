/* mini-kvm: a hypervisor in the shape of KVM/ARM of Linux 4.10. Structures shared by its hypervisor and kernel part. */
#ifndef MINI_KVM_H
#define MINI_KVM_H
#include "offsets.h"
#include "types.h"

#define MAX_CPUS 8
#define MAX_LRS 16

/* HCR_EL2 */
#define HCR_VM BIT(0)
#define HCR_SWIO BIT(1)
#define HCR_FMO BIT(3)
#define HCR_IMO BIT(4)
#define HCR_AMO BIT(5)
#define HCR_VSE BIT(8)
#define HCR_FB BIT(9)
#define HCR_BSU_IS BIT(10)
#define HCR_TWI BIT(13)
#define HCR_TWE BIT(14)
#define HCR_TSC BIT(19)
#define HCR_TIDCP BIT(20)
#define HCR_TAC BIT(21)
#define HCR_TSW BIT(22)
#define HCR_TVM BIT(26)
#define HCR_TGE BIT(27)
#define HCR_RW BIT(31)
#define HCR_E2H BIT(34)
#define HCR_GUEST_FLAGS                                                                                             \
    (HCR_TSC | HCR_TSW | HCR_TWE | HCR_TWI | HCR_VM | HCR_TVM | HCR_BSU_IS | HCR_FB | HCR_TAC | HCR_AMO | HCR_SWIO | \
     HCR_TIDCP | HCR_RW)
#define HCR_INT_OVERRIDE (HCR_FMO | HCR_IMO)
#define HCR_HOST_VHE_FLAGS (HCR_RW | HCR_TGE | HCR_E2H)

#define CPTR_EL2_DEFAULT 0x33ffUL
#define CPTR_EL2_TFP BIT(10)
#define CPTR_EL2_TTA BIT(20)
#define CPACR_EL1_FPEN (3UL << 20)
#define CPACR_EL1_TTA BIT(28)
#define PMUSERENR_MASK 0xfUL
#define MDCR_EL2_HPMN_MASK 0x1fUL
#define MDCR_EL2_TPMCR BIT(5)
#define MDCR_EL2_TPM BIT(6)
#define MDCR_EL2_TDA BIT(9)
#define MDCR_EL2_TDOSA BIT(10)
#define MDCR_EL2_TDRA BIT(11)
#define MDSCR_KDE BIT(13)
#define MDSCR_MDE BIT(15)
#define DEBUG_DIRTY 1
#define CNTHCTL_EL1PCTEN BIT(0)
#define CNTHCTL_EL1PCEN BIT(1)

/* ESR_ELx */
#define ESR_EC(esr) ((esr) >> 26 & 0x3f)
#define ESR_IL BIT(25)
#define EC_UNKNOWN 0x00
#define EC_WFX 0x01
#define EC_FP_ASIMD 0x07
#define EC_HVC64 0x16
#define EC_SMC64 0x17
#define EC_SYS64 0x18
#define EC_INSTRUCTION_ABORT_LOWER 0x20
#define EC_DATA_ABORT_LOWER 0x24
#define ESR_FSC_TYPE 0x3cUL
#define FSC_FAULT 0x04
#define FSC_ACCESS 0x08
#define FSC_PERMISSION 0x0c
#define ESR_WNR BIT(6)
#define ESR_S1PTW BIT(7)
#define ESR_CM BIT(8)
#define ESR_SF BIT(15)
#define ESR_SSE BIT(21)
#define ESR_ISV BIT(24)

/* What __kvm_vcpu_run returns. */
#define EXIT_IRQ 0
#define EXIT_SERROR 1
#define EXIT_TRAP 2
#define EXIT_WITH_SERROR BIT(31)

enum sys {
    MPIDR, CSSELR, SCTLR, ACTLR, CPACR, TTBR0, TTBR1, TCR, ESR, AFSR0, AFSR1, FAR, MAIR, VBAR, CONTEXTIDR, TPIDR_EL0,
    TPIDRRO_EL0, TPIDR_EL1, AMAIR, CNTKCTL, PAR, MDSCR, MDCCINT, SYS_COUNT,
};

/* The state of one EL1 world: the VM's, or (nVHE) the kernel part's. Offsets: offsets.h. */
struct cpu_context {
    u64 x[31];
    u64 sp_el0, pc, pstate;
    u64 sp_el1, elr_el1, spsr_el1;
    u64 unused;
    u64 v[64] __attribute__((aligned(16))); /* quadwords, with SCTLR_EL2.A */
    u32 fpsr, fpcr;
    u64 sys[SYS_COUNT];
};

struct debug_state {
    u64 bcr[16], bvr[16], wcr[16], wvr[16];
};

struct vgic_v2_cpu_if {
    u32 hcr, vmcr, misr, apr;
    u64 eisr, elrsr;
    u32 lr[64];
};

struct vgic_v3_cpu_if {
    u32 hcr, vmcr, sre, misr, eisr, elrsr;
    u32 ap0r[4], ap1r[4];
    u64 lr[MAX_LRS];
};

struct vcpu;

struct vgic_irq {
    u32 intid, hwintid;
    bool line_level, latch, active, enabled, hw, level;
    u8 priority, source, targets;
    u64 affinity;
    struct vcpu *vcpu;        /* on this vCPU's list of active or pending interrupts */
    struct vcpu *target_vcpu; /* where it is configured to go */
    struct vgic_irq *next;
};

struct vgic_cpu {
    union {
        struct vgic_v2_cpu_if v2;
        struct vgic_v3_cpu_if v3;
    };
    u64 live_lrs;
    u32 used_lrs;
    struct vgic_irq private_irqs[32];
    struct vgic_irq *list;
};

struct timer_cpu {
    u64 cntv_ctl, cntv_cval;
    bool enabled, level, active_cleared_last;
};

enum vcpu_mode { OUTSIDE_GUEST_MODE, IN_GUEST_MODE, EXITING_GUEST_MODE };
enum exit_reason { EXIT_REASON_UNKNOWN, EXIT_REASON_MMIO, EXIT_REASON_SHUTDOWN, EXIT_REASON_ERROR };

/* What the kernel part tells user space (struct kvm_run). */
struct run {
    enum exit_reason reason;
    u64 address;
    u64 data;
    u32 size;
    bool write;
};

struct vcpu {
    struct cpu_context ctxt; /* first: offsets.h */
    struct cpu_context *host;
    struct kvm *kvm;
    u64 hcr_el2, irq_lines;
    u32 mdcr_el2, debug_flags;
    u64 esr_el2, far_el2, hpfar_el2;
    struct debug_state debug, host_debug;
    struct vgic_cpu vgic;
    struct timer_cpu timer;
    struct run run;
    u32 id;
    u32 cpu;
    u32 mode;
    volatile bool power_off, blocked;
    struct {
        u64 exits, hypercalls, wfx, mmio_kernel, mmio_user, system, stage2, irq;
    } stat;
};

#define SPI_COUNT 64

struct kvm {
    u64 vttbr;
    u64 cntvoff;
    u64 gich; /* GICv2: the virtual interface control registers */
    u64 *pgd;
    struct spinlock mmu_lock, vgic_lock;
    bool gic_enabled;
    volatile bool shutdown;
    u32 vcpu_count;
    u32 nr_lr;
    u64 memory_base, memory_size;
    struct vgic_irq spis[SPI_COUNT];
    struct vcpu vcpus[MAX_CPUS];
};

_Static_assert(__builtin_offsetof(struct cpu_context, v) == CONTEXT_FP, "offsets.h");
_Static_assert(__builtin_offsetof(struct cpu_context, fpsr) == CONTEXT_FPSR, "offsets.h");
_Static_assert(__builtin_offsetof(struct vcpu, ctxt) == 0, "offsets.h");
_Static_assert(__builtin_offsetof(struct vcpu, host) == VCPU_HOST, "offsets.h");
#endif
