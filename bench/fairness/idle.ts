/** Bytes of idle processes, measured in a process of its own for each kind. */

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { tableText } from "../harness.ts";

export interface Idle {
  /** "small": one page, two places touched; "two-pages": 17 pages, two touched; "rust": a Rust guest's shape. */
  readonly kind: string;
  readonly count: number;
  readonly startMs: number;
  /** Of that, V8's collections on the main thread. */
  readonly gcMs: number;
  /** From the first kill until all is cleaned. */
  readonly endMs: number;
  readonly againMs: number;
  /** Resident bytes: before, with all, after their end, and with all again: once for every time that they were started anew. */
  readonly before: number;
  readonly during: number;
  readonly afterEnd: number;
  readonly again: readonly number[];
}

export async function idle(kind: "small" | "two-pages" | "rust", count: number): Promise<Idle> {
  return JSON.parse(await child(kind, count)) as Idle;
}

/** Idle processes that hibernate and wake up again. */
export interface Hibernation {
  readonly kind: string;
  readonly count: number;
  readonly freezeMs: number;
  readonly wakeMs: number;
  /** What each counts while it hibernates. */
  readonly countedBytes: number;
  /** Resident bytes: before, with all idle, with all hibernating, and with all awake again. */
  readonly before: number;
  readonly during: number;
  readonly frozen: number;
  readonly awake: number;
}

export async function hibernation(kind: "small" | "two-pages" | "rust", count: number): Promise<Hibernation> {
  return JSON.parse(await child(kind, count, "hibernate")) as Hibernation;
}

async function child(kind: string, count: number, ...more: readonly string[]): Promise<string> {
  const path = fileURLToPath(new URL("idle-child.js", import.meta.url));
  const args = [...process.execArgv, "--expose-gc", path, kind, String(count), ...more];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 600_000 });
  return stdout;
}

export function hibernationText(all: readonly Hibernation[]): string {
  const each = (bytes: number, count: number): string => `${(bytes / count / 1_024).toFixed(1)} KB`;
  const rows = all.map(({ kind, count, freezeMs, wakeMs, countedBytes, before, during, frozen, awake }) => [
    `${count.toLocaleString("en")} ${kind}`,
    each(during - before, count),
    each(frozen - before, count),
    `${Math.round(countedBytes)} B`,
    each(awake - before, count),
    ((freezeMs / count) * 1_000).toFixed(0),
    ((wakeMs / count) * 1_000).toFixed(0),
  ]);
  return tableText(
    ["hibernation", "idle", "hibernating", "counted", "awake again", "µs to freeze", "µs to wake"],
    rows,
  );
}

export function idleText(all: readonly Idle[]): string {
  const mb = (bytes: number): string => `${Math.round(bytes / 2 ** 20)}`;
  const micros = (milliseconds: number, count: number): string => ((milliseconds / count) * 1_000).toFixed(0);
  const rows = all.map(({ kind, count, startMs, gcMs, endMs, againMs, before, during, afterEnd, again }) => [
    `${count.toLocaleString("en")} ${kind}`,
    `${((during - before) / count / 1_024).toFixed(1)} KB`,
    mb(during),
    mb(afterEnd),
    again.map(mb).join(", "),
    `${((again[again.length - 1]! / during - 1) * 100).toFixed(1)} %`,
    micros(startMs, count),
    micros(gcMs, count),
    micros(againMs, count),
    micros(endMs, count),
  ]);
  return tableText(
    ["idle", "each", "MB with all", "after the end", "again", "growth", "µs to start", "of that GC", "again", "to end"],
    rows,
  );
}
