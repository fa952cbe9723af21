/** The compiled guests that the examples run; their sources are in guests/assemblyscript. */

import { readFileSync } from "node:fs";

const GUESTS = new URL("../../guests/wasm/lunatic/", import.meta.url);

export function guestBytes(name: string): Uint8Array {
  return readFileSync(new URL(`${name}.wasm`, GUESTS));
}
