/** One turn of an invocation: what is next, until the fuel is gone, something has to wait, or the end. */

import { InternalError } from "../errors.ts";
import { WaitResult } from "../runtime/waiters.ts";
import { switchCode } from "./exact.ts";
import { enterCode, reenterCode, runCode } from "./guest-code.ts";
import { callHost, continueHost, receive } from "./host-calls.ts";
import { countFuel } from "./loop-training.ts";
import type { Outcome } from "./outcome.ts";
import { Next } from "./record.ts";
import type { RunState } from "./run-state.ts";
import { searchOn } from "./unwinding.ts";

/** Runs until the fuel is gone, something has to wait, or the end. Throws what ended the guest. */
export function runTurn(run: RunState, fuel: number, exact: boolean): Outcome {
  const x = run.machine;
  run.turnFuel = fuel;
  run.remaining = fuel;
  run.payDebt();
  // Only the operation that grows a memory may run while it moves.
  if (run.store.moving !== x.growing) run.store.moving?.finishMove();
  // And while objects move only what waits for them.
  if (run.store.isCollecting && !run.awaitsCollection) run.store.finishCollection();
  run.awaitsCollection = false;
  if (exact !== x.isExact) {
    switchCode(x, run.stack, exact, run.isInCode, run.isInside);
    if (run.next === Next.Throw) run.search!.changeCode(x, run.stack);
  }
  x.isExact = exact;
  if (run.remaining <= 0) return isWaiting(run) ? waiting(run) : yielded(run, "fuel");
  if (run.next === Next.Run) reenterCode(run, exact);
  for (;;) {
    if (run.ending !== null) throw run.ending;
    if (run.remaining <= 0 && mayPause(run, exact)) return yielded(run, "fuel");
    if (run.gaveWay) return yielded(run, "voluntary");
    switch (run.next) {
      case Next.Run:
        if (!runCode(run)) return yielded(run, run.remaining > 0 ? "preparing" : "fuel");
        break;
      case Next.Call:
        if (!enter(run, x.callee, x.argsAt)) return yielded(run, "preparing");
        break;
      case Next.Return:
        returnTo(run, x.argsAt);
        break;
      case Next.Answer:
        if (run.answer === null) return waiting(run);
        receive(run, run.answer);
        break;
      case Next.Continue: {
        const outcome = run.outcome;
        run.outcome = null;
        continueHost(run, outcome);
        break;
      }
      case Next.Throw:
        searchOn(run);
        break;
      case Next.Wait:
        if (isWaiting(run)) return waiting(run);
        run.next = Next.Run;
        reenterCode(run, exact);
        break;
      default:
        account(run);
        return ended(run);
    }
    run.payDebt();
  }
}

/**
 * Without fuel: exact code stops at its own boundaries; a guest function is entered before it pauses, as in the
 * loop; nothing stops between a callee's end and its caller. The search for who catches an exception may pause anywhere.
 */
function mayPause(run: RunState, exact: boolean): boolean {
  if (run.debt > 0) return run.next !== Next.Done;
  if (exact) return run.next === Next.Continue || run.next === Next.Throw;
  if (run.next === Next.Call) return "definition" in run.store.ownerOf(run.machine.callee);
  return run.next !== Next.Return && run.next !== Next.Done;
}

function isWaiting(run: RunState): boolean {
  if (run.next === Next.Wait) return run.machine.waiter?.result === null;
  return run.next === Next.Answer && run.answer === null;
}

/** Adds to the run's total what the turn has used so far. */
export function account(run: RunState): void {
  const used = run.turnFuel - run.remaining;
  countFuel(used);
  run.usedBefore += used;
  run.turnFuel = run.remaining;
}

function yielded(run: RunState, reason: "fuel" | "preparing" | "voluntary"): Outcome {
  run.gaveWay = false;
  account(run);
  return { kind: "yielded", reason, fuelUsed: run.usedBefore };
}

function waiting(run: RunState): Outcome {
  account(run);
  const fuelUsed = run.usedBefore;
  const { waiter } = run.machine;
  if (waiter === null) return { kind: "waiting", reason: "hostCall", ready: run.ready, fuelUsed };
  return { kind: "waiting", reason: "atomicWait", ready: waiter.ready, wait: waiter, fuelUsed };
}

/** Ends the run with an error. */
export function end(run: RunState, error: unknown): void {
  run.next = Next.Done;
  // Nobody is to be woken in vain.
  run.machine.waiter?.end(WaitResult.TimedOut);
  run.error = error ?? new InternalError("a host function threw nothing");
  run.store.removeInvocation(run.invocation);
  run.retire();
}

/** How it ended. */
export function ended(run: RunState): Outcome {
  if (run.error !== null) throw run.error;
  return { kind: "returned", values: run.values, fuelUsed: run.usedBefore };
}

/** Enters a function whose arguments stand at `argsAt`; false when its code is not ready yet. */
function enter(run: RunState, address: number, argsAt: number): boolean {
  const owner = run.store.ownerOf(address);
  if ("definition" in owner) {
    if (run.store.isCollectionDue && !run.collect()) return false;
    callHost(run, owner, argsAt);
    return true;
  }
  return enterCode(run, owner, address - owner.funcsAt, argsAt);
}

/** The callee of the topmost activation has returned, its results at `argsAt`. */
function returnTo(run: RunState, argsAt: number): void {
  const x = run.machine;
  const activation = run.stack.top;
  switch (activation.kind) {
    case "entry":
      run.values = run.decode(run.type.results, argsAt, run.bits);
      run.next = Next.Done;
      run.store.removeInvocation(run.invocation);
      run.retire();
      return;
    case "call":
      run.stack.pop();
      x.pc = activation.pc;
      x.fp = activation.fp;
      x.position = activation.position;
      x.enter(activation.instance);
      x.fuel = run.remaining + x.position;
      run.next = Next.Run;
      run.isInside = false;
      return;
    default: {
      const values = activation.called === null ? [] : run.decode(activation.called.results, argsAt, false);
      continueHost(run, { kind: "returned", values });
    }
  }
}
