/**
 * Tables whose keys guests choose. V8 hashes bigints, and numbers too, without a seed: whoever chooses them can have as many
 * as he likes in one bucket of a `Map` or `Set`, each look-up of which then takes as long as all of them. Here a hash with a
 * secret key decides (HalfSipHash-1-3). Nothing is ever listed, so what a program does cannot depend on the key.
 */

import { LinearTable } from "./linear-table.ts";
import type { Random } from "./system.ts";

/** A tag as two 32-bit halves, the lower first. */
const wide = new BigInt64Array(1);
const halves = new Int32Array(wide.buffer);

const PLATFORM: Random = {
  fill(bytes) {
    bytes.set(crypto.getRandomValues(new Uint8Array(bytes.length)));
  },
};

/** The last word of what is hashed: its length, 8 bytes. */
const LENGTH_WORD = 8 << 24;

export class TagHash {
  readonly #key0: number;
  readonly #key1: number;

  /** With a secret key from `random`. */
  constructor(random: Random = PLATFORM) {
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
    let v0 = this.#key0;
    let v1 = this.#key1;
    let v2 = 0x6c796765 ^ v0;
    let v3 = 0x74656462 ^ v1;
    for (let round = 0; round < 6; round++) {
      // Three words, then three rounds without one.
      const word = round < 2 ? halves[round]! : round === 2 ? LENGTH_WORD : 0;
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

/** Up to so many tags are compared one by one. */
const FEW_TAGS = 8;

/** Tags that somebody waits for. */
export class TagSet {
  readonly tags: readonly bigint[];
  readonly #table: TagTable<TagEntry> | null;

  constructor(tags: readonly bigint[], hash = TagHash.shared) {
    this.tags = tags;
    this.#table = tags.length > FEW_TAGS ? new TagTable(hash) : null;
    if (this.#table === null) return;
    for (const tag of tags) {
      if (this.#table.get(tag) === null) this.#table.add(new TagEntry(tag));
    }
  }

  has(tag: bigint): boolean {
    return this.#table === null ? this.tags.includes(tag) : this.#table.get(tag) !== null;
  }
}
