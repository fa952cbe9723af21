/* f32 arithmetic, loads and stores: two biquad filters and a clipped mix over 1024 samples, n times. */
#include "kernel.h"

#define SAMPLES 1024
static float input[SAMPLES], output[SAMPLES];

typedef struct { float b0, b1, b2, a1, a2, z1, z2; } Biquad;

NOINLINE static void filter(Biquad *q, const float *from, float *to) {
  float z1 = q->z1, z2 = q->z2;
  for (int i = 0; i < SAMPLES; i++) {
    float x = from[i];
    float y = q->b0 * x + z1;
    z1 = q->b1 * x - q->a1 * y + z2;
    z2 = q->b2 * x - q->a2 * y;
    to[i] = y;
  }
  q->z1 = z1, q->z2 = z2;
}

NOINLINE static float mix(float gain) {
  float sum = 0;
  for (int i = 0; i < SAMPLES; i++) {
    float y = output[i] * gain + input[i] * (1.0f - gain);
    y = y > 1.0f ? 1.0f : y < -1.0f ? -1.0f : y;
    output[i] = y;
    sum += y * y;
  }
  return sum;
}

EXPORT i32 run(i32 n) {
  Biquad low = {0.0675f, 0.135f, 0.0675f, -1.143f, 0.4128f, 0, 0};
  Biquad peak = {1.05f, -1.5f, 0.65f, -1.5f, 0.7f, 0, 0};
  u32 seed = 99;
  float sum = 0;
  for (int i = 0; i < SAMPLES; i++) input[i] = (float)(i32)lcg(&seed) / 2147483648.0f;
  for (i32 i = 0; i < n; i++) {
    filter(&low, input, output);
    filter(&peak, output, output);
    sum = sum * 0.5f + mix(0.75f);
  }
  return (i32)(sum * 1000.0f);
}
