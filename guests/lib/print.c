/* Console: PL011, polled. */
#include "print.h"

#define UARTDR 0x00
#define UARTFR 0x18
#define UARTCR 0x30
#define UARTFR_TXFF BIT(5)
#define UARTCR_UARTEN_TXE_RXE 0x301

static u64 pl011;
static struct spinlock console_lock;

void console_init(u64 base)
{
    pl011 = base;
    mmio_write32(base + UARTCR, UARTCR_UARTEN_TXE_RXE);
}

void console_char(char c)
{
    if (!pl011)
        return;
    while (mmio_read32(pl011 + UARTFR) & UARTFR_TXFF)
        ;
    mmio_write32(pl011 + UARTDR, (u8)c);
}

static void print_string(const char *s, int width)
{
    for (; *s; s++, width--)
        console_char(*s);
    for (; width > 0; width--)
        console_char(' ');
}

static void print_number(u64 value, u32 base, bool negative, int width, char fill)
{
    char digits[24];
    int n = 0;

    do {
        u32 d = value % base;
        digits[n++] = (char)(d < 10 ? '0' + d : 'a' + d - 10);
        value /= base;
    } while (value);
    if (negative)
        digits[n++] = '-';
    for (int i = n; i < width; i++)
        console_char(fill);
    while (n)
        console_char(digits[--n]);
}

static void print_list(const char *f, __builtin_va_list ap)
{
    for (; *f; f++) {
        int width = 0;
        char fill = ' ';
        bool wide = false;

        if (*f != '%') {
            if (*f == '\n')
                console_char('\r');
            console_char(*f);
            continue;
        }
        f++;
        if (*f == '-')
            f++;
        if (*f == '0')
            fill = '0';
        while (*f >= '0' && *f <= '9')
            width = width * 10 + (*f++ - '0');
        while (*f == 'l') {
            wide = true;
            f++;
        }
        switch (*f) {
        case 's':
            print_string(__builtin_va_arg(ap, const char *), width);
            break;
        case 'c':
            console_char((char)__builtin_va_arg(ap, int));
            break;
        case 'd': {
            s64 v = wide ? __builtin_va_arg(ap, s64) : __builtin_va_arg(ap, int);
            print_number(v < 0 ? -(u64)v : (u64)v, 10, v < 0, width, fill);
            break;
        }
        case 'u':
        case 'x': {
            u64 v = wide ? __builtin_va_arg(ap, u64) : __builtin_va_arg(ap, u32);
            print_number(v, *f == 'x' ? 16 : 10, false, width, fill);
            break;
        }
        case 'p':
            print_string("0x", 0);
            print_number((u64)__builtin_va_arg(ap, void *), 16, false, 0, '0');
            break;
        case '%':
            console_char('%');
            break;
        default:
            return;
        }
    }
}

void print(const char *format, ...)
{
    __builtin_va_list ap;

    __builtin_va_start(ap, format);
    spin_lock(&console_lock);
    print_list(format, ap);
    spin_unlock(&console_lock);
    __builtin_va_end(ap);
}

void panic(const char *format, ...)
{
    __builtin_va_list ap;

    /* No lock: the holder may be the one that died. */
    __builtin_va_start(ap, format);
    print_list(format, ap);
    __builtin_va_end(ap);
    machine_stop();
}
