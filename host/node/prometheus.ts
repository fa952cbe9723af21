/**
 * Metrics as Prometheus reads them, by the package `prom-client`, which embedders who want this install themselves.
 * Names are Lunatic's with "_" in place of other characters; the label `group` tells whose guests recorded a metric.
 */

import type { Metric, Registry } from "prom-client";
import { check, objectWith } from "../../vm/internal.ts";
import type { GroupMetric } from "../runtime-metrics.ts";
import type { Runtime } from "../runtime.ts";

interface Sample {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: GroupMetric["kind"];
  readonly aggregator: "sum";
  readonly values: Sample[];
}

const RUNTIME = objectWith("a Runtime", "metrics");

/**
 * A registry with all metrics of the runtime, read anew whenever they are asked for, and those that are registered in it,
 * which win where names are the same. Rejects with `TypeError` for what is no runtime, and when `prom-client` is not installed.
 */
export async function prometheusRegistry(runtime: Pick<Runtime, "metrics">): Promise<Registry> {
  check("the runtime of prometheusRegistry", runtime, RUNTIME);
  const client = await loadClient();
  type Metrics = ReturnType<Registry["getMetricsAsArray"]>;
  class RuntimeRegistry extends client.Registry {
    override getMetricsAsArray(): Metrics {
      const own = super.getMetricsAsArray();
      const names = own.map(({ name }) => name);
      // What the registry wants of a metric is to be asked for its samples.
      const metrics = families(runtime.metrics, names).map((family) => ({ ...family, get: async () => family }));
      return [...own, ...(metrics as unknown as Metrics)];
    }

    override getSingleMetric<T extends string>(name: string): Metric<T> | undefined {
      return this.getMetricsAsArray().find((metric) => metric.name === name) as unknown as Metric<T> | undefined;
    }

    override async getSingleMetricAsString(name: string): Promise<string> {
      const metric = this.getSingleMetric(name);
      const alone = new client.Registry();
      if (metric !== undefined) alone.registerMetric(metric);
      return alone.metrics();
    }
  }
  return new RuntimeRegistry();
}

async function loadClient(): Promise<typeof import("prom-client")> {
  try {
    return await import("prom-client");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND")) throw error;
    throw new Error("metrics for Prometheus need the package 'prom-client': npm install prom-client", { cause: error });
  }
}

/**
 * Metrics whose names become the same are one family; those of another kind than the first are left out, and those one
 * of whose names belongs to another family: a counter "size_count" beside a histogram "size". `others` are names that are taken.
 */
function families(metrics: readonly GroupMetric[], others: readonly string[]): readonly Family[] {
  const found = new Map<string, Family>();
  const taken = new Set(others);
  for (const { name, metric } of seriesOf(metrics)) {
    let family = found.get(name);
    if (family === undefined) {
      const names = metric.kind === "histogram" ? [name, ...HISTOGRAM_PARTS.map((part) => name + part)] : [name];
      if (names.some((each) => taken.has(each))) continue;
      for (const each of names) taken.add(each);
      const help = metric.name.replace(/[^ -~]/g, "?");
      family = { name, help, type: metric.kind, aggregator: "sum", values: [] };
      found.set(name, family);
    }
    if (family.type === metric.kind) family.values.push(...samples(name, metric));
  }
  return [...found.values()];
}

/**
 * One for each name and label. Metrics of several groups with the same name, or none, are added up; of other metrics whose
 * names become the same the first counts.
 */
function seriesOf(metrics: readonly GroupMetric[]): Iterable<{ readonly name: string; readonly metric: GroupMetric }> {
  const found = new Map<string, { readonly name: string; readonly metric: GroupMetric }>();
  for (const metric of metrics) {
    const name = prometheusName(metric.name);
    const key = `${name} ${metric.group}`;
    const known = found.get(key)?.metric;
    if (known === undefined) found.set(key, { name, metric });
    else if (known.name === metric.name && known.kind === metric.kind)
      found.set(key, { name, metric: added(known, metric) });
  }
  return found.values();
}

function added(one: GroupMetric, other: GroupMetric): GroupMetric {
  const buckets = one.buckets.map((count, i) => count + (other.buckets[i] ?? 0));
  return { ...one, value: one.value + other.value, sum: one.sum + other.sum, buckets };
}

function samples(name: string, { kind, group, value, buckets, bounds, sum }: GroupMetric): Sample[] {
  const labels: Record<string, string> = group === "" ? {} : { group };
  if (kind !== "histogram") return [{ labels, value }];
  let count = 0;
  const cumulative = buckets.map((samplesUpTo, i): Sample => {
    count += samplesUpTo;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bounds[i] ?? "+Inf" }, value: count };
  });
  return [
    ...cumulative,
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}

/** What the names of a histogram's series end with. */
const HISTOGRAM_PARTS = ["_bucket", "_sum", "_count"] as const;

/** A name that Prometheus takes. */
function prometheusName(name: string): string {
  const replaced = name.replace(/[^a-zA-Z0-9_:]/g, "_");
  return /^[a-zA-Z_:]/.test(replaced) ? replaced : `_${replaced}`;
}
