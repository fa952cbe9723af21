/** What fuel costs: turns of 100,000 against one unlimited turn, and our build against a copy without fuel statements. */

import { alteredEngine, withoutFuel } from "./altered.ts";
import { ownRun } from "./engines.ts";
import { geomean, percentile, sample, type SamplingOptions, tableText } from "./harness.ts";
import { type Kernel, kernelBytes } from "./kernels.ts";

/** Ratios of tenth percentiles. */
export interface FuelCost {
  readonly name: string;
  readonly pauses: number;
  /** Time in slices over time in one turn. */
  readonly slices: number;
  /** Time over the time without fuel statements. */
  readonly counting: number;
}

const SLICE = 100_000;

export async function measureFuelCost(kernels: readonly Kernel[], options: SamplingOptions): Promise<FuelCost[]> {
  const stripped = await alteredEngine("without-fuel", withoutFuel);
  return kernels.map(({ name, n, checksum }) => {
    const bytes = kernelBytes(name);
    const sliced = ownRun(bytes, SLICE);
    const runs = { unlimited: ownRun(bytes), sliced, stripped: ownRun(bytes, undefined, stripped) };
    const contenders = Object.entries(runs).map(([build, { run }]) => ({
      name: build,
      run: () => {
        if (run(n) !== checksum) throw new Error(`${name}, ${build}: wrong checksum`);
      },
    }));
    // Differences of a few per cent drown in the medians of a shared machine: the quickest tenth is steadier.
    const quickest = sample(contenders, options).map(({ sortedNs }) => percentile(sortedNs, 0.1));
    const [unlimited, inSlices, withoutCounting] = quickest as [number, number, number];
    return { name, pauses: sliced.pauses(), slices: inSlices / unlimited, counting: unlimited / withoutCounting };
  });
}

export function fuelCostText(costs: readonly FuelCost[]): string {
  const percent = (ratio: number): string => `${((ratio - 1) * 100).toFixed(1)} %`;
  const rows = costs.map(({ name, pauses, slices, counting }) => [
    name,
    String(pauses),
    percent(slices),
    percent(counting),
  ]);
  const mean = (key: "slices" | "counting"): string => percent(geomean(costs.map((cost) => cost[key])));
  rows.push(["geomean", "", mean("slices"), mean("counting")]);
  return tableText(["kernel", "pauses", `slices of ${SLICE} cost`, "counting fuel costs"], rows);
}
