/** Randomness (random_get). */

import { Errno } from "./abi.ts";
import type { WasiFunction } from "./define.ts";
import { checkRange, define } from "./define.ts";

/** Bytes from the generator at a time: the most that {@link Random.fill} takes. */
const BLOCK_BYTES = 65_536;

export const RANDOM_FUNCTIONS: Readonly<Record<string, WasiFunction>> = {
  random_get: define(["i32", "i32"], ({ random }, guest, address, byteLength) => {
    checkRange(guest.memory, address, byteLength);
    // A generator is slower than a copy: some 2 ns a byte.
    guest.charge(Math.ceil(byteLength / 4));
    for (let done = 0; done < byteLength; done += BLOCK_BYTES) {
      const length = Math.min(BLOCK_BYTES, byteLength - done);
      guest.memory.withBytes(address + done, length, (bytes) => random.fill(bytes));
    }
    return Errno.Success;
  }),
};
