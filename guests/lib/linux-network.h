/* A network card of Linux, without a tool: modules, flags, addresses. Included behind a header that defines sys(). */
#ifndef LINUX_NETWORK_H
#define LINUX_NETWORK_H
#include "string.h"
#include "types.h"

enum { SYS_nanosleep = 101, SYS_socket = 198, SYS_bind = 200, SYS_connect = 203, SYS_setsockopt = 208, SYS_shutdown = 210, SYS_finit_module = 273 };
#define AF_INET 2
#define AF_PACKET 17
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SIOCGIFFLAGS 0x8913
#define SIOCSIFFLAGS 0x8914
#define SIOCSIFADDR 0x8916
#define SIOCSIFNETMASK 0x891c
#define SIOCGIFHWADDR 0x8927
#define SIOCGIFINDEX 0x8933
#define IFF_UP 1
#define IFF_PROMISC 0x100
#define MODULE_EXISTS (-17)

struct interface_request {
    char name[16];
    union {
        struct {
            u16 family, port;
            u8 address[20];
        };
        u16 flags;
        s32 index;
    };
};

struct socket_address {
    u16 family;
    u8 port[2], address[4], zero[8];
};

#define SET_ADDRESS(r, a, b, c, d)                                   \
    do {                                                             \
        memset(&(r)->family, 0, sizeof(*(r)) - sizeof((r)->name));   \
        (r)->family = AF_INET;                                       \
        memcpy((r)->address, (const u8[]){ a, b, c, d }, 4);         \
    } while (0)

/* virtio_net takes no interrupt for what it has sent, as before Linux 4.12. */
#define AS_IN_2017 "napi_tx=0"

/* Loads /modules/0, /modules/1 and so on; a module ignores parameters that it has not. The number of the first error, or 0. */
static s64 load_modules(const char *parameters)
{
    char path[] = "/modules/0";

    for (; path[9] <= '9'; path[9]++) {
        s64 file = sys(openat, (u64)-100, path, 0), result;

        if (file < 0)
            return 0;
        result = sys(finit_module, file, parameters, 0);
        sys(close, file);
        if (result < 0 && result != MODULE_EXISTS)
            return result;
    }
    return 0;
}

/* Waits until there is an eth0, for a second at most; `r` then has its flags. */
static s64 find_card(s64 socket, struct interface_request *r)
{
    s64 result = 0;

    memset(r, 0, sizeof(*r));
    memcpy(r->name, "eth0", 5);
    for (u32 i = 0; i < 100; i++) {
        u64 time[2] = { 0, 10000000 };

        result = sys(ioctl, socket, SIOCGIFFLAGS, r);
        if (!result)
            break;
        sys(nanosleep, time, 0);
    }
    return result;
}
#endif
