/**
 * Writes a store as data: its instances and what they own, the heap, host values by their names, and invocations
 * that are paused (save-invocation.ts). docs/snapshot.md describes the format.
 */

import type { CompiledModule } from "../compiled-module.ts";
import { SnapshotError } from "../errors.ts";
import type { Invocation } from "../execute/invocation.ts";
import { MAX_GLOBALS } from "../limits.ts";
import { GLOBAL_WORDS } from "../lower/source.ts";
import { Func, type FrameState, type HostFunc } from "../runtime/func.ts";
import type { Tag } from "../runtime/global.ts";
import type { Instance } from "../runtime/instance.ts";
import type { Memory } from "../runtime/memory.ts";
import type { Store } from "../runtime/store.ts";
import type { Table } from "../runtime/table.ts";
import type { AtomicWait } from "../runtime/waiters.ts";
import type { ValType } from "../types.ts";
import {
  CHECKSUM_BYTES,
  DEFAULT_PAGE_SIZE_LOG2,
  MAGIC,
  MAX_UNUSED_EXTERNS,
  MEMORY_BLOCK_BYTES,
  OwnerKind,
  VERSION,
  writePrices,
} from "./format.ts";
import { writeExtern } from "./externs.ts";
import { MemoryImages } from "./memory-image.ts";
import { Output, type OutputAccount, OutputMemory } from "./output.ts";
import { NOTE_BYTES, Pace, PART_BYTES } from "./pace.ts";
import type { ErrorState } from "./pending-error.ts";
import { writePlain, writePlainSteps } from "./plain.ts";
import { References } from "./references.ts";
import { InvocationWriter } from "./save-invocation.ts";
import { saveHeap } from "./save-heap.ts";
import { sha256, sha256Steps } from "./sha256.ts";
import { TypeNames } from "./types.ts";

export interface SnapshotOptions {
  /** The name under which a host value that guests refer to can be found again; undefined: it has none. */
  readonly externName?: (value: unknown) => string | undefined;
  /** The name of a host function that no instance imports. Default: the name that its definition gives. */
  readonly hostFuncName?: (func: Func) => string | undefined;
  /** What a call that waits and is saved as `resumable` has to remember: plain data. */
  readonly hostState?: (invocation: Invocation) => FrameState;
  /** What remains of the time of an atomic wait. Default: all of it. */
  readonly remainingNs?: (wait: AtomicWait) => bigint;
  /** An error of a class of the embedder's as plain data; undefined for others, of which the words are kept. */
  readonly errorState?: ErrorState;
  /** Without the hash that guards it, for bytes that nobody else gets: hashing takes most of the time. Default: false. */
  readonly withoutHash?: boolean;
  /** Pays for what is written until it is done: without room, saving is refused. Default: nobody is asked. */
  readonly account?: OutputAccount;
  /** Whatever the embedder wants to find again beside the store, before it is restored: plain data, or what gives it in the last step, which is then long. */
  readonly data?: FrameState | (() => FrameState);
}

const hashes = new WeakMap<CompiledModule, Uint8Array>();

/** The hash by which snapshots name a module. */
export function moduleHash(module: CompiledModule): Uint8Array {
  let hash = hashes.get(module);
  if (hash === undefined) {
    hash = sha256(module.data.bytes);
    hashes.set(module, hash);
  }
  return hash;
}

/** Throws `SnapshotError` of kind `unsavable` that says what stands in the way. */
export function saveStore(store: Store, invocations: readonly Invocation[], options: SnapshotOptions): Uint8Array {
  const saving = new Saving(store, invocations, options);
  while (!saving.step());
  return saving.bytes;
}

/**
 * Saves a store in bounded steps, between which nothing of it runs or changes; a snapshot that is not finished is just
 * forgotten. The constructor and `step` throw `SnapshotError` of kind `unsavable`.
 */
export class Saving {
  readonly #steps: Generator<void, Uint8Array>;
  readonly #store: Store;
  readonly #turnCount: number;
  readonly #memory: OutputMemory;
  #bytes: Uint8Array | null = null;

