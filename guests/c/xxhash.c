/* i64 loads, rotations and multiplications: XXH64 of 4 KiB, n times. */
#include "kernel.h"

#define P1 0x9e3779b185ebca87ull
#define P2 0xc2b2ae3d27d4eb4full
#define P3 0x165667b19e3779f9ull
#define P4 0x85ebca77c2b2ae63ull
#define SIZE 4096

static u64 data[SIZE / 8];

static u64 lane(u64 acc, u64 input) { return rotl64(acc + input * P2, 31) * P1; }
static u64 merge(u64 acc, u64 value) { return (acc ^ lane(0, value)) * P1 + P4; }

NOINLINE static u64 hash(const u64 *at, u32 bytes, u64 seed) {
  const u64 *end = at + bytes / 8;
  u64 a = seed + P1 + P2, b = seed + P2, c = seed, d = seed - P1;
  for (; at < end; at += 4) {
    a = lane(a, at[0]);
    b = lane(b, at[1]);
    c = lane(c, at[2]);
    d = lane(d, at[3]);
  }
  u64 h = rotl64(a, 1) + rotl64(b, 7) + rotl64(c, 12) + rotl64(d, 18);
  h = merge(merge(merge(merge(h, a), b), c), d) + bytes;
  h = (h ^ h >> 33) * P2;
  h = (h ^ h >> 29) * P3;
  return h ^ h >> 32;
}

EXPORT i32 run(i32 n) {
  u32 seed = 7;
  u64 sum = 0;
  for (u32 i = 0; i < SIZE / 8; i++) {
    u64 high = lcg(&seed);
    data[i] = high << 32 | lcg(&seed);
  }
  for (i32 i = 0; i < n; i++) sum = hash(data, SIZE, sum);
  return (i32)(sum ^ sum >> 32);
}
