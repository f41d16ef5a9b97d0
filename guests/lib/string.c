/* String functions: the compiler may call the mem* ones by itself. */
#include "string.h"

void *memset(void *to, int byte, usize n)
{
    u8 *p = to;
    u64 pattern = (u8)byte * 0x0101010101010101UL;

    while (n && ((u64)p & 7)) {
        *p++ = (u8)byte;
        n--;
    }
    for (; n >= 8; n -= 8, p += 8)
        *(u64 *)p = pattern;
    while (n--)
        *p++ = (u8)byte;
    return to;
}

void *memcpy(void *to, const void *from, usize n)
{
    u8 *d = to;
    const u8 *s = from;

    if ((((u64)d | (u64)s) & 7) == 0)
        for (; n >= 8; n -= 8, d += 8, s += 8)
            *(u64 *)d = *(const u64 *)s;
    while (n--)
        *d++ = *s++;
    return to;
}

void *memmove(void *to, const void *from, usize n)
{
    u8 *d = to;
    const u8 *s = from;

    if (d <= s || d >= s + n)
        return memcpy(to, from, n);
    while (n--)
        d[n] = s[n];
    return to;
}

int memcmp(const void *a, const void *b, usize n)
{
    const u8 *p = a, *q = b;

    for (; n; n--, p++, q++)
        if (*p != *q)
            return *p - *q;
    return 0;
}

usize strlen(const char *s)
{
    usize n = 0;

    while (s[n])
        n++;
    return n;
}

int strcmp(const char *a, const char *b)
{
    for (; *a && *a == *b; a++, b++)
        ;
    return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, usize n)
{
    for (; n; n--, a++, b++)
        if (*a != *b || !*a)
            return (u8)*a - (u8)*b;
    return 0;
}

const char *argument(const char *words, const char *name)
{
    usize n = strlen(name);

    while (words && *words) {
        while (*words == ' ')
            words++;
        if (!strncmp(words, name, n)) {
            if (words[n] == '=')
                return words + n + 1;
            if (words[n] == ' ' || !words[n])
                return words + n;
        }
        while (*words && *words != ' ')
            words++;
    }
    return NULL;
}

u64 argument_number(const char *words, const char *name, u64 otherwise)
{
    const char *p = argument(words, name);
    u64 value = 0, base = 10;

    if (!p)
        return otherwise;
    if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X')) {
        base = 16;
        p += 2;
    }
    for (;; p++) {
        u64 digit = *p >= '0' && *p <= '9' ? *p - '0' : (*p | 32) >= 'a' && (*p | 32) <= 'f' ? (*p | 32) - 'a' + 10 : 99;
        if (digit >= base)
            return value;
        value = value * base + digit;
    }
}

bool argument_selects(const char *words, const char *name, const char *value)
{
    const char *p = argument(words, name);
    usize n = strlen(value);

    /* A comma-separated list: only=hypercall,virtualEoi */
    while (p) {
        if (!strncmp(p, value, n) && (p[n] == ' ' || p[n] == ',' || !p[n]))
            return true;
        while (*p && *p != ' ' && *p != ',')
            p++;
        if (*p != ',')
            return false;
        p++;
    }
    return true;
}
