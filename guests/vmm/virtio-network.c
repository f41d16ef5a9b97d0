/*
 * The VM's network card (Virtio 1.2, 5.1), without offloads: its frames leave through eth0 of this kernel by a packet socket, and what eth0 receives is
 * the VM's, under the same address. eth0 itself gets no IP address. A thread waits for frames; what the VM sends is sent by the vCPU that says so.
 */
#include "virtio.h"
#include "linux-network.h"

enum { RECEIVE = 0, TRANSMIT = 1 };
#define FEATURE_MAC BIT(5)
#define FEATURE_STATUS BIT(16)
#define HEADER 12
#define LARGEST_FRAME 1518
#define SEGMENTS 20
#define ETH_P_ALL_BIG_ENDIAN 0x0300
#define SOL_PACKET 263
#define PACKET_IGNORE_OUTGOING 23
#define MSG_DONTWAIT 0x40
#define SYS_recvfrom 207
#define SYS_writev 66

static s64 card;
static struct {
    u8 mac[6];
    u16 status;
} config = { .status = 1 };
static u8 frame[HEADER + LARGEST_FRAME];

static void notified(struct virtio_device *device, u32 index)
{
    static struct segment segments[SEGMENTS];
    struct {
        const void *data;
        u64 size;
    } parts[SEGMENTS];
    u16 request;
    u32 count;

    if (index == RECEIVE) {
        /* Buffers are looked for when a frame is there. */
        virtio_silence(device, RECEIVE);
        return;
    }
    while ((count = virtio_take(device, TRANSMIT, segments, SEGMENTS, &request)) != 0) {
        u64 skip = HEADER, used = 0;

        for (u32 i = 0; i < count && !segments[i].writable; i++) {
            u64 first = skip < segments[i].size ? skip : segments[i].size;

            skip -= first;
            if (segments[i].size > first) {
                parts[used].data = segments[i].data + first;
                parts[used++].size = segments[i].size - first;
            }
        }
        /* A frame that cannot be sent is lost. */
        if (used)
            sys(writev, card, parts, used);
        virtio_give(device, TRANSMIT, request, 0);
    }
}

static bool deliver(struct virtio_device *device, u64 size)
{
    static struct segment segments[SEGMENTS];
    u64 done = 0;
    u16 request;
    u32 count = virtio_take(device, RECEIVE, segments, SEGMENTS, &request);

    if (!count)
        return false;
    for (u32 i = 0; i < count && done < size && segments[i].writable; i++) {
        u64 part = size - done < segments[i].size ? size - done : segments[i].size;

        memcpy(segments[i].data, frame + done, part);
        done += part;
    }
    virtio_give(device, RECEIVE, request, (u32)done);
    return true;
}

static void receive(void *argument)
{
    struct virtio_device *device = argument;

    frame[10] = 1; /* num_buffers */
    for (;;) {
        s64 got = sys(recvfrom, card, frame + HEADER, LARGEST_FRAME, 0, 0, 0);

        acquire_devices();
        /* All that has come, under one lock; frames before the driver runs are lost. */
        while (got > 0) {
            while (virtio_running(device) && !deliver(device, HEADER + (u64)got)) {
                release_devices();
                sys(sched_yield, 0);
                acquire_devices();
            }
            got = sys(recvfrom, card, frame + HEADER, LARGEST_FRAME, MSG_DONTWAIT, 0, 0);
        }
        release_devices();
    }
}

static void check(const char *what, s64 result)
{
    if (result < 0)
        fail(what, result);
}

struct virtio_device *network_device(struct vm *vm UNUSED)
{
    static struct virtio_device device = { .id = 1, .queues = 2, .offered = FEATURE_MAC | FEATURE_STATUS, .config = &config, .config_size = sizeof(config), .notified = notified };
    static u8 stack[8192] __attribute__((aligned(16)));
    struct {
        u16 family, protocol;
        s32 index;
        u8 rest[12];
    } address = { .family = AF_PACKET, .protocol = ETH_P_ALL_BIG_ENDIAN };
    struct interface_request r;
    u32 gro[2] = { ETHTOOL_SGRO, 0 }, yes = 1;

    check("modules of the network card", load_modules());
    card = sys(socket, AF_PACKET, SOCK_RAW, ETH_P_ALL_BIG_ENDIAN);
    check("packet socket", card);
    check("eth0", find_card(card, &r));
    r.flags |= IFF_UP | IFF_PROMISC;
    check("eth0 up", sys(ioctl, card, SIOCSIFFLAGS, &r));
    check("address of eth0", sys(ioctl, card, SIOCGIFHWADDR, &r));
    memcpy(config.mac, (const u8 *)&r.family + 2, 6);
    /* Frames merged on the way would not fit into the VM's buffers. */
    r.pointer = gro;
    sys(ioctl, card, SIOCETHTOOL, &r);
    check("index of eth0", sys(ioctl, card, SIOCGIFINDEX, &r));
    address.index = r.index;
    check("eth0's frames", sys(bind, card, &address, sizeof(address)));
    sys(setsockopt, card, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes));
    start_thread(CLONE_THREAD_FLAGS, stack + sizeof(stack), receive, &device);
    return &device;
}
