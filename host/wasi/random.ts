/** Randomness (random_get). */

import { Errno } from "./abi.ts";
import type { Answer, GuestMemory, WasiFunction } from "./define.ts";
import { checkRange, defineWaiting } from "./define.ts";
import type { WasiState } from "./state.ts";

/** Bytes from the generator at a time: the most that {@link Random.fill} takes. */
const BLOCK_BYTES = 65_536;
/** Bytes before others have their turn: some two milliseconds. */
const STEP_BYTES = 1_048_576;

/** Fills in steps: gigabytes would hold up the event loop for seconds. */
function fill(state: WasiState, memory: GuestMemory, address: number, byteLength: number): Answer {
  const step = Math.min(byteLength, STEP_BYTES);
  const block = new Uint8Array(Math.min(step, BLOCK_BYTES));
  for (let done = 0; done < step; done += BLOCK_BYTES) {
    const bytes = block.subarray(0, step - done);
    state.random.fill(bytes);
    memory.write(address + done, bytes);
  }
  if (step === byteLength) return Errno.Success;
  return state
    .wait((wake) => state.clock.wakeAt(state.clock.monotonic(), wake))
    .then(() => (later: GuestMemory) => fill(state, later, address + step, byteLength - step));
}

export const RANDOM_FUNCTIONS: Readonly<Record<string, WasiFunction>> = {
  random_get: defineWaiting(["i32", "i32"], (state, guest, address, byteLength) => {
    checkRange(guest.memory, address, byteLength);
    // A generator is slower than a copy: some 2 ns a byte.
    guest.charge(Math.ceil(byteLength / 4));
    return fill(state, guest.memory, address, byteLength);
  }),
};
