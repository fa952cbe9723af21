/**
 * Reads what save.ts writes, into a store of its own: nothing else is touched, and if the snapshot is refused
 * whatever it took is given back. Whoever made it may have lied: every index, size, type and reference is checked.
 */

import type { CompiledModule } from "../compiled-module.ts";
import { defaultEngine } from "../engine.ts";
import { CompileError, SnapshotError } from "../errors.ts";
import type { Invocation } from "../execute/invocation.ts";
import { bytesOfInstance, compare, type Imports, resolverOf } from "../execute/link.ts";
import type { LinkPlan } from "../execute/link-plan.ts";
import { DEFAULT_FRAME_SLOTS, MAX_GLOBALS } from "../limits.ts";
import { GLOBAL_WORDS } from "../lower/source.ts";
import { check } from "../options.ts";
import { hostFuncAt, type FrameState, type HostDefinition, type HostFunc } from "../runtime/func.ts";
import { Global, Tag } from "../runtime/global.ts";
import type { HeapObject } from "../runtime/heap-object.ts";
import { Instance } from "../runtime/instance.ts";
import { added, NONE } from "../runtime/lists.ts";
import { Memory } from "../runtime/memory.ts";
import { type Accountant, type ResourceKind, UNLIMITED } from "../runtime/resources.ts";
import { FRAME_SLOTS, Store, type StoreOptions } from "../runtime/store.ts";
import { Table } from "../runtime/table.ts";
import { type AddressType, type ExternType, type FuncType, Num, type ValType } from "../types.ts";
import {
  CHECKSUM_BYTES,
  DEFAULT_PAGE_SIZE_LOG2,
  ExternKind,
  HASH_BYTES,
  hasPrices,
  MAGIC,
  MAX_UNUSED_EXTERNS,
  MEMORY_BLOCK_BYTES,
  OwnerKind,
  VERSION,
} from "./format.ts";
import { Input } from "./input.ts";
import { MemoryImages } from "./memory-image.ts";
import { STEP_BYTES } from "./output.ts";
import { NOTE_BYTES, Pace, PART_BYTES } from "./pace.ts";
import { readPlain } from "./plain.ts";
import { ReferenceCheck } from "./references.ts";
import { HeapReader } from "./restore-heap.ts";
import { InvocationReader } from "./restore-invocation.ts";
import { moduleHash } from "./save.ts";
import { hex, sha256 } from "./sha256.ts";
import { TypeNames } from "./types.ts";

export interface RestoreOptions extends StoreOptions {
  /** The modules of the instances, in any order; others may be among them. */
  readonly modules: readonly CompiledModule[];
  /** The host functions that instances import: definitions. */
  readonly imports?: Imports;
  /** As `imports`, for what a module imports that was linked by a plan: its functions are shared again. */
  readonly plan?: LinkPlan;
  /** A host function that no instance imports, by its name. */
  readonly hostFunc?: (name: string) => HostDefinition | undefined;
  /** A host value by the name that it got when it was saved. */
  readonly extern?: (name: string) => unknown;
  /** The error that `errorState` gave as data. */
  readonly error?: (state: FrameState) => Error | undefined;
}

/** What has come out of a snapshot. */
export interface Restored {
  readonly store: Store;
  /** In the order in which they were instantiated. */
  readonly instances: readonly Instance[];
  /** In the order in which they were given. */
  readonly invocations: readonly Invocation[];
  /** For each invocation what `hostState` gave for its call that waits, or null. */
  readonly hostStates: readonly FrameState[];
  /** Heap objects that the embedder had retained, as often as it had. */
  readonly retained: readonly HeapObject[];
  /** What the embedder had added. */
  readonly data: FrameState;
}

/** Throws `SnapshotError`; `Termination` when the accountant or the host has too little memory. */
export function restoreStore(bytes: Uint8Array, options: RestoreOptions): Restored {
  const restoration = new Restoration(bytes);
  restoration.begin(options);
  while (!restoration.step());
  return restoration.restored;
}

/** Restores a store in bounded steps; the data that the embedder had added can be read before. The snapshot stays as it is meanwhile. */
export class Restoration {
  readonly #input: Input;
  readonly data: FrameState;
  #reader: StoreReader | null = null;
  #ledger: Ledger | null = null;
  #steps: Generator<void, Restored> | null = null;
  #restored: Restored | null = null;

