/**
 * Gives the scheduler's tasks their turns: one executor for each isolate, that all runtimes join.
 * It charges turns for their time (turn-price.ts), fires timers between them, lets the event loop go on after each time
 * budget, and does nothing while nobody can run. With a seed all of this follows from the charge
 * and the seed alone.
 */

import { DOUBLE_ZERO, eventLoopTurn } from "../vm/internal.ts";
import { checkExecutor } from "./options.ts";
import { GroupShare } from "./group-share.ts";
import { Scheduler } from "./scheduler.ts";
import { TurnEnd, type Task } from "./task.ts";
import type { Cancel } from "./system.ts";
import { type Timer, TimerWheel } from "./timers.ts";
import { TurnPrice } from "./turn-price.ts";

/** What an executor needs of the platform. Times are milliseconds with fractions. */
export interface TurnSource {
  /** Since an arbitrary moment. Never goes back. */
  nowMs(): number;
  /** Calls `run` after timers and I/O have had their turn. */
  nextTurn(run: () => void): void;
  /** Calls `wake` after about `delayMs`, at most 2^31 - 1. */
  wakeAfter(delayMs: number, wake: () => void): Cancel;
}

/** By the globals that every platform has. */
export const PLATFORM_TURNS: TurnSource = {
  nowMs: () => performance.now(),
  nextTurn(run) {
    void eventLoopTurn().then(run);
  },
  wakeAfter(delayMs, wake) {
    const timer = setTimeout(wake, delayMs);
    return () => clearTimeout(timer);
  },
};

export interface ExecutorOptions {
  /** Milliseconds of turns before the event loop goes on. Default 4. */
  readonly budgetMs?: number;
  /** The most fuel of one turn: at least 1, rounded down. Default 100,000. */
  readonly sliceFuel?: number;
  /** Makes turns, slices and time follow from this number alone: time is the charge, and jumps when nothing can run. */
  readonly seed?: number;
  /** Time jumps to the next timer when nothing can run and nothing outside is waited for. Default: with a seed. */
  readonly virtualTime?: boolean;
  readonly source?: TurnSource;
}

export interface ExecutorStats {
  /** Turns given to tasks. */
  readonly turns: number;
  /** Times that the event loop went on while something was runnable. */
  readonly yields: number;
  /** Sum of all charges. */
  readonly charge: number;
}

const MAX_DELAY_MS = 0x7fff_ffff;
/** Of turns before the event loop goes on where somebody waits for a promise: all the others may be in a hurry too. */
const SHORT_BUDGET_MS = 0.5;
/** Timers are as fine as a short slice: rounding to milliseconds would be most of a small guest's latency. */
const TICKS_PER_MS = 16;
/** Timers that fire before somebody has a turn; and before the event loop goes on, with the jumps of virtual time to them. */
const FIRED_AT_ONCE = 1_024;

export class Executor {
  readonly scheduler = new Scheduler();
  readonly sliceFuel: number;
  readonly isDeterministic: boolean;
  readonly isVirtual: boolean;
  readonly #price: TurnPrice;
  readonly #budgetMs: number;
  readonly #source: TurnSource;
  readonly #startMs: number;
  readonly #wheel = new TimerWheel();
  /** Not after the earliest timer. */
  #timersAtMs = Number.POSITIVE_INFINITY;
  #background: TimerWheel | null = null;
  #backgroundAtMs = Number.POSITIVE_INFINITY;
  #random: number;
  /** Virtual time: all of it with a seed, else what has been jumped. */
  #virtualMs = DOUBLE_ZERO;
  #jumpedMs = DOUBLE_ZERO;
  /** When the turn under way, or the last one, began: of several that were handed on, the first. */
  turnMs = DOUBLE_ZERO;
  /** Until when time has been charged: the end of the last turn, or of what was fired after it. */
  #lastMs = DOUBLE_ZERO;
  /** Who pays for the timers that are being fired. */
  readonly #payers: (Task | GroupShare)[] = [];
  #holds = 0;
  /** Timers, and jumps to them, since the event loop went on. */
  #fired = 0;
  /** When the turns since the event loop went on began, and when it goes on again: without the jumps of virtual time. */
  #beganMs = DOUBLE_ZERO;
  #endMs = DOUBLE_ZERO;
  #isScheduled = false;
  #isRunning = false;
  #cancelWake: Cancel | null = null;
  /** The task whose promises run before the next turn. */
  #native: Task | null = null;
  #turns = 0;
  #yields = 0;
  readonly #idleHooks = new Set<() => void>();

