/* Loads in the shape of the paper's applications, scaled down: what the parts of the program share. */
#ifndef APPS_H
#define APPS_H
#include "types.h"

enum {
    SYS_ioctl = 29,
    SYS_mkdirat = 34,
    SYS_unlinkat = 35,
    SYS_openat = 56,
    SYS_close = 57,
    SYS_pipe2 = 59,
    SYS_read = 63,
    SYS_write = 64,
    SYS_exit_group = 94,
    SYS_reboot = 142,
    SYS_getpid = 172,
    SYS_socketpair = 199,
    SYS_clone = 220,
    SYS_execve = 221,
    SYS_mmap = 222,
    SYS_wait4 = 260,
};
#define AT_FDCWD ((u64)-100)
#define O_RDONLY 0
#define O_WRONLY_CREATE_TRUNCATE 01101
#define PROT_READ_WRITE 3
#define MAP_PRIVATE_ANONYMOUS 0x22
#define AF_UNIX 1
#define SOCK_STREAM 1
#define SIGCHLD 17
#define REBOOT_MAGIC1 0xfee1dead
#define REBOOT_MAGIC2 672274793
#define REBOOT_POWER_OFF 0x4321fedc

s64 system_call(u64 number, u64 a, u64 b, u64 c, u64 d, u64 e, u64 f);
#define SYSTEM_CALL(number, a, b, c, d, e, f, ...) system_call(number, (u64)(a), (u64)(b), (u64)(c), (u64)(d), (u64)(e), (u64)(f))
/* sys(read, fd, buffer, size): the result, or minus the error's number. */
#define sys(name, ...) SYSTEM_CALL(SYS_##name, __VA_ARGS__, 0, 0, 0, 0, 0, 0)

/* Markers are HINT #126 with X0 = (16 + load) << 8 | phase: a NOP elsewhere. */
enum load { HACKBENCH, KERNBENCH, TCP_RR, TCP_STREAM, TCP_MAERTS, MEMCACHED };
enum phase { BEGIN = 1, END = 2 };
extern bool measuring;
static ALWAYS_INLINE void marker(enum load load, enum phase phase)
{
    if (!measuring)
        return;
    register u64 x0 __asm__("x0") = (16UL + load) << 8 | phase;
    __asm__ volatile("hint #126" : : "r"(x0) : "memory");
}

NORETURN void fail(const char *what, s64 error);
/* 0 in the child. */
s64 fork(void);
/* Waits for one child; its exit code. */
u64 wait_for_child(void);
void hackbench(const u64 *numbers);
void kernbench(const u64 *numbers);
void tcp_rr(const u64 *numbers);
void tcp_stream(const u64 *numbers);
void tcp_maerts(const u64 *numbers);
void memcached(const u64 *numbers);
u64 compile(u64 number, u64 lines);
void print(const char *text, u64 a, u64 b, u64 c);
u64 number_at(const char **text);
#endif
