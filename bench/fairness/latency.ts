/** How late a process wakes that works 20,000 fuel every 5 ms, beside hogs; and how long the event loop is held. */

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { CollectedOutput } from "../../host/index.ts";
import { compileSync } from "../../vm/index.ts";
import { tableText } from "../harness.ts";
import { HOGS, periodic } from "./guests.ts";
import { setting, sleep } from "./setting.ts";
import { type Distribution, distribution } from "./statistics.ts";

export interface Latency {
  readonly hogs: number;
  /** Milliseconds after the moment that was asked for. */
  readonly wakeMs: Distribution;
  /** Milliseconds between two looks of the event loop at what is due. */
  readonly loopMs: Distribution;
}

/** Records how long turns of the event loop take, until the returned function is called. */
export function probeLoop(): () => Distribution {
  const lengths: number[] = [];
  let lastMs = performance.now();
  let isOn = true;
  const tick = (): void => {
    const nowMs = performance.now();
    lengths.push(nowMs - lastMs);
    lastMs = nowMs;
    if (isOn) setImmediate(tick);
  };
  setImmediate(tick);
  return () => {
    isOn = false;
    return distribution(lengths);
  };
}

/** Begins to measure `settleMs` after the hogs have started. */
export async function latency(
  hogs: number,
  wakeUps: number,
  { settleMs = 200 + hogs / 10 }: { readonly settleMs?: number } = {},
): Promise<Latency> {
  const stdout = new CollectedOutput();
  const { runtime } = setting({ services: { stdout } });
  const hog = compileSync(HOGS.alu());
  for (let i = 0; i < hogs; i++) {
    runtime.spawn(hog, { entry: "hog" });
    if (i % 100 === 99) await sleep(0);
  }
  await sleep(settleMs);
  const stop = probeLoop();
  await runtime.spawn(compileSync(periodic()), { entry: "periodic", args: [BigInt(wakeUps)] }).exited;
  const loopMs = stop();
  await runtime.dispose();
  const bytes = Buffer.concat(stdout.chunks);
  const samples = Array.from({ length: bytes.length >>> 2 }, (_, i) => bytes.readUInt32LE(i * 4));
  return { hogs, wakeMs: distribution(samples.map((ns) => ns / 1e6)), loopMs };
}

/** In a new process of Node. */
export async function coldLatency(hogs: number, wakeUps: number): Promise<Latency> {
  const path = fileURLToPath(new URL("latency-child.js", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [path, String(hogs), String(wakeUps)]);
  return JSON.parse(stdout) as Latency;
}

export function latencyText(warm: readonly Latency[], cold: Latency): string {
  const rows = [...warm, cold].map(({ hogs, wakeMs, loopMs }, i) => [
    `${hogs.toLocaleString("en")}${i < warm.length ? "" : ", cold"}`,
    ...[wakeMs.p50, wakeMs.p99, wakeMs.max, loopMs.p50, loopMs.p999, loopMs.max].map((value) => value.toFixed(2)),
  ]);
  return tableText(["hogs", "wake p50", "p99", "max", "loop p50", "p99.9", "max ms"], rows);
}
