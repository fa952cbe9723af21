/**
 * What is used again: things that nobody has wait here for the next who needs one, since V8 collects for whatever comes and
 * goes, and marks its heap a part at each new buffer once many have gone. What nobody has needed for a while is dropped.
 */

import type { Executor } from "./executor.ts";
import { Timer } from "./timers.ts";

/** What all stocks may keep: as much as a group of 64 MiB has given back. More is dropped at once. */
const MAX_KEPT_BYTES = 67_108_864;
/** What nobody has needed for so long is dropped, between once and twice. */
const KEPT_MS = 1_000;

const stocks: Stock<unknown>[] = [];
let keptBytes = 0;

export class Stock<T> {
  readonly #unitBytes: number;
  /** The one that was given last is taken first. */
  readonly #things: T[] = [];
  /** The fewest that were there since somebody looked: so many nobody has needed. */
  #least = 0;

  /** Of things of about so many bytes. Stocks are never given up. */
  constructor(unitBytes: number) {
    this.#unitBytes = unitBytes;
    stocks.push(this);
  }

  get size(): number {
    return this.#things.length;
  }

  take(): T | undefined {
    const things = this.#things;
    const thing = things.pop();
    if (thing === undefined) return undefined;
    keptBytes -= this.#unitBytes;
    if (things.length < this.#least) this.#least = things.length;
    return thing;
  }

  /** Nobody else has it. */
  give(thing: T): void {
    if (keptBytes + this.#unitBytes > MAX_KEPT_BYTES) return;
    keptBytes += this.#unitBytes;
    this.#things.push(thing);
  }

  /** Drops what nobody has needed since the last time, those that were given first. */
  trim(): void {
    this.#things.splice(0, this.#least);
    keptBytes -= this.#least * this.#unitBytes;
    this.#least = this.#things.length;
  }
}

/** Bytes that wait to be used again. */
export function stockedBytes(): number {
  return keptBytes;
}

/** Drops what nobody has needed since the last time. */
export function trimStocks(): void {
  for (const stock of stocks) stock.trim();
}

const trimming = new WeakSet<Executor>();

/** From now on stocks are trimmed while this executor gives turns. */
export function trimStocksBy(executor: Executor): void {
  if (trimming.has(executor)) return;
  trimming.add(executor);
  const timer = new Timer(() => {
    trimStocks();
    executor.armUnhurried(timer, KEPT_MS);
  });
  executor.armUnhurried(timer, KEPT_MS);
}
