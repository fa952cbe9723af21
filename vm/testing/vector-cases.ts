/**
 * Modules that execute one vector instruction on many operands, and the operands: for tests that
 * compare ours with another engine, cold code with hot, and exact stops with none.
 */

import type { TurnOptions } from "../execute/outcome.ts";
import type { Instruction } from "../instruction.ts";
import { INSTRUCTIONS, type Op } from "../opcodes.ts";
import type { Memory } from "../runtime/memory.ts";
import { instanceOf, randomWords, runToEnd, wat } from "../testing.ts";
import { Num, type ValType } from "../types.ts";

/** Operands stand at `case * CASE_BYTES`, results at `OUT[shape] + case * 16`; loads and stores use what is between. */
export const CASES = 192;
const CASE_BYTES = 64;
const DATA = 0x8000;
export const OUT = { stack: 0x10000, locals: 0x12000, constants: 0x14000 } as const;
const MEMORY_BYTES = 0x20000;
export const SHAPES = ["stack", "locals", "constants"] as const;
/** How many cases are written out with constant operands. */
export const CONSTANT_CASES = 8;

/** An instruction with the immediates after its memory argument, and the bytes that each engine executes. */
export interface VectorCase {
  readonly op: Op;
  readonly name: string;
  readonly row: Instruction;
  readonly bytes: Uint8Array;
  /** The same in instructions that every engine with SIMD has, and that leave no choice. */
  readonly plainBytes: Uint8Array;
}

const ROWS = Object.entries(INSTRUCTIONS)
  .map(([number, row]) => ({ op: Number(number) as Op, row }))
  .filter(({ op, row }) => op >= 0x400 && row.mnemonic !== "v128.const");

const SHUFFLES: readonly string[] = [
  "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
  "12 13 14 15 0 1 2 3 20 21 22 23 16 17 18 19",
  "2 3 0 1 6 7 4 5 10 11 8 9 30 31 28 29",
  "3 2 1 0 7 6 5 4 31 30 29 28 27 26 25 24",
  "0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23",
  "31 31 31 31 31 31 31 31 31 31 31 31 31 31 31 31",
];

/** Every vector instruction but the constant, each with all of its lanes or several shuffles. */
function vectorCases(inputs: Uint8Array): VectorCase[] {
  return ROWS.flatMap(({ op, row }) =>
    immediatesOf(row).map((immediates) => {
      const instruction = (operands: readonly string[]): string =>
        `(${[row.mnemonic, immediates, ...operands].join(" ")})`;
      const plain = (operands: readonly string[]): string =>
        (PLAIN[row.mnemonic] ?? ((...list) => instruction(list)))(...operands);
      return {
        op,
        name: `${row.mnemonic} ${immediates}`.trim(),
        row,
        bytes: moduleOf(row, instruction, inputs),
        plainBytes: row.mnemonic.includes("relaxed")
          ? moduleOf(row, plain, inputs)
          : moduleOf(row, instruction, inputs),
      };
    }),
  );
}

function immediatesOf({ mnemonic, immediates, width }: Instruction): string[] {
  const offset = immediates[0] === "memarg" ? [`offset=${DATA}`] : [];
  if (immediates.includes("lanes16")) return [...SHUFFLES];
  if (!immediates.includes("laneidx")) return [offset.join("")];
  const lanes = width > 0 ? 16 / width : Number(/x(\d+)/.exec(mnemonic)![1]);
  return Array.from({ length: lanes }, (_, lane) => [...offset, lane].join(" "));
}

type Expression = (...operands: string[]) => string;

function renamed(mnemonic: string): Expression {
  return (...operands) => `(${mnemonic} ${operands.join(" ")})`;
}

/** Pairs of neighbouring byte products, added in 16 bits. */
function dot(a: string, b: string): string {
  const products = `(i16x8.extmul_low_i8x16_s ${a} ${b}) (i16x8.extmul_high_i8x16_s ${a} ${b})`;
  return `(i16x8.add (i8x16.shuffle 0 1 4 5 8 9 12 13 16 17 20 21 24 25 28 29 ${products})
    (i8x16.shuffle 2 3 6 7 10 11 14 15 18 19 22 23 26 27 30 31 ${products}))`;
}

