/*
 * Integer mix for `npm run bench -- cpu`: sorting, recursion, hashing, strings, a matrix product, SHA-256, division.
 * Freestanding; runs at any EL with the MMU off, at whatever address it is loaded (position independent).
 * See start.S for how it starts and ends.
 *
 * Build: see build.sh.
 */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

static u32 seed;
static u32 random32(void) { seed = seed * 1664525u + 1013904223u; return seed; }

#define N 4096
static u32 numbers[N];

static void sort(u32 *a, long lo, long hi) {
  while (lo < hi) {
    u32 pivot = a[(lo + hi) / 2];
    long i = lo, j = hi;
    while (i <= j) {
      while (a[i] < pivot) i++;
      while (a[j] > pivot) j--;
      if (i <= j) { u32 t = a[i]; a[i] = a[j]; a[j] = t; i++; j--; }
    }
    if (j - lo < hi - i) { sort(a, lo, j); lo = i; } else { sort(a, i, hi); hi = j; }
  }
}

static __attribute__((noinline)) u64 fib(u64 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

struct entry { struct entry *next; u32 key, value; };
static struct entry entries[N], *table[512];
static u32 used;

static __attribute__((noinline)) struct entry *lookup(u32 key) {
  struct entry **p = &table[(key * 2654435761u) >> 23];
  for (struct entry *e = *p; e; e = e->next) if (e->key == key) return e;
  struct entry *e = &entries[used++ % N];
  e->key = key; e->value = 0; e->next = *p; *p = e;
  return e;
}

static char text[8192];
static __attribute__((noinline)) u64 strings(void) {
  u64 words = 0;
  for (u32 i = 0; i < sizeof text - 1; i++) text[i] = "etaoin shrdlu \n"[random32() >> 28 & 14];
  for (u32 i = 0, in = 0; i < sizeof text; i++) {
    char c = text[i];
    if (c == ' ' || c == '\n' || !c) in = 0;
    else if (!in) { in = 1; words++; }
    if (c >= 'a' && c <= 'z') text[i] = c - 32;
  }
  return words;
}

#define M 24
static long ma[M][M], mb[M][M], mc[M][M];
static __attribute__((noinline)) void matrix(void) {
  for (int i = 0; i < M; i++) for (int j = 0; j < M; j++) { ma[i][j] = random32() >> 20; mb[i][j] = (int)random32() >> 20; }
  for (int i = 0; i < M; i++) for (int j = 0; j < M; j++) {
    long s = 0;
    for (int k = 0; k < M; k++) s += ma[i][k] * mb[k][j];
    mc[i][j] = s;
  }
}

static const u32 K[64] = {
  0x428a2f98,0x71374491,0xb5c0fbcf,0xe9b5dba5,0x3956c25b,0x59f111f1,0x923f82a4,0xab1c5ed5,0xd807aa98,0x12835b01,0x243185be,0x550c7dc3,
  0x72be5d74,0x80deb1fe,0x9bdc06a7,0xc19bf174,0xe49b69c1,0xefbe4786,0x0fc19dc6,0x240ca1cc,0x2de92c6f,0x4a7484aa,0x5cb0a9dc,0x76f988da,
  0x983e5152,0xa831c66d,0xb00327c8,0xbf597fc7,0xc6e00bf3,0xd5a79147,0x06ca6351,0x14292967,0x27b70a85,0x2e1b2138,0x4d2c6dfc,0x53380d13,
  0x650a7354,0x766a0abb,0x81c2c92e,0x92722c85,0xa2bfe8a1,0xa81a664b,0xc24b8b70,0xc76c51a3,0xd192e819,0xd6990624,0xf40e3585,0x106aa070,
  0x19a4c116,0x1e376c08,0x2748774c,0x34b0bcb5,0x391c0cb3,0x4ed8aa4a,0x5b9cca4f,0x682e6ff3,0x748f82ee,0x78a5636f,0x84c87814,0x8cc70208,
  0x90befffa,0xa4506ceb,0xbef9a3f7,0xc67178f2 };
u32 h[8];
#define ROR(x, n) ((x) >> (n) | (x) << (32 - (n)))
__attribute__((noinline)) void sha(const u8 *p) {
  u32 w[64], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], k = h[7];
  for (int i = 0; i < 16; i++) w[i] = (u32)p[4 * i] << 24 | p[4 * i + 1] << 16 | p[4 * i + 2] << 8 | p[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    u32 x = w[i - 15], y = w[i - 2];
    w[i] = w[i - 16] + (ROR(x, 7) ^ ROR(x, 18) ^ x >> 3) + w[i - 7] + (ROR(y, 17) ^ ROR(y, 19) ^ y >> 10);
  }
  for (int i = 0; i < 64; i++) {
    u32 t = k + (ROR(e, 6) ^ ROR(e, 11) ^ ROR(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i];
    u32 s = (ROR(a, 2) ^ ROR(a, 13) ^ ROR(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    k = g; g = f; f = e; e = d + t; d = c; c = b; b = a; a = t + s;
  }
  h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e; h[5] += f; h[6] += g; h[7] += k;
}

static __attribute__((noinline)) u64 divide(void) {
  u64 s = 0;
  for (u32 i = 1; i < 2000; i++) { u32 r = random32(); s += r / i + r % (i | 7) + (u64)((long)(int)r / (long)(i + 3)); }
  return s;
}

u64 mix(u64 rounds) {
  u64 sum = 0;
  seed = 12345; used = 0;
  for (u32 i = 0; i < 512; i++) table[i] = 0;
  for (u64 r = 0; r < rounds; r++) {
    for (u32 i = 0; i < N; i++) numbers[i] = random32();
    sort(numbers, 0, N - 1);
    sum += numbers[N / 2] + fib(16);
    if (used > N / 2) { used = 0; for (u32 i = 0; i < 512; i++) table[i] = 0; }
    for (u32 i = 0; i < 4000; i++) lookup(random32() >> 21)->value += i;
    sum = sum * 31 + lookup(7)->value + strings();
    matrix();
    sum ^= mc[3][5];
    for (u32 i = 0; i < 64; i++) sha((u8 *)text + 64 * i);
    sum += h[r & 7] + divide();
  }
  return sum;
}
