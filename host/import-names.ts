/** Which names guests may import of us: all that WASI and `guestFunctions` have. */

import { check, TEXT } from "../vm/internal.ts";
import { HOST_FUNCTIONS } from "./functions/functions.ts";
import { matchesPattern } from "./import-policy.ts";
import { WASI_FUNCTIONS, WASI_MODULE } from "./wasi/functions.ts";

/** Whether a pattern of `ImportRules` names any of them: one that does not is misspelt, or for functions of the embedder. */
export function namesImport(pattern: string): boolean {
  check("pattern of imports", pattern, TEXT);
  for (const name of WASI_FUNCTIONS.keys()) if (matchesPattern(pattern, `${WASI_MODULE}::${name}`)) return true;
  return HOST_FUNCTIONS.some(({ fullName }) => matchesPattern(pattern, fullName));
}
