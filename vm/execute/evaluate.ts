/**
 * Runs any plain numeric instruction by its number on bit patterns, through the functions of numeric.ts and with
 * the rule for NaN: the oracle of the tests that compare the interpreter instruction by instruction, and slow.
 */

import { InternalError } from "../errors.ts";
import { Op } from "../opcodes.ts";
import * as numeric from "./numeric.ts";

const scratch = new DataView(new ArrayBuffer(8));

type Evaluation = (operands: readonly bigint[]) => bigint;

/** A float operation whose result is NaN gives the canonical one; bits that are only moved or re-signed stay. */
export const NUMERIC: ReadonlyMap<Op, Evaluation> = new Map<Op, Evaluation>([
  [Op.I32Eqz, i32Unary((a) => (a === 0 ? 1 : 0))],
  [Op.I32Eq, i32Binary((a, b) => Number(a === b))],
  [Op.I32Ne, i32Binary((a, b) => Number(a !== b))],
  [Op.I32LtS, i32Binary((a, b) => Number(a < b))],
  [Op.I32LtU, i32Binary((a, b) => Number(a >>> 0 < b >>> 0))],
  [Op.I32GtS, i32Binary((a, b) => Number(a > b))],
  [Op.I32GtU, i32Binary((a, b) => Number(a >>> 0 > b >>> 0))],
  [Op.I32LeS, i32Binary((a, b) => Number(a <= b))],
  [Op.I32LeU, i32Binary((a, b) => Number(a >>> 0 <= b >>> 0))],
  [Op.I32GeS, i32Binary((a, b) => Number(a >= b))],
  [Op.I32GeU, i32Binary((a, b) => Number(a >>> 0 >= b >>> 0))],
  [Op.I32Clz, i32Unary(Math.clz32)],
  [Op.I32Ctz, i32Unary(numeric.i32Ctz)],
  [Op.I32Popcnt, i32Unary(numeric.i32Popcnt)],
  [Op.I32Add, i32Binary((a, b) => a + b)],
  [Op.I32Sub, i32Binary((a, b) => a - b)],
  [Op.I32Mul, i32Binary(Math.imul)],
  [Op.I32DivS, i32Binary(numeric.i32DivS)],
  [Op.I32DivU, i32Binary(numeric.i32DivU)],
  [Op.I32RemS, i32Binary(numeric.i32RemS)],
  [Op.I32RemU, i32Binary(numeric.i32RemU)],
  [Op.I32And, i32Binary((a, b) => a & b)],
  [Op.I32Or, i32Binary((a, b) => a | b)],
  [Op.I32Xor, i32Binary((a, b) => a ^ b)],
  [Op.I32Shl, i32Binary((a, b) => a << b)],
  [Op.I32ShrS, i32Binary((a, b) => a >> b)],
  [Op.I32ShrU, i32Binary((a, b) => a >>> b)],
  [Op.I32Rotl, i32Binary(numeric.i32Rotl)],
  [Op.I32Rotr, i32Binary(numeric.i32Rotr)],
  [Op.I32Extend8S, i32Unary(numeric.i32Extend8S)],
  [Op.I32Extend16S, i32Unary(numeric.i32Extend16S)],

  [Op.I64Eqz, i64Test(numeric.i64Eqz)],
  [Op.I64Eq, i64Test(numeric.i64Eq)],
  [Op.I64Ne, i64Test(numeric.i64Ne)],
  [Op.I64LtS, i64Test(numeric.i64LtS)],
  [Op.I64LtU, i64Test(numeric.i64LtU)],
  [Op.I64GtS, i64Test(numeric.i64GtS)],
  [Op.I64GtU, i64Test(numeric.i64GtU)],
  [Op.I64LeS, i64Test(numeric.i64LeS)],
  [Op.I64LeU, i64Test(numeric.i64LeU)],
  [Op.I64GeS, i64Test(numeric.i64GeS)],
  [Op.I64GeU, i64Test(numeric.i64GeU)],
  [Op.I64Clz, i64Test(numeric.i64Clz)],
  [Op.I64Ctz, i64Test(numeric.i64Ctz)],
  [Op.I64Popcnt, i64Test(numeric.i64Popcnt)],
  [Op.I64Add, i64Pairs(numeric.i64Add)],
  [Op.I64Sub, i64Pairs(numeric.i64Sub)],
  [Op.I64Mul, i64Pairs(numeric.i64Mul)],
  [Op.I64DivS, i64Pairs(numeric.i64DivS)],
  [Op.I64DivU, i64Pairs(numeric.i64DivU)],
  [Op.I64RemS, i64Pairs(numeric.i64RemS)],
  [Op.I64RemU, i64Pairs(numeric.i64RemU)],
  [Op.I64And, i64Pairs(numeric.i64And)],
  [Op.I64Or, i64Pairs(numeric.i64Or)],
  [Op.I64Xor, i64Pairs(numeric.i64Xor)],
  [Op.I64Shl, i64Pairs(numeric.i64Shl)],
  [Op.I64ShrS, i64Pairs(numeric.i64ShrS)],
  [Op.I64ShrU, i64Pairs(numeric.i64ShrU)],
  [Op.I64Rotl, i64Pairs(numeric.i64Rotl)],
  [Op.I64Rotr, i64Pairs(numeric.i64Rotr)],
  [Op.I64Extend8S, i64Pairs(numeric.i64Extend8S)],
  [Op.I64Extend16S, i64Pairs(numeric.i64Extend16S)],
  [Op.I64Extend32S, i64Pairs(numeric.i64ExtendI32S)],

  [Op.F32Eq, f32Test((a, b) => a === b)],
  [Op.F32Ne, f32Test((a, b) => a !== b)],
  [Op.F32Lt, f32Test((a, b) => a < b)],
  [Op.F32Gt, f32Test((a, b) => a > b)],
  [Op.F32Le, f32Test((a, b) => a <= b)],
  [Op.F32Ge, f32Test((a, b) => a >= b)],
  [Op.F64Eq, f64Test((a, b) => a === b)],
  [Op.F64Ne, f64Test((a, b) => a !== b)],
  [Op.F64Lt, f64Test((a, b) => a < b)],
  [Op.F64Gt, f64Test((a, b) => a > b)],
  [Op.F64Le, f64Test((a, b) => a <= b)],
  [Op.F64Ge, f64Test((a, b) => a >= b)],

  [Op.F32Abs, i32Unary(numeric.absWord)],
  [Op.F32Neg, i32Unary(numeric.negWord)],
  [Op.F32Copysign, i32Binary(numeric.copysignWord)],
  [Op.F32Ceil, f32Unary(Math.ceil)],
  [Op.F32Floor, f32Unary(Math.floor)],
  [Op.F32Trunc, f32Unary(Math.trunc)],
  [Op.F32Nearest, f32Unary(numeric.floatNearest)],
  [Op.F32Sqrt, f32Unary(Math.sqrt)],
  [Op.F32Add, f32Binary((a, b) => a + b)],
  [Op.F32Sub, f32Binary((a, b) => a - b)],
  [Op.F32Mul, f32Binary((a, b) => a * b)],
  [Op.F32Div, f32Binary((a, b) => a / b)],
  [Op.F32Min, f32Binary(Math.min)],
  [Op.F32Max, f32Binary(Math.max)],

  [Op.F64Abs, f64HighWord(numeric.absWord)],
  [Op.F64Neg, f64HighWord(numeric.negWord)],
  [Op.F64Copysign, f64HighWord(numeric.copysignWord)],
  [Op.F64Ceil, f64Unary(Math.ceil)],
  [Op.F64Floor, f64Unary(Math.floor)],
  [Op.F64Trunc, f64Unary(Math.trunc)],
  [Op.F64Nearest, f64Unary(numeric.floatNearest)],
  [Op.F64Sqrt, f64Unary(Math.sqrt)],
  [Op.F64Add, f64Binary((a, b) => a + b)],
  [Op.F64Sub, f64Binary((a, b) => a - b)],
  [Op.F64Mul, f64Binary((a, b) => a * b)],
  [Op.F64Div, f64Binary((a, b) => a / b)],
  [Op.F64Min, f64Binary(Math.min)],
  [Op.F64Max, f64Binary(Math.max)],

  [Op.I32WrapI64, i32Unary((low) => low)],
  [Op.I64ExtendI32S, i64Pairs(numeric.i64ExtendI32S)],
  [Op.I64ExtendI32U, i64Pairs(numeric.i64ExtendI32U)],
  [Op.I32TruncF32S, i32FromF32(numeric.i32TruncS)],
  [Op.I32TruncF32U, i32FromF32(numeric.i32TruncU)],
  [Op.I32TruncF64S, i32FromF64(numeric.i32TruncS)],
  [Op.I32TruncF64U, i32FromF64(numeric.i32TruncU)],
  [Op.I32TruncSatF32S, i32FromF32(numeric.i32TruncSatS)],
  [Op.I32TruncSatF32U, i32FromF32(numeric.i32TruncSatU)],
  [Op.I32TruncSatF64S, i32FromF64(numeric.i32TruncSatS)],
  [Op.I32TruncSatF64U, i32FromF64(numeric.i32TruncSatU)],
  [Op.I64TruncF32S, i64FromF32(numeric.i64TruncS)],
  [Op.I64TruncF32U, i64FromF32(numeric.i64TruncU)],
  [Op.I64TruncF64S, i64FromF64(numeric.i64TruncS)],
  [Op.I64TruncF64U, i64FromF64(numeric.i64TruncU)],
  [Op.I64TruncSatF32S, i64FromF32(numeric.i64TruncSatS)],
  [Op.I64TruncSatF32U, i64FromF32(numeric.i64TruncSatU)],
  [Op.I64TruncSatF64S, i64FromF64(numeric.i64TruncSatS)],
  [Op.I64TruncSatF64U, i64FromF64(numeric.i64TruncSatU)],
  [Op.F32ConvertI32S, ([a]) => f32Bits(numeric.f32ConvertI32S(lowWord(a)))],
  [Op.F32ConvertI32U, ([a]) => f32Bits(numeric.f32ConvertI32U(lowWord(a)))],
  [Op.F32ConvertI64S, ([a]) => f32Bits(numeric.f32ConvertI64S(lowWord(a), highWord(a)))],
  [Op.F32ConvertI64U, ([a]) => f32Bits(numeric.f32ConvertI64U(lowWord(a), highWord(a)))],
  [Op.F64ConvertI32S, ([a]) => f64Bits(lowWord(a))],
  [Op.F64ConvertI32U, ([a]) => f64Bits(numeric.f64ConvertI32U(lowWord(a)))],
  [Op.F64ConvertI64S, ([a]) => f64Bits(numeric.f64ConvertI64S(lowWord(a), highWord(a)))],
  [Op.F64ConvertI64U, ([a]) => f64Bits(numeric.f64ConvertI64U(lowWord(a), highWord(a)))],
  [Op.F32DemoteF64, ([a]) => f32Bits(Math.fround(f64Value(a)))],
  [Op.F64PromoteF32, ([a]) => f64Bits(f32Value(a))],
  [Op.I32ReinterpretF32, moved],
  [Op.I64ReinterpretF64, moved],
  [Op.F32ReinterpretI32, moved],
  [Op.F64ReinterpretI64, moved],
]);

