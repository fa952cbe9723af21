/* i32 loads, stores and unpredictable branches: heap sort of 4096 numbers and a check, n times. */
#include "kernel.h"

#define COUNT 4096
static i32 numbers[COUNT];

NOINLINE static void sift(u32 root, u32 end) {
  i32 value = numbers[root];
  for (;;) {
    u32 child = root * 2 + 1;
    if (child >= end) break;
    if (child + 1 < end && numbers[child] < numbers[child + 1]) child++;
    if (numbers[child] <= value) break;
    numbers[root] = numbers[child];
    root = child;
  }
  numbers[root] = value;
}

EXPORT i32 run(i32 n) {
  u32 seed = 17, sum = 0;
  for (i32 round = 0; round < n; round++) {
    for (u32 i = 0; i < COUNT; i++) numbers[i] = (i32)lcg(&seed);
    for (u32 i = COUNT / 2; i-- > 0;) sift(i, COUNT);
    for (u32 end = COUNT - 1; end > 0; end--) {
      i32 top = numbers[0];
      numbers[0] = numbers[end], numbers[end] = top;
      sift(0, end);
    }
    for (u32 i = 1; i < COUNT; i++) sum += (u32)(numbers[i - 1] <= numbers[i]);
    sum = rotl32(sum, 5) ^ (u32)numbers[COUNT / 3];
  }
  return (i32)sum;
}
