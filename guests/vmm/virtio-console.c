/* The VM's other console (Virtio 1.2, 5.3), without multiport: hvc0 of a Linux guest. Input goes here while its driver runs. */
#include "virtio.h"

enum { RECEIVE = 0, TRANSMIT = 1 };
#define SEGMENTS 130

static struct segment segments[SEGMENTS];

static void notified(struct virtio_device *device, u32 index)
{
    u16 request;
    u32 count;

    if (index != TRANSMIT)
        return;
    while ((count = virtio_take(device, index, segments, SEGMENTS, &request)) != 0) {
        for (u32 i = 0; i < count; i++)
            for (u32 n = 0; !segments[i].writable && n < segments[i].size; n++)
                guest_output(segments[i].data[n]);
        virtio_give(device, index, request, 0);
    }
    flush_output();
}

bool console_receive(const struct vm *vm, u8 byte, bool *stored)
{
    struct virtio_device *device = vm->virtio[1];
    u16 request;

    if (!device || !virtio_running(device))
        return false;
    *stored = false;
    if (virtio_take(device, RECEIVE, segments, SEGMENTS, &request)) {
        if (segments[0].writable && segments[0].size) {
            segments[0].data[0] = byte;
            *stored = true;
        }
        virtio_give(device, RECEIVE, request, *stored);
    }
    return true;
}

struct virtio_device *console_device(struct vm *vm UNUSED)
{
    static struct virtio_device device = { .id = 3, .queues = 2, .notified = notified };

    return &device;
}
