/**
 * The metrics of a runtime as they are when somebody asks: its own under the names that Lunatic gives them, and those
 * that guests have recorded, each with its group. The number of both is bounded.
 */

import type { BasicProcess } from "./basic-process.ts";
import { Account, type Group } from "./group.ts";
import type { Metric } from "./metrics.ts";
import { Process } from "./process.ts";
import { DURATION_BOUNDS_MS, SIZE_BUCKETS, type RuntimeCounts } from "./runtime-counts.ts";

/** A metric of a group. */
export interface GroupMetric extends Metric {
  /** Names of the group and those above it, with "/" between; "" for the runtime's own. */
  readonly group: string;
}

const NONE: readonly number[] = [];
const SIZE_BOUNDS: readonly number[] = Array.from({ length: SIZE_BUCKETS - 1 }, (_, i) => 2 ** i);

/** The runtime's own first. A guest's metric with the name of one of those is left out. */
export function metricsOf(group: Group, counts: RuntimeCounts, processes: Iterable<BasicProcess>): GroupMetric[] {
  const own = ownMetrics(group, counts, processes);
  const names = new Set(own.map(({ name }) => name));
  return [...own, ...recorded(group, "").filter(({ name }) => !names.has(name))];
}

function recorded(group: Group, path: string): GroupMetric[] {
  const here = group.hasMetrics ? [...group.metrics.snapshot().values()].map((each) => ({ ...each, group: path })) : [];
  const inside = [...group.children].flatMap((child) =>
    recorded(child, path === "" ? child.name : `${path}/${child.name}`),
  );
  return [...here, ...inside];
}

function ownMetrics(group: Group, counts: RuntimeCounts, processes: Iterable<BasicProcess>): GroupMetric[] {
  const environments = new Set<unknown>();
  let links = 0;
  let unread = 0;
  let configs = 0;
  let modules = 0;
  for (const process of processes) {
    environments.add(process.environment);
    links += process.linkCount;
    unread += process.mailbox.size;
    if (!(process instanceof Process)) continue;
    const held = process.resourceCounts;
    configs += held.configs;
    modules += held.modules;
  }
  return [
    // Signals take effect when they are sent.
    counter("process.signals.send", counts.signals),
    counter("process.signals.received", counts.signals),
    counter("process.messages.send", counts.messages),
    gauge("process.messages.outstanding", unread),
    gauge("process.links.alive", links / 2),
    counter("process.messages.data.count", sum(counts.sizes)),
    counter("process.messages.data.resources.count", counts.dataResources),
    histogram("process.messages.data.size", counts.sizes, SIZE_BOUNDS, counts.dataBytes),
    counter("process.messages.link_died.count", counts.linksDied),
    gauge("process.environment.process.count", group.used(Account.Processes)),
    gauge("process.environment.count", environments.size),
    counter("process.modules.compiled", counts.modulesCompiled),
    counter("process.modules.dropped", counts.modulesDropped),
    gauge("process.modules.active", modules),
    histogram("process.modules.compiled.duration", counts.compileDurations, SECONDS, counts.compileMs / 1_000),
    counter("process.configs.created", counts.configsCreated),
    counter("process.configs.dropped", counts.configsDropped),
    gauge("process.configs.active", configs),
    counter("timers.started", counts.timersStarted),
    counter("timers.completed", counts.timersCompleted),
    counter("timers.canceled", counts.timersCanceled),
    gauge("timers.active", group.used(Account.Timers)),
    counter("registry.write", counts.registryWrites),
    counter("registry.read", counts.registryReads),
    counter("registry.deletion", counts.registryDeletions),
    gauge("registry.registered", group.used(Account.Names)),
  ];
}

const SECONDS: readonly number[] = DURATION_BOUNDS_MS.map((bound) => bound / 1_000);

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

function counter(name: string, value: number): GroupMetric {
  return { name: `lunatic.${name}`, group: "", kind: "counter", value, buckets: NONE, bounds: NONE, sum: 0 };
}

function gauge(name: string, value: number): GroupMetric {
  return { ...counter(name, value), kind: "gauge" };
}

function histogram(name: string, buckets: Iterable<number>, bounds: readonly number[], sum: number): GroupMetric {
  return { ...counter(name, 0), kind: "histogram", buckets: [...buckets], bounds, sum };
}
