/**
 * The store (spec: store): owns instances, functions, memories, tables, globals, external
 * references and invocations, and is what is paused, limited and one day saved. Nothing is shared
 * between stores except compiled modules and memories declared as shared.
 */

import { InternalError, Termination } from "../errors.ts";
import { DEFAULT_FRAME_SLOTS } from "../limits.ts";
import { FUNCREF, type FuncType, Heap, heapOf, isNullable, Num, type ValType } from "../types.ts";
import { defaultEngine, type Engine } from "../engine.ts";
import { EXCEPTIONS } from "../layouts.ts";
import {
  ANYTHING,
  check,
  checkOptions,
  COMPILED_MODULE,
  objectWith,
  wholeNumber,
  type ExpectedOptions,
} from "../options.ts";
import { finish, finishSync, type CallOptions } from "../execute/calls.ts";
import { Invocation } from "../execute/invocation.ts";
import type { InvocationOptions } from "../execute/outcome.ts";
import { link, type Imports } from "../execute/link.ts";
import { traceRoots } from "../execute/roots.ts";
import {
  restoreStore,
  saveStore,
  type Restored,
  type RestoreOptions,
  type SnapshotOptions,
} from "../snapshot/index.ts";
import { LinkPlan } from "../execute/link-plan.ts";
import type { CompiledModule } from "../compiled-module.ts";
import { instantiationIndex } from "../lower/instantiation.ts";
import { GLOBAL_WORDS } from "../lower/source.ts";
import { Func, hostFuncAt, type HostDefinition, type HostFunc } from "./func.ts";
import type { Tag } from "./global.ts";
import { Heap as ObjectHeap } from "./heap.ts";
import { HeapObject } from "./heap-object.ts";
import type { Instance } from "./instance.ts";
import { added, NONE } from "./lists.ts";
import { SEPARATE_BUFFERS, UNLIMITED, type Accountant, type MemoryAllocator } from "./resources.ts";
import type { Memory } from "./memory.ts";
import { fitsI31, i31Handle, i31Value, isExtern, isI31, NULL } from "./reference.ts";
import { Table } from "./table.ts";
import { wrongType, type Value } from "./values.ts";

/** Options of a {@link Store}. */
export interface StoreOptions {
  readonly engine?: Engine;
  /** Asked before anything grows. Default: everything is granted. */
  readonly accountant?: Accountant;
  /** Where linear memories lie. Default: a buffer each. */
  readonly allocator?: MemoryAllocator;
  /** Slots of 8 bytes of one invocation's frames: the depth at which "call stack exhausted" traps. */
  readonly maxFrameSlots?: number;
  /** Whatever the embedder wants to find again as `store.data`: whose store it is. */
  readonly data?: unknown;
}

/** Words of frames have indices of 31 bits. */
export const FRAME_SLOTS = wholeNumber(1, 0x1fff_ffff);
const OPTIONS: ExpectedOptions<StoreOptions> = {
  engine: objectWith("an Engine", "types", "prices"),
  accountant: objectWith("an Accountant: reserve, release", "reserve", "release"),
  allocator: objectWith("a MemoryAllocator: allocate", "allocate"),
  maxFrameSlots: FRAME_SLOTS,
  data: ANYTHING,
};

/** What a host function counts as. */
const FUNC_BYTES = 64;
/** What a heap takes besides its pages. */
const HEAP_BYTES = 1_536;
const INSTANTIATION_TYPE: FuncType = { params: [], results: [] };
const NO_WORDS = new Int32Array(0);
const NO_PAGES: readonly Int32Array[] = [];
let noTable: Table | null = null;

function firstAddressOf(owner: Instance | HostFunc): number {
  return "definition" in owner ? owner.address : owner.funcsAt;
}

