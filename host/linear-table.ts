/**
 * Hash tables that grow and shrink by one bucket at a time (linear hashing): no step has to move all of a table. Entries are
 * objects that know their hash and who follows them in their bucket, and an entry that has left refers to none: V8's `Map` and `Set`
 * leave old tables behind that refer to newer ones, so that where thousands of entries come and go, all of them live
 * until the next full collection, and short collections take ten times as long.
 */

/** What an entry has to have. Both are the table's. */
export interface LinearEntry<E> {
  /** 32 bits, evenly spread. Set before it is put in. */
  hash: number;
  nextInBucket: E | null;
}

const MIN_BUCKETS = 8;
/** There are fewer buckets than this many times the entries. */
const MAX_EMPTY = 4;

export class LinearTable<E extends LinearEntry<E>> {
  readonly #buckets: (E | null)[] = new Array<E | null>(MIN_BUCKETS).fill(null);
  /** The power of two that the number of buckets has reached. */
  #level = MIN_BUCKETS;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The first entry of the bucket in which those with a hash are. */
  protected first(hash: number): E | null {
    return this.#buckets[this.#bucketOf(hash)]!;
  }

  protected insert(entry: E): void {
    this.#put(entry);
    if (++this.#size > this.#buckets.length) this.#split();
  }

  /** The entry is in the table. */
  protected remove(entry: E): void {
    const index = this.#bucketOf(entry.hash);
    const first = this.#buckets[index]!;
    if (first === entry) this.#buckets[index] = entry.nextInBucket;
    else {
      let before = first;
      while (before.nextInBucket !== entry) before = before.nextInBucket!;
      before.nextInBucket = entry.nextInBucket;
    }
    entry.nextInBucket = null;
    this.#size--;
    const { length } = this.#buckets;
    if (length > MIN_BUCKETS && this.#size * MAX_EMPTY < length) this.#merge();
  }

  /** Buckets below the next power of two exist as far as they have been split from their lower halves. */
  #bucketOf(hash: number): number {
    const index = hash & (this.#level * 2 - 1);
    return index < this.#buckets.length ? index : hash & (this.#level - 1);
  }

  #put(entry: E): void {
    const index = this.#bucketOf(entry.hash);
    entry.nextInBucket = this.#buckets[index]!;
    this.#buckets[index] = entry;
  }

  #putAll(first: E | null): void {
    for (let entry = first; entry !== null; ) {
      const next: E | null = entry.nextInBucket;
      this.#put(entry);
      entry = next;
    }
  }

  /** One more bucket, with its part of the one whose number ends as its does. */
  #split(): void {
    const index = this.#buckets.length - this.#level;
    const first = this.#buckets[index]!;
    this.#buckets[index] = null;
    this.#buckets.push(null);
    this.#putAll(first);
    if (this.#buckets.length === this.#level * 2) this.#level *= 2;
  }

  #merge(): void {
    if (this.#buckets.length === this.#level) this.#level /= 2;
    this.#putAll(this.#buckets.pop()!);
  }
}
