#ifndef LIB_PRINT_H
#define LIB_PRINT_H
#include "types.h"

void console_init(u64 pl011);
void console_char(char c);
/* %s %c %d %u %x (with l: 64 bits), %p, field width and leading 0. One line at a time across CPUs. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
void NORETURN panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Supplied by the guest: stops the machine after a panic. */
void NORETURN machine_stop(void);
#endif
