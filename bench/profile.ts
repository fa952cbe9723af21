/**
 * `node dist/bench/profile.js [kernel…]`: which operations of the register code each kernel executes, how many wasm
 * instructions one operation stands for, and which pairs follow each other: what to fuse next.
 */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { alteredEngine, withPairCounters } from "./altered.ts";
import { benchArguments } from "./arguments.ts";
import { ownRun } from "./engines.ts";
import { short } from "./harness.ts";
import { KERNELS, kernelBytes } from "./kernels.ts";

const OPERATIONS = 512;
const SHOWN = 12;

const counters = globalThis as { pairCounts?: Float64Array };
const USAGE = "node dist/bench/profile.js [kernel …]";
const { chosen } = benchArguments(
  USAGE,
  {},
  KERNELS.map(({ name }) => name),
);
const names = operationNames();
const engine = await alteredEngine("with-counters", withPairCounters);

for (const { name, n } of KERNELS.filter((kernel) => chosen.length === 0 || chosen.includes(kernel.name))) {
  const pairs = (counters.pairCounts = new Float64Array(OPERATIONS * OPERATIONS));
  const { run, fuelUsed } = ownRun(kernelBytes(name), undefined, engine);
  run(Math.ceil(n / 20));
  const single = new Float64Array(OPERATIONS);
  for (const [index, count] of pairs.entries()) single[index % OPERATIONS]! += count;
  const total = single.reduce((sum, count) => sum + count, 0);
  process.stdout.write(`\n${name}: ${short(fuelUsed() / total)} instructions per operation\n`);
  process.stdout.write(`  ${top(single, total, (index) => names[index] ?? String(index))}\n`);
  const pairName = (index: number): string => `${names[Math.floor(index / OPERATIONS)]}+${names[index % OPERATIONS]}`;
  process.stdout.write(`  pairs: ${top(pairs, total, pairName)}\n`);
}

function top(counts: Float64Array, total: number, text: (index: number) => string): string {
  return [...counts.entries()]
    .filter(([, count]) => count > 0)
    .sort(([, a], [, b]) => b - a)
    .slice(0, SHOWN)
    .map(([index, count]) => `${text(index)} ${((count / total) * 100).toFixed(1)} %`)
    .join(", ");
}

/** The members of the `const enum Reg`, which leaves no trace in compiled code, read from its source. */
function operationNames(): string[] {
  const source = readFileSync(fileURLToPath(new URL("../../vm/lower/code.ts", import.meta.url)), "utf8");
  const body = /const enum Reg \{([\s\S]*?)\n\}/.exec(source)?.[1] ?? "";
  const found: string[] = [];
  let next = 0;
  for (const match of body.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "").matchAll(/(\w+)(?:\s*=\s*(\w+))?,/g)) {
    if (match[2] !== undefined) next = Number(match[2]);
    found[next++] = match[1]!;
  }
  return found;
}
