/**
 * Functions as the embedder sees them, and what host functions are (spec: syntax-funcinst). A
 * function is an address in its store; an instance's functions are a range of addresses, so they
 * cost nothing until somebody holds one.
 */

import type { FuncType, ValType } from "../types.ts";
import type { Value } from "./values.ts";
import type { Engine } from "../engine.ts";
import type { Caller, DirectCaller } from "../execute/caller.ts";
import { hostFuncType } from "./func-type.ts";
import type { GuestException } from "./guest-exception.ts";
import type { Instance } from "./instance.ts";
import type { Store } from "./store.ts";

/** How a guest call that a frame function asked for has ended. */
export type GuestOutcome =
  | { readonly kind: "returned"; readonly values: readonly Value[] }
  | { readonly kind: "trapped"; readonly error: Error }
  /** By an exception. To pass it on, throw `error`. */
  | { readonly kind: "threw"; readonly error: GuestException };

/** Plain data: what a frame function keeps across the calls it asks for, and what an embedder adds to a snapshot. */
export type FrameState =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly FrameState[]
  | { readonly [key: string]: FrameState };

/** What a frame function wants next, as data: made by {@link callGuest} and {@link continueWith}. */
export class FrameRequest {
  readonly func: Func | null;
  readonly args: readonly Value[];
  readonly continuation: string;
  readonly state: FrameState;

  constructor(func: Func | null, args: readonly Value[], continuation: string, state: FrameState) {
    this.func = func;
    this.args = args;
    this.continuation = continuation;
    this.state = state;
  }
}

/** Calls `func`, then the frame function's `continuation` with `state` and how the call ended. */
export function callGuest(
  func: Func,
  args: readonly Value[],
  continuation: string,
  state: FrameState = null,
): FrameRequest {
  return new FrameRequest(func, args, continuation, state);
}

/** Gives way if there is no fuel left, then goes on with `continuation`: work in bounded steps. */
export function continueWith(continuation: string, state: FrameState): FrameRequest {
  return new FrameRequest(null, [], continuation, state);
}

/** Returned by a plain host function: the guest waits until `Invocation.resume` or `fail` answers. */
export const SUSPEND: unique symbol = Symbol("suspend");

/** One value, several, or none, according to the type. */
export type HostResult = Value | readonly Value[];

/** The steps of a frame function after its first, by name. `outcome` is null after {@link continueWith}. */
export type Continuations = Readonly<
  Record<string, (caller: Caller, state: FrameState, outcome: GuestOutcome | null) => HostResult | FrameRequest>
>;

interface HostDefinitionBase {
  /** Names of value types as in the text format. */
  readonly params: readonly string[];
  readonly results: readonly string[];
  /** For errors and backtraces. */
  readonly name?: string;
  /**
   * What a snapshot does with a call that waits. `resumable`: it waits again, for whoever restores it to answer with
   * `Invocation.resume` or `fail`. `reissue`: it is called again with the same arguments, which must do no harm. `opaque`,
   * the default: no snapshot can be taken meanwhile.
   */
  readonly saved?: "resumable" | "reissue" | "opaque";
}

/** Returns its results, or {@link SUSPEND}. */
export interface PlainDefinition extends HostDefinitionBase {
  readonly kind?: "plain";
  call(caller: Caller, ...args: never[]): HostResult;
}

/** Returns a promise of its results: the guest sees a plain call that takes its time. It must not keep views of guest memory. */
export interface AsyncDefinition extends HostDefinitionBase {
  readonly kind: "async";
  /** Its promises wait for nothing but other promises: no time, no input. A host whose runs can be repeated may ask for that. */
  readonly isScripted?: boolean;
  call(caller: Caller, ...args: never[]): Promise<HostResult> | HostResult;
}

/**
 * May call the guest again without using the JavaScript stack: `call` and each continuation return
 * results or a {@link FrameRequest}. A trap of the called function arrives at the continuation as an
 * outcome; terminations do not.
 */
export interface FrameDefinition extends HostDefinitionBase {
  readonly kind: "frame";
  call(caller: Caller, ...args: never[]): HostResult | FrameRequest;
  readonly continuations: Continuations;
}

/**
 * A plain function that takes i32, i64 and f64 and returns at most one integer. It reads its arguments where the guest
 * has put them, so no JavaScript value is made that it does not want, and the hot loop calls it without being left. An i64
 * may be returned as a bigint, or as a number that is a safe integer.
 */
export interface DirectDefinition extends HostDefinitionBase {
  readonly kind: "direct";
  /** Fuel of every call, besides what it charges itself. Default: 0. */
  readonly fuel?: number;
  /** A call that is too long for one step returns {@link continueWith}: from there on it is as one of a frame function. */
  readonly continuations?: Continuations;
  call(caller: DirectCaller): number | bigint | undefined | typeof SUSPEND | FrameRequest;
}

/** A host function of any kind. */
export type HostDefinition = PlainDefinition | AsyncDefinition | FrameDefinition | DirectDefinition;

/** The steps after the first; null for one that has none. */
export function continuationsOf(definition: HostDefinition): Continuations | null {
  return (definition.kind === "frame" || definition.kind === "direct" ? definition.continuations : null) ?? null;
}

/** A host function in a store. */
export interface HostFunc {
  /** For errors and backtraces: its definition's, or what it is imported as. */
  readonly name: string;
  readonly address: number;
  readonly typeId: number;
  readonly type: FuncType;
  readonly definition: HostDefinition;
  /** The definition if it is direct, its type of result, and its fuel. */
  readonly direct: DirectDefinition | null;
  readonly directResult: ValType | null;
  readonly directFuel: number;
}

/** Throws `TypeError` or `RangeError` for what is no definition of a host function; `name` says whose it is. */
export function checkHostDefinition(definition: HostDefinition, name: string): void {
  hostFuncType(definition, name);
}

/** Throws as {@link checkHostDefinition}; `imported` is its name if it has none. */
export function hostFuncAt(
  address: number,
  engine: Engine,
  definition: HostDefinition,
  imported = "without a name",
): HostFunc {
  const name = definition?.name ?? imported;
  const type = hostFuncType(definition, name);
  const direct = definition.kind === "direct" ? definition : null;
  const directResult = direct === null ? null : (type.results[0] ?? null);
  const directFuel = direct?.fuel ?? 0;
  if (!(Number.isSafeInteger(directFuel) && directFuel >= 0))
    throw new RangeError(`fuel ${directFuel} of host function ${name}`);
  const typeId = engine.funcTypeId(type);
  // The engine's own object: many imports have few types.
  return { name, address, typeId, type: engine.types.funcType(typeId), definition, direct, directResult, directFuel };
}

/** A function of a store: of an instance or of the host. */
export class Func {
  readonly kind = "func";
  readonly store: Store;
  /** Its address in the store: the value of a reference to it. */
  readonly address: number;

  constructor(store: Store, address: number) {
    this.store = store;
    this.address = address;
  }

  /** In the engine's types. */
  get type(): FuncType {
    return this.store.typeAt(this.address);
  }

  /** The engine's id of the type. */
  get typeId(): number {
    return this.store.typeIdOf(this.address);
  }

  /** The instance and function index, or null for a host function. */
  get origin(): { readonly instance: Instance; readonly index: number } | null {
    const owner = this.store.ownerOf(this.address);
    return "definition" in owner ? null : { instance: owner, index: this.address - owner.funcsAt };
  }
}
