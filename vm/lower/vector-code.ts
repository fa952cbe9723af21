/**
 * The register operations on vectors, which simd.ts executes. Most are vector instructions under
 * their own numbers; here are the operations that are none, and which instructions another one
 * executes. Layouts: `d`, then the operands, then lane or constants; lane and memory operations as
 * vectors.ts writes them.
 */

import { Op } from "../opcodes.ts";

/** No operation of {@link Reg} reaches {@link Vec.First}. */
export const enum Vec {
  First = 0x400,
  Move = 0x514, // d a
  Select, // d a b c
  Shuffle32, // d, and the word offset of each word
  Shuffle16, // d, and the offset of each half word, in half words
  Shuffle8, // d, and the offset of each byte, in bytes
  I8x16ShlK, // d a k
  I8x16ShrSK,
  I8x16ShrUK,
  I16x8ShlK,
  I16x8ShrSK,
  I16x8ShrUK,
  I32x4ShlK,
  I32x4ShrSK,
  I32x4ShrUK,
  I64x2ShlK,
  I64x2ShrSK,
  I64x2ShrUK,
  // d a k: the right operand is a vector of equal words, of f32 an index of the constant pool
  AndK,
  OrK,
  XorK,
  I8x16EqK,
  I8x16LtSK,
  I8x16LtUK,
  I8x16GtSK,
  I8x16GtUK,
  I8x16AddK,
  I32x4AddK,
  F32x4AddK,
  F32x4MulK,
  F32x4LtK,
  F32x4LeK,
  F32x4GtK,
  F32x4GeK,
  // Two or three instructions in one operation.
  I32x4RotlK, // d a k
  F32x4AddAdd, // d a b c: a + (b + c)
  F32x4AddSub,
  F32x4AddMul,
  F32x4SubMul,
  F32x4MulSub, // d a b c: b * c - a
  I32Popcnt, // d a
  End,
}

/** Shifts whose count is a constant: by the instruction, the operation with the count in it. */
export const SHIFT_CONSTANT: ReadonlyMap<Op, Vec> = new Map([
  [Op.I8x16Shl, Vec.I8x16ShlK],
  [Op.I8x16ShrS, Vec.I8x16ShrSK],
  [Op.I8x16ShrU, Vec.I8x16ShrUK],
  [Op.I16x8Shl, Vec.I16x8ShlK],
  [Op.I16x8ShrS, Vec.I16x8ShrSK],
  [Op.I16x8ShrU, Vec.I16x8ShrUK],
  [Op.I32x4Shl, Vec.I32x4ShlK],
  [Op.I32x4ShrS, Vec.I32x4ShrSK],
  [Op.I32x4ShrU, Vec.I32x4ShrUK],
  [Op.I64x2Shl, Vec.I64x2ShlK],
  [Op.I64x2ShrS, Vec.I64x2ShrSK],
  [Op.I64x2ShrU, Vec.I64x2ShrUK],
]);

/** Instructions whose right operand is a constant of equal words, and whether their operands may change places. */
export const REPEATED_CONSTANT: ReadonlyMap<Op, { readonly op: Vec; readonly commutes: boolean }> = new Map(
  (
    [
      [Op.V128And, Vec.AndK, true],
      [Op.V128Or, Vec.OrK, true],
      [Op.V128Xor, Vec.XorK, true],
      [Op.I8x16Eq, Vec.I8x16EqK, true],
      [Op.I8x16LtS, Vec.I8x16LtSK, false],
      [Op.I8x16LtU, Vec.I8x16LtUK, false],
      [Op.I8x16GtS, Vec.I8x16GtSK, false],
      [Op.I8x16GtU, Vec.I8x16GtUK, false],
      [Op.I8x16Add, Vec.I8x16AddK, true],
      [Op.I32x4Add, Vec.I32x4AddK, true],
      [Op.F32x4Add, Vec.F32x4AddK, true],
      [Op.F32x4Mul, Vec.F32x4MulK, true],
      [Op.F32x4Lt, Vec.F32x4LtK, false],
      [Op.F32x4Le, Vec.F32x4LeK, false],
      [Op.F32x4Gt, Vec.F32x4GtK, false],
      [Op.F32x4Ge, Vec.F32x4GeK, false],
    ] as const
  ).map(([instruction, op, commutes]) => [instruction, { op, commutes }]),
);

