/* i32x4 crypto: the ChaCha20 block function on rows of its state, with shuffles between columns and diagonals. */
#include "../kernel.h"
#include <wasm_simd128.h>

static u32 out[16];

static inline v128_t rotl(v128_t v, int count) { return wasm_v128_or(wasm_i32x4_shl(v, count), wasm_u32x4_shr(v, 32 - count)); }

#define QUARTERS                                                                                                       \
  a = wasm_i32x4_add(a, b), d = rotl(wasm_v128_xor(d, a), 16);                                                         \
  c = wasm_i32x4_add(c, d), b = rotl(wasm_v128_xor(b, c), 12);                                                         \
  a = wasm_i32x4_add(a, b), d = rotl(wasm_v128_xor(d, a), 8);                                                          \
  c = wasm_i32x4_add(c, d), b = rotl(wasm_v128_xor(b, c), 7)
#define TURN(v, p, q, r, s) v = wasm_i32x4_shuffle(v, v, p, q, r, s)

NOINLINE static void block(const u32 *state) {
  v128_t a = wasm_v128_load(state), b = wasm_v128_load(state + 4);
  v128_t c = wasm_v128_load(state + 8), d = wasm_v128_load(state + 12);
  for (int i = 0; i < 10; i++) {
    QUARTERS;
    TURN(b, 1, 2, 3, 0), TURN(c, 2, 3, 0, 1), TURN(d, 3, 0, 1, 2);
    QUARTERS;
    TURN(b, 3, 0, 1, 2), TURN(c, 2, 3, 0, 1), TURN(d, 1, 2, 3, 0);
  }
  wasm_v128_store(out, wasm_i32x4_add(a, wasm_v128_load(state)));
  wasm_v128_store(out + 4, wasm_i32x4_add(b, wasm_v128_load(state + 4)));
  wasm_v128_store(out + 8, wasm_i32x4_add(c, wasm_v128_load(state + 8)));
  wasm_v128_store(out + 12, wasm_i32x4_add(d, wasm_v128_load(state + 12)));
}

EXPORT i32 run(i32 n) {
  static u32 state[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
  u32 sum = 0;
  for (u32 i = 4; i < 16; i++) state[i] = i * 0x01010101u;
  for (i32 i = 0; i < n; i++) {
    state[12] = (u32)i;
    block(state);
    for (u32 j = 0; j < 16; j += 4) sum = rotl32(sum, 1) ^ out[j];
  }
  return (i32)sum;
}
