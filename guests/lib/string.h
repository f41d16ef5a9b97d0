#ifndef LIB_STRING_H
#define LIB_STRING_H
#include "types.h"

void *memset(void *to, int byte, usize n);
void *memcpy(void *to, const void *from, usize n);
void *memmove(void *to, const void *from, usize n);
int memcmp(const void *a, const void *b, usize n);
usize strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, usize n);

/* Finds `name=value` or bare `name` among blank-separated words; returns the text after it, or NULL. */
const char *argument(const char *words, const char *name);
/* The unsigned number of `name=N` (decimal or 0x...), or `otherwise`. */
u64 argument_number(const char *words, const char *name, u64 otherwise);
/* Does the value of `name=` equal `value`, or is `name` absent? */
bool argument_selects(const char *words, const char *name, const char *value);
#endif
