/*
 * The loads with a network: what netserver of netperf and memcached do, with the client on the other end of the wire (10.0.2.2; port 5001 + load). The
 * connections are opened from here, so that nobody has to wait for anybody; the first eight bytes say how much is wanted, and all that follows
 * is as if the client had called.
 */
#include "apps.h"
#include "linux-network.h"

#define FIRST_PORT 5001
#define BUFFER 131072
#define MOST_CONNECTIONS 64
#define KEYS 4096
#define VALUE 32
#define REQUEST 512

enum { SYS_epoll_create1 = 20, SYS_epoll_ctl = 21, SYS_epoll_pwait = 22 };
#define EPOLL_CTL_ADD 1
#define EPOLLIN 1

static u8 buffer[BUFFER];

/* The kernel's modules, and eth0 as 10.0.2.15/24. */
static void start_network(void)
{
    static bool started;
    struct interface_request r;
    s64 socket, error;

    if (started)
        return;
    started = true;
    error = load_modules(AS_IN_2017);
    if (error)
        fail("modules of the network card", error);
    socket = sys(socket, AF_INET, SOCK_DGRAM, 0);
    error = find_card(socket, &r);
    if (error)
        fail("eth0", error);
    SET_ADDRESS(&r, 10, 0, 2, 15);
    error = sys(ioctl, socket, SIOCSIFADDR, &r);
    if (error)
        fail("address of eth0", error);
    SET_ADDRESS(&r, 255, 255, 255, 0);
    error = sys(ioctl, socket, SIOCSIFNETMASK, &r);
    if (!error)
        error = sys(ioctl, socket, SIOCGIFFLAGS, &r);
    r.flags |= IFF_UP;
    if (!error)
        error = sys(ioctl, socket, SIOCSIFFLAGS, &r);
    if (error)
        fail("eth0 up", error);
    sys(close, socket);
}

static int connect_to_client(enum load load)
{
    u16 port = (u16)(FIRST_PORT + load - TCP_RR);
    struct socket_address address = { AF_INET, { (u8)(port >> 8), (u8)port }, { 10, 0, 2, 2 }, { 0 } };
    s64 fd, error;

    start_network();
    fd = sys(socket, AF_INET, SOCK_STREAM, 0);
    if (fd < 0)
        fail("socket", fd);
    error = sys(connect, fd, &address, sizeof(address));
    if (error)
        fail("connect", error);
    return (int)fd;
}

static void write_all(int fd, const void *bytes, u64 size)
{
    for (u64 done = 0; done < size;) {
        s64 written = sys(write, fd, (const u8 *)bytes + done, size - done);

        if (written <= 0)
            fail("write to the client", written);
        done += (u64)written;
    }
}

static void ask(int fd, u64 first, u64 second)
{
    u32 header[2] = { (u32)first, (u32)second };

    write_all(fd, header, sizeof(header));
}

/* netperf TCP_RR: a request of so many bytes, a response of as many, one at a time. */
void tcp_rr(const u64 *numbers)
{
    u64 bytes = numbers[1], answered = 0, have = 0;
    int fd = connect_to_client(TCP_RR);

    if (bytes > BUFFER)
        fail("tcp_rr: too many bytes", 0);
    marker(TCP_RR, BEGIN);
    ask(fd, numbers[0], bytes);
    for (;;) {
        s64 got = sys(read, fd, buffer, bytes - have);

        if (got < 0)
            fail("read", got);
        if (!got)
            break;
        have += (u64)got;
        if (have == bytes) {
            have = 0;
            answered++;
            write_all(fd, buffer, bytes);
        }
    }
    marker(TCP_RR, END);
    sys(close, fd);
    if (measuring)
        print("apps: tcp_rr: % transactions of % bytes", answered, bytes, 0);
}

/* netperf TCP_STREAM: the client sends, we read. */
void tcp_stream(const u64 *numbers)
{
    u64 total = 0;
    int fd = connect_to_client(TCP_STREAM);

    marker(TCP_STREAM, BEGIN);
    ask(fd, numbers[0] * 1024, 0);
    for (;;) {
        s64 got = sys(read, fd, buffer, BUFFER);

        if (got < 0)
            fail("read", got);
        if (!got)
            break;
        total += (u64)got;
    }
    marker(TCP_STREAM, END);
    sys(close, fd);
    if (measuring)
        print("apps: tcp_stream: % bytes", total, 0, 0);
}

/* netperf TCP_MAERTS: we send, the client reads. */
void tcp_maerts(const u64 *numbers)
{
    u64 left = numbers[0] * 1024, chunk = 16384;
    int fd = connect_to_client(TCP_MAERTS);

    marker(TCP_MAERTS, BEGIN);
    ask(fd, left, 0);
    while (left > 0) {
        u64 size = left < chunk ? left : chunk;

        write_all(fd, buffer, size);
        left -= size;
    }
    /* The client has all. */
    if (sys(read, fd, buffer, 1) != 0)
        fail("tcp_maerts: not the end", 0);
    marker(TCP_MAERTS, END);
    sys(close, fd);
    if (measuring)
        print("apps: tcp_maerts: % bytes", numbers[0] * 1024, 0, 0);
}

