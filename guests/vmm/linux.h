/* What is used of Linux's user interface on arm64: numbers and layouts. */
#ifndef VMM_LINUX_H
#define VMM_LINUX_H
#include "types.h"

enum {
    SYS_eventfd2 = 19,
    SYS_ioctl = 29,
    SYS_mknodat = 33,
    SYS_mkdirat = 34,
    SYS_openat = 56,
    SYS_close = 57,
    SYS_lseek = 62,
    SYS_read = 63,
    SYS_write = 64,
    SYS_pread64 = 67,
    SYS_pwrite64 = 68,
    SYS_fsync = 82,
    SYS_exit_group = 94,
    SYS_sched_yield = 124,
    SYS_reboot = 142,
    SYS_getpid = 172,
    SYS_clone = 220,
    SYS_mmap = 222,
    SYS_madvise = 233,
    SYS_wait4 = 260,
};

#define AT_FDCWD ((u64)-100)
#define O_RDONLY 0
#define O_RDWR 2
#define O_CLOEXEC 02000000
#define SEEK_END 2
#define S_IFCHR 0020000
#define PROT_READ_WRITE 3
#define MAP_SHARED 1
#define MAP_PRIVATE 2
#define MAP_ANONYMOUS 0x20
#define MAP_NORESERVE 0x4000
#define MADV_HUGEPAGE 14
/* CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM */
#define CLONE_THREAD_FLAGS 0x50f00
#define REBOOT_MAGIC1 0xfee1dead
#define REBOOT_MAGIC2 672274793
#define REBOOT_POWER_OFF 0x4321fedc
#define REBOOT_RESTART 0x01234567
#define SIGCHLD 17
#define EINTR 4
#define EAGAIN 11

/* Terminals: ioctl numbers and the flags that make a line raw. */
#define TCGETS 0x5401
#define TCSETS 0x5402
#define ICRNL_IXON 02400
#define ISIG_ICANON_ECHO 013
struct termios {
    u32 input, output, control, local;
    u8 line, characters[19];
};

s64 system_call(u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f);
s64 start_thread(u64 flags, void *stack_top, void (*function)(void *), void *argument);
#define SYSTEM_CALL(number, a, b, c, d, e, f, ...) system_call(number, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), (u64)(f))
/* sys(read, fd, buffer, size): the result, or minus the error's number. */
#define sys(name, ...) SYSTEM_CALL(SYS_##name, __VA_ARGS__, 0, 0, 0, 0, 0, 0)

/* ---- KVM ---------------------------------------------------------------------------------------------------------- */

#define KVM_DEVICE_NUMBER (10 << 8 | 232) /* major 10 (misc), minor 232 */
#define IO(number) (0xae00UL | (number))
#define IOW(number, type) (1UL << 30 | sizeof(type) << 16 | IO(number))
#define IOR(number, type) (2UL << 30 | sizeof(type) << 16 | IO(number))
#define IOWR(number, type) (3UL << 30 | sizeof(type) << 16 | IO(number))

struct kvm_memory_region {
    u32 slot, flags;
    u64 address, size, user_address;
};
struct kvm_irq_level {
    u32 irq, level;
};
struct kvm_one_reg {
    u64 id, address;
};
struct kvm_ioeventfd {
    u64 match, address;
    u32 length;
    s32 fd;
    u32 flags;
    u8 padding[36];
};
#define KVM_IOEVENTFD_MATCH 1
struct kvm_vcpu_init {
    u32 target, features[7];
};
struct kvm_create_device {
    u32 type, fd, flags;
};
struct kvm_device_attribute {
    u32 flags, group;
    u64 attribute, address;
};
struct kvm_run {
    u8 request_interrupt_window, immediate_exit, padding[6];
    u32 exit_reason;
    u32 unused[5];
    union {
        struct {
            u64 address;
            u8 data[8];
            u32 length;
            u8 is_write;
        } mmio;
        struct {
            u32 type;
        } system_event;
    };
};

#define KVM_CREATE_VM IO(0x01)
#define KVM_CHECK_EXTENSION IO(0x03)
#define KVM_GET_VCPU_MMAP_SIZE IO(0x04)
#define KVM_CREATE_VCPU IO(0x41)
#define KVM_SET_USER_MEMORY_REGION IOW(0x46, struct kvm_memory_region)
#define KVM_IRQ_LINE IOW(0x61, struct kvm_irq_level)
#define KVM_IOEVENTFD IOW(0x79, struct kvm_ioeventfd)
#define KVM_RUN IO(0x80)
#define KVM_SET_ONE_REG IOW(0xac, struct kvm_one_reg)
#define KVM_ARM_VCPU_INIT IOW(0xae, struct kvm_vcpu_init)
#define KVM_ARM_PREFERRED_TARGET IOR(0xaf, struct kvm_vcpu_init)
#define KVM_GET_STATS_FD IO(0xce)
#define KVM_CREATE_DEVICE IOWR(0xe0, struct kvm_create_device)
#define KVM_SET_DEVICE_ATTR IOW(0xe1, struct kvm_device_attribute)

#define KVM_CAP_ARM_VM_IPA_SIZE 165
#define KVM_CAP_ARM_PTRAUTH_ADDRESS 171
#define KVM_CAP_ARM_PTRAUTH_GENERIC 172

/* Bits of kvm_vcpu_init.features[0]. */
#define KVM_ARM_VCPU_POWER_OFF BIT(0)
#define KVM_ARM_VCPU_PSCI_0_2 BIT(2)
#define KVM_ARM_VCPU_PTRAUTH (BIT(5) | BIT(6))
#define KVM_ARM_VCPU_HAS_EL2 BIT(7)
#define KVM_ARM_VCPU_HAS_EL2_E2H0 BIT(8)

#define KVM_DEVICE_VGIC_V2 5
#define KVM_DEVICE_VGIC_V3 7
#define VGIC_GROUP_ADDRESS 0
#define VGIC_GROUP_NR_IRQS 3
#define VGIC_GROUP_CONTROL 4
#define VGIC_GROUP_MAINTENANCE_IRQ 9
#define VGIC_V2_DISTRIBUTOR 0
#define VGIC_V2_CPU_INTERFACE 1
#define VGIC_V3_DISTRIBUTOR 2
#define VGIC_V3_REDISTRIBUTOR 3
#define VGIC_CONTROL_INIT 0

/* The core register at byte `offset` of struct user_pt_regs: X0 at 0, PC at 256. */
#define KVM_CORE_REGISTER(offset) (0x6030000000100000UL | (offset) / 4)
/* A shared peripheral interrupt for KVM_IRQ_LINE. */
#define KVM_IRQ_SPI(intid) (1U << 24 | (intid))

enum { KVM_EXIT_MMIO = 6, KVM_EXIT_FAIL_ENTRY = 9, KVM_EXIT_INTR = 10, KVM_EXIT_INTERNAL_ERROR = 17, KVM_EXIT_SYSTEM_EVENT = 24 };
enum { KVM_SYSTEM_EVENT_SHUTDOWN = 1, KVM_SYSTEM_EVENT_RESET = 2 };
#endif
