/**
 * Copies of the compiled engine with its text altered: without its fuel statements, to see what fuel costs, or with
 * counters, to see which operations a program executes. They live beside dist/vm, so that packages resolve.
 */

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import type * as Vm from "../vm/index.ts";

const COMPILED_VM = fileURLToPath(new URL("../vm/", import.meta.url));
const INTERPRETER = "execute/interpreter.js";

/** Loads a copy of the engine whose interpreter is `edit(its text)`. Throws if the edit changes nothing. */
export async function alteredEngine(name: string, edit: (interpreter: string) => string): Promise<typeof Vm> {
  const copy = fileURLToPath(new URL(`../altered/${name}/`, import.meta.url));
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy, { recursive: true });
  cpSync(COMPILED_VM, copy, { recursive: true, filter: (path) => !path.endsWith(".test.js") });
  const before = readFileSync(copy + INTERPRETER, "utf8");
  const after = edit(before);
  if (after === before) throw new Error(`the edit "${name}" finds nothing to change in ${INTERPRETER}`);
  writeFileSync(copy + INTERPRETER, after);
  return (await import(pathToFileURL(`${copy}index.js`).href)) as typeof Vm;
}

/** Drops the statements marked `// fuel`. What is left never pauses and reports no fuel. */
export function withoutFuel(interpreter: string): string {
  // tsc puts the statement of an `if` without braces on a line of its own, and the mark with it.
  return interpreter
    .replace(/^ *if \(.*\)\n(?=.*; \/\/ fuel$)/gm, "")
    .split("\n")
    .filter((line) => !line.endsWith("// fuel"))
    .join("\n");
}

/** Counts each executed operation under the one before it: `pairCounts[before * 512 + operation]`, a global array. */
export function withPairCounters(interpreter: string): string {
  return interpreter
    .replace("switch (code[pc])", "before = (before & 511) * 512 + code[pc]; pairs[before]++; switch (code[pc])")
    .replace("let pc = x.pc;", "let pc = x.pc, before = 0; const pairs = globalThis.pairCounts;");
}
