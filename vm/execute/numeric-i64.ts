/**
 * The meaning of every i64 instruction on pairs of int32 halves (spec: op-iadd and following).
 * Functions take low and high words, return the low word of the result and leave its high word in
 * {@link i64High}; comparisons and counts return one number. The hot loop writes the cheap ones inline and is
 * compared with these by a property test.
 */

import { Trap } from "../errors.ts";

/** `i64High[0]` is the high word of the latest i64 result of this file and of numeric.ts. */
export const i64High = new Int32Array(1);

/** High words below this make a double exact; and the quotient of two such doubles, cut to an integer, is right. */
const SAFE_HIGH = 0x20_0000;
const TWO_32 = 4294967296;

export function i64Add(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  const low = (aLow + bLow) | 0;
  const carry = low >>> 0 < aLow >>> 0 ? 1 : 0;
  i64High[0] = aHigh + bHigh + carry;
  return low;
}

export function i64Sub(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  const borrow = aLow >>> 0 < bLow >>> 0 ? 1 : 0;
  i64High[0] = aHigh - bHigh - borrow;
  return (aLow - bLow) | 0;
}

export function i64Mul(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  const low = Math.imul(aLow, bLow);
  i64High[0] = mulHighU(aLow, bLow, low) + Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh);
  return low;
}

/**
 * The high word of the unsigned product of two words, given its low word: the double product less the low word
 * is a multiple of 2^32 but for a rounding error under 2^11, so adding one half before cutting repairs it.
 */
function mulHighU(a: number, b: number, low: number): number {
  return (((a >>> 0) * (b >>> 0) - (low >>> 0)) / TWO_32 + 0.5) >>> 0;
}

/** Traps on a zero divisor and on -2^63 / -1. */
export function i64DivS(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  if ((bLow | bHigh) === 0) throw new Trap("integer divide by zero");
  if ((bLow & bHigh) === -1 && aLow === 0 && aHigh === -0x8000_0000) throw new Trap("integer overflow");
  if (isSafeS(aHigh) && isSafeS(bHigh)) return split(Math.trunc(signed(aLow, aHigh) / signed(bLow, bHigh)));
  divideMagnitudes(aLow, aHigh, bLow, bHigh);
  return negatedIf((aHigh ^ bHigh) < 0, division.quotientLow, division.quotientHigh);
}

/** Traps on a zero divisor. */
export function i64DivU(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  if ((bLow | bHigh) === 0) throw new Trap("integer divide by zero");
  if (isSafeU(aHigh) && isSafeU(bHigh)) return split(Math.floor(unsigned(aLow, aHigh) / unsigned(bLow, bHigh)));
  divideU(aLow, aHigh, bLow, bHigh);
  return pair(division.quotientLow, division.quotientHigh);
}

/** Has the sign of the dividend; -2^63 % -1 is 0. Traps on a zero divisor. */
export function i64RemS(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  if ((bLow | bHigh) === 0) throw new Trap("integer divide by zero");
  if (isSafeS(aHigh) && isSafeS(bHigh)) return split(signed(aLow, aHigh) % signed(bLow, bHigh));
  divideMagnitudes(aLow, aHigh, bLow, bHigh);
  return negatedIf(aHigh < 0, division.remainderLow, division.remainderHigh);
}

/** Traps on a zero divisor. */
export function i64RemU(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  if ((bLow | bHigh) === 0) throw new Trap("integer divide by zero");
  if (isSafeU(aHigh) && isSafeU(bHigh)) return split(unsigned(aLow, aHigh) % unsigned(bLow, bHigh));
  divideU(aLow, aHigh, bLow, bHigh);
  return pair(division.remainderLow, division.remainderHigh);
}

/** What {@link divideU} found: pairs of words. */
const division = { quotientLow: 0, quotientHigh: 0, remainderLow: 0, remainderHigh: 0 };

function divideMagnitudes(aLow: number, aHigh: number, bLow: number, bHigh: number): void {
  const low = negatedIf(aHigh < 0, aLow, aHigh);
  const high = i64High[0]!;
  const divisorLow = negatedIf(bHigh < 0, bLow, bHigh);
  divideU(low, high, divisorLow, i64High[0]!);
}

