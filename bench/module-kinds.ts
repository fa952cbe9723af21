/**
 * Modules that have many of one kind of item, and what each takes of V8's heap beside what it counts as: when it is
 * compiled, and when all has been made of it that the engine makes later.
 */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Section } from "../vm/binary/decode.ts";
import {
  type Bytes,
  concat,
  EMPTY_FUNC_TYPE,
  HEADER,
  name,
  repeat,
  section,
  uleb,
  vector,
} from "../vm/binary/testing.ts";
import { Compilation, type CompiledModule, Engine, eventLoopTurn, LinkPlan } from "../vm/index.ts";
import { instantiationIndex } from "../vm/lower/instantiation.ts";
import { Op } from "../vm/opcodes.ts";

export interface ModuleKind {
  readonly kind: string;
  readonly bytes: () => Uint8Array;
}

export interface ModuleMemory {
  readonly moduleBytes: number;
  readonly countedBytes: number;
  /** Of the heap and of buffers, when it is compiled. */
  readonly compiledBytes: number;
  /** When all is made that instances share. */
  readonly usedBytes: number;
  /** When there are maps of all functions, for traps and collections. */
  readonly mappedBytes: number;
}

const FUNC_TYPE = vector(Section.Type, EMPTY_FUNC_TYPE);
const ONE_FUNC = vector(Section.Func, [0]);
const ONE_BODY = vector(Section.Code, [2, 0, Op.End]);
const I32_CONST_0 = [Op.I32Const, 0, Op.End];

function many(id: Section, count: number, item: Bytes | ((index: number) => Bytes)): Uint8Array {
  if (typeof item !== "function") return section(id, uleb(count), repeat(count, ...item));
  return vector(id, ...Array.from({ length: count }, (_, i) => item(i)));
}

function funcs(count: number, body: Bytes): Uint8Array {
  return concat(
    HEADER,
    FUNC_TYPE,
    many(Section.Func, count, [0]),
    many(Section.Code, count, concat(uleb(body.length), body)),
  );
}

/** One function with two locals and these instructions. */
function one(...code: readonly Bytes[]): Uint8Array {
  const content = concat([1, 2, 0x7f], ...code, [Op.End]);
  return concat(HEADER, FUNC_TYPE, ONE_FUNC, vector(Section.Code, concat(uleb(content.length), content)));
}

/** The index in base 4 as value types. */
function valTypes(index: number, length: number): number[] {
  return Array.from({ length }, (_, i) => 0x7f - (Math.floor(index / 4 ** i) % 4));
}

