import { expect } from "chai";
import { totalmem } from "node:os";
import { compileSync } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import { Executor } from "./executor.ts";
import { CollectedOutput } from "./fakes.ts";
import { Account } from "./group.ts";
import { Runtime } from "./runtime.ts";
import { defaultServices } from "./default-services.ts";

/** Prints the wall clock and eight random bytes. */
const PRINTS = compileSync(
  textToBinary(`(module
    (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\\10\\00\\00\\00\\10\\00\\00\\00")
    (func (export "_start")
      (drop (call $time (i32.const 0) (i64.const 1) (i32.const 16)))
      (drop (call $random (i32.const 24) (i32.const 8)))
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))`),
);

describe("services by default", () => {
  it("follow from an executor's seed, time and randomness both", () => {
    const printed = (seed: number): string => {
      const executor = new Executor({
        seed,
        source: { nowMs: () => 0, nextTurn: () => {}, wakeAfter: () => () => {} },
      });
      const stdout = new CollectedOutput();
      const runtime = new Runtime({ executor, services: { stdout } });
      const { process } = runtime.spawn(PRINTS);
      executor.runUntilIdle();
      expect(process.exitReason).to.deep.equal({ kind: "normal" });
      expect(stdout.bytes).to.have.length(16);
      return stdout.bytes.join();
    };
    expect(printed(1)).to.equal(printed(1));
    expect(printed(1).split(",").slice(8)).not.to.deep.equal(printed(2).split(",").slice(8));
  });

  it("are those of the platform on a live executor", () => {
    const { clock, random } = defaultServices(new Executor());
    expect(Number(clock.realtime() / 1_000_000n)).to.be.closeTo(Date.now(), 60_000);
    const [a, b] = [new Uint8Array(16), new Uint8Array(16)];
    random.fill(a);
    random.fill(b);
    expect(a).not.to.deep.equal(b);
  });

  it("limit the memory of a runtime to half of the machine's", () => {
    const limit = new Runtime().group.limit(Account.Memory);
    expect(limit).to.be.within(1, totalmem() / 2);
    expect(new Runtime({ maxMemory: Number.POSITIVE_INFINITY }).group.limit(Account.Memory)).to.equal(Infinity);
  });
});
