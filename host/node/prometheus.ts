/**
 * Metrics as Prometheus reads them, by the package `prom-client`, which embedders who want this install themselves.
 * Names are Lunatic's with "_" in place of other characters; the label `group` tells whose guests recorded a metric.
 */

import type { Registry } from "prom-client";
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

/**
 * A registry with all metrics of the runtime, read anew whenever they are asked for. Together with the embedder's:
 * `Registry.merge([own, registry]).metrics()`, anew for each answer. Rejects when `prom-client` is not installed.
 */
export async function prometheusRegistry(runtime: Pick<Runtime, "metrics">): Promise<Registry> {
  const client = await loadClient();
  class RuntimeRegistry extends client.Registry {
    override getMetricsAsArray(): ReturnType<Registry["getMetricsAsArray"]> {
      // What the registry wants of a metric is to be asked for its samples.
      const metrics = families(runtime.metrics).map((family) => ({ ...family, get: async () => family }));
      return metrics as unknown as ReturnType<Registry["getMetricsAsArray"]>;
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

/** Metrics whose names become the same are one family; those of another kind than the first are left out. */
function families(metrics: readonly GroupMetric[]): readonly Family[] {
  const found = new Map<string, Family>();
  const seen = new Set<string>();
  for (const metric of metrics) {
    const name = prometheusName(metric.name);
    const help = metric.name.replace(/[^ -~]/g, "?");
    const family = found.get(name) ?? { name, help, type: metric.kind, aggregator: "sum", values: [] };
    const series = `${name} ${metric.group}`;
    if (family.type !== metric.kind || seen.has(series)) continue;
    seen.add(series);
    found.set(name, family);
    family.values.push(...samples(name, metric));
  }
  return [...found.values()];
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

/** A name that Prometheus takes. */
function prometheusName(name: string): string {
  const replaced = name.replace(/[^a-zA-Z0-9_:]/g, "_");
  return /^[a-zA-Z_:]/.test(replaced) ? replaced : `_${replaced}`;
}
