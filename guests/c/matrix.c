/* f32 in nested loops with strided loads: the product of two 32 x 32 matrices, n times. */
#include "kernel.h"

#define SIDE 32
static float a[SIDE][SIDE], b[SIDE][SIDE], c[SIDE][SIDE];

NOINLINE static void multiply(void) {
  for (int i = 0; i < SIDE; i++)
    for (int j = 0; j < SIDE; j++) {
      float sum = 0;
      for (int k = 0; k < SIDE; k++) sum += a[i][k] * b[k][j];
      c[i][j] = sum;
    }
}

EXPORT i32 run(i32 n) {
  u32 seed = 21;
  for (int i = 0; i < SIDE; i++)
    for (int j = 0; j < SIDE; j++) {
      a[i][j] = (float)(lcg(&seed) >> 20) / 4096.0f;
      b[i][j] = (float)(lcg(&seed) >> 20) / 4096.0f;
    }
  for (i32 round = 0; round < n; round++) {
    multiply();
    for (int i = 0; i < SIDE; i++) a[i][i] = c[SIDE - 1 - i][i] * 0.0625f;
  }
  return (i32)(c[3][5] * 65536.0f) ^ (i32)(c[30][1] * 65536.0f);
}
