/** Callbacks that wait for the next change of something: each is called once, and may give up before. */

import type { Cancel } from "./system.ts";

export class Waiters {
  #waiting = new Set<() => void>();

  get size(): number {
    return this.#waiting.size;
  }

  add(wake: () => void): Cancel {
    // A callback of its own, so that the same function may wait twice.
    const entry = () => wake();
    const waiting = this.#waiting;
    waiting.add(entry);
    return () => {
      waiting.delete(entry);
    };
  }

  /** Wakes the first so many. Whether some are left. */
  wake(maxCount: number): boolean {
    let count = 0;
    for (const wake of this.#waiting) {
      if (count++ === maxCount) return true;
      this.#waiting.delete(wake);
      wake();
    }
    return false;
  }

  wakeAll(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const wake of waiting) wake();
  }
}
