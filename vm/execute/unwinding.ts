/** The guest's faults: traps and exceptions go to whoever contains or catches them, or end the run. */

import { GuestExit, Termination, Trap } from "../errors.ts";
import { EXCEPTION_WORDS_PER_FUEL } from "../limits.ts";
import { GuestException } from "../runtime/guest-exception.ts";
import { added } from "../runtime/lists.ts";
import { addBacktrace, fuelAtTrap } from "./backtrace.ts";
import { guestException, land } from "./exceptions.ts";
import { Next } from "./record.ts";
import type { RunState } from "./run-state.ts";
import { Found, HandlerSearch } from "./search.ts";

/** A trap at the machine's position: fuel and place are those of the instruction. */
export function trappedInCode(run: RunState, error: unknown): void {
  const x = run.machine;
  x.object = 0;
  x.progress = 0;
  x.hasCollected = false;
  run.remaining = fuelAtTrap(x);
  trapped(run, error, true);
}

/** Gives a trap to the frame function that contains it, or ends the run. */
export function trapped(run: RunState, error: unknown, isInCode = false): void {
  if (
    error instanceof GuestException &&
    run.store.hasHeap &&
    error.exception.isOf(run.store.heap) &&
    !error.exception.isCollected
  ) {
    unwind(run, error.exception.handle, false);
    return;
  }
  const isContainable = error instanceof Trap || error instanceof GuestExit;
  const contains = isContainable ? topmostHost(run) : -1;
  if (error instanceof Trap || error instanceof Termination) {
    addBacktrace(error, run.machine, run.stack, isInCode, contains < 0);
  }
  if (contains < 0) throw error;
  run.stack.truncate(contains + 1);
  // Not at once: a frame function that passes the trap on must not use the JavaScript stack.
  run.outcome = { kind: "trapped", error: error as Error };
  run.next = Next.Continue;
}

/** The place of the topmost frame function's activation; -1 if there is none. */
function topmostHost({ stack }: RunState): number {
  let at = stack.length - 1;
  while (at >= 0 && stack.at(at).kind !== "host") at--;
  return at;
}

/** An exception goes to whoever catches it, who is looked for next. `isInCode`: the machine stands where it is thrown. */
export function unwind(run: RunState, exception: number, isInCode: boolean): void {
  const x = run.machine;
  x.exception = exception;
  run.search ??= new HandlerSearch();
  run.search.begin(x, run.stack, isInCode);
  run.isInside = isInCode;
  run.next = Next.Throw;
}

/**
 * A step of the search for who catches an exception: guest code goes on there, or the continuation of a frame function, which takes it
 * or passes it on. Throws it if nobody does.
 */
export function searchOn(run: RunState): void {
  const { machine: x, stack } = run;
  const search = run.search!;
  const word = run.store.heap.word(x.exception, 0);
  const found = search.step(x, stack, word, run.remaining);
  run.charge(search.spent);
  if (found === Found.Nothing) return;
  const { level } = search;
  if (found === Found.Level && level === 0) throw uncaught(run, x.exception, search.isInCode);
  // The same exception may be thrown, and taken apart, again and again.
  const takesValues = found === Found.Level || search.handler!.catches[search.clause]!.tagIndex !== null;
  if (takesValues) run.charge(Math.floor(run.store.heap.layoutOf(word).words / EXCEPTION_WORDS_PER_FUEL));
  if (found === Found.Clause) {
    run.next = land(x, stack, search, run.remaining) ? Next.Run : Next.Return;
    stack.truncate(level);
  } else {
    stack.truncate(level + 1);
    const error = guestException(run.store, x.exception);
    run.pinned = added(run.pinned, error.exception);
    run.outcome = { kind: "threw", error };
    run.next = Next.Continue;
  }
  run.isInside = false;
  x.exception = 0;
  search.end();
}

function uncaught(run: RunState, exception: number, isInCode: boolean): GuestException {
  const error = guestException(run.store, exception);
  addBacktrace(error, run.machine, run.stack, isInCode);
  if (run.parent?.store === run.store) run.parent.pinned = added(run.parent.pinned, error.exception);
  return error;
}
