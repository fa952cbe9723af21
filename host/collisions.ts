/**
 * Keys for tests that fall into one bucket of a `Map` of V8, whatever its size: the hashes of bigints and of numbers have no
 * seed and can be inverted.
 */

const MASK = 2n ** 64n - 1n;

/** Of an odd number, by Newton's method. */
function inverse(factor: bigint): bigint {
  let result = 1n;
  for (let i = 0; i < 7; i++) result = (result * (2n - factor * result)) & MASK;
  return result & MASK;
}

/** What `value ^ (value >> shift)` was made of. */
function unshift(mixed: bigint, shift: bigint): bigint {
  let value = mixed;
  for (let i = 0n; i <= 64n / shift; i++) value = mixed ^ (value >> shift);
  return value & MASK;
}

/** The 64 bits whose mix in V8 is `mixed`. */
function unmix(mixed: bigint): bigint {
  const multiplied = (unshift(mixed, 22n) * inverse(65n)) & MASK;
  const shifted = (unshift(multiplied, 11n) * inverse(21n)) & MASK;
  return ((unshift(shifted, 31n) + 1n) * inverse(2n ** 18n - 1n)) & MASK;
}

/** Distinct positive tags of 63 bits. */
export function collidingTags(count: number): bigint[] {
  const tags: bigint[] = [];
  // A hash has 30 bits.
  for (let i = 1n; tags.length < count; i++) {
    const tag = unmix((i << 30n) | 12_345n);
    if (tag < 2n ** 63n) tags.push(tag);
  }
  return tags;
}