function negatedIf(isNegated: boolean, low: number, high: number): number {
  return isNegated ? i64Sub(0, 0, low, high) : pair(low, high);
}

/** Divides unsigned pairs; the divisor is not zero. */
function divideU(aLow: number, aHigh: number, bLow: number, bHigh: number): void {
  if (bHigh === 0) divideByWord(aLow, aHigh, bLow >>> 0);
  else if (bHigh < 0) divideByLarge(aLow, aHigh, bLow, bHigh);
  else divideByPair(aLow, aHigh, bLow, bHigh);
}

/** Long division with digits of 16 bits below the high word: every step is exact in a double. */
function divideByWord(aLow: number, aHigh: number, divisor: number): void {
  const high = aHigh >>> 0;
  const upper = (high % divisor) * 0x1_0000 + (aLow >>> 16);
  const lower = (upper % divisor) * 0x1_0000 + (aLow & 0xffff);
  division.quotientHigh = Math.floor(high / divisor) | 0;
  division.quotientLow = (Math.floor(upper / divisor) << 16) | Math.floor(lower / divisor);
  division.remainderHigh = 0;
  division.remainderLow = (lower % divisor) | 0;
}

/** The divisor is at least 2^63: the quotient is 0 or 1. */
function divideByLarge(aLow: number, aHigh: number, bLow: number, bHigh: number): void {
  const fits = aHigh === bHigh ? aLow >>> 0 >= bLow >>> 0 : aHigh >>> 0 > bHigh >>> 0;
  division.quotientHigh = 0;
  division.quotientLow = fits ? 1 : 0;
  division.remainderLow = fits ? i64Sub(aLow, aHigh, bLow, bHigh) : pair(aLow, aHigh);
  division.remainderHigh = i64High[0]!;
}

/**
 * The divisor is at least 2^32, so the quotient is a word, and the quotient of the doubles is off by
 * one at most. Which way, the exact remainder does not say modulo 2^64; but the remainder in doubles,
 * wrong by some 2^12, lies near 0 or below for a quotient that is too large, and at the divisor or
 * above for one that is too small.
 */
function divideByPair(aLow: number, aHigh: number, bLow: number, bHigh: number): void {
  const dividend = unsigned(aLow, aHigh);
  const divisor = unsigned(bLow, bHigh);
  let quotient = Math.min(Math.floor(dividend / divisor), 0xffff_ffff);
  const productLow = i64Mul(quotient | 0, 0, bLow, bHigh);
  let low = i64Sub(aLow, aHigh, productLow, i64High[0]!);
  let high = i64High[0]!;
  const isBelow = high === bHigh ? low >>> 0 < bLow >>> 0 : high >>> 0 < bHigh >>> 0;
  if (!isBelow) {
    const isTooLarge = dividend - quotient * divisor < divisor / 2;
    quotient += isTooLarge ? -1 : 1;
    low = isTooLarge ? i64Add(low, high, bLow, bHigh) : i64Sub(low, high, bLow, bHigh);
    high = i64High[0]!;
  }
  division.quotientHigh = 0;
  division.quotientLow = quotient | 0;
  division.remainderLow = low;
  division.remainderHigh = high;
}

export function i64And(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  return pair(aLow & bLow, aHigh & bHigh);
}

export function i64Or(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  return pair(aLow | bLow, aHigh | bHigh);
}

export function i64Xor(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  return pair(aLow ^ bLow, aHigh ^ bHigh);
}

/** `count` is the low word of the second operand: shifts and rotations are modulo 64. */
export function i64Shl(low: number, high: number, count: number): number {
  const bits = count & 63;
  if (bits === 0) return pair(low, high);
  if (bits >= 32) return pair(0, low << (bits - 32));
  return pair(low << bits, (high << bits) | (low >>> (32 - bits)));
}

export function i64ShrS(low: number, high: number, count: number): number {
  const bits = count & 63;
  if (bits === 0) return pair(low, high);
  if (bits >= 32) return pair(high >> (bits - 32), high >> 31);
  return pair((low >>> bits) | (high << (32 - bits)), high >> bits);
}

