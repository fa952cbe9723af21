/**
 * Measuring: contenders take turns within one run, so that a busy moment of the machine hits all of them; samples
 * come from the package `benchmark`; what is reported is the median and the spread. Tables for readers, JSON for tools.
 */

import Benchmark from "benchmark";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { dirname } from "node:path";

export interface Contender {
  readonly name: string;
  run(): void;
}

export interface Samples {
  readonly name: string;
  /** Nanoseconds per run, ascending. */
  readonly sortedNs: readonly number[];
}

export interface SamplingOptions {
  /** How often the contenders take turns. */
  readonly rounds: number;
  /** What one turn of one contender takes at most, about. */
  readonly turnMs: number;
}

/** Seconds of one sample: well above the clock's resolution and the cost of a call of `run`. */
const SAMPLE_SECONDS = 0.002;

/** Samples of every contender in the order given. Each has run once, to warm up, before the first turn. */
export function sample(contenders: readonly Contender[], { rounds, turnMs }: SamplingOptions): Samples[] {
  const collected = contenders.map((): number[] => []);
  for (const { run } of contenders) run();
  for (let round = 0; round < rounds; round++) {
    for (const [index, { name, run }] of contenders.entries()) {
      const benchmark = new Benchmark(name, () => run(), {
        minTime: SAMPLE_SECONDS,
        maxTime: turnMs / 1000,
        minSamples: 3,
      });
      benchmark.run();
      if (benchmark.error !== undefined) throw benchmark.error;
      collected[index]!.push(...benchmark.stats.sample.map((seconds) => seconds * 1e9));
    }
  }
  return contenders.map(({ name }, index) => ({ name, sortedNs: collected[index]!.sort((a, b) => a - b) }));
}

/** The value below which `share` (0 to 1) of the ascending numbers lie. */
export function percentile(sorted: readonly number[], share: number): number {
  const index = Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1));
  return sorted[index] ?? Number.NaN;
}

export function median(numbers: readonly number[]): number {
  return percentile(
    [...numbers].sort((a, b) => a - b),
    0.5,
  );
}

export function geomean(numbers: readonly number[]): number {
  return Math.exp(numbers.reduce((sum, number) => sum + Math.log(number), 0) / numbers.length);
}

/** Where and when figures were taken: nobody can judge them without. */
export interface Circumstances {
  readonly node: string;
  /** Its options. */
  readonly flags: readonly string[];
  readonly v8: string;
  readonly processor: string;
  readonly cores: number;
  /** Runnable processes per core over the last minute; above 1 the figures are noisy. */
  readonly loadPerCore: number;
  readonly date: string;
}

export function circumstances(): Circumstances {
  const cores = cpus();
  return {
    node: process.version,
    flags: process.execArgv,
    v8: process.versions.v8,
    processor: cores[0]?.model.trim() ?? "unknown",
    cores: cores.length,
    loadPerCore: (loadavg()[0] ?? 0) / cores.length,
    date: new Date().toISOString(),
  };
}

/** Whether others leave so little of the machine that times say nothing: the last minute's load, ours included. */
export function isBusy({ loadPerCore }: Circumstances): boolean {
  return loadPerCore > 0.75;
}

export function circumstancesText(at: Circumstances): string {
  const { node, flags, v8, processor, cores, loadPerCore } = at;
  const busy = isBusy(at) ? " (busy: trust ratios only)" : "";
  return `Node ${[node, ...flags].join(" ")}, V8 ${v8}, ${cores} × ${processor}, load ${loadPerCore.toFixed(2)} per core${busy}`;
}

/** Aligned columns: the first to the left, the others to the right. */
export function tableText(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((cell, column) => Math.max(cell.length, ...rows.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]): string =>
    widths
      .map((width, column) => (column === 0 ? (row[0] ?? "").padEnd(width) : (row[column] ?? "").padStart(width)))
      .join("  ")
      .trimEnd();
  return [line(header), widths.map((width) => "-".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}

/** Three significant digits, no exponent. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value >= 1 ? value.toFixed(2) : value.toFixed(3);
}

export function writeJson(path: string, result: unknown): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
}
