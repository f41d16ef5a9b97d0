/*
 * Options, and what has to be done as process 1. Options are words: kernel=FILE initrd=FILE disk=FILE append=TEXT vcpus=N memory=MEGABYTES gic=2|3 hvc net el2 e2h0,
 * with or without dashes before them; on a kernel's command line they stand behind `--`.
 */
#include "string.h"
#include "vmm.h"

static u8 stacks[MAX_VCPUS][16384] __attribute__((aligned(16)));
static struct vm vm = { .options = { .kernel = "/kernel", .bootargs = "", .vcpus = 1, .megabytes = 64 } };

void finish(enum result result)
{
    print("vmm: exit code %u\n", (u32)result);
    flush_output();
    for (;;)
        sys(exit_group, result);
}

/*
 * Process 1 has the VM in a child: when that is gone, so are the threads of all vCPUs. An nVHE kernel takes its hypervisor part from every
 * CPU before it powers off, whoever is in KVM_RUN, and a vCPU that is scheduled then calls what is not there (warnings in vgic_v3_load).
 */
static void NORETURN be_init(s64 child)
{
    /* Where there is no child nothing is stored. */
    u32 status = FAILED << 8;
    enum result result;

    if (child < 0)
        print("vmm: a process for the VM: error %lu\n", (u64)-child);
    while (sys(wait4, child, &status, 0, 0) == -EINTR)
        ;
    result = status & 0x7f ? FAILED : (enum result)(status >> 8 & 0xff);
    if (status & 0x7f)
        print("vmm: ended by signal %u\n", status & 0x7f);
    flush_output();
    sys(reboot, REBOOT_MAGIC1, REBOOT_MAGIC2, result == GUEST_OFF ? REBOOT_POWER_OFF : REBOOT_RESTART, 0);
    /* The machine must end even if it cannot be powered off. */
    for (;;)
        sys(exit_group, result);
}

static u64 number_of(const char *text)
{
    u64 value = 0;

    if (!*text)
        fail("a number is missing", 0);
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            fail("a number is not one", 0);
        value = value * 10 + (u64)(*text - '0');
    }
    return value;
}

/* Words of the VM's command line: several `append=` are joined, so that a line can be handed down through levels without quotes in quotes. */
static void append(const char *words)
{
    static char line[2048];
    static u64 used;

    if (used + strlen(words) + 2 > sizeof(line))
        fail("the command line of the VM is too long", 0);
    if (used)
        line[used++] = ' ';
    memcpy(line + used, words, strlen(words) + 1);
    used += strlen(words);
    vm.options.bootargs = line;
}

static void option(struct options *o, const char *word)
{
    const char *value;

    while (*word == '-')
        word++;
    if (!*word)
        return;
    for (value = word; *value && *value != '='; value++)
        ;
    if (*value == '=')
        value++;
    if (!strncmp(word, "kernel=", 7))
        o->kernel = value;
    else if (!strncmp(word, "initrd=", 7))
        o->initrd = value;
    else if (!strncmp(word, "disk=", 5))
        o->disk = value;
    else if (!strncmp(word, "append=", 7))
        append(value);
    else if (!strncmp(word, "vcpus=", 6))
        o->vcpus = (u32)number_of(value);
    else if (!strncmp(word, "memory=", 7))
        o->megabytes = number_of(value);
    else if (!strncmp(word, "gic=", 4))
        o->gic = (u32)number_of(value);
    else if (!strcmp(word, "hvc"))
        o->hvc = true;
    else if (!strcmp(word, "net"))
        o->network = true;
    else if (!strcmp(word, "el2"))
        o->el2 = true;
    else if (!strcmp(word, "e2h0"))
        o->el2 = o->e2h0 = true;
    else
        print("vmm: option ignored: %s\n", word);
}

int main(int count, char **arguments)
{
    struct options *o = &vm.options;
    bool is_init = sys(getpid, 0) == 1;

    if (is_init) {
        s64 child = sys(clone, SIGCHLD, 0, 0, 0, 0);

        if (child)
            be_init(child);
    }
    for (int i = 1; i < count; i++)
        option(o, arguments[i]);
    if (o->vcpus < 1 || o->vcpus > MAX_VCPUS)
        fail("vcpus= is 1 to 4", 0);
    if (o->megabytes < 8 || o->megabytes > 0x10000)
        fail("memory= is 8 to 65536 megabytes", 0);
    if (is_init) {
        sys(mkdirat, AT_FDCWD, "/dev", 0755);
        sys(mknodat, AT_FDCWD, "/dev/kvm", S_IFCHR | 0600, KVM_DEVICE_NUMBER);
    }
    virtio_start(&vm);
    create_vm(&vm);
    virtio_attach(&vm);
    print("vmm: %u vCPUs, %lu MiB, GICv%u%s, kernel %s\n", o->vcpus, o->megabytes, vm.gic, o->el2 ? o->e2h0 ? ", EL2 with E2H=0" : ", EL2" : "", o->kernel);
    uart_start(&vm);
    for (u32 i = 1; i < o->vcpus; i++)
        start_thread(CLONE_THREAD_FLAGS, stacks[i] + sizeof(stacks[i]), run_vcpu, &vm.vcpus[i]);
    run_vcpu(&vm.vcpus[0]);
    return 0;
}
