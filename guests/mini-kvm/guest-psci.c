/* PSCI 0.2 for the VM. Mirrors psci.c of 4.10: an unknown function, the hypercall benchmark's among them, is refused. */
#include "host.h"
#include "psci.h"

#define PSCI_0_2 2

static struct vcpu *find_vcpu(struct kvm *kvm, u64 mpidr)
{
    for (u32 i = 0; i < kvm->vcpu_count; i++)
        if (((kvm->vcpus[i].ctxt.sys[MPIDR] ^ mpidr) & 0xff00ffffffUL) == 0)
            return &kvm->vcpus[i];
    return NULL;
}

static s64 cpu_on(struct vcpu *source, u64 mpidr, u64 entry, u64 argument)
{
    struct vcpu *vcpu = find_vcpu(source->kvm, mpidr);

    if (!vcpu)
        return PSCI_INVALID_PARAMETERS;
    if (!vcpu->power_off)
        return PSCI_ALREADY_ON;
    vcpu_reset(vcpu, entry, argument);
    __atomic_store_n(&vcpu->power_off, false, __ATOMIC_SEQ_CST);
    vcpu_kick(vcpu);
    return PSCI_SUCCESS;
}

int guest_psci(struct vcpu *vcpu)
{
    u64 *x = vcpu->ctxt.x;
    u32 function = (u32)x[0];
    struct vcpu *other;

    switch (function) {
    case PSCI_VERSION:
        x[0] = PSCI_0_2;
        return 1;
    case PSCI_CPU_OFF:
        vcpu->power_off = true;
        return 1;
    case PSCI_CPU_ON64:
    case PSCI_CPU_ON64 & ~0x40000000:
        x[0] = (u64)cpu_on(vcpu, x[1], x[2], x[3]);
        return 1;
    case PSCI_AFFINITY_INFO64:
    case PSCI_AFFINITY_INFO64 & ~0x40000000:
        other = find_vcpu(vcpu->kvm, x[1]);
        x[0] = other ? (other->power_off ? PSCI_OFF : PSCI_ON) : (u64)PSCI_INVALID_PARAMETERS;
        return 1;
    case PSCI_SYSTEM_OFF:
    case PSCI_SYSTEM_RESET:
        x[0] = (u64)PSCI_INTERNAL_FAILURE; /* if user space should let it go on */
        vcpu->run.reason = EXIT_REASON_SHUTDOWN;
        return 0;
    default: /* PSCI_FEATURES too: it is of PSCI 1.0 */
        x[0] = (u64)PSCI_NOT_SUPPORTED;
        return 1;
    }
}
