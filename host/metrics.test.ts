import { readFileSync } from "node:fs";
import { expect } from "chai";
import { compileGuest, TestHost } from "./functions/testing.ts";
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
    const inner = group.child(scheduler, { maxMemory: 2_300 });
    for (let i = 0; i < 20; i++) inner.metrics.count(`${i}`);
    inner.metrics.count("0");
    expect(inner.metrics.size).to.equal(7);
    expect(inner.metrics.dropped).to.equal(13);
    expect(group.used(Account.Memory)).to.be.within(7 * 320, 2_300);
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

describe("metrics of a runtime", () => {
  it("are all that Lunatic has, and are in the documentation", () => {
    const names = new Runtime().metrics.map(({ name }) => name);
    const process = ["signals.send", "signals.received", "messages.send", "messages.outstanding", "links.alive"];
    const messages = ["data.count", "data.resources.count", "data.size", "link_died.count"];
    const counted = ["compiled", "dropped", "active", "compiled.duration"];
    expect(names).to.have.members([
      ...process.map((name) => `lunatic.process.${name}`),
      ...messages.map((name) => `lunatic.process.messages.${name}`),
      ...["process.count", "count"].map((name) => `lunatic.process.environment.${name}`),
      ...counted.map((name) => `lunatic.process.modules.${name}`),
      ...["created", "dropped", "active"].map((name) => `lunatic.process.configs.${name}`),
      ...["started", "completed", "canceled", "active"].map((name) => `lunatic.timers.${name}`),
      ...["write", "read", "deletion", "registered"].map((name) => `lunatic.registry.${name}`),
    ]);
    const path = new URL("../../docs/lunatic-compatibility.md", import.meta.url);
    const rows = readFileSync(path, "utf8").match(/^\| `lunatic\.(process|timers|registry)\..*?\|/gm) ?? [];
    const documented = rows.flatMap((row) => [...row.matchAll(/`([^`]+)`/g)].map(([, name]) => name));
    expect(documented).to.have.members(names);
  });

  it("configurations and modules that leave a process's tables, by a call or with it, are dropped", () => {
    const host = new TestHost();
    const module = compileGuest(`(memory (export "memory") 1) (data (i32.const 0) "\\00asm\\01\\00\\00\\00")
      (func $both (param i32)
        (drop (call $process::create_config))
        (drop (call $process::compile_module (i32.const 0) (i32.const 8) (local.get 0))))
      (func (export "main")
        (call $both (i32.const 16)) (call $both (i32.const 24)) (call $both (i32.const 32))
        (call $process::drop_config (i64.const 1))
        (call $process::drop_module (i64.load (i32.const 24)))
        (call $process::sleep_ms (i64.const 10)))`);
    host.start(module, { config: { canCompileModules: true, canCreateConfigs: true } });
    const find = (name: string) => host.runtime.metrics.find((each) => each.name === `lunatic.process.${name}`)!.value;
    const seen = () => ["compiled", "active", "dropped"].map((name) => find(`modules.${name}`));
    const seenConfigs = () => ["created", "active", "dropped"].map((name) => find(`configs.${name}`));
    while (find("modules.dropped") === 0) host.executor.runUntilIdle(1);
    expect([seen(), seenConfigs()]).to.deep.equal([
      [3, 2, 1],
      [3, 2, 1],
    ]);
    host.executor.runUntilIdle();
    expect([seen(), seenConfigs()]).to.deep.equal([
      [3, 0, 3],
      [3, 0, 3],
    ]);
  });
});