/** `scale`: about how many thousand items each module has. */
export function moduleKinds(scale: number): readonly ModuleKind[] {
  const n = 1_000 * scale;
  const module = (...sections: readonly Bytes[]): Uint8Array => concat(HEADER, ...sections);
  return [
    { kind: "equal types", bytes: () => module(many(Section.Type, n, EMPTY_FUNC_TYPE)) },
    { kind: "empty recursion groups", bytes: () => module(many(Section.Type, n, [0x4e, 0])) },
    { kind: "function types", bytes: () => module(many(Section.Type, n, (i) => [0x60, 9, ...valTypes(i, 9), 0])) },
    {
      kind: "long function types",
      bytes: () => module(many(Section.Type, n / 10, (i) => [0x60, 109, ...valTypes(i, 109), 0])),
    },
    {
      kind: "structures",
      bytes: () => module(many(Section.Type, n, (i) => [0x5f, 9, ...valTypes(i, 9).flatMap((type) => [type, 0])])),
    },
    {
      kind: "subtypes",
      bytes: () => module(many(Section.Type, n, (i) => [0x50, ...(i % 60 === 0 ? [0] : [1, ...uleb(i - 1)]), 0x5f, 0])),
    },
    { kind: "large group", bytes: () => module(section(Section.Type, [1, 0x4e], uleb(n), repeat(n, 0x5e, 0x6e, 0))) },
    { kind: "imported functions", bytes: () => module(FUNC_TYPE, many(Section.Import, n, [1, 97, 1, 98, 0, 0])) },
    { kind: "imported globals", bytes: () => module(many(Section.Import, n, [1, 97, 1, 98, 3, 0x7f, 0])) },
    { kind: "imported tables", bytes: () => module(many(Section.Import, n, [1, 97, 1, 98, 1, 0x70, 0, 0])) },
    { kind: "functions", bytes: () => funcs(n, [0, Op.End]) },
    { kind: "functions of three instructions", bytes: () => funcs(n, [0, Op.I32Const, 0, Op.Drop, Op.End]) },
    { kind: "functions with locals", bytes: () => funcs(n, [1, 1, 0x7f, Op.End]) },
    { kind: "tables", bytes: () => module(many(Section.Table, n, [0x70, 0, 0])) },
    { kind: "memories", bytes: () => module(many(Section.Memory, 100, [0, 0])) },
    { kind: "tags", bytes: () => module(FUNC_TYPE, many(Section.Tag, n, [0, 0])) },
    { kind: "globals", bytes: () => module(many(Section.Global, n, [0x7f, 0, ...I32_CONST_0])) },
    {
      kind: "globals of references",
      bytes: () => module(many(Section.Global, n, [0x6f, 0, Op.RefNull, 0x6f, Op.End])),
    },
    {
      kind: "exports",
      bytes: () =>
        module(
          FUNC_TYPE,
          ONE_FUNC,
          many(Section.Export, n, (i) => concat(name(`${i}`), [0, 0])),
          ONE_BODY,
        ),
    },
    { kind: "passive element segments", bytes: () => module(FUNC_TYPE, many(Section.Element, n, [1, 0, 0])) },
    {
      kind: "segments of one function",
      bytes: () => module(FUNC_TYPE, ONE_FUNC, many(Section.Element, n, [1, 0, 1, 0]), ONE_BODY),
    },
    {
      kind: "segments of one expression",
      bytes: () => module(many(Section.Element, n, [5, 0x6f, 1, Op.RefNull, 0x6f, Op.End])),
    },
    {
      kind: "element expressions",
      bytes: () => module(section(Section.Element, [1, 5, 0x6f], uleb(n), repeat(n, Op.RefNull, 0x6f, Op.End))),
    },
    {
      kind: "active element segments",
      bytes: () => module(vector(Section.Table, [0x70, 0, 0]), many(Section.Element, n, [0, ...I32_CONST_0, 0])),
    },
    {
      kind: "table images",
      bytes: () =>
        module(
          FUNC_TYPE,
          ONE_FUNC,
          many(Section.Table, n / 50, [0x70, 0, ...uleb(4_096)]),
          many(Section.Element, n / 50, (i) => [2, ...uleb(i), ...I32_CONST_0, 0, 1, 0]),
          ONE_BODY,
        ),
    },
    { kind: "data segments", bytes: () => module(many(Section.Data, n, [1, 0])) },
    {
      kind: "active data segments",
      bytes: () => module(vector(Section.Memory, [0, 0]), many(Section.Data, n, [0, ...I32_CONST_0, 0])),
    },
    { kind: "custom sections", bytes: () => module(...Array.from({ length: n }, () => [0, 2, 1, 97])) },
    {
      kind: "names",
      bytes: () =>
        module(
          section(
            Section.Custom,
            name("name"),
            [1],
            uleb(n * 4 + uleb(n).length + 0),
            uleb(n),
            ...Array.from({ length: n }, (_, i) => [...uleb(i, 3), 0]),
          ),
        ),
    },
    { kind: "straight code", bytes: () => one(repeat(n * 10, Op.I32Const, 1, Op.Drop)) },
    {
      kind: "memory accesses",
      bytes: () => concat(HEADER, FUNC_TYPE, ONE_FUNC, vector(Section.Memory, [0, 1]), accesses(n * 4)),
    },
    { kind: "nested blocks", bytes: () => one(repeat(n, Op.Block, 0x40), repeat(n, Op.End)) },
    { kind: "deep operands", bytes: () => one(repeat(n * 4, Op.I32Const, 1), repeat(n * 4, Op.Drop)) },
    { kind: "constants", bytes: () => one(...Array.from({ length: n }, (_, i) => constantOf(i))) },
    { kind: "calls", bytes: () => one(repeat(n * 2, Op.Call, 0)) },
    { kind: "indirect calls", bytes: () => indirectCalls(n * 2) },
    { kind: "branches", bytes: () => one(repeat(n, Op.Block, 0x40, Op.LocalGet, 0, Op.BrIf, 0, Op.End)) },
    { kind: "loops", bytes: () => one(repeat(n, Op.Loop, 0x40, Op.End)) },
    {
      kind: "targets of a table",
      bytes: () =>
        one(...Array.from({ length: n / 1_000 }, () => [Op.Block, 0x40, Op.LocalGet, 0, ...table(1_000), Op.End])),
    },
    { kind: "moves", bytes: () => one(repeat(n, Op.LocalGet, 0, Op.LocalSet, 1)) },
    {
      kind: "handlers",
      bytes: () => one(repeat(n, Op.Block, 0x40, Op.TryTable, 0x40, 2, 2, 0, 2, 0, Op.End, Op.End)),
    },
    { kind: "a module without anything", bytes: () => module() },
  ];
}

