/**
 * One run of guest code: a call from the embedder, or an instantiation. It drives the hot loop in
 * turns of fuel, does what the loop leaves for it (host functions, calls between instances, frame
 * growth, lowering), and keeps all that a pause has to remember as data.
 */

import { GuestExit, InternalError, Termination, Trap } from "../errors.ts";
import {
  COLD_FUEL,
  COLLECTION_STEP_WORDS,
  INITIAL_FRAME_SLOTS,
  LOWERING_STEP_INSTRUCTIONS,
  MAX_TURN_FUEL,
  TRAINING_FUEL,
  FRAME_STEP_FUEL,
  MAX_REENTRIES,
  REENTRY_FUEL,
  REENTRY_SLOTS,
} from "../limits.ts";
import { Head, Link, Reg } from "../lower/code.ts";
import { RootKind } from "../lower/source.ts";
import { Op } from "../opcodes.ts";
import { valueText } from "../options.ts";
import {
  continuationsOf,
  FrameRequest,
  SUSPEND,
  type Func,
  type GuestOutcome,
  type HostFunc,
} from "../runtime/func.ts";
import { GuestException } from "../runtime/guest-exception.ts";
import type { HeapObject } from "../runtime/heap-object.ts";
import { added, NONE } from "../runtime/lists.ts";
import type { Instance } from "../runtime/instance.ts";
import type { Store } from "../runtime/store.ts";
import { decodeBits, decodeValue, encodeBits, encodeValue, slotCount, slotsOf, type Value } from "../runtime/values.ts";
import { WaitResult, type AtomicWait } from "../runtime/waiters.ts";
import { Num, type FuncType, type ValType } from "../types.ts";
import { DOUBLE_ZERO } from "../doubles.ts";
import { addBacktrace, fuelAtTrap } from "./backtrace.ts";
import { Caller, DirectCaller } from "./caller.ts";
import { switchCode } from "./exact.ts";
import { run } from "./interpreter.ts";
import { Exit, Machine, type Activation, type CallActivation, type ImportCaller } from "./machine.ts";
import { Next, type Answer, type InvocationRecord } from "./record.ts";
import { findHandler, guestException, land } from "./exceptions.ts";
import type { InvocationState } from "./roots.ts";
import { calleeIn, funcReference } from "./slow.ts";
import { hasWarmedUp, trainingSteps } from "./training.ts";
import { TRAPS } from "./traps.ts";

/** How a turn ended. `fuelUsed` is the invocation's total so far. */
export type Outcome =
  | { readonly kind: "returned"; readonly values: Value[]; readonly fuelUsed: number }
  /**
   * `fuel`: the turn's fuel is used. `voluntary`: a host function gave way. `preparing`: code is
   * being lowered, which takes no fuel and happens at different moments in different runs.
   */
  | { readonly kind: "yielded"; readonly reason: "fuel" | "preparing" | "voluntary"; readonly fuelUsed: number }
  /**
   * A host function has to finish first. `ready` resolves, and never rejects, when the next `run`
   * can go on; it is null for `SUSPEND`, which {@link Invocation.resume} or `fail` answers.
   */
  | {
      readonly kind: "waiting";
      readonly reason: "hostCall";
      readonly ready: Promise<void> | null;
      readonly fuelUsed: number;
    }
  /**
   * The guest waits at an address of a shared memory until another invocation wakes it. There is no
   * clock here: whoever runs the invocation calls `wait.timeOut()` when `wait.timeoutNs` have passed.
   */
  | {
      readonly kind: "waiting";
      readonly reason: "atomicWait";
      readonly ready: Promise<void>;
      readonly wait: AtomicWait;
      readonly fuelUsed: number;
    };

/** Options of one turn. */
export interface TurnOptions {
  /** Fuel of this turn. Default, and at most, 2^30 - 1. */
  readonly fuel?: number;
  /**
   * Stop before the instruction that would exceed the fuel, in place of at the next safe point. An
   * instruction dearer than the whole turn runs alone. Default: false.
   */
  readonly exact?: boolean;
}

/** Options of an {@link Invocation}. */
export interface InvocationOptions {
  /** Numbers go in and out as their bits, in unsigned bigints. Default: false. */
  readonly bits?: boolean;
}

/** What is called: a function by its address. `type` says how to read arguments and results. */
export interface Entry {
  readonly address: number;
  readonly type: FuncType;
}

/** Words between the arguments of a frame function and those of the function it calls. */
export const HOST_FRAME_WORDS = 4;
const ENTRY: Activation = { kind: "entry" };

/** Fuel that guests of this isolate may still use before the hot loop is trained; infinite afterwards. */
let untrainedFuel = TRAINING_FUEL;

/** The training that is under way: a step at the end of each turn, since all at once would hold up everybody for tens of milliseconds. */
let training: Iterator<void> | null = null;

/** Fuel until V8 has, by and large, optimised the loop for what the training has shown it. */
let coldFuel = 0;

/** Whether the hot loop is slow at present, since V8 has to optimise it anew: turns should be short. */
export function isLoopCold(): boolean {
  return coldFuel > 0;
}

/** Begins the training, or does a step of it. */
function trainLoop(): void {
  if (training === null && hasWarmedUp()) {
    untrainedFuel = Number.POSITIVE_INFINITY;
    return;
  }
  const steps = training ?? trainingSteps();
  coldFuel = COLD_FUEL;
  // The guests of the training come here too.
  untrainedFuel = Number.POSITIVE_INFINITY;
  training = null;
  // It instantiates modules, which no guest pays for.
  const running = active;
  active = null;
  try {
    if (steps.next().done !== true) training = steps;
  } finally {
    active = running;
  }
}

/** The invocation whose `run` is on the JavaScript stack now, if any. */
let active: Invocation | null = null;

