/**
 * Reads what save-heap.ts writes. First all objects are put where they lay, their sizes and types checked; then
 * every reference in them is, when it is known where objects begin.
 */

import type { Engine } from "../engine.ts";
import { ARRAY_HEADER_WORDS, arrayWords, EXCEPTIONS, type Layout } from "../layouts.ts";
import { MAX_HEAP_PAGES } from "../limits.ts";
import type { Heap } from "../runtime/heap.ts";
import type { Tag } from "../runtime/global.ts";
import type { Store } from "../runtime/store.ts";
import type { HeapObject } from "../runtime/heap-object.ts";
import { MAX_SMALL_WORDS, newWords, PAGE_MASK, PAGE_SHIFT, PAGE_WORDS } from "../runtime/heap-pages.ts";
import { isRefType, type ValType } from "../types.ts";
import type { Input } from "./input.ts";
import { NOTE_BYTES, Pace } from "./pace.ts";
import type { ReferenceCheck } from "./references.ts";
import type { TypeNames } from "./types.ts";

/** Bits of a page: one for each unit of 8 bytes. */
const UNITS_BYTES = PAGE_WORDS / 2 / 8;

/** Objects that are checked in one step. */
const OBJECTS_PER_STEP = 4_096;

export class HeapReader {
  readonly #input: Input;
  readonly #store: Store;
  readonly #tags: readonly Tag[];
  readonly #heap: Heap;
  readonly #engine: Engine;
  readonly #types: TypeNames;
  /** By page: where objects begin. */
  readonly #starts = new Map<number, Uint8Array>();
  readonly #handles: number[] = [];
  /** First words of objects. */
  #typeWords: number[] = [];
  /** Arrays of which only the first elements are set, and how many. Nothing but the operation that makes one knows it. */
  readonly unfinished = new Map<number, number>();
  readonly #retained: (readonly [number, number])[] = [];
  #bytesLeft = 0;
  readonly #pace = new Pace();
  /** Words of the last page of small objects: another one follows only when an object has not fitted. */
  #lastPageWords = PAGE_WORDS;

  constructor(input: Input, store: Store, types: TypeNames, tags: readonly Tag[]) {
    this.#input = input;
    this.#store = store;
    this.#tags = tags;
    this.#heap = store.heap;
    this.#engine = store.engine;
    this.#types = types;
  }

  /** In steps of a page, or of a large object. Throws `SnapshotError`, `Termination`. */
  *read(): Generator<void> {
    const input = this.#input;
    const heap = this.#heap;
    const [liveBytes, newBytes, objectBytes, reservedBytes] = [
      input.count(),
      input.count(),
      input.count(),
      input.count(),
    ];
    if (reservedBytes < objectBytes) throw input.invalid(`${reservedBytes} bytes of heap for ${objectBytes}`);
    heap.restoreCounters({ liveBytes, newBytes, objectBytes, reservedBytes });
    heap.collectionCount = input.count();
    this.#bytesLeft = objectBytes;
    this.#readTags();
    this.#typeWords = Array.from({ length: input.items() }, () => this.#typeWord());
    for (let left = input.items(); left > 0; left--) this.unfinished.set(input.word(), input.count());
    for (let left = input.items(); left > 0; left--) {
      yield* this.#smallPage();
      yield;
    }
    for (let left = input.items(); left > 0; left--) {
      yield* this.#large();
      yield;
    }
    if (this.#bytesLeft !== 0) throw input.invalid(`${this.#bytesLeft} bytes of objects are missing`);
    for (let left = input.items(); left > 0; left--) this.#retained.push([input.word(), input.count()]);
  }

  /** Tags get the numbers that they had. */
  #readTags(): void {
    const input = this.#input;
    for (let left = input.items(); left > 0; left--) {
      const tag = this.#tags[input.index(this.#tags.length, "tag")]!;
      const { length } = this.#store.tags;
      if (tag.word !== EXCEPTIONS + length) throw input.invalid("a tag twice");
    }
  }

