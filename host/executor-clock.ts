/**
 * WASI's clocks, whose waits are timers of the executor: finer than the platform's, between turns, and virtual where its
 * time is.
 */

import type { Executor } from "./executor.ts";
import type { Cancel, Clock } from "./system.ts";
import { Timer } from "./timers.ts";

const NS_PER_MS = 1e6;
/** More than the smallest step of far times as floating-point numbers, so that waiting again makes progress. */
const AGAIN_MS = 0.0625;
/** When guests of an executor with a seed believe that it was made: 2001-09-09. */
const SEEDED_START_NS = 1_000_000_000_000_000_000n;

/** A clock to be read. */
export type ClockReadings = Pick<Clock, "monotonic" | "realtime" | "resolution">;

export class ExecutorClock implements Clock {
  /** Its own time is: the executor's. */
  readonly isScripted: boolean;
  readonly resolution: bigint;
  readonly #executor: Executor;
  readonly #readings: ClockReadings | null;
  readonly #start: bigint;

  /** Reads the executor's time, or what is given: for an executor whose time is real. */
  constructor(executor: Executor, readings: ClockReadings | null = null) {
    this.#executor = executor;
    this.#readings = readings;
    this.isScripted = readings === null;
    this.resolution = readings?.resolution ?? 1_000n;
    this.#start = executor.isDeterministic ? SEEDED_START_NS : BigInt(Date.now()) * BigInt(NS_PER_MS);
  }

  realtime(): bigint {
    return this.#readings === null ? this.#start + this.monotonic() : this.#readings.realtime();
  }

  monotonic(): bigint {
    if (this.#readings !== null) return this.#readings.monotonic();
    return BigInt(Math.round(this.#executor.nowMs() * NS_PER_MS));
  }

  /** Who waits for a clock waits for nothing outside: its host call holds virtual time, and this takes that back. */
  wakeAt(deadline: bigint, wake: () => void): Cancel {
    const executor = this.#executor;
    let isWaiting = true;
    const end = (): void => {
      isWaiting = false;
      executor.hold();
    };
    const timer = new Timer(() => {
      if (this.monotonic() < deadline) arm(AGAIN_MS);
      else {
        end();
        wake();
        // Whoever waits goes on in a promise.
        executor.turnSoon();
      }
    });
    const arm = (leastMs: number): void => {
      executor.arm(timer, Math.max(leastMs, Number(deadline - this.monotonic()) / NS_PER_MS));
    };
    executor.unhold();
    arm(0);
    return () => {
      if (!isWaiting) return;
      executor.disarm(timer);
      end();
    };
  }
}
