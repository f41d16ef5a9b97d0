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

    /* An eventfd that is written when the driver tells queue `kicked`; 0 for none. */
    s32 kick;
    u32 kicked;

    struct vm *vm;
    u64 accepted;
    u32 device_page, driver_page, queue_select, status, interrupts;
    struct virtqueue queue[VIRTIO_QUEUES];
};

/* Takes the next request off a queue: its number of segments, at most `most`; 0 if there is none, or if the driver has broken the rules. */
u32 virtio_take(struct virtio_device *device, u32 index, struct segment *segments, u32 most, u16 *request);
/* Gives it back with `written` bytes in its writable segments. */
void virtio_give(struct virtio_device *device, u32 index, u16 request, u32 written);
struct given {
    u32 request, written;
};
/* Several at once: none of them is seen before the others. */
void virtio_give_all(struct virtio_device *device, u32 index, const struct given *given, u32 count);
/* The last `count` that were taken have not been used and come again. */
void virtio_return(struct virtio_device *device, u32 index, u32 count);
/* Whether the driver runs. */
bool virtio_running(const struct virtio_device *device);
/* Whether the driver is to say that there is something in this queue; returns whether there is something now. */
bool virtio_listen(struct virtio_device *device, u32 index, bool wanted);

struct virtio_device *block_device(struct vm *vm, const char *file);
struct virtio_device *console_device(struct vm *vm);
struct virtio_device *network_device(struct vm *vm);
#endif
