/**
 * Vector instructions that change the width or the type of lanes. Results are gathered in a vector
 * of their own and copied at the end, since lanes of the destination lie elsewhere than those read.
 */

import { InternalError } from "../errors.ts";
import { Op } from "../opcodes.ts";
import type { Machine } from "./machine.ts";
import * as numeric from "./numeric.ts";

const RESULT = new ArrayBuffer(16);
const out8 = new Int8Array(RESULT);
const outClamped = new Uint8ClampedArray(RESULT);
const out16 = new Int16Array(RESULT);
const out32 = new Int32Array(RESULT);
const outF32 = new Float32Array(RESULT);
const outF64 = new Float64Array(RESULT);

/** `d`, `a`, `b` and `c` are word positions in the machine's frames. Returns the words that the operation takes. */
export function changeLanes(x: Machine, op: number, d: number, a: number, b: number, c: number): number {
  const { words } = x;
  const length = narrowed(x, op, a, b) || multiplied(x, op, a, b, c) || extended(x, op, a) || converted(x, op, a);
  if (length === 0) throw new InternalError(`no vector instruction 0x${op.toString(16)}`);
  words[d] = out32[0]!;
  words[d + 1] = out32[1]!;
  words[d + 2] = out32[2]!;
  words[d + 3] = out32[3]!;
  return length;
}

function narrowed(x: Machine, op: number, a: number, b: number): number {
  const { words } = x;
  const { i16 } = x.lanes;
  const a16 = a << 1;
  const b16 = b << 1;
  switch (op) {
    case Op.I8x16NarrowI16x8S:
      for (let k = 0; k < 8; k++) {
        out8[k] = Math.max(Math.min(i16[a16 + k]!, 0x7f), -0x80);
        out8[k + 8] = Math.max(Math.min(i16[b16 + k]!, 0x7f), -0x80);
      }
      return 4;
    case Op.I8x16NarrowI16x8U:
      for (let k = 0; k < 8; k++) {
        outClamped[k] = i16[a16 + k]!;
        outClamped[k + 8] = i16[b16 + k]!;
      }
      return 4;
    case Op.I16x8NarrowI32x4S:
      for (let k = 0; k < 4; k++) {
        out16[k] = Math.max(Math.min(words[a + k]!, 0x7fff), -0x8000);
        out16[k + 4] = Math.max(Math.min(words[b + k]!, 0x7fff), -0x8000);
      }
      return 4;
    case Op.I16x8NarrowI32x4U:
      for (let k = 0; k < 4; k++) {
        out16[k] = Math.max(Math.min(words[a + k]!, 0xffff), 0);
        out16[k + 4] = Math.max(Math.min(words[b + k]!, 0xffff), 0);
      }
      return 4;
    default:
      return 0;
  }
}

/** Products of lanes in lanes of twice the width. */
function multiplied(x: Machine, op: number, a: number, b: number, c: number): number {
  const { words } = x;
  const { i8, u8, i16, u16 } = x.lanes;
  switch (op) {
    case Op.I16x8ExtmulLowI8x16S:
    case Op.I16x8ExtmulHighI8x16S: {
      const from = op === Op.I16x8ExtmulLowI8x16S ? 0 : 8;
      for (let k = 0; k < 8; k++) out16[k] = i8[(a << 2) + from + k]! * i8[(b << 2) + from + k]!;
      return 4;
    }
    case Op.I16x8ExtmulLowI8x16U:
    case Op.I16x8ExtmulHighI8x16U: {
      const from = op === Op.I16x8ExtmulLowI8x16U ? 0 : 8;
      for (let k = 0; k < 8; k++) out16[k] = u8[(a << 2) + from + k]! * u8[(b << 2) + from + k]!;
      return 4;
    }
    case Op.I32x4ExtmulLowI16x8S:
    case Op.I32x4ExtmulHighI16x8S: {
      const from = op === Op.I32x4ExtmulLowI16x8S ? 0 : 4;
      for (let k = 0; k < 4; k++) out32[k] = i16[(a << 1) + from + k]! * i16[(b << 1) + from + k]!;
      return 4;
    }
    case Op.I32x4ExtmulLowI16x8U:
    case Op.I32x4ExtmulHighI16x8U: {
      const from = op === Op.I32x4ExtmulLowI16x8U ? 0 : 4;
      for (let k = 0; k < 4; k++) out32[k] = Math.imul(u16[(a << 1) + from + k]!, u16[(b << 1) + from + k]!);
      return 4;
    }
    case Op.I64x2ExtmulLowI32x4S:
    case Op.I64x2ExtmulHighI32x4S:
    case Op.I64x2ExtmulLowI32x4U:
    case Op.I64x2ExtmulHighI32x4U: {
      const from = op === Op.I64x2ExtmulLowI32x4S || op === Op.I64x2ExtmulLowI32x4U ? 0 : 2;
      const isSigned = op === Op.I64x2ExtmulLowI32x4S || op === Op.I64x2ExtmulHighI32x4S;
      for (let k = 0; k < 2; k++) {
        const u = words[a + from + k]!;
        const v = words[b + from + k]!;
        out32[2 * k] = numeric.i64Mul(u, isSigned ? u >> 31 : 0, v, isSigned ? v >> 31 : 0);
        out32[2 * k + 1] = numeric.i64High[0]!;
      }
      return 4;
    }
    // Both vectors of bytes are signed (spec: op-irelaxed_dot_mul, in the deterministic profile).
    case Op.I16x8RelaxedDotI8x16I7x16S:
      for (let k = 0; k < 8; k++) out16[k] = dotBytes(i8, (a << 2) + 2 * k, (b << 2) + 2 * k);
      return 4;
    case Op.I32x4RelaxedDotI8x16I7x16AddS:
      for (let k = 0; k < 4; k++) {
        const low = dotBytes(i8, (a << 2) + 4 * k, (b << 2) + 4 * k);
        const high = dotBytes(i8, (a << 2) + 4 * k + 2, (b << 2) + 4 * k + 2);
        out32[k] = words[c + k]! + low + high;
      }
      return 5;
    default:
      return 0;
  }
}

