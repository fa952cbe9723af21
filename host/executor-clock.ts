/** The executor's time as WASI's clocks: sleeping in the guest's own library takes guest time too, which may be virtual. */

import type { Executor } from "./executor.ts";
import type { Cancel, Clock } from "./system.ts";
import { Timer } from "./timers.ts";

const NS_PER_MS = 1e6;
/** More than the smallest step of far times as floating-point numbers, so that waiting again makes progress. */
const AGAIN_MS = 0.0625;
/** When guests of an executor with a seed believe that it was made: 2001-09-09. */
const SEEDED_START_NS = 1_000_000_000_000_000_000n;

export class ExecutorClock implements Clock {
  readonly isScripted = true;
  readonly resolution = 1_000n;
  readonly #executor: Executor;
  readonly #start: bigint;

  constructor(executor: Executor) {
    this.#executor = executor;
    this.#start = executor.isDeterministic ? SEEDED_START_NS : BigInt(Date.now()) * BigInt(NS_PER_MS);
  }

  realtime(): bigint {
    return this.#start + this.monotonic();
  }

  monotonic(): bigint {
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
