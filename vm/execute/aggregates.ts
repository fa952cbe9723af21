/**
 * Structures and arrays, one operation per call (spec: exec-struct.new and its like); arrays.ts has those
 * that handle many elements. Returns the next position, or the complement of an {@link Exit}. Traps are thrown.
 */

import { InternalError, Trap } from "../errors.ts";
import { Reg } from "../lower/code.ts";
import type { Heap } from "../runtime/heap.ts";
import { ARRAY_HEADER_WORDS, arrayWords, Storage } from "../layouts.ts";
import {
  allocate,
  arrayCopy,
  arrayFill,
  arrayInitData,
  arrayInitElem,
  arrayNew,
  arrayNewData,
  arrayNewDefault,
  arrayNewElem,
  arrayReference,
  needsCollection,
  writeElement,
} from "./arrays.ts";
import { throwAgain, throwNew } from "./exceptions.ts";
import type { Machine } from "./machine.ts";

export function aggregate(x: Machine): number {
  const { words, fp, pc } = x;
  const code = x.module.words;
  const { heap } = x.instance!.store;
  const a = code[pc + 1]!;
  const b = code[pc + 2]!;
  const c = code[pc + 3]!;
  switch (code[pc]) {
    case Reg.StructGet:
      read(heap, structReference(words[fp + b]!), c, code[pc + 4]!, words, fp + a);
      return pc + 5;
    case Reg.StructSet:
      write(heap, structReference(words[fp + a]!), c, code[pc + 4]!, words, fp + b);
      return pc + 5;
    case Reg.ArrayGet: {
      const array = arrayReference(words[fp + b]!);
      readElement(heap, array, checkedIndex(heap, array, words[fp + c]!), code[pc + 4]!, words, fp + a);
      return pc + 5;
    }
    case Reg.ArraySet: {
      const array = arrayReference(words[fp + a]!);
      writeElement(heap, array, checkedIndex(heap, array, words[fp + b]!), code[pc + 4]!, words, fp + c);
      return pc + 5;
    }
    case Reg.StructNew: {
      const layout = heap.layouts.of(b);
      const handle = allocate(x, heap, layout.words, b);
      if (handle === 0) return needsCollection(x, c);
      const { offsets, sizes, masks } = layout;
      let at = fp + a;
      for (let i = 0; i < offsets.length; i++) {
        const offset = offsets[i]!;
        const size = sizes[i]!;
        heap.setWord(handle, offset, words[at]! & masks[i]!);
        for (let k = 1; k < size; k++) heap.setWord(handle, offset + k, words[at + k]!);
        at += size > 2 ? 4 : 2;
      }
      words[fp + a] = handle;
      return pc + 4;
    }
    case Reg.StructNewDefault: {
      const layout = heap.layouts.of(b);
      const handle = allocate(x, heap, layout.words, b);
      if (handle === 0) return needsCollection(x, c);
      for (let offset = 1; offset < layout.words; offset++) heap.setWord(handle, offset, 0);
      words[fp + a] = handle;
      return pc + 4;
    }
    case Reg.ArrayNewFixed: {
      const layout = heap.layouts.of(b);
      const handle = allocate(x, heap, arrayWords(layout, c), b);
      if (handle === 0) return needsCollection(x, code[pc + 4]!);
      heap.setWord(handle, 1, c);
      const slot = layout.elementBytes === 16 ? 4 : 2;
      for (let i = 0; i < c; i++) writeElement(heap, handle, i, layout.elementStorage, words, fp + a + i * slot);
      words[fp + a] = handle;
      return pc + 5;
    }
    case Reg.ArrayNew:
      return arrayNew(x, fp + a, b, c) ?? pc + 4;
    case Reg.ArrayNewDefault:
      return arrayNewDefault(x, fp + a, b, c) ?? pc + 4;
    case Reg.ArrayNewData:
      return arrayNewData(x, fp + a, b, c, code[pc + 4]!) ?? pc + 5;
    case Reg.ArrayNewElem:
      return arrayNewElem(x, fp + a, b, c, code[pc + 4]!) ?? pc + 5;
    case Reg.ArrayFill:
      return arrayFill(x, fp + a, b, c) ?? pc + 4;
    case Reg.ArrayCopy:
      return arrayCopy(x, fp + a, b, c) ?? pc + 4;
    case Reg.ArrayInitData:
      return arrayInitData(x, fp + a, b, c, code[pc + 4]!) ?? pc + 5;
    case Reg.ArrayInitElem:
      return arrayInitElem(x, fp + a, c, code[pc + 4]!) ?? pc + 5;
    case Reg.Throw:
      return throwNew(x, fp + a, b, c, code[pc + 4]!);
    case Reg.ThrowRef:
      return throwAgain(x, words[fp + a]!, c);
    default:
      throw new InternalError(`no register operation ${code[pc]} at ${pc}`);
  }
}

function structReference(handle: number): number {
  if (handle === 0) throw new Trap("null structure reference");
  return handle;
}

function checkedIndex(heap: Heap, array: number, index: number): number {
  const unsigned = index >>> 0;
  if (unsigned >= heap.arrayLength(array)) throw new Trap("out of bounds array access", `index ${unsigned}`);
  return unsigned;
}

/** Reads what lies at a word of an object: packed values there are single words without a sign. */
function read(heap: Heap, handle: number, offset: number, storage: Storage, words: Int32Array, d: number): void {
  const word = heap.word(handle, offset);
  switch (storage) {
    case Storage.I8S:
      words[d] = (word << 24) >> 24;
      return;
    case Storage.I16S:
      words[d] = (word << 16) >> 16;
      return;
    case Storage.Double:
      words[d] = word;
      words[d + 1] = heap.word(handle, offset + 1);
      return;
    case Storage.Vector:
      for (let k = 0; k < 4; k++) words[d + k] = heap.word(handle, offset + k);
      return;
    default:
      words[d] = word;
  }
}

function write(heap: Heap, handle: number, offset: number, storage: Storage, words: Int32Array, a: number): void {
  switch (storage) {
    case Storage.I8U:
      heap.setWord(handle, offset, words[a]! & 0xff);
      return;
    case Storage.I16U:
      heap.setWord(handle, offset, words[a]! & 0xffff);
      return;
    default: {
      const count = storage === Storage.Word ? 1 : storage === Storage.Double ? 2 : 4;
      for (let k = 0; k < count; k++) heap.setWord(handle, offset + k, words[a + k]!);
    }
  }
}

function readElement(heap: Heap, array: number, index: number, storage: Storage, words: Int32Array, d: number): void {
  switch (storage) {
    case Storage.I8S:
    case Storage.I8U: {
      const byte = heap.word(array, ARRAY_HEADER_WORDS + (index >>> 2)) >>> ((index & 3) * 8);
      words[d] = storage === Storage.I8S ? (byte << 24) >> 24 : byte & 0xff;
      return;
    }
    case Storage.I16S:
    case Storage.I16U: {
      const half = heap.word(array, ARRAY_HEADER_WORDS + (index >>> 1)) >>> ((index & 1) * 16);
      words[d] = storage === Storage.I16S ? (half << 16) >> 16 : half & 0xffff;
      return;
    }
    case Storage.Word:
      words[d] = heap.word(array, ARRAY_HEADER_WORDS + index);
      return;
    default:
      read(heap, array, ARRAY_HEADER_WORDS + index * (storage === Storage.Double ? 2 : 4), storage, words, d);
  }
}
