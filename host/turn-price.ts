/**
 * What turns are charged where there is a clock, about their nanoseconds, and how much fuel the next one of a task gets: so much
 * that it takes no longer than a slice should.
 */

import { isLoopCold } from "../vm/internal.ts";
import type { Task } from "./task.ts";

/** Time that one slice should not exceed: slow code gets less fuel. */
const SLICE_NS = 400_000;
/** Turns of less fuel say too little about the speed of a task. */
const MEASURED_FUEL = 2_000;
/** More than that, or a task that was slow once would never be measured again. */
const MIN_SLICE_FUEL = 4_000;
/** Of a task's first turn, when nobody knows how dear its fuel is. */
const FIRST_SLICE_FUEL = 16_000;
/** Speed that is assumed before anything has been measured: code that V8 has not optimised yet. */
const COLD_NS_PER_FUEL = 20;
/** What a turn takes beyond so many times what its fuel usually does is a pause of the host, or code that V8 compiles. */
const MAX_OUTLIER = 4;
/**
 * A woken task's own credit is for so much work at the speed of all, or this part of its time if it is slower: cold
 * caches do not exhaust it.
 */
const MIN_EXPRESS_PART = 0.25;
/** No turn is cheaper, however coarse the clock. */
const MIN_NS_PER_FUEL = 0.25;
/** What a turn may take besides its fuel. */
const FREE_NS = 10_000;
/** What firing a timer may take before it counts as a pause. */
const FIRE_NS = 20_000;
/** What native code may take between two turns before it counts as a pause. */
const MAX_NATIVE_NS = 4_000_000;
/**
 * Pauses are pardoned, since one of 10 ms would cost a task as many rounds of everybody; up to this part of all time, so
 * that nobody lives on pardons.
 */
const PARDON_RATE = 0.02;
const MAX_PARDON_NS = 20_000_000;

export class TurnPrice {
  /** The most fuel of one turn. */
  readonly #sliceFuel: number;
  /** Running estimate for all. */
  #nsPerFuel = COLD_NS_PER_FUEL;
  /** Nanoseconds of pauses that may yet go without charge. */
  #pardonNs = MAX_PARDON_NS;

  constructor(sliceFuel: number) {
    this.#sliceFuel = sliceFuel;
  }

  /** Fuel of the next turn of a task. */
  sliceOf(task: Task): number {
    if (task.sliceFuel === 0) task.sliceFuel = Math.min(this.#sliceFuel, FIRST_SLICE_FUEL);
    return isLoopCold() ? Math.min(task.sliceFuel, MIN_SLICE_FUEL) : task.sliceFuel;
  }

  /**
   * The charge of the turn that a task had with `slice` of fuel: its nanoseconds, since fuel of unlike guests takes unlike time. A
   * slice that took too long makes the next one shorter at once, one that was used up in less time makes it longer.
   */
  ofTurn(task: Task, slice: number, ns: number): number {
    const fuelCharge = task.turnCharge;
    const used = task.turnFuel;
    if (ns > SLICE_NS) {
      const fitting = Math.floor((Math.max(used, MIN_SLICE_FUEL) * SLICE_NS) / ns);
      task.sliceFuel = Math.min(this.#sliceFuel, Math.max(MIN_SLICE_FUEL, fitting)) | 0;
    } else if (used >= slice && slice >= task.sliceFuel) {
      const fitting = Math.floor((used * SLICE_NS) / Math.max(ns, 1));
      task.sliceFuel = Math.min(this.#sliceFuel, 2 * task.sliceFuel, Math.max(MIN_SLICE_FUEL, fitting)) | 0;
    }
    const known = task.nanosecondsPerFuel === 0 ? this.#nsPerFuel : task.nanosecondsPerFuel;
    if (fuelCharge >= MEASURED_FUEL) {
      const speed = ns / fuelCharge;
      task.nanosecondsPerFuel = known + (Math.min(speed, known * MAX_OUTLIER) - known) / 2;
      this.#nsPerFuel += (Math.min(speed, this.#nsPerFuel * MAX_OUTLIER) - this.#nsPerFuel) / 16;
    }
    return this.#pardoned(Math.max(ns, fuelCharge * MIN_NS_PER_FUEL), FREE_NS + fuelCharge * known * MAX_OUTLIER);
  }

  /** What of the charge of an express turn the task's own credit pays. */
  ofCredit(charge: number, fuelCharge: number): number {
    return Math.max(charge * MIN_EXPRESS_PART, Math.min(charge, fuelCharge * this.#nsPerFuel));
  }

  /** What native code did between two turns. */
  ofNative(ns: number): number {
    return this.#pardoned(ns, MAX_NATIVE_NS);
  }

  /** The part of each of `count` timers that were fired. */
  ofFiring(ns: number, count: number): number {
    return Math.ceil(this.#pardoned(ns, count * FIRE_NS) / count);
  }

  /** The charge of a turn that is a pause of the host beyond `limitNs`. */
  #pardoned(ns: number, limitNs: number): number {
    if (ns <= limitNs) {
      this.#pardonNs = Math.min(MAX_PARDON_NS, this.#pardonNs + ns * PARDON_RATE);
      return Math.round(ns);
    }
    const pardonNs = Math.min(ns - limitNs, this.#pardonNs);
    this.#pardonNs -= pardonNs;
    return Math.round(ns - pardonNs);
  }
}
