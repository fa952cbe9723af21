/**
 * The host call of a guest that waits: for whoever answers it, for time, or for both. An answer that comes before the call has
 * returned, or while the process has no store, is kept until the invocation can have it.
 */

import { SUSPEND, type AtomicWait, type Invocation, type Value } from "../vm/index.ts";
import type { BasicProcess } from "./basic-process.ts";
import type { EffectHash } from "./functions/effect-hash.ts";
import type { Waiting } from "./process-run.ts";
import { reasonOf } from "./signal.ts";
import type { Cancel } from "./system.ts";
import { Timer } from "./timers.ts";

const NOTHING: readonly Value[] = [];
/** What ends what a process that has ended still runs. Nobody sees it. */
const ENDED = new Error("the process has ended");

/** What waits for time. */
export interface Expiring {
  timeOver(): void;
}

/** What the call waits for, which may be given up. */
interface Wait {
  cancel: Cancel | null;
}

export class HostCall implements Expiring {
  readonly #process: BasicProcess;
  /** Null before the process begins, while it hibernates, and after its end. */
  invocation: Invocation | null = null;
  /** Whether the process is in its turn. */
  isInTurn = false;
  /** While somebody traces: its name and what it has changed so far. */
  traced: { readonly name: string; readonly effects: EffectHash } | null = null;
  #wait: Wait | null = null;
  /** An answer that came too soon. */
  #early: { readonly values: readonly Value[] } | { readonly error: unknown } | null = null;
  #timer: Timer | null = null;
  /** Who is told when the time is over. */
  #expiring: Expiring = this;
  #isSleeping = false;
  #atomicWait: AtomicWait | null = null;
  /** The time of an atomic wait was over while the process hibernated. */
  #isAtomicOver = false;

  constructor(process: BasicProcess) {
    this.#process = process;
  }

  /** Its name; null when the invocation waits in none. */
  get name(): string | null {
    return this.#atomicWait !== null ? "memory.atomic.wait" : (this.invocation?.waitsIn ?? null);
  }

  /** Lets the turn that is under way end when the call returns, unless its answer has come already and is to be taken first. */
  endTurn(): void {
    if (this.isInTurn && this.#early === null) this.invocation?.giveWay();
  }

  /** Whether it waits for something outside of the process. */
  get isOutside(): boolean {
    return this.#wait !== null;
  }

  /** What it waits for, if that is nothing but time. */
  get waiting(): Waiting {
    const kind = this.#isSleeping ? "sleep" : this.#atomicWait !== null ? "atomic" : "nothing";
    return { kind, tags: null, answersZero: false, leftMs: this.leftMs };
  }

  /** Until its time is over; null for ever. */
  get leftMs(): number | null {
    return this.#timer === null ? null : this.#process.runtime.executor.leftMs(this.#timer);
  }

  /**
   * Suspends the host call that is under way: what it returns is what this returns. `start` arranges
   * that `done` is called once, whenever that is, and returns how to give up; `finish` makes the
   * results of what `done` got, while the process is suspended, and may throw as a host function may.
   */
  suspend<T>(start: (done: (value: T) => void) => Cancel, finish: (value: T) => readonly Value[]): typeof SUSPEND {
    const wait: Wait = { cancel: null };
    this.#wait = wait;
    const cancel = start((value) => {
      if (this.#wait !== wait) return;
      this.#wait = null;
      try {
        this.answer(finish(value));
      } catch (error) {
        this.fail(error);
      }
    });
    wait.cancel = cancel;
    return SUSPEND;
  }

  /** Suspends the host call for so long. It returns nothing. */
  sleep(delayMs: number): typeof SUSPEND {
    this.#isSleeping = true;
    if (delayMs !== Number.POSITIVE_INFINITY) this.arm(delayMs, this);
    return SUSPEND;
  }

  /** The call that waits returns these values. */
  answer(values: readonly Value[]): void {
    this.#traceAnswer(values);
    if (this.isInTurn || this.invocation === null) this.#early = { values };
    else this.invocation.resume(values);
    this.#wake();
  }

  /** The call that waits throws this error. */
  fail(error: unknown): void {
    this.traced = null;
    if (this.isInTurn || this.invocation === null) this.#early = { error };
    else this.invocation.fail(error);
    this.#wake();
  }

  #wake(): void {
    if (!this.isInTurn) this.#process.runtime.scheduler.wake(this.#process);
  }

  #traceAnswer(values: readonly Value[]): void {
    const call = this.traced;
    if (call === null) return;
    this.traced = null;
    for (const value of values) call.effects.result(value);
    this.trace(call.name, call.effects);
  }

  /** Tells that a host function has answered. */
  trace(name: string, { value }: EffectHash): void {
    const { runtime, pid, environment } = this.#process;
    runtime.trace?.({ kind: "call", pid, environment: environment.id, name, effects: value });
  }

  /** The invocation waits: for `ready` if it is given, else for an answer. True when it has it already, and goes on. */
  waits(invocation: Invocation, ready: Promise<void> | null): boolean {
    if (ready !== null) {
      this.#waitFor(ready);
      return false;
    }
    const early = this.#early;
    if (early === null) return false;
    this.#early = null;
    if ("error" in early) invocation.fail(early.error);
    else invocation.resume(early.values);
    return true;
  }

  #waitFor(ready: Promise<void>): void {
    const process = this.#process;
    const { executor, scheduler } = process.runtime;
    executor.hold();
    void ready.then(() => {
      executor.unhold();
      if (!process.hasEnded) scheduler.wake(process);
    });
  }

  /** Nobody shares its memory, so only time ends the wait. True when it is over, and the invocation goes on. */
  waitsAtomically(wait: AtomicWait): boolean {
    if (this.#isAtomicOver) {
      this.#isAtomicOver = false;
      wait.timeOut();
      return true;
    }
    // It may be looked at again before its time is over.
    if (wait.timeoutNs !== null && this.#atomicWait === null) this.arm(Number(wait.timeoutNs) / 1e6, this);
    this.#atomicWait = wait;
    return false;
  }

  /** Tells `expiring` after so long, and nobody else. */
  arm(delayMs: number, expiring: Expiring): void {
    this.#expiring = expiring;
    this.#timer ??= new Timer(
      () => this.#expiring.timeOver(),
      this.#process,
      (error) => this.#process.kill(reasonOf(error)),
    );
    this.#process.runtime.executor.arm(this.#timer, delayMs);
  }

  disarm(): void {
    if (this.#timer !== null) this.#process.runtime.executor.disarm(this.#timer);
  }

  timeOver(): void {
    const wait = this.#atomicWait;
    if (wait === null) {
      this.#isSleeping = false;
      this.answer(NOTHING);
      return;
    }
    if (this.invocation === null) this.#isAtomicOver = true;
    else wait.timeOut();
    this.#atomicWait = null;
    this.#process.runtime.scheduler.wake(this.#process);
  }

  /** The process ends: nothing answers any more. */
  close(): void {
    this.disarm();
    const wait = this.#wait;
    this.#wait = null;
    wait?.cancel?.();
    this.invocation?.terminate(ENDED);
  }
}
