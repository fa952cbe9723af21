/**
 * The corpus: some random modules and what a newer V8 made of them, recorded, so that every machine can compare
 * without that engine. `npm run differential -- --record COUNT` makes it anew.
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, brotliDecompressSync } from "node:zlib";
import { base64Of, bytesOf, type Plan } from "./plan.ts";
import { Fuzzer } from "./fuzzer.ts";
import { randomPlan } from "./random-plan.ts";
import type { V8Process } from "./v8-process.ts";

const FILE = fileURLToPath(new URL("../../../spec-tests/differential/corpus.json.br", import.meta.url));
/** Larger modules are left out, and those of which a plan takes much to write down. */
const MOST_MODULE_BYTES = 4_000;
const MOST_LINE_BYTES = 20_000;

export interface Recorded {
  readonly seed: number;
  /** In base64. */
  readonly module: string;
  /** What V8 made of its plan. */
  readonly lines: readonly string[];
}

export function readCorpus(): readonly Recorded[] {
  if (!existsSync(FILE)) return [];
  return JSON.parse(brotliDecompressSync(readFileSync(FILE)).toString()) as Recorded[];
}

export function planOf({ seed, module }: Recorded): Plan {
  const plan = randomPlan(`seed ${seed}`, bytesOf(module), seed);
  if (plan === null) throw new Error(`the module of seed ${seed} cannot be instantiated`);
  return plan;
}

/** Records the first `count` seeds that fit; says what it did. */
export async function record(v8: V8Process, count: number): Promise<string> {
  const fuzzer = await Fuzzer.load();
  const corpus: Recorded[] = [];
  for (let seed = 1; corpus.length < count; seed++) {
    const module = fuzzer.module(seed);
    const plan = module === null ? null : randomPlan(`seed ${seed}`, module, seed);
    if (module === null || plan === null || module.length > MOST_MODULE_BYTES) continue;
    const lines = await v8.run(plan);
    if (lines.join("").length < MOST_LINE_BYTES) corpus.push({ seed, module: base64Of(module), lines });
  }
  fuzzer.close();
  const bytes = brotliCompressSync(JSON.stringify(corpus));
  writeFileSync(FILE, bytes);
  return `${corpus.length} modules in ${bytes.length} bytes`;
}
