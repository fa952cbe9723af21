/** Spawns and messages per second, and how long a spawn takes. */

import { compileSync } from "../../vm/index.ts";
import { median, tableText } from "../harness.ts";
import { messenger, rustShaped, spawner } from "./guests.ts";
import { setting } from "./setting.ts";

export interface Rate {
  readonly name: string;
  /** Of all rounds, per second. */
  readonly perSecond: readonly number[];
  /** The same per second of processor time, which a busy machine changes less. */
  readonly perCpuSecond: readonly number[];
  readonly floor: number;
}

async function rate(
  name: string,
  floor: number,
  bytes: Uint8Array,
  entry: string,
  count: number,
  each: number,
  rounds: number,
): Promise<Rate> {
  const module = compileSync(bytes);
  const perSecond: number[] = [];
  const perCpuSecond: number[] = [];
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    const { runtime } = setting();
    const cpu = process.cpuUsage();
    const started = performance.now();
    const reason = await runtime.spawn(module, { entry, args: [BigInt(count)] }).exited;
    const seconds = (performance.now() - started) / 1_000;
    const { user, system } = process.cpuUsage(cpu);
    if (reason.kind !== "normal") throw new Error(`${name}: ${reason.kind}`);
    await runtime.dispose();
    if (round === 0) continue;
    perSecond.push((count * each) / seconds);
    perCpuSecond.push((count * each * 1e6) / (user + system));
  }
  return { name, floor, perSecond, perCpuSecond };
}

export async function rates(rounds: number): Promise<Rate[]> {
  return [
    await rate("spawn and exit", 100_000, spawner(), "spawner", 20_000, 1, rounds),
    await rate("ping-pong, 100 bytes", 500_000, messenger(), "pingPong", 100_000, 2, rounds),
    await rate("ring of 1,000, 100 bytes", 500_000, messenger(), "ring", 300_000, 1, rounds),
    await rate("fan-in of 100, 100 bytes", 1_000_000, messenger(), "fanIn", 300_000, 1, rounds),
  ];
}

export interface SpawnCost {
  readonly name: string;
  readonly medianUs: number;
  readonly limitUs: number;
}

/** From the call to the end of a process that does nothing, many at a time. */
export async function spawnCosts(rounds: number): Promise<SpawnCost[]> {
  const costs: SpawnCost[] = [];
  for (const [name, bytes, entry, dataKb] of [
    ["small module", spawner(), "nothing", 0],
    ["shape of a Rust guest, 150 KB of data", rustShaped(), "nothing", 150],
  ] as const) {
    const module = compileSync(bytes);
    const samples: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const { runtime } = setting();
      const args = name === "small module" ? [0n] : [];
      const started = performance.now();
      const batch = 200;
      await Promise.all(Array.from({ length: batch }, () => runtime.spawn(module, { entry, args }).exited));
      if (round > 0) samples.push(((performance.now() - started) / batch) * 1_000);
      await runtime.dispose();
    }
    costs.push({ name, medianUs: median(samples), limitUs: 50 + dataKb / 2 });
  }
  return costs;
}

export function ratesText(all: readonly Rate[]): string {
  const number = (value: number): string => Math.round(value).toLocaleString("en");
  const rows = all.map(({ name, perSecond, perCpuSecond, floor }) => [
    name,
    number(median(perSecond)),
    number(Math.max(...perSecond)),
    number(median(perCpuSecond)),
    number(floor),
  ]);
  return tableText(["per second", "median", "best", "by CPU time", "floor"], rows);
}

export function spawnCostsText(costs: readonly SpawnCost[]): string {
  const rows = costs.map(({ name, medianUs, limitUs }) => [name, medianUs.toFixed(1), limitUs.toFixed(0)]);
  return tableText(["µs for spawn and exit", "median", "at most"], rows);
}
