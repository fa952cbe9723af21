/**
 * The locals of one body: their types, and which of those without default have a value (spec:
 * valid-local). They are declared in runs, and never cost more than the body has bytes: 50,000
 * locals are declared in four.
 */

import { isDefaultable, type ValType } from "../types.ts";
import { grown } from "./operands.ts";

/** Locals are expanded, one entry each, up to the body's size in bytes and this many. */
const EXPANDED_LOCALS = 256;

export class Locals {
  /** Parameters included; may be past any limit until it is checked. */
  count = 0;
  paramCount = 0;
  /** There are locals that have to be set before they are read. */
  hasNonDefaultable = false;
  /** Runs of equal locals: each run's type and the index after its last local. */
  #runCount = 0;
  #runTypes = new Int32Array(16);
  #runEnds = new Int32Array(16);
  /** The types of the first locals, one by one. */
  #types = new Int32Array(EXPANDED_LOCALS);
  #expanded = 0;
  /** The stamp of the body in which a local was last set: nothing has to be cleared between bodies. */
  #setIn = new Int32Array(16);
  #stamp = 0;
  /** The locals set, in order: leaving a block forgets those set inside. */
  readonly #sets: number[] = [];

  begin(params: readonly ValType[]): void {
    this.count = 0;
    this.hasNonDefaultable = false;
    this.#runCount = 0;
    this.#expanded = 0;
    this.#sets.length = 0;
    this.#stamp++;
    this.paramCount = params.length;
    for (let i = 0; i < params.length; i++) this.add(1, params[i]!);
    // Parameters have a value.
    this.hasNonDefaultable = false;
  }

  add(count: number, type: ValType): void {
    if (count === 0) return;
    const run = this.#runCount++;
    if (run === this.#runTypes.length) {
      this.#runTypes = grown(this.#runTypes);
      this.#runEnds = grown(this.#runEnds);
    }
    this.count += count;
    this.#runTypes[run] = type;
    // Past the limit of locals the array is never read; it only has to hold any count.
    this.#runEnds[run] = Math.min(this.count, 0x7fff_ffff);
    if (!isDefaultable(type)) this.hasNonDefaultable = true;
  }

  /** The declarations are complete and their number is checked; the code has `byteLength` bytes. */
  finish(byteLength: number): void {
    const expanded = Math.min(this.count, EXPANDED_LOCALS + byteLength);
    if (expanded > this.#types.length) this.#types = new Int32Array(expanded * 2);
    for (let run = 0, i = 0; i < expanded; run++) {
      const end = Math.min(expanded, this.#runEnds[run]!);
      const type = this.#runTypes[run]!;
      while (i < end) this.#types[i++] = type;
    }
    this.#expanded = expanded;
    if (this.hasNonDefaultable && this.#setIn.length < this.count) this.#setIn = new Int32Array(this.count * 2);
  }

  /** The type of a local, or -1 if there is no such local. */
  type(index: number): ValType {
    if (index < this.#expanded) return this.#types[index]!;
    return index < this.count ? this.#searchedType(index) : -1;
  }

  #searchedType(index: number): ValType {
    let low = 0;
    let high = this.#runCount - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (index < this.#runEnds[middle]!) high = middle;
      else low = middle + 1;
    }
    return this.#runTypes[low]!;
  }

  isSet(index: number, type: ValType): boolean {
    return isDefaultable(type) || index < this.paramCount || this.#setIn[index] === this.#stamp;
  }

  markSet(index: number, type: ValType): void {
    if (this.isSet(index, type)) return;
    this.#setIn[index] = this.#stamp;
    this.#sets.push(index);
  }

  /** How many locals have been set: what a block notes when it begins, and {@link forget} takes at its end. */
  get setCount(): number {
    return this.#sets.length;
  }

  forget(setCount: number): void {
    while (this.#sets.length > setCount) this.#setIn[this.#sets.pop()!] = 0;
  }
}