/** A table of so many targets, all of them the same. */
function table(count: number): readonly number[] {
  return [Op.BrTable, ...uleb(count), ...new Array<number>(count + 1).fill(0)];
}

/** A constant that no other one equals, and its use. */
function constantOf(index: number): readonly number[] {
  return [Op.F64Const, 1, ...uleb(index, 3), 1, 1, 1, 1, Op.F64Sqrt, Op.Drop];
}

function indirectCalls(count: number): Uint8Array {
  const content = concat([0], repeat(count, Op.I32Const, 0, Op.CallIndirect, 0, 0), [Op.End]);
  const code = vector(Section.Code, concat(uleb(content.length), content));
  return concat(HEADER, FUNC_TYPE, ONE_FUNC, vector(Section.Table, [0x70, 0, 1]), code);
}

function accesses(count: number): Uint8Array {
  const content = concat([0], repeat(count, Op.I32Const, 0, Op.I32Load, 2, 0, Op.Drop), [Op.End]);
  return vector(Section.Code, concat(uleb(content.length), content));
}

let collect: (() => void) | null = null;

/** Bytes that are alive on V8's heap and in buffers. */
async function aliveBytes(): Promise<number> {
  if (collect === null) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  // What one collection finds is given back at the next one, or when the event loop had its turn.
  for (let i = 0; i < 3; i++) {
    collect();
    await eventLoopTurn();
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** What `copies` of the module take, for each. */
export async function memoryOf(bytes: Uint8Array, copies: number): Promise<ModuleMemory> {
  const engines = Array.from({ length: copies }, () => new Engine());
  // What an engine and a module make once is made before.
  useAll(compiled(bytes, new Engine()));
  const before = await aliveBytes();
  const modules = engines.map((engine) => compiled(bytes, engine));
  const after = await aliveBytes();
  const plans = modules.map(useAll);
  const used = await aliveBytes();
  for (const module of modules) mapAll(module);
  const mapped = await aliveBytes();
  const { byteLength } = modules[0]!;
  if (plans.length !== modules.length) throw new Error("bug: a plan is missing");
  const each = (alive: number): number => (alive - before) / copies + bytes.length;
  return {
    moduleBytes: bytes.length,
    countedBytes: byteLength,
    compiledBytes: each(after),
    usedBytes: each(used),
    mappedBytes: each(mapped),
  };
}

function compiled(bytes: Uint8Array, engine: Engine): CompiledModule {
  const compilation = new Compilation(bytes, { engine });
  while (!compilation.step());
  return compilation.module;
}

/** Has the maps of all functions made. */
function mapAll(module: CompiledModule): void {
  const { data } = module;
  const last = instantiationIndex(data);
  for (let func = data.importedFuncs; func <= last; func++) {
    module.positions.of(func, false);
    module.roots.of(func, false, Number.POSITIVE_INFINITY);
  }
}

/** Has everything made that the engine makes of a module later. */
function useAll(module: CompiledModule): LinkPlan | null {
  const { data, engine } = module;
  const last = instantiationIndex(data);
  for (let func = data.importedFuncs; func <= last; func++) module.lower(func, false);
  module.exportNamed("");
  if (module.firstGlobals.length !== data.globals.length) throw new Error("bug: a global is missing");
  module.names.funcName(0);
  for (const id of module.typeIds) if (engine.types.comp(id).kind !== "func") engine.layouts.of(id);
  const isLinkable = data.imports.every(({ type }) => type.kind === "func");
  return isLinkable ? new LinkPlan(module, () => ({ call: () => undefined, params: [], results: [] }) as never) : null;
}
