/** Time per instruction of every kernel: ours against V8's own WebAssembly and polywasm, in one run. */

import { warmUp } from "../vm/index.ts";
import { nativeRun, ownRun, polywasmRun } from "./engines.ts";
import { geomean, percentile, sample, type SamplingOptions, short, tableText } from "./harness.ts";
import { type Kernel, kernelBytes } from "./kernels.ts";

export interface KernelFigures {
  readonly name: string;
  readonly about: string;
  readonly isI64: boolean;
  /** Of one run, by our fuel: control instructions that do nothing are free, bulk ones count what they move. */
  readonly instructions: number;
  readonly nsPerInstruction: Readonly<Record<EngineName, Spread>>;
  readonly toNative: number;
  readonly toPolywasm: number;
}

type EngineName = "ours" | "native" | "polywasm";

interface Spread {
  readonly p10: number;
  readonly median: number;
  readonly p90: number;
}

/** Rounds over all kernels before any is measured: V8 has optimised the loop for every operation by then. */
const WARMING_ROUNDS = 4;

/** Brings the isolate to the state of a server that has run for some seconds, which is what the table shows. */
export function warmIsolate(kernels: readonly Kernel[]): void {
  warmUp();
  const runs = kernels.map(({ name, n }) => ({ n, run: ownRun(kernelBytes(name)).run }));
  for (let round = 0; round < WARMING_ROUNDS; round++) for (const { n, run } of runs) run(n);
}

export function measureKernel(kernel: Kernel, options: SamplingOptions): KernelFigures {
  const bytes = kernelBytes(kernel.name);
  const own = ownRun(bytes);
  const runs = { ours: own.run, native: nativeRun(bytes), polywasm: polywasmRun(bytes) };
  for (const [engine, run] of Object.entries(runs)) {
    const checksum = run(kernel.n);
    if (checksum !== kernel.checksum)
      throw new Error(`${kernel.name} by ${engine}: ${checksum}, not ${kernel.checksum}`);
  }
  const instructions = own.fuelUsed();
  const contenders = Object.entries(runs).map(([name, run]) => ({ name, run: () => void run(kernel.n) }));
  const spreads = sample(contenders, options).map(({ sortedNs }) => ({
    p10: percentile(sortedNs, 0.1) / instructions,
    median: percentile(sortedNs, 0.5) / instructions,
    p90: percentile(sortedNs, 0.9) / instructions,
  }));
  const [ours, native, polywasm] = spreads as [Spread, Spread, Spread];
  return {
    name: kernel.name,
    about: kernel.about,
    isI64: kernel.isI64,
    instructions,
    nsPerInstruction: { ours, native, polywasm },
    toNative: ours.median / native.median,
    toPolywasm: ours.median / polywasm.median,
  };
}

export interface KernelSummary {
  readonly toNative: number;
  readonly worstToNative: number;
  readonly toPolywasm: number;
  readonly toPolywasmI64: number;
}

export function summarise(figures: readonly KernelFigures[]): KernelSummary {
  return {
    toNative: geomean(figures.map(({ toNative }) => toNative)),
    worstToNative: Math.max(...figures.map(({ toNative }) => toNative)),
    toPolywasm: geomean(figures.map(({ toPolywasm }) => toPolywasm)),
    toPolywasmI64: geomean(figures.filter(({ isI64 }) => isI64).map(({ toPolywasm }) => toPolywasm)),
  };
}

/** The ratio of the tenth percentiles: what a quiet machine would show. */
function quickestToNative({ nsPerInstruction: { ours, native } }: KernelFigures): number {
  return ours.p10 / native.p10;
}

export function kernelTableText(figures: readonly KernelFigures[]): string {
  const rows = figures.map((row) => [
    row.name,
    row.about,
    (row.instructions / 1e6).toFixed(1),
    short(row.nsPerInstruction.ours.median),
    short(row.nsPerInstruction.ours.p10),
    short(row.nsPerInstruction.native.median),
    short(row.nsPerInstruction.polywasm.median),
    short(row.toNative),
    short(row.toPolywasm),
    short(quickestToNative(row)),
  ]);
  const column = (engine: EngineName): number => geomean(figures.map((row) => row.nsPerInstruction[engine].median));
  const { toNative, toPolywasm } = summarise(figures);
  const quickest = geomean(figures.map(quickestToNative));
  const means = [column("ours"), Number.NaN, column("native"), column("polywasm"), toNative, toPolywasm, quickest];
  rows.push(["geomean", "", "", ...means.map(short)]);
  return tableText(
    ["kernel", "", "M instr", "ours ns", "p10", "native ns", "polywasm ns", "× native", "× polywasm", "× native p10"],
    rows,
  );
}
