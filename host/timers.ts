/**
 * All time of guests: a hierarchical timer wheel over ticks, whatever its owner takes for one. Adding
 * and cancelling take constant time, a cancelled timer is forgotten at once, and timers of the same
 * tick come out in the order they were added. It reads no clock: its owner says what time it is.
 */

import type { GroupShare } from "./group-share.ts";
import type { Task } from "./task.ts";

/** From this tick on a deadline counts as never: its timer is armed, and can be cancelled, but time does not reach it. */
export const FAR = 2 ** 48;

const SLOT_BITS = 6;
const SLOTS = 1 << SLOT_BITS;
const LEVELS = 8;
/** Deadlines are split into two halves of 24 bits, four levels each. */
const HALF = 2 ** 24;
const HALF_LEVELS = 4;
/** Where timers lie that never come: behind all levels, where nobody looks. */
const NEVER_SLOT = LEVELS * SLOTS;

/** A timer that can be armed again and again. `fire` is called by whoever polls the wheel. */
export class Timer {
  readonly fire: (timer: Timer) => void;
  /** Called with what `fire` threw: ends its owner, so that nobody else is touched. */
  readonly failed: ((error: unknown) => void) | null;
  /** Who is charged for its firing; null for the embedder's. */
  readonly payer: Task | GroupShare | null;
  /** Infinity when it never comes. */
  deadline = 0;
  /** Counts what was armed before it. */
  order = 0;
  /** Where it lies: the index of its slot, or -1 when it is not armed. */
  slot = -1;
  previous: Timer | null = null;
  next: Timer | null = null;

  constructor(
    fire: (timer: Timer) => void,
    payer: Task | GroupShare | null = null,
    failed: ((error: unknown) => void) | null = null,
  ) {
    this.fire = fire;
    this.payer = payer;
    this.failed = failed;
  }

  get isArmed(): boolean {
    return this.slot >= 0;
  }
}

export class TimerWheel {
  /** Level by level, the first and last timer of each slot. */
  readonly #first: (Timer | null)[] = new Array<Timer | null>(NEVER_SLOT + 1).fill(null);
  readonly #last: (Timer | null)[] = new Array<Timer | null>(NEVER_SLOT + 1).fill(null);
  /** A bit for each slot that is not empty: two words a level. */
  readonly #occupied = new Int32Array(LEVELS * 2 + 1);
  /** Everything before this has been given out. */
  #now: number;
  #size = 0;
  #added = 0;

  constructor(now = 0) {
    this.#now = now;
  }

  /** Timers that are armed and will come. */
  get size(): number {
    return this.#size;
  }

  /** How often timers were armed: what {@link poll} takes for a mark. */
  get added(): number {
    return this.#added;
  }

  /** The time that {@link poll} has reached. */
  get now(): number {
    return this.#now;
  }

  /**
   * Arms `timer` for a whole number of ticks; one in the past is due at once. A timer that
   * is armed already is moved. Deadlines from {@link FAR} on never come.
   */
  add(timer: Timer, deadline: number): void {
    if (timer.slot >= 0) this.cancel(timer);
    timer.order = this.#added++;
    if (deadline >= FAR) {
      timer.deadline = Number.POSITIVE_INFINITY;
      this.#append(timer, NEVER_SLOT);
      return;
    }
    timer.deadline = Math.max(Math.ceil(deadline), this.#now);
    this.#size++;
    this.#place(timer);
  }

  /** Harmless for a timer that is not armed. */
  cancel(timer: Timer): void {
    if (timer.slot < 0) return;
    if (timer.slot !== NEVER_SLOT) this.#size--;
    this.#remove(timer);
  }

  /**
   * A time not after the earliest deadline, and after which polling makes progress: when to look
   * again. Infinity when no timer will come.
   */
  next(): number {
    const slot = this.#firstSlot();
    return slot < 0 ? Number.POSITIVE_INFINITY : Math.max(this.#startOf(slot), this.#now);
  }

  /**
   * Takes out the next timer whose deadline is not after `now`, or moves on to `now` and returns null. With a mark it
   * stops before what has been armed since, so that a timer that arms itself for now does not hold its owner.
   */
  poll(now: number, mark = Number.POSITIVE_INFINITY): Timer | null {
    const limit = Math.min(Math.floor(now), FAR - 1);
    for (;;) {
      const slot = this.#firstSlot();
      const start = slot < 0 ? Number.POSITIVE_INFINITY : this.#startOf(slot);
      if (start > limit) {
        if (limit > this.#now) this.#now = limit;
        return null;
      }
      if (start > this.#now) this.#now = start;
      if (slot < SLOTS) {
        const timer = this.#first[slot]!;
        if (timer.order >= mark) return null;
        this.cancel(timer);
        return timer;
      }
      this.#cascade(slot);
    }
  }

  /** Moves the timers of a slot that time has reached to lower levels, in their order. */
  #cascade(slot: number): void {
    let timer: Timer | null = this.#first[slot]!;
    this.#first[slot] = null;
    this.#last[slot] = null;
    this.#clear(slot);
    while (timer !== null) {
      const next: Timer | null = timer.next;
      this.#place(timer);
      timer = next;
    }
  }

  /** The level is that of the highest digit in which the deadline differs from the present. */
  #place(timer: Timer): void {
    const { deadline } = timer;
    const high = Math.floor(deadline / HALF);
    const low = deadline - high * HALF;
    const nowHigh = Math.floor(this.#now / HALF);
    const nowLow = this.#now - nowHigh * HALF;
    let level: number;
    let digits: number;
    if (high !== nowHigh) {
      const inHalf = levelOf(high ^ nowHigh);
      level = HALF_LEVELS + inHalf;
      digits = high >>> (inHalf * SLOT_BITS);
    } else {
      level = levelOf(low ^ nowLow);
      digits = low >>> (level * SLOT_BITS);
    }
    this.#append(timer, level * SLOTS + (digits & (SLOTS - 1)));
  }

  #append(timer: Timer, slot: number): void {
    const last = this.#last[slot]!;
    timer.slot = slot;
    timer.previous = last;
    timer.next = null;
    if (last === null) {
      this.#first[slot] = timer;
      this.#occupied[slot >> 5]! |= 1 << (slot & 31);
    } else last.next = timer;
    this.#last[slot] = timer;
  }

  #remove(timer: Timer): void {
    const { slot, previous, next } = timer;
    if (previous === null) this.#first[slot] = next;
    else previous.next = next;
    if (next === null) this.#last[slot] = previous;
    else next.previous = previous;
    if (previous === null && next === null) this.#clear(slot);
    timer.slot = -1;
    timer.previous = null;
    timer.next = null;
  }

  #clear(slot: number): void {
    this.#occupied[slot >> 5]! &= ~(1 << (slot & 31));
  }

  /** The slot that time reaches next: the first of the lowest level that has any. */
  #firstSlot(): number {
    if (this.#size === 0) return -1;
    for (let word = 0; word < LEVELS * 2; word++) {
      const bits = this.#occupied[word]!;
      if (bits !== 0) return word * 32 + (31 - Math.clz32(bits & -bits));
    }
    return -1;
  }

  /** When a slot begins: the present with the digit of its level replaced and the lower ones zero. */
  #startOf(slot: number): number {
    const level = slot >> SLOT_BITS;
    const unit = SLOTS ** level;
    const above = Math.floor(this.#now / (unit * SLOTS)) * (unit * SLOTS);
    return above + (slot & (SLOTS - 1)) * unit;
  }
}

function levelOf(difference: number): number {
  return difference === 0 ? 0 : Math.trunc((31 - Math.clz32(difference)) / SLOT_BITS);
}
