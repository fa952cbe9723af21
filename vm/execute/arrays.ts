/**
 * Array operations on many elements (spec: exec-array.new and its like). As in bulk.ts fuel is paid per block
 * counted from the start, and a pause in the middle goes on at the same position: with what is left
 * in the operands' slots, or, of an array that is being made, in the machine. The elements of an array
 * lie in one buffer. Each function returns null when it is done, or the complement of an {@link Exit}.
 */

import { Trap } from "../errors.ts";
import { BULK_BLOCK_BYTES } from "../limits.ts";
import { WORDS_PER_FUEL } from "../lower/aggregates.ts";
import type { Heap } from "../runtime/heap.ts";
import { PAGE_MASK, PAGE_SHIFT } from "../runtime/heap-pages.ts";
import { ARRAY_HEADER_WORDS, arrayWords, Storage, type Layout } from "../layouts.ts";
import { pay } from "./bulk.ts";
import { Exit, type Machine } from "./machine.ts";

const PAUSED_INSIDE = ~Exit.PausedInside;
/** Bytes that one fuel moves, and references. */
const BYTES_PER_FUEL = 64;
const ELEMENTS_PER_FUEL = 8;
const BLOCK_ELEMENTS = BULK_BLOCK_BYTES / 8;
/** Bytes of a new object that one fuel pays for. */
const NEW_BYTES_PER_FUEL = WORDS_PER_FUEL * 4;

/** The operation at `pc` tries again after a collection. `position` is P before it. */
export function needsCollection(x: Machine, position: number): number {
  x.position = position;
  return ~Exit.NeedsCollection;
}

/** As `Heap.allocate`, for the operation at `pc`. */
export function allocate(x: Machine, heap: Heap, words: number, typeWord: number): number {
  const handle = heap.allocate(words, typeWord, x.hasCollected);
  if (handle !== 0) x.hasCollected = false;
  return handle;
}

export function arrayReference(handle: number): number {
  if (handle === 0) throw new Trap("null array reference");
  return handle;
}

/** Words of the slot of one element's value. */
function slotWords({ elementBytes }: Layout): number {
  return elementBytes === 16 ? 4 : 2;
}

/** The bytes of elements, from a byte on; valid until the next allocation. */
function bytesOf(heap: Heap, array: number, from: number, byteLength: number): Uint8Array {
  const page = heap.words[array >>> (PAGE_SHIFT + 1)]!;
  const at = ((array >>> 1) & PAGE_MASK) + ARRAY_HEADER_WORDS;
  return new Uint8Array(page.buffer, page.byteOffset + at * 4 + from, byteLength);
}

/** The same as words: for elements of whole words. */
function wordsOf(heap: Heap, array: number, from: number, count: number): Int32Array {
  const page = heap.words[array >>> (PAGE_SHIFT + 1)]!;
  const at = ((array >>> 1) & PAGE_MASK) + ARRAY_HEADER_WORDS + from;
  return new Int32Array(page.buffer, page.byteOffset + at * 4, count);
}

export function writeElement(
  heap: Heap,
  array: number,
  index: number,
  storage: Storage,
  words: Int32Array,
  a: number,
): void {
  switch (storage) {
    case Storage.I8U: {
      const offset = ARRAY_HEADER_WORDS + (index >>> 2);
      const shift = (index & 3) * 8;
      heap.setWord(array, offset, (heap.word(array, offset) & ~(0xff << shift)) | ((words[a]! & 0xff) << shift));
      return;
    }
    case Storage.I16U: {
      const offset = ARRAY_HEADER_WORDS + (index >>> 1);
      const shift = (index & 1) * 16;
      heap.setWord(array, offset, (heap.word(array, offset) & ~(0xffff << shift)) | ((words[a]! & 0xffff) << shift));
      return;
    }
    case Storage.Word:
      heap.setWord(array, ARRAY_HEADER_WORDS + index, words[a]!);
      return;
    default: {
      const size = storage === Storage.Double ? 2 : 4;
      const offset = ARRAY_HEADER_WORDS + index * size;
      for (let k = 0; k < size; k++) heap.setWord(array, offset + k, words[a + k]!);
    }
  }
}

/** Sets `count` elements from `index` on to the value in a slot. */
function fill(heap: Heap, array: number, layout: Layout, index: number, count: number, value: Int32Array, a: number) {
  switch (layout.elementBytes) {
    case 1:
      bytesOf(heap, array, index, count).fill(value[a]!);
      return;
    case 2: {
      const { buffer, byteOffset } = bytesOf(heap, array, index * 2, count * 2);
      new Uint16Array(buffer, byteOffset, count).fill(value[a]!);
      return;
    }
    case 4:
      wordsOf(heap, array, index, count).fill(value[a]!);
      return;
    default: {
      const size = layout.elementBytes / 4;
      const words = wordsOf(heap, array, index * size, count * size);
      for (let i = 0; i < words.length; i++) words[i] = value[a + (i % size)]!;
    }
  }
}