  constructor(store: Store, invocations: readonly Invocation[], options: SnapshotOptions = {}) {
    for (const invocation of invocations) {
      if (invocation.store !== store) throw new TypeError("an invocation of another store");
      if (invocation.record === null) throw unsavable("an invocation is running, or has ended");
    }
    store.finishCollection();
    store.moving?.finishMove();
    this.#store = store;
    this.#turnCount = store.turnCount;
    this.#memory = new OutputMemory(options.account ?? null);
    this.#steps = new StoreWriter(store, options, this.#memory).write(invocations);
  }

  /** False when there is more to do. Throws `TypeError` when the store has run meanwhile: the snapshot would be of two moments. */
  step(): boolean {
    if (this.#store.turnCount !== this.#turnCount) throw new TypeError("the store has run while it was being saved");
    let isOver = true;
    try {
      const { done, value } = this.#steps.next();
      isOver = done === true;
      if (done === true) this.#bytes = value;
    } finally {
      if (isOver) this.discard();
    }
    return isOver;
  }

  /** There will be no more steps: gives back what was paid for while it was written. Harmless when repeated. */
  discard(): void {
    this.#memory.end();
  }

  /** The snapshot, when all is done. */
  get bytes(): Uint8Array {
    if (this.#bytes === null) throw new TypeError("the snapshot is not finished");
    return this.#bytes;
  }
}

export function unsavable(detail: string): SnapshotError {
  return new SnapshotError("unsavable", detail);
}

/** The numbers of a store's parts in the snapshot. */
export class Numbers {
  readonly instances = new Map<Instance, number>();
  readonly modules: CompiledModule[] = [];
  readonly tables = new Map<Table, number>();
  readonly memories = new Map<Memory, number>();
  readonly tags = new Map<Tag, number>();
  /** Those that no instance has made. They come first. */
  readonly hostTables: Table[] = [];
  readonly hostMemories: Memory[] = [];
  readonly hostTags: Tag[] = [];
  /** The types of globals, by number; undefined where no instance refers to one. */
  readonly globalTypes: ({ readonly type: ValType; readonly mutable: boolean } | undefined)[] = [];
  /** Numbers of globals that instances refer to and have not made. */
  readonly hostGlobals: number[] = [];

  constructor(store: Store) {
    const { types } = store.engine;
    const own = new Set<Table | Memory | Tag>();
    for (const owner of store.owners) {
      if ("definition" in owner) continue;
      const { module, tables, memories, tags, globalsAt } = owner;
      const { data } = module;
      this.instances.set(owner, this.instances.size);
      if (!this.modules.includes(module)) this.modules.push(module);
      for (const table of tables.slice(data.importedTables)) own.add(table);
      for (const memory of memories.slice(data.importedMemories)) own.add(memory);
      for (const tag of tags.slice(data.importedTags)) own.add(tag);
      for (let i = data.importedGlobals; i < globalsAt.length; i++) this.#setGlobal(owner, i);
    }
    const ownGlobals = new Set<number>();
    this.globalTypes.forEach((_, number) => {
      ownGlobals.add(number);
    });
    for (const instance of this.instances.keys()) {
      const { data } = instance.module;
      this.hostTables.push(...instance.tables.slice(0, data.importedTables).filter((table) => isNew(own, table)));
      this.hostMemories.push(...instance.memories.slice(0, data.importedMemories).filter((each) => isNew(own, each)));
      this.hostTags.push(...instance.tags.slice(0, data.importedTags).filter((tag) => isNew(own, tag)));
      for (let i = 0; i < data.importedGlobals; i++) {
        const number = instance.globalsAt[i]! / GLOBAL_WORDS;
        if (ownGlobals.has(number)) continue;
        const known = this.globalTypes[number];
        if (known === undefined) this.hostGlobals.push(number);
        // Importers may know less of its type than others.
        const type = instance.module.canonical(data.globals[i]!.type.type);
        if (known === undefined || types.matchesVal(type, known.type)) this.#setGlobal(instance, i);
      }
    }
    for (const table of this.hostTables) this.tables.set(table, this.tables.size);
    for (const memory of this.hostMemories) this.memories.set(memory, this.memories.size);
    for (const tag of this.hostTags) this.tags.set(tag, this.tags.size);
    for (const { module, tables, memories, tags } of this.instances.keys()) {
      const { data } = module;
      for (const table of tables.slice(data.importedTables)) this.tables.set(table, this.tables.size);
      for (const memory of memories.slice(data.importedMemories)) this.memories.set(memory, this.memories.size);
      for (const tag of tags.slice(data.importedTags)) this.tags.set(tag, this.tags.size);
    }
  }

  #setGlobal({ module, globalsAt }: Instance, index: number): void {
    const { type, mutable } = module.data.globals[index]!.type;
    this.globalTypes[globalsAt[index]! / GLOBAL_WORDS] = { type: module.canonical(type), mutable };
  }
}

/** True once for each. */
function isNew<T>(seen: Set<T>, value: T): boolean {
  if (seen.has(value)) return false;
  seen.add(value);
  return true;
}

class StoreWriter {
  readonly #store: Store;
  readonly #options: SnapshotOptions;
  readonly #memory: OutputMemory;
  readonly #numbers: Numbers;
  readonly #types: TypeNames;
  readonly #references: References;

