/**
 * Threads of one WASI program (wasi-threads): every thread is an instance of its own, in a store of
 * its own, over the program's shared memory. They run as green threads: turns of fuel in the order
 * in which they became ready, so input, clock and slice determine what the program does.
 *
 * | event | then |
 * |---|---|
 * | its fuel is used, or it gives way | to the end of the queue |
 * | it waits: host call or atomic wait | out of the queue, and to its end when that is over |
 * | it wakes others | they stand before it in the queue |
 * | it returns | it is gone; with the one that the embedder drives, the drive is over |
 * | it traps or exits | so does the program |
 */

import {
  asError,
  type Accountant,
  type CompiledModule,
  type ExternDescriptor,
  Func,
  FuelExhausted,
  type HostDefinition,
  type ImportValue,
  type Invocation,
  Memory,
  type Outcome,
  type ResourceKind,
  Store,
  Termination,
  Trap,
  unlessAborted,
  type Value,
} from "../../vm/internal.ts";
import { type DriveOptions, fuelLimits, newProgress, type Progress, timeOutLater, TURN_NS } from "../drive.ts";
import { checkThreads } from "../options.ts";
import { Errno } from "./abi.ts";

const SPAWN_MODULE = "wasi";
const SPAWN_NAME = "thread-spawn";
const START = "wasi_thread_start";
/** Fuel of starting a thread, besides what its instantiation uses: some 50 µs. */
const SPAWN_FUEL = 20_000;
/** Thread ids have 29 bits, and 0 is none. */
const MAX_TID = 0x1fff_ffff;

type Definitions = Readonly<Record<string, Readonly<Record<string, HostDefinition>>>>;

export interface ThreadOptions extends DriveOptions {
  /** The store of the program's first instance. Its accountant counts all threads, and the memory is its own. */
  readonly store: Store;
  readonly module: CompiledModule;
  /** What all threads import besides memory and `thread-spawn`: `Wasi.imports` and the like. */
  readonly imports: Definitions;
  /** Threads that may be alive at once, besides the first one. */
  readonly maxThreads: number;
}

/** Whether a module starts threads. */
export function startsThreads(module: CompiledModule): boolean {
  return module.imports.some((each) => each.module === SPAWN_MODULE && each.name === SPAWN_NAME);
}

interface Thread {
  /** What it runs now. */
  invocation: Invocation;
  /** What it runs when that has returned: takes the results, null for nothing more. */
  next: (values: readonly Value[]) => Invocation | null;
  /** Gives back what it has taken. */
  readonly dispose: () => void;
}

/** How a turn ended. */
const enum Turn {
  Ready,
  Waiting,
  Returned,
}

export class WasiThreads {
  readonly #options: ThreadOptions;
  readonly #limits: ReturnType<typeof fuelLimits>;
  readonly #progress: Progress;
  readonly #memories = new Map<string, Memory>();
  readonly #threads = new Map<number, Thread>();
  #lastTid = 0;
  /** Those that can go on, in turn. */
  #queue: Thread[] = [];
  /** Goes on with the drive that waits for somebody to be ready. */
  #resume: (() => void) | null = null;
  #hasEnded = false;

  /** Counts in `progress`. Throws `Termination` when a limit refuses the shared memory. */
  constructor(options: ThreadOptions, progress: Progress = newProgress()) {
    checkThreads(options);
    this.#options = options;
    this.#limits = fuelLimits(options);
    this.#progress = progress;
    for (const { module, name, type } of options.module.imports) {
      if (type.kind !== "memory" || !type.type.shared) continue;
      this.#memories.set(`${module}\n${name}`, new Memory(options.store, type.type));
    }
  }

  /** What instances of the module import: the first one, and those of threads. */
  readonly imports = (module: string, name: string, type: ExternDescriptor): ImportValue | undefined => {
    if (type.kind === "memory") return this.#memories.get(`${module}\n${name}`);
    if (module === SPAWN_MODULE && name === SPAWN_NAME) return this.#spawnDefinition;
    const { imports } = this.#options;
    const names = Object.hasOwn(imports, module) ? imports[module]! : {};
    return Object.hasOwn(names, name) ? names[name] : undefined;
  };

  /** How many threads live that the program has started. */
  get count(): number {
    return this.#threads.size;
  }

