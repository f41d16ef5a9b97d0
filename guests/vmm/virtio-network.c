/*
 * The VM's network card (Virtio 1.2, 5.1): its frames leave through eth0 of this kernel by a packet socket, and what eth0 receives is the VM's, under the
 * same address. eth0 itself gets no IP address. A thread for each direction, as vhost has it: the vCPU that says that there is something to
 * send goes on at once, and need not say so again while the thread is sending. Segments that the VM has not cut, and those that eth0's driver has
 * merged, cross in one piece; the packet socket has the header of virtio for it.
 */
#include "virtio.h"
#include "linux-network.h"

enum { RECEIVE = 0, TRANSMIT = 1 };
#define FEATURE_CSUM BIT(0)
#define FEATURE_GUEST_CSUM BIT(1)
#define FEATURE_MAC BIT(5)
#define FEATURE_GUEST_TSO4 BIT(7)
#define FEATURE_HOST_TSO4 BIT(11)
#define FEATURE_MRG_RXBUF BIT(15)
#define FEATURE_STATUS BIT(16)
/* struct virtio_net_hdr, and the same with num_buffers. */
#define SHORT_HEADER 10
#define HEADER 12
#define LARGEST_FRAME 65550
#define SEGMENTS 20
/* Buffers of a merged frame: pages at least, or what small ones a driver has. */
#define MOST_BUFFERS 64
#define ETH_P_ALL_BIG_ENDIAN 0x0300
#define SOL_PACKET 263
#define PACKET_VNET_HDR 15
#define PACKET_IGNORE_OUTGOING 23
#define SYS_readv 65
#define SYS_writev 66

struct part {
    void *data;
    u64 size;
};

static s64 card;
static struct {
    u8 mac[6];
    u16 status;
} config = { .status = 1 };
static u8 frame[HEADER + LARGEST_FRAME];

static void notified(struct virtio_device *device, u32 index)
{
    u64 one = 1;

    /* Buffers to receive into are looked for when a frame is there. */
    if (index == RECEIVE)
        virtio_listen(device, RECEIVE, false);
    else
        sys(write, device->kick, &one, sizeof(one));
}

/* One frame: the header without num_buffers, and what follows. */
static void send(const struct segment *segments, u32 count)
{
    struct part parts[SEGMENTS + 1];
    u64 at = 0, used = 0;

    for (u32 i = 0; i < count && !segments[i].writable; i++) {
        u64 size = segments[i].size, from = 0;

        if (at < SHORT_HEADER) {
            u64 part = SHORT_HEADER - at < size ? SHORT_HEADER - at : size;

            parts[used++] = (struct part){ segments[i].data, part };
            from = part;
        }
        if (at + from < HEADER)
            from = HEADER - at < size ? HEADER - at : size;
        if (size > from)
            parts[used++] = (struct part){ segments[i].data + from, size - from };
        at += size;
    }
    /* A frame that cannot be sent is lost. */
    if (at > HEADER)
        sys(writev, card, parts, used);
}

static void transmit(void *argument)
{
    static struct segment segments[SEGMENTS - 1];
    struct virtio_device *device = argument;

    for (;;) {
        u64 kicks;
        u16 request;
        u32 count;

        sys(read, device->kick, &kicks, sizeof(kicks));
        acquire_devices();
        do {
            virtio_listen(device, TRANSMIT, false);
            while ((count = virtio_take(device, TRANSMIT, segments, SEGMENTS - 1, &request)) != 0) {
                release_devices();
                send(segments, count);
                acquire_devices();
                virtio_give(device, TRANSMIT, request, 0);
            }
        } while (virtio_running(device) && virtio_listen(device, TRANSMIT, true));
        release_devices();
    }
}

/* Puts the frame into as many buffers as it needs; false if they are not there yet. */
static bool deliver(struct virtio_device *device, u64 size)
{
    static struct given given[MOST_BUFFERS];
    static struct segment segments[SEGMENTS];
    u64 done = 0;
    u32 buffers = 0;
    u8 *header = NULL;

    while (done < size) {
        u16 request;
        u64 before = done;
        u32 count = buffers < MOST_BUFFERS ? virtio_take(device, RECEIVE, segments, SEGMENTS, &request) : 0;

        if (!count) {
            virtio_return(device, RECEIVE, buffers);
            /* A frame that no ring of the driver's could hold is lost. */
            return buffers == MOST_BUFFERS;
        }
        for (u32 i = 0; i < count && done < size && segments[i].writable; i++) {
            u64 part = size - done < segments[i].size ? size - done : segments[i].size;

            if (!done && part >= HEADER)
                header = segments[i].data;
            memcpy(segments[i].data, frame + done, part);
            done += part;
        }
        given[buffers++] = (struct given){ request, (u32)(done - before) };
        if (!(device->accepted & FEATURE_MRG_RXBUF))
            break;
    }
    if (header)
        memcpy(header + SHORT_HEADER, &(u16){ (u16)buffers }, 2);
    virtio_give_all(device, RECEIVE, given, buffers);
    return true;
}

static void receive(void *argument)
{
    struct virtio_device *device = argument;
    struct part parts[2] = { { frame, SHORT_HEADER }, { frame + HEADER, LARGEST_FRAME } };

    for (;;) {
        s64 got = sys(readv, card, parts, 2);

        if (got <= SHORT_HEADER)
            continue;
        acquire_devices();
        /* Frames before the driver runs are lost. */
        while (virtio_running(device) && !deliver(device, HEADER - SHORT_HEADER + (u64)got)) {
            release_devices();
            sys(sched_yield, 0);
            acquire_devices();
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
    static struct virtio_device device = {
        .id = 1, .queues = 2, .config = &config, .config_size = sizeof(config), .notified = notified, .kicked = TRANSMIT,
        .offered = FEATURE_MAC | FEATURE_STATUS | FEATURE_CSUM | FEATURE_GUEST_CSUM | FEATURE_GUEST_TSO4 | FEATURE_HOST_TSO4 | FEATURE_MRG_RXBUF,
    };
    static u8 stacks[2][8192] __attribute__((aligned(16)));
    struct {
        u16 family, protocol;
        s32 index;
        u8 rest[12];
    } address = { .family = AF_PACKET, .protocol = ETH_P_ALL_BIG_ENDIAN };
    struct interface_request r;
    u32 yes = 1;

    check("modules of the network card", load_modules(AS_IN_2017));
    card = sys(socket, AF_PACKET, SOCK_RAW, ETH_P_ALL_BIG_ENDIAN);
    check("packet socket", card);
    check("eth0", find_card(card, &r));
    r.flags |= IFF_UP | IFF_PROMISC;
    check("eth0 up", sys(ioctl, card, SIOCSIFFLAGS, &r));
    check("address of eth0", sys(ioctl, card, SIOCGIFHWADDR, &r));
    memcpy(config.mac, (const u8 *)&r.family + 2, 6);
    check("index of eth0", sys(ioctl, card, SIOCGIFINDEX, &r));
    address.index = r.index;
    check("eth0's frames", sys(bind, card, &address, sizeof(address)));
    sys(setsockopt, card, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof(yes));
    check("header of eth0's frames", sys(setsockopt, card, SOL_PACKET, PACKET_VNET_HDR, &yes, sizeof(yes)));
    device.kick = (s32)sys(eventfd2, 0, O_CLOEXEC);
    check("eventfd", device.kick);
    start_thread(CLONE_THREAD_FLAGS, stacks[0] + sizeof(stacks[0]), receive, &device);
    start_thread(CLONE_THREAD_FLAGS, stacks[1] + sizeof(stacks[1]), transmit, &device);
    return &device;
}