  constructor(store: Store, options: SnapshotOptions, memory: OutputMemory) {
    this.#store = store;
    this.#options = options;
    this.#memory = memory;
    this.#numbers = new Numbers(store);
    this.#types = new TypeNames(this.#numbers.modules);
    this.#references = new References(store);
  }

  *write(invocations: readonly Invocation[]): Generator<void, Uint8Array> {
    const { data: given = null } = this.#options;
    const data = new Output(this.#memory);
    if (typeof given !== "function") yield* writePlainSteps(data, given, "the data of the embedder");
    const head = this.#head();
    // Answers of host functions may be new values of the host: so this comes before the heap.
    const runs = new Output(this.#memory);
    const writer = new InvocationWriter(this.#store, this.#numbers, this.#types, this.#references, this.#options);
    yield* writer.write(runs, invocations);
    const contents = new Output(this.#memory);
    yield* this.#contents(contents);
    const heap = new Output(this.#memory);
    heap.flag(this.#store.hasHeap);
    const externs = new Output(this.#memory);
    if (this.#store.hasHeap) {
      yield* saveHeap(heap, this.#store, this.#types, this.#references, this.#numbers.tags, this.#memory);
      this.#externs(externs);
    }
    if (typeof given === "function") writePlain(data, given(), "the data of the embedder");
    const parts = [data, head, heap, externs, contents, runs];
    const assembling = assemble(parts, this.#memory, this.#options.withoutHash ?? false);
    if (typeof given !== "function") return yield* assembling;
    // What is given last is of the moment at which all is done.
    for (;;) {
      const { done, value } = assembling.next();
      if (done === true) return value;
    }
  }

  #head(): Output {
    const out = new Output(this.#memory);
    const store = this.#store;
    const { modules, hostTables, hostMemories, hostTags, hostGlobals, globalTypes } = this.#numbers;
    writePrices(out, store.engine);
    out.count(store.maxFrameSlots);
    out.count(modules.length);
    for (const module of modules) {
      out.raw(moduleHash(module));
      out.text(module.names.moduleName ?? "");
    }
    out.count(hostTables.length);
    for (const { type } of hostTables) {
      this.#types.write(out, type.element);
      out.u8(type.address);
      this.#limits(out, type.limits.min, type.limits.max);
    }
    out.count(hostMemories.length);
    for (const { type } of hostMemories) {
      out.u8(type.address);
      out.flag(type.shared);
      out.u8(type.pageSizeLog2 ?? DEFAULT_PAGE_SIZE_LOG2);
      this.#limits(out, type.limits.min, type.limits.max);
    }
    out.count(hostTags.length);
    for (const { typeId } of hostTags) this.#types.writeId(out, typeId);
    if (store.globalCount > MAX_GLOBALS) throw unsavable(`${store.globalCount} globals, at most ${MAX_GLOBALS}`);
    out.count(store.globalCount);
    out.count(hostGlobals.length);
    for (const number of hostGlobals) {
      const { type, mutable } = globalTypes[number]!;
      out.count(number);
      this.#types.write(out, type);
      out.flag(mutable);
    }
    this.#owners(out);
    return out;
  }

  #limits(out: Output, min: bigint, max: bigint | null): void {
    out.count(Number(min));
    out.text(max === null ? "" : String(max));
  }

  #owners(out: Output): void {
    const { owners, plannedCount } = this.#store;
    const importers = this.#importers();
    out.count(plannedCount);
    out.count(owners.length);
    for (const owner of owners) {
      if ("definition" in owner) this.#hostFunc(out, owner, importers.get(owner.address));
      else this.#instance(out, owner);
    }
  }

  /** By which import each host function is found again. */
  #importers(): Map<number, { readonly module: string; readonly name: string }> {
    const importers = new Map<number, { readonly module: string; readonly name: string }>();
    for (const instance of this.#numbers.instances.keys()) {
      let index = 0;
      for (const { module, name, type } of instance.module.data.imports) {
        if (type.kind !== "func") continue;
        const address = instance.funcAddress(index++);
        if (!importers.has(address)) importers.set(address, { module, name });
      }
    }
    return importers;
  }

  #hostFunc(out: Output, host: HostFunc, importer: { readonly module: string; readonly name: string } | undefined) {
    const name = this.#options.hostFuncName?.(this.#store.funcAt(host.address));
    if (name === undefined && importer !== undefined) {
      out.u8(OwnerKind.Imported);
      out.text(importer.module);
      out.text(importer.name);
    } else {
      const known = name ?? host.definition.name;
      if (known === undefined) throw unsavable(`host function ${host.address} is not imported and has no name`);
      out.u8(OwnerKind.Named);
      out.text(known);
    }
    this.#types.writeFunc(out, host.type);
  }

  #instance(out: Output, instance: Instance): void {
    const { module, tables, memories, tags, globalsAt } = instance;
    const { data } = module;
    out.u8(OwnerKind.Instance);
    out.count(this.#numbers.modules.indexOf(module));
    for (let i = 0; i < data.importedFuncs; i++) out.count(instance.funcAddress(i));
    for (const table of tables.slice(0, data.importedTables)) out.count(this.#numbers.tables.get(table)!);
    for (const memory of memories.slice(0, data.importedMemories)) out.count(this.#numbers.memories.get(memory)!);
    for (let i = 0; i < data.importedGlobals; i++) out.count(globalsAt[i]! / GLOBAL_WORDS);
    for (const tag of tags.slice(0, data.importedTags)) out.count(this.#numbers.tags.get(tag)!);
    for (const table of tables.slice(data.importedTables)) {
      out.count(table.length);
      out.flag(table.imageOf !== null);
    }
    for (const memory of memories.slice(data.importedMemories)) out.count(memory.pages);
    out.count(globalsAt.length > data.importedGlobals ? instance.ownGlobalsAt / GLOBAL_WORDS : 0);
  }

  /** What the parts hold. */
  *#contents(out: Output): Generator<void> {
    const { tables, memories, globalTypes, instances } = this.#numbers;
    const makers = new Map<Memory, { readonly module: CompiledModule; readonly index: number }>();
    for (const { module, memories: all } of instances.keys()) {
      for (let index = module.data.importedMemories; index < all.length; index++) {
        makers.set(all[index]!, { module, index });
      }
    }
    const images = new MemoryImages();
    const pace = new Pace();
    for (const [memory, number] of memories) {
      if (memory.isUsedElsewhere) throw unsavable(`${this.#nameOf(memory, number)} is shared with another store`);
      const bytesNow = () => memory.bytes.subarray(memory.base, memory.base + memory.byteLength);
      const maker = makers.get(memory);
      const image = maker === undefined ? null : images.of(maker.module, maker.index, memory.byteLength);
      yield* out.sparseSteps(bytesNow, MEMORY_BLOCK_BYTES, image);
      if (pace.isOver(PART_BYTES + memory.byteLength)) yield;
    }
    for (const table of tables.keys()) {
      if (table.imageOf !== null) continue;
      const items = table.items.subarray(0, table.length);
      if (this.#references.isTraced(table.element)) {
        for (const handle of items) {
          this.#references.note(handle);
          if (pace.isOver(NOTE_BYTES)) yield;
        }
      }
      yield* out.sparseWordsSteps(items);
      if (pace.isOver(PART_BYTES + items.byteLength)) yield;
    }
    for (let number = 0; number < this.#store.globalCount; number++) {
      const type = globalTypes[number];
      if (type !== undefined) this.#references.write(out, type.type, this.#store.globalWords, number * GLOBAL_WORDS);
    }
    for (const { module, segments } of instances.keys()) {
      const { data, elements } = module.data;
      if (pace.isOver(PART_BYTES + data.length)) yield;
      for (let i = 0; i < data.length; i++) out.u8(segments.isDataDropped(i) ? 1 : 0);
      for (let i = 0; i < elements.length; i++) {
        const isDropped = segments.isElementDropped(i);
        const { type, items } = elements[i]!;
        out.u8(isDropped ? 1 : 0);
        if (!isDropped && items.kind === "exprs") {
          const handles = segments.ownItemsOf(i);
          const isTraced = this.#references.isTraced(module.canonical(type));
          for (let k = 0; isTraced && k < handles.length; k++) this.#references.note(handles[k]!);
          out.sparseWords(handles);
        }
        if (pace.isOver(PART_BYTES + (items.kind === "exprs" ? items.exprs.length * NOTE_BYTES : 0))) yield;
      }
    }
  }

  /** A memory for people. */
  #nameOf(memory: Memory, number: number): string {
    for (const instance of this.#numbers.instances.keys()) {
      for (const [name, value] of instance.exports) {
        if (value === memory) return `memory ${number}, exported as ${JSON.stringify(name)},`;
      }
    }
    return `memory ${number}`;
  }

  #externs(out: Output): void {
    const { externs } = this.#store.heap;
    const values = [...externs.entries()];
    const length = values.reduce((end, [index]) => Math.max(end, index + 1), 0);
    if (length > MAX_UNUSED_EXTERNS + values.length) throw unsavable("host values are too scattered");
    out.count(length);
    out.count(values.length);
    for (const [index, value] of values) {
      out.count(index);
      writeExtern(out, this.#store, value, this.#options.externName, this.#references.externs.has(index));
    }
  }
}

function* assemble(parts: readonly Output[], memory: OutputMemory, withoutHash: boolean): Generator<void, Uint8Array> {
  const pace = new Pace();
  const start = MAGIC.length + 2 + CHECKSUM_BYTES;
  const byteLength = parts.reduce((sum, part) => sum + part.length, start);
  memory.reserve(byteLength);
  const bytes = new Uint8Array(byteLength);
  let at = start;
  for (const part of parts) {
    for (const piece of part.pieces) {
      bytes.set(piece, at);
      at += piece.length;
      if (pace.isOver(piece.length)) yield;
    }
    part.end();
  }
  bytes.set(MAGIC);
  bytes[MAGIC.length] = VERSION & 0xff;
  bytes[MAGIC.length + 1] = VERSION >> 8;
  if (!withoutHash) {
    const hash = yield* sha256Steps(bytes.subarray(start));
    bytes.set(hash.subarray(0, CHECKSUM_BYTES), MAGIC.length + 2);
  }
  return bytes;
}
