/** 128-bit arithmetic on pairs of i64 (wide-arithmetic proposal), on words of 32 bits. */

import { InternalError } from "../errors.ts";
import { Op } from "../opcodes.ts";
import type { Machine } from "./machine.ts";

const TWO_POW_32 = 0x1_0000_0000;

/** `Reg.Wide`: two results in adjacent slots, from two or four operands. All are read before anything is written. */
export function wide(x: Machine): number {
  const { words, fp, pc } = x;
  const code = x.module.words;
  const d = fp + code[pc + 1]!;
  const a = fp + code[pc + 2]!;
  const b = fp + code[pc + 3]!;
  switch (code[pc + 6]) {
    case Op.I64Add128:
      add(words, d, a, b, fp + code[pc + 4]!, fp + code[pc + 5]!, 1);
      break;
    case Op.I64Sub128:
      add(words, d, a, b, fp + code[pc + 4]!, fp + code[pc + 5]!, -1);
      break;
    case Op.I64MulWideS:
      multiply(words, d, a, b, true);
      break;
    case Op.I64MulWideU:
      multiply(words, d, a, b, false);
      break;
    default:
      throw new InternalError(`no wide arithmetic 0x${code[pc + 6]!.toString(16)}`);
  }
  return pc + 7;
}

/** Adds the number at `bLow` and `bHigh` to the one at `aLow` and `aHigh`, or with `sign` -1 subtracts it. */
function add(
  words: Int32Array,
  d: number,
  aLow: number,
  aHigh: number,
  bLow: number,
  bHigh: number,
  sign: number,
): void {
  const s0 = (words[aLow]! >>> 0) + sign * (words[bLow]! >>> 0);
  const s1 = (words[aLow + 1]! >>> 0) + sign * (words[bLow + 1]! >>> 0) + Math.floor(s0 / TWO_POW_32);
  const s2 = (words[aHigh]! >>> 0) + sign * (words[bHigh]! >>> 0) + Math.floor(s1 / TWO_POW_32);
  const s3 = (words[aHigh + 1]! >>> 0) + sign * (words[bHigh + 1]! >>> 0) + Math.floor(s2 / TWO_POW_32);
  words[d] = s0;
  words[d + 1] = s1;
  words[d + 2] = s2;
  words[d + 3] = s3;
}

/** Columns of partial products: each is a sum of a few words, which a double holds exactly. */
function multiply(words: Int32Array, d: number, a: number, b: number, isSigned: boolean): void {
  const a0 = words[a]! >>> 0;
  const a1 = words[a + 1]! >>> 0;
  const b0 = words[b]! >>> 0;
  const b1 = words[b + 1]! >>> 0;
  const h00 = highOfProduct(a0, b0);
  const h01 = highOfProduct(a0, b1);
  const h10 = highOfProduct(a1, b0);
  const c1 = h00 + (Math.imul(a0, b1) >>> 0) + (Math.imul(a1, b0) >>> 0);
  let c2 = h01 + h10 + (Math.imul(a1, b1) >>> 0) + Math.floor(c1 / TWO_POW_32);
  let c3 = highOfProduct(a1, b1);
  if (isSigned) {
    // A negative operand was read as 2^64 more than it is.
    if (a1 >= 0x8000_0000) {
      c2 -= b0;
      c3 -= b1;
    }
    if (b1 >= 0x8000_0000) {
      c2 -= a0;
      c3 -= a1;
    }
  }
  words[d] = Math.imul(a0, b0);
  words[d + 1] = c1;
  words[d + 2] = c2;
  words[d + 3] = c3 + Math.floor(c2 / TWO_POW_32);
}

/** The upper word of the product of two unsigned words. */
function highOfProduct(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aLow * bHigh + aHigh * bLow + ((aLow * bLow) >>> 16);
  return aHigh * bHigh + Math.floor(middle / 0x1_0000);
}
