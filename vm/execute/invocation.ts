/**
 * One run of guest code: a call from the embedder, or an instantiation, as the embedder sees it. What it remembers between its turns
 * is data (run-state.ts); turn.ts is what happens in one.
 */

import { Termination, Trap } from "../errors.ts";
import { MAX_REENTRIES, MAX_TURN_FUEL, REENTRY_FUEL, REENTRY_SLOTS } from "../limits.ts";
import { RootKind } from "../lower/source.ts";
import { valueText } from "../options.ts";
import type { Func } from "../runtime/func.ts";
import type { Store } from "../runtime/store.ts";
import { slotCount, type Value } from "../runtime/values.ts";
import type { FuncType, ValType } from "../types.ts";
import { addBacktrace } from "./backtrace.ts";
import { hostName } from "./host-results.ts";
import type { Entry, InvocationOptions, Outcome, TurnOptions } from "./outcome.ts";
import { Next, type Answer, type InvocationRecord } from "./record.ts";
import type { InvocationState } from "./roots.ts";
import { activeRun, RunState, setActive } from "./run-state.ts";
import { account, end, ended, runTurn } from "./turn.ts";

/** A call that is run turn by turn, with fuel for each turn. (spec: embed-func-invoke) */
export class Invocation {
  readonly store: Store;
  readonly #run: RunState;

  /** Use `Store.invoke`, `Instance.invoke` or `Store.instantiation`. Throws `TypeError` for wrong arguments. */
  constructor(store: Store, entry: Entry, args: readonly Value[], options: InvocationOptions = {}) {
    const { params, results } = entry.type;
    if (args.length !== params.length) {
      const wanted = `${params.length} ${params.length === 1 ? "argument" : "arguments"}`;
      throw new TypeError(`expected ${wanted}, got ${args.length}`);
    }
    this.store = store;
    const run = new RunState(this, store, entry, options.bits ?? false);
    this.#run = run;
    try {
      run.ensureWords(2 * Math.max(slotCount(params), slotCount(results)));
      run.encode(params, args, 0, run.bits);
      store.addInvocation(this);
    } catch (error) {
      end(run, error);
      throw error;
    }
  }

  /** All that it remembers, as it is until the next turn; null while it runs, and after its end. */
  get record(): InvocationRecord | null {
    const run = this.#run;
    return run.isRunning || run.next === Next.Done || run.next === Next.Host ? null : run;
  }

  /** An invocation that goes on where another one paused. The record is valid. Throws `Termination`. */
  static restored(store: Store, record: InvocationRecord): Invocation {
    const entry = { address: record.entryAddress, type: { params: [], results: [] } };
    const invocation = new Invocation(store, entry, [], { bits: record.bits });
    invocation.#run.restore(record);
    return invocation;
  }

  /** The host function that waits for {@link resume} or {@link fail}, with its arguments if it was called just once. */
  get pendingCall(): { readonly func: Func; readonly name: string; readonly args: readonly Value[] } | null {
    const run = this.#run;
    if (run.next !== Next.Answer || run.pending === null || run.answer !== null) return null;
    const { host, argsAt } = run.pending;
    const args = run.decode(run.hostParams, argsAt, false);
    return { func: this.store.funcAt(host.address), name: hostName(host), args };
  }

  /** The name of the host function that it waits for, for reports. Null while it does not wait for one. */
  get waitsIn(): string | null {
    const run = this.#run;
    if (run.next !== Next.Answer || run.pending === null || run.answer !== null) return null;
    return run.pending.host.definition.name ?? "a host function";
  }

  /** Fuel used so far: the price of every instruction that ran, and what host functions charged. */
  get fuelUsed(): number {
    return this.#run.usedBefore + 0;
  }

  /** What was called, as it reads arguments and gives results. */
  get type(): FuncType {
    return this.#run.type;
  }

  /** Neighbours in the store's list of those that have not ended. */
  earlier: Invocation | null = null;
  later: Invocation | null = null;

  /** Bytes of frames that are reserved. */
  get frameByteLength(): number {
    return this.#run.machine.words.byteLength;
  }

  /** The invocation that is running on the JavaScript stack, and has called the host, if any. */
  static get current(): Invocation | null {
    return activeRun()?.invocation ?? null;
  }

