/**
 * Validates a decoded module (spec: valid-module): everything outside of bodies here, bodies and
 * constant expressions by function.ts. The work can be cut into steps, also inside one body.
 */

import { Decoding, Section } from "../binary/decode.ts";
import { checkBody } from "../binary/skip-expr.ts";
import { CompileError, invalid, invalidIndex, type InvalidMessage, type SourcePlace } from "../errors.ts";
import { Footprint } from "../footprint.ts";
import { PAGE_BYTES } from "../limits.ts";
import type { Expr, Module, SegmentMode } from "../module.ts";
import { NO_PROPOSALS, type Proposals } from "../proposals.ts";
import type { TypeRegistry } from "../type-registry.ts";
import {
  isDefaultable,
  Num,
  pageBytesOf,
  type ExternKind,
  type GlobalType,
  type Limits,
  type MemType,
  type TableType,
  type ValType,
} from "../types.ts";
import { ModuleContext } from "./context.ts";
import { FunctionValidator } from "./function.ts";
import { validateTypes } from "./types.ts";

/** What one item outside of bodies costs of a step's budget, which is in bytes. */
const ITEM_BYTES = 16;
/** Function indices of an element segment between two chances to give way. */
const INDEX_CHUNK = 1_024;
/** Bytes decoded at once to find the place of an error. */
const LOCATE_BYTES = 16_384;
/** Pages of 64 KiB that 32-bit and 64-bit addresses reach (spec: valid-memtype). */
const MAX_PAGES_32 = 1n << 16n;
const MAX_PAGES_64 = 1n << 48n;
/** Elements, and pages of one byte, that 32-bit and 64-bit indices reach (spec: valid-tabletype). */
const MAX_ADDRESS_32 = (1n << 32n) - 1n;
const MAX_ADDRESS_64 = (1n << 64n) - 1n;

/** A decoded module does not keep where its declarations stand: `#placed` finds out when there is an error. */
const NOWHERE: SourcePlace = {};

/** A module being validated. */
export class Validation {
  /** By body: the greatest height of its operand stack in slots of 8 bytes, a v128 being two. */
  readonly maxHeights: Int32Array;
  readonly #context: ModuleContext;
  readonly #validator: FunctionValidator;
  readonly #run: Generator<undefined>;
  readonly #locate: ((section: Section, index: number) => SourcePlace) | null;
  /** What the present step may still spend. */
  #budget = 0;
  #isDone = false;
  /** The item that is validated, for errors without a place of their own. */
  #section: Section = Section.Custom;
  #itemIndex = 0;

  /** `footprint` is what decoding counted; `locate` gives the places of items of a module that was not decoded. */
  constructor(
    module: Module,
    registry: TypeRegistry,
    proposals: Proposals = NO_PROPOSALS,
    footprint: Footprint = new Footprint(),
    locate: ((section: Section, index: number) => SourcePlace) | null = null,
  ) {
    this.#locate = locate;
    this.maxHeights = new Int32Array(module.bodyStarts.length);
    this.#context = new ModuleContext(module, registry, proposals, footprint);
    this.#validator = new FunctionValidator(this.#context);
    this.#run = this.#placed();
  }

  /** The canonical id of each type index, valid until {@link release}. */
  get typeIds(): Int32Array {
    return this.#context.typeIds;
  }

  /** What bodies are validated against, for passes that look at one body again. */
  get context(): ModuleContext {
    return this.#context;
  }

  /**
   * Validates about `budget` bytes more and returns whether the module is valid to its end. Throws
   * a `CompileError` and then holds nothing in the registry; it must not be continued.
   */
  step(budget: number): boolean {
    if (this.#isDone) return true;
    this.#budget = Math.max(1, budget);
    try {
      this.#isDone = this.#run.next().done === true;
    } catch (error) {
      this.release();
      throw error;
    }
    return this.#isDone;
  }

  /** Gives up the module's canonical types: when it is dropped, or given up before the end. */
  release(): void {
    // Ends a generator that is inside a group, which gives its ids back.
    this.#run.return(undefined);
    this.#context.registry.release(this.#context.typeUses);
  }

  /** Charges one item and says whether the step's budget is spent. */
  #spend(bytes = ITEM_BYTES): boolean {
    this.#budget -= bytes;
    return this.#budget <= 0;
  }

