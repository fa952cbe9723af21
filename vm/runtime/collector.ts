/**
 * One collection of a heap, in steps: a copying one for small objects (Cheney's), where everything that is
 * reached from the roots moves to fresh pages and its handles are rewritten; large objects stay where they
 * are and are marked. Between two steps nothing of the store may run or look at handles.
 */

import type { Heap } from "./heap.ts";
import type { HeapObject } from "./heap-object.ts";
import { checkUse, PAGE_MASK, PAGE_SHIFT, PAGE_WORDS, PageUse, type HeapPages } from "./heap-pages.ts";
import { ARRAY_HEADER_WORDS, type Layout } from "../layouts.ts";
import { isExtern, isObject } from "./reference.ts";

/** Visits every root of a store. */
export type TraceRoots = (collection: Collection) => Generator<undefined, void>;

/** What is scanned or swept between two chances to give way. */
const CHUNK = 1_024;

export class Collection {
  readonly #heap: Heap;
  readonly #pages: HeapPages;
  readonly #retained: Iterable<HeapObject>;
  readonly #wrappers: ReadonlyMap<number, WeakRef<HeapObject>>;
  readonly #steps: Generator<undefined, void>;
  #work = 0;
  /** The space that is emptied, and its pages. */
  readonly #from: PageUse;
  readonly #fromPages: readonly number[];
  /** Large objects that were reached and not yet scanned. */
  readonly #greys: number[] = [];
  /** Bytes of the objects that are alive. */
  objectBytes = 0;
  /** The wrappers of living objects by their new handles. */
  readonly movedWrappers = new Map<number, WeakRef<HeapObject>>();

  constructor(heap: Heap, retained: Iterable<HeapObject>, wrappers: ReadonlyMap<number, WeakRef<HeapObject>>) {
    this.#heap = heap;
    this.#pages = heap.pages;
    this.#retained = retained;
    this.#wrappers = wrappers;
    this.#from = this.#pages.space;
    this.#fromPages = this.#pages.changeSpace();
    heap.externs.beginMarking();
    this.#steps = this.#run();
  }

  /** Works for about so many words. True when the collection has ended. */
  step(work: number): boolean {
    this.#work = work;
    return this.#steps.next().done === true;
  }

  /** Counts work that was done; true when it is time to give way. */
  spend(work: number): boolean {
    this.#work -= work;
    return this.#work <= 0;
  }