/**
 * Makes an array, element by element: `set` sets some. Its handle replaces the operand at `at`. Paid per block, the
 * header with the first one.
 */
function make(
  x: Machine,
  at: number,
  typeId: number,
  length: number,
  position: number,
  set: (heap: Heap, array: number, layout: Layout, index: number, count: number) => void,
): number | null {
  const { heap } = x.instance!.store;
  const layout = heap.layouts.of(typeId);
  let array = x.object;
  let index = x.progress;
  if (array === 0) {
    array = allocate(x, heap, arrayWords(layout, length), typeId);
    if (array === 0) return needsCollection(x, position);
    heap.setWord(array, 1, length);
    // A pause may show the array to a collection before all of its elements are set.
    if (layout.hasTracedElements && length * layout.elementBytes > BULK_BLOCK_BYTES) clear(heap, array, length);
  }
  const { elementBytes } = layout;
  const block = BULK_BLOCK_BYTES / elementBytes;
  for (;;) {
    const count = Math.min(block, length - index);
    set(heap, array, layout, index, count);
    const header = index === 0 ? ARRAY_HEADER_WORDS * 4 : 0;
    index += count;
    const hasFuel = pay(x, Math.ceil((header + count * elementBytes) / NEW_BYTES_PER_FUEL), position);
    if (index === length) break;
    if (!hasFuel) {
      x.object = array;
      x.progress = index;
      return PAUSED_INSIDE;
    }
  }
  x.object = 0;
  x.progress = 0;
  x.words[at] = array;
  return null;
}

/** Sets references to null. Large objects are made of zeros. */
function clear(heap: Heap, array: number, length: number): void {
  if (!heap.isLarge(array)) wordsOf(heap, array, 0, length).fill(0);
}

export function arrayNew(x: Machine, at: number, typeId: number, position: number): number | null {
  const layout = x.instance!.store.heap.layouts.of(typeId);
  const length = x.words[at + slotWords(layout)]! >>> 0;
  return make(x, at, typeId, length, position, (heap, array, _, index, count) =>
    fill(heap, array, layout, index, count, x.words, at),
  );
}

export function arrayNewDefault(x: Machine, at: number, typeId: number, position: number): number | null {
  return make(x, at, typeId, x.words[at]! >>> 0, position, (heap, array, { elementBytes }, index, count) => {
    if (!heap.isLarge(array)) bytesOf(heap, array, index * elementBytes, count * elementBytes).fill(0);
  });
}

/** The bytes of a data segment, of which `byteLength` from `from` on must be there. */
function dataBytes(x: Machine, segment: number, from: number, byteLength: number): Uint8Array {
  const instance = x.instance!;
  if (from + byteLength > instance.segments.dataByteLength(segment)) {
    throw new Trap("out of bounds memory access", `${byteLength} bytes of data segment ${segment}`);
  }
  const { start } = instance.module.data.data[segment]!;
  return instance.module.data.bytes.subarray(start + from, start + from + byteLength);
}

export function arrayNewData(x: Machine, at: number, typeId: number, segment: number, position: number): number | null {
  const { elementBytes } = x.instance!.store.heap.layouts.of(typeId);
  const length = x.words[at + 2]! >>> 0;
  const data = dataBytes(x, segment, x.words[at]! >>> 0, length * elementBytes);
  return make(x, at, typeId, length, position, (heap, array, _, index, count) => {
    const from = index * elementBytes;
    const byteLength = count * elementBytes;
    bytesOf(heap, array, from, byteLength).set(data.subarray(from, from + byteLength));
  });
}

/** Checks that a segment has `count` elements from `from` on. */
function checkElements(x: Machine, segment: number, from: number, count: number): void {
  const size = x.instance!.segments.elementCount(segment);
  if (from + count > size) throw new Trap("out of bounds table access", `${count} elements of segment ${segment}`);
}

/** Sets elements of an array from those of a segment. */
function setFromSegment(x: Machine, array: number, index: number, segment: number, from: number, count: number): void {
  // A dropped segment has no items any more.
  if (count === 0) return;
  const instance = x.instance!;
  const words = wordsOf(instance.store.heap, array, index, count);
  const { items } = instance.module.data.elements[segment]!;
  if (items.kind === "funcs") {
    for (let i = 0; i < count; i++) words[i] = instance.funcAddress(items.indices[from + i]!);
  } else words.set(instance.segments.itemsOf(segment)!.subarray(from, from + count));
}

