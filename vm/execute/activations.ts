/**
 * Where control goes when callees return that are not of the same instance, outermost first. What was left stays in its place to be
 * used again: a guest that nests tens of thousands, again and again, makes no garbage that V8 has to move.
 */

import { InternalError } from "../errors.ts";
import { ACTIVATION_BYTES, ACTIVATIONS_STEP, FREE_ACTIVATIONS } from "../limits.ts";
import type { FrameState, HostFunc } from "../runtime/func.ts";
import type { Instance } from "../runtime/instance.ts";
import type { Store } from "../runtime/store.ts";
import type { FuncType } from "../types.ts";
import type { Machine } from "./machine.ts";

/** To the code of `instance` at `pc`, where P is `position`. */
export interface CallActivation {
  readonly kind: "call";
  instance: Instance;
  pc: number;
  fp: number;
  position: number;
}

/** To a continuation of a frame function, whose arguments are at `argsAt` and whose caller is the activation below. */
export interface HostActivation {
  readonly kind: "host";
  host: HostFunc;
  /** The instance that has called it. */
  caller: Instance | null;
  argsAt: number;
  continuation: string;
  state: FrameState;
  /** The type of what it has called, if it has called anything. */
  called: FuncType | null;
}

/** Plain data. The first is to the embedder. */
export type Activation = { readonly kind: "entry" } | CallActivation | HostActivation;

const ENTRY: Activation = { kind: "entry" };

/** The activations of one run. */
export class ActivationStack {
  readonly #store: Store;
  /** Those from `length` on have been left. Room for a call and one inside it, which most have at most: pushing makes room for 17. */
  #items: Activation[] = [ENTRY, ENTRY, ENTRY];
  #length = 1;
  /** So many of them may there be before more memory is asked for. */
  #paid = FREE_ACTIVATIONS;

  constructor(store: Store) {
    this.#store = store;
  }

  get length(): number {
    return this.#length;
  }

  get top(): Activation {
    return this.#items[this.#length - 1]!;
  }

  /** The activation at a place; it may be another one's once it is left. */
  at(index: number): Activation {
    return this.#items[index]!;
  }

  /** For a call that the machine stands behind. Throws `Termination`. */
  pushCall(instance: Instance, { pc, fp, position }: Machine): void {
    const at = this.#next();
    const left = this.#items[at];
    if (left?.kind === "call") {
      left.instance = instance;
      left.pc = pc;
      left.fp = fp;
      left.position = position;
    } else this.#items[at] = { kind: "call", instance, pc, fp, position };
  }

  /** Leaves the topmost one, a call: what the hot loop does when it has called the host. */
  leaveCall(): void {
    this.#length--;
  }

  /** For a frame function that goes on at a continuation. Throws `Termination`. */
  pushHost(
    host: HostFunc,
    caller: Instance | null,
    argsAt: number,
    continuation: string,
    state: FrameState,
    called: FuncType | null,
  ): void {
    const at = this.#next();
    const left = this.#items[at];
    if (left?.kind === "host") {
      left.host = host;
      left.caller = caller;
      left.argsAt = argsAt;
      left.continuation = continuation;
      left.state = state;
      left.called = called;
    } else this.#items[at] = { kind: "host", host, caller, argsAt, continuation, state, called };
  }

  /** Leaves the topmost one, which is valid until another one is pushed, but for its state. */
  pop(): void {
    const at = this.#length - 1;
    if (at === 0) throw new InternalError("return without an activation");
    const activation = this.#items[at]!;
    if (activation.kind === "host") activation.state = null;
    this.#length = at;
  }

  /** Leaves all but so many. */
  truncate(length: number): void {
    for (let i = length; i < this.#length; i++) {
      const activation = this.#items[i]!;
      // It may be large.
      if (activation.kind === "host") activation.state = null;
    }
    this.#length = length;
  }

  /** All of them, as a list of its own. */
  list(): Activation[] {
    return this.#items.slice(0, this.#length);
  }

  /** Makes them those of a list. Throws `Termination`. */
  replace(activations: readonly Activation[]): void {
    this.#pay(activations.length);
    this.#items = [...activations];
    this.#length = activations.length;
  }

  /** Gives back what it has taken: the run has ended. */
  retire(): void {
    const paid = this.#paid - FREE_ACTIVATIONS;
    if (paid > 0) this.#store.accountant.release("activations", paid * ACTIVATION_BYTES);
    this.#paid = FREE_ACTIVATIONS;
    this.#items = [ENTRY];
    this.#length = 1;
  }

  /** The place of one more. */
  #next(): number {
    const at = this.#length;
    if (at >= this.#paid) this.#pay(at + 1);
    this.#length = at + 1;
    return at;
  }

  /** They lie in V8's heap, and a guest can have tens of thousands. As with frames, the most that there were count until the end. */
  #pay(count: number): void {
    if (count <= this.#paid) return;
    const added = Math.ceil((count - this.#paid) / ACTIVATIONS_STEP) * ACTIVATIONS_STEP;
    this.#store.reserve("activations", added * ACTIVATION_BYTES);
    this.#paid += added;
  }
}
