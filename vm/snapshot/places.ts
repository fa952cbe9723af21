/**
 * The places of a function where a frame may stand while it is saved, in terms of the module's text: safe points
 * by their number and byte offset, which are the same in every lowering, and instruction boundaries of exact
 * code by their byte offset. Found by lowering the function once more.
 */

import type { CompiledModule } from "../compiled-module.ts";
import { InternalError } from "../errors.ts";
import { LOWERING_STEP_INSTRUCTIONS } from "../limits.ts";
import { Head, Link, ModuleCode, Reg } from "../lower/code.ts";
import { InstantiationLowering, instantiationIndex } from "../lower/instantiation.ts";
import { Lowering } from "../lower/lower.ts";
import type { Operands } from "../lower/operands.ts";
import { RootKind, type PositionSink } from "../lower/source.ts";
import { Op } from "../opcodes.ts";

export const enum PlaceKind {
  Entry,
  /** Behind the instruction that begins a loop, or a block where caught exceptions go on, or that ends one. */
  Behind,
  /** Behind a call. */
  AfterCall,
  /** Before an instruction: in straight-line code, or a boundary of exact code. */
  Before,
  /** In the middle of an instruction that takes several turns. */
  Inside,
}

export interface Place {
  readonly kind: PlaceKind;
  /** Among the safe points of the function; -1 for a boundary. */
  readonly number: number;
  /** Relative to the function's head. */
  readonly codePosition: number;
  /** Of the instruction in the module; 0 at the entry. */
  readonly byteOffset: number;
  /** P there. */
  fuel: number;
  /** Word offset behind the operands. */
  top: number;
  /** How many operands there are, and how many of them a call has left. */
  height: number;
  results: number;
  /** The operation there. */
  reg: number;
}

/** The frame of a function: word offsets and sizes. */
export interface FrameLayout {
  readonly link: number;
  readonly words: number;
}

const BEHIND: ReadonlySet<number> = new Set([Op.Loop, Op.End, Op.Delegate, Op.Catch, Op.CatchAll]);

/** All places of one function in fused or exact code. */
export class PlaceMap implements PositionSink {
  readonly places: Place[] = [];
  /** Exact code: where the operations of each instruction begin. */
  readonly #codePositions: number[] = [];
  readonly #byteOffsets: number[] = [];
  readonly #bytes: Uint8Array;
  #scratch: ModuleCode | null = null;
  #call = { codePosition: -1, height: 0 };
  #inside = { codePosition: -1, height: 0, top: 0 };
  #last: Place | null = null;
  #frame: FrameLayout = { link: 0, words: 0 };
  readonly #isExact: boolean;

  private constructor(bytes: Uint8Array, isExact: boolean) {
    this.#bytes = bytes;
    this.#isExact = isExact;
  }

  /** Made in steps. */
  static *of(module: CompiledModule, funcIndex: number, isExact: boolean): Generator<void, PlaceMap> {
    const map = new PlaceMap(module.data.bytes, isExact);
    const scratch = new ModuleCode(0);
    const lowering =
      funcIndex === instantiationIndex(module.data)
        ? new InstantiationLowering(module, scratch, isExact, map)
        : new Lowering(module, scratch, funcIndex, isExact, map);
    while (!lowering.step(LOWERING_STEP_INSTRUCTIONS)) yield;
    yield* map.#finish(scratch);
    return map;
  }