export function arrayNewElem(x: Machine, at: number, typeId: number, segment: number, position: number): number | null {
  const from = x.words[at]! >>> 0;
  const length = x.words[at + 2]! >>> 0;
  checkElements(x, segment, from, length);
  return make(x, at, typeId, length, position, (_, array, __, index, count) =>
    setFromSegment(x, array, index, segment, from + index, count),
  );
}

function checkRange(heap: Heap, array: number, index: number, count: number): void {
  if (index + count > heap.arrayLength(array)) {
    throw new Trap("out of bounds array access", `${count} elements at index ${index}`);
  }
}

export function arrayFill(x: Machine, at: number, typeId: number, position: number): number | null {
  const { words } = x;
  const { heap } = x.instance!.store;
  const layout = heap.layouts.of(typeId);
  const array = arrayReference(words[at]!);
  const valueAt = at + 4;
  const countAt = valueAt + slotWords(layout);
  let index = words[at + 2]! >>> 0;
  let count = words[countAt]! >>> 0;
  checkRange(heap, array, index, count);
  const { elementBytes } = layout;
  while (count > 0) {
    const block = Math.min(count, BULK_BLOCK_BYTES / elementBytes);
    fill(heap, array, layout, index, block, words, valueAt);
    index += block;
    count -= block;
    if (!pay(x, Math.ceil((block * elementBytes) / BYTES_PER_FUEL), position) && count > 0) {
      words[at + 2] = index;
      words[countAt] = count;
      return PAUSED_INSIDE;
    }
  }
  return null;
}

export function arrayCopy(x: Machine, at: number, typeId: number, position: number): number | null {
  const { words } = x;
  const { heap } = x.instance!.store;
  const { elementBytes } = heap.layouts.of(typeId);
  const target = arrayReference(words[at]!);
  const source = arrayReference(words[at + 4]!);
  let to = words[at + 2]! >>> 0;
  let from = words[at + 6]! >>> 0;
  let count = words[at + 8]! >>> 0;
  checkRange(heap, target, to, count);
  checkRange(heap, source, from, count);
  // Overlapping ranges are copied from the end that is not overwritten first.
  const backwards = target === source && from < to;
  while (count > 0) {
    const block = Math.min(count, BULK_BLOCK_BYTES / elementBytes);
    const skip = backwards ? count - block : 0;
    const byteLength = block * elementBytes;
    const bytes = bytesOf(heap, source, (from + skip) * elementBytes, byteLength);
    bytesOf(heap, target, (to + skip) * elementBytes, byteLength).set(bytes);
    if (!backwards) {
      to += block;
      from += block;
    }
    count -= block;
    if (!pay(x, Math.ceil(byteLength / BYTES_PER_FUEL), position) && count > 0) {
      words[at + 2] = to;
      words[at + 6] = from;
      words[at + 8] = count;
      return PAUSED_INSIDE;
    }
  }
  return null;
}

export function arrayInitData(
  x: Machine,
  at: number,
  typeId: number,
  segment: number,
  position: number,
): number | null {
  const { words } = x;
  const { heap } = x.instance!.store;
  const { elementBytes } = heap.layouts.of(typeId);
  const array = arrayReference(words[at]!);
  let index = words[at + 2]! >>> 0;
  let from = words[at + 4]! >>> 0;
  let count = words[at + 6]! >>> 0;
  checkRange(heap, array, index, count);
  let data = dataBytes(x, segment, from, count * elementBytes);
  while (count > 0) {
    const block = Math.min(count, BULK_BLOCK_BYTES / elementBytes);
    const byteLength = block * elementBytes;
    bytesOf(heap, array, index * elementBytes, byteLength).set(data.subarray(0, byteLength));
    data = data.subarray(byteLength);
    index += block;
    from += byteLength;
    count -= block;
    if (!pay(x, Math.ceil(byteLength / BYTES_PER_FUEL), position) && count > 0) {
      words[at + 2] = index;
      words[at + 4] = from;
      words[at + 6] = count;
      return PAUSED_INSIDE;
    }
  }
  return null;
}

export function arrayInitElem(x: Machine, at: number, segment: number, position: number): number | null {
  const { words } = x;
  const { heap } = x.instance!.store;
  const array = arrayReference(words[at]!);
  let index = words[at + 2]! >>> 0;
  let from = words[at + 4]! >>> 0;
  let count = words[at + 6]! >>> 0;
  checkRange(heap, array, index, count);
  checkElements(x, segment, from, count);
  while (count > 0) {
    const block = Math.min(count, BLOCK_ELEMENTS);
    setFromSegment(x, array, index, segment, from, block);
    index += block;
    from += block;
    count -= block;
    if (!pay(x, Math.ceil(block / ELEMENTS_PER_FUEL), position) && count > 0) {
      words[at + 2] = index;
      words[at + 4] = from;
      words[at + 6] = count;
      return PAUSED_INSIDE;
    }
  }
  return null;
}
