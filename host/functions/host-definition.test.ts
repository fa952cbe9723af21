import { expect } from "chai";
import type { TraceEvent } from "../runtime-core.ts";
import { mainOf, TestHost } from "./testing.ts";

/** The calls that a guest makes, as the trace has them. */
function callsOf(calls: string, more = "", seed = 1): { name: string; effects: number }[] {
  const events: TraceEvent[] = [];
  const host = new TestHost({ trace: (event) => events.push(event) }, seed);
  host.run(mainOf(calls, more));
  return events.flatMap((event) => (event.kind === "call" ? [{ name: event.name, effects: event.effects }] : []));
}

const READ = (text: string) => `(call $message::create_data (i64.const 0) (i64.const 0))
  (drop (call $message::write_data (i32.const 100) (i32.const ${text.length})))
  (drop (call $message::read_data (i32.const 200) (i32.const 10)))`;

describe("the trace of calls", () => {
  it("has each call with a hash of its results and of what it wrote", () => {
    const of = (text: string) => callsOf(READ(text), `(data (i32.const 100) "${text}")`);
    const calls = of("abc");
    expect(calls.map(({ name }) => name)).to.deep.equal([
      "lunatic::message::create_data",
      "lunatic::message::write_data",
      "lunatic::message::read_data",
    ]);
    expect(of("abc")).to.deep.equal(calls);
    const others = of("abd");
    expect(others[1]).to.deep.equal(calls[1]);
    expect(others[2]?.effects).to.not.equal(calls[2]?.effects);
  });

  it("has calls that waited when they are answered, with what they wrote then", () => {
    const receive = (timeout: number) =>
      `(drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const ${timeout})))`;
    const send = `(call $message::create_data (i64.const 0) (i64.const 0)) (drop (call $timer::send_after (call $process::process_id) (i64.const 5)))`;
    const timedOut = callsOf(receive(5)).at(-1);
    const arrived = callsOf(`${send} ${receive(50)}`).at(-1);
    expect([timedOut?.name, arrived?.name]).to.deep.equal(["lunatic::message::receive", "lunatic::message::receive"]);
    expect(timedOut?.effects).to.not.equal(arrived?.effects);
    const spawn = `(drop (call $process::spawn (i64.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 8)))`;
    const [first, second] = callsOf(`${spawn} ${spawn}`).filter(({ name }) => name.endsWith("spawn"));
    expect(first?.effects).to.not.equal(second?.effects);
  });

  it("has WASI's calls too", () => {
    const calls = callsOf(`(drop (call $wasi_snapshot_preview1::random_get (i32.const 0) (i32.const 8)))
      (drop (call $wasi_snapshot_preview1::random_get (i32.const 0) (i32.const 8)))
      (drop (call $wasi_snapshot_preview1::fd_close (i32.const 9)))`);
    expect(calls.map(({ name }) => name.replace("wasi_snapshot_preview1::", ""))).to.deep.equal([
      "random_get",
      "random_get",
      "fd_close",
    ]);
    expect(calls[0]?.effects).to.not.equal(calls[1]?.effects);
  });

  it("is the same for every seed where nothing depends on the schedule", () => {
    const calls = `${READ("abc")} (drop (call $process::create_config)) (call $process::sleep_ms (i64.const 5))`;
    expect(callsOf(calls, "", 7)).to.deep.equal(callsOf(calls, "", 8));
  });

  it("leaves guests without a memory alone until they need one", () => {
    const host = new TestHost();
    const { end } = host.run(`(memory 1) (func (export "main") (call $test::i64 (call $process::process_id))
      (call $registry::remove (i32.const 0) (i32.const 0)))`);
    expect(host.notes).to.deep.equal([1n]);
    expect(end).to.include("lunatic::registry::remove: the module exports no memory named `memory`");
  });
});
