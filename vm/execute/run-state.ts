/**
 * All that an invocation is while it lasts, as data: its registers, where control goes next, and its fuel. The files that do one part
 * of its work each (guest-code.ts, host-calls.ts, direct-calls.ts, unwinding.ts) work on it; snapshots read it as an `InvocationRecord`.
 */

import { DOUBLE_ZERO } from "../doubles.ts";
import { Termination } from "../errors.ts";
import { COLLECTION_STEP_WORDS, INITIAL_FRAME_SLOTS } from "../limits.ts";
import { valueText } from "../options.ts";
import type { GuestOutcome, HostFunc } from "../runtime/func.ts";
import type { HeapObject } from "../runtime/heap-object.ts";
import type { Instance } from "../runtime/instance.ts";
import { NONE } from "../runtime/lists.ts";
import type { Store } from "../runtime/store.ts";
import { decodeBits, decodeValue, encodeBits, encodeValue, slotsOf, type Value } from "../runtime/values.ts";
import type { FuncType, ValType } from "../types.ts";
import { type Activation, ActivationStack } from "./activations.ts";
import type { DirectCaller } from "./caller.ts";
import type { DirectEnd } from "./direct-calls.ts";
import type { Invocation } from "./invocation.ts";
import { Exit, Machine } from "./machine.ts";
import type { Entry } from "./outcome.ts";
import { Next, type Answer, type InvocationRecord } from "./record.ts";
import type { HandlerSearch } from "./search.ts";

/** The run whose turn is on the JavaScript stack now, if any. */
let active: RunState | null = null;

/** The run whose turn is on the JavaScript stack now, if any: it has called the host. */
export function activeRun(): RunState | null {
  return active;
}

/** Says whose turn it is, and returns whose it was. */
export function setActive(run: RunState | null): RunState | null {
  const former = active;
  active = run;
  return former;
}

/** One run of guest code. */
export class RunState implements InvocationRecord {
  readonly store: Store;
  readonly invocation: Invocation;
  machine: Machine;
  type: FuncType;
  readonly entryAddress: number;
  readonly bits: boolean;
  /** Where control goes when callees return. */
  readonly stack: ActivationStack;
  next: Next = Next.Call;
  /** The host function that has been called and not answered; its results go to `argsAt`. */
  pending: { readonly host: HostFunc; readonly argsAt: number } | null = null;
  answer: Answer | null = null;
  /** The host function is called for the first time: its arguments, at `argsAt`, keep objects alive until it is done. */
  hostParams: readonly ValType[] = NONE;
  /** Exceptions that host functions have met; they live until the next one is called. */
  pinned: HeapObject[] = NONE;
  /** The machine is in the middle of the operation at its position, which waits for more fuel or a collection. */
  isInside = false;
  awaitsCollection = false;
  ready: Promise<void> | null = null;
  /** Fuel left of this turn; while code runs, the machine's fuel less its position is. */
  remaining = 0;
  turnFuel = 0;
  usedBefore = DOUBLE_ZERO;
  /** Fuel charged by host functions and not yet paid. */
  debt = DOUBLE_ZERO;
  /** What the host function that was called last has charged. */
  callFuel = DOUBLE_ZERO;
  /** What of it is paid because the call is made again, after a restore. */
  prepaid = DOUBLE_ZERO;
  /** Fuel of the turn that the machine does not have, so that it comes back for training. */
  heldFuel = 0;
  gaveWay = false;
  /** What ends the run as soon as the host function that is running returns. */
  ending: Error | null = null;
  /** How the guest call has ended that the frame function which continues next has asked for: by a trap or an exception. */
  outcome: GuestOutcome | null = null;
  /** Who catches an exception: the search that is next, or the last one, to be used again. */
  search: HandlerSearch | null = null;
  /** The instance whose code has called the host function that is called, or goes on; null for the embedder. */
  callerInstance: Instance | null = null;
  /** The caller of direct host functions, and how a call of one ended that did not simply return. */
  directCaller: DirectCaller | null = null;
  directEnd: DirectEnd | null = null;
  /** Why the hot loop has to be left for a call of an import. */
  importExit: Exit = Exit.CallImport;
  maxWords: number;
  /** How it ended: what it returned, or the error that ended it. */
  values: Value[] = NONE;
  error: unknown = null;
  /** The run whose host function runs this one. */
  parent: RunState | null = null;

  /** Throws `Termination` when there is no room for frames. */
  constructor(invocation: Invocation, store: Store, { address, type }: Entry, bits: boolean) {
    this.store = store;
    this.stack = new ActivationStack(store);
    this.invocation = invocation;
    this.type = type;
    this.bits = bits;
    this.entryAddress = address;
    this.maxWords = store.maxFrameSlots * 2;
    store.reserve("frames", INITIAL_FRAME_SLOTS * 8);
    this.machine = new Machine(INITIAL_FRAME_SLOTS);
    this.machine.run = this;
    this.machine.callee = address;
  }

