/** What lowering reads, whom it tells about positions, and the measures that its parts share. */

import type { Module } from "../module.ts";
import { Num, type ValType } from "../types.ts";
import type { Layouts } from "../layouts.ts";
import type { Operands } from "./operands.ts";
import { Category } from "./tables.ts";

/** What lowering reads of a compiled module. */
export interface LoweringSource {
  readonly data: Module;
  /** Engine-wide id of each type index. */
  readonly typeIds: Int32Array;
  /** Maximal operand height of each body, in slots. */
  readonly maxHeights: Int32Array;
  /** Fuel of each instruction by its number. */
  readonly prices: Int32Array;
  /** Where the parts of heap objects lie. */
  readonly layouts: Layouts;
}

/** Where a function stands while somebody collects. */
export const enum RootKind {
  /** In a call that ends at the position: its arguments are its callee's. */
  During,
  /** At a safe point. */
  At,
  /** In the middle of the operation at the position. */
  Inside,
}

/** Where each piece of code comes from: filled by a second lowering when a position is asked for. */
export interface PositionSink {
  /** Code position relative to the function's start, byte offset in the module, P after the instruction. */
  add(codePosition: number, byteOffset: number, fuelAfter: number): void;
  /** Code is taken back to this position. */
  rewind(codePosition: number): void;
  /** A safe point; the same in fused and exact code, in the same order. `fuel` is P, except inside an operation. */
  safePoint(codePosition: number, byteOffset: number, fuel: number): void;
  /** Word offset of a local that holds references which the collector follows. */
  local?(offset: number): void;
  /** What the operands are at a place where somebody may collect. */
  roots?(kind: RootKind, codePosition: number, operands: Operands): void;
}

/** Values that a branch, return or call moves for its fixed price; each further sixteen cost one more. */
const FREE_VALUES = 16;

/** Words of one global in the store: a vector fits. */
export const GLOBAL_WORDS = 4;

/** Of a number or vector. References of a module's types: `Emitter.categoryOf`. */
export function categoryOf(type: ValType): Category {
  switch (type) {
    case Num.I64:
      return Category.I64;
    case Num.F64:
      return Category.F64;
    case Num.V128:
      return Category.V128;
    default:
      return Category.I32;
  }
}

export function slotsOf(types: readonly ValType[]): number {
  let slots = 0;
  for (const type of types) slots += type === Num.V128 ? 2 : 1;
  return slots;
}

/** Fuel of moving so many values beyond the fixed price. */
export function valuesPrice(count: number): number {
  return count > FREE_VALUES ? Math.ceil((count - FREE_VALUES) / 16) : 0;
}