  /** Validates, and gives an error its byte offset if it has none: the bytes are decoded again up to the item. */
  *#placed(): Generator<undefined> {
    try {
      yield* this.#validate();
    } catch (error) {
      const { footprint } = this.#context;
      if (!(error instanceof CompileError) || error.position !== undefined || footprint.isRefused) throw error;
      if (this.#locate !== null) {
        throw new CompileError(error.kind, error.reason, this.#locate(this.#section, this.#itemIndex));
      }
      const item = { section: this.#section, index: this.#itemIndex };
      const decoding = new Decoding(this.#context.module.bytes, this.#context.proposals, item, footprint);
      while (decoding.watchedPosition === null && !decoding.step(LOCATE_BYTES)) yield;
      const { watchedPosition: position } = decoding;
      throw position === null ? error : new CompileError(error.kind, error.reason, { position });
    }
  }

  /** Says which item of a section is validated next. */
  #at(section: Section, index: number): void {
    this.#section = section;
    this.#itemIndex = index;
  }

  *#validate(): Generator<undefined> {
    yield* this.#types();
    yield* this.#imports();
    yield* this.#funcs();
    yield* this.#tables();
    const { memories, importedMemories } = this.#context.module;
    for (let i = importedMemories; i < memories.length; i++) {
      this.#at(Section.Memory, i - importedMemories);
      this.#memType(memories[i]!);
    }
    yield* this.#tags();
    yield* this.#globals();
    yield* this.#exports();
    this.#start();
    yield* this.#elements();
    yield* this.#data();
    yield* this.#bodies();
  }

  *#types(): Generator<undefined> {
    for (const _ of validateTypes(this.#context, (typeIndex) => this.#at(Section.Type, typeIndex))) {
      if (this.#spend(64 * ITEM_BYTES)) yield;
    }
  }

  *#imports(): Generator<undefined> {
    const { imports } = this.#context.module;
    for (let i = 0; i < imports.length; i++) {
      const { type } = imports[i]!;
      this.#at(Section.Import, i);
      switch (type.kind) {
        case "func":
          this.#context.funcTypeAt(type.typeIndex, NOWHERE);
          break;
        case "table":
          this.#context.tableTypes.push(this.#tableType(type.type));
          break;
        case "memory":
          this.#memType(type.type);
          break;
        case "global":
          this.#context.globalTypes.push(this.#globalType(type.type));
          break;
        case "tag":
          this.#tagType(type.typeIndex);
          break;
      }
      if (this.#spend()) yield;
    }
  }

  *#funcs(): Generator<undefined> {
    const { funcs, importedFuncs } = this.#context.module;
    for (let i = importedFuncs; i < funcs.length; i++) {
      this.#at(Section.Func, i - importedFuncs);
      this.#context.funcTypeAt(funcs[i]!, NOWHERE);
      if (this.#spend()) yield;
    }
  }

  *#tables(): Generator<undefined> {
    const { tables, importedTables, importedGlobals } = this.#context.module;
    for (let i = importedTables; i < tables.length; i++) {
      const { type, init } = tables[i]!;
      this.#at(Section.Table, i - importedTables);
      const element = this.#tableType(type);
      if (init !== null) yield* this.#expr(init, element, importedGlobals);
      else if (!isDefaultable(element)) {
        throw invalid(
          "type mismatch",
          NOWHERE,
          `table ${i} of ${this.#context.typeText(element)} has no initial value`,
        );
      }
      this.#context.tableTypes.push(element);
      if (this.#spend()) yield;
    }
  }

  *#tags(): Generator<undefined> {
    const { tags, importedTags } = this.#context.module;
    for (let i = importedTags; i < tags.length; i++) {
      this.#at(Section.Tag, i - importedTags);
      this.#tagType(tags[i]!);
      if (this.#spend()) yield;
    }
  }

  /** An initial value sees the globals before its own. */
  *#globals(): Generator<undefined> {
    const { globals, importedGlobals } = this.#context.module;
    for (let i = importedGlobals; i < globals.length; i++) {
      const { type, init } = globals[i]!;
      this.#at(Section.Global, i - importedGlobals);
      const canonical = this.#globalType(type);
      if (init !== null) yield* this.#expr(init, canonical, i);
      this.#context.globalTypes.push(canonical);
      if (this.#spend()) yield;
    }
  }

  *#exports(): Generator<undefined> {
    const names = new Set<string>();
    const { exports } = this.#context.module;
    for (let i = 0; i < exports.length; i++) {
      const { name, kind, index } = exports[i]!;
      this.#at(Section.Export, i);
      this.#checkExternIndex(kind, index);
      if (kind === "func") this.#context.declaredFuncs[index] = 1;
      if (names.has(name)) throw invalid("duplicate export name", NOWHERE, JSON.stringify(name));
      names.add(name);
      if (this.#spend()) yield;
    }
  }

  #checkExternIndex(kind: ExternKind, index: number): void {
    const { funcs, tables, memories, globals, tags } = this.#context.module;
    const count = { func: funcs, table: tables, memory: memories, global: globals, tag: tags }[kind].length;
    if (index >= count) throw invalidIndex(kind === "func" ? "function" : kind, index, NOWHERE);
  }