/** A call that is run turn by turn, with fuel for each turn. (spec: embed-func-invoke) */
export class Invocation implements ImportCaller {
  readonly store: Store;
  #machine: Machine;
  #type: FuncType;
  readonly #entryAddress: number;
  readonly #bits: boolean;
  /** Where control goes when callees return, outermost first. */
  #activations = firstActivations();
  #next: Next = Next.Call;
  /** The host function that has been called and not answered; its results go to `argsAt`. */
  #pending: { readonly host: HostFunc; readonly argsAt: number } | null = null;
  #answer: Answer | null = null;
  /** The host function is called for the first time: its arguments, at `argsAt`, keep objects alive until it is done. */
  #hostParams: readonly ValType[] = [];
  /** Exceptions that host functions have met; they live until the next one is called. */
  #pinned: HeapObject[] = NONE;
  /** The machine is in the middle of the operation at its position, which waits for more fuel or a collection. */
  #isInside = false;
  #awaitsCollection = false;
  #ready: Promise<void> | null = null;
  /** Fuel left of this turn; while code runs, the machine's fuel less its position is. */
  #remaining = 0;
  #turnFuel = 0;
  #usedBefore = DOUBLE_ZERO;
  /** Fuel charged by host functions and not yet paid. */
  #debt = DOUBLE_ZERO;
  /** What the host function that was called last has charged. */
  #callFuel = DOUBLE_ZERO;
  /** What of it is paid because the call is made again, after a restore. */
  #prepaid = DOUBLE_ZERO;
  #gaveWay = false;
  /** What ends the run as soon as the host function that is running returns. */
  #ending: Error | null = null;
  /** The trap that the frame function which continues next contains. */
  #outcome: GuestOutcome | null = null;
  /** The instance whose code has called the host function that is called, or goes on; null for the embedder. */
  #callerInstance: Instance | null = null;
  /** The caller of direct host functions, the activation of their calls, and one that did not simply return. */
  #direct: DirectCaller | null = null;
  #directActivation: CallActivation | null = null;
  #directEnd: { readonly host: HostFunc; readonly result: unknown } | { readonly error: unknown } | null = null;
  /** Why the hot loop has to be left for a call of an import. */
  importExit: Exit = Exit.CallImport;
  /** Fuel of the turn that the machine does not have, so that it comes back for training. */
  #heldFuel = 0;
  #error: unknown = null;
  #values: Value[] = NONE;
  #maxWords: number;

  /** Use `Store.invoke`, `Instance.invoke` or `Store.instantiation`. Throws `TypeError` for wrong arguments. */
  constructor(store: Store, entry: Entry, args: readonly Value[], options: InvocationOptions = {}) {
    const { params, results } = entry.type;
    if (args.length !== params.length) throw new TypeError(`expected ${params.length} arguments, got ${args.length}`);
    this.store = store;
    this.#type = entry.type;
    this.#bits = options.bits ?? false;
    this.#maxWords = store.maxFrameSlots * 2;
    store.reserve("frames", INITIAL_FRAME_SLOTS * 8);
    this.#machine = new Machine(INITIAL_FRAME_SLOTS);
    this.#machine.imports = this;
    this.#machine.callee = entry.address;
    this.#entryAddress = entry.address;
    try {
      this.#ensureWords(2 * Math.max(slotCount(params), slotCount(results)));
      this.#encode(params, args, 0, this.#bits);
      store.addInvocation(this);
    } catch (error) {
      this.#end(error);
      throw error;
    }
  }

