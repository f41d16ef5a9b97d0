/*
 * Rows of `npm run bench -- cpu` that need no kernel; the integer mix is mix.c. Freestanding, position independent. See start.S and build.sh.
 */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

u64 mix(u64 rounds);
void sha(const u8 *p);
extern u32 h[8];

static u32 seed = 12345;
static u32 random32(void) { seed = seed * 1664525u + 1013904223u; return seed; }

static u64 arena[1 << 19];      // 4 MiB

static u64 hash(u64 rounds) {
  for (u32 i = 0; i < 8192; i++) arena[i] = (u64)random32() << 32 | random32();
  for (u64 r = 0; r < rounds; r++) for (u32 i = 0; i < 1024; i++) sha((u8 *)arena + 64 * i);
  return (u64)h[0] << 32 | h[7];
}

struct line { u64 w[8]; };
static u64 copies(u64 rounds) {
  struct line *a = (struct line *)arena, *b = a + (1 << 15);
  for (u32 i = 0; i < 1 << 18; i++) arena[i] = (u64)i * 0x9e3779b97f4a7c15ul;
  for (u64 r = 0; r < rounds; r++) {
    for (u32 i = 0; i < 1 << 15; i++) b[i] = a[i];
    a[r & 0x7fff].w[3] += b[(r * 7) & 0x7fff].w[5];
  }
  return a[5].w[3] ^ b[9].w[5];
}

static int compare(const void *a, const void *b) { u32 x = *(const u32 *)a, y = *(const u32 *)b; return (x > y) - (x < y); }
static void swap4(u8 *a, u8 *b) { u32 t = *(u32 *)a; *(u32 *)a = *(u32 *)b; *(u32 *)b = t; }
static __attribute__((noinline)) void quicksort(u8 *base, long n, int (*less)(const void *, const void *)) {
  while (n > 8) {
    swap4(base, base + 4 * (n / 2));
    long store = 0;
    for (long i = 1; i < n; i++) if (less(base + 4 * i, base) < 0) swap4(base + 4 * ++store, base + 4 * i);
    swap4(base, base + 4 * store);
    if (store < n - store) { quicksort(base, store, less); base += 4 * (store + 1); n -= store + 1; }
    else { quicksort(base + 4 * (store + 1), n - store - 1, less); n = store; }
  }
  for (long i = 1; i < n; i++) for (long j = i; j > 0 && less(base + 4 * j, base + 4 * (j - 1)) < 0; j--) swap4(base + 4 * j, base + 4 * (j - 1));
}
static u64 sorts(u64 rounds) {
  u32 *a = (u32 *)arena;
  u64 sum = 0;
  for (u64 r = 0; r < rounds; r++) {
    for (u32 i = 0; i < 20000; i++) a[i] = random32();
    quicksort((u8 *)a, 20000, compare);
    sum = sum * 31 + a[10000];
  }
  return sum;
}

enum { PUSH, ADD, SUB, MUL, DUP, SWAP, LOAD, STORE, JNZ, MIX, END };
static const u8 program[] = { LOAD, 0, PUSH, 3, MUL, PUSH, 7, ADD, DUP, STORE, 0, LOAD, 1, ADD, MIX, STORE, 1, LOAD, 2, PUSH, 1, SUB, DUP, STORE, 2, JNZ, 0, END };
static u64 interprets(u64 rounds) {
  u64 stack[32], cells[4] = { 1, 2, rounds * 1000, 0 };
  u64 *sp = stack;
  for (const u8 *pc = program;;) {
    switch (*pc++) {
      case PUSH: *sp++ = *pc++; break;
      case ADD: sp--; sp[-1] += *sp; break;
      case SUB: sp--; sp[-1] -= *sp; break;
      case MUL: sp--; sp[-1] *= *sp; break;
      case DUP: *sp = sp[-1]; sp++; break;
      case SWAP: { u64 t = sp[-1]; sp[-1] = sp[-2]; sp[-2] = t; break; }
      case LOAD: *sp++ = cells[*pc++]; break;
      case STORE: cells[*pc++] = *--sp; break;
      case JNZ: pc = *--sp ? program + *pc : pc + 1; break;
      case MIX: sp[-1] ^= sp[-1] >> 13; break;
      default: return cells[0] ^ cells[1];
    }
  }
}

#define M 64
static u64 matrices(u64 rounds) {
  double *a = (double *)arena, *b = a + M * M, *c = b + M * M;
  for (u32 i = 0; i < M * M; i++) { a[i] = (double)(int)random32() / 4294967296.0; b[i] = (double)(int)random32() / 4294967296.0; }
  for (u64 r = 0; r < rounds; r++) {
    for (int i = 0; i < M; i++) for (int j = 0; j < M; j++) {
      double s = 0;
      for (int k = 0; k < M; k++) s += a[i * M + k] * b[k * M + j];
      c[i * M + j] = s;
    }
    for (int i = 0; i < M; i++) a[i] = a[i] * 0.5 + c[i * M + i] / (1.0 + c[i] * c[i]);
  }
  return (u64)(long)(c[77] * 1e12);
}

u64 yard(u64 row, u64 rounds) {
  switch (row) {
    case 1: return hash(rounds);
    case 2: return copies(rounds);
    case 3: return sorts(rounds);
    case 4: return interprets(rounds);
    case 5: return matrices(rounds);
    default: return mix(rounds);
  }
}
