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

/** Where operands are kept: arrays that hold one operand each at the same index. */
class Storage {
  readonly where: Uint8Array;
  readonly category: Uint8Array;
  readonly slot: Int32Array;
  readonly value: Int32Array;
  readonly high: Int32Array;
  readonly third: Int32Array;
  readonly fourth: Int32Array;
  readonly below: Int32Array;
  readonly traced: Int32Array;

  constructor(capacity: number) {
    this.where = new Uint8Array(capacity);
    this.category = new Uint8Array(capacity);
    this.slot = new Int32Array(capacity);
    this.value = new Int32Array(capacity);
    this.high = new Int32Array(capacity);
    this.third = new Int32Array(capacity);
    this.fourth = new Int32Array(capacity);
    this.below = new Int32Array(capacity);
    this.traced = new Int32Array(capacity);
  }

  get capacity(): number {
    return this.where.length;
  }

  /** A copy with more room. */
  larger(): Storage {
    const larger = new Storage(this.capacity * 2);
    for (const key of Object.keys(this) as (keyof this & keyof Storage)[]) {
      (larger[key] as unknown as Int32Array).set(this[key] as unknown as Int32Array);
    }
    return larger;
  }
}

/** Nearly all bodies have fewer operands at the same time: storage for so many is used again. */
const USUAL_CAPACITY = 1_024;
let spare: Storage | null = null;

export class Operands {
  /** How many operands there are. */
  height = 0;
  where: Uint8Array;
  category: Uint8Array;
  /** Word offset of the operand's own slot. */
  slot: Int32Array;
  /** Word offset of the local, or the constant's words: one, two (low, high) or four. */
  value: Int32Array;
  high: Int32Array;
  #storage: Storage;
  /** Delayed operands that read the same local form a chain from the topmost down. */
  #below: Int32Array;
  readonly #chains: Int32Array;
  /** Operands below this one are settled. */
  settledBelow = 0;
  /** For {@link traceTop}: what is known of the operands below {@link #tracedBelow}. */
  #traced: Int32Array;
  #tracedBelow = 0;
  /** The highest slot any operand had. */
  maxSlot = 0;
  readonly #base: number;

  /** `base`: word offset of the first operand; locals lie below it. `maxHeight`: how many there are, as far as that is known. */
  constructor(base: number, maxHeight: number) {
    this.#base = base;
    this.#chains = new Int32Array(base >> 1).fill(-1);
    if (maxHeight <= USUAL_CAPACITY) {
      this.#storage = spare ?? new Storage(USUAL_CAPACITY);
      spare = null;
    } else this.#storage = new Storage(maxHeight);
    ({ where: this.where, category: this.category, slot: this.slot } = this.#storage);
    ({ value: this.value, high: this.high, below: this.#below, traced: this.#traced } = this.#storage);
  }

  /** The body is lowered: what it had serves the next one. */
  release(): void {
    if (this.#storage.capacity === USUAL_CAPACITY) spare = this.#storage;
  }

  #grow(): void {
    this.#storage = this.#storage.larger();
    ({ where: this.where, category: this.category, slot: this.slot } = this.#storage);
    ({ value: this.value, high: this.high, below: this.#below, traced: this.#traced } = this.#storage);
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
    if (index === this.where.length) this.#grow();
    this.where[index] = where;
    this.category[index] = category;
    this.slot[index] = slot;
    this.value[index] = value;
    this.high[index] = high;
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

  pushVector(low: number, high: number, third: number, fourth: number): void {
    const index = this.#push(Where.Constant, Category.V128, low, high);
    this.#storage.third[index] = third;
    this.#storage.fourth[index] = fourth;
  }

  /** The words of a constant of 128 bits. */
  vector(index: number): readonly [number, number, number, number] {
    const { value, high, third, fourth } = this.#storage;
    return [value[index]!, high[index]!, third[index]!, fourth[index]!];
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
