/* The VM's PL011 (Arm DDI 0183): transmits at once, receives what comes on file descriptor 0. */
#include "vmm.h"

enum { DR = 0x00, FR = 0x18, IBRD = 0x24, FBRD = 0x28, LCR_H = 0x2c, CR = 0x30, IFLS = 0x34, IMSC = 0x38, RIS = 0x3c, MIS = 0x40, ICR = 0x44, ID = 0xfe0 };
#define FR_RXFE BIT(4)
#define FR_TXFE BIT(7)
#define INTERRUPT_RX BIT(4)
#define INTERRUPT_TX BIT(5)
#define FIFO 16

static s32 vm_fd;
static u8 received[FIFO];
static u32 first, held;
static u32 ibrd, fbrd, lcr, cr = 0x300, ifls = 0x12, imsc;
static bool line;

/* The transmitter is always empty. */
static u32 raw_interrupts(void)
{
    return INTERRUPT_TX | (held ? INTERRUPT_RX : 0);
}

static void update_line(void)
{
    bool level = (raw_interrupts() & imsc) != 0;
    struct kvm_irq_level change = { .irq = KVM_IRQ_SPI(32 + UART_SPI), .level = level };

    if (level != line)
        sys(ioctl, vm_fd, KVM_IRQ_LINE, &change);
    line = level;
}

static u32 take(void)
{
    u8 byte = received[first];

    if (!held)
        return 0;
    first = (first + 1) % FIFO;
    held--;
    update_line();
    return byte;
}

u32 uart_read(u64 offset)
{
    static const u8 id[] = { 0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1 };

    switch (offset) {
    case DR: return take();
    case FR: return FR_TXFE | (held ? 0 : FR_RXFE);
    case IBRD: return ibrd;
    case FBRD: return fbrd;
    case LCR_H: return lcr;
    case CR: return cr;
    case IFLS: return ifls;
    case IMSC: return imsc;
    case RIS: return raw_interrupts();
    case MIS: return raw_interrupts() & imsc;
    default: return offset >= ID && offset < UART_SIZE ? id[(offset - ID) / 4] : 0;
    }
}

void uart_write(u64 offset, u32 value)
{
    switch (offset) {
    case DR: guest_output((u8)value); break;
    case IBRD: ibrd = value; break;
    case FBRD: fbrd = value; break;
    case LCR_H: lcr = value; break;
    case CR: cr = value; break;
    case IFLS: ifls = value; break;
    case IMSC:
        imsc = value;
        update_line();
        /* A driver masks the transmit interrupt when it has nothing more to say: a prompt has no newline. */
        flush_output();
        break;
    }
}

static bool store(u8 byte)
{
    if (held == FIFO)
        return false;
    received[(first + held++) % FIFO] = byte;
    update_line();
    return true;
}

static void receive(void *vm)
{
    u8 byte;

    for (;;) {
        s64 got = sys(read, 0, &byte, 1);

        if (got == -EINTR)
            continue;
        if (got <= 0)
            return;
        for (bool stored = false; !stored;) {
            acquire_devices();
            if (!console_receive(vm, byte, &stored))
                stored = store(byte);
            release_devices();
            if (!stored)
                sys(sched_yield, 0);
        }
    }
}

void uart_start(struct vm *vm)
{
    static u8 stack[4096] __attribute__((aligned(16)));
    struct termios terminal;

    vm_fd = vm->fd;
    /* Every key is the guest's. */
    if (sys(ioctl, 0, TCGETS, &terminal) == 0) {
        terminal.input &= ~(u32)ICRNL_IXON;
        terminal.local &= ~(u32)ISIG_ICANON_ECHO;
        sys(ioctl, 0, TCSETS, &terminal);
    }
    start_thread(CLONE_THREAD_FLAGS, stack + sizeof(stack), receive, vm);
}
