/**
 * How instructions of the table map to register operations, where one operation does. Everything
 * that is not listed and has a fixed type becomes {@link Reg.Numeric1} or {@link Reg.Numeric2}.
 */

import { Reg } from "./code.ts";
import { Op } from "../opcodes.ts";
import { Vec } from "./vector-code.ts";

/** What of a value the register code has to know to move it. References and f32 are words. */
export const enum Category {
  I32,
  I64,
  F64,
  V128,
  /** A word that the collector follows: references of all hierarchies but that of functions. */
  Ref,
}

/** Two operands in slots. 0: none. */
export const BINARY = new Int16Array(0x600);
/** The right operand a constant. 0: none. */
export const BINARY_CONSTANT = new Int16Array(0x600);
/** The instruction that means the same with its operands exchanged. 0: none. */
export const EXCHANGED = new Int16Array(0x600);
/** The binary operation takes its operands exchanged. */
export const IS_REVERSED = new Uint8Array(0x600);
export const UNARY = new Int16Array(0x600);
/** Loads and stores of the first memory with 32-bit addresses. */
export const MEMORY_ACCESS = new Int16Array(0x600);

function binary(op: Op, reg: Reg, constantReg: Reg | 0 = 0, exchanged: Op | 0 = 0, reversed = false): void {
  BINARY[op] = reg;
  BINARY_CONSTANT[op] = constantReg;
  EXCHANGED[op] = exchanged;
  IS_REVERSED[op] = reversed ? 1 : 0;
}

binary(Op.I32Add, Reg.I32Add, Reg.I32AddK, Op.I32Add);
binary(Op.I32Sub, Reg.I32Sub, Reg.I32AddK);
binary(Op.I32Mul, Reg.I32Mul, Reg.I32MulK, Op.I32Mul);
binary(Op.I32And, Reg.I32And, Reg.I32AndK, Op.I32And);
binary(Op.I32Or, Reg.I32Or, Reg.I32OrK, Op.I32Or);
binary(Op.I32Xor, Reg.I32Xor, Reg.I32XorK, Op.I32Xor);
binary(Op.I32Shl, Reg.I32Shl, Reg.I32ShlK);
binary(Op.I32ShrS, Reg.I32ShrS, Reg.I32ShrSK);
binary(Op.I32ShrU, Reg.I32ShrU, Reg.I32ShrUK);
binary(Op.I32Rotl, Reg.I32Rotl, Reg.I32RotlK);
binary(Op.I32Rotr, Reg.I32Rotr, Reg.I32RotlK);
binary(Op.I32DivS, Reg.I32DivS);
binary(Op.I32DivU, Reg.I32DivU);
binary(Op.I32RemS, Reg.I32RemS);
binary(Op.I32RemU, Reg.I32RemU);

binary(Op.I32Eq, Reg.I32Eq, Reg.I32EqK, Op.I32Eq);
binary(Op.I32Ne, Reg.I32Ne, Reg.I32NeK, Op.I32Ne);
binary(Op.I32LtS, Reg.I32LtS, Reg.I32LtSK, Op.I32GtS);
binary(Op.I32LtU, Reg.I32LtU, Reg.I32LtUK, Op.I32GtU);
binary(Op.I32GtS, Reg.I32LtS, Reg.I32GtSK, Op.I32LtS, true);
binary(Op.I32GtU, Reg.I32LtU, Reg.I32GtUK, Op.I32LtU, true);
binary(Op.I32LeS, Reg.I32LeS, Reg.I32LeSK, Op.I32GeS);
binary(Op.I32LeU, Reg.I32LeU, Reg.I32LeUK, Op.I32GeU);
binary(Op.I32GeS, Reg.I32LeS, Reg.I32GeSK, Op.I32LeS, true);
binary(Op.I32GeU, Reg.I32LeU, Reg.I32GeUK, Op.I32LeU, true);

binary(Op.I64Eq, Reg.I64Eq, 0, Op.I64Eq);
binary(Op.I64Ne, Reg.I64Ne, 0, Op.I64Ne);
binary(Op.I64LtS, Reg.I64LtS, 0, Op.I64GtS);
binary(Op.I64LtU, Reg.I64LtU, 0, Op.I64GtU);
binary(Op.I64GtS, Reg.I64LtS, 0, Op.I64LtS, true);
binary(Op.I64GtU, Reg.I64LtU, 0, Op.I64LtU, true);
binary(Op.I64LeS, Reg.I64LeS, 0, Op.I64GeS);
binary(Op.I64LeU, Reg.I64LeU, 0, Op.I64GeU);
binary(Op.I64GeS, Reg.I64LeS, 0, Op.I64LeS, true);
binary(Op.I64GeU, Reg.I64LeU, 0, Op.I64LeU, true);