  /**
   * Resolves to the invocation's results, while all threads take turns with it; those that are left
   * go on with the next drive. Rejects as `drive` does, with what ended any of the threads; nothing
   * can go on then.
   */
  async drive(invocation: Invocation): Promise<readonly Value[]> {
    const { clock, eventLoop, signal } = this.#options;
    if (this.#hasEnded) throw new TypeError("the program has ended");
    let results: readonly Value[] | null = null;
    const first: Thread = {
      invocation,
      next: (values) => {
        results = values;
        return null;
      },
      dispose: () => undefined,
    };
    this.#queue.push(first);
    let turnEnd = clock.monotonic() + TURN_NS;
    try {
      for (;;) {
        if (signal?.aborted === true) throw asError(signal.reason);
        const thread = this.#queue.shift();
        if (thread === undefined) {
          await this.#someoneReady();
        } else {
          const turn = this.#turn(thread);
          if (results !== null) return results;
          // Who was woken in this turn stands before its waker.
          await null;
          if (turn === Turn.Ready) this.#queue.push(thread);
        }
        if (clock.monotonic() < turnEnd) continue;
        await eventLoop.nextTurn();
        turnEnd = clock.monotonic() + TURN_NS;
      }
    } catch (error) {
      invocation.terminate(asError(error));
      this.end();
      throw error;
    }
  }

  /** Ends all threads: the program is over. */
  end(): void {
    this.#hasEnded = true;
    this.#queue = [];
    for (const thread of this.#threads.values()) {
      thread.invocation.terminate(new Termination("killed", "the program has ended"));
      thread.dispose();
    }
    this.#threads.clear();
  }

  /** Lets a thread use its slice; how code is prepared meanwhile must not be seen in the schedule. */
  #turn(thread: Thread): Turn {
    const { slice, maxFuel } = this.#limits;
    let rest = slice;
    while (rest > 0) {
      const left = maxFuel - this.#progress.fuel;
      if (left <= 0) throw new FuelExhausted(this.#progress.fuel, maxFuel);
      const { invocation } = thread;
      const before = invocation.fuelUsed;
      this.#progress.slices++;
      let outcome: Outcome;
      try {
        outcome = invocation.run({ fuel: Math.min(rest, left) });
      } finally {
        const used = invocation.fuelUsed - before;
        this.#progress.fuel += used;
        rest -= used;
      }
      if (outcome.kind === "waiting") {
        this.#wait(thread, outcome);
        return Turn.Waiting;
      }
      if (outcome.kind === "returned") {
        const next = thread.next(outcome.values);
        if (next === null) return Turn.Returned;
        thread.invocation = next;
      } else if (outcome.reason !== "preparing") return Turn.Ready;
    }
    return Turn.Ready;
  }

  #wait(thread: Thread, outcome: Outcome & { readonly kind: "waiting" }): void {
    this.#progress.waits++;
    if (outcome.ready === null) throw new TypeError("a thread waits for an answer that only its embedder can give");
    const cancel = outcome.reason === "atomicWait" ? timeOutLater(outcome.wait, this.#options.clock) : null;
    void outcome.ready.then(() => {
      cancel?.();
      if (this.#hasEnded) return;
      this.#queue.push(thread);
      this.#resume?.();
    });
  }

  async #someoneReady(): Promise<void> {
    const ready = new Promise<void>((resolve) => {
      this.#resume = resolve;
    });
    await unlessAborted(ready, this.#options.signal);
    this.#resume = null;
  }

  readonly #spawnDefinition: HostDefinition = {
    name: `${SPAWN_MODULE}::${SPAWN_NAME}`,
    params: ["i32"],
    results: ["i32"],
    call: (caller, argument: number) => {
      caller.chargeFuel(SPAWN_FUEL);
      return this.#spawn(argument);
    },
  };

  /** The new thread's id, or the negative errno. */
  #spawn(argument: number): number {
    const { store, module, maxThreads } = this.#options;
    if (this.#threads.size >= maxThreads) return -Errno.Again;
    const accountant = new ThreadAccountant(store.accountant);
    const { engine, allocator, maxFrameSlots } = store;
    const own = new Store({ engine, allocator, maxFrameSlots, accountant });
    const dispose = (): void => {
      own.dispose();
      accountant.dispose();
    };
    let begun: ReturnType<Store["instantiation"]>;
    try {
      begun = own.instantiation(module, this.imports);
    } catch (error) {
      dispose();
      if (error instanceof Termination) return -Errno.Nomem;
      throw error;
    }
    const { instance, invocation } = begun;
    const start = instance.export(START);
    if (!(start instanceof Func)) throw new Trap("host function trapped", `the module exports no function ${START}`);
    const tid = this.#freeTid();
    const thread: Thread = {
      invocation,
      next: () => {
        thread.next = () => {
          this.#threads.delete(tid);
          dispose();
          return null;
        };
        return own.invoke(start, [tid, argument]);
      },
      dispose,
    };
    this.#threads.set(tid, thread);
    this.#queue.push(thread);
    return tid;
  }

  #freeTid(): number {
    do this.#lastTid = (this.#lastTid % MAX_TID) + 1;
    while (this.#threads.has(this.#lastTid));
    return this.#lastTid;
  }
}

/** Counts what a thread takes, so that all of it can be given back at its end. Module and code are the program's. */
class ThreadAccountant implements Accountant {
  readonly #program: Accountant;
  readonly #used = new Map<ResourceKind, number>();

  constructor(program: Accountant) {
    this.#program = program;
  }

  reserve(kind: ResourceKind, byteLength: number): boolean {
    if (kind === "module" || kind === "code") return true;
    if (!this.#program.reserve(kind, byteLength)) return false;
    this.#used.set(kind, (this.#used.get(kind) ?? 0) + byteLength);
    return true;
  }

  release(kind: ResourceKind, byteLength: number): void {
    if (kind === "module" || kind === "code") return;
    this.#program.release(kind, byteLength);
    this.#used.set(kind, (this.#used.get(kind) ?? 0) - byteLength);
  }

  dispose(): void {
    for (const [kind, byteLength] of this.#used) this.#program.release(kind, byteLength);
    this.#used.clear();
  }
}
