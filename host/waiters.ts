/** Callbacks that wait for the next change of something: each is called once, and may give up before. */

import type { Cancel } from "./system.ts";

export class Waiters {
  readonly #waiting = new Set<() => void>();

  add(wake: () => void): Cancel {
    // A callback of its own, so that the same function may wait twice.
    const entry = () => wake();
    this.#waiting.add(entry);
    return () => {
      this.#waiting.delete(entry);
    };
  }

  wakeAll(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}
