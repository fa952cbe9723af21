import { expect } from "chai";
import { compileSync, eventLoopTurn, Store } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import { drive } from "./drive.ts";
import { Executor } from "./executor.ts";
import { FakeClock, QueuedInput, SeededRandom } from "./fakes.ts";
import { guestFunctions } from "./functions/host-definition.ts";
import { compileGuest } from "./functions/testing.ts";
import { LineOutput } from "./line-output.ts";
import { MemoryDirectory } from "./memory-files.ts";
import { Runtime } from "./runtime.ts";
import { reasonOf, reasonText } from "./signal.ts";
import { Wasi } from "./wasi/wasi.ts";

/** Asks for the status of "a/a/a…", so many components. */
const statOf = (depth: number): string => `(memory (export "memory") 1) (data (i32.const 100) "${"a/".repeat(depth)}")
  (func (export "main") (if (call $wasi_snapshot_preview1::path_filestat_get (i32.const 3) (i32.const 0) (i32.const 100)
    (i32.const ${depth * 2}) (i32.const 0)) (then unreachable)))`;

describe("calls of WASI by a module without a memory", () => {
  const bytes = textToBinary(`(module
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
    (import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (func (export "exit") (if (i32.or (call $yield) (call $close (i32.const 1))) (then unreachable))
      (call $exit (i32.const 7)))
    (func (export "random") (drop (call $random (i32.const 0) (i32.const 1)))))`);
  const expected = [
    "exit with code 7",
    "trap: host function trapped: wasi_snapshot_preview1::random_get: the module exports no memory named `memory`",
  ];

  it("work where they need none, and else are traps that say so", async () => {
    const module = compileSync(bytes);
    for (const trace of [undefined, () => {}]) {
      const runtime = new Runtime(trace === undefined ? {} : { trace });
      const reasons = ["exit", "random"].map((entry) => runtime.spawn(module, { entry }).exited);
      expect((await Promise.all(reasons)).map(reasonText)).to.deep.equal(expected);
      await runtime.dispose();
    }
    const clock = new FakeClock();
    const stream = new LineOutput(() => {});
    const services = { clock, random: new SeededRandom(1), stdin: new QueuedInput(), stdout: stream, stderr: stream };
    for (const [i, entry] of ["exit", "random"].entries()) {
      const wasi = new Wasi({ args: [], env: [], preopens: [], ...services });
      const invocation = new Store().instantiateSync(module, wasi.imports).invoke(entry);
      const driven = drive(invocation, { clock, eventLoop: { nextTurn: eventLoopTurn } });
      const error = await driven.catch((reason: unknown) => reason);
      expect(reasonText(reasonOf(error)), entry).to.equal(expected[i]);
    }
  });
});

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
