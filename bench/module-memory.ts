/**
 * `node dist/bench/module-memory.js [thousands]`: what modules with many items of each kind take of V8's heap beside what they
 * count as. The figures of `vm/footprint.ts` come from here.
 */

import { tableText } from "./harness.ts";
import { memoryOf, moduleKinds } from "./module-kinds.ts";

/** Modules that are so small are measured many at a time. */
const SMALL_BYTES = 1_000;
const [thousands = "20"] = process.argv.slice(2);
const mb = (bytes: number): string => (bytes / 1e6).toFixed(2);
const rows: string[][] = [];
for (const { kind, bytes } of moduleKinds(Number(thousands))) {
  const module = bytes();
  const memory = await memoryOf(module, module.length < SMALL_BYTES ? 200 : 1);
  const { moduleBytes, countedBytes, compiledBytes, usedBytes, mappedBytes } = memory;
  const taken = [compiledBytes, usedBytes, mappedBytes].map(
    (each) => `${mb(each)} ${(countedBytes / each).toFixed(2)}`,
  );
  rows.push([kind, mb(moduleBytes), mb(countedBytes), ...taken]);
}
process.stdout.write(`${tableText(["kind", "module MB", "counted", "compiled", "in use", "with maps"], rows)}\n`);
