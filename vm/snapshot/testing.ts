/** For tests: runs that are saved and restored at every pause, beside the same runs left alone. */

import { expect } from "chai";
import type { CompiledModule } from "../compiled-module.ts";
import { Termination, Trap } from "../errors.ts";
import type { Invocation } from "../execute/invocation.ts";
import type { Outcome, TurnOptions } from "../execute/outcome.ts";
import { Store } from "../runtime/store.ts";
import type { RestoreOptions, SnapshotOptions } from "./index.ts";

export interface Scenario extends Omit<RestoreOptions, "modules"> {
  readonly modules: readonly CompiledModule[];
  /** Begins the run in a store of its own. */
  readonly start: () => Invocation;
  readonly turn?: TurnOptions;
  readonly save?: SnapshotOptions;
  /** At most so many pauses; the rest runs at once. */
  readonly maxPauses?: number;
  /** Called when the run waits: answers it. */
  readonly answer?: (invocation: Invocation) => void;
  /** What is looked at besides the results. */
  readonly observe?: (store: Store) => unknown;
}

const MAX_PAUSES = 100_000;

interface Trace {
  /** Fuel at each pause. */
  readonly pauses: number[];
  readonly end: unknown;
  readonly fuelUsed: number;
  readonly observed: unknown;
}

/** Runs a scenario; `between` gives the invocation that goes on after each pause. */
function trace(scenario: Scenario, between: (invocation: Invocation) => Invocation): Trace {
  const { turn = { fuel: 1 }, maxPauses = Number.POSITIVE_INFINITY } = scenario;
  let invocation = scenario.start();
  const pauses: number[] = [];
  let end: unknown = null;
  let isReissued = false;
  try {
    for (;;) {
      const outcome: Outcome = invocation.run(pauses.length < maxPauses ? turn : {});
      if (outcome.kind === "returned") {
        end = outcome.values;
        break;
      }
      if (pauses.length > MAX_PAUSES) throw new Error("the run does not end");
      if (isReissued && outcome.kind === "waiting") {
        isReissued = false;
        scenario.answer?.(invocation);
        continue;
      }
      // Lowering happens at different moments in different stores.
      if (outcome.kind !== "yielded" || outcome.reason !== "preparing") pauses.push(outcome.fuelUsed);
      if (pauses.length < maxPauses) invocation = between(invocation);
      if (outcome.kind !== "waiting") continue;
      // A call that is issued again waits again.
      isReissued = outcome.reason === "hostCall" && invocation.pendingCall === null;
      if (!isReissued) scenario.answer?.(invocation);
    }
  } catch (error) {
    if (!(error instanceof Trap || error instanceof Termination)) throw error;
    end = [error.message, error.backtrace.map(({ position }) => position)];
  }
  return { pauses, end, fuelUsed: invocation.fuelUsed, observed: scenario.observe?.(invocation.store) };
}

/** Saves an invocation's store and restores it: the same invocation there. */
export function resumed(scenario: Scenario, invocation: Invocation): Invocation {
  const bytes = invocation.store.snapshot([invocation], scenario.save);
  return Store.restore(bytes, scenario).invocations[0]!;
}

/** Expects the same results, traps, fuel and pauses when every pause is saved and restored. Returns how many there were. */
export function expectSameRun(scenario: Scenario): number {
  const alone = trace(scenario, (invocation) => invocation);
  const saved = trace(scenario, (invocation) => resumed(scenario, invocation));
  expect(saved).to.deep.equal(alone);
  return alone.pauses.length;
}

/** What a generator returns, without the pauses between its steps. */
export function atOnce<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