/* ---- memcached: the binary protocol, GET and SET of short values ----------------------------------------------- */

struct message {
    u8 magic, operation, key_length[2], extras_length, type, status[2], body_length[4], opaque[4], cas[8];
};

struct item {
    u8 key[VALUE], value[VALUE];
    u8 key_length, value_length;
};

static struct item items[KEYS];
static struct {
    int fd;
    u32 have;
    u8 bytes[REQUEST];
} clients[MOST_CONNECTIONS];

static struct item *item_of(const u8 *key, u32 length)
{
    u32 hash = 2166136261U;

    for (u32 i = 0; i < length; i++)
        hash = (hash ^ key[i]) * 16777619U;
    return &items[(hash ^ hash >> 16) % KEYS];
}

/* Answers the request at the start of `bytes` if all of it is there; its size. */
static u32 answer(int fd, const u8 *bytes, u32 have)
{
    static u8 reply[sizeof(struct message) + 4 + VALUE];
    struct message request, *response = (struct message *)reply;
    u32 body, key_length, extras, value_length, size = sizeof(struct message);
    const u8 *key;
    struct item *item;

    if (have < sizeof(request))
        return 0;
    memcpy(&request, bytes, sizeof(request));
    body = (u32)request.body_length[2] << 8 | request.body_length[3];
    key_length = request.key_length[1];
    extras = request.extras_length;
    if (request.magic != 0x80 || request.body_length[0] || request.body_length[1] || request.key_length[0] || extras + key_length > body || key_length > VALUE || sizeof(request) + body > REQUEST)
        fail("memcached: not a request", 0);
    if (have < sizeof(request) + body)
        return 0;
    key = bytes + sizeof(request) + extras;
    value_length = body - extras - key_length;
    item = item_of(key, key_length);
    memset(response, 0, sizeof(*response));
    response->magic = 0x81;
    response->operation = request.operation;
    memcpy(response->opaque, request.opaque, 4);
    if (request.operation == 1 && value_length <= VALUE) {
        memcpy(item->key, key, key_length);
        memcpy(item->value, key + key_length, value_length);
        item->key_length = (u8)key_length;
        item->value_length = (u8)value_length;
    } else if (request.operation == 0 && item->key_length == key_length && !memcmp(item->key, key, key_length)) {
        /* Four bytes of flags before the value. */
        response->extras_length = 4;
        response->body_length[3] = (u8)(4 + item->value_length);
        memset(reply + size, 0, 4);
        memcpy(reply + size + 4, item->value, item->value_length);
        size += 4U + item->value_length;
    } else {
        response->status[1] = request.operation == 0 ? 0x01 : 0x81;
    }
    write_all(fd, reply, size);
    return (u32)sizeof(request) + body;
}

void memcached(const u64 *numbers)
{
    struct event {
        u32 events, padding;
        u64 data;
    } events[MOST_CONNECTIONS];
    u64 connections = numbers[0], open = connections, served = 0;
    s64 poll = sys(epoll_create1, 0);

    if (connections > MOST_CONNECTIONS)
        fail("memcached: too many connections", 0);
    for (u64 i = 0; i < connections; i++) {
        struct event event = { EPOLLIN, 0, i };

        clients[i].fd = connect_to_client(MEMCACHED);
        clients[i].have = 0;
        if (sys(epoll_ctl, poll, EPOLL_CTL_ADD, clients[i].fd, &event))
            fail("epoll_ctl", 0);
    }
    marker(MEMCACHED, BEGIN);
    for (u64 i = 0; i < connections; i++)
        ask(clients[i].fd, numbers[1], i);
    while (open > 0) {
        s64 ready = sys(epoll_pwait, poll, events, MOST_CONNECTIONS, -1, 0);

        if (ready < 0)
            fail("epoll_pwait", ready);
        for (s64 n = 0; n < ready; n++) {
            u64 i = events[n].data;
            s64 got = sys(read, clients[i].fd, clients[i].bytes + clients[i].have, REQUEST - clients[i].have);
            u32 used;

            if (got < 0)
                fail("read", got);
            if (!got) {
                sys(close, clients[i].fd);
                open--;
                continue;
            }
            clients[i].have += (u32)got;
            while ((used = answer(clients[i].fd, clients[i].bytes, clients[i].have)) != 0) {
                served++;
                clients[i].have -= used;
                memmove(clients[i].bytes, clients[i].bytes + used, clients[i].have);
            }
        }
    }
    marker(MEMCACHED, END);
    sys(close, poll);
    if (measuring)
        print("apps: memcached: % requests on % connections", served, connections, 0);
}