export function i64ShrU(low: number, high: number, count: number): number {
  const bits = count & 63;
  if (bits === 0) return pair(low, high);
  if (bits >= 32) return pair((high >>> (bits - 32)) | 0, 0);
  return pair((low >>> bits) | (high << (32 - bits)), (high >>> bits) | 0);
}

export function i64Rotl(low: number, high: number, count: number): number {
  const bits = count & 31;
  const first = (count & 32) === 0 ? low : high;
  const second = (count & 32) === 0 ? high : low;
  if (bits === 0) return pair(first, second);
  return pair((first << bits) | (second >>> (32 - bits)), (second << bits) | (first >>> (32 - bits)));
}

export function i64Rotr(low: number, high: number, count: number): number {
  return i64Rotl(low, high, -count);
}

export function i64Clz(low: number, high: number): number {
  return high === 0 ? 32 + Math.clz32(low) : Math.clz32(high);
}

export function i64Ctz(low: number, high: number): number {
  return low === 0 ? 32 + i32Ctz(high) : i32Ctz(low);
}

export function i64Popcnt(low: number, high: number): number {
  return i32Popcnt(low) + i32Popcnt(high);
}

/** Trailing zeros; 32 for zero. */
export function i32Ctz(value: number): number {
  return value === 0 ? 32 : 31 - Math.clz32(value & -value);
}

export function i32Popcnt(value: number): number {
  const pairs = value - ((value >>> 1) & 0x5555_5555);
  const nibbles = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
  return Math.imul((nibbles + (nibbles >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

export function i64Eqz(low: number, high: number): number {
  return (low | high) === 0 ? 1 : 0;
}

export function i64Eq(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  return aLow === bLow && aHigh === bHigh ? 1 : 0;
}

export function i64Ne(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  return aLow !== bLow || aHigh !== bHigh ? 1 : 0;
}

export function i64LtS(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  return aHigh < bHigh || (aHigh === bHigh && aLow >>> 0 < bLow >>> 0) ? 1 : 0;
}

export function i64LtU(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  return aHigh >>> 0 < bHigh >>> 0 || (aHigh === bHigh && aLow >>> 0 < bLow >>> 0) ? 1 : 0;
}

export function i64GtS(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  return i64LtS(bLow, bHigh, aLow, aHigh);
}

export function i64GtU(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  return i64LtU(bLow, bHigh, aLow, aHigh);
}

export function i64LeS(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  return 1 - i64LtS(bLow, bHigh, aLow, aHigh);
}

export function i64LeU(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  return 1 - i64LtU(bLow, bHigh, aLow, aHigh);
}

export function i64GeS(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  return 1 - i64LtS(aLow, aHigh, bLow, bHigh);
}

export function i64GeU(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  return 1 - i64LtU(aLow, aHigh, bLow, bHigh);
}

export function i64Extend8S(low: number): number {
  return i64ExtendI32S((low << 24) >> 24);
}

export function i64Extend16S(low: number): number {
  return i64ExtendI32S((low << 16) >> 16);
}

/** Also i64.extend32_s. */
export function i64ExtendI32S(value: number): number {
  return pair(value, value >> 31);
}

export function i64ExtendI32U(value: number): number {
  return pair(value, 0);
}

/** The pair of an integer in [-2^63, 2^64) that a double holds exactly. -0 is 0. */
export function split(integer: number): number {
  const high = Math.floor(integer / TWO_32);
  i64High[0] = high;
  return (integer - high * TWO_32) | 0;
}

/** Leaves `high` in {@link i64High} and returns `low`. */
export function pair(low: number, high: number): number {
  i64High[0] = high;
  return low;
}

function isSafeS(high: number): boolean {
  return high >= -SAFE_HIGH && high < SAFE_HIGH;
}

function isSafeU(high: number): boolean {
  return high >>> 0 < SAFE_HIGH;
}

/** The signed value of a pair, rounded once to a double where it needs more than 53 bits. */
export function signed(low: number, high: number): number {
  return high * TWO_32 + (low >>> 0);
}

/** The unsigned value of a pair, rounded once like {@link signed}. */
export function unsigned(low: number, high: number): number {
  return (high >>> 0) * TWO_32 + (low >>> 0);
}
