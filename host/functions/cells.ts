/**
 * What has to be tested of every host function: a table of function × {success, each code, each
 * trap, bad pointer, bad ID, bad UTF-8}. The columns follow from the definition; docs.ts prints the
 * table, and a test compares it with the tests that exist.
 */

import type { HostFunction } from "./define.ts";
import { isAddress, isId } from "./define.ts";

/** "success", "code 1", "trap: no message", "bad pointer", … */
export type Cell = string;

/** The cells of a function, in the order of the table. */
export function cellsOf(fn: HostFunction): Cell[] {
  const meanings = fn.parameters.map(({ meaning }) => meaning);
  const cells = ["success"];
  for (const { code } of fn.codes) if (code !== 0) cells.push(`code ${code}`);
  for (const trap of fn.traps) cells.push(`trap: ${trap}`);
  if (meanings.some(isAddress)) cells.push("bad pointer");
  if (meanings.some(isId)) cells.push("bad ID");
  if (meanings.includes("text")) cells.push("bad UTF-8");
  return cells;
}