/**
 * Bits of the result of `op` on the bits of its operands: unsigned, 32 or 64 of them as the type of each says.
 * Throws `Trap` as the instruction does.
 */
export function evaluate(op: Op, operands: readonly bigint[]): bigint {
  const evaluation = NUMERIC.get(op);
  if (evaluation === undefined) throw new InternalError(`instruction ${op} is not numeric`);
  return evaluation(operands);
}

function lowWord(bits: bigint | undefined): number {
  return Number(BigInt.asIntN(32, bits ?? 0n));
}

function highWord(bits: bigint | undefined): number {
  return Number(BigInt.asIntN(32, (bits ?? 0n) >> 32n));
}

function i32Bits(word: number): bigint {
  return BigInt(word >>> 0);
}

function i64Bits(low: number, high: number): bigint {
  return (i32Bits(high) << 32n) | i32Bits(low);
}

function f32Value(bits: bigint | undefined): number {
  scratch.setInt32(0, lowWord(bits));
  return scratch.getFloat32(0);
}

function f64Value(bits: bigint | undefined): number {
  scratch.setBigUint64(0, bits ?? 0n);
  return scratch.getFloat64(0);
}

function f32Bits(value: number): bigint {
  if (Number.isNaN(value)) return i32Bits(numeric.F32_CANONICAL_NAN_BITS);
  scratch.setFloat32(0, value);
  return i32Bits(scratch.getInt32(0));
}

