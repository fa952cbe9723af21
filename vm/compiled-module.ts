/**
 * A compiled module: decoded, validated, and lowered function by function when they are first
 * called. It belongs to an engine, not to a store, so instances share it and its code.
 */

import { readNames, type ModuleNames } from "./binary/names.ts";
import { Decoding, type CountCheck } from "./binary/decode.ts";
import { CompileError } from "./errors.ts";
import { Footprint } from "./footprint.ts";
import { ModuleCode } from "./lower/code.ts";
import { GLOBAL_WORDS } from "./lower/source.ts";
import { InstantiationLowering, instantiationIndex, type InstantiationSource } from "./lower/instantiation.ts";
import { Lowering } from "./lower/lower.ts";
import { RootMaps } from "./lower/roots.ts";
import { Positions, PositionTables } from "./lower/positions.ts";
import type { TableImages } from "./lower/table-images.ts";
import type { Export, Module } from "./module.ts";
import { ModuleParts } from "./module-parts.ts";
import { BYTES, check } from "./options.ts";
import type { Accountant } from "./runtime/resources.ts";
import type { Layouts } from "./layouts.ts";
import { canonicalVal } from "./type-registry.ts";
import {
  funcTypeText,
  valTypeText,
  type ExternType,
  type FuncType,
  type MemType,
  type TableType,
  type ValType,
} from "./types.ts";
import { defaultEngine, type Engine } from "./engine.ts";
import type { ModuleContext } from "./validate/context.ts";
import { Validation } from "./validate/module.ts";

/** The type of an import or export, for people and for resolvers. */
export type ExternDescriptor =
  | {
      readonly kind: "func";
      readonly params: readonly string[];
      readonly results: readonly string[];
      readonly text: string;
    }
  | { readonly kind: "table"; readonly type: TableType; readonly element: string }
  | { readonly kind: "memory"; readonly type: MemType }
  | { readonly kind: "global"; readonly type: string; readonly mutable: boolean }
  | { readonly kind: "tag"; readonly params: readonly string[] };

/** One import of a module (spec: syntax-import). */
export interface ImportDescriptor {
  readonly module: string;
  readonly name: string;
  readonly type: ExternDescriptor;
}

/** One export of a module (spec: syntax-export). */
export interface ExportDescriptor {
  readonly name: string;
  readonly type: ExternDescriptor;
}

/** Options of {@link compileSync} and {@link validate}. */
export interface CompileOptions {
  /** Default: the shared engine. */
  readonly engine?: Engine;
  /**
   * Asked, as kind `module`, for what compiling takes besides the bytes, before it is taken. When it refuses, compiling ends with a
   * `CompileError` of kind `limit`. All is given back when compiling has ended: whoever keeps the module asks for its
   * {@link CompiledModule.byteLength}.
   */
  readonly accountant?: Accountant;
  /** Told how many of something the module has, imports included, before they are made. What it throws ends compiling. */
  readonly checkCount?: CountCheck;
  /** The bytes are lent: their buffer serves others when compiling has ended, so the module takes a copy of them, at the very end. */
  readonly isLent?: boolean;
}

/** From here on a body's positions are kept when it is lowered: making them for a trap would take milliseconds. */
const LARGE_BODY_BYTES = 16_384;

/** Bytes, values or instructions that one step of compiling handles: well below a millisecond. */
const STEP = 2_000;

/** Compiling as resumable work. */
export class Compilation {
  readonly #engine: Engine;
  readonly #footprint: Footprint;
  readonly #isLent: boolean;
  readonly #decoding: Decoding;
  #validation: Validation | null = null;
  #parts: ModuleParts | null = null;
  #taken: { readonly bytes: Uint8Array; count: number } | null = null;
  #module: CompiledModule | null = null;

  /** Throws `TypeError` for anything but bytes. */
  constructor(bytes: Uint8Array, options: CompileOptions = {}) {
    check("what is compiled", bytes, BYTES);
    const { engine = defaultEngine(), accountant, checkCount, isLent = false } = options;
    this.#engine = engine;
    this.#footprint = new Footprint(accountant);
    this.#isLent = isLent;
    this.#decoding = new Decoding(bytes, engine.proposals, null, this.#footprint, checkCount);
  }

