/**
 * Where a frame holds references that the collector follows, at each place where a function may stand
 * while somebody collects. The maps of a function are made by lowering it once more when they are
 * first asked for, in steps. They hold what the validator's stack map says (a test compares them), as slots, and
 * are linear in the size of the body: places share the operands that did not change between them.
 */

import { ModuleCode } from "./code.ts";
import { IntList } from "./int-list.ts";
import { InstantiationLowering, instantiationIndex, type InstantiationSource } from "./instantiation.ts";
import { Lowering } from "./lower.ts";
import type { Operands } from "./operands.ts";
import { RootKind, type PositionSink } from "./source.ts";

/** The end of a chain of operands. */
export const NO_ROOT = -1;

const EMPTY = new IntList();

/** Most functions have no references: they share a list. */
function finished(list: IntList): IntList {
  list.finish();
  return list.length === 0 ? EMPTY : list;
}

/** The maps of one function in fused or exact code. Code positions are relative to the function's head. */
export class RootMap implements PositionSink {
  /** Word offsets of the locals that hold references. Those without a value hold null. */
  locals = new IntList();
  /** Places in code, as position times four plus kind, ascending; and the topmost operand of each. */
  readonly #places = new IntList();
  readonly #tops = new IntList();
  /** Operands: the word offset of each, and the next one below. */
  offsets = new IntList();
  below = new IntList();

  add(): void {}
  rewind(): void {}
  safePoint(): void {}

  local(offset: number): void {
    this.locals.push(offset);
  }

  roots(kind: RootKind, codePosition: number, operands: Operands): void {
    const place = codePosition * 4 + kind;
    const top = operands.traceTop((offset, below) => {
      this.below.push(below);
      return this.offsets.push(offset);
    });
    const last = this.#places.length - 1;
    if (last >= 0 && this.#places.at(last) === place) this.#tops.set(last, top);
    else {
      this.#places.push(place);
      this.#tops.push(top);
    }
  }

  /** The function is lowered. */
  finish(): void {
    for (const list of [this.#places, this.#tops]) list.finish();
    this.locals = finished(this.locals);
    this.offsets = finished(this.offsets);
    this.below = finished(this.below);
  }

  /** The topmost operand that holds a reference at a place, or {@link NO_ROOT}; undefined if nobody may stand there. */
  topAt(kind: RootKind, codePosition: number): number | undefined {
    const place = codePosition * 4 + kind;
    let low = 0;
    let high = this.#places.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#places.at(middle) < place) low = middle + 1;
      else high = middle;
    }
    return high >= 0 && this.#places.at(low) === place ? this.#tops.at(low) : undefined;
  }
}

/** Makes and keeps the maps of one module. */
export class RootMaps {
  readonly #source: InstantiationSource;
  readonly #maps: (RootMap | undefined)[] = [];
  #lowering: { readonly key: number; readonly map: RootMap; readonly lowering: Lowering } | null = null;

  constructor(source: InstantiationSource) {
    this.#source = source;
  }

  /** The maps of a function, or null after about `budget` instructions: ask again then. */
  of(funcIndex: number, isExact: boolean, budget: number): RootMap | null {
    const key = funcIndex * 2 + (isExact ? 1 : 0);
    const known = this.#maps[key];
    if (known !== undefined) return known;
    if (this.#lowering?.key !== key) this.#lowering = { key, ...this.#begin(funcIndex, isExact) };
    const { map, lowering } = this.#lowering;
    if (!lowering.step(budget)) return null;
    this.#lowering = null;
    map.finish();
    this.#maps[key] = map;
    return map;
  }

  #begin(funcIndex: number, isExact: boolean): { map: RootMap; lowering: Lowering } {
    const map = new RootMap();
    const scratch = new ModuleCode(0);
    const lowering =
      funcIndex === instantiationIndex(this.#source.data)
        ? new InstantiationLowering(this.#source, scratch, isExact, map)
        : new Lowering(this.#source, scratch, funcIndex, isExact, map);
    return { map, lowering };
  }
}