  #start(): void {
    const { start, funcs } = this.#context.module;
    if (start === null) return;
    this.#at(Section.Start, 0);
    if (start >= funcs.length) throw invalidIndex("function", start, NOWHERE);
    const { params, results } = this.#context.funcType(start);
    if (params.length + results.length > 0) throw invalid("start function", NOWHERE, "it takes or gives values");
  }

  *#elements(): Generator<undefined> {
    const { elements, globals, tables } = this.#context.module;
    for (let i = 0; i < elements.length; i++) {
      const { mode, type, items } = elements[i]!;
      this.#at(Section.Element, i);
      const canonical = this.#context.canonical(type, NOWHERE);
      this.#context.elementTypes.push(canonical);
      if (mode.kind === "active") {
        const table = tables[mode.index];
        const place = { position: mode.offset.start };
        if (table === undefined) throw invalidIndex("table", mode.index, place);
        const element = this.#context.tableTypes[mode.index]!;
        if (!this.#context.registry.matchesVal(canonical, element)) {
          throw invalid(
            "type mismatch",
            place,
            `${this.#context.typeText(canonical)} does not match ${this.#context.typeText(element)}`,
          );
        }
        yield* this.#expr(mode.offset, table.type.address, globals.length);
      }
      if (items.kind === "funcs") yield* this.#elementFuncs(items.indices);
      else for (const expr of items.exprs) yield* this.#expr(expr, canonical, globals.length);
      if (this.#spend()) yield;
    }
  }

  *#elementFuncs(indices: Uint32Array): Generator<undefined> {
    const { declaredFuncs } = this.#context;
    for (let i = 0; i < indices.length; ) {
      const end = Math.min(indices.length, i + INDEX_CHUNK);
      for (; i < end; i++) {
        const index = indices[i]!;
        if (index >= declaredFuncs.length) throw invalidIndex("function", index, NOWHERE);
        declaredFuncs[index] = 1;
      }
      if (this.#spend(INDEX_CHUNK)) yield;
    }
  }

  *#data(): Generator<undefined> {
    const { data } = this.#context.module;
    for (let i = 0; i < data.length; i++) {
      const { mode } = data[i]!;
      this.#at(Section.Data, i);
      if (mode.kind === "active") yield* this.#dataOffset(mode);
      if (this.#spend()) yield;
    }
  }

  #dataOffset({ index, offset }: SegmentMode & { kind: "active" }): Generator<undefined> {
    const { memories, globals } = this.#context.module;
    const memory = memories[index];
    if (memory === undefined) throw invalidIndex("memory", index, { position: offset.start });
    return this.#expr(offset, memory.address, globals.length);
  }

  *#bodies(): Generator<undefined> {
    const { bytes, bodyStarts, bodyEnds, importedFuncs } = this.#context.module;
    const validator = this.#validator;
    for (let i = 0; i < bodyStarts.length; i++) {
      try {
        validator.beginBody(importedFuncs + i);
        while (!this.#stepValidator()) yield;
      } catch (error) {
        if (error instanceof CompileError && error.kind === "malformed") {
          yield* checkBody(bytes, bodyStarts[i]!, bodyEnds[i]!, importedFuncs + i, this.#context.proposals);
        }
        throw error;
      }
      this.maxHeights[i] = validator.maxSlots;
      if (this.#spend()) yield;
    }
  }

  *#expr(expr: Expr, type: ValType, visibleGlobals: number): Generator<undefined> {
    this.#validator.beginExpr(expr, type, visibleGlobals);
    while (!this.#stepValidator()) yield;
    if (this.#spend()) yield;
  }

  #stepValidator(): boolean {
    const validator = this.#validator;
    const isDone = validator.step(this.#budget);
    this.#budget = validator.pausePosition - validator.reader.position;
    return isDone;
  }

  #tableType({ limits, address, element }: TableType): ValType {
    checkLimits(limits, address === Num.I32 ? MAX_ADDRESS_32 : MAX_ADDRESS_64, "table size must be at most 2^32-1");
    return this.#context.canonical(element, NOWHERE);
  }

  #memType(type: MemType): void {
    const { limits, address, shared } = type;
    const pageBytes = pageBytesOf(type);
    const isNarrow = address === Num.I32;
    if (pageBytes === 1 && isNarrow) checkLimits(limits, MAX_ADDRESS_32, "memory size must be at most 2^32-1 pages");
    else if (pageBytes === 1) checkLimits(limits, MAX_ADDRESS_64, "memory size must be at most 2^64-1 pages");
    else if (pageBytes !== PAGE_BYTES) throw invalid("invalid custom page size", NOWHERE, `${pageBytes} bytes`);
    else if (isNarrow) checkLimits(limits, MAX_PAGES_32, "memory size must be at most 65536 pages (4GiB)");
    else checkLimits(limits, MAX_PAGES_64, "memory size must be at most 2^48 pages");
    if (shared && limits.max === null) throw invalid("shared memory must have maximum", NOWHERE);
  }

  #globalType({ type }: GlobalType): ValType {
    return this.#context.canonical(type, NOWHERE);
  }

  #tagType(typeIndex: number): void {
    const { results } = this.#context.funcTypeAt(typeIndex, NOWHERE);
    if (results.length > 0) throw invalid("non-empty tag result type", NOWHERE);
  }
}

function checkLimits({ min, max }: Limits, limit: bigint, message: InvalidMessage): void {
  if (min > limit || (max !== null && max > limit)) throw invalid(message, NOWHERE);
  if (max !== null && min > max) throw invalid("size minimum must not be greater than maximum", NOWHERE);
}

/** Validates a whole module. Throws a `CompileError`. The result holds the module's types until it is released. */
export function validateModule(
  module: Module,
  registry: TypeRegistry,
  proposals: Proposals = NO_PROPOSALS,
): Validation {
  const validation = new Validation(module, registry, proposals);
  while (!validation.step(0x3fff_ffff));
  return validation;
}
