/**
 * Number literals (spec: text-int, text-float): recognised, and turned into bit patterns, exactly
 * rounded. JavaScript's own conversion serves where it is provably right; the rest is exact
 * arithmetic on big integers. Time is linear in the literal.
 */

import { Kind } from "./lexer.ts";

const ZERO = 0x30;
const NINE = 0x39;
const UNDERSCORE = 0x5f;
const PLUS = 0x2b;
const MINUS = 0x2d;
const POINT = 0x2e;
const LOWER = 0x20;
const E = 0x65;
const P = 0x70;
const X = 0x78;

function isDigit(char: number, hex: boolean): boolean {
  if (char >= ZERO && char <= NINE) return true;
  const lower = char | LOWER;
  return hex && lower >= 0x61 && lower <= 0x66;
}

/** The end of `digit ('_'? digit)*` from `start`; `start` itself if there is none. */
function digitsEnd(text: string, start: number, end: number, hex: boolean): number {
  let i = start;
  while (i < end) {
    const char = text.charCodeAt(i);
    if (isDigit(char, hex)) i++;
    else if (char === UNDERSCORE && i > start && i + 1 < end && isDigit(text.charCodeAt(i + 1), hex)) i += 2;
    else break;
  }
  return i;
}

/** What kind of number the word `text[start, end)` is, or null if it is none. */
export function numberKind(text: string, start: number, end: number): Kind | null {
  const first = text.charCodeAt(start);
  const hasSign = first === PLUS || first === MINUS;
  let i = hasSign ? start + 1 : start;
  const char = text.charCodeAt(i);
  if (char === 0x69 || char === 0x6e) return isInfOrNan(text, i, end) ? Kind.Float : null;
  const hex = char === ZERO && i + 2 < end && text.charCodeAt(i + 1) === X;
  if (hex) i += 2;
  const whole = digitsEnd(text, i, end, hex);
  if (whole === i) return null;
  i = whole;
  if (i === end) return hasSign ? Kind.Int : Kind.Nat;
  if (text.charCodeAt(i) === POINT) i = digitsEnd(text, i + 1, end, hex);
  if (i < end && (text.charCodeAt(i) | LOWER) === (hex ? P : E)) {
    i++;
    const sign = text.charCodeAt(i);
    if (i < end && (sign === PLUS || sign === MINUS)) i++;
    const exponent = digitsEnd(text, i, end, false);
    if (exponent === i) return null;
    i = exponent;
  }
  return i === end ? Kind.Float : null;
}

function isInfOrNan(text: string, start: number, end: number): boolean {
  const length = end - start;
  if (length < 3) return false;
  if (length === 3) return text.startsWith("inf", start) || text.startsWith("nan", start);
  return text.startsWith("nan:0x", start) && length > 6 && digitsEnd(text, start + 6, end, true) === end;
}

interface Integer {
  readonly isNegative: boolean;
  readonly hasSign: boolean;
  readonly magnitude: bigint;
}

/** The parts of an integer literal of at most `bits` bits; null if its magnitude has more. */
function parseInteger(word: string, bits: number): Integer | null {
  const first = word.charCodeAt(0);
  const hasSign = first === PLUS || first === MINUS;
  const unsigned = word.slice(hasSign ? 1 : 0).replaceAll("_", "");
  const isHex = unsigned.startsWith("0x");
  const digits = unsigned.slice(isHex ? 2 : 0).replace(/^0+/, "");
  if (digits.length > (isHex ? bits / 4 : bits * 0.302 + 1)) return null;
  const magnitude = BigInt((isHex ? "0x0" : "0") + digits);
  return magnitude >> BigInt(bits) === 0n ? { isNegative: first === MINUS, hasSign, magnitude } : null;
}

/** An integer literal as `bits` bits, unsigned; null if it is out of the range of both signs. */
export function integerBits(word: string, bits: 8 | 16 | 32 | 64): bigint | null {
  const integer = parseInteger(word, bits);
  if (integer === null) return null;
  const { isNegative, hasSign, magnitude } = integer;
  const half = 1n << BigInt(bits - 1);
  if (isNegative) return magnitude <= half ? BigInt.asUintN(bits, -magnitude) : null;
  return hasSign && magnitude >= half ? null : magnitude;
}

/** The bits of an i32 literal as a number, unsigned; null if out of range. */
export function i32Bits(word: string): number | null {
  if (word.length <= 10) {
    const value = Number(word);
    if (value >= -0x8000_0000 && value <= 0xffff_ffff) return value >>> 0;
  }
  const bits = integerBits(word, 32);
  return bits === null ? null : Number(bits);
}

