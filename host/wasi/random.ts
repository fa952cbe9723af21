/** Randomness (random_get). */

import { laterTurn } from "../give-way.ts";
import { Errno } from "./abi.ts";
import type { Answer, GuestMemory, WasiFunction } from "./define.ts";
import { checkRange, defineWaiting } from "./define.ts";
import type { Call } from "./walk.ts";

/** Bytes from the generator at a time: the most that {@link Random.fill} takes. Others have their turn after each. */
const STEP_BYTES = 65_536;

/** A generator is slower than a copy. */
const NS_PER_BYTE = 2;
const BYTES_PER_FUEL = 4;

/** Fills in steps: gigabytes would hold up the event loop for seconds. All of the fuel is paid. */
function fill(call: Call, memory: GuestMemory, address: number, byteLength: number): Answer {
  const step = Math.min(byteLength, STEP_BYTES);
  const bytes = new Uint8Array(step);
  call.state.random.fill(bytes);
  memory.write(address, bytes);
  if (step === byteLength) return Errno.Success;
  return laterTurn().then(() => (later: GuestMemory) => {
    call.state.checkLiving();
    const rest = byteLength - step;
    call.guest.chargeTime(Math.min(rest, STEP_BYTES) * NS_PER_BYTE);
    return fill(call, later, address + step, rest);
  });
}

export const RANDOM_FUNCTIONS: Readonly<Record<string, WasiFunction>> = {
  random_get: defineWaiting(["i32", "i32"], (state, guest, address, byteLength) => {
    checkRange(guest.memory, address, byteLength);
    guest.charge(Math.ceil(byteLength / BYTES_PER_FUEL));
    return fill({ state, guest }, guest.memory, address, byteLength);
  }),
};
