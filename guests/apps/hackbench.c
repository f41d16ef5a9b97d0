/*
 * hackbench: groups of processes in which every sender writes messages of 100 bytes to every receiver, each over a Unix socket of its own receiver.
 * The paper runs 100 groups of 20 + 20 with 500 loops. Time is from the word to go until the last process has ended.
 */
#include "apps.h"

#define MESSAGE 100
#define MOST_PAIRS 32

static void receive(int socket, u64 bytes)
{
    static char buffer[MESSAGE];

    while (bytes > 0) {
        s64 got = sys(read, socket, buffer, MESSAGE < bytes ? MESSAGE : bytes);

        if (got <= 0)
            fail("read", got);
        bytes -= (u64)got;
    }
}

static void send(const int *sockets, u64 pairs, u64 loops)
{
    static const char message[MESSAGE];

    for (u64 loop = 0; loop < loops; loop++)
        for (u64 i = 0; i < pairs; i++)
            for (u64 done = 0; done < MESSAGE;) {
                s64 written = sys(write, sockets[i], message + done, MESSAGE - done);

                if (written <= 0)
                    fail("write", written);
                done += (u64)written;
            }
}

/* Says that it is there, and waits for the word to go. */
static void ready_and_wait(int ready, int go)
{
    char byte = 0;

    if (sys(write, ready, &byte, 1) != 1 || sys(read, go, &byte, 1) != 1)
        fail("start", 0);
}

void hackbench(const u64 *numbers)
{
    u64 groups = numbers[0], pairs = numbers[1], loops = numbers[2], children = 2 * groups * pairs;
    s32 ready[2], go[2], sockets[MOST_PAIRS];
    char byte = 0;

    if (pairs > MOST_PAIRS)
        fail("hackbench: too many pairs", 0);
    if (sys(pipe2, ready, 0) || sys(pipe2, go, 0))
        fail("pipe2", 0);
    for (u64 group = 0; group < groups; group++) {
        for (u64 i = 0; i < pairs; i++) {
            s32 pair[2];

            if (sys(socketpair, AF_UNIX, SOCK_STREAM, 0, pair))
                fail("socketpair", 0);
            if (fork() == 0) {
                sys(close, pair[1]);
                ready_and_wait(ready[1], go[0]);
                receive(pair[0], pairs * loops * MESSAGE);
                sys(exit_group, 0);
            }
            sys(close, pair[0]);
            sockets[i] = pair[1];
        }
        for (u64 i = 0; i < pairs; i++) {
            if (fork() == 0) {
                ready_and_wait(ready[1], go[0]);
                send(sockets, pairs, loops);
                sys(exit_group, 0);
            }
        }
        for (u64 i = 0; i < pairs; i++)
            sys(close, sockets[i]);
    }
    for (u64 i = 0; i < children; i++)
        if (sys(read, ready[0], &byte, 1) != 1)
            fail("ready", 0);
    marker(HACKBENCH, BEGIN);
    for (u64 i = 0; i < children; i++)
        if (sys(write, go[1], &byte, 1) != 1)
            fail("go", 0);
    for (u64 i = 0; i < children; i++)
        wait_for_child();
    marker(HACKBENCH, END);
    for (u64 i = 0; i < 2; i++) {
        sys(close, ready[i]);
        sys(close, go[i]);
    }
    if (measuring)
        print("apps: hackbench: % processes, % messages", children, groups * pairs * pairs * loops, 0);
}
