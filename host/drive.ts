/**
 * Runs an invocation to its end in turns, so that the event loop, and whatever else lives on it,
 * goes on meanwhile.
 */

import type { AtomicWait, Invocation, Outcome, Value } from "../vm/index.ts";
import { asError, FuelExhausted, unlessAborted } from "../vm/internal.ts";
import { checkDrive } from "./options.ts";
import type { Cancel, Clock, EventLoop } from "./system.ts";

/** Fuel of one slice: some tenths of a millisecond. */
export const DEFAULT_SLICE_FUEL = 100_000;
/** How long slices may follow each other before the event loop has its turn. */
export const TURN_NS = 4_000_000n;

export interface DriveOptions {
  readonly clock: Clock;
  readonly eventLoop: EventLoop;
  /** Fuel of one slice: at least 1, rounded down. */
  readonly slice?: number;
  /** Fuel that the progress may reach; then the run ends with {@link FuelExhausted}. */
  readonly maxFuel?: number;
  /** Ends the run with the signal's reason, between slices and while the guest waits. */
  readonly signal?: AbortSignal;
  /** Looks at the guest once, when the progress has reached so much fuel: at an instruction, and while it does not wait. */
  readonly checkpoint?: { readonly fuel: number; readonly reached: (invocation: Invocation) => Promise<void> };
  /** Looks at the guest for the last time before the signal ends it. */
  readonly beforeEnd?: (invocation: Invocation, reason: unknown) => Promise<void>;
}

/** What drives did, kept up to date while they run. Several may count in one. */
export interface Progress {
  /** Fuel used by the guests. */
  fuel: number;
  /** Times that they were given fuel. */
  slices: number;
  /** Times that they waited for a host function. */
  waits: number;
}

export function newProgress(): Progress {
  return { fuel: 0, slices: 0, waits: 0 };
}

/**
 * Resolves to the invocation's results. Rejects as the guest ends otherwise: with its Trap, the
 * error of a host function, {@link FuelExhausted}, or the reason of the signal. The guest cannot go
 * on afterwards.
 */
export async function drive(
  invocation: Invocation,
  options: DriveOptions,
  progress: Progress = newProgress(),
): Promise<readonly Value[]> {
  checkDrive(options);
  const { clock, eventLoop, signal } = options;
  const { slice, maxFuel } = fuelLimits(options);
  const before = progress.fuel - invocation.fuelUsed;
  let { checkpoint } = options;
  let turnEnd = clock.monotonic() + TURN_NS;
  for (;;) {
    if (signal?.aborted === true) {
      await options.beforeEnd?.(invocation, signal.reason);
      throw ended(invocation, asError(signal.reason));
    }
    const toCheckpoint = checkpoint === undefined ? Number.POSITIVE_INFINITY : checkpoint.fuel - progress.fuel;
    const exact = toCheckpoint <= slice;
    const left = maxFuel - progress.fuel;
    if (left <= 0) throw ended(invocation, new FuelExhausted(progress.fuel, maxFuel));
    progress.slices++;
    let outcome: Outcome;
    try {
      outcome = invocation.run({ fuel: Math.min(slice, left, Math.max(0, toCheckpoint)), exact });
    } finally {
      progress.fuel = before + invocation.fuelUsed;
    }
    if (outcome.kind === "returned") return outcome.values;
    if (exact && checkpoint !== undefined && outcome.kind === "yielded" && outcome.reason === "fuel") {
      await checkpoint.reached(invocation);
      checkpoint = undefined;
    }
    if (outcome.kind === "waiting") {
      progress.waits++;
      if (outcome.ready === null) throw new TypeError("the guest waits for an answer that only its embedder can give");
      const cancel = outcome.reason === "atomicWait" ? timeOutLater(outcome.wait, clock) : null;
      await unlessAborted(outcome.ready, signal);
      cancel?.();
    }
    // Also after waiting: promises that settle at once never let the event loop go on.
    if (clock.monotonic() < turnEnd) continue;
    await eventLoop.nextTurn();
    turnEnd = clock.monotonic() + TURN_NS;
  }
}

/** Both as whole numbers. */
export function fuelLimits(options: Pick<DriveOptions, "maxFuel" | "slice">): { slice: number; maxFuel: number } {
  const { slice = DEFAULT_SLICE_FUEL, maxFuel = Number.POSITIVE_INFINITY } = options;
  return { slice: Math.floor(slice), maxFuel: Math.floor(maxFuel) };
}

/** Ends an atomic wait when its time is over. The result ends the waiting for that, if there is any. */
export function timeOutLater(wait: AtomicWait, clock: Clock): Cancel | null {
  if (wait.timeoutNs === null) return null;
  const deadline = clock.monotonic() + wait.timeoutNs;
  deadlines.set(wait, deadline);
  return clock.wakeAt(deadline, () => wait.timeOut());
}

const deadlines = new WeakMap<AtomicWait, bigint>();

/** What remains of the time of a wait that {@link drive} waits for: for a snapshot. */
export function remainingNs(wait: AtomicWait, clock: Clock): bigint {
  const deadline = deadlines.get(wait);
  if (deadline === undefined) return wait.timeoutNs ?? 0n;
  const left = deadline - clock.monotonic();
  return left > 0n ? left : 0n;
}

/** Ends the guest for good. */
function ended(invocation: Invocation, error: Error): Error {
  invocation.terminate(error);
  return error;
}
