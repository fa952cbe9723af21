/**
 * Run as a process of its own: `node --expose-gc fresh.js first.wasm module.wasm` decodes and validates the module's first
 * megabyte in cold code, then the whole module, and prints the figures as JSON.
 */

import { readFileSync } from "node:fs";
import { compileSync } from "../vm/index.ts";

export interface FreshFigures {
  /** MB/s. */
  readonly firstMegabyte: number;
  readonly whole: number;
  /** Bytes kept by the compiled module, and the most the process took on the way, over the size of the file. */
  readonly retained: number;
  readonly peak: number;
}

const collect = (globalThis as { gc?: () => void }).gc;
const [, , firstPath, path] = process.argv;
if (collect === undefined || firstPath === undefined || path === undefined) {
  throw new Error("usage: node --expose-gc fresh.js first.wasm module.wasm");
}

const heldBytes = (): number => {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
};

const first = new Uint8Array(readFileSync(firstPath));
const bytes = new Uint8Array(readFileSync(path));
let start = performance.now();
compileSync(first);
const firstMegabyte = first.length / 1000 / (performance.now() - start);

const heldBefore = heldBytes();
const residentBefore = process.memoryUsage().rss;
start = performance.now();
const compiled = compileSync(bytes);
const whole = bytes.length / 1000 / (performance.now() - start);
const peak = process.resourceUsage().maxRSS * 1024 - residentBefore;
// The file's bytes, which the module keeps, were there before.
const retained = heldBytes() - heldBefore + bytes.length;

if (compiled.exports.length < 0) throw new Error("keeps the module alive until here");
const figures: FreshFigures = { firstMegabyte, whole, retained: retained / bytes.length, peak: peak / bytes.length };
process.stdout.write(`${JSON.stringify(figures)}\n`);
