/* One tight loop of i32 shifts and xors: xorshift32, n numbers. */
#include "kernel.h"

EXPORT i32 run(i32 n) {
  u32 x = 2463534242u, sum = 0;
  for (i32 i = 0; i < n; i++) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    sum += x;
  }
  return (i32)sum;
}
