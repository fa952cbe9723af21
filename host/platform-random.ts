/** Randomness as every platform has it. */

import type { Random } from "./system.ts";

/** What is fetched at once for requests up to the second: each fetch takes microseconds, however little it is. */
const POOL_BYTES = 1_024;
const SMALL_BYTES = 64;

export class PlatformRandom implements Random {
  readonly #pool = new Uint8Array(POOL_BYTES);
  #used = POOL_BYTES;

  fill(bytes: Uint8Array): void {
    const { length } = bytes;
    if (length > SMALL_BYTES) {
      // Into an array of its own: the bytes may be a view of shared memory, which the platform refuses.
      bytes.set(crypto.getRandomValues(new Uint8Array(length)));
      return;
    }
    if (this.#used + length > POOL_BYTES) {
      crypto.getRandomValues(this.#pool);
      this.#used = 0;
    }
    const pool = this.#pool;
    const end = this.#used + length;
    bytes.set(pool.subarray(this.#used, end));
    // Nobody gets them again.
    pool.fill(0, this.#used, end);
    this.#used = end;
  }
}

/** One for the isolate. */
export const PLATFORM_RANDOM: Random = new PlatformRandom();
