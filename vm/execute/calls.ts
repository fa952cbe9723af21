/** The embedder's three ways to run guest code: at once, giving the event loop its turn, or turn by turn. */

import { asError, unlessAborted } from "../abort.ts";
import { FuelExhausted, SuspendError } from "../errors.ts";
import { eventLoopTurn } from "../event-loop.ts";
import { REENTRY_GRANT_FUEL } from "../limits.ts";
import { amountFrom, checkOptions, type ExpectedOptions, SIGNAL } from "../options.ts";
import type { Value } from "../runtime/values.ts";
import type { AtomicWait } from "../runtime/waiters.ts";
import { Invocation } from "./invocation.ts";

/** Options of a call that is run to its end. */
export interface CallOptions {
  /** Fuel of the whole call, rounded down; when it is gone `FuelExhausted` is thrown. Default: no limit. */
  readonly fuel?: number;
  /** Ends the call with the signal's reason. */
  readonly signal?: AbortSignal;
}

const CALL: ExpectedOptions<CallOptions> = { fuel: amountFrom(0, "fuel"), signal: SIGNAL };

/** Fuel of one turn of {@link finish}. */
const TURN_FUEL = 100_000;
/** Milliseconds after which the event loop gets its turn. */
const BUDGET_MS = 4;
/** What timers can take at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Runs an invocation to its end, waiting for host functions and giving the event loop its turn.
 * Throws what ended the guest, `FuelExhausted`, or the signal's reason; `RangeError` or `TypeError` for wrong options.
 */
export async function finish(invocation: Invocation, options: CallOptions): Promise<Value[]> {
  const fuel = fuelOf(invocation, options);
  const { signal } = options;
  let turnStart = performance.now();
  for (;;) {
    if (signal?.aborted) invocation.terminate(asError(signal.reason));
    const outcome = invocation.run({ fuel: Math.min(TURN_FUEL, Math.max(0, fuel - invocation.fuelUsed)) });
    if (outcome.kind === "returned") return outcome.values;
    if (outcome.kind === "waiting") {
      if (outcome.ready === null) throw suspended(invocation, "the host function waits for Invocation.resume");
      const stop = outcome.reason === "atomicWait" ? timeOutLater(outcome.wait) : undefined;
      await unlessAborted(outcome.ready, signal);
      stop?.();
      turnStart = performance.now();
      continue;
    }
    if (outcome.fuelUsed >= fuel) throw exhausted(invocation, fuel);
    if (outcome.reason === "voluntary" || performance.now() - turnStart >= BUDGET_MS) {
      await eventLoopTurn();
      turnStart = performance.now();
    }
  }
}

/**
 * Runs an invocation to its end on the JavaScript stack. Throws what ended the guest,
 * `FuelExhausted`, or `SuspendError` when a host function has to wait. Called by a host function, it
 * gets at most the fuel that its caller's turn has left and a grant.
 */
export function finishSync(invocation: Invocation, options: Pick<CallOptions, "fuel">): Value[] {
  const fuel = fuelOf(invocation, options);
  const parent = Invocation.current;
  const limit = parent === null ? fuel : Math.min(fuel, parent.remainingFuel + REENTRY_GRANT_FUEL);
  for (;;) {
    const outcome = invocation.run({ fuel: Math.max(0, limit - invocation.fuelUsed) });
    if (outcome.kind === "returned") return outcome.values;
    if (outcome.kind === "waiting") {
      const what = outcome.reason === "atomicWait" ? "an atomic wait" : "a host function";
      throw suspended(invocation, `${what} has to wait, which a synchronous call cannot`);
    }
    if (outcome.fuelUsed >= limit) throw exhausted(invocation, limit);
  }
}

function fuelOf(invocation: Invocation, options: CallOptions): number {
  try {
    checkOptions("a call", options, CALL);
  } catch (error) {
    invocation.terminate(error as Error);
    throw error;
  }
  return Math.floor(options.fuel ?? Number.POSITIVE_INFINITY);
}

function exhausted(invocation: Invocation, fuel: number): FuelExhausted {
  const error = new FuelExhausted(invocation.fuelUsed, fuel);
  invocation.terminate(error);
  return error;
}

function suspended(invocation: Invocation, message: string): SuspendError {
  const error = new SuspendError(message);
  invocation.terminate(error);
  return error;
}

/** Ends the wait when its time is over, unless it is stopped before. */
function timeOutLater(wait: AtomicWait): () => void {
  if (wait.timeoutNs === null) return () => undefined;
  const end = performance.now() + Number(wait.timeoutNs) / 1e6;
  let timer: ReturnType<typeof setTimeout>;
  const look = (): void => {
    const leftMs = Math.ceil(end - performance.now());
    if (leftMs <= 0) wait.timeOut();
    else timer = setTimeout(look, Math.min(leftMs, MAX_TIMER_MS));
  };
  look();
  return () => clearTimeout(timer);
}
