/** What a host function sees of the guest that calls it, valid during the call. */

import type { Func, HostFunc } from "../runtime/func.ts";
import type { Instance } from "../runtime/instance.ts";
import { Memory } from "../runtime/memory.ts";
import type { Store } from "../runtime/store.ts";
import { decodeValue } from "../runtime/values.ts";
import { Num } from "../types.ts";
import type { Machine } from "./machine.ts";
import type { RunState } from "./run-state.ts";

/** The guest that calls a host function, for as long as the call runs on the JavaScript stack. */
export class Caller {
  readonly store: Store;
  /** The instance whose code calls; null when the embedder calls the host function itself. */
  readonly instance: Instance | null;
  /** Null when the call is over, as far as that is known. */
  protected host: HostFunc | null;
  readonly #run: RunState;

  constructor(store: Store, instance: Instance | null, host: HostFunc | null, run: RunState) {
    this.store = store;
    this.instance = instance;
    this.host = host;
    this.#run = run;
  }

  /**
   * The memory that the calling instance exports under this name. Throws `TypeError` when there is
   * none. After an await use only what was copied out before.
   */
  memory(name = "memory"): Memory {
    if (this.host === null) throw isOver();
    const memory = this.instance?.export(name);
    if (!(memory instanceof Memory)) throw new TypeError(`the caller exports no memory ${JSON.stringify(name)}`);
    return memory;
  }

  /** The host function that is called. */
  get func(): Func {
    if (this.host === null) throw isOver();
    return this.store.funcAt(this.host.address);
  }

  /**
   * Adds `fuel` to what the guest has used. More than it has left is paid off in later turns. An async function may do so
   * until its promise is settled, too. Throws `RangeError`.
   */
  chargeFuel(fuel: number): void {
    if (this.host === null) throw isOver();
    this.#run.charge(fuel);
  }

  /** Lets the guest's turn end when this function returns. */
  giveWay(): void {
    if (this.host === null) throw isOver();
    this.#run.gaveWay = true;
  }
}

function isOver(): TypeError {
  return new TypeError("the call of the host function is over");
}

const TWO_POW_32 = 2 ** 32;

/**
 * The caller of a direct host function, and its arguments by their index: one object for all calls of an
 * invocation, so it is valid until the function returns: then its methods throw `TypeError`, until the next call. The types
 * are not checked again.
 */
export class DirectCaller extends Caller {
  override instance: Instance | null = null;
  readonly #machine: Machine;

  constructor(run: RunState) {
    super(run.store, null, null, run);
    this.#machine = run.machine;
  }

  /** Makes it the caller of `host`, whose arguments stand where the machine says. */
  enter(host: HostFunc, instance: Instance | null): void {
    this.host = host;
    this.instance = instance;
  }

  /** The function has returned or thrown. */
  leave(): void {
    this.host = null;
  }

  /** An argument of 32 bits, signed. */
  i32(index: number): number {
    if (this.host === null) throw isOver();
    const { words, argsAt } = this.#machine;
    return words[argsAt + 2 * index]!;
  }

  /** An argument of 64 bits, signed. */
  i64(index: number): bigint {
    if (this.host === null) throw isOver();
    const { words, argsAt } = this.#machine;
    return decodeValue(this.store, Num.I64, words, argsAt + 2 * index) as bigint;
  }

  /** An argument of 64 bits as a signed number, rounded where it is no safe integer. */
  i64Number(index: number): number {
    if (this.host === null) throw isOver();
    const { words, argsAt } = this.#machine;
    const low = words[argsAt + 2 * index]!;
    const high = words[argsAt + 2 * index + 1]!;
    return high === low >> 31 ? low : high * TWO_POW_32 + (low >>> 0);
  }

  /** As {@link i64Number}, of the same bits without a sign. */
  u64Number(index: number): number {
    if (this.host === null) throw isOver();
    const { words, argsAt } = this.#machine;
    const low = words[argsAt + 2 * index]!;
    const high = words[argsAt + 2 * index + 1]!;
    return high === 0 && low >= 0 ? low : (high >>> 0) * TWO_POW_32 + (low >>> 0);
  }

  /** An f64; a NaN has no payload. */
  f64(index: number): number {
    if (this.host === null) throw isOver();
    const { words, argsAt } = this.#machine;
    return decodeValue(this.store, Num.F64, words, argsAt + 2 * index) as number;
  }
}