/** A store (spec: store): what owns instances and their state, and limits them. */
export class Store {
  readonly engine: Engine;
  readonly accountant: Accountant;
  readonly allocator: MemoryAllocator;
  readonly maxFrameSlots: number;
  readonly data: unknown;
  /** Four words for each global of the store. */
  globalWords = NO_WORDS;
  #globalCount = 0;
  /** A memory that is being copied to a larger block while the invocation that grows it is paused. */
  moving: Memory | null = null;
  /** Owners of function addresses, in the order of their first ones. Address 0 is null. */
  #owners: (Instance | HostFunc)[] = NONE;
  #nextAddress = 1;
  /** Turns that invocations have begun: a snapshot is of one moment. */
  turnCount = 0;
  /** The first one, and all others. */
  #module: CompiledModule | null = null;
  #modules: Set<CompiledModule> | null = null;
  /** Host functions at the addresses from 1 on, shared with other stores. */
  #planned: readonly HostFunc[] = NONE;
  #funcs: Map<number, Func> | null = null;
  #memories: Memory[] = NONE;
  #heap: ObjectHeap | null = null;
  /** Tags in the order in which their first exceptions came. */
  #tags: Tag[] = NONE;
  /** Whatever may hold references to heap objects: instances by their globals and segments, tables, and what runs or is paused. */
  tracedInstances: Instance[] = NONE;
  tracedTables: Table[] = NONE;
  /** First words of such globals that belong to no instance. */
  tracedGlobals: number[] = NONE;
  /** Those that have not ended, as a list. */
  #firstInvocation: Invocation | null = null;
  #lastInvocation: Invocation | null = null;

  /** Throws `TypeError` or `RangeError` for an option that is not what it has to be. */
  constructor(options: StoreOptions = {}) {
    checkOptions("Store", options, OPTIONS);
    this.engine = options.engine ?? defaultEngine();
    this.accountant = options.accountant ?? UNLIMITED;
    this.allocator = options.allocator ?? SEPARATE_BUFFERS;
    this.maxFrameSlots = options.maxFrameSlots ?? DEFAULT_FRAME_SLOTS;
    this.data = options.data ?? null;
  }

  /** Returns `byteLength`. Throws `Termination` when the accountant refuses. */
  reserve(kind: Parameters<Accountant["reserve"]>[0], byteLength: number): number {
    if (!this.accountant.reserve(kind, byteLength))
      throw new Termination("memory limit", `${byteLength} bytes for ${kind}`);
    return byteLength;
  }

