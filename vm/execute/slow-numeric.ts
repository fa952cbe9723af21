/** The numeric instructions that have no operation of their own in the hot loop: numeric.ts applied to slots. */

import { InternalError } from "../errors.ts";
import { Op } from "../opcodes.ts";
import type { Machine } from "./machine.ts";
import * as numeric from "./numeric.ts";

const high = numeric.i64High;

/** `d` and `a` are word positions in the machine's frames. Throws `Trap`. */
export function numeric1(x: Machine, op: Op, d: number, a: number): void {
  const { words } = x;
  switch (op) {
    case Op.I64Clz:
      setPair(words, d, numeric.i64Clz(words[a]!, words[a + 1]!), 0);
      return;
    case Op.I64Ctz:
      setPair(words, d, numeric.i64Ctz(words[a]!, words[a + 1]!), 0);
      return;
    case Op.I64Popcnt:
      setPair(words, d, numeric.i64Popcnt(words[a]!, words[a + 1]!), 0);
      return;
    case Op.I64Extend8S:
      setPair(words, d, numeric.i64Extend8S(words[a]!), high[0]!);
      return;
    case Op.I64Extend16S:
      setPair(words, d, numeric.i64Extend16S(words[a]!), high[0]!);
      return;
    case Op.F32Ceil:
      setF32(x, d, Math.ceil(x.floats[a]!));
      return;
    case Op.F64Ceil:
      setF64(x, d, Math.ceil(x.doubles[a >> 1]!));
      return;
    case Op.F32Floor:
      setF32(x, d, Math.floor(x.floats[a]!));
      return;
    case Op.F64Floor:
      setF64(x, d, Math.floor(x.doubles[a >> 1]!));
      return;
    case Op.F32Trunc:
      setF32(x, d, Math.trunc(x.floats[a]!));
      return;
    case Op.F64Trunc:
      setF64(x, d, Math.trunc(x.doubles[a >> 1]!));
      return;
    case Op.F32Nearest:
      setF32(x, d, numeric.floatNearest(x.floats[a]!));
      return;
    case Op.F64Nearest:
      setF64(x, d, numeric.floatNearest(x.doubles[a >> 1]!));
      return;
    case Op.I32TruncF32S:
      words[d] = numeric.i32TruncS(x.floats[a]!);
      return;
    case Op.I32TruncF32U:
      words[d] = numeric.i32TruncU(x.floats[a]!);
      return;
    case Op.I32TruncF64U:
      words[d] = numeric.i32TruncU(x.doubles[a >> 1]!);
      return;
    case Op.I32TruncSatF32S:
      words[d] = numeric.i32TruncSatS(x.floats[a]!);
      return;
    case Op.I32TruncSatF32U:
      words[d] = numeric.i32TruncSatU(x.floats[a]!);
      return;
    case Op.I32TruncSatF64S:
      words[d] = numeric.i32TruncSatS(x.doubles[a >> 1]!);
      return;
    case Op.I32TruncSatF64U:
      words[d] = numeric.i32TruncSatU(x.doubles[a >> 1]!);
      return;
    case Op.I64TruncF32S:
      setPair(words, d, numeric.i64TruncS(x.floats[a]!), high[0]!);
      return;
    case Op.I64TruncF32U:
      setPair(words, d, numeric.i64TruncU(x.floats[a]!), high[0]!);
      return;
    case Op.I64TruncF64S:
      setPair(words, d, numeric.i64TruncS(x.doubles[a >> 1]!), high[0]!);
      return;
    case Op.I64TruncF64U:
      setPair(words, d, numeric.i64TruncU(x.doubles[a >> 1]!), high[0]!);
      return;
    case Op.I64TruncSatF32S:
      setPair(words, d, numeric.i64TruncSatS(x.floats[a]!), high[0]!);
      return;
    case Op.I64TruncSatF32U:
      setPair(words, d, numeric.i64TruncSatU(x.floats[a]!), high[0]!);
      return;
    case Op.I64TruncSatF64S:
      setPair(words, d, numeric.i64TruncSatS(x.doubles[a >> 1]!), high[0]!);
      return;
    case Op.I64TruncSatF64U:
      setPair(words, d, numeric.i64TruncSatU(x.doubles[a >> 1]!), high[0]!);
      return;
    case Op.F32ConvertI32U:
      x.floats[d] = numeric.f32ConvertI32U(words[a]!);
      return;
    case Op.F32ConvertI64S:
      x.floats[d] = numeric.f32ConvertI64S(words[a]!, words[a + 1]!);
      return;
    case Op.F64ConvertI64S:
      x.doubles[d >> 1] = numeric.f64ConvertI64S(words[a]!, words[a + 1]!);
      return;
    case Op.F32ConvertI64U:
      x.floats[d] = numeric.f32ConvertI64U(words[a]!, words[a + 1]!);
      return;
    case Op.F64ConvertI64U:
      x.doubles[d >> 1] = numeric.f64ConvertI64U(words[a]!, words[a + 1]!);
      return;
    default:
      throw new InternalError(`no unary instruction 0x${op.toString(16)}`);
  }
}

/** As {@link numeric1}, with two operands. */
export function numeric2(x: Machine, op: Op, d: number, a: number, b: number): void {
  const { words } = x;
  switch (op) {
    case Op.I64DivS:
      setPair(words, d, numeric.i64DivS(words[a]!, words[a + 1]!, words[b]!, words[b + 1]!), high[0]!);
      return;
    case Op.I64DivU:
      setPair(words, d, numeric.i64DivU(words[a]!, words[a + 1]!, words[b]!, words[b + 1]!), high[0]!);
      return;
    case Op.I64RemS:
      setPair(words, d, numeric.i64RemS(words[a]!, words[a + 1]!, words[b]!, words[b + 1]!), high[0]!);
      return;
    case Op.I64RemU:
      setPair(words, d, numeric.i64RemU(words[a]!, words[a + 1]!, words[b]!, words[b + 1]!), high[0]!);
      return;
    case Op.I64Rotr:
      setPair(words, d, numeric.i64Rotr(words[a]!, words[a + 1]!, words[b]!), high[0]!);
      return;
    case Op.F32Min:
      setF32(x, d, Math.min(x.floats[a]!, x.floats[b]!));
      return;
    case Op.F64Min:
      setF64(x, d, Math.min(x.doubles[a >> 1]!, x.doubles[b >> 1]!));
      return;
    case Op.F32Max:
      setF32(x, d, Math.max(x.floats[a]!, x.floats[b]!));
      return;
    case Op.F64Max:
      setF64(x, d, Math.max(x.doubles[a >> 1]!, x.doubles[b >> 1]!));
      return;
    case Op.F32Copysign:
      words[d] = numeric.copysignWord(words[a]!, words[b]!);
      return;
    case Op.F64Copysign:
      setPair(words, d, words[a]!, numeric.copysignWord(words[a + 1]!, words[b + 1]!));
      return;
    default:
      throw new InternalError(`no binary instruction 0x${op.toString(16)}`);
  }
}

function setPair(words: Int32Array, d: number, low: number, highWord: number): void {
  words[d] = low;
  words[d + 1] = highWord;
}

/** NaN becomes canonical, as in the hot loop. */
function setF32(x: Machine, d: number, value: number): void {
  x.floats[d] = value;
  if (Number.isNaN(value)) x.words[d] = numeric.F32_CANONICAL_NAN_BITS;
}

function setF64(x: Machine, d: number, value: number): void {
  x.doubles[d >> 1] = value;
  if (Number.isNaN(value)) setPair(x.words, d, 0, numeric.F64_CANONICAL_NAN_HIGH);
}
