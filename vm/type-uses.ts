/**
 * Who uses canonical types, and the end of that: modules that nobody can reach any more give up theirs, some at a time
 * beside the event loop.
 */

import { eventLoopTurn } from "./event-loop.ts";

/** Types given up between two turns of the event loop: well below a millisecond. */
const PIECE = 1_000;

/** Recursion groups that one module has entered, or is entering. */
export class TypeUses {
  /** Of each type index, as far as {@link entered} says. */
  readonly ids: Int32Array;
  /** Types of groups that are entered and used. */
  entered = 0;
  /** Ids that a group has got which is being entered. */
  fresh: readonly number[] = [];

  constructor(typeCount: number) {
    this.ids = new Int32Array(typeCount);
  }
}

/** Users that were dropped without a word. */
export class TypeUsers {
  readonly #release: (uses: TypeUses) => Generator<undefined>;
  readonly #dropped: Generator<undefined>[] = [];
  #isWorking = false;
  readonly #users = new FinalizationRegistry<TypeUses>((uses) => {
    this.#dropped.push(this.#release(uses));
    void this.#work();
  });

  /** `release` gives uses up, giving way after each group or type. */
  constructor(release: (uses: TypeUses) => Generator<undefined>) {
    this.#release = release;
  }

  /** Gives `uses` up when nobody can reach `user` any more. Nothing in `uses` may lead to it. */
  add(user: object, uses: TypeUses): void {
    this.#users.register(user, uses);
  }

  /** All that is known to be dropped, at once. */
  finish(): void {
    while (!this.#step(Number.POSITIVE_INFINITY));
  }

  async #work(): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    while (!this.#step(PIECE)) await eventLoopTurn();
    this.#isWorking = false;
  }

  /** True when nothing is left. */
  #step(budget: number): boolean {
    let left = budget;
    for (;;) {
      const first = this.#dropped[0];
      if (first === undefined) return true;
      while (left > 0 && first.next().done !== true) left--;
      if (left <= 0) return false;
      this.#dropped.shift();
    }
  }
}
