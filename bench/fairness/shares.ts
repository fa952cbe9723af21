/** Who gets which part: equal, weighted and unlike hogs. */

import { Executor, guestFunctions, Runtime } from "../../host/index.ts";
import { compileSync } from "../../vm/index.ts";
import { tableText } from "../harness.ts";
import { HOGS } from "./guests.ts";
import { setting, sleep, tracedSetting } from "./setting.ts";
import { jain } from "./statistics.ts";

export interface Shares {
  readonly name: string;
  /** What is compared: fuel, or milliseconds. */
  readonly unit: "fuel" | "ms";
  readonly labels: readonly string[];
  readonly used: readonly number[];
  /** Of what each should have had, as parts of the sum. */
  readonly ideal: readonly number[];
  /** Of the used amounts divided by the ideal. */
  readonly jain: number;
}

function shares(name: string, unit: Shares["unit"], labels: string[], used: number[], ideal: number[]): Shares {
  return { name, unit, labels, used, ideal, jain: jain(used.map((each, i) => each / ideal[i]!)) };
}

const equal = (count: number): number[] => Array.from({ length: count }, () => 1 / count);

/** 1,000 loops for 40 rounds, by fuel, with a seed: the same on every machine. */
export function deterministicShares(
  sliceFuel = 100_000,
): Shares & { readonly spread: number; readonly sliceFuel: number } {
  const executor = new Executor({ seed: 1, sliceFuel });
  const runtime = new Runtime({ executor, functions: [guestFunctions] });
  const module = compileSync(HOGS.alu());
  const hogs = Array.from({ length: 1_000 }, () => runtime.spawn(module, { entry: "hog" }));
  executor.runUntilIdle(41_000);
  const used = hogs.map(({ stats }) => stats.fuel);
  const spread = Math.max(...used) - Math.min(...used);
  // The event loop has no turn here, and `dispose` waits for it.
  for (const hog of hogs) hog.kill();
  executor.runUntilIdle();
  void runtime.dispose();
  return {
    ...shares("1,000 equal loops, deterministic", "fuel", [], used, equal(1_000)),
    spread,
    sliceFuel: executor.sliceFuel,
  };
}

export async function equalShares(count: number, milliseconds: number): Promise<Shares> {
  const { runtime } = setting();
  const module = compileSync(HOGS.alu());
  const hogs = Array.from({ length: count }, () => runtime.spawn(module, { entry: "hog" }));
  await sleep(milliseconds);
  const used = hogs.map(({ stats }) => stats.fuel);
  await runtime.dispose();
  return shares(`${count} equal loops`, "fuel", [], used, equal(count));
}

/** Groups of the weights 1 to 4, with two loops each. Returns what they have used. */
function weightedGroups(runtime: Runtime): () => Shares {
  const module = compileSync(HOGS.alu());
  const weights = [1, 2, 3, 4];
  const groups = weights.map((weight) => {
    const group = runtime.createGroup({ weight: weight * 100 });
    return [0, 1].map(() => runtime.spawn(module, { entry: "hog", group }));
  });
  return () =>
    shares(
      "groups of weights 1 to 4",
      "fuel",
      weights.map(String),
      groups.map((hogs) => hogs.reduce((sum, { stats }) => sum + stats.fuel, 0)),
      weights.map((weight) => weight / 10),
    );
}

export async function weightedShares(milliseconds: number): Promise<Shares> {
  const { runtime } = setting();
  const used = weightedGroups(runtime);
  await sleep(milliseconds);
  const result = used();
  await runtime.dispose();
  return result;
}

/** The same after so many turns. */
export function deterministicWeights(turns: number): Shares {
  const source = { nowMs: () => 0, nextTurn: () => {}, wakeAfter: () => () => {} };
  const executor = new Executor({ seed: 1, source });
  const used = weightedGroups(new Runtime({ executor, functions: [guestFunctions] }));
  executor.runUntilIdle(turns);
  return used();
}

/** One of each kind, each in a group of its own, by wall time. */
export async function unlikeShares(milliseconds: number): Promise<Shares> {
  const used = new Map<number, number>();
  const { runtime } = tracedSetting(({ environment, lengthMs }) => {
    used.set(environment, (used.get(environment) ?? 0) + lengthMs);
  });
  const kinds = Object.entries(HOGS).map(([name, make]) => {
    const environment = runtime.createEnvironment();
    runtime.spawn(compileSync(make()), { entry: "hog", environment, group: runtime.createGroup({ name }) });
    return { name, environment };
  });
  // The beginning, when nothing is optimised, says little.
  await sleep(milliseconds / 2);
  used.clear();
  await sleep(milliseconds);
  const times = kinds.map(({ environment }) => used.get(environment.id) ?? 0);
  await runtime.dispose();
  return shares(
    "unlike hogs",
    "ms",
    kinds.map(({ name }) => name),
    times,
    equal(kinds.length),
  );
}

export function sharesText(all: readonly Shares[]): string {
  const rows = all.map(({ name, unit, used, ideal, jain }) => {
    const sum = used.reduce((total, each) => total + each, 0);
    const relative = used.map((each, i) => each / sum / ideal[i]!);
    const percent = (value: number) => `${(value * 100).toFixed(1)} %`;
    return [name, unit, jain.toFixed(5), percent(Math.min(...relative)), percent(Math.max(...relative))];
  });
  return tableText(["", "by", "Jain", "least of its share", "most"], rows);
}

export function kindsText({ labels, used }: Shares): string {
  const sum = used.reduce((total, each) => total + each, 0);
  return labels.map((label, i) => `${label} ${((used[i]! / sum) * 100).toFixed(1)} %`).join(", ");
}
