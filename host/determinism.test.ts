/** With a seed the whole trace follows from the guests and the seed alone: the same on every machine and under every Node. */

import { createHash } from "node:crypto";
import { expect } from "chai";
import { compileSync } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import { Executor } from "./executor.ts";
import { guestFunctions } from "./functions/host-definition.ts";
import { guestText } from "./functions/testing.ts";
import type { TraceEvent } from "./runtime-core.ts";
import { Runtime } from "./runtime.ts";

/**
 * Of the trace below, as Node 20.20 and Node 26 make it. A change of fuel, of prices or of what the trace tells changes it,
 * and only such a change may: then it is recorded anew, after a look at it under both.
 */
const RECORDED = "c5e0660cc8055d9cda2199916c22677510d525611c2892e8f1a359b112b1eec5";

/** Three workers that race with messages, timers, floating point, clocks and random numbers; one is killed, one traps. */
const GUEST = `(memory (export "memory") 1)
  (data (i32.const 0) "worker")
  (func $receive (param $ms i64) (result i32)
    (call $message::receive (i32.const 0) (i32.const 0) (local.get $ms)))
  (func $spawn (param $work i64) (result i64)
    (i32.store8 (i32.const 64) (i32.const 0x7e))
    (i64.store (i32.const 65) (local.get $work))
    (i64.store (i32.const 73) (i64.const 0))
    (drop (call $process::spawn (local.get $work) (i64.const -1) (i64.const -1)
      (i32.const 0) (i32.const 6) (i32.const 64) (i32.const 17) (i32.const 128)))
    (i64.load (i32.const 128)))
  (func (export "worker") (param $work i64) (local $x f64) (local $i i32)
    (drop (call $wasi_snapshot_preview1::random_get (i32.const 256) (i32.const 8)))
    (drop (call $wasi_snapshot_preview1::clock_time_get (i32.const 1) (i64.const 1) (i32.const 264)))
    (local.set $x (f64.div (f64.convert_i64_u (i64.load (i32.const 256))) (f64.const 3)))
    (loop $again
      (local.set $x (f64.sqrt (f64.add (f64.mul (local.get $x) (f64.const 1.0000001)) (f64.const 0.1))))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20000))))
    (f64.store (i32.const 272) (local.get $x))
    (call $process::sleep_ms (local.get $work))
    (call $message::create_data (i64.const 5) (i64.const 32))
    (drop (call $message::write_data (i32.const 256) (i32.const 24)))
    (drop (call $message::send (i64.const 1)))
    (if (i64.eq (local.get $work) (i64.const 2)) (then (unreachable)))
    (drop (call $receive (i64.const -1))))
  (func (export "main") (local $last i64)
    (call $process::die_when_link_dies (i32.const 0))
    (drop (call $spawn (i64.const 1)))
    (drop (call $spawn (i64.const 2)))
    (local.set $last (call $spawn (i64.const 3)))
    (drop (call $receive (i64.const -1)))
    (drop (call $message::read_data (i32.const 512) (i32.const 24)))
    (drop (call $receive (i64.const 1000)))
    (drop (call $receive (i64.const 1000)))
    (drop (call $receive (i64.const 1000)))
    (call $process::kill (local.get $last))
    (drop (call $receive (i64.const 1000))))`;

function traceOf(seed: number): readonly TraceEvent[] {
  const events: TraceEvent[] = [];
  const executor = new Executor({ seed, source: { nowMs: () => 0, nextTurn: () => {}, wakeAfter: () => () => {} } });
  const runtime = new Runtime({ executor, functions: [guestFunctions], trace: (event) => events.push(event) });
  const main = runtime.spawn(compileSync(textToBinary(guestText(GUEST))), { entry: "main" });
  executor.runUntilIdle();
  expect(main.process.exitReason).to.deep.equal({ kind: "normal" });
  return events;
}

function hashOf(events: readonly TraceEvent[]): string {
  const text = JSON.stringify(events, (_key, value: unknown) =>
    typeof value === "bigint" ? `${value}n` : value instanceof Error ? value.message : value,
  );
  return createHash("sha256").update(text).digest("hex");
}

describe("deterministic mode", () => {
  it("makes the recorded trace: of turns with fuel, signals, calls with their effects, and ends", () => {
    const events = traceOf(7);
    const kinds = new Set(events.map(({ kind }) => kind));
    for (const kind of ["turn", "signal", "call", "exit"]) expect([...kinds], kind).to.include(kind);
    expect(hashOf(events)).to.equal(RECORDED);
    expect(hashOf(traceOf(8))).to.not.equal(RECORDED);
  });
});