  #typeWord(): number {
    const input = this.#input;
    if (input.flag()) return EXCEPTIONS + input.index(this.#store.tags.length, "tag");
    const typeId = this.#types.readId(input);
    if (this.#engine.types.comp(typeId).kind === "func") throw input.invalid("an object of a function type");
    return typeId;
  }

  /** What is allocated is charged: `reservedBytes` has been, and is what `#bytesLeft` began with or more. */
  *#words(min: number, max: number): Generator<void, Int32Array> {
    const length = this.#input.count();
    if (length < min || length > max || length % 2 !== 0) throw this.#input.invalid(`${length} words of objects`);
    this.#bytesLeft -= length * 4;
    if (this.#bytesLeft < 0) throw this.#input.invalid("more objects than their bytes");
    const words = newWords(length);
    yield* this.#input.sparseWordsSteps(words);
    return words;
  }

  *#smallPage(): Generator<void> {
    const page = this.#input.count(MAX_HEAP_PAGES - 1);
    // Else pages of one small object each would take far more than what is charged.
    if (this.#lastPageWords <= PAGE_WORDS - MAX_SMALL_WORDS) {
      throw this.#input.invalid(`a page of ${this.#lastPageWords} words before another`);
    }
    const words = yield* this.#words(2, PAGE_WORDS);
    this.#lastPageWords = words.length;
    for (let at = 0; at < words.length; ) at += this.#object(words, at, page);
    if (!this.#heap.pages.restoreSmall(page, words)) throw this.#input.invalid(`page ${page} twice`);
  }

  *#large(): Generator<void> {
    const page = this.#input.count(MAX_HEAP_PAGES - 1);
    const words = yield* this.#words(MAX_SMALL_WORDS + 2, MAX_HEAP_PAGES * PAGE_WORDS);
    if (this.#object(words, 0, page) !== words.length) throw this.#input.invalid("a large object of another size");
    if (!this.#heap.pages.restoreLarge(page, words)) throw this.#input.invalid(`page ${page} twice`);
  }

  /** Gives the object at `words[at]` its type. Returns its words, which are all there. */
  #object(words: Int32Array, at: number, page: number): number {
    const typeWord = this.#typeWords[words[at]!];
    if (typeWord === undefined) throw this.#input.invalid(`object type ${words[at]}`);
    const layout = this.#heap.layoutOf(typeWord);
    const size = layout.elementBytes === 0 ? layout.words : arrayWords(layout, (words[at + 1] ?? 0) >>> 0);
    if (size > words.length - at) throw this.#input.invalid("an object that does not fit");
    words[at] = typeWord;
    layout.masks.forEach((mask, i) => {
      words[at + layout.offsets[i]!]! &= mask;
    });
    let starts = this.#starts.get(page);
    if (starts === undefined) {
      starts = new Uint8Array(UNITS_BYTES);
      this.#starts.set(page, starts);
    }
    starts[at >> 4]! |= 1 << ((at >> 1) & 7);
    this.#handles.push((page * PAGE_WORDS + at) << 1);
    return size;
  }

  /** Whether an object begins at a handle, and is complete. */
  isObjectAt(handle: number): boolean {
    return this.#beginsAt(handle) && !this.unfinished.has(handle);
  }

  #beginsAt(handle: number): boolean {
    const w = handle >>> 1;
    const at = w & PAGE_MASK;
    const starts = this.#starts.get(w >>> PAGE_SHIFT);
    return (handle & 3) === 0 && starts !== undefined && ((starts[at >> 4]! >> ((at >> 1) & 7)) & 1) === 1;
  }

  /** Checks every reference in objects, when everything is there. Throws `SnapshotError`. */
  *check(references: ReferenceCheck): Generator<void, HeapObject[]> {
    const heap = this.#heap;
    const input = this.#input;
    for (const [handle, progress] of this.unfinished) {
      if (!this.#beginsAt(handle)) throw input.invalid("no array where one is made");
      const { kind } = heap.layoutOf(heap.word(handle, 0));
      if (kind !== "array" || progress === 0 || progress >= heap.arrayLength(handle)) {
        throw input.invalid(`${progress} elements of an array that is made`);
      }
    }
    for (let i = 0; i < this.#handles.length; i++) {
      yield* this.#checkObject(this.#handles[i]!, references);
      if ((i + 1) % OBJECTS_PER_STEP === 0) yield;
    }
    return this.#retained.map(([handle, count]) => {
      if (!this.isObjectAt(handle) || count === 0) throw input.invalid("no object where one is retained");
      const object = heap.wrap(handle);
      heap.retain(object, count);
      return object;
    });
  }

  *#checkObject(handle: number, references: ReferenceCheck): Generator<void> {
    const heap = this.#heap;
    const typeWord = heap.word(handle, 0);
    const { offsets } = heap.layoutOf(typeWord);
    const check = (storage: ValType, i: number) => {
      if (isRefType(storage)) references.check(this.#input, heap.word(handle, offsets[i]!), storage);
    };
    if (typeWord >= EXCEPTIONS) {
      this.#store.tagOf(typeWord).params.forEach(check);
      return;
    }
    const comp = this.#engine.types.comp(typeWord);
    if (comp.kind === "struct") {
      comp.fields.forEach(({ storage }, i) => {
        check(storage, i);
      });
    } else if (comp.kind === "array" && isRefType(comp.field.storage)) {
      yield* this.#checkElements(handle, comp.field.storage, references);
    }
  }

  *#checkElements(handle: number, type: ValType, references: ReferenceCheck): Generator<void> {
    const length = this.#heap.arrayLength(handle);
    const progress = this.unfinished.get(handle) ?? length;
    for (let i = 0; i < length; i++) {
      references.check(this.#input, this.#heap.word(handle, ARRAY_HEADER_WORDS + i), type, i >= progress);
      if (this.#pace.isOver(NOTE_BYTES)) yield;
    }
  }

  /** The layout of an array that is being made; undefined if none is made there. */
  unfinishedLayout(handle: number): { readonly typeId: number; readonly layout: Layout } | undefined {
    if (!this.unfinished.has(handle)) return undefined;
    const typeId = this.#heap.word(handle, 0);
    return { typeId, layout: this.#heap.layouts.of(typeId) };
  }
}
