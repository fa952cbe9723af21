import { expect } from "chai";
import { Account, DEFAULT_LIMITS } from "./group.ts";
import { Metrics } from "./metrics.ts";
import { Runtime } from "./runtime.ts";

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

  it("a group pays for its series, and drops those that it has no memory for", () => {
    const { group, scheduler } = new Runtime({ maxMemory: 10_000 });
    const inner = group.child(scheduler, { maxMemory: 1_000 });
    for (let i = 0; i < 20; i++) inner.metrics.count(`${i}`);
    inner.metrics.count("0");
    expect(inner.metrics.size).to.equal(7);
    expect(inner.metrics.dropped).to.equal(13);
    expect(group.used(Account.Memory)).to.be.within(7 * 128, 1_000);
    inner.dispose();
    expect(group.used(Account.Memory)).to.equal(0);
    group.metrics.count("x".repeat(257));
    expect(group.metrics.size).to.equal(0);
  });

  it("groups inside share their group's number of series, and leave others theirs", () => {
    const { group, scheduler } = new Runtime();
    const [greedy, other] = [group.child(scheduler), group.child(scheduler)];
    const inner = Array.from({ length: 4 }, () => greedy.child(scheduler));
    for (let i = 0; i < 2_000; i++) inner[i % 4]!.metrics.count(`n${i}`);
    expect(greedy.used(Account.Series)).to.equal(DEFAULT_LIMITS.maxSeries);
    for (let i = 0; i < 10; i++) other.metrics.count(`n${i}`);
    expect(other.metrics.size).to.equal(10);
    for (const each of inner) each.dispose();
    expect(group.used(Account.Series)).to.equal(10);
  });
});
