/**
 * What it takes to spawn a process of a large module, to let it trap, and to have its supervisor start it again: by turns and
 * charge with a seed, and in milliseconds in the first second of a fresh process of Node.
 */

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Executor, guestFunctions, Runtime, Supervisor } from "../../host/index.ts";
import { compileSync } from "../../vm/index.ts";
import { median, tableText } from "../harness.ts";
import { megabyte } from "./guests.ts";

/** A restart in the first second, of a module of a megabyte. */
export const RESTART_LIMIT_MS = 10;

export interface RestartCost {
  readonly bytes: number;
  /** Of each restart: with a seed charge is fuel, what instantiation does included. */
  readonly fuel: readonly number[];
  readonly turns: readonly number[];
}

/** By the executor's own count, from one start to the next. */
export async function restartCost(bytes: Uint8Array, restarts: number): Promise<RestartCost> {
  const executor = new Executor({ seed: 1 });
  const seen: { readonly fuel: number; readonly turns: number }[] = [];
  await restarted(executor, bytes, restarts, () => {
    const { charge, turns } = executor.stats;
    seen.push({ fuel: charge, turns });
  });
  const steps = <K extends "fuel" | "turns">(key: K): number[] =>
    seen.slice(1).map((each, i) => each[key] - seen[i]![key]);
  return { bytes: bytes.length, fuel: steps("fuel"), turns: steps("turns") };
}

/** Calls `onStart` before each of so many restarts and one more start. */
async function restarted(executor: Executor, bytes: Uint8Array, restarts: number, onStart: () => void): Promise<void> {
  const runtime = new Runtime({ executor, functions: [guestFunctions], maxMemory: Infinity, maxHostMemory: Infinity });
  const module = compileSync(bytes);
  const start = () => {
    onStart();
    return runtime.spawn(module, { entry: "fails" });
  };
  const supervisor = await Supervisor.start([{ id: "worker", start }], { executor, intensity: restarts });
  // It gives up after the last.
  await supervisor.ended;
  await runtime.dispose();
}

/** Milliseconds from each start to the next, measured in this process from now on. */
export async function restartTimes(restarts: number): Promise<number[]> {
  const starts: number[] = [];
  await restarted(new Executor(), megabyte(), restarts, () => starts.push(performance.now()));
  return starts.slice(1).map((start, i) => start - starts[i]!);
}

/** In a new process of Node. */
export async function coldRestarts(restarts: number): Promise<number[]> {
  const path = fileURLToPath(new URL("restart-child.js", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, path, String(restarts)]);
  return JSON.parse(stdout) as number[];
}

export function restartsText(cold: readonly number[]): string {
  const row = ["cold", cold[0]!, median(cold), Math.max(...cold)].map((each) =>
    typeof each === "number" ? each.toFixed(2) : each,
  );
  return tableText(["ms for spawn, trap and restart, 1 MB", "the first", "median", "most"], [row]);
}
