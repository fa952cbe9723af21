/* f64 in registers with a loop that ends early: the Mandelbrot set on 64 x 64 points, n times. */
#include "kernel.h"

#define SIDE 64
#define ROUNDS 100

NOINLINE static u32 escape(double cx, double cy) {
  double x = 0, y = 0;
  u32 i = 0;
  for (; i < ROUNDS; i++) {
    double xx = x * x, yy = y * y;
    if (xx + yy > 4) break;
    y = 2 * x * y + cy;
    x = xx - yy + cx;
  }
  return i;
}

EXPORT i32 run(i32 n) {
  u32 sum = 0;
  for (i32 round = 0; round < n; round++)
    for (int row = 0; row < SIDE; row++)
      for (int column = 0; column < SIDE; column++)
        sum += escape(column * (3.0 / SIDE) - 2.25, row * (2.5 / SIDE) - 1.25) ^ (u32)round;
  return (i32)sum;
}
