/**
 * What the words behind each operation of the hot loop mean, as data: for the training of the loop
 * and for tests that walk lowered code.
 *
 * `d` destination · `a b c` sources · `m` a source that is an address or part of one · `k` a
 * constant · `o` an offset · `@` a constant address · `x` an index of the constant pool · `g` an
 * own global · `t` target, delta, limit of a branch · `_` unused · `P` fuel by position · `l` the
 * link's offset · `f` a function index · `r` a source that is a function reference · `h` one that is an object ·
 * `i` one that is an index of an array · `w` a word of an object · `y` a canonical type · `s` the offset of arguments.
 * br_table has `n` targets besides its default; they follow.
 */

import { Reg } from "./code.ts";

/** Layout, first and last operation that have it. */
const RANGES: readonly (readonly [layout: string, first: Reg, last: Reg])[] = [
  ["", Reg.Halt, Reg.Halt],
  ["P", Reg.Check, Reg.Check],
  ["P P", Reg.CheckExact, Reg.CheckExact],
  ["d a", Reg.Move32, Reg.MoveF64],
  ["d k", Reg.Const32, Reg.Const32],
  ["d k k", Reg.Const64, Reg.Const64],
  ["d x", Reg.ConstF64, Reg.ConstF64],
  ["d a b", Reg.I32Add, Reg.I32RemU],
  ["d a k", Reg.I32AddK, Reg.I32RotlK],
  ["d a", Reg.I32Clz, Reg.I32Extend16S],
  ["d a b", Reg.I32Eq, Reg.I32LeU],
  ["d a k", Reg.I32EqK, Reg.I32GeUK],
  ["d a b", Reg.I64Eq, Reg.I64LeU],
  ["d a", Reg.I64Eqz, Reg.I64Nez],
  ["d a b", Reg.F64Eq, Reg.F32Le],
  ["d a b c", Reg.Select32, Reg.SelectF64],
  ["d a b", Reg.I64Add, Reg.I64Rotl],
  ["d a k k", Reg.I64AddK, Reg.I64MulK],
  ["d a k", Reg.I64ShlK, Reg.I64RotlK],
  ["d a", Reg.I64ExtendS, Reg.I64ExtendU],
  ["d a b", Reg.F64Add, Reg.F64Div],
  ["d a", Reg.F64Sqrt, Reg.I32TruncF64S],
  ["d a b", Reg.F32Add, Reg.F32Div],
  ["d a", Reg.F32Sqrt, Reg.F32DemoteF64],
  ["d m o", Reg.I32Load, Reg.F64Load],
  ["m b o", Reg.I32Store, Reg.F64Store],
  ["d g", Reg.Global32Get, Reg.Global32Get],
  ["a g", Reg.Global32Set, Reg.Global32Set],
  ["d g", Reg.Global64Get, Reg.Global64Get],
  ["a g", Reg.Global64Set, Reg.Global64Set],
  // The words of an object are like an address and its offset; an index is between 0 and the length, or not.
  ["d h w", Reg.StructGet32, Reg.StructGet64],
  ["h b w", Reg.StructSet32, Reg.StructSet64],
  ["d h i", Reg.ArrayGet8U, Reg.ArrayGet64],
  ["h i b", Reg.ArraySet32, Reg.ArraySet64],
  ["d h", Reg.ArrayLen, Reg.ArrayLen],
  ["_ _ t", Reg.Br, Reg.Br],
  ["a _ t", Reg.BrIf, Reg.BrIfNot],
  ["a b t", Reg.BrI32Eq, Reg.BrI32LeU],
  ["a k t", Reg.BrI32EqK, Reg.BrI32GeUK],
  ["a b t", Reg.BrI64Eq, Reg.BrI64LeU],
  ["a _ t", Reg.BrI64Eqz, Reg.BrI64Nez],
  ["a b t", Reg.BrF64Eq, Reg.BrF64NotLe],
  ["a n t", Reg.BrTable, Reg.BrTable],
  ["f s P", Reg.Call, Reg.Call],
  ["m y s P", Reg.CallIndirect, Reg.CallIndirect],
  ["r s P", Reg.CallRef, Reg.CallRef],
  ["f s P", Reg.CallImport, Reg.CallImport],
  ["l P", Reg.Return, Reg.Return],
  ["l P a", Reg.Return32, Reg.ReturnF64],
  ["", Reg.Unreachable, Reg.Unreachable],
  ["d a d a", Reg.Move32Pair, Reg.Move32Pair],
  // a + (b << k)
  ["d a b k", Reg.I32AddShl, Reg.I32AddShl],
  ["d a b c", Reg.I32Add3, Reg.I32Add3],
  ["d a b k", Reg.I32AddAddK, Reg.I32AddAddK],
  ["d a k k", Reg.I32ShlAddK, Reg.I32ShrUAndK],
  // a ^ (b << k), and the like
  ["d a b k", Reg.I32XorShl, Reg.I64XorShrU],
  // a + b * k, rotl(a, k) * k
  ["d a b k k", Reg.I64AddMulK, Reg.I64AddMulK],
  ["d a k k k", Reg.I64RotlMulK, Reg.I64RotlMulK],
  // a + b * c, b * c - a, a - b * c, a * (b * c), a + (b + c)
  ["d a b c", Reg.F64MulAdd, Reg.F64Add3],
  ["d a x", Reg.F64AddK, Reg.F64MulK],
  ["d a b c", Reg.F32MulAdd, Reg.F32Add3],
  // Addresses a + k, a + b, a + (b << k)
  ["d m k o", Reg.I32LoadAddK, Reg.F64LoadAddK],
  ["d m m o", Reg.I32LoadAdd, Reg.F64LoadAdd],
  ["d m m k o", Reg.I32LoadAddShl, Reg.I32LoadAddShl],
  ["d @", Reg.I32LoadAt, Reg.F64LoadAt],
  ["m b k o", Reg.I32StoreAddK, Reg.F64StoreAddK],
  // The value is k.
  ["m k o", Reg.I32StoreK, Reg.I32Store8K],
  ["@ b", Reg.I32StoreAt, Reg.I64StoreAt],
  // a += k, then a branch on a, compared with b or a constant.
  ["a k t b", Reg.I32AddKBrIf, Reg.I32AddKBrLtU],
  ["a k t k", Reg.I32AddKBrNeK, Reg.I32AddKBrLtUK],
];

/** The layout of each operation below {@link Reg.Slow}. */
export const LAYOUTS: readonly (readonly string[])[] = (() => {
  const layouts: (readonly string[])[] = [];
  for (const [layout, first, last] of RANGES) {
    const words = layout === "" ? [] : layout.split(" ");
    for (let reg: number = first; reg <= last; reg++) layouts[reg] = words;
  }
  return layouts;
})();

/** Words of the operation at a position of code, without the further targets of br_table. */
export function layoutWords(reg: number): number {
  const layout = LAYOUTS[reg];
  if (layout === undefined) return 0;
  return 1 + layout.reduce((words, part) => words + (part === "t" ? 3 : 1), 0);
}