/** What the deterministic profile makes of the relaxed instructions (spec: profile-deterministic). */
const PLAIN: Readonly<Record<string, Expression>> = {
  "i8x16.relaxed_swizzle": renamed("i8x16.swizzle"),
  "i32x4.relaxed_trunc_f32x4_s": renamed("i32x4.trunc_sat_f32x4_s"),
  "i32x4.relaxed_trunc_f32x4_u": renamed("i32x4.trunc_sat_f32x4_u"),
  "i32x4.relaxed_trunc_f64x2_s_zero": renamed("i32x4.trunc_sat_f64x2_s_zero"),
  "i32x4.relaxed_trunc_f64x2_u_zero": renamed("i32x4.trunc_sat_f64x2_u_zero"),
  "f32x4.relaxed_madd": (a, b, c) => `(f32x4.add (f32x4.mul ${a} ${b}) ${c})`,
  "f32x4.relaxed_nmadd": (a, b, c) => `(f32x4.add (f32x4.mul (f32x4.neg ${a}) ${b}) ${c})`,
  "f64x2.relaxed_madd": (a, b, c) => `(f64x2.add (f64x2.mul ${a} ${b}) ${c})`,
  "f64x2.relaxed_nmadd": (a, b, c) => `(f64x2.add (f64x2.mul (f64x2.neg ${a}) ${b}) ${c})`,
  "i8x16.relaxed_laneselect": renamed("v128.bitselect"),
  "i16x8.relaxed_laneselect": renamed("v128.bitselect"),
  "i32x4.relaxed_laneselect": renamed("v128.bitselect"),
  "i64x2.relaxed_laneselect": renamed("v128.bitselect"),
  "f32x4.relaxed_min": renamed("f32x4.min"),
  "f32x4.relaxed_max": renamed("f32x4.max"),
  "f64x2.relaxed_min": renamed("f64x2.min"),
  "f64x2.relaxed_max": renamed("f64x2.max"),
  "i16x8.relaxed_q15mulr_s": renamed("i16x8.q15mulr_sat_s"),
  "i16x8.relaxed_dot_i8x16_i7x16_s": (a, b) => dot(a!, b!),
  "i32x4.relaxed_dot_i8x16_i7x16_add_s": (a, b, c) => `(i32x4.add (i32x4.extadd_pairwise_i16x8_s ${dot(a!, b!)}) ${c})`,
};

const NAMES = new Map<ValType, string>([
  [Num.Address, "i32"],
  [Num.I32, "i32"],
  [Num.I64, "i64"],
  [Num.F32, "f32"],
  [Num.F64, "f64"],
  [Num.V128, "v128"],
]);

/**
 * `stack` and `locals` execute cases from one number to another, with operands on the stack and in
 * locals; `constants` the first ones, with constants, each alone and then beside a local.
 */
function moduleOf(
  { type, width }: Instruction,
  instruction: (operands: readonly string[]) => string,
  inputs: Uint8Array,
): Uint8Array {
  const { params, results } = type!;
  const isMemory = width > 0;
  const load = (i: number): string => {
    const value = `(${NAMES.get(params[i]!)}.load offset=${i * 16} (local.get $at))`;
    return params[i] === Num.Address ? `(i32.and ${value} (i32.const 255))` : value;
  };
  const constant = (i: number, index: number): string => {
    const view = new DataView(inputs.buffer, inputs.byteOffset + index * CASE_BYTES + i * 16);
    const low = view.getInt32(0, true);
    if (params[i] === Num.Address) return `(i32.const ${low & 255})`;
    if (params[i] === Num.I32) return `(i32.const ${low})`;
    const words = [0, 4, 8, 12].map((at) => view.getInt32(at, true)).join(" ");
    return params[i] === Num.V128 ? `(v128.const i32x4 ${words})` : load(i);
  };
  const result = results[0];
  const store = (out: number, value: string): string =>
    result === undefined
      ? `${value} (v128.store offset=${out} (local.get $to) (v128.load offset=${DATA} (i32.and (i32.load (local.get $at)) (i32.const 255))))`
      : `(${NAMES.get(result)}.store offset=${out} (local.get $to) ${value})`;
  const locals = params.map((param, i) => `(local $p${i} ${NAMES.get(param)})`).join(" ");
  const loads = params.map((_, i) => load(i));
  const gets = params.map((_, i) => `(local.get $p${i})`);
  const sets = params.map((_, i) => `(local.set $p${i} ${load(i)})`).join(" ");
  const keep = (value: string): string =>
    result === undefined ? value : `(local.set $r ${value}) ${store(OUT.locals, "(local.get $r)")}`;
  const loop = (body: string): string => `(loop $next
      (local.set $at (i32.mul (local.get $case) (i32.const ${CASE_BYTES})))
      (local.set $to (i32.mul (local.get $case) (i32.const 16)))
      ${body}
      (br_if $next (i32.lt_u (local.tee $case (i32.add (local.get $case) (i32.const 1))) (local.get $end))))`;
  const head = "(param $case i32) (param $end i32) (local $at i32) (local $to i32)";
  let constants = "";
  for (let index = 0; index < CONSTANT_CASES && params.length > 0; index++) {
    constants += `(local.set $at (i32.const ${index * CASE_BYTES})) ${sets}`;
    for (let which = 0; which <= params.length; which++) {
      const operands = params.map((_, i) => (which === i || which === params.length ? constant(i, index) : gets[i]!));
      constants += `(local.set $to (i32.const ${(index * 4 + which) * 16})) ${store(OUT.constants, instruction(operands))}`;
    }
  }
  return wat`(module (memory (export "memory") 2)
    (func (export "stack") ${head} ${loop(store(OUT.stack, instruction(loads)))})
    (func (export "locals") ${head} ${locals} ${result === undefined ? "" : `(local $r ${NAMES.get(result)})`}
      ${loop(`${sets} ${isMemory && result === undefined ? store(OUT.locals, instruction(gets)) : keep(instruction(gets))}`)})
    (func (export "constants") ${head} ${locals} ${constants}))`;
}

