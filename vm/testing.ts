/** Helpers for tests only. */

import { encodeModule } from "./binary/encode.ts";
import { parseModule } from "./text/parser.ts";

/** A text module as bytes: wat`(func (export "f") (result i32) (i32.const 42))`. */
export function wat(strings: TemplateStringsArray, ...values: readonly (string | number | bigint)[]): Uint8Array {
  return encodeModule(parseModule(String.raw({ raw: strings.raw }, ...values)));
}