  /**
   * Throws `SnapshotError` for bytes that are damaged, or of another version. With `withoutHash` for those that were saved
   * so: what is in them is checked all the same.
   */
  constructor(bytes: Uint8Array, { withoutHash = false }: { readonly withoutHash?: boolean } = {}) {
    this.#input = new Input(bodyOf(bytes, withoutHash));
    this.data = readPlain(this.#input);
  }

  /** Throws what {@link step} does. */
  begin(options: RestoreOptions): void {
    if (this.#ledger !== null) throw new TypeError("restored already");
    this.#ledger = new Ledger(options.accountant ?? UNLIMITED);
    try {
      this.#reader = new StoreReader(this.#input, this.data, options, this.#ledger);
      this.#steps = this.#reader.read();
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** False when there is more to do. Throws `SnapshotError`, `Termination`; then what was taken is given back. */
  step(): boolean {
    if (this.#steps === null) throw new TypeError("the restoration has not begun, or has ended");
    try {
      const { done, value } = this.#steps.next();
      if (done === true) this.#restored = value;
      return done === true;
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** Gives back what was taken, for one that is not to be finished. */
  discard(): void {
    if (this.#restored !== null) return;
    this.#steps = null;
    this.#reader?.discard();
    this.#ledger?.giveBack();
  }

  #failed(error: unknown): unknown {
    this.discard();
    return error instanceof CompileError ? new SnapshotError("invalid", error.message) : error;
  }

  /** The store, when all is done. */
  get restored(): Restored {
    if (this.#restored === null) throw new TypeError("the restoration is not finished");
    return this.#restored;
  }
}

/** All behind the hash, which is right. */
function bodyOf(bytes: Uint8Array, withoutHash: boolean): Uint8Array {
  const start = MAGIC.length + 2 + CHECKSUM_BYTES;
  if (bytes.length < start || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw new SnapshotError("damaged", "it does not begin as a snapshot does");
  }
  const version = bytes[MAGIC.length]! | (bytes[MAGIC.length + 1]! << 8);
  if (version !== VERSION) throw new SnapshotError("version", `format ${version}, this is ${VERSION}`);
  const body = bytes.subarray(start);
  if (withoutHash) return body;
  const checksum = sha256(body);
  for (let i = 0; i < CHECKSUM_BYTES; i++) {
    if (checksum[i] !== bytes[MAGIC.length + 2 + i]) throw new SnapshotError("damaged", "its bytes have changed");
  }
  return body;
}

/** Remembers what was taken until the store is complete. */
class Ledger implements Accountant {
  readonly #accountant: Accountant;
  #taken: Map<ResourceKind, number> | null = new Map();

  constructor(accountant: Accountant) {
    this.#accountant = accountant;
  }

  reserve(kind: ResourceKind, byteLength: number): boolean {
    if (!this.#accountant.reserve(kind, byteLength)) return false;
    this.#taken?.set(kind, (this.#taken.get(kind) ?? 0) + byteLength);
    return true;
  }

  release(kind: ResourceKind, byteLength: number): void {
    this.#accountant.release(kind, byteLength);
    this.#taken?.set(kind, (this.#taken.get(kind) ?? 0) - byteLength);
  }

  giveBack(): void {
    for (const [kind, byteLength] of this.#taken ?? []) this.#accountant.release(kind, byteLength);
    this.#taken = null;
  }

  close(): void {
    this.#taken = null;
  }
}

/** What an instance imports, in its order. */
interface Imported {
  readonly funcs: readonly number[];
  readonly tables: readonly Table[];
  readonly memories: readonly Memory[];
  readonly globals: readonly Global[];
  readonly tags: readonly Tag[];
}

/** The first module that imports a function of some name, and as what. */
interface Importer {
  readonly module: CompiledModule;
  readonly type: ExternType;
}

export class StoreReader {
  readonly input: Input;
  readonly references: ReferenceCheck;
  readonly types: TypeNames;
  readonly store: Store;
  readonly instances: Instance[] = [];
  readonly memories: Memory[] = [];
  readonly options: RestoreOptions;
  heap: HeapReader | null = null;
  readonly #data: FrameState;
  /** Memories that were filled when they were made. */
  readonly #makers = new Map<Memory, { readonly module: CompiledModule; readonly index: number }>();
  readonly #ledger: Ledger;
  readonly #modules: CompiledModule[];
  readonly #tables: Table[] = [];
  readonly #tags: Tag[] = [];
  readonly #globals: ({ readonly type: ValType; readonly mutable: boolean } | undefined)[] = [];
  #globalCount = 0;
  /** By module name and name. */
  #importers: Map<string, Map<string, Importer>> | null = null;

  constructor(input: Input, data: FrameState, options: RestoreOptions, ledger: Ledger) {
    this.input = input;
    this.#data = data;
    this.options = options;
    this.#ledger = ledger;
    const engine = options.engine ?? options.modules[0]?.engine;
    const { allocator, data: owner } = options;
    this.store = new Store({
      ...this.#head(engine),
      ...(engine === undefined ? {} : { engine }),
      ...(allocator === undefined ? {} : { allocator }),
      ...(owner === undefined ? {} : { data: owner }),
    });
    this.#modules = this.#readModules();
    this.types = new TypeNames(this.#modules);
    this.references = new ReferenceCheck(this.store);
  }

  /** What the store itself is made with. */
  #head(engine: StoreOptions["engine"]): { accountant: Accountant; maxFrameSlots: number } {
    const { input } = this;
    if (!hasPrices(input, engine ?? defaultEngine())) throw new SnapshotError("version", "its engine had other prices");
    const limit = this.options.maxFrameSlots ?? DEFAULT_FRAME_SLOTS;
    check("maxFrameSlots of a restore", limit, FRAME_SLOTS);
    const maxFrameSlots = input.count();
    if (maxFrameSlots < 1) throw new SnapshotError("invalid", "a store without frames");
    if (maxFrameSlots > limit) {
      throw new SnapshotError("mismatch", `it wants ${maxFrameSlots} slots of frames, at most ${limit} are allowed`);
    }
    return { accountant: this.#ledger, maxFrameSlots };
  }

  #readModules(): CompiledModule[] {
    const given = new Map(this.options.modules.map((module) => [hex(moduleHash(module)), module]));
    return Array.from({ length: this.input.items() }, () => {
      const hash = hex(this.input.raw(HASH_BYTES));
      const name = this.input.text();
      const module = given.get(hash);
      if (module === undefined) {
        throw new SnapshotError("mismatch", `the module ${name === "" ? "" : `${name} `}of SHA-256 ${hash}`);
      }
      if (module.engine !== this.store.engine) throw new TypeError("a module of another engine");
      return module;
    });
  }

  *read(): Generator<void, Restored> {
    const { input, store, references } = this;
    this.#readHostParts();
    yield* this.#readOwners();
    references.isFuncAt = (address) => this.isFuncAt(address);
    let retained: HeapObject[] = [];
    if (input.flag()) {
      this.heap = new HeapReader(input, store, this.types, this.#tags);
      yield* this.heap.read();
      this.#readExterns();
      references.isObjectAt = (handle) => this.heap!.isObjectAt(handle);
      retained = yield* this.heap.check(references);
    }
    yield* this.#readContents();
    const { invocations, hostStates } = yield* new InvocationReader(this).read();
    if (input.remaining > 0) throw input.invalid(`${input.remaining} bytes too many`);
    this.#ledger.close();
    return { store, instances: this.instances, invocations, hostStates, retained, data: this.#data };
  }

  /** Gives the blocks of memories back. */
  discard(): void {
    this.store.dispose();
  }

  isFuncAt(address: number): boolean {
    return this.store.isFuncAt(address);
  }

  #readHostParts(): void {
    const { input, store, types } = this;
    for (let left = input.items(); left > 0; left--) {
      const element = types.readRef(input);
      this.#tables.push(new Table(store, { element, address: this.#addressType(), limits: this.#limits() }));
    }
    for (let left = input.items(); left > 0; left--) {
      const address = this.#addressType();
      const shared = input.flag();
      const pageSizeLog2 = input.u8();
      if (pageSizeLog2 !== 0 && pageSizeLog2 !== DEFAULT_PAGE_SIZE_LOG2) throw input.invalid("a page size");
      const pages = pageSizeLog2 === 0 ? { pageSizeLog2 } : {};
      this.memories.push(new Memory(store, { address, shared, ...pages, limits: this.#limits() }));
    }
    for (let left = input.items(); left > 0; left--) {
      const typeId = types.readId(input);
      if (store.engine.types.comp(typeId).kind !== "func") throw input.invalid("a tag without a function type");
      this.#tags.push(new Tag(store, typeId));
    }
    this.#globalCount = input.count(MAX_GLOBALS);
    store.addGlobals(this.#globalCount);
    for (let left = input.items(); left > 0; left--) {
      const number = input.count();
      const type = types.read(input);
      this.#addGlobal(number, type, input.flag());
      if (store.engine.types.isTraced(type)) {
        store.tracedGlobals = added(store.tracedGlobals, number * GLOBAL_WORDS);
      }
    }
  }

  #addressType(): AddressType {
    const type = this.input.u8();
    if (type !== Num.I32 && type !== Num.I64) throw this.input.invalid(`address type ${type}`);
    return type;
  }

  #limits(): { min: bigint; max: bigint | null } {
    const min = BigInt(this.input.count());
    const text = this.input.text();
    if (!/^\d{0,20}$/.test(text)) throw this.input.invalid("a maximum");
    const max = text === "" ? null : BigInt(text);
    if (max !== null && min > max) throw this.input.invalid("a minimum above the maximum");
    return { min, max };
  }

  #addGlobal(number: number, type: ValType, mutable: boolean): void {
    if (number >= this.#globalCount) throw this.input.invalid(`global ${number} of ${this.#globalCount}`);
    if (this.#globals[number] !== undefined) throw this.input.invalid(`global ${number} twice`);
    this.#globals[number] = { type, mutable };
  }

  *#readOwners(): Generator<void> {
    const { input, store } = this;
    const pace = new Pace();
    const planned = input.count();
    const count = input.items();
    if (planned > count) throw input.invalid(`${planned} of ${count} owners are planned`);
    const hosts: HostFunc[] = [];
    while (hosts.length < planned) {
      const kind = input.u8();
      if (kind === OwnerKind.Instance) throw input.invalid("an instance in a plan");
      hosts.push(this.#hostFunc(kind, hosts.length + 1));
      if (pace.isOver(PART_BYTES)) yield;
    }
    const shared = this.options.plan?.hosts;
    const isShared = shared?.length === planned && hosts.every((host, i) => host === shared[i]);
    if (planned > 0) store.addPlanned(isShared ? shared : hosts);
    for (let i = planned; i < count; i++) {
      if (pace.isOver(PART_BYTES)) yield;
      const kind = input.u8();
      if (kind === OwnerKind.Instance) this.#readInstance();
      else {
        const { definition } = this.#hostFunc(kind, store.nextAddress);
        store.hostFunc(definition);
      }
    }
  }

  #hostFunc(kind: number, address: number): HostFunc {
    const { input, store } = this;
    let definition: HostDefinition | undefined;
    let name: string;
    if (kind === OwnerKind.Imported) {
      const module = input.text();
      name = input.text();
      const planned = this.#planned(module, name, address);
      if (planned !== null && isSameType(planned.type, this.types.readFunc(input))) return planned;
      if (planned !== null) throw new SnapshotError("mismatch", `host function ${module}.${name} of its former type`);
      definition = this.#importedDefinition(module, name);
      name = `${module}.${name}`;
    } else if (kind === OwnerKind.Named) {
      name = input.text();
      definition = this.options.hostFunc?.(name);
    } else throw input.invalid(`owner of kind ${kind}`);
    const saved = this.types.readFunc(input);
    if (definition === undefined) throw new SnapshotError("mismatch", `host function ${name}`);
    const host = hostFuncAt(address, store.engine, definition, name);
    if (!isSameType(host.type, saved)) throw new SnapshotError("mismatch", `host function ${name} of its former type`);
    return host;
  }

  /** The function that the plan has at an address, if it is for this import. */
  #planned(module: string, name: string, address: number): HostFunc | null {
    const { plan } = this.options;
    const item = plan?.module.data.imports[address - 1];
    return plan !== undefined && item?.module === module && item.name === name ? plan.hosts[address - 1]! : null;
  }

  #importedDefinition(module: string, name: string): HostDefinition | undefined {
    this.#importers ??= this.#findImporters();
    const importer = this.#importers.get(module)?.get(name);
    if (importer === undefined) return undefined;
    const resolve = resolverOf(this.options.imports ?? {});
    const value = resolve(module, name, importer.module.describe(importer.type));
    if (value !== undefined && !("call" in value)) {
      throw new TypeError(`${module}.${name} must be given as a definition`);
    }
    return value;
  }

  #findImporters(): Map<string, Map<string, Importer>> {
    const importers = new Map<string, Map<string, Importer>>();
    for (const module of this.#modules) {
      for (const { module: from, name, type } of module.data.imports) {
        if (type.kind !== "func") continue;
        let named = importers.get(from);
        if (named === undefined) {
          named = new Map();
          importers.set(from, named);
        }
        if (!named.has(name)) named.set(name, { module, type });
      }
    }
    return importers;
  }

  #readInstance(): void {
    const { input, store } = this;
    const module = this.#modules[input.index(this.#modules.length, "module")]!;
    const { data } = module;
    const funcs: number[] = [];
    for (let i = 0; i < data.importedFuncs; i++) {
      const address = input.count();
      if (!this.isFuncAt(address)) throw input.invalid(`function ${address}`);
      funcs.push(address);
    }
    const tables = this.#imported(data.importedTables, this.#tables, "table");
    const memories = this.#imported(data.importedMemories, this.memories, "memory");
    const globals = Array.from({ length: data.importedGlobals }, () => this.#importedGlobal());
    const tags = this.#imported(data.importedTags, this.#tags, "tag");
    this.#compare(module, { funcs, tables, memories, globals, tags });
    for (const table of tables) table.own();
    store.addModule(module);
    store.reserve("instance", bytesOfInstance(module));
    const images: Table[] = [];
    for (let i = data.importedTables; i < data.tables.length; i++) {
      const { type } = data.tables[i]!;
      const min = this.#size(type.limits);
      const image = input.flag() ? module.images.of(i) : null;
      if (image === undefined || (image !== null && image.length !== Number(min))) throw input.invalid("a table image");
      const limits = { ...type.limits, min };
      const table = new Table(store, { ...type, limits, element: module.canonical(type.element) }, image);
      if (image !== null) images.push(table);
      tables.push(table);
      this.#tables.push(table);
    }
    for (let i = data.importedMemories; i < data.memories.length; i++) {
      const type = data.memories[i]!;
      const memory = new Memory(store, type, this.#size(type.limits));
      memories.push(memory);
      this.memories.push(memory);
      this.#makers.set(memory, { module, index: i });
    }
    const ownGlobalsAt = input.count();
    const globalsAt = globals.map(({ at }) => at);
    for (let i = data.importedGlobals; i < data.globals.length; i++) {
      const { type, mutable } = data.globals[i]!.type;
      const number = ownGlobalsAt + i - data.importedGlobals;
      this.#addGlobal(number, module.canonical(type), mutable);
      globalsAt.push(number * GLOBAL_WORDS);
    }
    for (let i = data.importedTags; i < data.tags.length; i++) {
      const tag = new Tag(store, module.typeIds[data.tags[i]!]!);
      tags.push(tag);
      this.#tags.push(tag);
    }
    const parts = {
      importedFuncs: this.#addresses(funcs),
      tables: exactly(tables),
      memories: exactly(memories),
      globalsAt: same(module.firstGlobals, globalsAt) ?? Int32Array.from(globalsAt),
      tags: exactly(tags),
    };
    const instance = new Instance(store, module, parts);
    for (const table of images) table.share(instance);
    this.instances.push(instance);
  }

  /** Those of the plan where they are the same. */
  #addresses(funcs: readonly number[]): Int32Array {
    return same(this.options.plan?.addresses, funcs) ?? Int32Array.from(funcs);
  }

  /** At least the declared minimum. */
  #size({ min, max }: { readonly min: bigint; readonly max: bigint | null }): bigint {
    const size = BigInt(this.input.count());
    if (size < min || (max !== null && size > max)) throw this.input.invalid(`size ${size}`);
    return size;
  }

  #imported<T>(count: number, all: readonly T[], what: string): T[] {
    return Array.from({ length: count }, () => all[this.input.index(all.length, what)]!);
  }

  #importedGlobal(): Global {
    const number = this.input.count();
    const type = this.#globals[number];
    if (type === undefined) throw this.input.invalid(`global ${number}`);
    return new Global(this.store, type, number * GLOBAL_WORDS);
  }

  /** As linking does. */
  #compare(module: CompiledModule, { funcs, ...externs }: Imported): void {
    const { store } = this;
    const { tables, memories, globals, tags } = externs;
    const next = { func: 0, table: 0, memory: 0, global: 0, tag: 0 };
    const all = { table: tables, memory: memories, global: globals, tag: tags };
    for (const { module: from, name, type } of module.data.imports) {
      const at = next[type.kind]++;
      // A `Func` of each would stay with the store.
      const actual =
        type.kind === "func" ? { kind: "func" as const, typeId: store.typeIdOf(funcs[at]!) } : all[type.kind][at]!;
      const mismatch = compare(module, type, actual);
      if (mismatch !== null) throw this.input.invalid(`import ${from}.${name}: ${mismatch}`);
    }
  }

  #readExterns(): void {
    const { input, store, references } = this;
    const length = input.count();
    const count = input.items();
    if (length > count + MAX_UNUSED_EXTERNS) throw input.invalid(`${length} places of host values`);
    const values = new Map<number, unknown>();
    for (let i = 0; i < count; i++) {
      const index = input.index(length, "host value");
      if (values.has(index)) throw input.invalid(`host value ${index} twice`);
      values.set(index, this.extern());
    }
    if (!store.heap.externs.restore(values, length)) throw new SnapshotError("mismatch", "different host values");
    references.isExternAt = (index) => values.has(index);
  }

  /** A host value. */
  extern(): unknown {
    const { input, store } = this;
    switch (input.u8()) {
      case ExternKind.Unused:
        return Symbol("a host value that nobody refers to");
      case ExternKind.Undefined:
        return undefined;
      case ExternKind.Plain:
        return readPlain(input);
      case ExternKind.Func: {
        const address = input.count();
        if (!this.isFuncAt(address)) throw input.invalid(`function ${address}`);
        return store.funcAt(address);
      }
      case ExternKind.Named: {
        const name = input.text();
        const value = this.options.extern?.(name);
        if (value === undefined) throw new SnapshotError("mismatch", `the host value named ${JSON.stringify(name)}`);
        return value;
      }
      default:
        throw input.invalid("a host value");
    }
  }

  *#readContents(): Generator<void> {
    const { input, store, references } = this;
    const images = new MemoryImages();
    const pace = new Pace();
    for (const memory of this.memories) {
      const write = (offset: number, bytes: Uint8Array) => memory.write(offset, bytes);
      const maker = this.#makers.get(memory);
      const image = maker === undefined ? null : images.of(maker.module, maker.index, memory.byteLength);
      const length = image === null ? 0 : Math.min(image.bytes.length, memory.byteLength - image.start);
      for (let at = 0; at < length; at += STEP_BYTES) {
        memory.write(image!.start + at, image!.bytes.subarray(at, Math.min(length, at + STEP_BYTES)));
        if (pace.isOver(STEP_BYTES)) yield;
      }
      if (pace.isOver(PART_BYTES)) yield;
      yield* input.sparseSteps(memory.byteLength, MEMORY_BLOCK_BYTES, write);
    }
    for (const table of this.#tables) {
      if (table.imageOf !== null) continue;
      yield* input.sparseWordsSteps(table.items.subarray(0, table.length));
      for (let i = 0; i < table.length; i++) {
        references.check(input, table.items[i]!, table.element, true);
        if (pace.isOver(NOTE_BYTES)) yield;
      }
      if (pace.isOver(PART_BYTES)) yield;
    }
    for (let number = 0; number < this.#globalCount; number++) {
      const type = this.#globals[number];
      if (type !== undefined) references.read(input, type.type, store.globalWords, number * GLOBAL_WORDS, true);
    }
    for (const { module, segments } of this.instances) {
      const { data, elements } = module.data;
      if (pace.isOver(PART_BYTES + data.length)) yield;
      for (let i = 0; i < data.length; i++) if (input.flag()) segments.dropData(i);
      for (let i = 0; i < elements.length; i++) {
        const { type, items } = elements[i]!;
        if (input.flag()) segments.dropElement(i);
        else if (items.kind === "exprs") {
          const handles = segments.ownItemsOf(i);
          input.sparseWords(handles);
          const canonical = module.canonical(type);
          for (const handle of handles) references.check(input, handle, canonical, true);
        }
        if (pace.isOver(PART_BYTES + (items.kind === "exprs" ? items.exprs.length * NOTE_BYTES : 0))) yield;
      }
    }
  }
}

/** `shared`, if it has just these numbers. */
function same(shared: Int32Array | undefined, numbers: readonly number[]): Int32Array | null {
  return shared?.length === numbers.length && numbers.every((each, i) => each === shared[i]) ? shared : null;
}

/** As long as it is: lists that grew have room for more, which each instance would keep. */
function exactly<T>(list: readonly T[]): readonly T[] {
  return list.length === 0 ? NONE : list.slice();
}

function isSameType(a: FuncType, b: FuncType): boolean {
  const isSame = (x: readonly ValType[], y: readonly ValType[]) =>
    x.length === y.length && x.every((type, i) => type === y[i]);
  return isSame(a.params, b.params) && isSame(a.results, b.results);
}
