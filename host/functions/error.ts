/** `lunatic::error`: the texts of failed calls, kept until the guest drops them. */

import type { HostFunction } from "./define.ts";
import { functionsOf } from "./define.ts";
import type { Guest } from "./guest.ts";

const define = functionsOf("lunatic::error");

export const ERROR_FUNCTIONS: readonly HostFunction[] = [
  define(
    "string_size",
    ["error_id: resource"],
    { result: "i32", doc: "The length in bytes of the error's UTF-8 text." },
    (guest, id) => errorOf(guest, id).length,
  ),
  define(
    "to_string",
    ["error_id: resource", "out_ptr: out"],
    { doc: "Writes the text, without a terminator. The guest has reserved `string_size` bytes." },
    (guest, id, address) => {
      const bytes = errorOf(guest, id);
      guest.writeBytes(address, bytes);
    },
  ),
  define("drop", ["error_id: resource"], { doc: "Frees the error." }, (guest, id) => {
    if (!guest.process.resources.errors.drop(id)) throw guest.trap(`there is no error ${id}`);
  }),
];

function errorOf(guest: Guest, id: number): Uint8Array {
  const bytes = guest.process.resources.errors.get(id);
  if (bytes === undefined) throw guest.trap(`there is no error ${id}`);
  return bytes;
}