  *#run(): Generator<undefined, void> {
    for (const object of this.#retained) {
      this.forward(object.handle);
      if (this.spend(1)) yield;
    }
    yield* this.#heap.owner.traceRoots(this);
    yield* this.#scan();
    yield* this.#moveWrappers();
    for (const page of this.#fromPages) {
      this.#pages.freeSmall(page);
      if (this.spend(CHUNK)) yield;
    }
    yield* this.#sweepLarge();
    yield* this.#sweepExterns();
  }

  /** Rewrites the handle at `words[at]`. */
  visit(words: Int32Array, at: number): void {
    const handle = words[at]!;
    if (handle !== 0 && (handle & 1) === 0) words[at] = this.forward(handle);
  }

  /** Rewrites `count` handles from `words[at]` on. */
  *visitRange(words: Int32Array, at: number, count: number): Generator<undefined, void> {
    for (let done = 0; done < count; ) {
      const end = Math.min(count, done + CHUNK);
      if (this.spend(end - done)) yield;
      for (; done < end; done++) this.visit(words, at + done);
    }
  }

  /** The handle by which a value will be known; it is alive from now on. */
  forward(handle: number): number {
    if (!isObject(handle)) {
      if (isExtern(handle)) this.#heap.externs.mark(handle);
      return handle;
    }
    const { words, uses } = this.#pages;
    const w = handle >>> 1;
    const page = w >>> PAGE_SHIFT;
    const use = uses[page];
    if (use === this.#from) {
      const first = words[page]![w & PAGE_MASK]!;
      return first < 0 ? ~first << 2 : this.#move(handle, first);
    }
    if (use === PageUse.Large) {
      uses[page] = PageUse.LargeMarked;
      this.objectBytes += this.#pages.larges.get(page)!.byteLength;
      this.#greys.push(handle);
    } else checkUse(use, handle);
    return handle;
  }

  /** Copies a small object and leaves its new place in its header. */
  #move(handle: number, first: number): number {
    const words = this.#heap.wordsOf(handle);
    const moved = this.#pages.allocateSmall(words);
    const from = this.#pages.words[handle >>> (PAGE_SHIFT + 1)]!;
    const at = (handle >>> 1) & PAGE_MASK;
    const to = this.#pages.words[moved >>> (PAGE_SHIFT + 1)]!;
    const toAt = (moved >>> 1) & PAGE_MASK;
    to[toAt] = first;
    for (let i = 1; i < words; i++) to[toAt + i] = from[at + i]!;
    from[at] = ~(moved >>> 2);
    this.objectBytes += words * 4;
    this.spend(words);
    return moved;
  }

  /** Follows the references of everything that was reached, until nothing new is. */
  *#scan(): Generator<undefined, void> {
    const { spacePages, tops } = this.#pages;
    let index = 0;
    let at = 0;
    for (;;) {
      const page = spacePages[index];
      if (page !== undefined && at < tops[page]!) {
        at += this.#scanSmall(page, at);
        if (this.spend(2)) yield;
      } else if (index + 1 < spacePages.length) {
        index++;
        at = 0;
      } else {
        const large = this.#greys.pop();
        if (large === undefined) return;
        yield* this.#scanLarge(large);
      }
    }
  }

  /** Scans the object at a place of the new space; returns its words. */
  #scanSmall(page: number, at: number): number {
    const heap = this.#heap;
    const layout = heap.layoutOf(this.#pages.words[page]![at]!);
    const { references } = layout;
    for (let i = 0; i < references.length; i++) this.#visitIn(page, at + references[i]!);
    if (layout.elementBytes === 0) return layout.words;
    const handle = (page * PAGE_WORDS + at) << 1;
    if (layout.hasTracedElements) {
      const first = at + ARRAY_HEADER_WORDS;
      const end = first + heap.arrayLength(handle);
      for (let i = first; i < end; i++) this.#visitIn(page, i);
    }
    return heap.wordsOf(handle);
  }

  /** As {@link visit}; the first page of the space is replaced by a larger one when it is full. */
  #visitIn(page: number, at: number): void {
    const { words } = this.#pages;
    const handle = words[page]![at]!;
    if (handle === 0 || (handle & 1) === 1) return;
    const moved = this.forward(handle);
    words[page]![at] = moved;
  }

  *#scanLarge(handle: number): Generator<undefined, void> {
    const heap = this.#heap;
    const layout = heap.layoutOf(heap.word(handle, 0));
    const count = this.#tracedCount(layout, handle);
    for (let i = 0; i < count; i++) {
      const offset = layout.elementBytes === 0 ? layout.references[i]! : ARRAY_HEADER_WORDS + i;
      heap.setWord(handle, offset, this.forward(heap.word(handle, offset)));
      if (this.spend(1)) yield;
    }
  }

  #tracedCount(layout: Layout, handle: number): number {
    if (layout.elementBytes === 0) return layout.references.length;
    return layout.hasTracedElements ? this.#heap.arrayLength(handle) : 0;
  }

  /** JavaScript's objects learn where theirs are now, or that they are gone. */
  *#moveWrappers(): Generator<undefined, void> {
    for (const [handle, reference] of this.#wrappers) {
      if (this.spend(4)) yield;
      const wrapper = reference.deref();
      if (wrapper === undefined) continue;
      const moved = this.#survivor(handle);
      wrapper.moved(moved);
      if (moved !== 0) this.movedWrappers.set(moved, reference);
    }
  }

  /** Where an object of before the collection is now; 0 if it was not reached. */
  #survivor(handle: number): number {
    const { words, uses } = this.#pages;
    const page = handle >>> (PAGE_SHIFT + 1);
    if (uses[page] === PageUse.LargeMarked) return handle;
    if (uses[page] !== this.#from) return 0;
    const first = words[page]![(handle >>> 1) & PAGE_MASK]!;
    return first < 0 ? ~first << 2 : 0;
  }

  *#sweepLarge(): Generator<undefined, void> {
    const { uses, larges } = this.#pages;
    for (const large of larges.values()) {
      if (this.spend(large.pageCount)) yield;
      if (uses[large.firstPage] === PageUse.LargeMarked) uses[large.firstPage] = PageUse.Large;
      else this.#pages.freeLarge(large);
    }
  }

  *#sweepExterns(): Generator<undefined, void> {
    for (let at = 0; at >= 0; ) {
      at = this.#heap.externs.sweep(at, CHUNK);
      if (this.spend(CHUNK)) yield;
    }
  }
}
