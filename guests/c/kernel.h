/* What every kernel shares: fixed-width names, and `run(n)`, which does `n` units of work and returns a checksum. */
#ifndef KERNEL_H
#define KERNEL_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef int i32;
typedef unsigned long long u64;
typedef long long i64;

#define EXPORT __attribute__((visibility("default")))
#define NOINLINE __attribute__((noinline))

EXPORT i32 run(i32 n);

/* A seed walks through 2^32 states; good enough to fill buffers with. */
static inline u32 lcg(u32 *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state;
}

static inline u32 rotl32(u32 x, int count) { return (x << count) | (x >> (32 - count)); }
static inline u64 rotl64(u64 x, int count) { return (x << count) | (x >> (64 - count)); }

#endif
