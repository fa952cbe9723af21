/**
 * Definitions as the engine's host functions. One is made for each function and shared by all
 * processes: whose call it is follows from the store.
 */

import type {
  Caller,
  Continuations,
  DirectDefinition,
  ExternDescriptor,
  FrameState,
  GuestOutcome,
  HostDefinition,
  HostResult,
  Value,
} from "../../vm/index.ts";
import { FrameRequest } from "../../vm/index.ts";
import { processOf } from "../process.ts";
import type { Arguments, Continuation, HostFunction, Meaning, Result } from "./define.ts";
import { argOf } from "./define.ts";
import { findFunction } from "./functions.ts";
import { Guest } from "./guest.ts";
import { tracesItself } from "./traced.ts";

type DirectResult = ReturnType<DirectDefinition["call"]>;

const definitions = new Map<HostFunction, HostDefinition>();

/** The functions for guests, as a runtime takes them. */
export function guestFunctions(module: string, name: string, type: ExternDescriptor): HostDefinition | undefined {
  const fn = findFunction(module, name, type);
  if (fn === undefined) return undefined;
  let definition = definitions.get(fn);
  if (definition === undefined) {
    definition = tracesItself(hostDefinition(fn));
    definitions.set(fn, definition);
  }
  return definition;
}

/** Those of them that Lunatic has: there is no `perilune::*`, as if this were Lunatic. */
export function lunaticFunctions(module: string, name: string, type: ExternDescriptor): HostDefinition | undefined {
  return module.startsWith("perilune::") ? undefined : guestFunctions(module, name, type);
}

function hostDefinition(fn: HostFunction): HostDefinition {
  const { params, results, fullName: name, fuel } = fn;
  const apply = applied(fn);
  if (fn.continuations === null) {
    return {
      kind: "direct",
      params,
      results,
      name,
      saved: fn.isResumable ? "resumable" : "opaque",
      fuel,
      ...(fn.steps === null ? {} : { continuations: continuationsOf(fn, fn.steps) }),
      call(caller) {
        const guest = guestOf(caller, name);
        const result = apply(guest, caller);
        return (guest.effects === null ? result : finish(fn, guest, result)) as DirectResult;
      },
    };
  }
  return {
    kind: "frame",
    params,
    results,
    name,
    call(caller: Caller, ...values: Value[]) {
      const guest = guestOf(caller, name);
      caller.chargeFuel(fuel);
      return finish(fn, guest, apply(guest, new Listed(values))) as HostResult | FrameRequest;
    },
    continuations: continuationsOf(fn, fn.continuations),
  };
}

function continuationsOf(fn: HostFunction, steps: Readonly<Record<string, Continuation>>): Continuations {
  return Object.fromEntries(Object.entries(steps).map(([name, run]) => [name, continuation(fn, run)]));
}

function continuation(fn: HostFunction, step: Continuation) {
  return (caller: Caller, state: FrameState, outcome: GuestOutcome | null) => {
    const guest = guestOf(caller, fn.fullName);
    return finish(fn, guest, step(guest, state, outcome)) as HostResult | FrameRequest;
  };
}

function guestOf(caller: Caller, name: string): Guest {
  const process = processOf(caller);
  const guest = (process.guest ??= new Guest(process));
  guest.enter(caller, name);
  return guest;
}

/** The function with its arguments as their meanings have them: without a list for the few that most have. */
function applied({ call, parameters }: HostFunction): (guest: Guest, args: Arguments) => Result {
  const meanings = parameters.map(({ meaning }) => meaning);
  const [first, second, third] = meanings as [Meaning, Meaning, Meaning];
  switch (meanings.length) {
    case 0:
      return (guest) => call(guest);
    case 1:
      return (guest, args) => call(guest, argOf(first, args, 0));
    case 2:
      return (guest, args) => call(guest, argOf(first, args, 0), argOf(second, args, 1));
    case 3:
      return (guest, args) => call(guest, argOf(first, args, 0), argOf(second, args, 1), argOf(third, args, 2));
    default:
      return (guest, args) => call(guest, ...meanings.map((meaning, i) => argOf(meaning, args, i)));
  }
}

/** The arguments of a frame function. */
class Listed implements Arguments {
  readonly #values: readonly Value[];

  constructor(values: readonly Value[]) {
    this.#values = values;
  }

  i32(index: number): number {
    return this.#values[index] as number;
  }

  i64(index: number): bigint {
    return this.#values[index] as bigint;
  }

  i64Number(index: number): number {
    return Number(this.i64(index));
  }

  u64Number(index: number): number {
    return Number(BigInt.asUintN(64, this.i64(index)));
  }

  f64(index: number): number {
    return this.#values[index] as number;
  }
}

function finish(fn: HostFunction, guest: Guest, result: Result): Result {
  const { effects, process } = guest;
  // The engine takes undefined for nothing.
  if (effects === null) return result;
  if (typeof result === "symbol") process.hostCall.traced = { name: fn.fullName, effects };
  else if (!(result instanceof FrameRequest)) {
    effects.result(result);
    process.hostCall.trace(fn.fullName, effects);
  }
  return result;
}
