import { expect } from "chai";
import { Metrics } from "./metrics.ts";

describe("Metrics", () => {
  it("counters add, gauges are set and moved, histograms sort samples into buckets", () => {
    const metrics = new Metrics();
    metrics.count("requests", 2);
    metrics.count("requests");
    metrics.setGauge("depth", 5);
    metrics.addGauge("depth", -2);
    for (const value of [0.5, 3, 1e9]) metrics.sample("latency", value);
    const found = metrics.snapshot();
    expect(found.get("requests")).to.include({ kind: "counter", value: 3 });
    expect(found.get("depth")).to.include({ kind: "gauge", value: 3 });
    const latency = found.get("latency")!;
    expect(latency.sum).to.equal(1_000_000_003.5);
    expect(latency.buckets.reduce((sum, count) => sum + count, 0)).to.equal(3);
    expect(latency.buckets.at(-1)).to.equal(1);
  });

  it("at most so many names are kept, and whatever they are called they are only names", () => {
    const metrics = new Metrics(2);
    metrics.count("__proto__");
    metrics.count("constructor");
    metrics.count("third");
    expect([...metrics.snapshot().keys()]).to.deep.equal(["__proto__", "constructor"]);
    expect(metrics.dropped).to.equal(1);
  });

  it("a name keeps its kind", () => {
    const metrics = new Metrics();
    metrics.count("n");
    metrics.setGauge("n", 9);
    expect(metrics.snapshot().get("n")).to.include({ kind: "counter", value: 1 });
    expect(metrics.dropped).to.equal(1);
  });
});
