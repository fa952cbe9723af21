/**
 * Training of the vector loop, for the reason that training.ts gives: a guest that executes every
 * vector instruction of the table, on locals and with constants, and every pair that is one operation.
 */

import { Writer } from "../binary/writer.ts";
import { compileSync } from "../compiled-module.ts";
import { Engine } from "../engine.ts";
import type { Instruction } from "../instruction.ts";
import { Head } from "../lower/code.ts";
import { VECTOR_PAIRS } from "../lower/vector-code.ts";
import { INSTRUCTIONS, Op } from "../opcodes.ts";
import { Store } from "../runtime/store.ts";
import { Num, type ValType } from "../types.ts";
import { run } from "./interpreter.ts";
import { Machine } from "./machine.ts";

/** Parameters of the guest, by the type of the operand that they are; there are two vectors. */
const PARAMS: readonly ValType[] = [Num.V128, Num.V128, Num.I32, Num.I64, Num.F32, Num.F64];

/** Words of the two vectors and the scalar: f32 lanes, f64 lanes, NaN, integers, and counts below and above a word. */
const VALUES: readonly (readonly [u: readonly number[], v: readonly number[], scalar: number])[] = [
  [[0x3fc0_0000, 0x4020_0000, -0x4080_0000, 0], [0x3f80_0000, 0x4020_0000, 0x4f80_0000, -1], 1],
  [[0, 0x3ff8_0000, 0, 0x4004_0000], [0, 0x4000_0000, 0, -0x3ffc_0000], 40],
  [[0x7fc0_0000, 0x7ff8_0000, 0x7fa0_0000, 0x7ff8_0000], [0x7fc0_0000, 0x7ff8_0000, 0x7fa0_0000, 0x7ff8_0000], 0],
  [[-1, 0x0102_0304, -0x8000_0000, 0x7fff_ffff], [0x0304_0102, -1, -0x8000_0000, 0x1f1e_1d0c], 7],
  [[1, 2, 3, 4], [1, 3, 2, 4], 33],
];

/** Executes every operation of the vector loop, in some milliseconds. */
export function* vectorTrainingSteps(): Generator<void> {
  const store = new Store({ engine: new Engine() });
  const module = compileSync(guest(), { engine: store.engine });
  const instance = store.instantiateSync(module);
  module.lower(0, false);
  const { code } = instance;
  const entry = code.entries[0]!;
  yield;
  for (const [u, v, scalar] of VALUES) {
    // The first use of narrow lanes makes their views, so each run has frames of its own.
    const x = new Machine(256);
    x.enter(instance);
    x.words.set(u, 0);
    x.words.set(v, 4);
    for (let at = 8; at < 16; at += 2) x.words[at] = scalar;
    x.pc = entry;
    x.fuel = code.words[entry - Head.Length + Head.EntryFuel]! + 1_000_000;
    run(x);
    yield;
  }
}

/** A module with a memory and one function with {@link PARAMS}. */
function guest(): Uint8Array {
  const body = new Writer();
  body.u32(0);
  for (const [number, row] of Object.entries(INSTRUCTIONS)) {
    if (Number(number) < 0x400) continue;
    for (const withConstant of [false, true]) writeInstruction(body, Number(number), row, withConstant);
  }
  for (const [second, firsts] of VECTOR_PAIRS) for (const first of firsts.keys()) writePair(body, first, second);
  writeRotation(body);
  vectorOperands(body);
  local(body, 2);
  body.u8(Op.Select);
  body.u8(Op.Drop);
  local(body, 2);
  body.u8(Op.I32Popcnt);
  body.u8(Op.Drop);
  body.u8(Op.End);
  const module = new Writer();
  module.bytes(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  module.bytes(Uint8Array.of(1, 4 + PARAMS.length, 1, 0x60, PARAMS.length, ...PARAMS, 0));
  module.bytes(Uint8Array.of(3, 2, 1, 0, 5, 3, 1, 0, 1));
  const code = new Writer();
  code.u32(1);
  code.u32(body.length);
  code.copyFrom(body, 0, body.length);
  module.u8(10);
  module.u32(code.length);
  module.copyFrom(code, 0, code.length);
  return module.toBytes();
}

function local(body: Writer, index: number): void {
  body.u8(Op.LocalGet);
  body.u8(index);
}

function vectorOperands(body: Writer): void {
  local(body, 0);
  local(body, 1);
}

function writeOp(body: Writer, op: number): void {
  body.u8(0xfd);
  body.u32(op - 0x400);
}

/** The instruction with its operands and immediates; its result is dropped. */
function writeInstruction(
  body: Writer,
  op: number,
  { type, immediates, width }: Instruction,
  withConstant: boolean,
): void {
  const { params, results } = type!;
  params.forEach((param, i) => {
    if (param === Num.Address || (param === Num.I32 && withConstant)) body.bytes(Uint8Array.of(Op.I32Const, 3));
    else if (withConstant && i === params.length - 1 && param === Num.V128) writeConstant(body);
    else local(body, param === Num.V128 ? i & 1 : PARAMS.indexOf(param));
  });
  writeOp(body, op);
  for (const immediate of immediates) {
    if (immediate === "memarg") body.bytes(Uint8Array.of(Math.log2(width), 0));
    else if (immediate === "laneidx") body.u8(1);
    // The lanes of a shuffle, or a constant. Repeated words and mixed bytes are different shuffles.
    else body.bytes(Uint8Array.from({ length: 16 }, (_, i) => (withConstant ? (i * 5) & 31 : i ^ 4)));
  }
  if (results.length === 1) body.u8(Op.Drop);
}

function writeConstant(body: Writer): void {
  writeOp(body, Op.V128Const);
  body.bytes(new Uint8Array(16).fill(0x40));
}

/** The first instruction as the right operand of the second, then as the left one. */
function writePair(body: Writer, first: number, second: number): void {
  local(body, 0);
  vectorOperands(body);
  writeOp(body, first);
  writeOp(body, second);
  body.u8(Op.Drop);
  vectorOperands(body);
  writeOp(body, first);
  local(body, 0);
  writeOp(body, second);
  body.u8(Op.Drop);
}

function writeRotation(body: Writer): void {
  local(body, 0);
  body.bytes(Uint8Array.of(Op.I32Const, 7));
  writeOp(body, Op.I32x4Shl);
  local(body, 0);
  body.bytes(Uint8Array.of(Op.I32Const, 25));
  writeOp(body, Op.I32x4ShrU);
  writeOp(body, Op.V128Or);
  body.u8(Op.Drop);
}
