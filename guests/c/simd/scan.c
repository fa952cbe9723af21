/* i8x16 scanning: counts the characters, lines and words of UTF-8 text, finds its end, and hashes what is upper case. */
#include "../kernel.h"
#include <wasm_simd128.h>

#define SIZE 16384
static u8 text[SIZE + 16] __attribute__((aligned(16)));

static void fill(void) {
  u32 seed = 42;
  for (u32 i = 0; i < SIZE; i++) {
    u32 kind = lcg(&seed) >> 27;
    u32 bits = lcg(&seed) >> 16;
    text[i] = (u8)(kind < 20 ? 'a' + bits % 26 : kind < 24 ? 'A' + bits % 26 : kind < 28 ? ' ' : kind < 29 ? '\n' : 0x80 | (bits & 0x7f));
  }
  text[SIZE] = 0;
}

NOINLINE static u32 end(const u8 *at) {
  const u8 *from = at;
  for (;; at += 16) {
    v128_t zero = wasm_i8x16_eq(wasm_v128_load(at), wasm_i8x16_const_splat(0));
    if (wasm_v128_any_true(zero)) return (u32)(at - from) + (u32)__builtin_ctz(wasm_i8x16_bitmask(zero));
  }
}

NOINLINE static u32 count(const u8 *at, u32 length) {
  u32 characters = 0, lines = 0, words = 0, before = 1;
  v128_t folded = wasm_i8x16_const_splat(0);
  for (u32 i = 0; i + 16 <= length; i += 16) {
    v128_t bytes = wasm_v128_load(at + i);
    v128_t starts = wasm_i8x16_gt(bytes, wasm_i8x16_const_splat(-65));
    v128_t newline = wasm_i8x16_eq(bytes, wasm_i8x16_const_splat('\n'));
    v128_t blank = wasm_v128_or(newline, wasm_i8x16_eq(bytes, wasm_i8x16_const_splat(' ')));
    u32 blanks = wasm_i8x16_bitmask(blank);
    characters += (u32)__builtin_popcount(wasm_i8x16_bitmask(starts));
    lines += (u32)__builtin_popcount(wasm_i8x16_bitmask(newline));
    words += (u32)__builtin_popcount(~blanks & (blanks << 1 | before) & 0xffff);
    before = blanks >> 15 & 1;
    v128_t upper = wasm_u8x16_lt(wasm_i8x16_sub(bytes, wasm_i8x16_const_splat('A')), wasm_i8x16_const_splat(26));
    folded = wasm_i8x16_add(folded, wasm_v128_and(bytes, upper));
  }
  return characters * 31 + lines * 17 + words + (u32)wasm_i32x4_extract_lane(folded, 1);
}

EXPORT i32 run(i32 n) {
  u32 sum = 0;
  fill();
  for (i32 i = 0; i < n; i++) {
    text[i & 63] = (u8)('a' + i % 26);
    sum = rotl32(sum, 1) ^ count(text, end(text));
  }
  return (i32)sum;
}
