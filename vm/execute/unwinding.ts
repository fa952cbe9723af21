/** The guest's faults: traps and exceptions go to whoever contains or catches them, or end the run. */

import { GuestExit, Termination, Trap } from "../errors.ts";
import { GuestException } from "../runtime/guest-exception.ts";
import { added } from "../runtime/lists.ts";
import { addBacktrace, fuelAtTrap } from "./backtrace.ts";
import { findHandler, guestException, land } from "./exceptions.ts";
import { Next } from "./record.ts";
import type { RunState } from "./run-state.ts";

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
  if (error instanceof GuestException && error.exception.isOf(run.store.heap) && !error.exception.isCollected) {
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

/** Gives an exception to whoever catches it: guest code, or the continuation of a frame function. Throws it if nobody does. */
export function unwind(run: RunState, exception: number, isInCode: boolean): void {
  const x = run.machine;
  const word = run.store.heap.word(exception, 0);
  let landing = isInCode ? findHandler(x, x.instance!, x.fp, x.pc, word) : null;
  let top = run.stack.length - 1;
  for (; landing === null; top--) {
    const activation = run.stack.at(top);
    if (activation.kind === "host") {
      run.stack.truncate(top + 1);
      const error = guestException(run.store, exception);
      run.pinned = added(run.pinned, error.exception);
      run.outcome = { kind: "threw", error };
      run.next = Next.Continue;
      return;
    }
    if (activation.kind !== "call") throw uncaught(run, exception, isInCode);
    const { instance, fp, pc } = activation;
    if (pc !== 0) landing = findHandler(x, instance, fp, pc - 1, word);
  }
  run.stack.truncate(top + 1);
  run.isInside = false;
  run.next = land(x, landing, exception, run.remaining) ? Next.Run : Next.Return;
}

function uncaught(run: RunState, exception: number, isInCode: boolean): GuestException {
  const error = guestException(run.store, exception);
  addBacktrace(error, run.machine, run.stack, isInCode);
  if (run.parent?.store === run.store) run.parent.pinned = added(run.parent.pinned, error.exception);
  return error;
}
