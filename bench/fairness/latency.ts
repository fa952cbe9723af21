/**
 * How late a process wakes that works 20,000 fuel every 5 ms, beside hogs, and one that gets messages of the embedder; and
 * how long the event loop is held, by us and by a loop of JavaScript that does nothing else.
 */

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { CollectedOutput, guestFunctions, type Runtime } from "../../host/index.ts";
import { compileSync, type CompiledModule, type HostDefinition } from "../../vm/index.ts";
import { tableText } from "../harness.ts";
import { echo, HOGS, periodic } from "./guests.ts";
import { setting, sleep } from "./setting.ts";
import { type Distribution, distribution } from "./statistics.ts";

/** No divisor of the periods of others. */
const MESSAGE_EVERY_MS = 7;

export interface Latency {
  readonly hogs: number;
  /** Milliseconds after the moment that was asked for. */
  readonly wakeMs: Distribution;
  /** Milliseconds from the embedder's `send` to the process that receives it. */
  readonly messageMs: Distribution;
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

/** Turns of the event loop of so many milliseconds in which nothing is done: what the machine and V8 do by themselves. */
export async function emptyLoop(turnMs: number, turns: number): Promise<Distribution> {
  const stop = probeLoop();
  for (let i = 0; i < turns; i++) {
    const endMs = performance.now() + turnMs;
    while (performance.now() < endMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return stop();
}

/** Sends a message every few milliseconds, until the returned function is called. */
function probeMessages(
  runtime: Runtime,
  module: CompiledModule,
  onNote: (heard: () => void) => void,
): () => Distribution {
  const delays: number[] = [];
  let sentMs = Number.NaN;
  onNote(() => delays.push(performance.now() - sentMs));
  const process = runtime.spawn(module, { entry: "echo" });
  const timer = setInterval(() => {
    sentMs = performance.now();
    void process.send(new Uint8Array(100));
  }, MESSAGE_EVERY_MS);
  return () => {
    clearInterval(timer);
    return distribution(delays);
  };
}

/** Begins to measure `settleMs` after the hogs have started. */
export async function latency(
  hogs: number,
  wakeUps: number,
  { settleMs = 200 + hogs / 10 }: { readonly settleMs?: number } = {},
): Promise<Latency> {
  const stdout = new CollectedOutput();
  let heard = (): void => {};
  const note: HostDefinition = { params: [], results: [], call: () => heard() };
  const functions = [(module: string) => (module === "bench" ? note : undefined), guestFunctions];
  const { runtime } = setting({ services: { stdout }, functions });
  const hog = compileSync(HOGS.alu());
  for (let i = 0; i < hogs; i++) {
    runtime.spawn(hog, { entry: "hog" });
    if (i % 100 === 99) await sleep(0);
  }
  await sleep(settleMs);
  // Translating text is the embedder's own work.
  const [sleeper, receiver] = [compileSync(periodic()), compileSync(echo())];
  await sleep(0);
  const stop = probeLoop();
  const stopMessages = probeMessages(runtime, receiver, (listener) => {
    heard = listener;
  });
  await runtime.spawn(sleeper, { entry: "periodic", args: [BigInt(wakeUps)] }).exited;
  const loopMs = stop();
  const messageMs = stopMessages();
  await runtime.dispose();
  const bytes = Buffer.concat(stdout.chunks);
  const samples = Array.from({ length: bytes.length >>> 2 }, (_, i) => bytes.readUInt32LE(i * 4));
  return { hogs, wakeMs: distribution(samples.map((ns) => ns / 1e6)), messageMs, loopMs };
}

/** In a new process of Node. */
export async function coldLatency(hogs: number, wakeUps: number): Promise<Latency> {
  const path = fileURLToPath(new URL("latency-child.js", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...process.execArgv,
    path,
    String(hogs),
    String(wakeUps),
  ]);
  return JSON.parse(stdout) as Latency;
}

/** `empty` is the loop in which nothing is done, before and after the others. */
export function latencyText(warm: readonly Latency[], cold: Latency, empty: readonly Distribution[]): string {
  const loops = ({ p50, p999, max }: Distribution): string[] => [p50, p999, max].map((value) => value.toFixed(2));
  const rows = [...warm, cold].map(({ hogs, wakeMs, messageMs, loopMs }, i) => [
    `${hogs.toLocaleString("en")}${i < warm.length ? "" : ", cold"}`,
    ...[wakeMs.p50, wakeMs.p99, wakeMs.max, messageMs.p50, messageMs.p99].map((value) => value.toFixed(2)),
    ...loops(loopMs),
  ]);
  for (const loopMs of empty) rows.push(["no guests, turns of 4 ms", "", "", "", "", "", ...loops(loopMs)]);
  return tableText(["hogs", "wake p50", "p99", "max", "message p50", "p99", "loop p50", "p99.9", "max ms"], rows);
}
