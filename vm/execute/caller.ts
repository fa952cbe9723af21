/** What a host function sees of the guest that calls it, valid during the call. */

import type { Func, HostFunc } from "../runtime/func.ts";
import type { Instance } from "../runtime/instance.ts";
import { Memory } from "../runtime/memory.ts";
import type { Store } from "../runtime/store.ts";
import type { Invocation } from "./invocation.ts";

/** The guest that calls a host function, for as long as the call runs on the JavaScript stack. */
export class Caller {
  readonly store: Store;
  /** The instance whose code calls; null when the embedder calls the host function itself. */
  readonly instance: Instance | null;
  readonly #host: HostFunc;
  readonly #invocation: Invocation;

  constructor(store: Store, instance: Instance | null, host: HostFunc, invocation: Invocation) {
    this.store = store;
    this.instance = instance;
    this.#host = host;
    this.#invocation = invocation;
  }

  /**
   * The memory that the calling instance exports under this name. Throws `TypeError` when there is
   * none. After an await use only what was copied out before.
   */
  memory(name = "memory"): Memory {
    const memory = this.instance?.export(name);
    if (!(memory instanceof Memory)) throw new TypeError(`the caller exports no memory ${JSON.stringify(name)}`);
    return memory;
  }

  /** The host function that is called. */
  get func(): Func {
    return this.store.funcAt(this.#host.address);
  }

  /** Adds `fuel` to what the guest has used. More than it has left is paid off in later turns. Throws `RangeError`. */
  chargeFuel(fuel: number): void {
    this.#invocation.charge(fuel);
  }

  /** Lets the guest's turn end when this function returns. */
  giveWay(): void {
    this.#invocation.giveWay();
  }
}
