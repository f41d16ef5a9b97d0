/* Making the VM, and running its vCPUs. */
#include "string.h"
#include "vmm.h"

#define BLOCK 0x200000UL
#define DEVICE_TREE_SIZE 0x10000
#define NR_IRQS 64

static s64 check(const char *what, s64 result)
{
    if (result < 0)
        fail(what, result);
    return result;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* Reads a file to `offset` of the VM's memory; returns its size. */
static u64 load(struct vm *vm, const char *path, u64 offset)
{
    s64 fd = check(path, sys(openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC)), got;
    u64 size = 0;

    do {
        if (offset + size >= vm->memory_size)
            fail("the files do not fit into the VM's memory", 0);
        got = check(path, sys(read, fd, vm->memory + offset + size, vm->memory_size - offset - size));
        size += (u64)got;
    } while (got);
    sys(close, fd);
    return size;
}

/* Device tree at the start of RAM, the image behind it, then the initrd (Linux, Documentation/arch/arm64/booting). */
static void load_files(struct vm *vm)
{
    const u8 *header = vm->memory + BLOCK;
    u64 size = load(vm, vm->options.kernel, BLOCK), offset, image_size, initrd;

    if (size < 64 || memcmp(header + 56, "ARM\x64", 4))
        fail("the kernel is not an arm64 Image", 0);
    memcpy(&offset, header + 8, 8);
    memcpy(&image_size, header + 16, 8);
    /* Kernels that give an offset within the 2 MiB are older than those here. */
    if (offset % BLOCK)
        fail("the kernel's text_offset is not a multiple of 2 MiB", 0);
    vm->entry = RAM_BASE + BLOCK;
    initrd = ALIGN_UP(BLOCK + (image_size > size ? image_size : size), BLOCK);
    vm->initrd_start = vm->initrd_end = RAM_BASE + initrd;
    if (vm->options.initrd)
        vm->initrd_end += load(vm, vm->options.initrd, initrd);
    if (!device_tree(vm, vm->memory, DEVICE_TREE_SIZE))
        fail("the command line is too long", 0);
}

static void create_memory(struct vm *vm)
{
    u64 size = vm->options.megabytes << 20;
    s64 mapped = check("memory", sys(mmap, 0, size + BLOCK, PROT_READ_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    struct kvm_memory_region region = { .address = RAM_BASE, .size = size };

    vm->memory = (u8 *)ALIGN_UP((u64)mapped, BLOCK);
    vm->memory_size = size;
    /* Only a wish: kernels can be without huge pages. */
    sys(madvise, vm->memory, size, MADV_HUGEPAGE);
    region.user_address = (u64)vm->memory;
    check("KVM_SET_USER_MEMORY_REGION", sys(ioctl, vm->fd, KVM_SET_USER_MEMORY_REGION, &region));
}

/* ---- interrupt controller ------------------------------------------------------------------------------------------ */

static void set_attribute(u32 device, const char *what, u32 group, u64 attribute, const void *value)
{
    struct kvm_device_attribute a = { .group = group, .attribute = attribute, .address = (u64)value };

    check(what, sys(ioctl, device, KVM_SET_DEVICE_ATTR, &a));
}

static void create_gic(struct vm *vm)
{
    struct kvm_create_device device = { .type = KVM_DEVICE_VGIC_V3 };
    u64 distributor = GICD_BASE, other;
    u32 irqs = NR_IRQS, maintenance = 16 + MAINTENANCE_PPI;
    s64 result = -1;

    if (vm->options.gic != 2) {
        vm->gic = 3;
        result = sys(ioctl, vm->fd, KVM_CREATE_DEVICE, &device);
    }
    if (result < 0 && vm->options.gic != 3) {
        vm->gic = 2;
        device.type = KVM_DEVICE_VGIC_V2;
        result = sys(ioctl, vm->fd, KVM_CREATE_DEVICE, &device);
    }
    check("KVM_CREATE_DEVICE of the GIC", result);
    other = vm->gic == 3 ? GICR_BASE : GICC_BASE;
    set_attribute(device.fd, "address of the distributor", VGIC_GROUP_ADDRESS, vm->gic == 3 ? VGIC_V3_DISTRIBUTOR : VGIC_V2_DISTRIBUTOR, &distributor);
    set_attribute(device.fd, "address of the CPU interfaces", VGIC_GROUP_ADDRESS, vm->gic == 3 ? VGIC_V3_REDISTRIBUTOR : VGIC_V2_CPU_INTERFACE, &other);
    set_attribute(device.fd, "number of interrupts", VGIC_GROUP_NR_IRQS, 0, &irqs);
    if (vm->options.el2)
        set_attribute(device.fd, "maintenance interrupt", VGIC_GROUP_MAINTENANCE_IRQ, 0, &maintenance);
    set_attribute(device.fd, "GIC", VGIC_GROUP_CONTROL, VGIC_CONTROL_INIT, NULL);
}

/* ---- vCPUs ------------------------------------------------------------------------------------------------------- */

static void create_vcpu(struct vm *vm, u32 index, u64 run_size)
{
    struct vcpu *vcpu = &vm->vcpus[index];
    struct kvm_vcpu_init init;

    vcpu->vm = vm;
    vcpu->index = index;
    vcpu->fd = (s32)check("KVM_CREATE_VCPU", sys(ioctl, vm->fd, KVM_CREATE_VCPU, index));
    check("KVM_ARM_PREFERRED_TARGET", sys(ioctl, vm->fd, KVM_ARM_PREFERRED_TARGET, &init));
    init.features[0] |= KVM_ARM_VCPU_PSCI_0_2;
    if (index)
        init.features[0] |= KVM_ARM_VCPU_POWER_OFF;
    if (vm->options.el2)
        init.features[0] |= KVM_ARM_VCPU_HAS_EL2 | (vm->options.e2h0 ? KVM_ARM_VCPU_HAS_EL2_E2H0 : 0);
    if (sys(ioctl, vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_PTRAUTH_ADDRESS) > 0 && sys(ioctl, vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_PTRAUTH_GENERIC) > 0)
        init.features[0] |= KVM_ARM_VCPU_PTRAUTH;
    check(vm->options.el2 ? "KVM_ARM_VCPU_INIT (with EL2)" : "KVM_ARM_VCPU_INIT", sys(ioctl, vcpu->fd, KVM_ARM_VCPU_INIT, &init));
    /* Later it would wait for the vCPU to leave KVM_RUN. */
    vcpu->statistics = (s32)sys(ioctl, vcpu->fd, KVM_GET_STATS_FD);
    vcpu->run = (struct kvm_run *)check("vCPU's page", sys(mmap, 0, run_size, PROT_READ_WRITE, MAP_SHARED, vcpu->fd, 0));
}

static void set_core(const struct vcpu *vcpu, u64 offset, u64 value)
{
    struct kvm_one_reg reg = { .id = KVM_CORE_REGISTER(offset), .address = (u64)&value };

    check("KVM_SET_ONE_REG", sys(ioctl, vcpu->fd, KVM_SET_ONE_REG, &reg));
}

void create_vm(struct vm *vm)
{
    s64 bits, run_size;

    vm->kvm = (s32)check("/dev/kvm", sys(openat, AT_FDCWD, "/dev/kvm", O_RDWR | O_CLOEXEC));
    bits = sys(ioctl, vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_ARM_VM_IPA_SIZE);
    /* The type is the size of the IPA space; 0 stands for 40 bits. */
    vm->fd = (s32)check("KVM_CREATE_VM", sys(ioctl, vm->kvm, KVM_CREATE_VM, bits > 0 && bits < 40 ? bits : 0));
    create_memory(vm);
    run_size = check("KVM_GET_VCPU_MMAP_SIZE", sys(ioctl, vm->kvm, KVM_GET_VCPU_MMAP_SIZE));
    for (u32 i = 0; i < vm->options.vcpus; i++)
        create_vcpu(vm, i, (u64)run_size);
    create_gic(vm);
    load_files(vm);
    set_core(&vm->vcpus[0], 256, vm->entry);
    set_core(&vm->vcpus[0], 0, RAM_BASE);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static struct spinlock devices;

/* The holder may not be running: the CPU is better given to it. */
void acquire_devices(void)
{
    while (__atomic_exchange_n(&devices.held, 1, __ATOMIC_ACQUIRE))
        sys(sched_yield, 0);
}

void release_devices(void)
{
    spin_unlock(&devices);
}

static void device_access(struct vcpu *vcpu)
{
    struct kvm_run *run = vcpu->run;
    u64 address = run->mmio.address, offset = address - UART_BASE, value = 0;
    u32 size = run->mmio.length <= 8 ? run->mmio.length : 8;

    acquire_devices();
    if (run->mmio.is_write) {
        vcpu->exits.device_writes++;
        memcpy(&value, run->mmio.data, size);
        if (!virtio_write(vcpu->vm, address, value) && offset < UART_SIZE)
            uart_write(offset, (u32)value);
    } else {
        vcpu->exits.device_reads++;
        if (!virtio_read(vcpu->vm, address, &value, size) && offset < UART_SIZE)
            value = uart_read(offset);
        memcpy(run->mmio.data, &value, 8);
    }
    release_devices();
}

static void NORETURN system_event(const struct vcpu *vcpu)
{
    u32 type = vcpu->run->system_event.type;

    flush_output();
    for (u32 i = 0; i < vcpu->vm->options.vcpus; i++) {
        const struct exit_statistics *e = &vcpu->vm->vcpus[i].exits;

        print("vmm: vcpu %u: %lu exits to user space: %lu device reads, %lu device writes, %lu signals\n", i, e->total, e->device_reads, e->device_writes, e->signals);
        print_kvm_statistics(&vcpu->vm->vcpus[i]);
    }
    print("vmm: the VM is %s\n", type == KVM_SYSTEM_EVENT_SHUTDOWN ? "off" : type == KVM_SYSTEM_EVENT_RESET ? "to be reset" : "broken");
    finish(type == KVM_SYSTEM_EVENT_SHUTDOWN ? GUEST_OFF : type == KVM_SYSTEM_EVENT_RESET ? GUEST_RESET : FAILED);
}

void run_vcpu(void *argument)
{
    struct vcpu *vcpu = argument;

    for (;;) {
        s64 result = sys(ioctl, vcpu->fd, KVM_RUN);

        vcpu->exits.total++;
        if (result == -EINTR || result == -EAGAIN) {
            vcpu->exits.signals++;
            continue;
        }
        check("KVM_RUN", result);
        switch (vcpu->run->exit_reason) {
        case KVM_EXIT_MMIO:
            device_access(vcpu);
            break;
        case KVM_EXIT_SYSTEM_EVENT:
            system_event(vcpu);
        default:
            print("vmm: vcpu %u: exit reason %u\n", vcpu->index, vcpu->run->exit_reason);
            fail("the VM cannot go on", 0);
        }
    }
}
