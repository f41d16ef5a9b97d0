/*
 * Process 1 of a Linux kernel: runs the loads that stand behind `--` on the kernel's command line, each between two markers, and powers the machine
 * off. `hackbench=GROUPS,PAIRS,LOOPS`, `kernbench=FILES,JOBS,LINES`,
 * `tcp_rr=TRANSACTIONS,BYTES`, `tcp_stream=KIB`, `tcp_maerts=KIB`, `memcached=CONNECTIONS,REQUESTS`, and `repeat=N` for those behind it. Each load runs once before, unmarked: memory
 * that nobody has used yet is a page fault at every level. What is printed does not depend on where it runs.
 */
#include "apps.h"
#include "string.h"

bool measuring;
static u64 repeat = 1;

static void put(const char *text, usize length)
{
    while (length > 0) {
        s64 done = sys(write, 1, text, length);

        if (done <= 0)
            return;
        text += done;
        length -= (usize)done;
    }
}

static usize decimal(char *to, u64 value)
{
    char digits[24];
    usize n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    for (usize i = 0; i < n; i++)
        to[i] = digits[n - 1 - i];
    return n;
}

/* One line; each % is the next number. */
void print(const char *text, u64 a, u64 b, u64 c)
{
    char line[160];
    usize n = 0;
    u64 numbers[3] = { a, b, c }, *next = numbers;

    for (; *text && n < sizeof(line) - 24; text++) {
        if (*text == '%')
            n += decimal(line + n, *next++);
        else
            line[n++] = *text;
    }
    line[n++] = '\n';
    put(line, n);
}

static NORETURN void finish(void)
{
    if (sys(getpid, 0) == 1)
        sys(reboot, REBOOT_MAGIC1, REBOOT_MAGIC2, REBOOT_POWER_OFF, 0);
    for (;;)
        sys(exit_group, 1);
}

void fail(const char *what, s64 error)
{
    print("apps: FAILED, error %:", (u64)-error, 0, 0);
    print(what, 0, 0, 0);
    finish();
}

s64 fork(void)
{
    s64 child = sys(clone, SIGCHLD);

    if (child < 0)
        fail("clone", child);
    return child;
}

u64 wait_for_child(void)
{
    u32 status = 0;
    s64 child = sys(wait4, -1, &status, 0, 0);

    if (child < 0)
        fail("wait4", child);
    if (status & 0x7f)
        fail("a process was killed", -(s64)(status & 0x7f));
    return status >> 8 & 0xff;
}

u64 number_at(const char **text)
{
    u64 value = 0;

    while (**text >= '0' && **text <= '9')
        value = value * 10 + (u64)(*(*text)++ - '0');
    if (**text == ',')
        ++*text;
    return value;
}

static void run(const char *word)
{
    static const struct { const char *name; usize numbers; void (*function)(const u64 *); } loads[] = {
        { "hackbench=", 3, hackbench }, { "kernbench=", 3, kernbench }, { "tcp_rr=", 2, tcp_rr }, { "tcp_stream=", 1, tcp_stream }, { "tcp_maerts=", 1, tcp_maerts }, { "memcached=", 2, memcached },
    };

    if (!strncmp(word, "repeat=", 7)) {
        word += 7;
        repeat = number_at(&word);
        return;
    }
    for (usize i = 0; i < ARRAY_SIZE(loads); i++) {
        usize length = strlen(loads[i].name);
        const char *text = word + length;
        u64 numbers[3] = { 0 };

        if (strncmp(word, loads[i].name, length))
            continue;
        for (usize n = 0; n < loads[i].numbers; n++) {
            numbers[n] = number_at(&text);
            if (!numbers[n])
                fail(word, 0);
        }
        if (*text)
            fail(word, 0);
        for (u64 n = 0; n <= repeat; n++) {
            measuring = n > 0;
            loads[i].function(numbers);
        }
        return;
    }
}

int main(int count, char **arguments)
{
    /* A compiler of kernbench. */
    if (count == 4 && !strcmp(arguments[1], "compile")) {
        const char *number = arguments[2], *lines = arguments[3];

        sys(exit_group, compile(number_at(&number), number_at(&lines)));
    }
    for (int i = 1; i < count; i++)
        run(arguments[i]);
    print("apps: done", 0, 0, 0);
    finish();
}
