/** A process of its own in which memory is measured: idle guests, their end, and the same again. Prints JSON. */

import { compileSync } from "../../vm/index.ts";
import { idler, rustShaped } from "./guests.ts";
import { setting, sleep } from "./setting.ts";

const [kind = "small", countText = "10000"] = process.argv.slice(2);
const count = Number(countText);
const module = compileSync(kind === "rust" ? rustShaped() : idler(kind === "small" ? 1 : 17));
const { runtime } = setting();

async function collected(): Promise<number> {
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.();
    await sleep(50);
  }
  return process.memoryUsage().rss;
}

async function start(): Promise<number> {
  const started = performance.now();
  for (let i = 0; i < count; i++) {
    runtime.spawn(module, { entry: "idle" });
    if (i % 200 === 199) await sleep(0);
  }
  while (runtime.processes.some(({ state }) => state !== "waiting")) await sleep(20);
  return performance.now() - started;
}

async function end(): Promise<void> {
  for (const { pid } of runtime.processes) runtime.environment.get(pid)?.kill({ kind: "killed", by: null });
  while (runtime.processCount > 0) await sleep(10);
}

const before = await collected();
const startMs = await start();
const during = await collected();
await end();
const afterEnd = await collected();
await start();
const again = await collected();
process.stdout.write(JSON.stringify({ kind, count, startMs, before, during, afterEnd, again }));
process.exit(0);
