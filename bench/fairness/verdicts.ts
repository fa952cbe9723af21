/** What the figures of `npm run bench:fairness` are held against, and one line for each section: met, missed, or not judged. */

import type { Hibernation, Idle } from "./idle.ts";
import type { Latency } from "./latency.ts";
import type { Rate, SpawnCost } from "./rates.ts";
import { RESTART_LIMIT_MS } from "./restarts.ts";
import type { Shares } from "./shares.ts";
import { median } from "../harness.ts";

export interface Bar {
  /** With the figure and the bar. */
  readonly text: string;
  readonly isMet: boolean;
  /** Whether what else the machine does changes it: counts of fuel and of bytes are the same on a busy one. */
  readonly isTimed: boolean;
}

const MB = 2 ** 20;

function atMost(name: string, value: number, limit: number, unit: string, isTimed = true): Bar {
  return { text: `${name} ${figure(value)}${unit} above ${figure(limit)}${unit}`, isMet: value <= limit, isTimed };
}

function atLeast(name: string, value: number, limit: number, unit: string, isTimed = true): Bar {
  return { text: `${name} ${figure(value)}${unit} below ${figure(limit)}${unit}`, isMet: value >= limit, isTimed };
}

const figure = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(5)));

/** A deterministic turn may use a little more than its slice. */
const OVERDRAFT_FUEL = 1_000;

export function sharesBars(
  fixed: Shares & { readonly spread: number; readonly sliceFuel: number },
  timed: readonly Shares[],
): Bar[] {
  return [
    atLeast(`${fixed.name}: Jain`, fixed.jain, 0.9995, "", false),
    atMost("difference of two of the 1,000:", fixed.spread, fixed.sliceFuel + OVERDRAFT_FUEL, " fuel", false),
    ...timed.map(({ name, unit, jain }) => atLeast(`${name}: Jain`, jain, unit === "fuel" ? 0.9995 : 0.9, "")),
  ];
}

export function latencyBars(warm: readonly Latency[], cold: Latency): Bar[] {
  const at10 = warm.find(({ hogs }) => hogs === 10);
  const most = warm.at(-1);
  return [
    ...warm.flatMap(({ hogs, wakeMs, messageMs, loopMs }) => [
      atMost(`wake-up beside ${hogs}: p99`, wakeMs.p99, 2, " ms"),
      atMost(`messages beside ${hogs}: p99`, messageMs.p99, 6, " ms"),
      atMost(`event loop beside ${hogs}: p99.9`, loopMs.p999, 6, " ms"),
    ]),
    ...(at10 === undefined || most === undefined
      ? []
      : [atMost(`wake-up beside ${most.hogs}: p99`, most.wakeMs.p99, 1.5 * at10.wakeMs.p99, " ms")]),
    atMost("event loop, cold: p99.9", cold.loopMs.p999, 25, " ms"),
  ];
}

export function ratesBars(rates: readonly Rate[], costs: readonly SpawnCost[], restartsMs: readonly number[]): Bar[] {
  return [
    ...rates.map(({ name, perSecond, floor }) => atLeast(name, median(perSecond), floor, " per second")),
    ...costs.map(({ name, medianUs, limitUs }) => atMost(`spawn, ${name}:`, medianUs, limitUs, " µs")),
    atMost("restart of 1 MB, cold: median", median(restartsMs), RESTART_LIMIT_MS, " ms"),
  ];
}

const IDLE_LIMITS_MB: Readonly<Record<string, number>> = { "100000 two-pages": 1_500, "10000 rust": 2_500 };

export function idleBars(all: readonly Idle[]): Bar[] {
  return all.flatMap(({ kind, count, during, again }) => {
    const limit = IDLE_LIMITS_MB[`${count} ${kind}`];
    const growth = (Math.max(...again) / during - 1) * 100;
    return [
      ...(limit === undefined ? [] : [atMost(`${count} ${kind}:`, during / MB, limit, " MB", false)]),
      atMost(`${count} ${kind} again: growth`, growth, 5, " %", false),
    ];
  });
}

export function hibernationBars(all: readonly Hibernation[]): Bar[] {
  return all.map(({ kind, count, during, frozen }) =>
    atMost(`${count} ${kind} hibernating:`, frozen / MB, during / MB, " MB", false),
  );
}

/** One line. What is timed is not judged on a busy machine, and the line says so even where the rest is met. */
export function verdictText(section: string, bars: readonly Bar[], isBusy: boolean): string {
  const judged = bars.filter(({ isTimed }) => !(isTimed && isBusy));
  const missed = judged.filter(({ isMet }) => !isMet).map(({ text }) => text);
  const left = bars.length - judged.length;
  const note = left === 0 ? "" : `machine busy: ${left === bars.length ? "" : `${left} of ${bars.length} `}not judged`;
  const verdict = missed.length > 0 ? `missed: ${missed.join("; ")}` : judged.length > 0 ? "met" : "";
  return `Verdict, ${section}: ${[verdict, note].filter((part) => part !== "").join("; ")}`;
}
