/**
 * The operand stack while a body is lowered. An operand is in its slot of the frame, or *delayed*:
 * a local or a constant that whoever uses it reads where it is. A delayed operand is written to its
 * slot ("settled") before its local changes, and before every place where control may meet from
 * elsewhere or pause, so that paths agree on where a value lives and a paused frame is canonical.
 */

import { Category } from "./tables.ts";

export const enum Where {
  Slot,
  Local,
  Constant,
}

/** Grows by pushing; the arrays below hold one operand each at the same index. */
export class Operands {
  /** How many operands there are. */
  height = 0;
  readonly where: number[] = [];
  readonly category: number[] = [];
  /** Word offset of the operand's own slot. */
  readonly slot: number[] = [];
  /** Word offset of the local, or the constant's words: one, two (low, high) or four. */
  readonly value: number[] = [];
  readonly high: number[] = [];
  readonly vectors: (Int32Array | null)[] = [];
  /** Delayed operands that read the same local form a chain from the topmost down. */
  readonly #below: number[] = [];
  readonly #chains: Int32Array;
  /** Operands below this one are settled. */
  settledBelow = 0;
  /** For {@link traceTop}: what is known of the operands below {@link #tracedBelow}. */
  readonly #traced: number[] = [];
  #tracedBelow = 0;
  /** The highest slot any operand had. */
  maxSlot = 0;
  readonly #base: number;

  /** `base`: word offset of the first operand; locals lie below it. */
  constructor(base: number) {
    this.#base = base;
    this.#chains = new Int32Array(base >> 1).fill(-1);
  }

  /** Word offset of the slot that the next operand gets. */
  get nextSlot(): number {
    const top = this.height - 1;
    if (top < 0) return this.#base;
    return this.slot[top]! + (this.category[top] === Category.V128 ? 4 : 2);
  }

  #push(where: Where, category: Category, value: number, high: number): number {
    const slot = this.nextSlot;
    if (slot > this.maxSlot) this.maxSlot = slot;
    const index = this.height++;
    this.where[index] = where;
    this.category[index] = category;
    this.slot[index] = slot;
    this.value[index] = value;
    this.high[index] = high;
    this.vectors[index] = null;
    return index;
  }

  /** Returns the word offset of the new operand's slot. */
  pushSlot(category: Category): number {
    return this.slot[this.#push(Where.Slot, category, 0, 0)]!;
  }

  pushLocal(local: number, category: Category): void {
    const index = this.#push(Where.Local, category, local, 0);
    this.#below[index] = this.#chains[local >> 1]!;
    this.#chains[local >> 1] = index;
  }

  pushConstant(category: Category, low: number, high: number): void {
    this.#push(Where.Constant, category, low, high);
  }

  pushVector(words: Int32Array): void {
    this.vectors[this.#push(Where.Constant, Category.V128, 0, 0)] = words;
  }

  /** The popped operand's index: its entries stay readable until the next push. */
  pop(): number {
    const index = --this.height;
    if (this.where[index] === Where.Local) this.#chains[this.value[index]! >> 1] = this.#below[index]!;
    if (this.settledBelow > index) this.settledBelow = index;
    if (this.#tracedBelow > index) this.#tracedBelow = index;
    return index;
  }

  /** Takes the last {@link pop} back, if nothing was pushed since. */
  restore(): void {
    const index = this.height++;
    if (this.where[index] !== Where.Local) return;
    const chain = this.value[index]! >> 1;
    this.#below[index] = this.#chains[chain]!;
    this.#chains[chain] = index;
  }

  drop(count: number): void {
    for (let i = 0; i < count; i++) this.pop();
  }

  /** The delayed operands that read `local`, topmost first; they count as settled afterwards. */
  takeReadersOf(local: number, settle: (index: number) => void): void {
    let index = this.#chains[local >> 1]!;
    while (index >= 0) {
      settle(index);
      this.where[index] = Where.Slot;
      index = this.#below[index]!;
    }
    this.#chains[local >> 1] = -1;
  }

  /** Settles all operands. */
  takeDelayed(settle: (index: number) => void): void {
    for (let index = this.settledBelow; index < this.height; index++) {
      if (this.where[index] === Where.Slot) continue;
      settle(index);
      if (this.where[index] === Where.Local) this.#chains[this.value[index]! >> 1] = -1;
      this.where[index] = Where.Slot;
    }
    this.settledBelow = this.height;
  }

  /**
   * The topmost operand that is a traced reference, as `add` has numbered it, or -1. Each operand is given to
   * `add` once, with the number of the next one below: what did not change since the last time is shared.
   */
  traceTop(add: (slot: number, below: number) => number): number {
    const traced = this.#traced;
    for (let index = this.#tracedBelow; index < this.height; index++) {
      const below = index === 0 ? -1 : traced[index - 1]!;
      traced[index] = this.category[index] === Category.Ref ? add(this.slot[index]!, below) : below;
    }
    this.#tracedBelow = this.height;
    return this.height === 0 ? -1 : traced[this.height - 1]!;
  }
}
