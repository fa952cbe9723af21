/* Byte scanning with data-dependent branches: decodes UTF-8, rejects what is ill-formed, counts and hashes words. */
#include "kernel.h"

#define SIZE 16384
static u8 text[SIZE + 4];
static u32 used;

static void put(u32 code) {
  if (code < 0x80) {
    text[used++] = (u8)code;
  } else if (code < 0x800) {
    text[used++] = (u8)(0xc0 | code >> 6);
    text[used++] = (u8)(0x80 | (code & 63));
  } else if (code < 0x10000) {
    text[used++] = (u8)(0xe0 | code >> 12);
    text[used++] = (u8)(0x80 | (code >> 6 & 63));
    text[used++] = (u8)(0x80 | (code & 63));
  } else {
    text[used++] = (u8)(0xf0 | code >> 18);
    text[used++] = (u8)(0x80 | (code >> 12 & 63));
    text[used++] = (u8)(0x80 | (code >> 6 & 63));
    text[used++] = (u8)(0x80 | (code & 63));
  }
}

static void fill(void) {
  u32 seed = 42;
  used = 0;
  while (used < SIZE) {
    u32 kind = lcg(&seed) >> 28;
    u32 bits = lcg(&seed) >> 12;
    if (kind < 10) put('a' + bits % 26);
    else if (kind < 12) put(' ');
    else if (kind < 14) put(0x80 + bits % 0x700);
    else if (kind < 15) put(0x3000 + bits % 0x5000);
    else put(0x1f300 + bits % 0x400);
  }
}

NOINLINE static u32 scan(const u8 *at, const u8 *end) {
  u32 words = 0, hash = 2166136261u, inWord = 0, sum = 0;
  while (at < end) {
    u32 code = *at++;
    if (code >= 0x80) {
      u32 more = code >= 0xf0 ? 3 : code >= 0xe0 ? 2 : 1;
      code &= 0x3f >> more;
      while (more-- > 0 && at < end) {
        u32 byte = *at++;
        if ((byte & 0xc0) != 0x80) return 0;
        code = code << 6 | (byte & 0x3f);
      }
    }
    if (code == ' ') {
      if (inWord) words++, sum += hash;
      inWord = 0;
      hash = 2166136261u;
    } else {
      inWord = 1;
      hash = (hash ^ code) * 16777619u;
    }
  }
  return sum ^ words;
}

EXPORT i32 run(i32 n) {
  u32 sum = 0;
  fill();
  for (i32 i = 0; i < n; i++) {
    text[0] = (u8)('a' + i % 26);
    sum = rotl32(sum, 1) ^ scan(text, text + used);
  }
  return (i32)sum;
}
