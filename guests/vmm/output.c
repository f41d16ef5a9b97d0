/* The guest's console and our own messages, both on file descriptor 1. */
#include "string.h"
#include "vmm.h"

static u8 pending[1024];
static u32 count;

void flush_output(void)
{
    for (u32 done = 0; done < count;) {
        s64 written = sys(write, 1, pending + done, count - done);

        if (written <= 0 && written != -EINTR)
            break;
        done += written > 0 ? (u32)written : 0;
    }
    count = 0;
}

void guest_output(u8 byte)
{
    pending[count++] = byte;
    if (byte == '\n' || count == sizeof(pending))
        flush_output();
}

static void text(const char *s)
{
    while (*s)
        guest_output((u8)*s++);
}

static void number(u64 value, u32 base)
{
    char digits[24];
    u32 at = sizeof(digits);

    digits[--at] = 0;
    do {
        u32 digit = value % base;

        digits[--at] = (char)(digit < 10 ? '0' + digit : 'a' + digit - 10);
        value /= base;
    } while (value);
    text(digits + at);
}

/* %s, %u, %x, and %lu, %lx. */
void print(const char *format, ...)
{
    __builtin_va_list ap;

    __builtin_va_start(ap, format);
    for (; *format; format++) {
        bool wide = false;

        if (*format != '%') {
            guest_output((u8)*format);
            continue;
        }
        if (*++format == 'l') {
            wide = true;
            format++;
        }
        if (*format == 's')
            text(__builtin_va_arg(ap, const char *));
        else
            number(wide ? __builtin_va_arg(ap, u64) : __builtin_va_arg(ap, u32), *format == 'x' ? 16 : 10);
    }
    __builtin_va_end(ap);
}

void fail(const char *what, s64 error)
{
    if (error < 0)
        print("vmm: %s: error %lu\n", what, (u64)-error);
    else
        print("vmm: %s\n", what);
    finish(FAILED);
}
