/**
 * Definitions as the engine's host functions. One is made for each function and shared by all
 * processes: whose call it is follows from the store.
 */

import type {
  Caller,
  ExternDescriptor,
  FrameState,
  GuestOutcome,
  HostDefinition,
  HostResult,
  SUSPEND,
  Value,
} from "../../vm/index.ts";
import { FrameRequest } from "../../vm/index.ts";
import { processOf } from "../process.ts";
import type { Arg, Continuation, HostFunction, Meaning, Result } from "./define.ts";
import { toArg } from "./define.ts";
import { findFunction } from "./functions.ts";
import { Guest } from "./guest.ts";

type Call = (caller: Caller, ...values: Value[]) => never;

const definitions = new Map<HostFunction, HostDefinition>();

/** The functions for guests, as a runtime takes them. */
export function guestFunctions(module: string, name: string, type: ExternDescriptor): HostDefinition | undefined {
  const fn = findFunction(module, name, type);
  if (fn === undefined) return undefined;
  let definition = definitions.get(fn);
  if (definition === undefined) {
    definition = hostDefinition(fn);
    definitions.set(fn, definition);
  }
  return definition;
}

/** Those of them that Lunatic has: there is no `perilune::*`, as if this were Lunatic. */
export function lunaticFunctions(module: string, name: string, type: ExternDescriptor): HostDefinition | undefined {
  return module.startsWith("perilune::") ? undefined : guestFunctions(module, name, type);
}

function hostDefinition(fn: HostFunction): HostDefinition {
  const shared = { params: fn.params, results: fn.results, name: fn.fullName };
  const meanings = fn.parameters.map(({ meaning }) => meaning);
  const call = (caller: Caller, ...values: Value[]) => {
    const guest = new Guest(processOf(caller), caller, fn.fullName);
    guest.charge(fn.fuel);
    return finish(fn, guest, fn.call(guest, toArgs(meanings, values)));
  };
  if (fn.continuations === null) {
    return { ...shared, saved: fn.isResumable ? "resumable" : "opaque", call: call as Call };
  }
  const steps = Object.entries(fn.continuations).map(([name, step]) => [name, continuation(fn, step)]);
  return { ...shared, kind: "frame", call: call as Call, continuations: Object.fromEntries(steps) };
}

function continuation(fn: HostFunction, step: Continuation) {
  return (caller: Caller, state: FrameState, outcome: GuestOutcome | null) => {
    const guest = new Guest(processOf(caller), caller, fn.fullName);
    return finish(fn, guest, step(guest, state, outcome));
  };
}

/** In place: these calls are many. */
function toArgs(meanings: readonly Meaning[], values: Value[]): Arg[] {
  for (let i = 0; i < meanings.length; i++) values[i] = toArg(meanings[i]!, values[i]);
  return values as Arg[];
}

function finish(fn: HostFunction, guest: Guest, result: Result): HostResult | typeof SUSPEND | FrameRequest {
  const { effects, process } = guest;
  // The engine takes undefined for nothing.
  if (effects === null) return result as HostResult;
  if (typeof result === "symbol") process.pendingCall = { name: fn.fullName, effects };
  else if (!(result instanceof FrameRequest)) {
    effects.result(result);
    const { pid, environment, runtime } = process;
    runtime.trace?.({ kind: "call", pid, environment: environment.id, name: fn.fullName, effects: effects.value });
  }
  return result ?? [];
}
