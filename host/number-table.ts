/** Tables by number, for what guests and processes are known by: in the order of their making, and cheap where many come and go. */

import { LinearTable, type LinearEntry } from "./linear-table.ts";
import { MemberList, type Member } from "./member-list.ts";

/** Who keeps some of many numbers, or gives them in a snapshot, cannot know which ones share a bucket. */
const [SECRET0, SECRET1] = crypto.getRandomValues(new Int32Array(2)) as unknown as readonly [number, number];

/** 32 bits, signed. The upper half of a number meets the lower one when that is mixed: what their sum is nobody can choose. */
export function hashOf(number: number): number {
  const high = Math.trunc(number / 2 ** 32);
  const hash = mix(number ^ SECRET0);
  return high === 0 ? hash : mix(hash ^ high ^ SECRET1);
}

function mix(word: number): number {
  let hash = word;
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

  /** The one that has been in it for longest; null when it is empty. */
  get oldest(): { readonly number: number; readonly value: T } | null {
    return this.#order.first;
  }

  /** Numbers with their values, as they are now. */
  entries(): (readonly [number: number, value: T])[] {
    return this.#order.toArray().map(({ number, value }) => [number, value]);
  }

  values(): T[] {
    return this.#order.toArray().map(({ value }) => value);
  }
}
