/* Nested loops over bytes: primes below 65536, n times. */
#include "kernel.h"

#define LIMIT 65536
static u8 composite[LIMIT];

EXPORT i32 run(i32 n) {
  u32 count = 0;
  for (i32 round = 0; round < n; round++) {
    count = 0;
    for (u32 i = 0; i < LIMIT; i++) composite[i] = 0;
    for (u32 i = 2; i < LIMIT; i++) {
      if (composite[i]) continue;
      count++;
      for (u32 j = i * 2; j < LIMIT; j += i) composite[j] = 1;
    }
  }
  return (i32)count;
}