/** The dot product of two pairs of bytes, in 16 bits: -128 * -128 twice does not fit. */
function dotBytes(bytes: Int8Array, a: number, b: number): number {
  return ((bytes[a]! * bytes[b]! + bytes[a + 1]! * bytes[b + 1]!) << 16) >> 16;
}

function extended(x: Machine, op: number, a: number): number {
  const { words } = x;
  const { i8, u8, i16, u16 } = x.lanes;
  const a8 = a << 2;
  const a16 = a << 1;
  switch (op) {
    case Op.I64x2ExtendLowI32x4S:
    case Op.I64x2ExtendLowI32x4U:
    case Op.I64x2ExtendHighI32x4S:
    case Op.I64x2ExtendHighI32x4U: {
      const from = a + (op === Op.I64x2ExtendLowI32x4S || op === Op.I64x2ExtendLowI32x4U ? 0 : 2);
      const isSigned = op === Op.I64x2ExtendLowI32x4S || op === Op.I64x2ExtendHighI32x4S;
      for (let k = 0; k < 2; k++) {
        out32[2 * k] = words[from + k]!;
        out32[2 * k + 1] = isSigned ? words[from + k]! >> 31 : 0;
      }
      return 3;
    }
    case Op.I16x8ExtaddPairwiseI8x16S:
      for (let k = 0; k < 8; k++) out16[k] = i8[a8 + 2 * k]! + i8[a8 + 2 * k + 1]!;
      return 3;
    case Op.I16x8ExtaddPairwiseI8x16U:
      for (let k = 0; k < 8; k++) out16[k] = u8[a8 + 2 * k]! + u8[a8 + 2 * k + 1]!;
      return 3;
    case Op.I32x4ExtaddPairwiseI16x8S:
      for (let k = 0; k < 4; k++) out32[k] = i16[a16 + 2 * k]! + i16[a16 + 2 * k + 1]!;
      return 3;
    case Op.I32x4ExtaddPairwiseI16x8U:
      for (let k = 0; k < 4; k++) out32[k] = u16[a16 + 2 * k]! + u16[a16 + 2 * k + 1]!;
      return 3;
    default:
      return 0;
  }
}

/** Between f64 and lanes of half its width. The upper half of a result of two such lanes is zero. */
function converted(x: Machine, op: number, a: number): number {
  const { words, floats, doubles } = x;
  switch (op) {
    case Op.F64x2ConvertLowI32x4S:
      for (let k = 0; k < 2; k++) outF64[k] = words[a + k]!;
      return 3;
    case Op.F64x2ConvertLowI32x4U:
      for (let k = 0; k < 2; k++) outF64[k] = words[a + k]! >>> 0;
      return 3;
    case Op.F64x2PromoteLowF32x4:
      for (let k = 0; k < 2; k++) {
        const value = floats[a + k]!;
        outF64[k] = value;
        if (value !== value) {
          out32[2 * k] = 0;
          out32[2 * k + 1] = numeric.F64_CANONICAL_NAN_HIGH;
        }
      }
      return 3;
    case Op.F32x4DemoteF64x2Zero:
      for (let k = 0; k < 2; k++) {
        const value = doubles[(a >> 1) + k]!;
        outF32[k] = value;
        if (value !== value) out32[k] = numeric.F32_CANONICAL_NAN_BITS;
      }
      out32[2] = 0;
      out32[3] = 0;
      return 3;
    case Op.I32x4TruncSatF64x2SZero:
      for (let k = 0; k < 2; k++) out32[k] = numeric.i32TruncSatS(doubles[(a >> 1) + k]!);
      out32[2] = 0;
      out32[3] = 0;
      return 3;
    case Op.I32x4TruncSatF64x2UZero:
      for (let k = 0; k < 2; k++) out32[k] = numeric.i32TruncSatU(doubles[(a >> 1) + k]!);
      out32[2] = 0;
      out32[3] = 0;
      return 3;
    default:
      return 0;
  }
}
