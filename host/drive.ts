/**
 * Runs an invocation to its end in turns, so that the event loop, and whatever else lives on it,
 * goes on meanwhile.
 */

import type { Invocation, Outcome, Value } from "../vm/index.ts";
import { FuelExhausted } from "../vm/index.ts";
import type { Clock, EventLoop } from "./system.ts";

/** Fuel of one slice: some tenths of a millisecond. */
export const DEFAULT_SLICE_FUEL = 100_000;
/** How long slices may follow each other before the event loop has its turn. */
const TURN_NS = 4_000_000n;

export interface DriveOptions {
  readonly clock: Clock;
  readonly eventLoop: EventLoop;
  /** Fuel of one slice. */
  readonly slice?: number;
  /** Fuel of the whole invocation; what is over it is refused with {@link FuelExhausted}. */
  readonly maxFuel?: number;
  /** Ends the run with the signal's reason, between slices and while the guest waits. */
  readonly signal?: AbortSignal;
}

/** What a drive did, kept up to date while it runs. */
export interface Progress {
  /** Fuel used by the invocation. */
  fuel: number;
  /** Times that the guest was given fuel. */
  slices: number;
  /** Times that it waited for a host function. */
  waits: number;
}

export function newProgress(): Progress {
  return { fuel: 0, slices: 0, waits: 0 };
}

/**
 * Resolves to the invocation's results. Rejects as the guest ends otherwise: with its Trap, the
 * error of a host function, {@link FuelExhausted}, or the reason of the signal. The invocation is
 * then as its last slice left it.
 */
export async function drive(
  invocation: Invocation,
  options: DriveOptions,
  progress: Progress = newProgress(),
): Promise<readonly Value[]> {
  const { clock, eventLoop, slice = DEFAULT_SLICE_FUEL, maxFuel = Number.POSITIVE_INFINITY, signal } = options;
  let turnEnd = clock.monotonic() + TURN_NS;
  for (;;) {
    signal?.throwIfAborted();
    const left = maxFuel - progress.fuel;
    if (left <= 0) throw new FuelExhausted(`${progress.fuel} used of ${maxFuel}`);
    progress.slices++;
    let outcome: Outcome;
    try {
      outcome = invocation.run({ fuel: Math.min(slice, left) });
    } finally {
      progress.fuel = invocation.fuelUsed;
    }
    if (outcome.kind === "returned") return outcome.values;
    if (outcome.kind === "waiting") {
      progress.waits++;
      if (outcome.ready === null) throw new TypeError("the guest waits for an answer that only its embedder can give");
      await unlessAborted(outcome.ready, signal);
    }
    // Also after waiting: promises that settle at once never let the event loop go on.
    if (clock.monotonic() < turnEnd) continue;
    await eventLoop.nextTurn();
    turnEnd = clock.monotonic() + TURN_NS;
  }
}

async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  let abort = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
