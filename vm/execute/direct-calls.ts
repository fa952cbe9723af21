/**
 * Calls of direct host functions. The hot loop makes them without being left, in the state in which guest-code.ts and
 * host-calls.ts would; where that is not possible, or the call does not simply return, those do the rest.
 */

import { SUSPEND, type HostFunc } from "../runtime/func.ts";
import { DirectCaller } from "./caller.ts";
import { encodeDirect } from "./host-results.ts";
import { Exit } from "./machine.ts";
import { Next } from "./record.ts";
import type { RunState } from "./run-state.ts";

/** How a call ended that did not simply return. */
export type DirectEnd = { readonly host: HostFunc; readonly result: unknown } | { readonly error: unknown };

/**
 * For the hot loop, which stands behind a call of the import `callee` and has fuel left: calls it if it is a direct
 * host function. True when it has returned and the loop goes on.
 */
export function callImport(run: RunState): boolean {
  const x = run.machine;
  const instance = x.instance!;
  const host = run.store.hostAt(instance.funcAddress(x.callee));
  if (host === null || host.direct === null || x.isExact || run.store.isCollectionDue) {
    run.importExit = Exit.CallImport;
    return false;
  }
  run.stack.pushCall(instance, x);
  const left = x.fuel - x.position;
  run.remaining = left + run.heldFuel;
  run.callerInstance = instance;
  run.beginHost(host);
  run.callFuel = host.directFuel;
  run.debt += host.directFuel;
  try {
    const caller = directCaller(run, host);
    const result = host.direct.call(caller);
    caller.leave();
    const hasReturned = result !== SUSPEND && typeof result !== "object";
    if (hasReturned && run.debt < left && !run.gaveWay && run.ending === null) {
      encodeDirect(run.store, host, result, x.words, x.argsAt);
      x.fuel = (x.fuel - run.debt) | 0;
      run.debt = 0;
      run.stack.leaveCall();
      run.next = Next.Run;
      return true;
    }
    run.directEnd = { host, result };
  } catch (error) {
    run.directCaller?.leave();
    run.directEnd = { error };
  }
  run.importExit = Exit.HostCalled;
  return false;
}

/** What the direct host function `host` sees of the guest, until it is left. */
export function directCaller(run: RunState, host: HostFunc): DirectCaller {
  run.directCaller ??= new DirectCaller(run);
  run.directCaller.enter(host, run.callerInstance);
  return run.directCaller;
}
