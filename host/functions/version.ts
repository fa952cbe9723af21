/** `lunatic::version`: which Lunatic this behaves as. */

import type { HostFunction } from "./define.ts";
import { functionsOf } from "./define.ts";

const define = functionsOf("lunatic::version");

/** The version whose functions these are. */
export const LUNATIC_VERSION = { major: 0, minor: 13, patch: 2 } as const;

export const VERSION_FUNCTIONS: readonly HostFunction[] = (["major", "minor", "patch"] as const).map((part) =>
  define(
    part,
    [],
    { result: "i32", doc: `The ${part} number of the Lunatic version: ${LUNATIC_VERSION[part]}.` },
    () => LUNATIC_VERSION[part],
  ),
);
