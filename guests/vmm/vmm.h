/* A user space for KVM: one VM with the board of QEMU's `virt`, as far as a kernel needs it. */
#ifndef VMM_H
#define VMM_H
#include "linux.h"
#include "types.h"

#define RAM_BASE 0x40000000UL
#define GICD_BASE 0x08000000UL
#define GICC_BASE 0x08010000UL
#define GICR_BASE 0x080a0000UL
#define GICR_STRIDE 0x20000UL
#define UART_BASE 0x09000000UL
#define UART_SIZE 0x1000UL
#define UART_SPI 1
#define MAX_VCPUS 4
#define VIRTIO_SLOTS 3
#define MAINTENANCE_PPI 9

struct options {
    const char *kernel, *initrd, *bootargs;
    /* A file for a virtio-mmio disk, NULL for none. */
    const char *disk;
    u32 vcpus;
    u64 megabytes;
    /* 0: what the host offers, 3 first. */
    u32 gic;
    /* A guest with EL2, and one whose HCR_EL2.E2H can be 0. */
    bool el2, e2h0;
    /* A virtio console beside the PL011. */
    bool hvc;
    /* A network card that is eth0 of this kernel. */
    bool network;
};

/* How often KVM_RUN returned to us. */
struct exit_statistics {
    u64 total, device_reads, device_writes, signals;
};

struct vcpu {
    struct vm *vm;
    u32 index;
    s32 fd;
    /* KVM's statistics, negative before Linux 5.14. */
    s32 statistics;
    struct kvm_run *run;
    struct exit_statistics exits;
};

struct virtio_device;

struct vm {
    struct options options;
    s32 kvm, fd;
    u32 gic;
    u8 *memory;
    u64 memory_size;
    u64 entry, initrd_start, initrd_end;
    struct vcpu vcpus[MAX_VCPUS];
    struct virtio_device *virtio[VIRTIO_SLOTS];
};

/* main.c: how the process, or the machine if it is process 1, ends. */
enum result { GUEST_OFF, GUEST_RESET, FAILED };
void NORETURN finish(enum result result);

/* output.c */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Says what failed, with the number of the error if negative, and ends. */
void NORETURN fail(const char *what, s64 error);
void guest_output(u8 byte);
void flush_output(void);

/* machine.c */
void create_vm(struct vm *vm);
void run_vcpu(void *vcpu);
/* Devices are looked at by one thread at a time: vCPUs, and the one that reads input. */
void acquire_devices(void);
void release_devices(void);

/* devicetree.c: writes the tree to `buffer`; returns its size, 0 if it does not fit. */
u32 device_tree(const struct vm *vm, void *buffer, u32 capacity);

/* statistics.c */
void print_kvm_statistics(const struct vcpu *vcpu);

/* virtio.c: false if there is no device. */
void virtio_start(struct vm *vm);
void virtio_attach(const struct vm *vm);
bool virtio_read(const struct vm *vm, u64 address, u64 *value, u32 size);
bool virtio_write(const struct vm *vm, u64 address, u64 value);
/* virtio-console.c: false if input is not for it. */
bool console_receive(const struct vm *vm, u8 byte, bool *stored);

/* pl011.c */
void uart_start(struct vm *vm);
u32 uart_read(u64 offset);
void uart_write(u64 offset, u32 value);
#endif
