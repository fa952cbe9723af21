import { expect } from "chai";
import { eventLoopTurn } from "../vm/index.ts";
import { Executor } from "./executor.ts";
import { FakeClock } from "./fakes.ts";
import { guestFunctions } from "./functions/host-definition.ts";
import { compileGuest } from "./functions/testing.ts";
import { MemoryDirectory } from "./memory-files.ts";
import { Runtime } from "./runtime.ts";

/** Asks for the status of "a/a/a…", so many components. */
const statOf = (depth: number): string => `(memory (export "memory") 1) (data (i32.const 100) "${"a/".repeat(depth)}")
  (func (export "main") (if (call $wasi_snapshot_preview1::path_filestat_get (i32.const 3) (i32.const 0) (i32.const 100)
    (i32.const ${depth * 2}) (i32.const 0)) (then unreachable)))`;

describe("calls of WASI that wait", () => {
  it("are charged for what they do outside of turns, in fuel and in time", async () => {
    const root = MemoryDirectory.create(new FakeClock());
    let inner = root;
    for (let i = 0; i < 60; i++) {
      await inner.createDirectory("a");
      inner = (await inner.open("a", { read: true, write: false })) as MemoryDirectory;
    }
    const used: { fuel: number; charge: number }[] = [];
    for (const depth of [1, 51]) {
      const executor = new Executor({ source: { nowMs: () => 0, nextTurn: () => {}, wakeAfter: () => () => {} } });
      const runtime = new Runtime({ executor, functions: [guestFunctions] });
      const preopens = [{ name: "/", readOnly: true, open: async () => root }];
      const handle = runtime.spawn(compileGuest(statOf(depth)), { entry: "main", config: { preopens } });
      for (let i = 0; i < 100 && handle.process.exitReason === null; i++) {
        executor.runUntilIdle(100);
        await eventLoopTurn();
      }
      expect(handle.process.exitReason?.kind).to.equal("normal");
      used.push({ fuel: handle.stats.fuel, charge: executor.stats.charge });
    }
    const [less, more] = used;
    // Fifty directories, and two units for the bytes of the path.
    expect(more!.fuel - less!.fuel).to.equal(50 * 50 + 2);
    expect(more!.charge - less!.charge).to.be.at.least(50 * 50 * 20);
  });
});
