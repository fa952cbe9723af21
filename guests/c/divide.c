/* i64 division and remainder, signed and unsigned, small and large: greatest common divisors and digit sums, n of each. */
#include "kernel.h"

NOINLINE static u64 gcd(u64 a, u64 b) {
  while (b != 0) {
    u64 rest = a % b;
    a = b, b = rest;
  }
  return a;
}

NOINLINE static u32 digits(i64 value) {
  u32 sum = 0;
  for (; value != 0; value /= 10) sum += (u32)(value % 10);
  return sum;
}

EXPORT i32 run(i32 n) {
  u32 seed = 11, sum = 0;
  for (i32 i = 0; i < n; i++) {
    u64 high = lcg(&seed) >> (i & 31);
    u64 a = high << 32 | lcg(&seed);
    sum += (u32)gcd(a, (u64)lcg(&seed) << (i & 15)) + digits((i64)a);
  }
  return (i32)sum;
}
