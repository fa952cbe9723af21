/** The compiled guests that the examples run; their sources are in guests/assemblyscript. */

import { readFileSync } from "node:fs";
import type { OutputStream } from "../host/index.ts";

const GUESTS = new URL("../../guests/wasm/lunatic/", import.meta.url);

export function guestBytes(name: string): Uint8Array {
  return readFileSync(new URL(`${name}.wasm`, GUESTS));
}

/** Calls `onLine` with every line that is written. */
export function lines(onLine: (line: string) => void): OutputStream {
  let rest = "";
  return {
    isTerminal: false,
    isWritable: true,
    write(bytes) {
      const parts = (rest + new TextDecoder().decode(bytes)).split("\n");
      rest = parts.pop() ?? "";
      parts.forEach(onLine);
      return undefined;
    },
    onWritable(wake) {
      const immediate = setImmediate(wake);
      return () => clearImmediate(immediate);
    },
  };
}
