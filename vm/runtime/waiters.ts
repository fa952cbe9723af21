/**
 * Who waits at which address of a shared memory. Wakes are first come, first woken, so what a
 * program does follows from the order in which its threads get their turns and from nothing else.
 * Time is the embedder's: it ends a wait that takes too long.
 */

/** What `memory.atomic.wait` returns. */
export const enum WaitResult {
  Woken = 0,
  NotEqual = 1,
  TimedOut = 2,
}

/** An atomic wait as the embedder sees it. */
export interface AtomicWait {
  readonly address: number;
  /** How long it may take, from the turn on that it ends; null: for ever. */
  readonly timeoutNs: bigint | null;
  /** Resolves when the wait is over, never rejects. */
  readonly ready: Promise<void>;
  /** Ends the wait because its time is over. Does nothing when it is over already. */
  timeOut(): void;
}

export class Waiter implements AtomicWait {
  readonly address: number;
  readonly timeoutNs: bigint | null;
  /** What the instruction returns; null while the wait goes on. */
  result: WaitResult | null = null;
  readonly #queue: WaiterQueue;
  #ready: Promise<void> | null = null;
  #resolve: (() => void) | null = null;

  /** Use {@link WaiterQueue.add}. */
  constructor(queue: WaiterQueue, address: number, timeoutNs: bigint | null) {
    this.#queue = queue;
    this.address = address;
    this.timeoutNs = timeoutNs;
  }

  get ready(): Promise<void> {
    this.#ready ??= new Promise((resolve) => {
      if (this.result === null) this.#resolve = resolve;
      else resolve();
    });
    return this.#ready;
  }

  timeOut(): void {
    this.end(WaitResult.TimedOut);
  }

  /** Leaves the queue. Does nothing when the wait is over. */
  end(result: WaitResult): void {
    if (this.result !== null) return;
    this.result = result;
    this.#queue.remove(this);
    this.#resolve?.();
  }
}

export class WaiterQueue {
  /** By address, in the order of arrival. */
  readonly #waiters = new Map<number, Set<Waiter>>();

  add(address: number, timeoutNs: bigint | null): Waiter {
    const waiter = new Waiter(this, address, timeoutNs);
    const waiters = this.#waiters.get(address);
    if (waiters === undefined) this.#waiters.set(address, new Set([waiter]));
    else waiters.add(waiter);
    return waiter;
  }

  remove(waiter: Waiter): void {
    const waiters = this.#waiters.get(waiter.address);
    if (waiters?.delete(waiter) === true && waiters.size === 0) this.#waiters.delete(waiter.address);
  }

  /** Everybody who waits: those at one address in the order of their arrival. */
  all(): Waiter[] {
    return [...this.#waiters.values()].flatMap((waiters) => [...waiters]);
  }

  /** Wakes those that have waited longest at the address, at most `count`; how many they were. */
  wake(address: number, count: number): number {
    let woken = 0;
    for (const waiter of this.#waiters.get(address) ?? []) {
      if (woken === count) break;
      waiter.end(WaitResult.Woken);
      woken++;
    }
    return woken;
  }
}