/** An unsigned literal of 32 bits (indices, counts); null if out of range. */
export function u32Value(word: string): number | null {
  const integer = parseInteger(word, 32);
  return integer === null ? null : Number(integer.magnitude);
}

/** An unsigned literal of 64 bits; null if out of range. */
export function u64Value(word: string): bigint | null {
  return parseInteger(word, 64)?.magnitude ?? null;
}

interface Format {
  /** Bits of the significand, the hidden one included. */
  readonly precision: number;
  /** The exponent of the smallest normal number, 2^minExponent. */
  readonly minExponent: number;
  readonly totalBits: number;
}

const F32: Format = { precision: 24, minExponent: -126, totalBits: 32 };
const F64: Format = { precision: 53, minExponent: -1022, totalBits: 64 };

const scratch = new DataView(new ArrayBuffer(8));

/** The bits of a float literal (or integer literal) as an f32; null if out of range. */
export function f32Bits(word: string): number | null {
  const value = quickValue(word);
  if (value !== null) {
    scratch.setFloat64(0, value);
    // Rounding twice is harmless unless the f64 lies between two f32 just in the middle, which
    // shows in its low bits; below the normal numbers the middle lies elsewhere.
    const isMiddle = (scratch.getUint32(4) & 0x1fff_ffff) === 0x1000_0000;
    const magnitude = Math.abs(value);
    if (magnitude === 0 || (!isMiddle && magnitude >= 2 ** -126)) {
      scratch.setFloat32(0, value);
      const bits = scratch.getUint32(0);
      return (bits & 0x7fff_ffff) === 0x7f80_0000 ? null : bits;
    }
  }
  const bits = exactBits(word, F32);
  return bits === null ? null : Number(bits);
}

/** The bits of a float literal (or integer literal) as an f64; null if out of range. */
export function f64Bits(word: string): bigint | null {
  const value = quickValue(word);
  if (value === null) return exactBits(word, F64);
  if (!Number.isFinite(value)) return null;
  scratch.setFloat64(0, value);
  return scratch.getBigUint64(0);
}

/**
 * The value of a short decimal literal. ECMAScript lets a literal of more than 20 significant
 * digits be rounded from its first 20: those are left to exact arithmetic.
 */
function quickValue(word: string): number | null {
  if (word.length > 20) return null;
  const value = Number(word);
  if (value !== value || /[xn]/.test(word)) return null;
  return value;
}

/** As {@link f32Bits} and {@link f64Bits}, for every literal, by exact arithmetic. */
export function exactBits(word: string, format: Format): bigint | null {
  const isNegative = word.charCodeAt(0) === MINUS;
  const unsigned = word.replaceAll("_", "").replace(/^[+-]/, "");
  const magnitude = magnitudeBits(unsigned, format);
  if (magnitude === null) return null;
  return isNegative ? magnitude | (1n << BigInt(format.totalBits - 1)) : magnitude;
}

function magnitudeBits(word: string, format: Format): bigint | null {
  const fractionBits = BigInt(format.precision - 1);
  const infinity = ((1n << BigInt(format.totalBits - 1)) - 1n) & ~((1n << fractionBits) - 1n);
  if (word === "inf") return infinity;
  if (word === "nan") return infinity | (1n << (fractionBits - 1n));
  if (word.startsWith("nan:0x")) {
    const payload = parseInteger(word.slice(4), 64)?.magnitude ?? 0n;
    return payload === 0n || payload >> fractionBits !== 0n ? null : infinity | payload;
  }
  const bits = word.startsWith("0x") ? hexBits(word.slice(2), format) : decimalBits(word, format);
  return bits >= infinity ? null : bits;
}

/** Digits without point and leading zeros, and the power of the base that the last digit stands for. */
interface Significand {
  readonly digits: string;
  readonly scale: number;
  /** Some digit beyond `digits` is not zero. */
  readonly isInexact: boolean;
}

/**
 * No middle between two f64 has more than 767 significant decimal digits (53 binary ones fit 40
 * hexadecimal ones): what follows matters only by being zero or not.
 */
function significand(mantissa: string, maxDigits: number): Significand {
  const point = mantissa.indexOf(".");
  const fractionLength = point < 0 ? 0 : mantissa.length - point - 1;
  const digits = (point < 0 ? mantissa : mantissa.slice(0, point) + mantissa.slice(point + 1)).replace(/^0+/, "");
  const cut = Math.max(0, digits.length - maxDigits);
  return {
    digits: digits.slice(0, digits.length - cut),
    scale: cut - fractionLength,
    isInexact: cut > 0 && /[^0]/.test(digits.slice(maxDigits)),
  };
}

