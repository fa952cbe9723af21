/**
 * Definitions as the engine's host functions. One is made for each function and shared by all
 * processes: whose call it is follows from the store.
 */

import type { Caller, FrameState, GuestOutcome, HostDefinition, HostResult, Value } from "../../vm/index.ts";
import { FrameRequest, SUSPEND } from "../../vm/index.ts";
import type { Process } from "../process.ts";
import type { Arg, Continuation, HostFunction, Result } from "./define.ts";
import { toArg } from "./define.ts";
import { Guest } from "./guest.ts";

/** What the functions of one runtime share. */
export interface Binding {
  /** The process whose code calls. */
  processOf(caller: Caller): Process;
  /** Told of every call that has an answer at once, with a hash of what it changed; null while nobody traces. */
  readonly trace: ((process: Process, fn: HostFunction, effects: number) => void) | null;
}

export function hostDefinition(fn: HostFunction, binding: Binding): HostDefinition {
  const shared = { params: fn.params, results: fn.results, name: fn.fullName };
  const meanings = fn.parameters.map(({ meaning }) => meaning);
  const guestOf = (caller: Caller): Guest =>
    new Guest(binding.processOf(caller), caller, fn.fullName, binding.trace !== null);
  const finish = (guest: Guest, result: Result): HostResult | typeof SUSPEND | FrameRequest => {
    if (guest.effects !== null && result !== SUSPEND && !(result instanceof FrameRequest)) {
      guest.effects.result(result);
      binding.trace?.(guest.process, fn, guest.effects.value);
    }
    return result ?? [];
  };
  const call = (caller: Caller, ...values: Value[]) => {
    const guest = guestOf(caller);
    guest.charge(fn.fuel);
    const args: Arg[] = [];
    for (let i = 0; i < meanings.length; i++) args.push(toArg(meanings[i]!, values[i]));
    return finish(guest, fn.call(guest, args));
  };
  const { continuations } = fn;
  if (continuations === null) return { ...shared, call: call as (caller: Caller, ...values: Value[]) => HostResult };
  const step = (continuation: Continuation) => (caller: Caller, state: FrameState, outcome: GuestOutcome | null) => {
    const guest = guestOf(caller);
    return finish(guest, continuation(guest, state, outcome)) as HostResult | FrameRequest;
  };
  return {
    ...shared,
    kind: "frame",
    call: call as (caller: Caller, ...values: Value[]) => HostResult | FrameRequest,
    continuations: Object.fromEntries(Object.entries(continuations).map(([name, next]) => [name, step(next)])),
  };
}