  /** Works for less than a millisecond. True when the module is ready. Throws `CompileError`, and what `checkCount` does. */
  step(): boolean {
    if (this.#module !== null) return true;
    try {
      if (!this.#go()) return false;
    } catch (error) {
      this.release();
      throw error;
    }
    this.#footprint.release();
    return true;
  }

  #go(): boolean {
    if (this.#validation === null) {
      if (this.#decoding.step(STEP)) {
        const { types, proposals } = this.#engine;
        this.#validation = new Validation(this.#decoding.module, types, proposals, this.#footprint);
      }
      return false;
    }
    if (this.#parts === null) {
      if (!this.#validation.step(STEP)) return false;
      this.#parts = new ModuleParts(this.#validation.context);
    }
    if (!this.#parts.step(STEP)) return false;
    if (this.#isLent && !this.#takeBytes()) return false;
    this.#module = new CompiledModule(this.#engine, this.#validation, this.#parts);
    return true;
  }

  /** Copies some of the lent bytes. True when the module has its own. */
  #takeBytes(): boolean {
    const { module } = this.#decoding;
    const { bytes } = module;
    if (this.#taken === null) {
      this.#footprint.addWork(bytes.length);
      this.#taken = { bytes: new Uint8Array(bytes.length), count: 0 };
    }
    const { count } = this.#taken;
    const end = Math.min(count + STEP, bytes.length);
    this.#taken.bytes.set(bytes.subarray(count, end), count);
    this.#taken.count = end;
    if (end < bytes.length) return false;
    module.bytes = this.#taken.bytes;
    return true;
  }

  /** Ends compiling before its time: gives back what the accountant has granted, and the module's types. */
  release(): void {
    this.#footprint.release();
    if (this.#module === null) this.#validation?.release();
  }

  /** What the items that are there so far take of the host's memory. */
  get itemBytes(): number {
    return this.#footprint.itemBytes;
  }

  /** Throws `TypeError` before {@link step} has returned true. */
  get module(): CompiledModule {
    if (this.#module === null) throw new TypeError("the module is not compiled yet");
    return this.#module;
  }
}

/** Compiles at once. Throws `CompileError` with the byte offset of the fault. (spec: embed-module-decode, embed-module-validate) */
export function compileSync(bytes: Uint8Array, options: CompileOptions = {}): CompiledModule {
  const compilation = new Compilation(bytes, options);
  while (!compilation.step());
  return compilation.module;
}

/** The error that compiling the bytes would throw, or null for a valid module. */
export function validate(bytes: Uint8Array, options: CompileOptions = {}): CompileError | null {
  try {
    compileSync(bytes, options);
    return null;
  } catch (error) {
    if (error instanceof CompileError) return error;
    throw error;
  }
}

/** A module that is decoded and validated: what {@link compile} gives and stores instantiate. (spec: syntax-module) */
export class CompiledModule implements InstantiationSource {
  readonly engine: Engine;
  /** The decoded module. */
  readonly data: Module;
  readonly typeIds: Int32Array;
  /** What its bodies were validated against. */
  readonly context: ModuleContext;
  readonly maxHeights: Int32Array;
  readonly prices: Int32Array;
  readonly layouts: Layouts;
  /** The engine's type of each function. */
  readonly funcTypeIds: Int32Array;
  /** Words of each global's value. */
  readonly globalWords: Uint8Array;
  /** Own globals, and segments given by expressions, that hold references which the collector follows. */
  readonly tracedGlobals: readonly number[];
  readonly tracedElements: readonly number[];
  /** Where the items of each segment given by expressions begin among those of all, and behind the last one. */
  readonly elementItemsAt: Int32Array;
  readonly code: ModuleCode;
  /** Types of all tables in the engine's types. */
  readonly tableTypes: readonly TableType[];
  readonly positions: PositionTables;
  /** Where frames hold references. */
  readonly roots: RootMaps;
  readonly images: TableImages;
  /** What it takes of the host's memory: its bytes, all that is made of them, and its code. */
  readonly byteLength: number;
  /** What of that its code counts as, whether it is lowered or not. */
  readonly codeByteLength: number;
  #firstGlobals: Int32Array | null = null;
  #lowering: { readonly lowering: Lowering; readonly positions: Positions | null } | null = null;
  #names: ModuleNames | null = null;
  #exportsByName: ReadonlyMap<string, Export> | null = null;

  constructor(engine: Engine, validation: Validation, parts: ModuleParts) {
    const { module: data, footprint } = validation.context;
    this.engine = engine;
    this.data = data;
    this.typeIds = validation.typeIds;
    this.context = validation.context;
    this.maxHeights = validation.maxHeights;
    this.prices = engine.prices;
    this.layouts = engine.layouts;
    this.funcTypeIds = parts.funcTypeIds;
    this.globalWords = parts.globalWords;
    this.tracedGlobals = parts.tracedGlobals;
    this.tracedElements = parts.tracedElements;
    this.elementItemsAt = parts.elementItemsAt;
    this.code = new ModuleCode(data.funcs.length + 1);
    this.images = parts.images;
    this.tableTypes = parts.tableTypes;
    this.positions = new PositionTables(this);
    this.roots = new RootMaps(this);
    this.codeByteLength = footprint.codeBytes;
    this.byteLength = data.bytes.length + footprint.itemBytes + footprint.codeBytes;
  }

  /**
   * Lowers a function for at most `budget` instructions; true when it may be entered. Another
   * function that is being lowered is finished first.
   */
  lower(funcIndex: number, isExact: boolean, budget = Number.POSITIVE_INFINITY): boolean {
    for (;;) {
      const entries = isExact ? this.code.exactEntries : this.code.entries;
      if (entries[funcIndex] !== 0) return true;
      this.#lowering ??= this.#beginLowering(funcIndex, isExact);
      const { lowering, positions } = this.#lowering;
      if (!lowering.step(budget)) return false;
      if (positions !== null) this.positions.keep(lowering.funcIndex, lowering.isExact, positions);
      this.#lowering = null;
    }
  }

  #beginLowering(funcIndex: number, isExact: boolean): { lowering: Lowering; positions: Positions | null } {
    if (funcIndex === instantiationIndex(this.data)) {
      const positions = new Positions();
      return { lowering: new InstantiationLowering(this, this.code, isExact, positions), positions };
    }
    const { bodyStarts, bodyEnds, importedFuncs } = this.data;
    const body = funcIndex - importedFuncs;
    const isLarge = bodyEnds[body]! - bodyStarts[body]! >= LARGE_BODY_BYTES;
    const positions = isLarge ? new Positions() : null;
    return { lowering: new Lowering(this, this.code, funcIndex, isExact, positions), positions };
  }

  /** Names of the name section; null where it has none. */
  get names(): ModuleNames {
    this.#names ??= readNames(this.data);
    return this.#names;
  }

  /** In the engine's types. */
  funcType(funcIndex: number): FuncType {
    return this.engine.types.funcType(this.funcTypeIds[funcIndex]!);
  }

  /** A value type of the module in the engine's types. */
  canonical(type: ValType): ValType {
    return canonicalVal(type, this.typeIds);
  }

  /** (spec: embed-module-imports) */
  get imports(): ImportDescriptor[] {
    return this.data.imports.map(({ module, name, type }) => ({ module, name, type: this.describe(type) }));
  }

  /** (spec: embed-module-exports) */
  get exports(): ExportDescriptor[] {
    return this.data.exports.map((item) => ({ name: item.name, type: this.describe(this.#typeOfExport(item)) }));
  }

  /** Where the globals lie of an instance whose own are the first of a store, and which imports none. */
  get firstGlobals(): Int32Array {
    this.#firstGlobals ??= Int32Array.from(this.data.globals, (_, index) => index * GLOBAL_WORDS);
    return this.#firstGlobals;
  }

  /** The export of this name, if there is one. */
  exportNamed(name: string): Export | undefined {
    this.#exportsByName ??= new Map(this.data.exports.map((item) => [item.name, item]));
    return this.#exportsByName.get(name);
  }

  /** Copies of the contents of all custom sections with this name. */
  customSections(name: string): Uint8Array[] {
    return this.data.customs
      .filter((section) => section.name === name)
      .map(({ start, end }) => this.data.bytes.slice(start, end));
  }

  #typeOfExport({ kind, index }: Export): ExternType {
    const { data } = this;
    switch (kind) {
      case "func":
        return { kind, typeIndex: data.funcs[index]! };
      case "table":
        return { kind, type: data.tables[index]!.type };
      case "memory":
        return { kind, type: data.memories[index]! };
      case "global":
        return { kind, type: data.globals[index]!.type };
      default:
        return { kind, typeIndex: data.tags[index]! };
    }
  }

  /** A type of this module for people and resolvers. */
  describe(type: ExternType): ExternDescriptor {
    switch (type.kind) {
      case "func":
      case "tag": {
        const { params, results } = this.engine.types.funcType(this.typeIds[type.typeIndex]!);
        const names = { params: params.map(valTypeText), results: results.map(valTypeText) };
        return type.kind === "tag"
          ? { kind: "tag", params: names.params }
          : { kind: "func", ...names, text: funcTypeText({ params, results }) };
      }
      case "table":
        return { kind: "table", type: type.type, element: valTypeText(type.type.element) };
      case "memory":
        return { kind: "memory", type: type.type };
      default:
        return { kind: "global", type: valTypeText(type.type.type), mutable: type.type.mutable };
    }
  }
}