const F32_EDGES = [
  0, 0x8000_0000, 1, 0x8000_0001, 0x007f_ffff, 0x0080_0000, 0x3f00_0000, 0x3f80_0000, 0xbf80_0000, 0x3fc0_0000,
  0x4020_0000, 0x4b00_0000, 0x4b00_0001, 0x4eff_ffff, 0x4f00_0000, 0xcf00_0000, 0xcf00_0001, 0x4f7f_ffff, 0x4f80_0000,
  0x7f7f_ffff, 0xff7f_ffff, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0xffc0_0000, 0x7fa0_0000, 0xffa0_1234, 0x7f80_0001,
];
const HIGH_EDGES = [
  0, 0x8000_0000, 0x3fe0_0000, 0x3ff0_0000, 0xbff8_0000, 0x4004_0000, 0x41df_ffff, 0x41e0_0000, 0xc1e0_0000,
  0x41ef_ffff, 0x41f0_0000, 0x7fef_ffff, 0x7ff0_0000, 0xfff0_0000, 0x7ff8_0000, 0xfff8_0000, 0x7ff4_0000, 0xfff4_5678,
  0x7ff0_0001, 0x47ef_ffff, 0x3810_0000, 0x3690_0000,
];
const INT_EDGES = [
  0, 1, 2, 7, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 15, 31, 63,
];

/** Memory before a run: operands whose lanes are edges of each width and type, random ones, and data between. */
function vectorInputs(seed: number): Uint8Array {
  const next = randomWords(seed);
  const pick = (list: readonly number[]): number => list[next() % list.length]!;
  const bytes = new Uint8Array(MEMORY_BYTES);
  const view = new DataView(bytes.buffer);
  const fill = (at: number, kind: number): void => {
    for (let k = 0; k < 16; k += 4) {
      if (kind === 0) view.setInt32(at + k, pick(F32_EDGES), true);
      else if (kind === 1) view.setInt32(at + k, k % 8 === 4 ? pick(HIGH_EDGES) : pick([0, 0, 1, 0xffff_ffff]), true);
      else if (kind === 2) view.setInt32(at + k, pick(INT_EDGES), true);
      else if (kind === 3) for (let i = 0; i < 4; i += 2) view.setInt16(at + k + i, pick(INT_EDGES), true);
      else if (kind === 4) for (let i = 0; i < 4; i++) view.setInt8(at + k + i, pick(INT_EDGES));
      else view.setInt32(at + k, next(), true);
    }
  };
  for (let index = 0; index < CASES; index++) {
    const kind = index % 6;
    for (let i = 0; i < 3; i++) {
      // Equal lanes are rare among random ones, so some cases repeat an operand.
      if (i === 1 && index % 7 === 0)
        bytes.copyWithin(index * CASE_BYTES + 16, index * CASE_BYTES, index * CASE_BYTES + 16);
      else fill(index * CASE_BYTES + i * 16, kind);
      // Constants of equal words are part of an operation.
      if (index % 2 === 1)
        for (let k = 4; k < 16; k += 4)
          bytes.copyWithin(
            index * CASE_BYTES + i * 16 + k,
            index * CASE_BYTES + i * 16,
            index * CASE_BYTES + i * 16 + 4,
          );
    }
  }
  for (let at = DATA; at < DATA + 512; at += 16) fill(at, (at >> 4) % 6);
  return bytes;
}

export const VECTOR_INPUTS = vectorInputs(1);
export const VECTOR_CASES: readonly VectorCase[] = vectorCases(VECTOR_INPUTS);

/** Memory after the first cases have run in every shape, by ours. */
export function own(
  { bytes }: VectorCase,
  cases = CASES,
  turn: TurnOptions | ((turn: number) => TurnOptions) = {},
): Uint8Array {
  const instance = instanceOf(bytes);
  const memory = instance.export("memory") as Memory;
  memory.write(0, VECTOR_INPUTS);
  for (const shape of SHAPES) {
    const { error } = runToEnd(instance.invoke(shape, [0, cases]), turn);
    if (error !== null) throw error;
  }
  return memory.read(0, VECTOR_INPUTS.length);
}

/** What all instructions give, in one word to compare. */
export function digest(): number {
  let hash = 0;
  for (const vector of VECTOR_CASES) for (const byte of own(vector)) hash = Math.imul(hash ^ byte, 0x0100_0193);
  return hash >>> 0;
}

/** The first vector that differs between two memories, or null. */
export function difference(name: string, ours: Uint8Array, theirs: Uint8Array): string | null {
  const at = ours.findIndex((byte, i) => byte !== theirs[i]);
  if (at < 0) return null;
  const shape = SHAPES.findLast((key) => at >= OUT[key]) ?? "data";
  const slot = at - (at % 16);
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(slot, slot + 16)).toString("hex");
  return `${name}, ${shape} at ${slot.toString(16)}: ${hex(ours)}, not ${hex(theirs)}`;
}
