/* Virtio 1.2 over MMIO (version 2 of the transport): what the VM's block device, its console and its network card share. */
#ifndef VMM_VIRTIO_H
#define VMM_VIRTIO_H
#include "vmm.h"

#define VIRTIO_BASE 0x0a000000UL
#define VIRTIO_SIZE 0x200UL
#define VIRTIO_SPI 16
#define VIRTIO_QUEUES 2
#define QUEUE_MAX 128

struct virtqueue {
    bool ready;
    u32 size;
    /* Guest physical addresses of the descriptor table, the driver's and the device's area. */
    u64 descriptors, driver, device;
    /* The next entry of the driver's ring. */
    u16 next;
};

/* A part of a request, checked to be in the VM's memory. */
struct segment {
    u8 *data;
    u32 size;
    bool writable;
};

struct virtio_device {
    u32 id, slot, queues;
    u64 offered;
    const void *config;
    u32 config_size;
    /* The driver has told queue `index` that something is there. */
    void (*notified)(struct virtio_device *device, u32 index);

    struct vm *vm;
    u64 accepted;
    u32 device_page, driver_page, queue_select, status, interrupts;
    struct virtqueue queue[VIRTIO_QUEUES];
};

/* Takes the next request off a queue: its number of segments, at most `most`; 0 if there is none, or if the driver has broken the rules. */
u32 virtio_take(struct virtio_device *device, u32 index, struct segment *segments, u32 most, u16 *request);
/* Gives it back with `written` bytes in its writable segments. */
void virtio_give(struct virtio_device *device, u32 index, u16 request, u32 written);
/* Whether the driver runs. */
bool virtio_running(const struct virtio_device *device);

/* The driver need not say that there is something in this queue. */
void virtio_silence(struct virtio_device *device, u32 index);

struct virtio_device *block_device(struct vm *vm, const char *file);
struct virtio_device *console_device(struct vm *vm);
struct virtio_device *network_device(struct vm *vm);
#endif
