/**
 * The meaning of every numeric instruction (spec: exec-numeric), as plain functions: the readable reference
 * that rare operations call and that the hot loop, which writes hot meanings inline, is compared with.
 * i32 values are signed int32 numbers; f32 and f64 operations take and return numbers, and
 * whoever stores a result makes its NaN canonical; i64 values are pairs of words (numeric-i64.ts).
 */

import { Trap } from "../errors.ts";
import { pair, signed, split, unsigned } from "./numeric-i64.ts";

export * from "./numeric-i64.ts";

/** The bits of the NaN that every arithmetic operation gives. */
export const F32_CANONICAL_NAN_BITS = 0x7fc0_0000;
/** The high word of that NaN in f64; its low word is 0. */
export const F64_CANONICAL_NAN_HIGH = 0x7ff8_0000;

const I32_MIN = -0x8000_0000;
const TWO_63 = 2 ** 63;
const TWO_64 = 2 ** 64;

/** Truncates toward zero (spec: op-idiv). Traps on a zero divisor and on -2^31 / -1. */
export function i32DivS(dividend: number, divisor: number): number {
  if (divisor === 0) throw new Trap("integer divide by zero");
  if (dividend === I32_MIN && divisor === -1) throw new Trap("integer overflow");
  return (dividend / divisor) | 0;
}

/** Traps on a zero divisor. */
export function i32DivU(dividend: number, divisor: number): number {
  if (divisor === 0) throw new Trap("integer divide by zero");
  return ((dividend >>> 0) / (divisor >>> 0)) | 0;
}

/** Has the sign of the dividend. Traps on a zero divisor. */
export function i32RemS(dividend: number, divisor: number): number {
  if (divisor === 0) throw new Trap("integer divide by zero");
  return (dividend % divisor) | 0;
}

/** Traps on a zero divisor. */
export function i32RemU(dividend: number, divisor: number): number {
  if (divisor === 0) throw new Trap("integer divide by zero");
  return ((dividend >>> 0) % (divisor >>> 0)) | 0;
}

export function i32Rotl(value: number, count: number): number {
  return (value << count) | (value >>> -count);
}

export function i32Rotr(value: number, count: number): number {
  return (value >>> count) | (value << -count);
}

export function i32Extend8S(value: number): number {
  return (value << 24) >> 24;
}

export function i32Extend16S(value: number): number {
  return (value << 16) >> 16;
}

/** `abs` of an f32's word or of an f64's high word: bit operations keep the payload of a NaN (spec: op-fabs). */
export function absWord(word: number): number {
  return word & 0x7fff_ffff;
}

export function negWord(word: number): number {
  return word ^ I32_MIN;
}

export function copysignWord(magnitude: number, sign: number): number {
  return (magnitude & 0x7fff_ffff) | (sign & I32_MIN);
}

/** Adding and subtracting 2^52 leaves no room for a fraction: the sum is rounded, ties to even. */
const NO_FRACTION = 4503599627370496;

/** Rounds to an integer, ties to even, keeping the sign of zero (spec: op-fnearest). Right for f32 values too. */
export function floatNearest(value: number): number {
  if (value > 0) return value < NO_FRACTION ? value + NO_FRACTION - NO_FRACTION : value;
  if (value < 0) return value > -NO_FRACTION ? -(NO_FRACTION - value - NO_FRACTION) : value;
  return value;
}

const NOT_A_NUMBER = "invalid conversion to integer";

/** Traps on NaN and when the truncated value does not fit. */
export function i32TruncS(value: number): number {
  if (value > -2147483649 && value < 2147483648) return value | 0;
  throw new Trap(Number.isNaN(value) ? NOT_A_NUMBER : "integer overflow");
}

/** As {@link i32TruncS}, unsigned: the result is the same word, signed. */
export function i32TruncU(value: number): number {
  if (value > -1 && value < 4294967296) return value | 0;
  throw new Trap(Number.isNaN(value) ? NOT_A_NUMBER : "integer overflow");
}

/** Gives the pair of the truncated value. Traps as {@link i32TruncS}. */
export function i64TruncS(value: number): number {
  if (value >= -TWO_63 && value < TWO_63) return split(Math.trunc(value));
  throw new Trap(Number.isNaN(value) ? NOT_A_NUMBER : "integer overflow");
}

export function i64TruncU(value: number): number {
  if (value > -1 && value < TWO_64) return split(Math.trunc(value));
  throw new Trap(Number.isNaN(value) ? NOT_A_NUMBER : "integer overflow");
}

/** NaN gives 0, values out of range the nearest limit (spec: op-trunc-sat-s). */
export function i32TruncSatS(value: number): number {
  return value >= 2147483647 ? 0x7fff_ffff : value <= -2147483648 ? I32_MIN : value | 0;
}

export function i32TruncSatU(value: number): number {
  return value >= 4294967295 ? -1 : value > 0 ? value | 0 : 0;
}

export function i64TruncSatS(value: number): number {
  if (Number.isNaN(value)) return pair(0, 0);
  if (value >= TWO_63) return pair(-1, 0x7fff_ffff);
  return value < -TWO_63 ? pair(0, I32_MIN) : split(Math.trunc(value));
}

export function i64TruncSatU(value: number): number {
  if (value >= TWO_64) return pair(-1, -1);
  return value > 0 ? split(Math.trunc(value)) : pair(0, 0);
}

export function f32ConvertI32S(value: number): number {
  return Math.fround(value);
}

export function f32ConvertI32U(value: number): number {
  return Math.fround(value >>> 0);
}

export function f64ConvertI32U(value: number): number {
  return value >>> 0;
}

export function f64ConvertI64S(low: number, high: number): number {
  return signed(low, high);
}

export function f64ConvertI64U(low: number, high: number): number {
  return unsigned(low, high);
}

export function f32ConvertI64S(low: number, high: number): number {
  return Math.fround(signed(high >= -0x20_0000 && high < 0x20_0000 ? low : roundToOdd(low), high));
}

export function f32ConvertI64U(low: number, high: number): number {
  return Math.fround(unsigned(high >>> 0 < 0x20_0000 ? low : roundToOdd(low), high));
}

/**
 * Rounding a pair to a double and then to f32 rounds twice, and a value just above the middle of two
 * f32 numbers can end on the wrong one (0x7fffff4000000001). With its 11 last bits folded into one
 * odd bit the pair is an exact double that lies on the same side of every such middle.
 */
function roundToOdd(low: number): number {
  return (low & 0x7ff) === 0 ? low : (low & ~0x7ff) | 0x800;
}