  *#finish(scratch: ModuleCode): Generator<void> {
    const { words } = scratch;
    this.#scratch = scratch;
    for (let i = 0; i < this.places.length; i++) {
      const place = this.places[i]!;
      place.reg = words[1 + place.codePosition]!;
      if (place.kind === PlaceKind.Inside) place.fuel = insideFuel(words, 1 + place.codePosition);
      if (i % LOWERING_STEP_INSTRUCTIONS === LOWERING_STEP_INSTRUCTIONS - 1) yield;
    }
    this.#frame = { link: words[1 + Head.Link]!, words: words[1 + Head.FrameWords]! };
  }

  get frame(): FrameLayout {
    return this.#frame;
  }

  add(codePosition: number, byteOffset: number): void {
    this.#codePositions.push(codePosition);
    this.#byteOffsets.push(byteOffset);
  }

  rewind(codePosition: number): void {
    while (this.#codePositions.length > 0 && this.#codePositions[this.#codePositions.length - 1]! >= codePosition) {
      this.#codePositions.pop();
      this.#byteOffsets.pop();
    }
  }

  safePoint(codePosition: number, byteOffset: number, fuel: number): void {
    const isInside = this.#inside.codePosition === codePosition;
    const isCall = !isInside && this.#call.codePosition === codePosition;
    const op = this.#bytes[byteOffset]!;
    const number = this.places.length;
    const kind = isInside
      ? PlaceKind.Inside
      : isCall
        ? PlaceKind.AfterCall
        : number === 0
          ? PlaceKind.Entry
          : BEHIND.has(op)
            ? PlaceKind.Behind
            : PlaceKind.Before;
    const { top, height } = this.#inside;
    this.#last = { kind, number, codePosition, byteOffset, fuel, top, height, results: 0, reg: 0 };
    this.places.push(this.#last);
    this.#inside.codePosition = -1;
    if (!isCall) this.#call.codePosition = -1;
  }

  roots(kind: RootKind, codePosition: number, operands: Operands): void {
    const { height } = operands;
    switch (kind) {
      case RootKind.During:
        this.#call = { codePosition, height };
        return;
      case RootKind.Inside:
        this.#inside = { codePosition, height, top: operands.nextSlot };
        return;
      default: {
        const place = this.#last;
        if (place?.codePosition !== codePosition || place.kind === PlaceKind.Inside) return;
        place.height = height;
        place.top = operands.nextSlot;
        if (place.kind === PlaceKind.AfterCall) place.results = height - this.#call.height;
        this.#last = null;
        this.#call.codePosition = -1;
      }
    }
  }

  /** The innermost safe point at a code position, where P is `fuel`; null if there is none. */
  safePointAt(codePosition: number, isInside: boolean, fuel: number): Place | null {
    for (let i = this.#indexAfter(codePosition) - 1; i >= 0; i--) {
      const place = this.places[i]!;
      if (place.codePosition !== codePosition) return null;
      if ((place.kind === PlaceKind.Inside) === isInside && (isInside || place.fuel === fuel)) return place;
    }
    return null;
  }

  /** The place behind a call at a code position. */
  returnAt(codePosition: number): Place | null {
    for (let i = this.#indexAfter(codePosition) - 1; i >= 0; i--) {
      const place = this.places[i]!;
      if (place.codePosition !== codePosition) return null;
      if (place.kind === PlaceKind.AfterCall) return place;
    }
    return null;
  }

  /** How many places lie at or before a code position. */
  #indexAfter(codePosition: number): number {
    let low = 0;
    let high = this.places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.places[middle]!.codePosition <= codePosition) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The boundary at a code position of exact code, or null. */
  boundaryAt(codePosition: number): Place | null {
    let low = 0;
    let high = this.#codePositions.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#codePositions[middle]! < codePosition) low = middle + 1;
      else high = middle;
    }
    return this.#codePositions[low] === codePosition ? this.#boundary(low) : null;
  }

  /** The boundary before the instruction at a byte offset, or null. */
  boundaryBefore(byteOffset: number): Place | null {
    for (let i = 0; i < this.#byteOffsets.length; i++) {
      if (this.#byteOffsets[i] !== byteOffset) continue;
      const place = this.#boundary(i);
      if (place !== null) return place;
    }
    return null;
  }

  #boundary(index: number): Place | null {
    const codePosition = this.#codePositions[index]!;
    const { words } = this.#scratch!;
    const at = 1 + codePosition;
    // The head is no operation.
    if (!this.#isExact || codePosition < Head.Length || words[at] !== Reg.CheckExact) return null;
    const byteOffset = this.#byteOffsets[index]!;
    const fuel = words[at + 1]! - words[at + 2]!;
    const unknown = { top: -1, height: -1, results: 0 };
    return { kind: PlaceKind.Before, number: -1, codePosition, byteOffset, fuel, reg: Reg.CheckExact, ...unknown };
  }
}

/** P while an operation that takes several turns is under way: see `Machine.position`. */
function insideFuel(words: Int32Array, pc: number): number {
  switch (words[pc]) {
    case Reg.ThrowRef:
      return words[pc + 2]!;
    case Reg.Throw:
    case Reg.MemoryGrow:
    case Reg.MemoryFill:
    case Reg.TableGrow:
    case Reg.TableFill:
    case Reg.StructNew:
    case Reg.StructNewDefault:
    case Reg.ArrayNew:
    case Reg.ArrayNewDefault:
    case Reg.ArrayFill:
    case Reg.ArrayCopy:
      return words[pc + 3]!;
    case Reg.MemoryCopy:
    case Reg.MemoryInit:
    case Reg.TableCopy:
    case Reg.TableInit:
    case Reg.ArrayNewFixed:
    case Reg.ArrayNewData:
    case Reg.ArrayNewElem:
    case Reg.ArrayInitData:
    case Reg.ArrayInitElem:
      return words[pc + 4]!;
    case Reg.AtomicWait:
      return words[pc + 6]!;
    default:
      throw new InternalError(`operation ${words[pc]} takes one turn`);
  }
}

/** Maps that are kept: each takes about as much as the code of its function. */
const MAX_KEPT = 64;
const kept = new WeakMap<CompiledModule, Map<number, PlaceMap>>();

export function* placesOf(module: CompiledModule, funcIndex: number, isExact: boolean): Generator<void, PlaceMap> {
  let maps = kept.get(module);
  if (maps === undefined) {
    maps = new Map();
    kept.set(module, maps);
  }
  const key = funcIndex * 2 + (isExact ? 1 : 0);
  let map = maps.get(key);
  if (map === undefined) {
    map = yield* PlaceMap.of(module, funcIndex, isExact);
    if (maps.size >= MAX_KEPT) maps.delete(maps.keys().next().value ?? key);
    maps.set(key, map);
  }
  return map;
}

/** Word offset of the first operand. */
export function operandsAt({ link }: FrameLayout): number {
  return link + Link.Length;
}
