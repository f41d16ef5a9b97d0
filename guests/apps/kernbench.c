/*
 * kernbench: `make -j`. A process per file is forked and executed, JOBS at a time; each "compiles" a source of LINES lines that it makes up: reads it
 * from a file, cuts it into words, keeps them in a hash table in fresh memory, sorts what it found, and writes an object file. The paper compiles Linux
 * 3.17.
 */
#include "apps.h"
#include "string.h"

#define LINE 64
#define BUCKETS 4096
#define MOST_WORDS 16384
#define MOST_LINES 4096

struct word {
    u32 hash, count, next;
};

static u64 random_state;
static u32 random_number(void)
{
    random_state = random_state * 6364136223846793005UL + 1442695040888963407UL;
    return (u32)(random_state >> 33);
}

static void *memory(u64 bytes)
{
    s64 address = sys(mmap, 0, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);

    if (address < 0)
        fail("mmap", address);
    return (void *)address;
}

static void name_of(char *name, const char *suffix, u64 number)
{
    name[0] = '/';
    name[1] = 'o';
    name[2] = (char)('a' + number / 26 % 26);
    name[3] = (char)('a' + number % 26);
    memcpy(name + 4, suffix, 3);
}

static void write_file(const char *name, const char *bytes, u64 length)
{
    s64 file = sys(openat, AT_FDCWD, name, O_WRONLY_CREATE_TRUNCATE, 0644);

    if (file < 0)
        fail(name, file);
    while (length > 0) {
        s64 done = sys(write, file, bytes, length < 4096 ? length : 4096);

        if (done <= 0)
            fail("write", done);
        bytes += done;
        length -= (u64)done;
    }
    sys(close, file);
}

static void read_file(const char *name, char *bytes, u64 length)
{
    s64 file = sys(openat, AT_FDCWD, name, O_RDONLY, 0);

    if (file < 0)
        fail(name, file);
    while (length > 0) {
        s64 done = sys(read, file, bytes, length < 4096 ? length : 4096);

        if (done <= 0)
            fail("read", done);
        bytes += done;
        length -= (u64)done;
    }
    sys(close, file);
}

/* Words of three to ten letters, most of them often. */
static void make_source(char *text, u64 lines)
{
    for (u64 line = 0; line < lines; line++) {
        char *end = text + LINE - 1;

        while (text < end) {
            u32 word = random_number() % 1000, letters = 3 + word % 8;

            word = word < 900 ? word % 64 : word;
            for (u32 i = 0; i < letters && text < end; i++)
                *text++ = (char)('a' + (word * 7 + i * (word % 13 + 1)) % 26);
            if (text < end)
                *text++ = ' ';
        }
        *text++ = '\n';
    }
}

static void sort(u32 *values, u32 count)
{
    for (u32 gap = count / 2; gap > 0; gap /= 2)
        for (u32 i = gap; i < count; i++) {
            u32 value = values[i], j = i;

            for (; j >= gap && values[j - gap] > value; j -= gap)
                values[j] = values[j - gap];
            values[j] = value;
        }
}

/* The exit code is a checksum of the object file. */
u64 compile(u64 number, u64 lines)
{
    char source_name[8], object_name[8];
    u64 length = lines * LINE;
    char *source = memory(length);
    u32 *buckets = memory(BUCKETS * sizeof(u32)), *object = memory(MOST_WORDS * sizeof(u32)), count = 1, sum = 0;
    struct word *words = memory(MOST_WORDS * sizeof(struct word));

    name_of(source_name, ".c", number);
    name_of(object_name, ".o", number);
    read_file(source_name, source, length);
    for (u64 at = 0; at < length;) {
        u32 hash = 2166136261U;
        u64 start = at;

        while (at < length && source[at] > ' ')
            hash = (hash ^ (u8)source[at++]) * 16777619U;
        if (at > start) {
            u32 index = buckets[hash % BUCKETS];

            while (index && words[index].hash != hash)
                index = words[index].next;
            if (!index && count < MOST_WORDS) {
                index = count++;
                words[index] = (struct word){ hash, 0, buckets[hash % BUCKETS] };
                buckets[hash % BUCKETS] = index;
            }
            words[index].count++;
        }
        at++;
    }
    for (u32 i = 1; i < count; i++)
        object[i - 1] = words[i].hash ^ words[i].count;
    sort(object, count - 1);
    write_file(object_name, (char *)object, (count - 1) * sizeof(u32));
    for (u32 i = 0; i < count - 1; i++)
        sum = sum * 31 + object[i];
    sys(unlinkat, AT_FDCWD, object_name, 0);
    return sum & 0x7f;
}

static void execute_compiler(u64 number, u64 lines)
{
    char texts[2][24], *arguments[] = { "/init", "compile", texts[0], texts[1], NULL }, *environment[] = { NULL };
    u64 values[2] = { number, lines };

    for (u32 i = 0; i < 2; i++) {
        u32 at = sizeof(texts[i]) - 1;
        u64 value = values[i];

        texts[i][at] = 0;
        do {
            texts[i][--at] = (char)('0' + value % 10);
            value /= 10;
        } while (value);
        arguments[2 + i] = texts[i] + at;
    }
    s64 error = sys(execve, arguments[0], arguments, environment);
    fail("execve", error);
}

void kernbench(const u64 *numbers)
{
    u64 files = numbers[0], jobs = numbers[1], lines = numbers[2], running = 0, sum = 0;
    char *source;

    if (lines > MOST_LINES)
        fail("kernbench: too many lines", 0);
    source = memory(lines * LINE);
    for (u64 i = 0; i < files; i++) {
        char name[8];

        random_state = i;
        make_source(source, lines);
        name_of(name, ".c", i);
        write_file(name, source, lines * LINE);
    }
    marker(KERNBENCH, BEGIN);
    for (u64 i = 0; i < files; i++) {
        if (running == jobs) {
            sum += wait_for_child();
            running--;
        }
        if (fork() == 0)
            execute_compiler(i, lines);
        running++;
    }
    for (; running > 0; running--)
        sum += wait_for_child();
    marker(KERNBENCH, END);
    if (measuring)
        print("apps: kernbench: % files, % jobs, checksum %", files, jobs, sum);
}