function f64Bits(value: number): bigint {
  if (Number.isNaN(value)) return i64Bits(0, numeric.F64_CANONICAL_NAN_HIGH);
  scratch.setFloat64(0, value);
  return scratch.getBigUint64(0);
}

function moved([bits]: readonly bigint[]): bigint {
  return bits ?? 0n;
}

function i32Unary(meaning: (a: number) => number): Evaluation {
  return ([a]) => i32Bits(meaning(lowWord(a)));
}

function i32Binary(meaning: (a: number, b: number) => number): Evaluation {
  return ([a, b]) => i32Bits(meaning(lowWord(a), lowWord(b)));
}

/** The result is one number: i32 or a small i64. */
function i64Test(meaning: (aLow: number, aHigh: number, bLow: number, bHigh: number) => number): Evaluation {
  return ([a, b]) => i32Bits(meaning(lowWord(a), highWord(a), lowWord(b), highWord(b)));
}

function i64Pairs(meaning: (aLow: number, aHigh: number, bLow: number, bHigh: number) => number): Evaluation {
  return ([a, b]) => {
    const low = meaning(lowWord(a), highWord(a), lowWord(b), highWord(b));
    return i64Bits(low, numeric.i64High[0]!);
  };
}

function f32Test(meaning: (a: number, b: number) => boolean): Evaluation {
  return ([a, b]) => BigInt(meaning(f32Value(a), f32Value(b)));
}

