/**
 * References in a snapshot. Handles are saved as they are, since whatever they name is restored under the
 * same handle; so nothing has to be rewritten, and everything has to be checked: that what a handle
 * names is there, and is of the type of the place that holds it.
 */

import type { Store } from "../runtime/store.ts";
import { externIndex, isExtern, isI31, isObject, NULL } from "../runtime/reference.ts";
import { Heap, heapOf, isNullable, isRefType, valTypeText, type ValType } from "../types.ts";
import type { Input } from "./input.ts";
import type { Output } from "./output.ts";
import { valueWords } from "./frame-types.ts";

/** What a snapshot that is written refers to. */
export class References {
  readonly #store: Store;
  /** Indices of host values that something refers to. */
  readonly externs = new Set<number>();

  constructor(store: Store) {
    this.#store = store;
  }

  isTraced(type: ValType): boolean {
    return this.#store.engine.types.isTraced(type);
  }

  /** A handle of a traced type is written somewhere. */
  note(handle: number): void {
    if (isExtern(handle)) this.externs.add(externIndex(handle));
  }

  /** Writes the value of a slot, global or field at `words[at]`. */
  write(out: Output, type: ValType, words: Int32Array, at: number): void {
    if (isRefType(type) && this.isTraced(type)) this.note(words[at]!);
    out.words(words, at, valueWords(type));
  }
}

/** Whether any host value may stand where a type is expected. */
export function acceptsExterns(type: ValType): boolean {
  return isRefType(type) && (heapOf(type) === Heap.Any || heapOf(type) === Heap.Extern);
}

/** Checks what a snapshot that is read refers to. */
export class ReferenceCheck {
  readonly #store: Store;
  /** Whether an object begins at a handle. */
  isObjectAt: (handle: number) => boolean = () => false;
  /** Whether there is a host value of an index. */
  isExternAt: (index: number) => boolean = () => false;
  /** Whether a function is at an address. */
  isFuncAt: (address: number) => boolean = () => false;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Throws `SnapshotError` for a handle that names nothing, or something of another type. */
  check(input: Input, handle: number, type: ValType, mayBeNull = false): void {
    if (!this.#fits(handle, type, mayBeNull)) {
      throw input.invalid(`reference ${handle >>> 0} where ${valTypeText(type)} is expected`);
    }
  }

  #fits(handle: number, type: ValType, mayBeNull: boolean): boolean {
    if (handle === NULL) return mayBeNull || isNullable(type);
    const store = this.#store;
    const top = store.engine.types.topOf(heapOf(type));
    if (top === Heap.Func) return this.isFuncAt(handle) && store.matches(handle, type);
    if (isObject(handle)) {
      if (!this.isObjectAt(handle)) return false;
      const isException = store.heap.layoutOf(store.heap.word(handle, 0)).kind === "exception";
      if (isException !== (top === Heap.Exn)) return false;
    } else {
      if (top === Heap.Exn) return false;
      if (!isI31(handle) && !this.isExternAt(externIndex(handle))) return false;
    }
    return store.matches(handle, type);
  }

  /** Reads the value of a slot, global or field to `words[at]`. */
  read(input: Input, type: ValType, words: Int32Array, at: number, mayBeNull = false): void {
    input.words(words, at, valueWords(type));
    if (isRefType(type)) this.check(input, words[at]!, type, mayBeNull);
  }
}
