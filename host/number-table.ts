/** Tables by number, for what guests and processes are known by: in the order of their making, and cheap where many come and go. */

import { LinearTable, type LinearEntry } from "./linear-table.ts";
import { MemberList, type Member } from "./member-list.ts";

/** Who keeps some of many numbers cannot know which ones share a bucket. */
const SECRET = Math.floor(Math.random() * 2 ** 32) | 0;

function hashOf(number: number): number {
  let hash = (number | 0) ^ SECRET ^ Math.trunc(number / 2 ** 32);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

interface Entry<T> extends LinearEntry<Entry<T>>, Member<Entry<T>> {
  readonly number: number;
  value: T;
}

/** Of safe integers. */
export class NumberTable<T> extends LinearTable<Entry<T>> {
  readonly #order = new MemberList<Entry<T>>();

  #find(number: number): Entry<T> | null {
    let entry = this.first(hashOf(number));
    while (entry !== null && entry.number !== number) entry = entry.nextInBucket;
    return entry;
  }

  get(number: number): T | undefined {
    return this.#find(number)?.value;
  }

  /** A number that has a value keeps its place in the order. */
  set(number: number, value: T): void {
    const known = this.#find(number);
    if (known !== null) {
      known.value = value;
      return;
    }
    const entry = { number, value, hash: hashOf(number), nextInBucket: null, earlier: null, later: null };
    this.insert(entry);
    this.#order.add(entry);
  }

  /** Its value, undefined if it had none. */
  delete(number: number): T | undefined {
    const entry = this.#find(number);
    if (entry === null) return undefined;
    this.remove(entry);
    this.#order.delete(entry);
    return entry.value;
  }

  /** Numbers with their values, as they are now. */
  entries(): (readonly [number: number, value: T])[] {
    return this.#order.toArray().map(({ number, value }) => [number, value]);
  }

  values(): T[] {
    return this.#order.toArray().map(({ value }) => value);
  }
}
