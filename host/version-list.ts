/**
 * Versions of one name in their order, so that a look-up compares a few of them, however many there are. What fits a range lies
 * side by side: all that are not pre-releases, and of these, those of one major, minor and patch.
 */

import { compareVersions, isInRange, isPast, type Version, type VersionRange } from "./versions.ts";

export interface Versioned {
  readonly version: Version;
  /** Of two of the same precedence the one with the lower order is found. */
  readonly order: number;
}

/** A chunk that grows beyond is cut in halves: putting one in moves no more than so many. */
const MAX_CHUNK = 512;
/** Steps of finding the chunk, of which two neighbours together are never small, and of finding a place in it: less 32 bits. */
const MAX_STEPS = 38;

function compare(a: Versioned, b: Versioned): number {
  return compareVersions(a.version, b.version) || b.order - a.order;
}

/** Ascending, in chunks. */
class Sorted<T extends Versioned> {
  /** None is empty. */
  readonly #chunks: T[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(item: T): void {
    this.#size++;
    const index = Math.max(0, countOf(this.#chunks, ([first]) => compare(first!, item) < 0) - 1);
    const chunk = this.#chunks[index];
    if (chunk === undefined) {
      this.#chunks.push([item]);
      return;
    }
    chunk.splice(
      countOf(chunk, (other) => compare(other, item) < 0),
      0,
      item,
    );
    if (chunk.length > MAX_CHUNK) this.#chunks.splice(index + 1, 0, chunk.splice(MAX_CHUNK / 2));
  }

  /** One that is in it. */
  delete(item: T): void {
    this.#size--;
    const index = countOf(this.#chunks, ([first]) => compare(first!, item) <= 0) - 1;
    const chunk = this.#chunks[index]!;
    chunk.splice(
      countOf(chunk, (other) => compare(other, item) < 0),
      1,
    );
    const next = this.#chunks[index + 1];
    if (next !== undefined && chunk.length + next.length <= MAX_CHUNK / 2) {
      chunk.push(...next);
      this.#chunks.splice(index + 1, 1);
    } else if (chunk.length === 0) this.#chunks.splice(index, 1);
  }

  /** The last of those that `isBefore` holds for, which are the first ones. */
  last(isBefore: (item: T) => boolean): T | null {
    const chunk = this.#chunks[countOf(this.#chunks, ([first]) => isBefore(first!)) - 1];
    return chunk === undefined ? null : chunk[countOf(chunk, isBefore) - 1]!;
  }
}

/** How many of the first items the condition holds for. */
function countOf<T>(items: readonly T[], holds: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(items[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}

export class VersionList<T extends Versioned> {
  readonly #releases = new Sorted<T>();
  readonly #previews = new Sorted<T>();

  get size(): number {
    return this.#releases.size + this.#previews.size;
  }

  #of({ version }: T): Sorted<T> {
    return version.pre.length === 0 ? this.#releases : this.#previews;
  }

  add(item: T): void {
    this.#of(item).add(item);
  }

  /** One that is in it. */
  delete(item: T): void {
    this.#of(item).delete(item);
  }

  /** No more versions than this are compared with a range: what a look-up costs can be paid before. */
  maxCompared(range: VersionRange): number {
    const searches = 1 + range.filter(({ pre }) => pre.length > 0).length;
    return searches * Math.min(this.size, MAX_STEPS - Math.clz32(this.size));
  }

  /** The newest in the range. */
  newest(range: VersionRange): T | null {
    let best = this.#releases.last(({ version }) => !isPast(version, range));
    if (best !== null && !isInRange(best.version, range)) best = null;
    // Pre-releases are found where the range names one of the same numbers.
    for (const { major, minor, patch, pre } of range) {
      if (pre.length === 0 || this.#previews.size === 0) continue;
      const release = { major: major!, minor: minor!, patch: patch!, pre: [] };
      const preview = this.#previews.last(
        ({ version }) => compareVersions(version, release) < 0 && !isPast(version, range),
      );
      if (preview === null || !isInRange(preview.version, range)) continue;
      if (best === null || compareVersions(preview.version, best.version) > 0) best = preview;
    }
    return best;
  }
}
