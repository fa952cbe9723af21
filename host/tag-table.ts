/**
 * Tables whose keys guests choose. V8 hashes bigints, and numbers too, without a seed: whoever chooses them can have as many
 * as he likes in one bucket of a `Map` or `Set`, each look-up of which then takes as long as all of them. Here a hash with a
 * secret key decides (HalfSipHash-1-3). Nothing is ever listed, so what a program does cannot depend on the key.
 */

import { LinearTable } from "./linear-table.ts";
import { PLATFORM_RANDOM } from "./platform-random.ts";
import type { Random } from "./system.ts";

/** A tag as two 32-bit halves, the lower first. */
const wide = new BigInt64Array(1);
const halves = new Int32Array(wide.buffer);

/** The last word of what is hashed: its length, 8 bytes. */
const LENGTH_WORD = 8 << 24;

export class TagHash {
  readonly #key0: number;
  readonly #key1: number;

  /** With a secret key from `random`. */
  constructor(random: Random = PLATFORM_RANDOM) {
    const key = new Int32Array(2);
    random.fill(new Uint8Array(key.buffer));
    this.#key0 = key[0]!;
    this.#key1 = key[1]!;
  }

  static #shared: TagHash | null = null;

  /** One for the isolate. */
  static get shared(): TagHash {
    TagHash.#shared ??= new TagHash();
    return TagHash.#shared;
  }

  /** 32 bits, signed. */
  of(tag: bigint): number {
    wide[0] = tag;
    return this.ofWords(halves[0]!, halves[1]!);
  }

  /** Of a tag by its halves, signed. */
  ofWords(low: number, high: number): number {
    let v0 = this.#key0;
    let v1 = this.#key1;
    let v2 = 0x6c796765 ^ v0;
    let v3 = 0x74656462 ^ v1;
    for (let round = 0; round < 6; round++) {
      // Three words, then three rounds without one.
      const word = round === 0 ? low : round === 1 ? high : round === 2 ? LENGTH_WORD : 0;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
      if (round === 2) v2 ^= 0xff;
    }
    return v1 ^ v3;
  }
}

/** What a table holds for a tag. */
export class TagEntry {
  readonly tag: bigint;
  // The table's.
  hash = 0;
  nextInBucket: this | null = null;

  constructor(tag: bigint) {
    this.tag = tag;
  }
}

export class TagTable<E extends TagEntry> extends LinearTable<E> {
  readonly #hash: TagHash;
  /** Entries that look-ups have compared. */
  probes = 0;

  constructor(hash = TagHash.shared) {
    super();
    this.#hash = hash;
  }

  get(tag: bigint): E | null {
    const hash = this.#hash.of(tag);
    let entry = this.first(hash);
    while (entry !== null) {
      this.probes++;
      if (entry.hash === hash && entry.tag === tag) return entry;
      entry = entry.nextInBucket;
    }
    return null;
  }

  /** The entry of a tag by its halves, of which no bigint is made where there is none. */
  getWords(low: number, high: number): E | null {
    const hash = this.#hash.ofWords(low, high);
    let entry = this.first(hash);
    while (entry !== null) {
      this.probes++;
      if (entry.hash === hash && entry.tag === tagOf(low, high)) return entry;
      entry = entry.nextInBucket;
    }
    return null;
  }

  /** Its tag has no entry. */
  add(entry: E): void {
    entry.hash = this.#hash.of(entry.tag);
    this.insert(entry);
  }

  /** An entry of the table. */
  delete(entry: E): void {
    this.remove(entry);
  }
}

/** Up to so many tags are compared one by one, and are bigints. */
export const FEW_TAGS = 8;

/**
 * Tags that somebody waits for. Many are kept as words, two for each, found by an index once somebody asks: as bigints with entries
 * of a table 4,096 of them are 12,000 objects, which V8 copies as long as the wait lasts.
 */
export class TagSet {
  readonly size: number;
  readonly #few: readonly bigint[] | null;
  readonly #words: readonly number[];
  readonly #hash: TagHash;
  /** By hash, with open addressing: one more than the place of a tag, or 0. */
  #index: Int32Array | null = null;
  /** Places of the index that look-ups have gone to. */
  probes = 0;

  /** Of words if there are more than {@link FEW_TAGS}: the lower half of each tag, signed, and then the higher one. */
  constructor(tags: readonly bigint[] | readonly number[], hash = TagHash.shared) {
    this.#hash = hash;
    if (areWords(tags)) {
      this.#few = null;
      this.#words = tags;
    } else {
      this.#few = tags.length > FEW_TAGS ? null : tags;
      this.#words = this.#few === null ? wordsOf(tags) : NO_WORDS;
    }
    this.size = this.#few?.length ?? this.#words.length / 2;
  }

  /** All of them, as they were given. */
  get tags(): readonly bigint[] {
    return this.#few ?? Array.from({ length: this.size }, (_, i) => this.#tag(i));
  }

  has(tag: bigint): boolean {
    if (this.#few !== null) return this.#few.includes(tag);
    this.#index ??= this.#makeIndex();
    wide[0] = tag;
    return this.#index[this.#placeOf(this.#index, halves[0]!, halves[1]!)] !== 0;
  }

  /** Calls `each` with the entry of every tag that has one. */
  forEachIn<E extends TagEntry>(table: TagTable<E>, each: (entry: E) => void): void {
    for (let i = 0; i < this.size; i++) {
      const words = this.#words;
      const entry = this.#few === null ? table.getWords(words[i * 2]!, words[i * 2 + 1]!) : table.get(this.#few[i]!);
      if (entry !== null) each(entry);
    }
  }

  #tag(i: number): bigint {
    return tagOf(this.#words[i * 2]!, this.#words[i * 2 + 1]!);
  }

  #makeIndex(): Int32Array {
    // Twice as many places, or more.
    const index = new Int32Array(1 << (33 - Math.clz32(this.size)));
    const words = this.#words;
    for (let i = 0; i < this.size; i++) index[this.#placeOf(index, words[i * 2]!, words[i * 2 + 1]!)] = i + 1;
    return index;
  }

  /** Where the tag is, or would be. */
  #placeOf(index: Int32Array, low: number, high: number): number {
    const words = this.#words;
    const mask = index.length - 1;
    for (let place = this.#hash.ofWords(low, high) & mask; ; place = (place + 1) & mask) {
      this.probes++;
      const at = (index[place]! - 1) * 2;
      if (at < 0 || (words[at] === low && words[at + 1] === high)) return place;
    }
  }
}

const NO_WORDS: readonly number[] = [];

function areWords(tags: readonly bigint[] | readonly number[]): tags is readonly number[] {
  return typeof tags[0] === "number";
}

function wordsOf(tags: readonly bigint[]): number[] {
  return tags.flatMap((tag) => {
    wide[0] = tag;
    return [halves[0]!, halves[1]!];
  });
}

function tagOf(low: number, high: number): bigint {
  halves[0] = low;
  halves[1] = high;
  return wide[0]!;
}