/** An exponent far out of every range stays so when it is cut. */
function exponentValue(text: string): number {
  return Math.max(-1e13, Math.min(1e13, Number(text)));
}

function hexBits(word: string, format: Format): bigint {
  const [mantissa = "", exponent = "0"] = word.toLowerCase().split("p");
  const { digits, scale, isInexact } = significand(mantissa, 40);
  if (digits === "") return 0n;
  return roundBits(BigInt(`0x${digits}`), exponentValue(exponent) + 4 * scale, isInexact, format);
}

function decimalBits(word: string, format: Format): bigint {
  const [mantissa = "", exponentText = "0"] = word.toLowerCase().split("e");
  const { digits, scale, isInexact } = significand(mantissa, 800);
  if (digits === "") return 0n;
  const exponent = exponentValue(exponentText) + scale;
  const leading = exponent + digits.length;
  if (leading > 400) return 1n << BigInt(format.totalBits);
  if (leading < -400) return 0n;
  const numerator = BigInt(digits) * 10n ** BigInt(Math.max(0, exponent));
  const denominator = 10n ** BigInt(Math.max(0, -exponent));
  // The quotient gets two bits more than the significand; the remainder tells whether there are more.
  const shift = Math.max(0, format.precision + 2 - (bitLength(numerator) - bitLength(denominator)));
  const scaled = numerator << BigInt(shift);
  const quotient = scaled / denominator;
  const hasRemainder = quotient * denominator !== scaled;
  return roundBits(quotient, -shift, isInexact || hasRemainder, format);
}

function bitLength(value: bigint): number {
  const hex = value.toString(16);
  return hex.length * 4 - (Math.clz32(Number.parseInt(hex.charAt(0), 16)) - 28);
}

/**
 * `significand * 2^exponent`, and a little more if `isInexact`, to the nearest number of the
 * format, ties to even. A carry out of the fraction runs into the exponent, as it should; what is
 * too large gives infinity or more.
 */
function roundBits(significand: bigint, exponent: number, isInexact: boolean, format: Format): bigint {
  const { precision, minExponent, totalBits } = format;
  const leading = exponent + bitLength(significand) - 1;
  if (leading > 1 - minExponent) return 1n << BigInt(totalBits);
  if (leading < minExponent - precision) return 0n;
  const quantum = Math.max(leading, minExponent) - (precision - 1);
  const drop = quantum - exponent;
  const biased = BigInt(Math.max(0, leading - minExponent)) << BigInt(precision - 1);
  if (drop <= 0) return biased + (significand << BigInt(-drop));
  const kept = significand >> BigInt(drop);
  const rest = significand - (kept << BigInt(drop));
  const half = 1n << BigInt(drop - 1);
  const isUp = rest > half || (rest === half && (isInexact || (kept & 1n) === 1n));
  return biased + kept + (isUp ? 1n : 0n);
}

/** A literal for the bits of an f32: the shortest decimal that is rounded back to them. */
export function f32Text(bits: number): string {
  const special = specialText(BigInt(bits), F32);
  if (special !== null) return special;
  scratch.setUint32(0, bits);
  const value = scratch.getFloat32(0);
  for (let digits = 1; digits <= 9; digits++) {
    const text = value.toPrecision(digits);
    if (f32Bits(text) === bits) return shortest(text);
  }
  return String(value);
}

/** A literal for the bits of an f64, as {@link f32Text}. */
export function f64Text(bits: bigint): string {
  const special = specialText(bits, F64);
  if (special !== null) return special;
  scratch.setBigUint64(0, bits);
  return String(scratch.getFloat64(0));
}

/** `inf`, `nan` and `-0`, which numbers do not print as literals; null for all others. */
function specialText(bits: bigint, format: Format): string | null {
  const { precision, totalBits } = format;
  const sign = bits >> BigInt(totalBits - 1) === 0n ? "" : "-";
  const magnitude = BigInt.asUintN(totalBits - 1, bits);
  const payload = BigInt.asUintN(precision - 1, bits);
  const infinity = magnitudeBits("inf", format);
  if (magnitude === 0n) return `${sign}0`;
  if (infinity === null || magnitude < infinity) return null;
  if (payload === 0n) return `${sign}inf`;
  return payload === 1n << BigInt(precision - 2) ? `${sign}nan` : `${sign}nan:0x${payload.toString(16)}`;
}

/** Without zeros at the end of a fraction. */
function shortest(text: string): string {
  return text.replace(/\.0+(?=e|$)|(\.\d*?)0+(?=e|$)/, "$1");
}
