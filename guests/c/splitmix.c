/* i64 multiplication, shifts and xor: splitmix64, n numbers. */
#include "kernel.h"

static u64 seed;

NOINLINE static u64 next(void) {
  u64 z = (seed += 0x9e3779b97f4a7c15ull);
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return z ^ z >> 31;
}

EXPORT i32 run(i32 n) {
  u64 sum = 0;
  seed = 12345;
  for (i32 i = 0; i < n; i++) sum += next();
  return (i32)(sum ^ sum >> 32);
}
