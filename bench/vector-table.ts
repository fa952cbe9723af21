/** Time per instruction of the kernels with vectors: ours against V8's own WebAssembly; polywasm has none. */

import { nativeRun, ownRun } from "./engines.ts";
import { geomean, percentile, sample, type SamplingOptions, short, tableText } from "./harness.ts";
import { type Kernel, kernelBytes } from "./kernels.ts";

export interface VectorFigures {
  readonly name: string;
  readonly about: string;
  readonly instructions: number;
  /** Medians. */
  readonly ours: number;
  readonly native: number;
  readonly toNative: number;
}

export function measureVectorKernel(kernel: Kernel, options: SamplingOptions): VectorFigures {
  const bytes = kernelBytes(kernel.name);
  const own = ownRun(bytes);
  const runs = { ours: own.run, native: nativeRun(bytes) };
  for (const [engine, run] of Object.entries(runs)) {
    const checksum = run(kernel.n);
    if (checksum !== kernel.checksum)
      throw new Error(`${kernel.name} by ${engine}: ${checksum}, not ${kernel.checksum}`);
  }
  const instructions = own.fuelUsed();
  const contenders = Object.entries(runs).map(([name, run]) => ({ name, run: () => void run(kernel.n) }));
  const [ours, native] = sample(contenders, options).map(
    ({ sortedNs }) => percentile(sortedNs, 0.5) / instructions,
  ) as [number, number];
  return { name: kernel.name, about: kernel.about, instructions, ours, native, toNative: ours / native };
}

export function vectorTableText(figures: readonly VectorFigures[]): string {
  const rows = figures.map(({ name, about, instructions, ours, native, toNative }) => [
    name,
    about,
    (instructions / 1e6).toFixed(1),
    short(ours),
    short(native),
    short(toNative),
  ]);
  rows.push(["geomean", "", "", "", "", short(geomean(figures.map(({ toNative }) => toNative)))]);
  return tableText(["kernel", "", "M instr", "ours ns", "native ns", "× native"], rows);
}
