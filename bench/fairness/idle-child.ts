/** A process of its own in which memory is measured: idle guests, their end, and the same again. Prints JSON. */

import { freemem } from "node:os";
import { PerformanceObserver } from "node:perf_hooks";
import { compileSync } from "../../vm/index.ts";
import type { Process } from "../../host/process.ts";
import { hibernate } from "../../host/snapshot/hibernation.ts";
import { idler, rustShaped } from "./guests.ts";
import type { Hibernation } from "./idle.ts";
import { setting, sleep } from "./setting.ts";

const [kind = "small", countText = "10000", hibernates = ""] = process.argv.slice(2);
const count = Number(countText);
/** What they are about to touch, and what V8 needs for them. */
const EXPECTED_BYTES = kind === "rust" ? 180_000 : 17_000;
/** How often all end and are started anew: what grows at the first restart only is not lost. */
const RESTARTS = count > 100_000 ? 1 : 3;
const CHUNK_BYTES = 2 ** 26;
const SYSTEM_PAGE_BYTES = 4_096;

let gcMs = 0;
new PerformanceObserver((list) => {
  for (const { duration } of list.getEntries()) gcMs += duration;
}).observe({ entryTypes: ["gc"] });

/** A virtual machine may get memory from its own host when it is first touched, which takes several times longer than later. */
async function touchMemory(byteLength: number): Promise<void> {
  const chunks: Uint8Array[] = [];
  for (let touched = 0; touched < byteLength; touched += CHUNK_BYTES) {
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (let at = 0; at < CHUNK_BYTES; at += SYSTEM_PAGE_BYTES) chunk[at] = 1;
    chunks.push(chunk);
  }
  chunks.length = 0;
  await collected();
}

async function collected(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.();
    await sleep(50);
  }
  return process.memoryUsage().rss;
}

async function start(): Promise<{ readonly startMs: number; readonly gcMs: number }> {
  const started = performance.now();
  gcMs = 0;
  for (let i = 0; i < count; i++) {
    runtime.spawn(module, { entry: "idle" });
    if (i % 200 === 199) await sleep(0);
  }
  while (!executor.scheduler.isIdle) await sleep(5);
  const startMs = performance.now() - started;
  await sleep(0);
  return { startMs, gcMs };
}

async function end(): Promise<number> {
  const started = performance.now();
  for (const { pid } of runtime.processes) runtime.environment.get(pid)?.kill({ kind: "killed", by: null });
  while (!executor.scheduler.isIdle) await sleep(5);
  return performance.now() - started;
}

function guests(): Process[] {
  return runtime.processes.map(({ pid }) => runtime.environment.get(pid) as Process);
}

/** All hibernate, and wake up again. */
async function hibernation(): Promise<Omit<Hibernation, "kind" | "count" | "before" | "during">> {
  const started = performance.now();
  const all = guests();
  for (const [i, each] of all.entries()) {
    if ((await hibernate(each)) !== true) throw new Error(`process ${each.pid} does not hibernate`);
    if (i % 200 === 199) await sleep(0);
  }
  const freezeMs = performance.now() - started;
  while (!executor.scheduler.isIdle) await sleep(5);
  const frozen = await collected();
  const countedBytes = all.reduce((sum, { memory }) => sum + memory.byteLength, 0) / count;
  const wakingAt = performance.now();
  for (const each of all) each.wakeUp();
  while (!executor.scheduler.isIdle) await sleep(5);
  const wakeMs = performance.now() - wakingAt;
  return { freezeMs, frozen, countedBytes, wakeMs, awake: await collected() };
}

// Not all of what there is: others live here too.
await touchMemory(Math.min(count * EXPECTED_BYTES, freemem() / 2));
const module = compileSync(kind === "rust" ? rustShaped() : idler(kind === "small" ? 1 : 17));
const { runtime, executor } = setting();
const before = await collected();
const first = await start();
const during = await collected();
if (hibernates !== "") {
  const figures = await hibernation();
  process.stdout.write(JSON.stringify({ kind, count, before, during, ...figures }));
  process.exit(0);
}
const endMs = await end();
const afterEnd = await collected();
const again: number[] = [];
let againMs = 0;
for (let restart = 1; restart <= RESTARTS; restart++) {
  if (restart > 1) {
    await end();
    await collected();
  }
  againMs = (await start()).startMs;
  again.push(await collected());
}
process.stdout.write(JSON.stringify({ kind, count, ...first, before, during, endMs, afterEnd, againMs, again }));
process.exit(0);