binary(Op.F64Eq, Reg.F64Eq);
binary(Op.F64Ne, Reg.F64Ne);
binary(Op.F64Lt, Reg.F64Lt);
binary(Op.F64Gt, Reg.F64Lt, 0, 0, true);
binary(Op.F64Le, Reg.F64Le);
binary(Op.F64Ge, Reg.F64Le, 0, 0, true);
binary(Op.F32Eq, Reg.F32Eq);
binary(Op.F32Ne, Reg.F32Ne);
binary(Op.F32Lt, Reg.F32Lt);
binary(Op.F32Gt, Reg.F32Lt, 0, 0, true);
binary(Op.F32Le, Reg.F32Le);
binary(Op.F32Ge, Reg.F32Le, 0, 0, true);

binary(Op.I64Add, Reg.I64Add, Reg.I64AddK, Op.I64Add);
binary(Op.I64Sub, Reg.I64Sub, Reg.I64AddK);
binary(Op.I64Mul, Reg.I64Mul, Reg.I64MulK, Op.I64Mul);
binary(Op.I64And, Reg.I64And, Reg.I64AndK, Op.I64And);
binary(Op.I64Or, Reg.I64Or, Reg.I64OrK, Op.I64Or);
binary(Op.I64Xor, Reg.I64Xor, Reg.I64XorK, Op.I64Xor);
binary(Op.I64Shl, Reg.I64Shl, Reg.I64ShlK);
binary(Op.I64ShrS, Reg.I64ShrS, Reg.I64ShrSK);
binary(Op.I64ShrU, Reg.I64ShrU, Reg.I64ShrUK);
binary(Op.I64Rotl, Reg.I64Rotl, Reg.I64RotlK);
BINARY_CONSTANT[Op.I64Rotr] = Reg.I64RotlK;

binary(Op.F64Add, Reg.F64Add, Reg.F64AddK, Op.F64Add);
binary(Op.F64Sub, Reg.F64Sub);
binary(Op.F64Mul, Reg.F64Mul, Reg.F64MulK, Op.F64Mul);
binary(Op.F64Div, Reg.F64Div);
binary(Op.F32Add, Reg.F32Add);
binary(Op.F32Sub, Reg.F32Sub);
binary(Op.F32Mul, Reg.F32Mul);
binary(Op.F32Div, Reg.F32Div);

UNARY[Op.I32Clz] = Reg.I32Clz;
UNARY[Op.I32Ctz] = Reg.I32Ctz;
UNARY[Op.I32Popcnt] = Vec.I32Popcnt;
UNARY[Op.I32Extend8S] = Reg.I32Extend8S;
UNARY[Op.I32Extend16S] = Reg.I32Extend16S;
UNARY[Op.I64Eqz] = Reg.I64Eqz;
UNARY[Op.I64ExtendI32S] = Reg.I64ExtendS;
UNARY[Op.I64ExtendI32U] = Reg.I64ExtendU;
/** The low word of the slot is all that it reads. */
UNARY[Op.I64Extend32S] = Reg.I64ExtendS;
UNARY[Op.F64Sqrt] = Reg.F64Sqrt;
UNARY[Op.F64Neg] = Reg.F64Neg;
UNARY[Op.F64Abs] = Reg.F64Abs;
UNARY[Op.F64ConvertI32S] = Reg.F64ConvertI32S;
UNARY[Op.F64ConvertI32U] = Reg.F64ConvertI32U;
UNARY[Op.F64PromoteF32] = Reg.F64PromoteF32;
UNARY[Op.I32TruncF64S] = Reg.I32TruncF64S;
UNARY[Op.F32Sqrt] = Reg.F32Sqrt;
UNARY[Op.F32Neg] = Reg.F32Neg;
UNARY[Op.F32Abs] = Reg.F32Abs;
UNARY[Op.F32ConvertI32S] = Reg.F32ConvertI32S;
UNARY[Op.F32DemoteF64] = Reg.F32DemoteF64;