  static #shared: Executor | null = null;

  /** The one of this isolate. */
  static get shared(): Executor {
    Executor.#shared ??= new Executor();
    return Executor.#shared;
  }

  /** Throws `TypeError` or `RangeError` for an option that is not what it has to be. */
  constructor(options: ExecutorOptions = {}) {
    checkExecutor(options);
    this.sliceFuel = Math.floor(options.sliceFuel ?? 100_000);
    this.#price = new TurnPrice(this.sliceFuel);
    this.#budgetMs = options.budgetMs ?? 4;
    this.isDeterministic = options.seed !== undefined;
    this.isVirtual = options.virtualTime ?? this.isDeterministic;
    this.#random = (options.seed ?? 0) | 0;
    this.#source = options.source ?? PLATFORM_TURNS;
    this.#startMs = this.isDeterministic ? 0 : this.#source.nowMs();
    this.scheduler.onRunnable = () => this.#schedule();
  }

  /** A group of its own beside those of the other runtimes. */
  join(weight?: number): GroupShare {
    return new GroupShare(this.scheduler, this.scheduler.root, weight);
  }

  get stats(): ExecutorStats {
    return { turns: this.#turns, yields: this.#yields, charge: this.scheduler.totalCharge + 0 };
  }

  /** Guest time: milliseconds, with fractions, since the executor was made. */
  nowMs(): number {
    if (this.isDeterministic) return this.#virtualMs;
    return this.#source.nowMs() - this.#startMs + this.#virtualMs;
  }

  /** Arms `timer` to fire between turns, not before `delayMs` have passed. */
  arm(timer: Timer, delayMs: number): void {
    this.#wheel.add(timer, this.#tickAfter(delayMs));
    const deadlineMs = timer.deadline / TICKS_PER_MS;
    if (deadlineMs >= this.#timersAtMs) return;
    this.#timersAtMs = deadlineMs;
    if (this.#isRunning || this.#isScheduled) return;
    this.#cancelWake?.();
    this.#cancelWake = null;
    if (this.isVirtual) this.#schedule();
    else this.#sleep();
  }

  /** What is no number counts as no delay. */
  #tickAfter(delayMs: number): number {
    return Math.ceil((this.nowMs() + (delayMs > 0 ? delayMs : 0)) * TICKS_PER_MS);
  }

  /** Harmless for a timer that is not armed. */
  disarm(timer: Timer): void {
    this.#wheel.cancel(timer);
    // The platform's timer would keep a program alive that is over.
    if (this.#cancelWake === null || this.#wheel.size > 0) return;
    this.#cancelWake();
    this.#cancelWake = null;
    this.#timersAtMs = Number.POSITIVE_INFINITY;
  }

  /** As {@link arm}, for what nobody waits for: virtual time does not jump to it. */
  armBackground(timer: Timer, delayMs: number): void {
    if (this.isVirtual) this.armUnhurried(timer, delayMs);
    else this.arm(timer, delayMs);
  }

  /** For what may be late: it fires with the first turn after its time, and nothing is woken for it. */
  armUnhurried(timer: Timer, delayMs: number): void {
    this.#background ??= new TimerWheel();
    this.#background.add(timer, this.#tickAfter(delayMs));
    this.#backgroundAtMs = this.#background.next() / TICKS_PER_MS;
  }

  disarmBackground(timer: Timer): void {
    (this.isVirtual ? this.#background : this.#wheel)?.cancel(timer);
  }

  /** Milliseconds until a timer is due; null for one that is not armed or never comes. */
  leftMs(timer: Timer): number | null {
    return timer.isArmed && timer.deadline < Number.POSITIVE_INFINITY
      ? Math.max(0, timer.deadline / TICKS_PER_MS - this.nowMs())
      : null;
  }

  /** Timers that are armed and will come. */
  get armedTimers(): number {
    return this.#wheel.size;
  }

  /** Says that something outside (I/O, a promise) will wake a task: virtual time does not jump meanwhile. */
  hold(): void {
    this.#holds++;
  }

  unhold(): void {
    this.#holds--;
    if (this.#holds === 0 && this.isVirtual && this.#wheel.size > 0) this.#schedule();
  }

  /** Whether anything outside is waited for. */
  get isHeld(): boolean {
    return this.#holds > 0;
  }

  /** Lets the event loop go on soon: somebody waits for a promise. */
  turnSoon(): void {
    this.#endMs = Math.min(this.#endMs, this.#beganMs + SHORT_BUDGET_MS);
  }

  /** Calls `run` when the event loop has gone on. */
  afterTurn(run: () => void): void {
    this.#source.nextTurn(run);
  }

  /** Calls `hook` whenever nothing can run any more, before time passes. It may wake tasks. */
  onIdle(hook: () => void): Cancel {
    this.#idleHooks.add(hook);
    return () => {
      this.#idleHooks.delete(hook);
    };
  }

  /** A number below 2^32 from the seed (mulberry32). For executors with a seed. */
  random(): number {
    this.#random = (this.#random + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#random ^ (this.#random >>> 15), 1 | this.#random);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /**
   * Gives turns on the JavaScript stack until nothing can run, with virtual time past the last
   * timer, or until `maxTurns`. Throws `TypeError` inside a turn.
   */
  runUntilIdle(maxTurns = Number.POSITIVE_INFINITY): void {
    if (this.#isRunning) throw new TypeError("the executor is running");
    this.#isRunning = true;
    this.#lastMs = this.nowMs();
    try {
      for (let turns = 0; turns < maxTurns; turns++) {
        if (this.#turn() || this.#afterIdle()) continue;
        return;
      }
    } finally {
      this.#isRunning = false;
      if (!this.scheduler.isIdle) this.#schedule();
    }
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isRunning) return;
    this.#cancelWake?.();
    this.#cancelWake = null;
    this.#isScheduled = true;
    this.#source.nextTurn(this.#run);
  }

  /** Turns for the time of one budget. */
  readonly #run = (): void => {
    this.#isScheduled = false;
    if (this.#isRunning) return;
    this.#isRunning = true;
    let isIdle = false;
    try {
      this.#chargeNative();
      this.#lastMs = this.nowMs();
      this.#beganMs = this.#lastMs - this.#jumpedMs;
      this.#endMs = this.#beganMs + this.#budgetMs;
      this.#fired = 0;
      do {
        if (this.#turn()) continue;
        isIdle = !this.#afterIdle();
        this.#fired++;
      } while (
        !isIdle &&
        this.#native === null &&
        this.#fired < FIRED_AT_ONCE &&
        this.#lastMs - this.#jumpedMs < this.#endMs
      );
    } finally {
      this.#isRunning = false;
      if (isIdle) this.#sleep();
      else {
        this.#yields++;
        this.#schedule();
      }
    }
  };

  /**
   * Fires what is due and gives one slice, handed on from task to task as they wait for each other. False when nobody can
   * run. A turn is charged from the end of the last one on, so that what it costs to have many short ones is paid for too.
   */
  #turn(): boolean {
    let nowMs = this.nowMs();
    if (nowMs >= this.#timersAtMs) {
      this.#fire(nowMs);
      nowMs = this.nowMs();
    }
    if (nowMs >= this.#backgroundAtMs) this.#fireBackground(nowMs);
    const { scheduler } = this;
    let task = scheduler.pick();
    if (task === null) {
      this.#lastMs = nowMs;
      return false;
    }
    this.turnMs = nowMs;
    let beforeMs = this.#lastMs;
    let fuel = this.#sliceOf(task);
    for (;;) {
      this.#turns++;
      let end: TurnEnd;
      try {
        end = task.run(fuel);
      } catch (error) {
        end = task.failed(error);
      }
      const { turnCharge } = task;
      let charge = turnCharge;
      let expressCharge = turnCharge;
      if (this.isDeterministic) {
        this.#virtualMs += charge / 1e6;
        beforeMs = this.#virtualMs;
      } else {
        const afterMs = this.nowMs();
        charge = this.#price.ofTurn(task, fuel, (afterMs - beforeMs) * 1e6);
        expressCharge = this.#price.ofCredit(charge, turnCharge);
        beforeMs = afterMs;
      }
      if (task.yieldsToHost) this.#native = task;
      task = scheduler.settle(charge, end, fuel - task.turnFuel, expressCharge);
      if (task === null) {
        this.#lastMs = beforeMs;
        return true;
      }
      fuel = scheduler.handedFuel;
    }
  }

  /**
   * What a native process did after its turn ended is charged by its time: until it last did something with its context, since
   * what the event loop did then was not its work; all of it if it has done nothing there.
   */
  #chargeNative(): void {
    const task = this.#native;
    this.#native = null;
    if (task === null || this.isDeterministic) return;
    const endMs = task.touchedMs > this.#lastMs ? task.touchedMs : this.nowMs();
    this.scheduler.chargeLate(task, this.#price.ofNative((endMs - this.#lastMs) * 1e6));
  }

  #sliceOf(task: Task): number {
    if (this.isDeterministic) {
      const quarter = this.sliceFuel / 4;
      return Math.ceil(quarter + (quarter * 3 * this.random()) / 2 ** 32);
    }
    return this.#price.sliceOf(task);
  }

  #fireBackground(nowMs: number): void {
    this.#poll(this.#background!, nowMs);
    this.#backgroundAtMs = this.#background!.next() / TICKS_PER_MS;
    this.#chargeFiring(nowMs);
  }

  #fire(nowMs: number): void {
    this.#poll(this.#wheel, nowMs);
    this.#timersAtMs = this.#wheel.next() / TICKS_PER_MS;
    this.#chargeFiring(nowMs);
  }

  /** Whoever armed the timers that were fired pays for it, all alike. */
  #chargeFiring(beforeMs: number): void {
    const payers = this.#payers;
    if (payers.length === 0) return;
    if (!this.isDeterministic) {
      const afterMs = this.nowMs();
      const charge = this.#price.ofFiring((afterMs - beforeMs) * 1e6, payers.length);
      for (const payer of payers) this.scheduler.chargeLate(payer, charge);
      this.#lastMs = afterMs;
    }
    payers.length = 0;
  }

  #poll(wheel: TimerWheel, nowMs: number): void {
    const now = nowMs * TICKS_PER_MS;
    const mark = wheel.added;
    for (let fired = 0; fired < FIRED_AT_ONCE; fired++, this.#fired++) {
      const timer = wheel.poll(now, mark);
      if (timer === null) return;
      if (timer.payer !== null) this.#payers.push(timer.payer);
      try {
        timer.fire(timer);
      } catch (error) {
        if (timer.failed === null) throw error;
        timer.failed(error);
      }
    }
  }

  /** Whether there is something to do after all: a hook woke a task, or virtual time jumped to a timer. */
  #afterIdle(): boolean {
    for (const hook of this.#idleHooks) hook();
    if (!this.scheduler.isIdle) return true;
    if (!this.isVirtual || this.#holds > 0) return false;
    const nextMs = this.#wheel.next() / TICKS_PER_MS;
    if (nextMs === Number.POSITIVE_INFINITY) return false;
    const nowMs = this.nowMs();
    if (nextMs > nowMs) {
      this.#virtualMs += nextMs - nowMs;
      this.#jumpedMs += nextMs - nowMs;
      this.#lastMs += nextMs - nowMs;
    }
    this.#timersAtMs = nextMs;
    return true;
  }

  #sleep(): void {
    if (this.isVirtual) return;
    this.#timersAtMs = this.#wheel.next() / TICKS_PER_MS;
    if (this.#timersAtMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.ceil(this.#timersAtMs - this.nowMs());
    this.#cancelWake = this.#source.wakeAfter(Math.min(MAX_DELAY_MS, Math.max(0, delayMs)), this.#run);
  }
}
