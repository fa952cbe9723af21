import { execFileSync } from "node:child_process";
import { expect } from "chai";
import { Gauge, Registry } from "prom-client";
import { textToBinary } from "../../vm/text/index.ts";
import { guestFunctions, Runtime } from "../index.ts";
import { prometheusRegistry } from "./prometheus.ts";

const GUEST = `(module
  (import "lunatic::metrics" "increment_counter" (func $count (param i32 i32)))
  (import "lunatic::metrics" "histogram" (func $sample (param i32 i32 f64)))
  (import "lunatic::registry" "put" (func $put (param i32 i32 i64 i64)))
  (memory (export "memory") 1)
  (data (i32.const 0) "requests.total" "9 lives\\n#" "requests/total" "lunatic.timers.active")
  (func (export "_start")
    (call $count (i32.const 0) (i32.const 14))
    (call $count (i32.const 0) (i32.const 14))
    (call $count (i32.const 23) (i32.const 14))
    (call $count (i32.const 37) (i32.const 21))
    (call $put (i32.const 0) (i32.const 8) (i64.const 0) (i64.const 1))
    (call $sample (i32.const 14) (i32.const 9) (f64.const 0.02))
    (call $sample (i32.const 14) (i32.const 9) (f64.const 1e9))))`;

describe("metrics for Prometheus", () => {
  it("are Lunatic's names for the runtime, and what guests record by group", async () => {
    await using runtime = new Runtime({ functions: [guestFunctions] });
    const module = await runtime.compile(textToBinary(GUEST));
    const group = runtime.createGroup({ name: 'tenant "a"' });
    const handle = runtime.spawn(module, { group });
    expect((await handle.exited).kind).to.equal("normal");
    const registry = await prometheusRegistry(runtime);
    const text = await registry.metrics();
    const label = 'group="tenant \\"a\\""';
    for (const line of [
      "# TYPE lunatic_process_signals_send counter",
      "lunatic_process_environment_process_count 0",
      "lunatic_registry_write 1",
      "lunatic_timers_active 0",
      `requests_total{${label}} 2`,
      "# TYPE _9_lives__ histogram",
      `_9_lives___bucket{le="0.01",${label}} 0`,
      `_9_lives___bucket{le="0.05",${label}} 1`,
      `_9_lives___bucket{le="+Inf",${label}} 2`,
      `_9_lives___count{${label}} 2`,
    ]) {
      const sorted = (each: string): string => each.split(/[{},]/).sort().join();
      expect(text.split("\n").map(sorted), line).to.include(sorted(line));
    }
    // A second name that becomes the same, and one of the runtime's own, are left out.
    expect(text.match(/^requests_total\{/gm)).to.have.length(1);
    expect(text.match(/^lunatic_timers_active\b/gm)).to.have.length(1);
    const own = new Registry();
    new Gauge({ name: "embedders", help: "its own", registers: [own] }).set(7);
    const merged = await Registry.merge([own, registry]).metrics();
    expect(merged)
      .to.match(/^embedders 7$/m)
      .and.match(/^lunatic_registry_write 1$/m);
    expect(await registry.getMetricsAsJSON()).to.have.length(runtime.metrics.length - 1);
  });

  it("stand beside those that are registered with them, which win, and can be asked for by name", async () => {
    await using runtime = new Runtime({ functions: [guestFunctions] });
    const registry = await prometheusRegistry(runtime);
    new Gauge({ name: "embedders", help: "its own", registers: [registry] }).set(7);
    new Gauge({ name: "lunatic_timers_active", help: "its own", registers: [registry] }).set(8);
    const text = await registry.metrics();
    expect(text.match(/^(embedders|lunatic_timers_active|lunatic_registry_write) .*/gm)).to.have.members([
      "embedders 7",
      "lunatic_timers_active 8",
      "lunatic_registry_write 0",
    ]);
    expect(await registry.getSingleMetricAsString("lunatic_registry_write")).to.match(/^lunatic_registry_write 0$/m);
    const error = await prometheusRegistry(undefined as unknown as Runtime).catch(String);
    expect(error).to.equal("TypeError: the runtime of prometheusRegistry: expected a Runtime, got undefined");
  });

  it("of groups with one name, or none, are added up, and no guest writes into a histogram", async () => {
    await using runtime = new Runtime({ functions: [guestFunctions] });
    const name = "lunatic.process.messages.data.size_count";
    const guest = `(module
      (import "lunatic::metrics" "increment_counter" (func $count (param i32 i32)))
      (import "lunatic::metrics" "histogram" (func $sample (param i32 i32 f64)))
      (memory (export "memory") 1)
      (data (i32.const 0) "${name}" "visits" "took" "took_sum")
      (func (export "_start")
        (call $count (i32.const 0) (i32.const ${name.length}))
        (call $count (i32.const ${name.length}) (i32.const 6))
        (call $sample (i32.const ${name.length + 6}) (i32.const 4) (f64.const 2))
        (call $sample (i32.const ${name.length + 10}) (i32.const 8) (f64.const 2))))`;
    const module = await runtime.compile(textToBinary(guest));
    for (const group of [{}, {}, { name: "same" }, { name: "same" }, { name: "same" }]) {
      const { exited } = runtime.spawn(module, { group: runtime.createGroup(group) });
      expect((await exited).kind).to.equal("normal");
    }
    const text = await (await prometheusRegistry(runtime)).metrics();
    expect(text.match(/^visits.*/gm)).to.deep.equal(["visits 2", 'visits{group="same"} 3']);
    expect(text.match(/^took_(sum|count).*/gm)).to.deep.equal([
      "took_sum 4",
      "took_count 2",
      'took_sum{group="same"} 6',
      'took_count{group="same"} 3',
    ]);
    expect(text.match(/^lunatic_process_messages_data_size_count.*/gm)).to.have.length(1);
  });

  it("messages, links and timers are counted", async () => {
    await using runtime = new Runtime({ functions: [guestFunctions] });
    const receiver = runtime.spawnNative(async ({ receive }) => {
      for (;;) await receive();
    });
    runtime.spawnNative(
      async ({ send, receive, link }) => {
        link(receiver.pid);
        for (const size of [1, 2, 3, 1_000]) await send(receiver.pid, new Uint8Array(size));
        await receive();
      },
      { name: "sender" },
    );
    const find = (name: string) => runtime.metrics.find((each) => each.name === `lunatic.process.${name}`)!;
    while (find("messages.send").value < 4) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(find("messages.data.size").sum).to.equal(1_006);
    expect(find("messages.data.size").buckets.slice(0, 4)).to.deep.equal([1, 1, 1, 0]);
    expect(find("messages.data.size").buckets[10]).to.equal(1);
    expect(find("signals.send").value).to.equal(5);
    expect(find("links.alive").value).to.equal(1);
    expect(find("environment.process.count").value).to.equal(2);
  });

  it("say what to install where the package is missing", () => {
    const url = new URL("prometheus.js", import.meta.url).href;
    const hook = `export async function resolve(name, context, next) {
      if (name !== "prom-client") return next(name, context);
      throw Object.assign(new Error("there is none"), { code: "ERR_MODULE_NOT_FOUND" });
    }`;
    const script = `
      import { register } from "node:module";
      register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});
      const { prometheusRegistry } = await import(${JSON.stringify(url)});
      await prometheusRegistry({ metrics: [] }).catch((error) => console.log(error.message));`;
    const output = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
    expect(output).to.equal("metrics for Prometheus need the package 'prom-client': npm install prom-client\n");
  });
});
