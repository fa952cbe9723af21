/** `--stats`: what a run used, for people or as one line of JSON, on stderr. */

import { LimitAccountant, type ResourceKind } from "../vm/index.ts";
import type { End } from "./end.ts";
import { OptionError } from "./exit.ts";
import { counted } from "./report.ts";
import { say } from "./streams.ts";

/** What a run reports itself. The reason says what the exit code alone does not: a guest may exit with any code. */
export interface RunStats extends End {
  readonly fuel: number;
  /** Times that the guest was given fuel. */
  readonly slices: number;
  /** Times that it waited for the host, of a program without processes. */
  readonly waits?: number;
  /** The most that memories, tables and stacks took together; with processes, messages and modules too. */
  readonly memoryBytes?: number;
  /** How many processes there were. */
  readonly processes?: number;
}

export interface Stats extends RunStats {
  readonly compileMs: number;
  readonly runMs: number;
}

export type StatsFormat = "text" | "json";

/** Remembers the most that was in use. */
export class PeakAccountant extends LimitAccountant {
  peakBytes = 0;

  override reserve(kind: ResourceKind, byteLength: number): boolean {
    if (!super.reserve(kind, byteLength)) return false;
    this.peakBytes = Math.max(this.peakBytes, this.usedBytes);
    return true;
  }
}

/** Null: not wanted. */
export function statsFormat(option: string | undefined): StatsFormat | null {
  if (option === undefined) return null;
  if (option === "text" || option === "json") return option;
  throw new OptionError(`--stats is 'text' or 'json', not '${option}'`);
}

export function statsText(stats: Stats, format: StatsFormat): string {
  const nsPerFuel = stats.fuel === 0 ? 0 : (stats.runMs * 1e6) / stats.fuel;
  if (format === "json") {
    const rounded = (value: number) => Math.round(value * 1_000) / 1_000;
    const { compileMs, runMs } = stats;
    return JSON.stringify({
      ...stats,
      compileMs: rounded(compileMs),
      runMs: rounded(runMs),
      nsPerFuel: rounded(nsPerFuel),
    });
  }
  const grouped = (value: number) => value.toLocaleString("en");
  const { waits, memoryBytes, processes } = stats;
  return [
    `ended    ${stats.reason}, exit code ${stats.exitCode}`,
    `fuel     ${grouped(stats.fuel)} in ${counted(stats.slices, "slice")}, ${nsPerFuel.toFixed(2)} ns each`,
    ...(waits === undefined ? [] : [`waits    ${grouped(waits)}`]),
    ...(memoryBytes === undefined ? [] : [`memory   ${grouped(memoryBytes)} bytes`]),
    ...(processes === undefined ? [] : [`number   ${counted(processes, "process", "processes")}`]),
    `time     ${stats.compileMs.toFixed(1)} ms to compile, ${stats.runMs.toFixed(1)} ms to run`,
  ].join("\n");
}

export function printStats(stats: Stats, format: StatsFormat): void {
  say(statsText(stats, format));
}
