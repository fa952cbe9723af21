/**
 * The instruction table as the validator's general case reads it: in one typed array per column,
 * made once from the rows. Instructions whose type depends on context are not general.
 */

import type { Instruction } from "../instruction.ts";
import { INSTRUCTION_BY_NUMBER } from "../opcodes.ts";

/** What a general instruction's immediates look like together. */
export const enum Shape {
  /** No such instruction. */
  Illegal = 0,
  /** Its type depends on context: the validator has a case for it. */
  Contextual = 1,
  None = 2,
  I32 = 3,
  I64 = 4,
  /** Bytes that can have any value: see {@link SKIP_BYTES}. */
  Bytes = 5,
  MemArg = 6,
  MemArgLane = 7,
  Lane = 8,
  Lanes16 = 9,
  Memory = 10,
  Data = 11,
  DataMemory = 12,
  Elem = 13,
  Order = 14,
  /** Without immediates, and more operands or results than the columns have. */
  Wide = 15,
}

const SHAPES_BY_IMMEDIATES: Readonly<Record<string, Shape>> = {
  "": Shape.None,
  i32: Shape.I32,
  i64: Shape.I64,
  f32: Shape.Bytes,
  f64: Shape.Bytes,
  v128: Shape.Bytes,
  memarg: Shape.MemArg,
  "memarg laneidx": Shape.MemArgLane,
  laneidx: Shape.Lane,
  lanes16: Shape.Lanes16,
  memidx: Shape.Memory,
  dataidx: Shape.Data,
  "dataidx memidx": Shape.DataMemory,
  elemidx: Shape.Elem,
  order: Shape.Order,
};

const FIXED_BYTES: Readonly<Record<string, number>> = { f32: 4, f64: 8, v128: 16 };

const SIZE = INSTRUCTION_BY_NUMBER.length;

export const SHAPES = new Uint8Array(SIZE);
/** Up to three operand types, the deepest first, 0 where there is none. */
export const PARAMS_1 = new Uint16Array(SIZE);
export const PARAMS_2 = new Uint16Array(SIZE);
export const PARAMS_3 = new Uint16Array(SIZE);
/** The result type, or 0. */
export const RESULTS = new Uint16Array(SIZE);
/** Bytes of an immediate of shape `Bytes`. */
export const SKIP_BYTES = new Uint8Array(SIZE);
/** The natural alignment of an access, as the exponent of two. */
export const NATURAL_ALIGNMENTS = new Uint8Array(SIZE);
/** Number of lanes that a lane index may name. */
export const LANES = new Uint8Array(SIZE);
/** 1 for what a constant expression may contain. */
export const CONSTANT = new Uint8Array(SIZE);

function enterRow(op: number, row: Instruction): void {
  const immediates = row.immediates.join(" ");
  CONSTANT[op] = row.constant ? 1 : 0;
  NATURAL_ALIGNMENTS[op] = row.width === 0 ? 0 : 31 - Math.clz32(row.width);
  LANES[op] = laneCount(row);
  if (row.type === null) {
    SHAPES[op] = Shape.Contextual;
    return;
  }
  const { params, results } = row.type;
  const shape = SHAPES_BY_IMMEDIATES[immediates];
  const isWide = params.length > 3 || results.length > 1;
  if (shape === undefined || (isWide && shape !== Shape.None)) {
    throw new TypeError(`bug: no general case for ${row.mnemonic}`);
  }
  if (isWide) {
    SHAPES[op] = Shape.Wide;
    return;
  }
  SHAPES[op] = shape;
  PARAMS_1[op] = params[0] ?? 0;
  PARAMS_2[op] = params[1] ?? 0;
  PARAMS_3[op] = params[2] ?? 0;
  RESULTS[op] = results[0] ?? 0;
  SKIP_BYTES[op] = FIXED_BYTES[immediates] ?? 0;
}

function laneCount(row: Instruction): number {
  if (!row.immediates.includes("laneidx")) return 0;
  if (row.width !== 0) return 16 / row.width;
  return Number(/x(\d+)\./.exec(row.mnemonic)![1]);
}

for (let op = 0; op < SIZE; op++) {
  const row = INSTRUCTION_BY_NUMBER[op];
  if (row !== undefined) enterRow(op, row);
}
