/**
 * A module with more in it: types, functions, memories, tables and exports are appended, so that no index
 * of the original changes its meaning. {@link Code} writes the bodies.
 */

import { encodeModule, writeHeapType, writeValType } from "../../vm/binary/encode.ts";
import { Writer } from "../../vm/binary/writer.ts";
import type { Export, Expr, Global, Module, Table } from "../../vm/module.ts";
import { Op } from "../../vm/opcodes.ts";
import { writeOpcode } from "../../vm/text/immediates.ts";
import type { FuncType, HeapType, MemType, SubType, ValType } from "../../vm/types.ts";

const END = 0x0b;
const EMPTY_BLOCK = 0x40;
/** The memarg's flag for "a memory index follows". */
const OTHER_MEMORY = 0x40;

/** A body or constant expression, instruction by instruction. Labels count from the innermost block, as in the format. */
export class Code {
  readonly #out = new Writer();
  readonly #locals: ValType[] = [];
  readonly #params: number;

  constructor(params = 0) {
    this.#params = params;
  }

  /** A new local's index. */
  local(type: ValType): number {
    return this.#params + this.#locals.push(type) - 1;
  }

  /** An instruction whose immediates are indices or other unsigned numbers. */
  op(op: Op, ...immediates: readonly number[]): this {
    writeOpcode(this.#out, op);
    for (const immediate of immediates) this.#out.u32(immediate);
    return this;
  }

  i32(value: number): this {
    writeOpcode(this.#out, Op.I32Const);
    this.#out.s32(value);
    return this;
  }

  i64(value: number): this {
    writeOpcode(this.#out, Op.I64Const);
    this.#out.s64(BigInt(value));
    return this;
  }

  f32Zero(): this {
    writeOpcode(this.#out, Op.F32Const);
    this.#out.f32Bits(0);
    return this;
  }

  f64Zero(): this {
    writeOpcode(this.#out, Op.F64Const);
    this.#out.f64Bits(0n);
    return this;
  }

  v128Zero(): this {
    writeOpcode(this.#out, Op.V128Const);
    this.#out.bytes(new Uint8Array(16));
    return this;
  }

  /** An access to a memory by its index, without alignment. */
  access(op: Op, memory: number, offset = 0): this {
    writeOpcode(this.#out, op);
    this.#out.u32(OTHER_MEMORY);
    this.#out.u32(memory);
    this.#out.u32(offset);
    return this;
  }

  /** `ref.null`, `ref.test` or `ref.cast`. */
  heap(op: Op, heap: HeapType): this {
    writeOpcode(this.#out, op);
    writeHeapType(this.#out, heap);
    return this;
  }

  /** `block`, `loop`, `if`: without parameters and results, or of a function type of the module. */
  block(op: Op, typeIndex: number | null = null): this {
    writeOpcode(this.#out, op);
    this.#blockType(typeIndex);
    return this;
  }

  /** A `try_table` without parameters and results: labels of its tags, and of all others. */
  tryTable(catches: readonly { readonly tag: number; readonly label: number }[], allLabel: number): this {
    this.block(Op.TryTable);
    this.#out.u32(catches.length + 1);
    for (const { tag, label } of catches) {
      this.#out.u8(0);
      this.#out.u32(tag);
      this.#out.u32(label);
    }
    this.#out.u8(2);
    this.#out.u32(allLabel);
    return this;
  }

  end(): this {
    this.#out.u8(END);
    return this;
  }

  #blockType(typeIndex: number | null): void {
    if (typeIndex === null) this.#out.u8(EMPTY_BLOCK);
    else this.#out.s33(typeIndex);
  }

  /** The body: locals, instructions, the final `end`. */
  body(): Uint8Array {
    const body = new Writer();
    body.u32(this.#locals.length);
    for (const type of this.#locals) {
      body.u32(1);
      writeValType(body, type);
    }
    body.bytes(this.expression());
    return body.toBytes();
  }

  /** The instructions and the final `end`. */
  expression(): Uint8Array {
    return Uint8Array.of(...this.#out.toBytes(), END);
  }
}

/** A module without anything but the types of another one, whose indices it shares. */
export function emptyModule(types: Pick<Module, "types" | "recGroups">): Module {
  return {
    bytes: new Uint8Array(),
    types: types.types,
    recGroups: types.recGroups,
    imports: [],
    funcs: new Uint32Array(),
    tables: [],
    memories: [],
    tags: [],
    globals: [],
    exports: [],
    start: null,
    elements: [],
    dataCount: null,
    data: [],
    bodyStarts: new Uint32Array(),
    bodyEnds: new Uint32Array(),
    customs: [],
    importedFuncs: 0,
    importedTables: 0,
    importedMemories: 0,
    importedTags: 0,
    importedGlobals: 0,
  };
}

/** Collects what is appended to `module`. */
export class Extension {
  readonly module: Module;
  readonly #bytes = new Writer();
  readonly #types: SubType[] = [];
  readonly #typeIndices = new Map<string, number>();
  readonly #funcs: { typeIndex: number; body: Expr | null }[] = [];
  readonly #memories: MemType[] = [];
  readonly #tables: Table[] = [];
  readonly #globals: Global[] = [];
  readonly #tags: number[] = [];
  readonly #exports: Export[] = [];

  constructor(module: Module) {
    this.module = module;
    this.#bytes.bytes(module.bytes);
  }

  type(type: FuncType): number {
    const key = `${type.params.join()}>${type.results.join()}`;
    let index = this.#typeIndices.get(key);
    if (index === undefined) {
      index =
        this.module.types.length + this.#types.push({ final: true, supers: [], comp: { kind: "func", ...type } }) - 1;
      this.#typeIndices.set(key, index);
    }
    return index;
  }

  /** A function whose body {@link define} gives: it may call functions that come later. */
  declare(typeIndex: number): number {
    return this.module.funcs.length + this.#funcs.push({ typeIndex, body: null }) - 1;
  }

  define(func: number, code: Code): void {
    this.#funcs[func - this.module.funcs.length]!.body = this.#append(code.body());
  }

  func(typeIndex: number, code: Code): number {
    const func = this.declare(typeIndex);
    this.define(func, code);
    return func;
  }

  memory(type: MemType): number {
    return this.module.memories.length + this.#memories.push(type) - 1;
  }

  table(type: Table["type"], init: Code | null = null): number {
    const table = { type, init: init === null ? null : this.#append(init.expression()) };
    return this.module.tables.length + this.#tables.push(table) - 1;
  }

  global(type: Global["type"], init: Code): number {
    return this.module.globals.length + this.#globals.push({ type, init: this.#append(init.expression()) }) - 1;
  }

  tag(typeIndex: number): number {
    return this.module.tags.length + this.#tags.push(typeIndex) - 1;
  }

  export(name: string, kind: Export["kind"], index: number): void {
    this.#exports.push({ name, kind, index });
  }

  #append(bytes: Uint8Array): Expr {
    const start = this.#bytes.length;
    this.#bytes.bytes(bytes);
    return { start, end: this.#bytes.length };
  }

  /** The bytes of the module with all that. */
  encode(): Uint8Array {
    const { module } = this;
    const bodies = this.#funcs.map(({ body }) => body!);
    return encodeModule({
      ...module,
      bytes: this.#bytes.toBytes(),
      types: [...module.types, ...this.#types],
      recGroups: [...module.recGroups, ...this.#types.map(() => 1)],
      funcs: Uint32Array.of(...module.funcs, ...this.#funcs.map(({ typeIndex }) => typeIndex)),
      bodyStarts: Uint32Array.of(...module.bodyStarts, ...bodies.map(({ start }) => start)),
      bodyEnds: Uint32Array.of(...module.bodyEnds, ...bodies.map(({ end }) => end)),
      memories: [...module.memories, ...this.#memories],
      tables: [...module.tables, ...this.#tables],
      globals: [...module.globals, ...this.#globals],
      tags: [...module.tags, ...this.#tags],
      exports: [...module.exports, ...this.#exports],
    });
  }
}