MEMORY_ACCESS[Op.I32Load] = Reg.I32Load;
MEMORY_ACCESS[Op.F32Load] = Reg.I32Load;
MEMORY_ACCESS[Op.I32Load8S] = Reg.I32Load8S;
MEMORY_ACCESS[Op.I32Load8U] = Reg.I32Load8U;
MEMORY_ACCESS[Op.I32Load16S] = Reg.I32Load16S;
MEMORY_ACCESS[Op.I32Load16U] = Reg.I32Load16U;
MEMORY_ACCESS[Op.I64Load] = Reg.I64Load;
MEMORY_ACCESS[Op.I64Load8U] = Reg.I64Load8U;
MEMORY_ACCESS[Op.I64Load16U] = Reg.I64Load16U;
MEMORY_ACCESS[Op.I64Load32S] = Reg.I64Load32S;
MEMORY_ACCESS[Op.I64Load32U] = Reg.I64Load32U;
MEMORY_ACCESS[Op.F64Load] = Reg.F64Load;
MEMORY_ACCESS[Op.I32Store] = Reg.I32Store;
MEMORY_ACCESS[Op.F32Store] = Reg.I32Store;
MEMORY_ACCESS[Op.I32Store8] = Reg.I32Store8;
MEMORY_ACCESS[Op.I32Store16] = Reg.I32Store16;
MEMORY_ACCESS[Op.I64Store] = Reg.I64Store;
// A narrow store reads the low word of the slot, whichever type it has.
MEMORY_ACCESS[Op.I64Store8] = Reg.I32Store8;
MEMORY_ACCESS[Op.I64Store16] = Reg.I32Store16;
MEMORY_ACCESS[Op.I64Store32] = Reg.I32Store;
MEMORY_ACCESS[Op.F64Store] = Reg.F64Store;

/** Both signednesses and both directions are there, so every comparison has an opposite, except of floats. */
const OPPOSITES: readonly (readonly [Reg, Reg])[] = [
  [Reg.I32EqK, Reg.I32NeK],
  [Reg.I32LtSK, Reg.I32GeSK],
  [Reg.I32LtUK, Reg.I32GeUK],
  [Reg.I32GtSK, Reg.I32LeSK],
  [Reg.I32GtUK, Reg.I32LeUK],
  [Reg.I32Eq, Reg.I32Ne],
  [Reg.I64Eq, Reg.I64Ne],
  [Reg.I64Eqz, Reg.I64Nez],
  [Reg.F64Eq, Reg.F64Ne],
];
/** a < b is the opposite of b <= a. */
const OPPOSITES_EXCHANGED: readonly (readonly [Reg, Reg])[] = [
  [Reg.I32LtS, Reg.I32LeS],
  [Reg.I32LtU, Reg.I32LeU],
  [Reg.I64LtS, Reg.I64LeS],
  [Reg.I64LtU, Reg.I64LeU],
];

const COMPARISONS_END = Reg.F64Le;
const TO_BRANCH = Reg.BrI32Eq - Reg.I32Eq;

/** The opposite of a comparison, or of the branch on it; 0 if there is none. */
export const OPPOSITE = new Int16Array(Vec.End);
/** The opposite takes its operands exchanged. */
export const OPPOSITE_IS_EXCHANGED = new Uint8Array(Vec.End);
/** The branch on a comparison; 0 for other operations. */
export const BRANCH_ON = new Int16Array(Vec.End);

for (let comparison: number = Reg.I32Eq; comparison <= COMPARISONS_END; comparison++) {
  BRANCH_ON[comparison] = comparison + TO_BRANCH;
}
function opposite(a: Reg, b: Reg, exchanged: number): void {
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    for (const offset of [0, TO_BRANCH]) {
      OPPOSITE[from + offset] = to + offset;
      OPPOSITE_IS_EXCHANGED[from + offset] = exchanged;
    }
  }
}
for (const [a, b] of OPPOSITES) opposite(a, b, 0);
for (const [a, b] of OPPOSITES_EXCHANGED) opposite(a, b, 1);
OPPOSITE[Reg.BrF64Lt] = Reg.BrF64NotLt;
OPPOSITE[Reg.BrF64Le] = Reg.BrF64NotLe;
OPPOSITE[Reg.BrOnCast] = Reg.BrOnCastFail;
OPPOSITE[Reg.BrOnCastFail] = Reg.BrOnCast;
OPPOSITE[Reg.BrIf] = Reg.BrIfNot;
OPPOSITE[Reg.BrIfNot] = Reg.BrIf;
