/**
 * The heap of one store: structures, arrays and exceptions, addressed by handles (reference.ts), laid
 * out by layouts.ts, in pages (heap-pages.ts), collected by collector.ts.
 *
 * A collection is asked for by an allocation alone: when more bytes were allocated since the last
 * one than were left alive then, and than {@link MIN_COLLECTION_BYTES}; or when the accountant
 * refuses. So its moments depend on what the guest does and on limits only.
 */

import { Termination } from "../errors.ts";
import { MIN_COLLECTION_BYTES } from "../limits.ts";
import { Heap as HeapTypes, heapOf, isNullable, type ValType } from "../types.ts";
import { Collection, type TraceRoots } from "./collector.ts";
import { EXTERN_BYTES, Externs } from "./externs.ts";
import { HeapObject } from "./heap-object.ts";
import { HeapPages, PAGE_MASK, PAGE_SHIFT, PageUse } from "./heap-pages.ts";
import { arrayWords, EXCEPTIONS, type Layout, type Layouts } from "../layouts.ts";
import { isExtern, isI31, isObject, NULL } from "./reference.ts";
import type { Accountant } from "./resources.ts";

/** The accountant is asked for so many bytes at once. */
const RESERVE_BYTES = 4_096;

const NO_WRAPPERS: ReadonlyMap<number, WeakRef<HeapObject>> = new Map();
const NO_RETAINED: ReadonlyMap<HeapObject, number> = new Map();

/** See {@link Heap.counters}. */
export interface HeapCounters {
  readonly liveBytes: number;
  readonly newBytes: number;
  readonly objectBytes: number;
  readonly reservedBytes: number;
}

/** What a heap needs of its store. */
export interface HeapOwner {
  readonly accountant: Accountant;
  readonly layouts: Layouts;
  /** Everything but retained objects that keeps objects alive. */
  readonly traceRoots: TraceRoots;
}

export class Heap {
  readonly owner: HeapOwner;
  readonly layouts: Layouts;
  #externs: Externs | null = null;
  readonly pages = new HeapPages();
  /** The words of each page: the same array for ever. */
  readonly words: readonly Int32Array[] = this.pages.words;

  /** Bytes of objects and externs that the last collection left, and of those made since. */
  liveBytes = 0;
  newBytes = 0;
  /** Bytes of all objects, dead ones included, and what the accountant has granted for them. */
  #objectBytes = 0;
  #reservedBytes = 0;
  #collection: Collection | null = null;
  /** How many collections have ended. */
  collectionCount = 0;

  readonly #exceptionLayouts: Layout[] = [];
  /** JavaScript's objects for heap objects: one for each handle while somebody holds it. */
  #wrappers: Map<number, WeakRef<HeapObject>> | null = null;
  /** Objects that the embedder keeps alive, and how often it said so. */
  #retained: Map<HeapObject, number> | null = null;

  constructor(owner: HeapOwner) {
    this.owner = owner;
    this.layouts = owner.layouts;
  }

