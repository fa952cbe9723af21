/** All that an invocation remembers while it is paused, as snapshot/ reads and restores it. */

import type { FuncType, ValType } from "../types.ts";
import type { GuestOutcome, HostFunc } from "../runtime/func.ts";
import type { HeapObject } from "../runtime/heap-object.ts";
import type { Instance } from "../runtime/instance.ts";
import type { Value } from "../runtime/values.ts";
import type { Activation } from "./activations.ts";
import type { Machine } from "./machine.ts";
import type { HandlerSearch } from "./search.ts";

/** What happens next, between two pieces of guest code. */
export const enum Next {
  /** Go on with the machine's code. */
  Run,
  /** Enter `callee` with its arguments at `argsAt`. */
  Call,
  /** The callee of the topmost activation has returned; its results are at `argsAt`. */
  Return,
  /** The host function in `pending` has to be answered. */
  Answer,
  /** The frame function of the topmost activation goes on, without having called anything or with a trap. */
  Continue,
  /** A host function is running. */
  Host,
  /** The machine's waiter has to be woken. */
  Wait,
  /** Who catches the machine's exception is being looked for. */
  Throw,
  Done,
}

export type Answer = { readonly values: readonly Value[] } | { readonly error: unknown };

/** The private state of an {@link Invocation}, under the same names. */
export interface InvocationRecord {
  readonly machine: Machine;
  readonly type: FuncType;
  readonly entryAddress: number;
  readonly bits: boolean;
  /** Outermost first. */
  readonly activations: readonly Activation[];
  readonly next: Next;
  readonly pending: { readonly host: HostFunc; readonly argsAt: number } | null;
  readonly answer: Answer | null;
  readonly hostParams: readonly ValType[];
  readonly isInside: boolean;
  readonly usedBefore: number;
  readonly debt: number;
  readonly gaveWay: boolean;
  readonly outcome: GuestOutcome | null;
  /** Where the search for who catches the machine's exception stands, if that is next. */
  readonly search: HandlerSearch | null;
  readonly callerInstance: Instance | null;
  readonly maxWords: number;
  readonly pinned: readonly HeapObject[];
  /** What the host function that waits has charged. */
  readonly callFuel: number;
  /** What the host function that is called next has charged before, when it was called for the first time. */
  readonly prepaid: number;
}