function f64Test(meaning: (a: number, b: number) => boolean): Evaluation {
  return ([a, b]) => BigInt(meaning(f64Value(a), f64Value(b)));
}

function f32Unary(meaning: (a: number) => number): Evaluation {
  return ([a]) => f32Bits(meaning(f32Value(a)));
}

/** A double holds the sum, product, quotient of two f32 so closely that rounding it once more is right. */
function f32Binary(meaning: (a: number, b: number) => number): Evaluation {
  return ([a, b]) => f32Bits(Math.fround(meaning(f32Value(a), f32Value(b))));
}

function f64Unary(meaning: (a: number) => number): Evaluation {
  return ([a]) => f64Bits(meaning(f64Value(a)));
}

function f64Binary(meaning: (a: number, b: number) => number): Evaluation {
  return ([a, b]) => f64Bits(meaning(f64Value(a), f64Value(b)));
}

function f64HighWord(meaning: (a: number, b: number) => number): Evaluation {
  return ([a, b]) => i64Bits(lowWord(a), meaning(highWord(a), highWord(b)));
}

function i32FromF32(meaning: (value: number) => number): Evaluation {
  return ([a]) => i32Bits(meaning(f32Value(a)));
}

function i32FromF64(meaning: (value: number) => number): Evaluation {
  return ([a]) => i32Bits(meaning(f64Value(a)));
}

function i64FromF32(meaning: (value: number) => number): Evaluation {
  return ([a]) => {
    const low = meaning(f32Value(a));
    return i64Bits(low, numeric.i64High[0]!);
  };
}

function i64FromF64(meaning: (value: number) => number): Evaluation {
  return ([a]) => {
    const low = meaning(f64Value(a));
    return i64Bits(low, numeric.i64High[0]!);
  };
}
