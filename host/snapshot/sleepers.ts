/** Processes that are to hibernate when they have waited for a while: one timer for all of a runtime. */

import type { Executor } from "../executor.ts";
import type { Process } from "../process.ts";
import { reasonOf } from "../signal.ts";
import { Timer } from "../timers.ts";
import { hibernate } from "./hibernation.ts";

/** Looks at the sleepers are not closer to each other. */
const MIN_INTERVAL_MS = 10;
/** Milliseconds of one look, by the executor's time: others have their turns between. */
const LOOK_MS = 1;

export class Sleepers {
  readonly #executor: Executor;
  readonly #timer: Timer;
  /** Those that wait, or waited when somebody last looked. */
  readonly #processes = new Set<Process>();

  constructor(executor: Executor) {
    this.#executor = executor;
    this.#timer = new Timer(() => this.#look());
  }

  /** A process that waits. */
  add(process: Process): void {
    this.#processes.add(process);
    if (!this.#timer.isArmed) this.#arm(process.config.hibernateAfterMs);
  }

  #arm(delayMs: number): void {
    this.#executor.armBackground(this.#timer, Math.max(MIN_INTERVAL_MS, delayMs));
  }

  #look(): void {
    const nowMs = this.#executor.nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const process of this.#processes) {
      const sinceMs = process.waitsSinceMs;
      const leftMs = sinceMs === null ? -1 : sinceMs + process.config.hibernateAfterMs - nowMs;
      if (leftMs > 0) {
        nextMs = Math.min(nextMs, leftMs);
        continue;
      }
      if (process.isHeld) {
        nextMs = Math.min(nextMs, process.config.hibernateAfterMs);
        continue;
      }
      // Whoever goes on is added again when it waits.
      this.#processes.delete(process);
      if (sinceMs === null) continue;
      begin(process);
      if (this.#executor.nowMs() - nowMs < LOOK_MS) continue;
      nextMs = 0;
      break;
    }
    if (this.#processes.size > 0) this.#arm(nextMs);
  }

  dispose(): void {
    this.#executor.disarmBackground(this.#timer);
    this.#processes.clear();
  }
}

/** Whatever goes wrong is the process's business alone. */
function begin(process: Process): void {
  const failed = (error: unknown): void => process.kill(reasonOf(error));
  try {
    const done = hibernate(process);
    if (typeof done !== "boolean") done.catch(failed);
  } catch (error) {
    failed(error);
  }
}
