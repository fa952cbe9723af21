/**
 * Writes a heap: all objects where they lie, so that their handles stay the same, and those that are dead too, since
 * they count until the next collection. Objects are told by their types' names, not by the engine's numbers.
 */

import type { Machine } from "../execute/machine.ts";
import { ARRAY_HEADER_WORDS, EXCEPTIONS, type Layout } from "../layouts.ts";
import type { Tag } from "../runtime/global.ts";
import type { Heap } from "../runtime/heap.ts";
import { newWords, PAGE_SHIFT, PAGE_WORDS } from "../runtime/heap-pages.ts";
import type { Store } from "../runtime/store.ts";
import { Output, type OutputMemory } from "./output.ts";
import { NOTE_BYTES, Pace } from "./pace.ts";
import type { References } from "./references.ts";
import { unsavable } from "./save.ts";
import type { TypeNames } from "./types.ts";

/** Words of a large object that are copied in one step. */
const COPIED_WORDS = 262_144;

/** In steps of a page, or of a part of a large object. */
export function* saveHeap(
  out: Output,
  store: Store,
  types: TypeNames,
  references: References,
  tagNumbers: ReadonlyMap<Tag, number>,
  memory: OutputMemory,
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
  const objects = new Output(memory);
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
  out.take(objects);
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
    const pace = new Pace();
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
      const original = new Int32Array(first.buffer, first.byteOffset, byteLength / 4);
      const words = newWords(original.length);
      for (let at = 0; at < words.length; at += COPIED_WORDS) {
        words.set(original.subarray(at, at + COPIED_WORDS), at);
        yield;
      }
      const layout = this.#heap.layoutOf(words[0]!);
      this.#header(words, 0, words.length, layout, (firstPage << (PAGE_SHIFT + 1)) | 0);
      const length = layout.hasTracedElements ? words[1]! >>> 0 : 0;
      for (let i = 0; i < length; i++) {
        this.#references.note(words[ARRAY_HEADER_WORDS + i]!);
        if (pace.isOver(NOTE_BYTES)) yield;
      }
      out.count(firstPage);
      out.count(words.length);
      yield* out.sparseWordsSteps(words);
      yield;
    }
  }

  /** Replaces the first word of the object at `words[at]` by the number of its type. Returns its words. */
  #object(words: Int32Array, at: number, handle: number): number {
    const layout = this.#heap.layoutOf(words[at]!);
    const size = this.#heap.wordsOf(handle | 0);
    this.#header(words, at, size, layout, handle | 0);
    const length = layout.hasTracedElements ? words[at + 1]! >>> 0 : 0;
    for (let i = 0; i < length; i++) this.#references.note(words[at + ARRAY_HEADER_WORDS + i]!);
    return size;
  }

  /** All but references in elements. */
  #header(words: Int32Array, at: number, size: number, layout: Layout, handle: number): void {
    for (const offset of layout.references) this.#references.note(words[at + offset]!);
    const progress = layout.elementBytes === 0 ? undefined : this.#unfinished.get(handle);
    // What is not set yet may be anything.
    if (progress !== undefined) {
      const from = (at + ARRAY_HEADER_WORDS) * 4 + progress * layout.elementBytes;
      new Uint8Array(words.buffer, words.byteOffset).fill(0, from, (at + size) * 4);
    }
    words[at] = this.#number(words[at]!);
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
