/** Arguments and environment (args_*, environ_*). */

import { Errno } from "./abi.ts";
import type { Guest, WasiFunction } from "./define.ts";
import { checkRange, define, fuelOfBytes } from "./define.ts";
import type { Texts } from "./texts.ts";

/** Pointers at `pointers`, and the strings one after the other at `content`. */
function writeStrings(guest: Guest, { bytes, starts }: Texts, pointers: number, content: number): Errno {
  const { memory } = guest;
  checkRange(memory, pointers, starts.length * 4);
  checkRange(memory, content, bytes.length);
  guest.charge(starts.length + fuelOfBytes(bytes.length));
  const addresses = new DataView(new ArrayBuffer(starts.length * 4));
  for (const [i, start] of starts.entries()) addresses.setUint32(i * 4, content + start, true);
  memory.write(pointers, new Uint8Array(addresses.buffer));
  memory.write(content, bytes);
  return Errno.Success;
}

function writeSizes({ memory }: Guest, { bytes, starts }: Texts, count: number, byteLength: number): Errno {
  checkRange(memory, count, 4);
  checkRange(memory, byteLength, 4);
  memory.writeU32(count, starts.length);
  memory.writeU32(byteLength, bytes.length);
  return Errno.Success;
}

export const ARGS_FUNCTIONS: Readonly<Record<string, WasiFunction>> = {
  args_get: define(["i32", "i32"], (state, guest, argv, content) => writeStrings(guest, state.args, argv, content)),
  args_sizes_get: define(["i32", "i32"], (state, guest, count, byteLength) =>
    writeSizes(guest, state.args, count, byteLength),
  ),
  environ_get: define(["i32", "i32"], (state, guest, environ, content) =>
    writeStrings(guest, state.env, environ, content),
  ),
  environ_sizes_get: define(["i32", "i32"], (state, guest, count, byteLength) =>
    writeSizes(guest, state.env, count, byteLength),
  ),
};