  /** Made when the first value of the host comes: most heaps have none. */
  get externs(): Externs {
    this.#externs ??= new Externs(this.owner.accountant, () => {
      this.newBytes += EXTERN_BYTES;
    });
    return this.#externs;
  }

  get objectBytes(): number {
    return this.#objectBytes;
  }

  /** What decides about the next collection, for snapshots. */
  get counters(): HeapCounters {
    const { liveBytes, newBytes } = this;
    return { liveBytes, newBytes, objectBytes: this.#objectBytes, reservedBytes: this.#reservedBytes };
  }

  /** Of a heap whose objects were restored. Throws `Termination` when the accountant refuses. */
  restoreCounters(counters: HeapCounters): void {
    if (!this.owner.accountant.reserve("heap", counters.reservedBytes)) {
      throw new Termination("memory limit", `${counters.reservedBytes} bytes of heap`);
    }
    this.liveBytes = counters.liveBytes;
    this.newBytes = counters.newBytes;
    this.#objectBytes = counters.objectBytes;
    this.#reservedBytes = counters.reservedBytes;
  }

  /** Objects that the embedder keeps alive, and how often it said so. */
  get retained(): ReadonlyMap<HeapObject, number> {
    return this.#retained ?? NO_RETAINED;
  }

  // Objects

  /** The layout of the objects that begin with a word. */
  layoutOf(typeWord: number): Layout {
    return typeWord < EXCEPTIONS ? this.layouts.of(typeWord) : this.#exceptionLayouts[typeWord - EXCEPTIONS]!;
  }

  /** The first word of exceptions with a new tag. */
  addException(layout: Layout): number {
    return EXCEPTIONS + this.#exceptionLayouts.push(layout) - 1;
  }

  /** The word of an object at an offset. */
  word(handle: number, offset: number): number {
    const w = (handle >>> 1) + offset;
    return this.words[w >>> PAGE_SHIFT]![w & PAGE_MASK]!;
  }

  setWord(handle: number, offset: number, value: number): void {
    const w = (handle >>> 1) + offset;
    this.words[w >>> PAGE_SHIFT]![w & PAGE_MASK] = value;
  }

  /** Unsigned. */
  arrayLength(handle: number): number {
    return this.word(handle, 1) >>> 0;
  }

  /** Whether an object has a buffer of its own, which was made of zeros. */
  isLarge(handle: number): boolean {
    return this.pages.uses[handle >>> (PAGE_SHIFT + 1)]! >= PageUse.Large;
  }

  /** Words of an object, its last unit complete. */
  wordsOf(handle: number): number {
    const layout = this.layoutOf(this.word(handle, 0));
    return layout.elementBytes === 0 ? layout.words : arrayWords(layout, this.arrayLength(handle));
  }

  /** Whether a reference is of a type, both of one hierarchy other than that of functions (spec: exec-ref.test). */
  matches(handle: number, type: ValType): boolean {
    if (handle === NULL) return isNullable(type);
    const heap = heapOf(type);
    if (heap >= 0) return isObject(handle) && this.layouts.isSubtype(this.word(handle, 0), heap);
    switch (heap) {
      case HeapTypes.Any:
      case HeapTypes.Extern:
      case HeapTypes.Exn:
        return true;
      case HeapTypes.Eq:
        return !isExtern(handle);
      case HeapTypes.I31:
        return isI31(handle);
      case HeapTypes.Struct:
        return isObject(handle) && this.layoutOf(this.word(handle, 0)).kind === "struct";
      case HeapTypes.Array:
        return isObject(handle) && this.layoutOf(this.word(handle, 0)).kind === "array";
      default:
        return false;
    }
  }

  // Allocation

  /**
   * Makes an object of `words` words, an even number, that begins with `typeWord`. The other words of a
   * small one hold anything, those of a large one zeros. Returns its handle, or 0 when a
   * collection has to come first: ask again with `isRetry` then. Throws `Termination` when there is no room after one.
   */
  allocate(words: number, typeWord: number, isRetry: boolean): number {
    if (this.#collection !== null) return 0;
    const bytes = words * 4;
    if (this.newBytes + bytes > this.#threshold && this.newBytes > 0 && !isRetry) return 0;
    if (this.#objectBytes + bytes > this.#reservedBytes && !this.#reserve(bytes)) {
      if (!isRetry) return 0;
      throw new Termination("memory limit", `an object of ${bytes} bytes`);
    }
    const handle = this.pages.allocate(words);
    this.#objectBytes += bytes;
    this.newBytes += bytes;
    this.setWord(handle, 0, typeWord);
    return handle;
  }

  get #threshold(): number {
    return Math.max(MIN_COLLECTION_BYTES, this.liveBytes);
  }

  /** Whether the accountant grants `bytes` more than are in use. */
  #reserve(bytes: number): boolean {
    const missing = this.#objectBytes + bytes - this.#reservedBytes;
    const wanted = Math.ceil(missing / RESERVE_BYTES) * RESERVE_BYTES;
    if (!this.owner.accountant.reserve("heap", wanted)) return false;
    this.#reservedBytes += wanted;
    return true;
  }

  // Collection

  get isCollecting(): boolean {
    return this.#collection !== null;
  }

  /** Whether a collection goes on, or values of the host have made one due that no allocation has asked for. */
  get isDue(): boolean {
    return this.#collection !== null || this.newBytes > this.#threshold;
  }

  /** Begins a collection, or goes on with it, for about `work` words. True when it has ended. */
  collect(work: number): boolean {
    this.#collection ??= new Collection(this, this.retained.keys(), this.#wrappers ?? NO_WRAPPERS);
    const collection = this.#collection;
    if (!collection.step(work)) return false;
    this.#collection = null;
    this.#wrappers = collection.movedWrappers;
    this.#objectBytes = collection.objectBytes;
    this.liveBytes = collection.objectBytes + this.externs.size * EXTERN_BYTES;
    this.newBytes = 0;
    this.collectionCount++;
    const kept = Math.ceil(this.#objectBytes / RESERVE_BYTES) * RESERVE_BYTES;
    this.owner.accountant.release("heap", this.#reservedBytes - kept);
    this.#reservedBytes = kept;
    this.pages.keepSpare(this.#threshold);
    return true;
  }

  /** Ends a collection that goes on: before anybody else looks at handles. */
  finishCollection(): void {
    if (this.#collection !== null) this.collect(Number.POSITIVE_INFINITY);
  }

  // JavaScript's view

  /** The one JavaScript object for a heap object. */
  wrap(handle: number): HeapObject {
    this.#wrappers ??= new Map();
    const known = this.#wrappers.get(handle)?.deref();
    if (known !== undefined) return known;
    const wrapper = new HeapObject(this, handle, this.layoutOf(this.word(handle, 0)).kind);
    this.#wrappers.set(handle, new WeakRef(wrapper));
    return wrapper;
  }

  /** Keeps the object alive until {@link release} was called as often. */
  retain(object: HeapObject, count = 1): void {
    this.#retained ??= new Map();
    this.#retained.set(object, (this.#retained.get(object) ?? 0) + count);
  }

  release(object: HeapObject): void {
    const count = this.retained.get(object) ?? 0;
    if (count > 1) this.retain(object, -1);
    else this.#retained?.delete(object);
  }
}
