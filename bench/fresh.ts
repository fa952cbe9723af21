/**
 * Run as a process of its own: `node --expose-gc fresh.js module.wasm` decodes and validates the module once, in
 * cold code, and prints the figures as JSON.
 */

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { compileSync } from "../vm/index.ts";

export interface FreshFigures {
  /** MB/s. */
  readonly speed: number;
  /** Bytes that the compiled module keeps, the file's included, over the size of the file. */
  readonly retained: number;
  /** The same of the most that the process took on the way. */
  readonly peak: number;
}

const collect = (globalThis as { gc?: () => void }).gc;
const path = process.argv[2];
if (collect === undefined || path === undefined) throw new Error("usage: node --expose-gc fresh.js module.wasm");

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
const figures: FreshFigures = { speed, retained: retained / bytes.length, peak: peak / bytes.length };
process.stdout.write(`${JSON.stringify(figures)}\n`);
