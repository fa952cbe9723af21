/**
 * The host's values that guests of a store refer to. The same value has the same handle, so passing
 * it again and again takes nothing; a collection forgets those that nothing refers to.
 */

import { Termination } from "../errors.ts";
import { externHandle, externIndex } from "./reference.ts";
import type { Accountant } from "./resources.ts";

/** What an entry counts as. */
export const EXTERN_BYTES = 64;

export class Externs {
  readonly #accountant: Accountant;
  readonly #added: () => void;
  readonly #values: unknown[] = [];
  /** 1 for each entry that a collection has reached. */
  #marks: Uint8Array = new Uint8Array(0);
  readonly #free: number[] = [];
  readonly #handles = new Map<unknown, number>();

  /** `added` is called for each new entry. */
  constructor(accountant: Accountant, added: () => void) {
    this.#accountant = accountant;
    this.#added = added;
  }

  /** How many there are. */
  get size(): number {
    return this.#handles.size;
  }

  has(value: unknown): boolean {
    return this.#handles.has(value);
  }

  /** Throws `Termination` when the accountant refuses. */
  handleOf(value: unknown): number {
    const known = this.#handles.get(value);
    if (known !== undefined) return known;
    if (!this.#accountant.reserve("externs", EXTERN_BYTES)) {
      throw new Termination("memory limit", `${EXTERN_BYTES} bytes for externs`);
    }
    this.#added();
    const index = this.#free.pop() ?? this.#values.length;
    this.#values[index] = value;
    const handle = externHandle(index);
    this.#handles.set(value, handle);
    return handle;
  }

  /** Each value with its index, in the order of their arrival. */
  *entries(): Generator<readonly [number, unknown], void> {
    for (const [value, handle] of this.#handles) yield [externIndex(handle), value];
  }

  /** Puts values back at their indices. False for one that is there twice. Throws `Termination`. */
  restore(values: ReadonlyMap<number, unknown>, length: number): boolean {
    if (!this.#accountant.reserve("externs", values.size * EXTERN_BYTES)) {
      throw new Termination("memory limit", `${values.size * EXTERN_BYTES} bytes for externs`);
    }
    for (const [index, value] of values) {
      if (this.#handles.has(value)) return false;
      this.#handles.set(value, externHandle(index));
    }
    for (let index = 0; index < length; index++) {
      this.#values.push(values.get(index));
      if (!values.has(index)) this.#free.push(index);
    }
    return true;
  }

  valueOf(handle: number): unknown {
    return this.#values[externIndex(handle)];
  }

  /** Before a collection marks entries. */
  beginMarking(): void {
    this.#marks = new Uint8Array(this.#values.length);
  }

  mark(handle: number): void {
    this.#marks[externIndex(handle)] = 1;
  }

  /** Forgets entries that were not marked, looking at `count` of them from `from` on. Where to go on, or -1 at the end. */
  sweep(from: number, count: number): number {
    const end = Math.min(this.#values.length, from + count);
    for (let index = from; index < end; index++) {
      const value = this.#values[index];
      // A free entry's value, undefined, may be another entry's.
      if (this.#marks[index] === 1 || this.#handles.get(value) !== externHandle(index)) continue;
      this.#handles.delete(value);
      this.#values[index] = undefined;
      this.#free.push(index);
      this.#accountant.release("externs", EXTERN_BYTES);
    }
    return end < this.#values.length ? end : -1;
  }
}