  /** Goes on where another one paused. The record is valid. Throws `Termination`. */
  restore(record: InvocationRecord): void {
    const added = record.machine.words.byteLength - this.machine.words.byteLength;
    if (added > 0) this.store.reserve("frames", added);
    this.stack.replace(record.activations);
    this.machine.retire();
    this.machine = record.machine;
    this.machine.run = this;
    this.type = record.type;
    this.next = record.next;
    this.pending = record.pending;
    this.answer = record.answer;
    this.hostParams = record.hostParams;
    this.isInside = record.isInside;
    this.usedBefore = record.usedBefore;
    this.debt = record.debt;
    this.gaveWay = record.gaveWay;
    this.outcome = record.outcome;
    this.search = record.search;
    this.callerInstance = record.callerInstance;
    this.maxWords = record.maxWords;
    this.pinned = record.pinned.length === 0 ? NONE : [...record.pinned];
    this.prepaid = record.prepaid;
  }

  /** For snapshots. */
  get activations(): readonly Activation[] {
    return this.stack.list();
  }

  /** Its turn is on the JavaScript stack. */
  get isRunning(): boolean {
    for (let run = active; run !== null; run = run.parent) {
      if (run === this) return true;
    }
    return false;
  }

  /** The machine stands in guest code. */
  get isInCode(): boolean {
    const { next } = this;
    return next === Next.Run || next === Next.Wait || (next === Next.Throw && this.search!.isInCode);
  }

  /** Adds to the fuel used; what exceeds the turn is paid in later turns, before anything else. Throws `RangeError`. */
  charge(fuel: number): void {
    if (!(typeof fuel === "number" && fuel >= 0 && fuel <= Number.MAX_SAFE_INTEGER)) {
      throw new RangeError(`fuel ${valueText(fuel)} is not a positive number`);
    }
    let charged = Math.ceil(fuel);
    if (this.next === Next.Host) {
      this.callFuel += charged;
      const prepaid = Math.min(charged, this.prepaid);
      this.prepaid -= prepaid;
      charged -= prepaid;
    }
    this.debt += charged;
  }

  /** Pays what host functions have charged, as far as the turn's fuel goes. */
  payDebt(): void {
    const paid = Math.min(this.debt, Math.max(this.remaining, 0));
    if (paid === 0) return;
    this.debt -= paid;
    this.remaining = (this.remaining - paid) | 0;
    this.machine.fuel = (this.machine.fuel - paid) | 0;
  }

  /** A host function is called for the first time. */
  beginHost(host: HostFunc): void {
    this.hostParams = host.type.params;
    this.pinned = NONE;
    this.callFuel = 0;
    this.next = Next.Host;
  }

  /** Takes a step of a collection; false when there is more to do. */
  collect(): boolean {
    this.awaitsCollection = !this.store.heap.collect(COLLECTION_STEP_WORDS);
    return !this.awaitsCollection;
  }

  /** Makes room for frames up to there. Throws `Termination`. */
  ensureWords(words: number): void {
    const x = this.machine;
    if (words <= x.limitWords) return;
    const doubled = Math.min(this.maxWords, x.limitWords * 2);
    const slots = Math.ceil(Math.max(words, doubled) / 2);
    const added = slots * 8 - x.words.byteLength;
    this.store.reserve("frames", added);
    try {
      x.growTo(slots);
    } catch {
      this.store.accountant.release("frames", added);
      throw new Termination("host out of memory", `${slots} slots of frames`);
    }
  }

  /** Gives back what it has taken. It has ended. */
  retire(): void {
    this.store.accountant.release("frames", this.machine.words.byteLength);
    this.stack.retire();
    this.machine.retire();
  }

  encode(types: readonly ValType[], values: readonly Value[], at: number, bits: boolean): void {
    const { words } = this.machine;
    for (let i = 0; i < types.length; i++) {
      const type = types[i]!;
      if (bits) encodeBits(this.store, type, values[i], words, at);
      else encodeValue(this.store, type, values[i], words, at);
      at += 2 * slotsOf(type);
    }
  }

  decode(types: readonly ValType[], at: number, bits: boolean): Value[] {
    const { words } = this.machine;
    const values: Value[] = [];
    for (const type of types) {
      values.push(bits ? decodeBits(this.store, type, words, at) : decodeValue(this.store, type, words, at));
      at += 2 * slotsOf(type);
    }
    return values;
  }
}
