/**
 * Cleaning of memory that somebody has left, without touching pages of the system that were not touched.
 */

/** What the system provides at once. */
export const SYSTEM_PAGE_BYTES = 4_096;

/**
 * Overwrites what is not zero from byte `start` to `end`, of a system's pages; reading what was never touched takes no memory.
 * Returns the bytes of the pages that were not zero.
 */
export function cleanBytes(words: Int32Array, doubles: Float64Array, start: number, end: number): number {
  const step = SYSTEM_PAGE_BYTES / 4;
  let found = 0;
  for (let at = start / 4; at < end / 4; at += step) {
    const first = firstDirty(words, at, at + step);
    if (first === at + step) continue;
    // Allocators put a header before a buffer, so what is a page of it lies in two of the system's: where only one was
    // touched, the other stays as it is.
    doubles.fill(0, first / 2, endOfDirty(words, at + step) / 2);
    found += SYSTEM_PAGE_BYTES;
  }
  return found;
}

/** The first four words that are not all zero; `end` if there are none. */
function firstDirty(words: Int32Array, start: number, end: number): number {
  for (let at = start; at < end; at += 8) {
    const low = words[at]! | words[at + 1]! | words[at + 2]! | words[at + 3]!;
    if (low !== 0) return at;
    const high = words[at + 4]! | words[at + 5]! | words[at + 6]! | words[at + 7]!;
    if (high !== 0) return at + 4;
  }
  return end;
}

/** The end of the last four words before `end` that are not all zero. There are some. */
function endOfDirty(words: Int32Array, end: number): number {
  while ((words[end - 4]! | words[end - 3]! | words[end - 2]! | words[end - 1]!) === 0) end -= 4;
  return end;
}
