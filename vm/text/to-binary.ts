/** A module's text as its binary. */

import { encodeModule } from "../binary/encode.ts";
import { parseModule, type ParseOptions } from "./parser.ts";

/** The bytes that `compile` takes. Throws `CompileError` with line and column for malformed text; does not validate. */
export function textToBinary(text: string | Uint8Array, options: ParseOptions = {}): Uint8Array {
  return encodeModule(parseModule(text, options));
}
