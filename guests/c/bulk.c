/* memory.copy and memory.fill of 16 bytes to 4 KiB between scalar work, n rounds. */
#include "kernel.h"

#define SIZE 16384
static u8 buffer[SIZE];

EXPORT i32 run(i32 n) {
  u32 seed = 5, sum = 0;
  for (u32 i = 0; i < SIZE; i++) buffer[i] = (u8)lcg(&seed);
  for (i32 round = 0; round < n; round++) {
    u32 bits = lcg(&seed);
    u32 length = 16u << (bits >> 29) | (bits & 15);
    u32 from = (bits >> 4) % (SIZE - length);
    u32 to = (bits >> 9) % (SIZE - length);
    if (bits & 0x1000) __builtin_memset(buffer + to, (int)(bits >> 24), length);
    else __builtin_memmove(buffer + to, buffer + from, length);
    for (u32 i = 0; i < 8; i++) sum = rotl32(sum, 3) ^ buffer[(to + i * 37) % SIZE];
  }
  return (i32)sum;
}
