/* What KVM has counted for a vCPU, by its binary statistics (Linux 5.14 and newer; Documentation/virt/kvm/api.rst 4.133). */
#include "string.h"
#include "vmm.h"

struct header {
    u32 flags, name_size, descriptors, id_offset, descriptor_offset, data_offset;
};
struct descriptor {
    u32 flags;
    u16 exponent, values;
    u32 offset, bucket_size;
    /* The name is behind it. */
};

void print_kvm_statistics(const struct vcpu *vcpu)
{
    static u8 buffer[16384] __attribute__((aligned(8)));
    const struct header *h = (const struct header *)buffer;
    s64 size = vcpu->statistics < 0 ? 0 : sys(pread64, vcpu->statistics, buffer, sizeof(buffer), 0);

    if (size < (s64)sizeof(*h) || (u64)h->descriptor_offset + (u64)h->descriptors * (sizeof(struct descriptor) + h->name_size) > (u64)size)
        return;
    print("vmm: vcpu %u: KVM:", vcpu->index);
    for (u32 i = 0; i < h->descriptors; i++) {
        const struct descriptor *d = (const struct descriptor *)(buffer + h->descriptor_offset + i * (sizeof(*d) + h->name_size));
        u64 at = (u64)h->data_offset + d->offset, value;

        /* Histograms have many values. */
        if (d->values != 1 || at + 8 > (u64)size)
            continue;
        memcpy(&value, buffer + at, 8);
        if (value)
            print(" %s %lu", (const char *)(d + 1), value);
    }
    print("\n");
}
