/**
 * From positions in register code back to the module's bytes: which instruction, and how much fuel
 * had been used in its body. The table of a function is made by lowering it once more when
 * somebody asks, so code that never traps pays nothing; that of a large one with its code, since a
 * trap must not take as long as lowering it does.
 */

import { InternalError } from "../errors.ts";
import { ModuleCode } from "./code.ts";
import { IntList } from "./int-list.ts";
import { InstantiationLowering, instantiationIndex, type InstantiationSource } from "./instantiation.ts";
import { Lowering } from "./lower.ts";
import type { PositionSink } from "./source.ts";

const ENTRY_LENGTH = 3;

/** The table of one function in fused or exact code. Code positions are relative to the function's head. */
export class Positions implements PositionSink {
  /** Code position, byte offset and fuel of one operation after the other. */
  readonly #entries = new IntList();
  readonly safePoints = new IntList();

  add(codePosition: number, byteOffset: number, fuelAfter: number): void {
    this.#entries.push(codePosition);
    this.#entries.push(byteOffset);
    this.#entries.push(fuelAfter);
  }

  rewind(codePosition: number): void {
    let { length } = this.#entries;
    while (length > 0 && this.#entries.at(length - ENTRY_LENGTH) >= codePosition) length -= ENTRY_LENGTH;
    if (length < this.#entries.length) this.#entries.truncate(length);
  }

  /** The function is lowered. */
  finish(): void {
    this.#entries.finish();
    this.safePoints.finish();
  }

  safePoint(codePosition: number): void {
    this.safePoints.push(codePosition);
  }

  /** Byte offset of the instruction whose operation stands at or before a code position. */
  byteOffsetAt(codePosition: number): number {
    return this.#at(codePosition, 1);
  }

  /** P after the instruction whose operation stands there: the fuel of a trap includes it. */
  fuelAfter(codePosition: number): number {
    return this.#at(codePosition, 2);
  }

  #at(codePosition: number, column: number): number {
    const entries = this.#entries;
    let low = 0;
    let high = entries.length / ENTRY_LENGTH - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (entries.at(middle * ENTRY_LENGTH) <= codePosition) low = middle;
      else high = middle - 1;
    }
    return entries.at(low * ENTRY_LENGTH + column);
  }

  /**
   * The number of a safe point, the same in fused and exact code; -1 if the position is none. Several may share a position: of
   * these the first, or `isInside` the last, which is the one in the middle of the operation there.
   */
  safePointAt(codePosition: number, isInside: boolean): number {
    const { safePoints } = this;
    let low = 0;
    let high = safePoints.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (safePoints.at(middle) < codePosition) low = middle + 1;
      else high = middle;
    }
    if (safePoints.length === 0 || safePoints.at(low) !== codePosition) return -1;
    if (isInside) while (low + 1 < safePoints.length && safePoints.at(low + 1) === codePosition) low++;
    return low;
  }
}

function keyOf(funcIndex: number, isExact: boolean): number {
  return funcIndex * 2 + (isExact ? 1 : 0);
}

/**
 * Makes and keeps the tables of one module: together they take about as much as its code. None is thrown away, since
 * a guest whose traps are contained could have them made again and again, for a few fuel each.
 */
export class PositionTables {
  readonly #source: InstantiationSource;
  readonly #tables = new Map<number, Positions>();

  constructor(source: InstantiationSource) {
    this.#source = source;
  }

  /** Takes a table that was made with the code. */
  keep(funcIndex: number, isExact: boolean, table: Positions): void {
    table.finish();
    this.#tables.set(keyOf(funcIndex, isExact), table);
  }

  of(funcIndex: number, isExact: boolean): Positions {
    const key = keyOf(funcIndex, isExact);
    let table = this.#tables.get(key);
    if (table === undefined) {
      table = this.#make(funcIndex, isExact);
      this.keep(funcIndex, isExact, table);
    }
    return table;
  }

  #make(funcIndex: number, isExact: boolean): Positions {
    const source = this.#source;
    const table = new Positions();
    const scratch = new ModuleCode(0);
    const lowering =
      funcIndex === instantiationIndex(source.data)
        ? new InstantiationLowering(source, scratch, isExact, table)
        : new Lowering(source, scratch, funcIndex, isExact, table);
    if (!lowering.step(Number.POSITIVE_INFINITY))
      throw new InternalError(`lowering of function ${funcIndex} did not end`);
    return table;
  }
}
