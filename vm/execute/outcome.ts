/** What the embedder says when it runs an invocation, and what it is told at the end of a turn. */

import type { Value } from "../runtime/values.ts";
import type { AtomicWait } from "../runtime/waiters.ts";
import type { FuncType } from "../types.ts";

/** How a turn ended. `fuelUsed` is the invocation's total so far. */
export type Outcome =
  | { readonly kind: "returned"; readonly values: Value[]; readonly fuelUsed: number }
  /**
   * `fuel`: the turn's fuel is used. `voluntary`: a host function gave way. `preparing`: code is
   * being lowered, which takes no fuel and happens at different moments in different runs.
   */
  | { readonly kind: "yielded"; readonly reason: "fuel" | "preparing" | "voluntary"; readonly fuelUsed: number }
  /**
   * A host function has to finish first. `ready` resolves, and never rejects, when the next `run`
   * can go on; it is null for `SUSPEND`, which {@link Invocation.resume} or `fail` answers.
   */
  | {
      readonly kind: "waiting";
      readonly reason: "hostCall";
      readonly ready: Promise<void> | null;
      readonly fuelUsed: number;
    }
  /**
   * The guest waits at an address of a shared memory until another invocation wakes it. There is no
   * clock here: whoever runs the invocation calls `wait.timeOut()` when `wait.timeoutNs` have passed.
   */
  | {
      readonly kind: "waiting";
      readonly reason: "atomicWait";
      readonly ready: Promise<void>;
      readonly wait: AtomicWait;
      readonly fuelUsed: number;
    };

/** Options of one turn. */
export interface TurnOptions {
  /** Fuel of this turn. Default, and at most, 2^30 - 1. */
  readonly fuel?: number;
  /**
   * Stop before the instruction that would exceed the fuel, in place of at the next safe point. An
   * instruction dearer than the whole turn runs alone. Default: false.
   */
  readonly exact?: boolean;
}

/** Options of an {@link Invocation}. */
export interface InvocationOptions {
  /** Numbers go in and out as their bits, in unsigned bigints. Default: false. */
  readonly bits?: boolean;
}

/** What is called: a function by its address. `type` says how to read arguments and results. */
export interface Entry {
  readonly address: number;
  readonly type: FuncType;
}
