/**
 * Time and deadlocks of a script with threads. Each thread, the script itself among them, runs until
 * it is blocked: by another thread whose end it waits for, or by an atomic wait. Only when all are
 * blocked time passes, up to the first wait that is then over, so a script does the same every time.
 */

import { eventLoopTurn } from "../vm/event-loop.ts";
import type { AtomicWait } from "../vm/index.ts";

interface Sleeper {
  readonly wait: AtomicWait;
  /** In nanoseconds of the script's own time. */
  readonly deadline: bigint;
}

export class Threads {
  /** Threads that have not ended, the script included. */
  #live = 1;
  #blocked = 0;
  #now = 0n;
  readonly #sleepers = new Set<Sleeper>();
  /** Told when nobody can go on. */
  readonly #stuck = new Set<(error: Error) => void>();

  /** Whether there is anybody to take turns with. */
  get areSeveral(): boolean {
    return this.#live > 1;
  }

  /** Counts a thread until it ends. */
  async count(thread: Promise<void>): Promise<void> {
    this.#live++;
    try {
      await thread;
    } finally {
      this.#live--;
      this.#look();
    }
  }

  /** Waits for a thread's end, or for `wait` to be over. Rejects when all wait for each other. */
  async blockedBy(end: Promise<void>, wait: AtomicWait | null = null): Promise<void> {
    const timeoutNs = wait?.timeoutNs ?? null;
    const sleeper = wait === null || timeoutNs === null ? null : { wait, deadline: this.#now + timeoutNs };
    if (sleeper !== null) this.#sleepers.add(sleeper);
    this.#blocked++;
    this.#look();
    let fail = (_: Error): void => undefined;
    const stuck = new Promise<never>((_, reject) => {
      fail = reject;
    });
    this.#stuck.add(fail);
    try {
      await Promise.race([end, stuck]);
    } finally {
      this.#stuck.delete(fail);
      if (sleeper !== null) this.#sleepers.delete(sleeper);
      this.#blocked--;
    }
  }

  #look(): void {
    if (this.#blocked === this.#live) void this.#advance();
  }

  /** Those who can go on do so first. */
  async #advance(): Promise<void> {
    await eventLoopTurn();
    if (this.#blocked < this.#live) return;
    let first: Sleeper | null = null;
    for (const sleeper of this.#sleepers) if (first === null || sleeper.deadline < first.deadline) first = sleeper;
    if (first === null) {
      for (const fail of this.#stuck) fail(new Error("deadlock: every thread waits"));
      return;
    }
    this.#now = first.deadline;
    first.wait.timeOut();
  }
}