  /** Fuel that the running turn has left. */
  get remainingFuel(): number {
    return Math.max(0, this.#run.remaining - this.#run.debt);
  }

  /**
   * Runs until the fuel is gone, a host function has to wait, or the end. Throws what ended the
   * guest: `Trap`, `Termination`, or what a host function threw. After the end every `run` gives
   * the same again. Throws `TypeError` when called from inside itself, `RangeError` for fuel that is
   * negative or not a number. Fractions of fuel are rounded down.
   */
  run({ fuel = MAX_TURN_FUEL, exact = false }: TurnOptions = {}): Outcome {
    const run = this.#run;
    if (!(typeof fuel === "number" && fuel >= 0))
      throw new RangeError(`fuel ${valueText(fuel)} is not a positive number`);
    if (run.isRunning) throw new TypeError("the invocation is running");
    if (run.next === Next.Done) return ended(run);
    const parent = activeRun();
    const usedBefore = run.usedBefore;
    run.parent = parent;
    this.store.turnCount++;
    setActive(run);
    try {
      if (parent !== null) this.#nestIn(parent);
      // A small integer for V8, whatever the embedder has computed.
      return runTurn(run, Math.min(fuel, MAX_TURN_FUEL) | 0, exact);
    } catch (error) {
      // What the host function that failed has charged counts too.
      account(run);
      run.usedBefore += run.debt;
      run.debt = 0;
      end(run, error);
      throw error;
    } finally {
      setActive(parent);
      run.parent = null;
      parent?.charge(REENTRY_FUEL + run.usedBefore - usedBefore);
    }
  }

  /** Frames of a guest called by a host function count in the depth of the guest that called the host. */
  #nestIn(parent: RunState): void {
    const run = this.#run;
    const { argsAt, fp } = parent.machine;
    const reentry = Math.max(REENTRY_SLOTS, Math.ceil(parent.store.maxFrameSlots / MAX_REENTRIES));
    const left = parent.maxWords - Math.max(argsAt, fp) - reentry * 2;
    run.maxWords = Math.min(this.store.maxFrameSlots * 2, left);
    if (run.maxWords <= 0) throw new Trap("call stack exhausted");
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
    const run = this.#run;
    if (run.next !== Next.Answer || run.answer !== null) throw new TypeError("no host call is waiting");
    run.answer = answer;
  }

  /**
   * Ends the run from outside: the next `run` throws `error`, or the present one, when the host function that
   * it has called returns. Nothing happens after the end.
   */
  terminate(error: Error): void {
    const run = this.#run;
    if (run.next === Next.Done) return;
    if (run.isRunning) {
      run.ending ??= error;
      return;
    }
    if (error instanceof Termination) addBacktrace(error, run.machine, run.stack, run.isInCode);
    end(run, error);
  }

  /** Adds to the fuel used; what exceeds the turn is paid in later turns, before anything else. Throws `RangeError`. */
  charge(fuel: number): void {
    this.#run.charge(fuel);
  }

  /** Lets the turn end when the host function that is running returns. */
  giveWay(): void {
    this.#run.gaveWay = true;
  }

  /** Where it stands, for a collection. */
  get state(): InvocationState {
    const run = this.#run;
    const next = run.next;
    return {
      machine: run.machine,
      stack: run.stack,
      inCode: !run.isInCode ? null : run.isInside ? RootKind.Inside : RootKind.At,
      top: next === Next.Return ? RootKind.At : RootKind.During,
      values: this.#typesAtArgs(),
      pinned: run.pinned,
    };
  }

  /** Canonical types of the values that stand at `argsAt` and belong to no frame. */
  #typesAtArgs(): readonly ValType[] {
    const run = this.#run;
    switch (run.next) {
      case Next.Call: {
        const { callee } = run.machine;
        const isEntry = run.stack.length === 1 && callee === run.entryAddress;
        return isEntry ? run.type.params : this.store.typeAt(callee).params;
      }
      case Next.Host:
      case Next.Answer:
        return run.hostParams;
      case Next.Return: {
        const { top } = run.stack;
        return top.kind === "entry" ? run.type.results : top.kind === "host" ? (top.called?.results ?? []) : [];
      }
      default:
        return [];
    }
  }
}
