/* call_indirect: objects of eight kinds visited through a table of functions, n rounds over 256 of them. */
#include "kernel.h"

#define OBJECTS 256
typedef struct { u32 kind, value; } Object;
typedef u32 (*Visit)(Object *, u32);

static Object objects[OBJECTS];

static u32 add(Object *o, u32 x) { return o->value += x; }
static u32 subtract(Object *o, u32 x) { return o->value -= x; }
static u32 mask(Object *o, u32 x) { return o->value & x; }
static u32 mingle(Object *o, u32 x) { return o->value ^= rotl32(x, 5); }
static u32 scale(Object *o, u32 x) { return o->value * 33 + x; }
static u32 keep(Object *o, u32 x) { return o->value + (x >> 1); }
static u32 largest(Object *o, u32 x) { return o->value > x ? o->value : x; }
static u32 flip(Object *o, u32 x) { return o->value = ~o->value - x; }

static Visit const visits[8] = {add, subtract, mask, mingle, scale, keep, largest, flip};

EXPORT i32 run(i32 n) {
  u32 seed = 3, sum = 1;
  for (int i = 0; i < OBJECTS; i++) {
    objects[i].kind = lcg(&seed) >> 29;
    objects[i].value = lcg(&seed);
  }
  for (i32 round = 0; round < n; round++)
    for (int i = 0; i < OBJECTS; i++) sum = visits[objects[i].kind](&objects[i], sum);
  return (i32)sum;
}