  /** Those that have not ended, in the order in which they began. */
  get invocations(): Invocation[] {
    const all: Invocation[] = [];
    for (let one = this.#firstInvocation; one !== null; one = one.later) all.push(one);
    return all;
  }

  /** For an invocation that begins. */
  addInvocation(invocation: Invocation): void {
    invocation.earlier = this.#lastInvocation;
    if (invocation.earlier === null) this.#firstInvocation = invocation;
    else invocation.earlier.later = invocation;
    this.#lastInvocation = invocation;
  }

  /** For one that ends. Harmless for one that never began. */
  removeInvocation(invocation: Invocation): void {
    const { earlier, later } = invocation;
    if (earlier !== null) earlier.later = later;
    else if (this.#firstInvocation === invocation) this.#firstInvocation = later;
    if (later !== null) later.earlier = earlier;
    else if (this.#lastInvocation === invocation) this.#lastInvocation = earlier;
    invocation.earlier = null;
    invocation.later = null;
  }

  /** Asks for a module's bytes and code when the store sees it for the first time; true then. Throws `Termination`. */
  addModule(module: CompiledModule): boolean {
    if (module === this.#module || this.#modules?.has(module) === true) return false;
    const byteLength = this.reserve("module", module.byteLength - module.codeByteLength);
    try {
      this.reserve("code", module.codeByteLength);
    } catch (error) {
      this.accountant.release("module", byteLength);
      throw error;
    }
    if (this.#module === null) this.#module = module;
    else (this.#modules ??= new Set()).add(module);
    return true;
  }

  /** Takes {@link addModule} back. */
  removeModule(module: CompiledModule): void {
    if (module === this.#module) this.#module = null;
    else if (this.#modules?.delete(module) !== true) return;
    this.accountant.release("module", module.byteLength - module.codeByteLength);
    this.accountant.release("code", module.codeByteLength);
  }

  /** Takes `count` addresses for the functions of an instance or of the host. Returns the first. */
  addFuncs(owner: Instance | HostFunc, count: number): number {
    const first = this.#nextAddress;
    if (first + count > 0x7fff_ffff) throw new Termination("memory limit", "function addresses of a store");
    this.#owners = added(this.#owners, owner);
    this.#nextAddress = first + Math.max(1, count);
    return first;
  }

  /** Takes the instance that has got the last addresses out again, before anybody has seen it. */
  removeInstance(instance: Instance): void {
    this.#owners.pop();
    this.#nextAddress = instance.funcsAt;
    this.tracedInstances = this.tracedInstances.filter((other) => other !== instance);
  }

  /**
   * Gives the host functions of a plan the first addresses. False when the store has functions
   * already; nothing has changed then.
   */
  addPlanned(hosts: readonly HostFunc[]): boolean {
    if (this.#nextAddress !== 1) return false;
    this.reserve("functions", FUNC_BYTES);
    this.#planned = hosts;
    this.#nextAddress = hosts.length + 1;
    return true;
  }

  /** Takes {@link addPlanned} back, if no address was given since. */
  removePlanned(): void {
    if (this.#nextAddress !== this.#planned.length + 1) return;
    this.#planned = NONE;
    this.#nextAddress = 1;
    this.accountant.release("functions", FUNC_BYTES);
  }

  /** The instance or host function behind an address. */
  ownerOf(address: number): Instance | HostFunc {
    if (address <= this.#planned.length && address > 0) return this.#planned[address - 1]!;
    const owners = this.#owners;
    let low = 0;
    let high = owners.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (firstAddressOf(owners[middle]!) <= address) low = middle;
      else high = middle - 1;
    }
    const owner = owners[low];
    if (owner === undefined || address <= 0) throw new InternalError(`no function at address ${address}`);
    return owner;
  }

  /** The host function at an address; null for a function of an instance. */
  hostAt(address: number): HostFunc | null {
    if (address <= this.#planned.length && address > 0) return this.#planned[address - 1]!;
    const owner = this.ownerOf(address);
    return "definition" in owner ? owner : null;
  }

  /** Whatever has addresses, in their order; those of a plan come first. */
  get owners(): readonly (Instance | HostFunc)[] {
    return [...this.#planned, ...this.#owners];
  }

  /** How many host functions a plan has given. */
  get plannedCount(): number {
    return this.#planned.length;
  }

  /** The first address that belongs to nobody. */
  get nextAddress(): number {
    return this.#nextAddress;
  }

  /** How many globals the store has. */
  get globalCount(): number {
    return this.#globalCount;
  }

  /** Whether anything has needed {@link heap}. */
  get hasHeap(): boolean {
    return this.#heap !== null;
  }

  /** The engine's id of the type of the function at an address. */
  typeIdOf(address: number): number {
    const owner = this.ownerOf(address);
    return "definition" in owner ? owner.typeId : owner.module.funcTypeIds[address - owner.funcsAt]!;
  }

  /** The type of the function at an address, in the engine's types. */
  typeAt(address: number): FuncType {
    return this.engine.types.funcType(this.typeIdOf(address));
  }

  /** Whether an address is that of a function, and not of an import's place among an instance's. */
  isFuncAt(address: number): boolean {
    if (!(Number.isInteger(address) && address > 0 && address < this.#nextAddress)) return false;
    const owner = this.ownerOf(address);
    if ("definition" in owner) return owner.address === address;
    const index = address - owner.funcsAt;
    return index < owner.module.data.funcs.length && !owner.isImported(index);
  }

  /** The one `Func` of an address. Throws `RangeError` when no function is there. */
  funcAt(address: number): Func {
    this.#funcs ??= new Map();
    let func = this.#funcs.get(address);
    if (func === undefined) {
      if (!this.isFuncAt(address)) throw new RangeError(`no function at address ${address}`);
      func = new Func(this, address);
      this.#funcs.set(address, func);
    }
    return func;
  }

  /**
   * Makes a host function of this store, which errors call `name` if its definition has none. Throws `TypeError` for what is no
   * definition, or names a type that does not exist.
   * Imports may give definitions directly; this serves tables, globals and several instances.
   */
  hostFunc(definition: HostDefinition, name?: string): Func {
    const host = hostFuncAt(this.#nextAddress, this.engine, definition, name);
    this.reserve("functions", FUNC_BYTES);
    try {
      return this.funcAt(this.addFuncs(host, 1));
    } catch (error) {
      this.accountant.release("functions", FUNC_BYTES);
      throw error;
    }
  }

  /** Takes {@link hostFunc} back, for a function that nobody has got; not if other addresses were given since. */
  removeHostFunc({ address }: Func): void {
    if (address !== this.#nextAddress - 1) return;
    this.#owners.pop();
    this.#funcs?.delete(address);
    this.#nextAddress = address;
    this.accountant.release("functions", FUNC_BYTES);
  }

  /** What an instance without tables has as its first one: the same for all, in a store of its own. */
  get noTable(): Table {
    const none = { min: 0n, max: 0n };
    noTable ??= new Table(new Store(), { limits: none, address: Num.I32, element: FUNCREF });
    return noTable;
  }

  /** A call that the embedder runs turn by turn. Throws `TypeError` for wrong arguments. */
  invoke(func: Func, args: readonly Value[] = [], options: InvocationOptions = {}): Invocation {
    if (func.store !== this) throw new TypeError("a function of another store");
    return new Invocation(this, func, args, options);
  }

  /** Calls a function as `Instance.call` does. */
  async call(func: Func, args: readonly Value[] = [], options: CallOptions = {}): Promise<Value[]> {
    return finish(this.invoke(func, args), options);
  }

  /** As {@link call}, on the JavaScript stack, as `Instance.callSync` does. Throws `SuspendError` when a host function has to wait. */
  callSync(func: Func, args: readonly Value[] = [], options: Pick<CallOptions, "fuel"> = {}): Value[] {
    return finishSync(this.invoke(func, args), options);
  }

  /**
   * Links a module and gives the rest of its instantiation (initial values, segments, the start
   * function) as an invocation. The instance is not to be used before that has returned.
   * Throws `LinkError`, `Termination`. (spec: exec-instantiation)
   */
  instantiation(
    module: CompiledModule,
    imports: Imports | LinkPlan = {},
  ): { readonly instance: Instance; readonly invocation: Invocation } {
    // A plan knows its module.
    if (!(imports instanceof LinkPlan)) check("module to instantiate", module, COMPILED_MODULE);
    const linked = link(this, module, imports);
    const { instance } = linked;
    const address = instance.funcsAt + instantiationIndex(module.data);
    try {
      return { instance, invocation: new Invocation(this, { address, type: INSTANTIATION_TYPE }, NONE) };
    } catch (error) {
      linked.unlink();
      throw error;
    }
  }

  /**
   * Everything the store holds, as bytes that {@link restore} takes here or elsewhere: docs/snapshot.md. `invocations` are
   * those that are to go on there; others are left out. Nothing changes here. Throws `SnapshotError` that names what stands in
   * the way.
   */
  snapshot(invocations: readonly Invocation[] = this.invocations, options: SnapshotOptions = {}): Uint8Array {
    return saveStore(this, invocations, options);
  }

  /**
   * A new store from a snapshot. What goes on there uses the same fuel, pauses at the same places and gives the same
   * results. Throws `SnapshotError`, having touched nothing; `Termination` when the accountant refuses.
   */
  static restore(bytes: Uint8Array, options: RestoreOptions): Restored {
    return restoreStore(bytes, options);
  }

  /** Frees the linear memories, whose later use is out of bounds. Nothing of the store can run any more. */
  dispose(): void {
    for (const memory of this.#memories) memory.dispose(this);
    this.#memories = NONE;
    this.#heap = null;
  }

  /** So that {@link dispose} finds it. */
  addMemory(memory: Memory): void {
    this.#memories = added(this.#memories, memory);
  }

  /** Takes {@link addMemory} back. */
  removeMemory(memory: Memory): void {
    const at = this.#memories.lastIndexOf(memory);
    if (at >= 0) this.#memories.splice(at, 1);
  }

  /** Instantiates a module, giving the event loop its turn. Rejects as {@link instantiation} and `Instance.call` do. */
  async instantiate(module: CompiledModule, imports: Imports = {}, options: CallOptions = {}): Promise<Instance> {
    const { instance, invocation } = this.instantiation(module, imports);
    await finish(invocation, options);
    return instance;
  }

  /** As {@link instantiate}, on the JavaScript stack. Throws `SuspendError` when a host function has to wait. */
  instantiateSync(module: CompiledModule, imports: Imports = {}, options: Pick<CallOptions, "fuel"> = {}): Instance {
    const { instance, invocation } = this.instantiation(module, imports);
    finishSync(invocation, options);
    return instance;
  }

  /** The first word of `count` new globals. */
  addGlobals(count: number): number {
    const at = this.#globalCount * GLOBAL_WORDS;
    this.reserve("globals", count * GLOBAL_WORDS * 4);
    this.#globalCount += count;
    const needed = this.#globalCount * GLOBAL_WORDS;
    if (needed > this.globalWords.length) {
      const larger = new Int32Array(Math.max(needed, this.globalWords.length * 2));
      larger.set(this.globalWords);
      this.globalWords = larger;
    }
    return at;
  }

  /** Takes {@link addGlobals} back for all but the first `count`. */
  removeGlobals(count: number): void {
    const removed = this.#globalCount - count;
    this.globalWords.fill(0, count * GLOBAL_WORDS, this.#globalCount * GLOBAL_WORDS);
    this.#globalCount = count;
    this.accountant.release("globals", removed * GLOBAL_WORDS * 4);
  }

  // References

  /** Made when something needs it. Throws `Termination` when the accountant refuses. */
  get heap(): ObjectHeap {
    return this.#heap ?? this.#makeHeap();
  }

  #makeHeap(): ObjectHeap {
    this.reserve("instance", HEAP_BYTES);
    this.#heap = new ObjectHeap({
      accountant: this.accountant,
      layouts: this.engine.layouts,
      traceRoots: (collection) => traceRoots(this, collection),
    });
    return this.#heap;
  }

  /** The first word of the exceptions of a tag that has none yet. */
  addTag(tag: Tag): number {
    const { heap } = this;
    this.#tags = added(this.#tags, tag);
    return heap.addException(this.engine.layouts.ofException(tag.typeId));
  }

  /** Tags in the order in which their first exceptions came. */
  get tags(): readonly Tag[] {
    return this.#tags;
  }

  /** The tag of exceptions with this first word. */
  tagOf(word: number): Tag {
    return this.#tags[word - EXCEPTIONS]!;
  }

  /** The words of the heap by page; none while nothing has needed a heap. */
  get heapWords(): readonly Int32Array[] {
    return this.#heap === null ? NO_PAGES : this.#heap.words;
  }

  /** Whether a collection waits for its next step. */
  get isCollecting(): boolean {
    return this.#heap?.isCollecting === true;
  }

  /** Whether the host's values have made a collection due. */
  get isCollectionDue(): boolean {
    return this.#heap?.isDue === true;
  }

  /** Ends a collection that goes on: to be called before handles are looked at. */
  finishCollection(): void {
    this.#heap?.finishCollection();
  }

  /** Whether a reference is of a type of the same hierarchy (spec: exec-ref.test). */
  matches(handle: number, type: ValType): boolean {
    const { types } = this.engine;
    const heap = heapOf(type);
    if (types.topOf(heap) !== Heap.Func) return this.heap.matches(handle, type);
    if (handle === NULL) return isNullable(type);
    return heap === Heap.Func || (heap >= 0 && types.isSubtype(this.typeIdOf(handle), heap));
  }

  /** The handle of a reference. Throws `TypeError` for a value of another type or store. */
  toHandle(value: unknown, type: ValType): number {
    // Whatever the handle is written to must not be half visited, null or not.
    this.finishCollection();
    if (value === null || value === undefined) {
      if (!isNullable(type)) throw wrongType(value, type);
      return NULL;
    }
    const handle = this.#handleOf(value, type);
    if (!this.matches(handle, type)) throw wrongType(value, type);
    return handle;
  }

  #handleOf(value: unknown, type: ValType): number {
    const top = this.engine.types.topOf(heapOf(type));
    if (top === Heap.Func) {
      if (!(value instanceof Func)) throw wrongType(value, type);
      if (value.store !== this) throw new TypeError("a function of another store");
      return value.address;
    }
    const isException = value instanceof HeapObject && value.kind === "exception";
    if (isException !== (top === Heap.Exn)) throw wrongType(value, type);
    if (value instanceof HeapObject) {
      if (!value.isOf(this.heap)) throw new TypeError(`a heap object of another store`);
      return value.handle;
    }
    return fitsI31(value) ? i31Handle(value) : this.heap.externs.handleOf(value);
  }

  /** The reference behind a handle as a JavaScript value. */
  fromHandle(handle: number, type: ValType): unknown {
    if (handle === NULL) return null;
    if (this.engine.types.topOf(heapOf(type)) === Heap.Func) return this.funcAt(handle);
    if (isI31(handle)) return i31Value(handle);
    return isExtern(handle) ? this.heap.externs.valueOf(handle) : this.heap.wrap(handle);
  }
}
