/* f32x4 in registers with a loop that ends when all four lanes have escaped: the Mandelbrot set on 64 x 64 points, n times. */
#include "../kernel.h"
#include <wasm_simd128.h>

#define SIDE 64
#define ROUNDS 100

NOINLINE static u32 escape(v128_t cx, v128_t cy) {
  v128_t x = wasm_f32x4_const_splat(0), y = x, count = x;
  for (u32 i = 0; i < ROUNDS; i++) {
    v128_t xx = wasm_f32x4_mul(x, x), yy = wasm_f32x4_mul(y, y);
    v128_t inside = wasm_f32x4_le(wasm_f32x4_add(xx, yy), wasm_f32x4_const_splat(4));
    if (!wasm_v128_any_true(inside)) break;
    count = wasm_i32x4_sub(count, inside);
    v128_t xy = wasm_f32x4_mul(x, y);
    y = wasm_f32x4_add(wasm_f32x4_add(xy, xy), cy);
    x = wasm_f32x4_add(wasm_f32x4_sub(xx, yy), cx);
  }
  return (u32)(wasm_i32x4_extract_lane(count, 0) + wasm_i32x4_extract_lane(count, 1) +
               wasm_i32x4_extract_lane(count, 2) + wasm_i32x4_extract_lane(count, 3));
}

EXPORT i32 run(i32 n) {
  u32 sum = 0;
  v128_t lanes = wasm_f32x4_const(0, 1, 2, 3);
  for (i32 round = 0; round < n; round++)
    for (int row = 0; row < SIDE; row++)
      for (int column = 0; column < SIDE; column += 4) {
        v128_t cx = wasm_f32x4_add(lanes, wasm_f32x4_splat((float)column));
        cx = wasm_f32x4_sub(wasm_f32x4_mul(cx, wasm_f32x4_const_splat(3.0f / SIDE)), wasm_f32x4_const_splat(2.25f));
        sum += escape(cx, wasm_f32x4_splat((float)row * (2.5f / SIDE) - 1.25f)) ^ (u32)round;
      }
  return (i32)sum;
}
