/** Arguments and environment (args_*, environ_*). */

import { Errno } from "./abi.ts";
import type { Guest, WasiFunction } from "./define.ts";
import { checkRange, define, fuelOfBytes } from "./define.ts";

/** Pointers at `pointers`, and the strings one after the other at `content`. */
function writeStrings(guest: Guest, strings: readonly Uint8Array[], pointers: number, content: number): Errno {
  const { memory } = guest;
  const byteLength = strings.reduce((sum, bytes) => sum + bytes.length, 0);
  checkRange(memory, pointers, strings.length * 4);
  checkRange(memory, content, byteLength);
  guest.charge(strings.length + fuelOfBytes(byteLength));
  let address = content;
  strings.forEach((bytes, i) => {
    memory.writeU32(pointers + i * 4, address);
    memory.write(address, bytes);
    address += bytes.length;
  });
  return Errno.Success;
}

function writeSizes(guest: Guest, strings: readonly Uint8Array[], count: number, byteLength: number): Errno {
  const { memory } = guest;
  checkRange(memory, count, 4);
  checkRange(memory, byteLength, 4);
  memory.writeU32(count, strings.length);
  memory.writeU32(
    byteLength,
    strings.reduce((sum, bytes) => sum + bytes.length, 0),
  );
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
