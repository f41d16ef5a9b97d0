/*
 * Rows of `npm run bench -- cpu` that are about a kernel: /init of an initramfs. Freestanding; the kernel gives it the row's letter and
 * the rounds as arguments (`-- ROW ROUNDS` on the command line). Prints a line and powers off.
 */
typedef unsigned long u64;

static long call(long n, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = n, x0 __asm__("x0") = a, x1 __asm__("x1") = b, x2 __asm__("x2") = c, x3 __asm__("x3") = d, x4 __asm__("x4") = e, x5 __asm__("x5") = f;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}
enum { MUNMAP = 215, MMAP = 222, WRITE = 64, EXIT = 93, GETPPID = 173, REBOOT = 142, CLONE = 220, WAIT4 = 260 };

static u64 syscalls(u64 rounds) {
  u64 sum = 0;
  for (u64 i = 0; i < rounds * 1000; i++) sum += call(GETPPID, 0, 0, 0, 0, 0, 0) + 1;
  return sum;
}

/* 4 MiB of new memory, each page touched once. */
static u64 faults(u64 rounds) {
  u64 sum = 0;
  for (u64 r = 0; r < rounds; r++) {
    volatile char *p = (volatile char *)call(MMAP, 0, 4 << 20, 3, 0x22, -1, 0);
    for (long at = 0; at < 4 << 20; at += 4096) { p[at] = r; sum += p[at + 1] + 1; }
    call(MUNMAP, (long)p, 4 << 20, 0, 0, 0, 0);
  }
  return sum;
}

static u64 forks(u64 rounds) {
  u64 sum = 0;
  for (u64 i = 0; i < rounds * 10; i++) {
    long pid = call(CLONE, 17, 0, 0, 0, 0, 0);
    if (pid == 0) call(EXIT, i & 63, 0, 0, 0, 0, 0);
    int status = 0;
    call(WAIT4, pid, (long)&status, 0, 0, 0, 0);
    sum += status >> 8;
  }
  return sum;
}

void begin(u64 *stack) {
  char **arguments = (char **)(stack + 1);
  u64 count = stack[0], rounds = 0, sum = 0;
  char row = count > 1 ? arguments[1][0] : 's';
  if (count > 2) for (char *p = arguments[2]; *p >= '0' && *p <= '9'; p++) rounds = rounds * 10 + (u64)(*p - '0');
  sum = row == 'f' ? faults(rounds) : row == 'c' ? forks(rounds) : syscalls(rounds);
  char line[] = "YARD 0000000000000000\n";
  for (int i = 0; i < 16; i++) line[20 - i] = "0123456789abcdef"[sum >> 4 * i & 15];
  call(WRITE, 1, (long)line, sizeof line - 1, 0, 0, 0);
  call(REBOOT, (long)0xfee1dead, 672274793, 0x4321fedc, 0, 0, 0);
  for (;;) {}
}
__asm__(".global _start\n_start: mov x0, sp\n  bl begin\n");
