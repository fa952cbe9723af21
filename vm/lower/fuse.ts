/**
 * Which pairs of operations become one. The first of a pair is always the last operation emitted,
 * its result is read by the second alone, and it cannot trap: so a trap's place is that of the
 * second. Fewer operations are the one lever on an interpreter's speed, since the price of each is
 * its dispatch.
 */

import { Reg } from "./code.ts";

/** By the second operation: the first one and what both together are. */
type Pairs = ReadonlyMap<Reg, ReadonlyMap<Reg, Reg>>;

function pairs(entries: readonly (readonly [second: Reg, first: Reg, fused: Reg])[]): Pairs {
  const map = new Map<Reg, Map<Reg, Reg>>();
  for (const [second, first, fused] of entries) {
    const firsts = map.get(second) ?? new Map<Reg, Reg>();
    firsts.set(first, fused);
    map.set(second, firsts);
  }
  return map;
}

/** The first computes either operand. */
const COMMUTING: Parameters<typeof pairs>[0] = [
  [Reg.I32Add, Reg.I32ShlK, Reg.I32AddShl],
  [Reg.I32Add, Reg.I32Add, Reg.I32Add3],
  [Reg.I32Xor, Reg.I32ShlK, Reg.I32XorShl],
  [Reg.I32Xor, Reg.I32ShrUK, Reg.I32XorShrU],
  [Reg.I32Xor, Reg.I32RotlK, Reg.I32XorRotl],
  [Reg.I32Or, Reg.I32ShlK, Reg.I32OrShl],
  [Reg.I64Xor, Reg.I64ShrUK, Reg.I64XorShrU],
  [Reg.I64Add, Reg.I64MulK, Reg.I64AddMulK],
  [Reg.F64Add, Reg.F64Mul, Reg.F64MulAdd],
  [Reg.F64Add, Reg.F64Add, Reg.F64Add3],
  [Reg.F64Mul, Reg.F64Mul, Reg.F64Mul3],
  [Reg.F32Add, Reg.F32Mul, Reg.F32MulAdd],
  [Reg.F32Add, Reg.F32Add, Reg.F32Add3],
];

/** The first computes the right operand: `d left`, then what the first reads. */
export const RIGHT = pairs([
  ...COMMUTING,
  [Reg.F64Sub, Reg.F64Mul, Reg.F64SubMul],
  [Reg.F32Sub, Reg.F32Mul, Reg.F32SubMul],
]);

/** The first computes the left operand: `d right`, then what the first reads. */
export const LEFT = pairs([
  ...COMMUTING,
  [Reg.F64Sub, Reg.F64Mul, Reg.F64MulSub],
  [Reg.F32Sub, Reg.F32Mul, Reg.F32MulSub],
]);

/** The second has a constant: `d firstA firstB`, then the constant, of two words for i64. */
export const CONSTANT = pairs([
  [Reg.I32AddK, Reg.I32Add, Reg.I32AddAddK],
  [Reg.I32AddK, Reg.I32ShlK, Reg.I32ShlAddK],
  [Reg.I32AddK, Reg.I32MulK, Reg.I32MulAddK],
  [Reg.I32AndK, Reg.I32ShrUK, Reg.I32ShrUAndK],
  [Reg.I64MulK, Reg.I64RotlK, Reg.I64RotlMulK],
]);

/** The first computes the address: loads `d firstA firstB offset`, stores `firstA value firstB offset`. */
export const ADDRESS = pairs([
  [Reg.I32Load, Reg.I32AddK, Reg.I32LoadAddK],
  [Reg.I32Load8U, Reg.I32AddK, Reg.I32Load8UAddK],
  [Reg.I32Load16U, Reg.I32AddK, Reg.I32Load16UAddK],
  [Reg.I64Load, Reg.I32AddK, Reg.I64LoadAddK],
  [Reg.F64Load, Reg.I32AddK, Reg.F64LoadAddK],
  [Reg.I32Load, Reg.I32Add, Reg.I32LoadAdd],
  [Reg.I32Load8U, Reg.I32Add, Reg.I32Load8UAdd],
  [Reg.F64Load, Reg.I32Add, Reg.F64LoadAdd],
  [Reg.I32Load, Reg.I32AddShl, Reg.I32LoadAddShl],
  [Reg.I32Store, Reg.I32AddK, Reg.I32StoreAddK],
  [Reg.I32Store8, Reg.I32AddK, Reg.I32Store8AddK],
  [Reg.F64Store, Reg.I32AddK, Reg.F64StoreAddK],
]);

/** Accesses at a constant address, and stores of a constant. */
export const AT: ReadonlyMap<Reg, Reg> = new Map([
  [Reg.I32Load, Reg.I32LoadAt],
  [Reg.I64Load, Reg.I64LoadAt],
  [Reg.F64Load, Reg.F64LoadAt],
  [Reg.I32Store, Reg.I32StoreAt],
  [Reg.I64Store, Reg.I64StoreAt],
]);

export const STORE_CONSTANT: ReadonlyMap<Reg, Reg> = new Map([
  [Reg.I32Store, Reg.I32StoreK],
  [Reg.I32Store8, Reg.I32Store8K],
]);

/** Branches on a local that has just been counted up or down. */
export const COUNTED: ReadonlyMap<Reg, Reg> = new Map([
  [Reg.BrIf, Reg.I32AddKBrIf],
  [Reg.BrI32Ne, Reg.I32AddKBrNe],
  [Reg.BrI32LtS, Reg.I32AddKBrLtS],
  [Reg.BrI32LtU, Reg.I32AddKBrLtU],
  [Reg.BrI32NeK, Reg.I32AddKBrNeK],
  [Reg.BrI32LtSK, Reg.I32AddKBrLtSK],
  [Reg.BrI32LtUK, Reg.I32AddKBrLtUK],
]);
