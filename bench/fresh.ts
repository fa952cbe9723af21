/**
 * Run as a process of its own: `node --expose-gc fresh.js module.wasm repetitions` decodes and validates the module in
 * cold code, then again and again, and prints the figures as JSON. What ran before in a process would change them.
 */

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { decodeModule } from "../vm/binary/decode.ts";
import { compileSync, Engine } from "../vm/index.ts";
import { median } from "./harness.ts";

export interface FreshFigures {
  /** MB/s the first time. */
  readonly speed: number;
  /** Median MB/s of the repetitions, and that of decoding alone. */
  readonly warm: number;
  readonly decode: number;
  /** Bytes that the compiled module keeps, the file's included, over the size of the file. */
  readonly retained: number;
  /** The same of the most that the process took on the way. */
  readonly peak: number;
}

const collect = (globalThis as { gc?: () => void }).gc;
const [, , path, repetitions] = process.argv;
if (collect === undefined || path === undefined || repetitions === undefined) {
  throw new Error("usage: node --expose-gc fresh.js module.wasm repetitions");
}

/** V8 gives buffers back in the background, some time after a collection. */
async function heldBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    collect!();
    await sleep(20);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const kept: unknown[] = [];
const bytes = new Uint8Array(readFileSync(path));
kept.push(bytes);
const heldBefore = await heldBytes();
const residentBefore = process.memoryUsage().rss;
const start = performance.now();
kept.push(compileSync(bytes));
const speed = bytes.length / 1000 / (performance.now() - start);
const added = process.resourceUsage().maxRSS * 1024 - residentBefore;
const retained = (await heldBytes()) - heldBefore + bytes.length;

if (kept.length !== 2) throw new Error("the module and its bytes are kept until here");
const peak = Math.max(0, added) + bytes.length;

const figures: FreshFigures = {
  speed,
  warm: speedOf(() => void compileSync(bytes, { engine: new Engine({}) })),
  decode: speedOf(() => void decodeModule(bytes)),
  retained: retained / bytes.length,
  peak: peak / bytes.length,
};
process.stdout.write(`${JSON.stringify(figures)}\n`);

function speedOf(work: () => void): number {
  // Small modules several times per measurement, or the clock shows noise.
  const times = Math.max(1, Math.round(1_000_000 / bytes.length));
  const speeds = Array.from({ length: Number(repetitions) }, () => {
    const begin = performance.now();
    for (let i = 0; i < times; i++) work();
    return (bytes.length * times) / 1000 / (performance.now() - begin);
  });
  return median(speeds);
}