  /** All that it remembers; null while it runs, and after its end. */
  get record(): InvocationRecord | null {
    if (this.#isRunning() || this.#next === Next.Done || this.#next === Next.Host) return null;
    return {
      machine: this.#machine,
      type: this.#type,
      entryAddress: this.#entryAddress,
      bits: this.#bits,
      activations: this.#activations,
      next: this.#next,
      pending: this.#pending,
      answer: this.#answer,
      hostParams: this.#hostParams,
      isInside: this.#isInside,
      usedBefore: this.#usedBefore,
      debt: this.#debt,
      gaveWay: this.#gaveWay,
      outcome: this.#outcome,
      callerInstance: this.#callerInstance,
      maxWords: this.#maxWords,
      pinned: this.#pinned,
      callFuel: this.#callFuel,
      prepaid: this.#prepaid,
    };
  }

  /** An invocation that goes on where another one paused. The record is valid. Throws `Termination`. */
  static restored(store: Store, record: InvocationRecord): Invocation {
    const entry = { address: record.entryAddress, type: { params: [], results: [] } };
    const invocation = new Invocation(store, entry, [], { bits: record.bits });
    const added = record.machine.words.byteLength - invocation.#machine.words.byteLength;
    if (added > 0) store.reserve("frames", added);
    invocation.#machine.retire();
    invocation.#machine = record.machine;
    invocation.#machine.imports = invocation;
    invocation.#type = record.type;
    invocation.#activations = [...record.activations];
    invocation.#next = record.next;
    invocation.#pending = record.pending;
    invocation.#answer = record.answer;
    invocation.#hostParams = record.hostParams;
    invocation.#isInside = record.isInside;
    invocation.#usedBefore = record.usedBefore;
    invocation.#debt = record.debt;
    invocation.#gaveWay = record.gaveWay;
    invocation.#outcome = record.outcome;
    invocation.#callerInstance = record.callerInstance;
    invocation.#maxWords = record.maxWords;
    invocation.#pinned = record.pinned.length === 0 ? NONE : [...record.pinned];
    invocation.#prepaid = record.prepaid;
    return invocation;
  }

  /** The host function that waits for {@link resume} or {@link fail}, with its arguments if it was called just once. */
  get pendingCall(): { readonly func: Func; readonly name: string; readonly args: readonly Value[] } | null {
    if (this.#next !== Next.Answer || this.#pending === null || this.#answer !== null) return null;
    const { host, argsAt } = this.#pending;
    const args = this.#decode(this.#hostParams, argsAt, false);
    return { func: this.store.funcAt(host.address), name: hostName(host), args };
  }

  /** The name of the host function that it waits for, for reports. Null while it does not wait for one. */
  get waitsIn(): string | null {
    if (this.#next !== Next.Answer || this.#pending === null || this.#answer !== null) return null;
    return this.#pending.host.definition.name ?? "a host function";
  }

  /** Fuel used so far: the price of every instruction that ran, and what host functions charged. */
  get fuelUsed(): number {
    return this.#usedBefore + 0;
  }

  /** What was called, as it reads arguments and gives results. */
  get type(): FuncType {
    return this.#type;
  }

  /** Neighbours in the store's list of those that have not ended. */
  earlier: Invocation | null = null;
  later: Invocation | null = null;

  /** Bytes of frames that are reserved. */
  get frameByteLength(): number {
    return this.#machine.words.byteLength;
  }

  /** The invocation that is running on the JavaScript stack, and has called the host, if any. */
  static get current(): Invocation | null {
    return active;
  }

  /** Fuel that the running turn has left. */
  get remainingFuel(): number {
    return Math.max(0, this.#remaining - this.#debt);
  }

  /**
   * Runs until the fuel is gone, a host function has to wait, or the end. Throws what ended the
   * guest: `Trap`, `Termination`, or what a host function threw. After the end every `run` gives
   * the same again. Throws `TypeError` when called from inside itself, `RangeError` for fuel that is
   * negative or not a number. Fractions of fuel are rounded down.
   */
  run({ fuel = MAX_TURN_FUEL, exact = false }: TurnOptions = {}): Outcome {
    if (!(typeof fuel === "number" && fuel >= 0))
      throw new RangeError(`fuel ${valueText(fuel)} is not a positive number`);
    if (this.#isRunning()) throw new TypeError("the invocation is running");
    if (this.#next === Next.Done) return this.#ended();
    const parent = active;
    const usedBefore = this.#usedBefore;
    this.#parent = parent;
    this.store.turnCount++;
    active = this;
    try {
      if (parent !== null) this.#nestIn(parent);
      // A small integer for V8, whatever the embedder has computed.
      return this.#turn(Math.min(fuel, MAX_TURN_FUEL) | 0, exact);
    } catch (error) {
      // What the host function that failed has charged counts too.
      this.#account();
      this.#usedBefore += this.#debt;
      this.#debt = 0;
      this.#end(error);
      throw error;
    } finally {
      active = parent;
      this.#parent = null;
      parent?.charge(REENTRY_FUEL + this.#usedBefore - usedBefore);
    }
  }

  #parent: Invocation | null = null;

  #isRunning(): boolean {
    for (let running = active; running !== null; running = running.#parent) {
      if (running === this) return true;
    }
    return false;
  }

  /** Frames of a guest called by a host function count in the depth of the guest that called the host. */
  #nestIn(parent: Invocation): void {
    const { argsAt, fp } = parent.#machine;
    const reentry = Math.max(REENTRY_SLOTS, Math.ceil(parent.store.maxFrameSlots / MAX_REENTRIES));
    const left = parent.#maxWords - Math.max(argsAt, fp) - reentry * 2;
    this.#maxWords = Math.min(this.store.maxFrameSlots * 2, left);
    if (this.#maxWords <= 0) throw new Trap("call stack exhausted");
  }

  /** Answers a host function that returned `SUSPEND`. Throws `TypeError` when none waits. */
  resume(values: readonly Value[]): void {
    this.#setAnswer({ values });
  }

  /** As {@link resume}, but the call ends with an error: a `Trap` traps, anything else ends the run. */
  fail(error: unknown): void {
    this.#setAnswer({ error });
  }

  #setAnswer(answer: Answer): void {
    if (this.#next !== Next.Answer || this.#answer !== null) throw new TypeError("no host call is waiting");
    this.#answer = answer;
  }

  /**
   * Ends the run from outside: the next `run` throws `error`, or the present one, when the host function that
   * it has called returns. Nothing happens after the end.
   */
  terminate(error: Error): void {
    if (this.#next === Next.Done) return;
    if (this.#isRunning()) {
      this.#ending ??= error;
      return;
    }
    if (error instanceof Termination) addBacktrace(error, this.#machine, this.#activations, this.#isInCode());
    this.#end(error);
  }

  /** Adds to the fuel used; what exceeds the turn is paid in later turns, before anything else. Throws `RangeError`. */
  charge(fuel: number): void {
    if (!(typeof fuel === "number" && fuel >= 0 && fuel <= Number.MAX_SAFE_INTEGER)) {
      throw new RangeError(`fuel ${valueText(fuel)} is not a positive number`);
    }
    let charged = Math.ceil(fuel);
    if (this.#next === Next.Host) {
      this.#callFuel += charged;
      const prepaid = Math.min(charged, this.#prepaid);
      this.#prepaid -= prepaid;
      charged -= prepaid;
    }
    this.#debt += charged;
  }

  /** Lets the turn end when the host function that is running returns. */
  giveWay(): void {
    this.#gaveWay = true;
  }

  // One turn.

  #turn(fuel: number, exact: boolean): Outcome {
    const x = this.#machine;
    this.#turnFuel = fuel;
    this.#remaining = fuel;
    this.#payDebt();
    // Only the operation that grows a memory may run while it moves.
    if (this.store.moving !== x.growing) this.store.moving?.finishMove();
    // And while objects move only what waits for them.
    if (this.store.isCollecting && !this.#awaitsCollection) this.store.finishCollection();
    this.#awaitsCollection = false;
    if (exact !== x.isExact) switchCode(x, this.#activations, exact, this.#isInCode());
    x.isExact = exact;
    if (this.#remaining <= 0) return this.#isWaiting() ? this.#waiting() : this.#yield("fuel");
    if (this.#next === Next.Run) this.#reenterCode(exact);
    for (;;) {
      if (this.#ending !== null) throw this.#ending;
      if (this.#remaining <= 0 && this.#mayPause(exact)) return this.#yield("fuel");
      if (this.#gaveWay) return this.#yield("voluntary");
      switch (this.#next) {
        case Next.Run:
          if (!this.#runCode()) return this.#yield(this.#remaining > 0 ? "preparing" : "fuel");
          break;
        case Next.Call:
          if (!this.#enter(x.callee, x.argsAt)) return this.#yield("preparing");
          break;
        case Next.Return:
          this.#return(x.argsAt);
          break;
        case Next.Answer:
          if (this.#answer === null) return this.#waiting();
          this.#receive(this.#answer);
          break;
        case Next.Continue: {
          const outcome = this.#outcome;
          this.#outcome = null;
          this.#continue(outcome);
          break;
        }
        case Next.Wait:
          if (this.#isWaiting()) return this.#waiting();
          this.#next = Next.Run;
          this.#reenterCode(exact);
          break;
        default:
          this.#account();
          return this.#ended();
      }
      this.#payDebt();
    }
  }

  /**
   * Without fuel: exact code stops at its own boundaries; a guest function is entered before it pauses, as in the
   * loop; nothing stops between a callee's end and its caller.
   */
  #mayPause(exact: boolean): boolean {
    if (this.#debt > 0) return this.#next !== Next.Done;
    if (exact) return this.#next === Next.Continue;
    if (this.#next === Next.Call) return "definition" in this.store.ownerOf(this.#machine.callee);
    return this.#next !== Next.Return && this.#next !== Next.Done;
  }

  #isWaiting(): boolean {
    if (this.#next === Next.Wait) return this.#machine.waiter?.result === null;
    return this.#next === Next.Answer && this.#answer === null;
  }

  /** The machine stands in guest code. */
  #isInCode(): boolean {
    return this.#next === Next.Run || this.#next === Next.Wait;
  }

  #payDebt(): void {
    const paid = Math.min(this.#debt, Math.max(this.#remaining, 0));
    if (paid === 0) return;
    this.#debt -= paid;
    this.#remaining = (this.#remaining - paid) | 0;
    this.#machine.fuel = (this.#machine.fuel - paid) | 0;
  }

  #account(): void {
    untrainedFuel -= Math.max(0, this.#turnFuel - this.#remaining);
    if (coldFuel > 0) coldFuel -= this.#turnFuel - this.#remaining;
    if (untrainedFuel <= 0 || training !== null) trainLoop();
    this.#usedBefore += this.#turnFuel - this.#remaining;
    this.#turnFuel = this.#remaining;
  }

  #yield(reason: "fuel" | "preparing" | "voluntary"): Outcome {
    this.#gaveWay = false;
    this.#account();
    return { kind: "yielded", reason, fuelUsed: this.#usedBefore };
  }

  #waiting(): Outcome {
    this.#account();
    const fuelUsed = this.#usedBefore;
    const { waiter } = this.#machine;
    if (waiter === null) return { kind: "waiting", reason: "hostCall", ready: this.#ready, fuelUsed };
    return { kind: "waiting", reason: "atomicWait", ready: waiter.ready, wait: waiter, fuelUsed };
  }

  #end(error: unknown): void {
    this.#next = Next.Done;
    // Nobody is to be woken in vain.
    this.#machine.waiter?.end(WaitResult.TimedOut);
    this.#error = error ?? new InternalError("a host function threw nothing");
    this.store.removeInvocation(this);
    this.store.accountant.release("frames", this.#machine.words.byteLength);
    this.#machine.retire();
  }

  #ended(): Outcome {
    if (this.#error !== null) throw this.#error;
    return { kind: "returned", values: this.#values, fuelUsed: this.#usedBefore };
  }

  // Guest code.

  /** Makes the machine ready to go on where it paused, in the code that fits the turn. */
  #reenterCode(exact: boolean): void {
    const x = this.#machine;
    x.enter(x.instance!);
    x.fuel = this.#remaining + x.position;
    const { words } = x.module;
    // An instruction dearer than the whole turn runs all the same, else it never would.
    if (exact && words[x.pc] === Reg.CheckExact && x.fuel < words[x.pc + 1]!) x.pc += 3;
  }

  /** False when the turn is over. */
  #runCode(): boolean {
    const x = this.#machine;
    for (;;) {
      let exit: Exit;
      // Until the loop is trained, a long turn is interrupted for that, unseen by the guest.
      const held = x.isExact ? 0 : Math.max(0, x.fuel - x.position - untrainedFuel) | 0;
      this.#heldFuel = held;
      x.fuel -= held;
      try {
        exit = run(x);
      } catch (error) {
        x.fuel += held;
        this.#trappedInCode(error);
        return true;
      }
      x.fuel += held;
      if (held > 0 && (exit === Exit.Paused || exit === Exit.PausedInside) && x.fuel > x.position) {
        trainLoop();
        // The rest of the turn would take long now. The end of the entry frame is no place to pause.
        if (x.pc === 0) continue;
      }
      switch (exit) {
        case Exit.Halted:
          this.#remaining = x.fuel;
          x.argsAt = x.fp;
          this.#next = Next.Return;
          return true;
        case Exit.Paused:
          this.#remaining = x.fuel - x.position;
          this.#isInside = false;
          // The end of the entry frame is no place to pause.
          if (x.pc === 0) continue;
          // Exact code has its own boundaries between the safe points.
          if (x.isExact && x.module.words[x.pc] !== Reg.CheckExact) continue;
          return false;
        case Exit.PausedInside:
          this.#remaining = x.fuel - x.position;
          this.#isInside = true;
          return false;
        case Exit.NeedsCollection:
          this.#remaining = x.fuel - x.position;
          this.#isInside = true;
          if (!this.#collect()) return false;
          x.hasCollected = true;
          continue;
        case Exit.Throw:
          this.#remaining = x.fuel - x.position;
          this.#unwind(x.exception, true);
          return true;
        case Exit.NeedsCode:
          // Entered as a function of another instance is: lowering may take several turns.
          if (x.module.words[x.pc] === Reg.Call) this.#callDirect();
          else this.#callIndirect();
          return true;
        case Exit.NeedsFrames:
          x.position = this.#positionBeforeCall();
          if (x.limitWords >= this.#maxWords) {
            this.#trappedInCode(new Trap("call stack exhausted"));
            return true;
          }
          try {
            this.#ensureWords(Math.min(this.#maxWords, x.limitWords * 2));
          } catch (error) {
            this.#trappedInCode(error);
            return true;
          }
          continue;
        case Exit.AtomicWait:
          this.#remaining = x.fuel - x.position;
          this.#isInside = true;
          this.#next = Next.Wait;
          return true;
        case Exit.CallImport:
          x.callee = x.instance!.funcAddress(x.callee);
          this.#leaveCode();
          return true;
        case Exit.CallAddress:
          this.#leaveCode();
          return true;
        case Exit.HostCalled:
          this.#remaining = x.fuel - x.position;
          this.#directReturned();
          return true;
        case Exit.Reenter:
          x.enter(x.instance!);
          continue;
        case Exit.IndirectSlow:
          this.#callIndirect();
          return true;
        default:
          this.#trappedInCode(new Trap(TRAPS[exit] ?? "unreachable"));
          return true;
      }
    }
  }

  /** P before the call at `pc`, which waits for its callee's code or frame. */
  #positionBeforeCall(): number {
    const { module, pc, instance } = this.#machine;
    const { prices } = instance!.module;
    const { words } = module;
    switch (words[pc]) {
      case Reg.Call:
        return words[pc + 3]! - prices[Op.Call]!;
      case Reg.CallIndirect:
        return words[pc + 4]! - prices[Op.CallIndirect]!;
      case Reg.CallRef:
        return words[pc + 3]! - prices[Op.CallRef]!;
      case Reg.ReturnCallRef:
        return words[pc + 5]! - prices[Op.ReturnCallRef]!;
      case Reg.ReturnCall:
        return words[pc + 5]! - prices[Op.ReturnCall]!;
      default:
        return words[pc + 6]! - prices[Op.ReturnCallIndirect]!;
    }
  }

  /** The machine stands behind a call: `callee` is entered next, and returns there. */
  #leaveCode(): void {
    const x = this.#machine;
    this.#remaining = x.fuel - x.position;
    this.#callerInstance = x.instance;
    // A tail call from an entry frame: whoever called this instance gets the results directly.
    const isTail = x.pc === 0 && x.fp === x.argsAt;
    if (!isTail) {
      this.#activations.push({ kind: "call", instance: x.instance!, pc: x.pc, fp: x.fp, position: x.position });
    }
    this.#next = Next.Call;
  }

  /** One step of a collection; false when there is more to do. */
  #collect(): boolean {
    this.#awaitsCollection = !this.store.heap.collect(COLLECTION_STEP_WORDS);
    return !this.#awaitsCollection;
  }

  #callDirect(): void {
    const x = this.#machine;
    const { words } = x.module;
    x.callee = x.instance!.funcAddress(words[x.pc + 1]!);
    x.argsAt = x.fp + words[x.pc + 2]!;
    x.position = words[x.pc + 3]!;
    x.pc += 4;
    this.#leaveCode();
  }

  #callIndirect(): void {
    const x = this.#machine;
    const { words } = x.module;
    const operand = x.words[x.fp + words[x.pc + 1]!]!;
    const isTyped = words[x.pc] === Reg.CallRef;
    try {
      x.callee = isTyped ? funcReference(operand) : calleeIn(x, x.instance!.table0, operand >>> 0, words[x.pc + 2]!);
    } catch (error) {
      this.#trappedInCode(error);
      return;
    }
    if (!isTyped) x.pc++;
    x.argsAt = x.fp + words[x.pc + 2]!;
    x.position = words[x.pc + 3]!;
    x.pc += 4;
    this.#leaveCode();
  }

  #ensureWords(words: number): void {
    const x = this.#machine;
    if (words <= x.limitWords) return;
    const doubled = Math.min(this.#maxWords, x.limitWords * 2);
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

  // Calls between instances and the host.

  /** Enters a function whose arguments stand at `argsAt`; false when its code is not ready yet. */
  #enter(address: number, argsAt: number): boolean {
    const owner = this.store.ownerOf(address);
    if ("definition" in owner) {
      if (this.store.isCollectionDue && !this.#collect()) return false;
      this.#callHost(owner, argsAt);
      return true;
    }
    return this.#enterCode(owner, address - owner.funcsAt, argsAt);
  }

  #enterCode(instance: Instance, funcIndex: number, argsAt: number): boolean {
    const x = this.#machine;
    x.enter(instance);
    // Before lowering, which takes memory and time of the frame's size.
    if (argsAt + leastFrameWords(instance, funcIndex) > this.#maxWords) {
      this.#trapped(new Trap("call stack exhausted"));
      return true;
    }
    if (!instance.module.lower(funcIndex, x.isExact, LOWERING_STEP_INSTRUCTIONS)) return false;
    const { words } = instance.code;
    const target = x.entries[funcIndex]!;
    const head = target - Head.Length;
    const top = argsAt + words[head + Head.FrameWords]!;
    if (top > this.#maxWords) {
      this.#trapped(new Trap("call stack exhausted"));
      return true;
    }
    this.#ensureWords(top);
    const link = argsAt + words[head + Head.Link]!;
    // The return position 0 is the entry's end.
    x.words.fill(0, argsAt + words[head + Head.ParamWords]!, link + Link.Length);
    x.fp = argsAt;
    x.pc = target;
    x.position = words[head + Head.EntryFuel]!;
    x.fuel = this.#remaining;
    this.#remaining -= x.position;
    this.#next = Next.Run;
    this.#isInside = false;
    return true;
  }

  #callHost(host: HostFunc, argsAt: number): void {
    const { definition, direct, type } = host;
    const args = direct === null ? this.#decode(type.params, argsAt, false) : null;
    this.#machine.argsAt = argsAt;
    this.#beginHost(host);
    let result: unknown;
    try {
      if (args === null) {
        this.charge(host.directFuel);
        const caller = this.#directCaller(host);
        result = direct!.call(caller);
        caller.leave();
      } else {
        const call = definition.call as (caller: Caller, ...args: Value[]) => unknown;
        result = call.call(definition, this.#caller(host), ...args);
      }
    } catch (error) {
      this.#direct?.leave();
      this.#prepaid = 0;
      this.#trapped(error);
      return;
    }
    this.#prepaid = 0;
    this.#hostReturned(host, argsAt, result);
  }

  #beginHost(host: HostFunc): void {
    this.#hostParams = host.type.params;
    this.#pinned = NONE;
    this.#callFuel = 0;
    this.#next = Next.Host;
  }

  /**
   * For the hot loop, which stands behind a call of the import `callee` and has fuel left: calls it if it is a direct
   * host function, in the state in which {@link #leaveCode} and {@link #callHost} would. True when the loop goes on.
   */
  callImport(): boolean {
    const x = this.#machine;
    const instance = x.instance!;
    const host = this.store.hostAt(instance.funcAddress(x.callee));
    if (host === null || host.direct === null || x.isExact || this.store.isCollectionDue) {
      this.importExit = Exit.CallImport;
      return false;
    }
    this.#pushDirect(instance);
    const left = x.fuel - x.position;
    this.#remaining = left + this.#heldFuel;
    this.#callerInstance = instance;
    this.#beginHost(host);
    this.#callFuel = host.directFuel;
    this.#debt += host.directFuel;
    try {
      const caller = this.#directCaller(host);
      const result = host.direct.call(caller);
      caller.leave();
      const hasReturned = result !== SUSPEND && typeof result !== "object";
      if (hasReturned && this.#debt < left && !this.#gaveWay && this.#ending === null) {
        encodeDirect(this.store, host, result, x.words, x.argsAt);
        x.fuel = (x.fuel - this.#debt) | 0;
        this.#debt = 0;
        this.#activations.pop();
        this.#next = Next.Run;
        return true;
      }
      this.#directEnd = { host, result };
    } catch (error) {
      this.#direct?.leave();
      this.#directEnd = { error };
    }
    this.#directActivation = null;
    this.importExit = Exit.HostCalled;
    return false;
  }

  /** As for any other call, but the activation is kept for the next one unless the call stays. */
  #pushDirect(instance: Instance): void {
    const x = this.#machine;
    const activation = (this.#directActivation ??= { kind: "call", instance, pc: 0, fp: 0, position: 0 });
    activation.instance = instance;
    activation.pc = x.pc;
    activation.fp = x.fp;
    activation.position = x.position;
    this.#activations.push(activation);
  }

  /** Does what is left of a direct call that did not simply return. */
  #directReturned(): void {
    const end = this.#directEnd!;
    this.#directEnd = null;
    if ("error" in end) this.#trapped(end.error);
    else this.#hostReturned(end.host, this.#machine.argsAt, end.result);
  }

  #directCaller(host: HostFunc): DirectCaller {
    this.#direct ??= new DirectCaller(this.store, this, this.#machine);
    this.#direct.enter(host, this.#callerInstance);
    return this.#direct;
  }

  #caller(host: HostFunc): Caller {
    return new Caller(this.store, this.#callerInstance, host, this);
  }

  /** Runs one step of a host function and does what it wants next. */
  #hostStep(host: HostFunc, argsAt: number, step: () => unknown): void {
    this.#machine.argsAt = argsAt;
    this.#next = Next.Host;
    let result: unknown;
    try {
      result = step();
    } catch (error) {
      this.#trapped(error);
      return;
    }
    this.#hostReturned(host, argsAt, result);
  }

  #hostReturned(host: HostFunc, argsAt: number, result: unknown): void {
    if (typeof result === "object" && result instanceof FrameRequest && continuationsOf(host.definition) !== null) {
      this.#request(host, argsAt, result);
      return;
    }
    if (host.direct !== null && result !== SUSPEND) {
      encodeDirect(this.store, host, result, this.#machine.words, argsAt);
      this.#next = Next.Return;
      return;
    }
    const { results } = host.type;
    // What most calls come to: a number, or nothing.
    const isNothing = results.length === 0 && (result === undefined || (Array.isArray(result) && result.length === 0));
    if (isNothing || (results.length === 1 && (typeof result === "number" || typeof result === "bigint"))) {
      if (!isNothing) this.#encodeResult(host, results[0]!, result, argsAt);
      this.#next = Next.Return;
      return;
    }
    const pending = { host, argsAt };
    this.#pending = pending;
    this.#next = Next.Answer;
    this.#answer = null;
    this.#ready = null;
    if (result === SUSPEND) return;
    if (host.definition.kind === "async" && isThenable(result)) {
      this.#ready = Promise.resolve(result).then(
        (value: unknown) => this.#arrive(pending, { values: asList(host.type, value) }),
        (error: unknown) => this.#arrive(pending, { error }),
      );
      return;
    }
    if (isThenable(result)) throw wrongResult(host, result, null);
    this.#receive({ values: asList(host.type, result) });
  }

  #encodeResult(host: HostFunc, type: ValType, value: Value, at: number): void {
    try {
      encodeValue(this.store, type, value, this.#machine.words, at);
    } catch (error) {
      throw wrongResult(host, value, error);
    }
  }

  /** An answer that comes late, when `resume` or `fail` has given another one, is of no interest. */
  #arrive(pending: object, answer: Answer): void {
    if (this.#pending === pending && this.#answer === null) this.#answer = answer;
  }

  /** Takes the answer of the pending host function and returns to its caller. */
  #receive(answer: Answer): void {
    const pending = this.#pending;
    if (pending === null) throw new InternalError("an answer without a call");
    this.#pending = null;
    this.#answer = null;
    this.#ready = null;
    if ("error" in answer) {
      this.#trapped(answer.error);
      return;
    }
    const { results } = pending.host.type;
    if (answer.values.length !== results.length) {
      throw new TypeError(
        `${hostName(pending.host)} returned ${answer.values.length} values, ${results.length} expected`,
      );
    }
    let at = pending.argsAt;
    for (const [i, type] of results.entries()) {
      this.#encodeResult(pending.host, type, answer.values[i], at);
      at += 2 * slotsOf(type);
    }
    this.#machine.argsAt = pending.argsAt;
    this.#next = Next.Return;
  }

  /** A frame function wants the guest called, or to go on in its next turn. */
  #request(host: HostFunc, argsAt: number, request: FrameRequest): void {
    const { func, continuation, state } = request;
    const caller = this.#callerInstance;
    this.#activations.push({ kind: "host", host, caller, argsAt, continuation, state, called: func?.type ?? null });
    this.charge(FRAME_STEP_FUEL);
    if (func === null) {
      this.#next = Next.Continue;
      return;
    }
    if (func.store !== this.store) throw new TypeError("a function of another store");
    const { params } = func.type;
    if (request.args.length !== params.length) {
      throw new TypeError(`${hostName(host)} calls with ${request.args.length} arguments, ${params.length} expected`);
    }
    this.#callerInstance = null;
    const x = this.#machine;
    const own = Math.max(slotCount(host.type.params), slotCount(host.type.results)) * 2;
    const at = argsAt + own + HOST_FRAME_WORDS;
    const top = at + 2 * Math.max(slotCount(func.type.params), slotCount(func.type.results));
    if (top > this.#maxWords) {
      this.#trapped(new Trap("call stack exhausted"));
      return;
    }
    this.#ensureWords(top);
    this.#encode(params, request.args, at, false);
    x.callee = func.address;
    x.argsAt = at;
    this.#next = Next.Call;
  }

  /** The frame function of the topmost activation goes on. */
  #continue(outcome: GuestOutcome | null): void {
    const activation = this.#activations.pop();
    if (activation?.kind !== "host") throw new InternalError("no frame function to continue");
    const { host, caller, argsAt, continuation, state } = activation;
    const continuations = continuationsOf(host.definition);
    this.#callerInstance = caller;
    if (continuations === null || !Object.hasOwn(continuations, continuation)) {
      throw new TypeError(`${hostName(host)} has no continuation ${JSON.stringify(continuation)}`);
    }
    const step = continuations[continuation]!;
    this.#hostParams = [];
    this.#hostStep(host, argsAt, () => step(this.#caller(host), state, outcome));
  }

  /** The callee of the topmost activation has returned, its results at `argsAt`. */
  #return(argsAt: number): void {
    const x = this.#machine;
    const activation = this.#activations[this.#activations.length - 1];
    if (activation === undefined) throw new InternalError("return without an activation");
    switch (activation.kind) {
      case "entry":
        this.#values = this.#decode(this.#type.results, argsAt, this.#bits);
        this.#next = Next.Done;
        this.store.removeInvocation(this);
        this.store.accountant.release("frames", x.words.byteLength);
        x.retire();
        return;
      case "call":
        this.#activations.pop();
        this.#directActivation ??= activation;
        x.pc = activation.pc;
        x.fp = activation.fp;
        x.position = activation.position;
        x.enter(activation.instance);
        x.fuel = this.#remaining + x.position;
        this.#next = Next.Run;
        this.#isInside = false;
        return;
      default: {
        const values = activation.called === null ? [] : this.#decode(activation.called.results, argsAt, false);
        this.#continue({ kind: "returned", values });
      }
    }
  }

  // The guest's faults.

  /** A trap at the machine's position: fuel and place are those of the instruction. */
  #trappedInCode(error: unknown): void {
    const x = this.#machine;
    x.object = 0;
    x.progress = 0;
    x.hasCollected = false;
    this.#remaining = fuelAtTrap(x);
    this.#trapped(error, true);
  }

  /** Gives a trap to the frame function that contains it, or ends the run. */
  #trapped(error: unknown, isInCode = false): void {
    if (error instanceof GuestException && error.exception.isOf(this.store.heap) && !error.exception.isCollected) {
      this.#unwind(error.exception.handle, false);
      return;
    }
    const isContainable = error instanceof Trap || error instanceof GuestExit;
    const contains = isContainable ? this.#activations.findLastIndex(({ kind }) => kind === "host") : -1;
    if (error instanceof Trap || error instanceof Termination) {
      addBacktrace(error, this.#machine, this.#activations, isInCode, contains < 0);
    }
    if (contains < 0) throw error;
    this.#activations.length = contains + 1;
    // Not at once: a frame function that passes the trap on must not use the JavaScript stack.
    this.#outcome = { kind: "trapped", error: error as Error };
    this.#next = Next.Continue;
  }

  /** Gives an exception to whoever catches it: guest code, or the continuation of a frame function. Throws it if nobody does. */
  #unwind(exception: number, isInCode: boolean): void {
    const x = this.#machine;
    const word = this.store.heap.word(exception, 0);
    let landing = isInCode ? findHandler(x, x.instance!, x.fp, x.pc, word) : null;
    let top = this.#activations.length - 1;
    for (; landing === null; top--) {
      const activation = this.#activations[top];
      if (activation?.kind === "host") {
        this.#activations.length = top + 1;
        const error = guestException(this.store, exception);
        this.#pinned = added(this.#pinned, error.exception);
        this.#outcome = { kind: "threw", error };
        this.#next = Next.Continue;
        return;
      }
      if (activation?.kind !== "call") throw this.#uncaught(exception, isInCode);
      const { instance, fp, pc } = activation;
      if (pc !== 0) landing = findHandler(x, instance, fp, pc - 1, word);
    }
    this.#activations.length = top + 1;
    this.#isInside = false;
    this.#next = land(x, landing, exception, this.#remaining) ? Next.Run : Next.Return;
  }

  #uncaught(exception: number, isInCode: boolean): GuestException {
    const error = guestException(this.store, exception);
    addBacktrace(error, this.#machine, this.#activations, isInCode);
    if (this.#parent?.store === this.store) {
      this.#parent.#pinned = added(this.#parent.#pinned, error.exception);
    }
    return error;
  }

  /** Where it stands, for a collection. */
  get state(): InvocationState {
    const next = this.#next;
    return {
      machine: this.#machine,
      activations: this.#activations,
      inCode: !this.#isInCode() ? null : this.#isInside ? RootKind.Inside : RootKind.At,
      top: next === Next.Return ? RootKind.At : RootKind.During,
      values: this.#typesAtArgs(),
      pinned: this.#pinned,
    };
  }

  /** Canonical types of the values that stand at `argsAt` and belong to no frame. */
  #typesAtArgs(): readonly ValType[] {
    switch (this.#next) {
      case Next.Call: {
        const { callee } = this.#machine;
        const isEntry = this.#activations.length === 1 && callee === this.#entryAddress;
        return isEntry ? this.#type.params : this.store.typeAt(callee).params;
      }
      case Next.Host:
      case Next.Answer:
        return this.#hostParams;
      case Next.Return: {
        const top = this.#activations[this.#activations.length - 1];
        return top?.kind === "entry" ? this.#type.results : top?.kind === "host" ? (top.called?.results ?? []) : [];
      }
      default:
        return [];
    }
  }

  #encode(types: readonly ValType[], values: readonly Value[], at: number, bits: boolean): void {
    const { words } = this.#machine;
    for (let i = 0; i < types.length; i++) {
      const type = types[i]!;
      if (bits) encodeBits(this.store, type, values[i], words, at);
      else encodeValue(this.store, type, values[i], words, at);
      at += 2 * slotsOf(type);
    }
  }

  #decode(types: readonly ValType[], at: number, bits: boolean): Value[] {
    const { words } = this.#machine;
    const values: Value[] = [];
    for (const type of types) {
      values.push(bits ? decodeBits(this.store, type, words, at) : decodeValue(this.store, type, words, at));
      at += 2 * slotsOf(type);
    }
    return values;
  }
}

/** Room for a call and one inside it: what waits in a host function has most often one, and pushing makes room for 17. */
function firstActivations(): Activation[] {
  const activations: Activation[] = [ENTRY, ENTRY, ENTRY];
  activations.length = 1;
  return activations;
}

/** Words that a function's frame has at least: its operands. */
function leastFrameWords({ module }: Instance, funcIndex: number): number {
  const maxHeight = module.maxHeights[funcIndex - module.data.importedFuncs];
  return maxHeight === undefined ? 0 : Link.Length + 2 * maxHeight;
}

function hostName({ name }: HostFunc): string {
  return `host function ${name}`;
}

/** What it returned does not fit: the error of whoever wrote it, who has to know which one it is. */
function wrongResult(host: HostFunc, result: unknown, error: unknown): unknown {
  if (isThenable(result)) {
    return new TypeError(`${hostName(host)} returned a promise: its definition needs kind "async"`);
  }
  return error instanceof TypeError ? new TypeError(`${hostName(host)}: ${error.message}`) : error;
}

/** Writes what a direct host function returned. Throws `TypeError` for a value of another type. */
function encodeDirect(store: Store, host: HostFunc, result: unknown, words: Int32Array, at: number): void {
  const type = host.directResult;
  if (type === null) {
    if (isThenable(result)) throw wrongResult(host, result, null);
    return;
  }
  if (typeof result !== "number") {
    try {
      encodeValue(store, type, result, words, at);
    } catch (error) {
      throw wrongResult(host, result, error);
    }
  } else if (type === Num.I32) words[at] = result;
  else {
    if (!Number.isSafeInteger(result)) {
      throw wrongResult(host, result, new TypeError(`expected a value of type i64, got the number ${result}`));
    }
    words[at] = result;
    words[at + 1] = Math.floor(result / 2 ** 32);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** What a host function returned, as the list of its results. */
function asList({ results }: FuncType, value: unknown): readonly Value[] {
  if (results.length === 0) return [];
  if (results.length === 1 && !Array.isArray(value)) return [value];
  return Array.isArray(value) ? value : [value];
}
