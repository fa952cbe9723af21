/**
 * Writes a heap: all objects where they lie, so that their handles stay the same, and those that are dead too, since
 * they count until the next collection. Objects are told by their types' names, not by the engine's numbers.
 */

import type { Machine } from "../execute/machine.ts";
import { ARRAY_HEADER_WORDS, EXCEPTIONS, type Layout } from "../layouts.ts";
import type { Tag } from "../runtime/global.ts";
import type { Heap } from "../runtime/heap.ts";
import { PAGE_SHIFT, PAGE_WORDS } from "../runtime/heap-pages.ts";
import type { Store } from "../runtime/store.ts";
import { Output } from "./output.ts";
import type { References } from "./references.ts";
import { unsavable } from "./save.ts";
import type { TypeNames } from "./types.ts";

/** In steps of a page, or of a large object. */
export function* saveHeap(
  out: Output,
  store: Store,
  types: TypeNames,
  references: References,
  tagNumbers: ReadonlyMap<Tag, number>,
): Generator<void> {
  const { heap } = store;
  const { liveBytes, newBytes, objectBytes, reservedBytes } = heap.counters;
  for (const counter of [liveBytes, newBytes, objectBytes, reservedBytes, heap.collectionCount]) out.count(counter);
  const unfinished = arraysInTheMaking(store);
  // Exceptions begin with the number of their tag in this order.
  out.count(store.tags.length);
  for (const tag of store.tags) {
    const number = tagNumbers.get(tag);
    if (number === undefined) throw unsavable("an exception has a tag that no instance knows");
    out.count(number);
  }
  const writer = new HeapWriter(heap, references, unfinished);
  const objects = new Output();
  yield* writer.write(objects);
  out.count(writer.typeWords.length);
  for (const typeWord of writer.typeWords) {
    const isException = typeWord >= EXCEPTIONS;
    out.flag(isException);
    if (isException) out.count(typeWord - EXCEPTIONS);
    else types.writeId(out, typeWord);
  }
  out.count(unfinished.size);
  for (const [handle, progress] of unfinished) {
    out.word(handle);
    out.count(progress);
  }
  out.raw(objects.bytes);
  objects.end();
  out.count(heap.retained.size);
  for (const [object, count] of heap.retained) {
    out.word(object.handle);
    out.count(count);
  }
}

/** Arrays of which only the first elements are set, and how many. */
function arraysInTheMaking(store: Store): Map<number, number> {
  const arrays = new Map<number, number>();
  for (const invocation of store.invocations) {
    const machine: Machine = invocation.state.machine;
    if (machine.object !== 0) arrays.set(machine.object, machine.progress);
  }
  return arrays;
}

class HeapWriter {
  readonly #heap: Heap;
  readonly #references: References;
  readonly #unfinished: ReadonlyMap<number, number>;
  /** The first words of objects that occur: each object begins with an index of this list. */
  readonly typeWords: number[] = [];
  readonly #numbers = new Map<number, number>();

  constructor(heap: Heap, references: References, unfinished: ReadonlyMap<number, number>) {
    this.#heap = heap;
    this.#references = references;
    this.#unfinished = unfinished;
  }

  *write(out: Output): Generator<void> {
    const { pages } = this.#heap;
    out.count(pages.spacePages.length);
    for (const page of pages.spacePages) {
      const words = pages.words[page]!.slice(0, pages.tops[page]);
      for (let at = 0; at < words.length; ) at += this.#object(words, at, ((page * PAGE_WORDS + at) << 1) >>> 0);
      out.count(page);
      out.count(words.length);
      out.sparseWords(words);
      yield;
    }
    out.count(pages.larges.size);
    for (const { firstPage, byteLength } of pages.larges.values()) {
      const first = pages.words[firstPage]!;
      const words = new Int32Array(first.buffer, first.byteOffset, byteLength / 4).slice();
      this.#object(words, 0, (firstPage << (PAGE_SHIFT + 1)) >>> 0);
      out.count(firstPage);
      out.count(words.length);
      out.sparseWords(words);
      yield;
    }
  }

  /** Replaces the first word of the object at `words[at]` by the number of its type. Returns its words. */
  #object(words: Int32Array, at: number, handle: number): number {
    const typeWord = words[at]!;
    const layout = this.#heap.layoutOf(typeWord);
    const size = this.#heap.wordsOf(handle | 0);
    for (const offset of layout.references) this.#references.note(words[at + offset]!);
    if (layout.elementBytes > 0) this.#array(words, at, size, layout, handle | 0);
    words[at] = this.#number(typeWord);
    return size;
  }

  #array(words: Int32Array, at: number, size: number, layout: Layout, handle: number): void {
    const first = at + ARRAY_HEADER_WORDS;
    const progress = this.#unfinished.get(handle);
    // What is not set yet may be anything.
    if (progress !== undefined) {
      const from = first * 4 + progress * layout.elementBytes;
      new Uint8Array(words.buffer, words.byteOffset).fill(0, from, (at + size) * 4);
    }
    if (!layout.hasTracedElements) return;
    const length = words[at + 1]! >>> 0;
    for (let i = 0; i < length; i++) this.#references.note(words[first + i]!);
  }

  #number(typeWord: number): number {
    let number = this.#numbers.get(typeWord);
    if (number === undefined) {
      number = this.typeWords.push(typeWord) - 1;
      this.#numbers.set(typeWord, number);
    }
    return number;
  }
}