/** What a pair is if the first instruction computes the right or the left operand of the second. */
export interface VectorPair {
  readonly right: Vec;
  readonly left: Vec;
}

/** Pairs of instructions that are one operation: by the second one, then by the first. */
export const VECTOR_PAIRS: ReadonlyMap<Op, ReadonlyMap<number, VectorPair>> = new Map([
  [
    Op.F32x4Add,
    new Map<number, VectorPair>([
      [Op.F32x4Add, { right: Vec.F32x4AddAdd, left: Vec.F32x4AddAdd }],
      [Op.F32x4Sub, { right: Vec.F32x4AddSub, left: Vec.F32x4AddSub }],
      [Op.F32x4Mul, { right: Vec.F32x4AddMul, left: Vec.F32x4AddMul }],
    ]),
  ],
  [Op.F32x4Sub, new Map<number, VectorPair>([[Op.F32x4Mul, { right: Vec.F32x4SubMul, left: Vec.F32x4MulSub }]])],
]);

/**
 * What else executes an instruction. Relaxed instructions are those that the deterministic profile
 * makes of them (spec: profile-deterministic); lanes that are only moved have no type.
 */
export const SAME_AS: ReadonlyMap<Op, Op> = new Map([
  [Op.I8x16RelaxedSwizzle, Op.I8x16Swizzle],
  [Op.I32x4RelaxedTruncF32x4S, Op.I32x4TruncSatF32x4S],
  [Op.I32x4RelaxedTruncF32x4U, Op.I32x4TruncSatF32x4U],
  [Op.I32x4RelaxedTruncF64x2SZero, Op.I32x4TruncSatF64x2SZero],
  [Op.I32x4RelaxedTruncF64x2UZero, Op.I32x4TruncSatF64x2UZero],
  [Op.I8x16RelaxedLaneselect, Op.V128Bitselect],
  [Op.I16x8RelaxedLaneselect, Op.V128Bitselect],
  [Op.I32x4RelaxedLaneselect, Op.V128Bitselect],
  [Op.I64x2RelaxedLaneselect, Op.V128Bitselect],
  [Op.F32x4RelaxedMin, Op.F32x4Min],
  [Op.F32x4RelaxedMax, Op.F32x4Max],
  [Op.F64x2RelaxedMin, Op.F64x2Min],
  [Op.F64x2RelaxedMax, Op.F64x2Max],
  [Op.I16x8RelaxedQ15mulrS, Op.I16x8Q15mulrSatS],
  [Op.F32x4Splat, Op.I32x4Splat],
  [Op.F64x2Splat, Op.I64x2Splat],
  [Op.F32x4ReplaceLane, Op.I32x4ReplaceLane],
  [Op.F64x2ReplaceLane, Op.I64x2ReplaceLane],
]);

/** Comparisons that are another one with its operands exchanged. */
export const EXCHANGED_VECTOR: ReadonlyMap<Op, Op> = new Map([
  [Op.I8x16GtS, Op.I8x16LtS],
  [Op.I8x16GtU, Op.I8x16LtU],
  [Op.I8x16GeS, Op.I8x16LeS],
  [Op.I8x16GeU, Op.I8x16LeU],
  [Op.I16x8GtS, Op.I16x8LtS],
  [Op.I16x8GtU, Op.I16x8LtU],
  [Op.I16x8GeS, Op.I16x8LeS],
  [Op.I16x8GeU, Op.I16x8LeU],
  [Op.I32x4GtS, Op.I32x4LtS],
  [Op.I32x4GtU, Op.I32x4LtU],
  [Op.I32x4GeS, Op.I32x4LeS],
  [Op.I32x4GeU, Op.I32x4LeU],
  [Op.I64x2GtS, Op.I64x2LtS],
  [Op.I64x2GeS, Op.I64x2LeS],
  [Op.F32x4Gt, Op.F32x4Lt],
  [Op.F32x4Ge, Op.F32x4Le],
  [Op.F64x2Gt, Op.F64x2Lt],
  [Op.F64x2Ge, Op.F64x2Le],
]);
