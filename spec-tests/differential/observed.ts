/**
 * The observed copy of a module: its index spaces as they are, and behind them what lets a program that knows
 * nothing of its types call every exported function and see everything inside. Both engines run the same copy.
 */

import type { Module } from "../../vm/module.ts";
import { Op } from "../../vm/opcodes.ts";
import { EXTERNREF, Heap, heapOf, isNullable, isRefType, Num, type ValType } from "../../vm/types.ts";
import { Describer, type DescribeOptions, pushDefault, topOf } from "./describe.ts";
import { Code, Extension } from "./extension.ts";
import { ARGUMENT_BYTES, ARGUMENTS_AT, callExport, memoryExport, STATE_EXPORT, Word } from "./words.ts";

/** Elements of each table that are looked at. */
const TABLE_ELEMENTS = 16;

/** How a parameter gets its argument: as bits in memory, from JavaScript, or it is what the module makes itself. */
export type Passing = "bits" | "host" | "made";

export interface ObservedFunc {
  /** The name it is exported by. */
  readonly name: string;
  /** The export that calls it. */
  readonly call: string;
  readonly params: readonly Passing[];
  readonly types: readonly ValType[];
}

export interface Observed {
  readonly bytes: Uint8Array;
  readonly funcs: readonly ObservedFunc[];
  /** Exports of memories, all there are. */
  readonly memories: readonly string[];
  /** Exported functions that nobody can call: an argument cannot be made. */
  readonly uncallable: number;
}

export function observe(module: Module, options: DescribeOptions): Observed {
  const extension = new Extension(module);
  const describer = new Describer(extension, options);
  const funcs: ObservedFunc[] = [];
  let uncallable = 0;
  for (const { kind, name, index } of module.exports) {
    if (kind !== "func") continue;
    const func = addCall(extension, describer, name, index);
    if (func === null) uncallable++;
    else funcs.push(func);
  }
  addState(extension, describer);
  const memories = module.memories.map((_, memory) => {
    extension.export(memoryExport(memory), "memory", memory);
    return memoryExport(memory);
  });
  return { bytes: extension.encode(), funcs, memories, uncallable };
}

/** A function that calls function `index` and writes down how that ended; null if an argument cannot be made. */
function addCall(extension: Extension, describer: Describer, name: string, index: number): ObservedFunc | null {
  const { module } = extension;
  const comp = module.types[module.funcs[index]!]!.comp;
  if (comp.kind !== "func") return null;
  const params = comp.params.map((type) => passingOf(type, module));
  const fromHost = params.filter((passing) => passing === "host").length;
  const code = new Code(fromHost);
  describer.reset(code);
  let isCallable = true;
  let host = 0;
  describer.catching(code, () => {
    comp.params.forEach((type, i) => {
      if (params[i] === "host") pushFromHost(code, type, host++);
      else if (params[i] === "bits") pushBits(code, type, describer.memory, ARGUMENTS_AT + i * ARGUMENT_BYTES);
      else if (!pushDefault(code, type, module.types)) isCallable = false;
    });
    code.op(Op.Call, index);
    for (const type of comp.results.toReversed()) describer.value(code, type);
    describer.word(code, Word.Returned);
  });
  if (!isCallable) return null;
  const type = extension.type({ params: Array.from({ length: fromHost }, () => EXTERNREF), results: [] });
  const func = extension.func(type, code);
  const call = callExport(func);
  extension.export(call, "func", func);
  return { name, call, params, types: comp.params };
}

function passingOf(type: ValType, module: Module): Passing {
  if (!isRefType(type)) return "bits";
  const heap = heapOf(type);
  if (heap !== Heap.Extern && heap !== Heap.Any) return "made";
  return topOf(heap, module.types) === heap ? "host" : "made";
}

function pushFromHost(code: Code, type: ValType, local: number): void {
  code.op(Op.LocalGet, local);
  if (heapOf(type) === Heap.Any) code.op(Op.AnyConvertExtern);
  if (!isNullable(type)) code.op(Op.RefAsNonNull);
}

const LOADS: ReadonlyMap<ValType, Op> = new Map([
  [Num.I32, Op.I32Load],
  [Num.I64, Op.I64Load],
  [Num.F32, Op.F32Load],
  [Num.F64, Op.F64Load],
  [Num.V128, Op.V128Load],
]);

function pushBits(code: Code, type: ValType, memory: number, at: number): void {
  code.i32(at).access(LOADS.get(type)!, memory);
}

/** A function that writes down every global and the beginning of every table. */
function addState(extension: Extension, describer: Describer): void {
  const { module } = extension;
  const code = new Code();
  describer.reset(code);
  module.globals.forEach(({ type }, index) => {
    describer.word(code, Word.Global);
    describer.word(code, index);
    code.op(Op.GlobalGet, index);
    describer.value(code, type.type);
  });
  const size = code.local(Num.I64);
  module.tables.forEach(({ type }, index) => {
    const is64 = type.address === Num.I64;
    describer.word(code, Word.Table);
    describer.word(code, index);
    describer.word(code, Word.Size);
    code.op(Op.TableSize, index);
    if (!is64) code.op(Op.I64ExtendI32U);
    describer.emitTop(code.op(Op.LocalTee, size));
    for (let at = 0; at < TABLE_ELEMENTS; at++) {
      code.op(Op.LocalGet, size).i64(at).op(Op.I64GtU).block(Op.If);
      if (is64) code.i64(at);
      else code.i32(at);
      describer.value(code.op(Op.TableGet, index), type.element);
      code.end();
    }
  });
  const state = extension.func(extension.type({ params: [], results: [] }), code);
  extension.export(STATE_EXPORT, "func", state);
}
