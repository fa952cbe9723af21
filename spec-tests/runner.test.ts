import { expect } from "chai";
import { Engine } from "../vm/index.ts";
import type { Mode } from "./options.ts";
import type { FileResult } from "./result.ts";
import { runScript } from "./runner.ts";

const FILE = { folder: "test", name: "test.wast", path: "test.wast" };

function run(script: string, mode: Mode = { kind: "unlimited" }): Promise<FileResult> {
  return runScript(FILE, script, { mode, engine: new Engine(), lowering: "lazy", trace: true });
}

const LOOP = `(module (func (export "count") (param i32) (result i32)
  (loop $again (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br_if $again (local.get 0)))
  (local.get 0)))
  (assert_return (invoke "count" (i32.const 100)) (i32.const 0))`;

describe("runner of scripts", () => {
  it("counts what holds and names what does not, with its line", async () => {
    const result = await run(`(module (func (export "one") (result i32) (i32.const 1)))
      (assert_return (invoke "one") (i32.const 1))
      (assert_return (invoke "one") (i32.const 2))
      (assert_trap (invoke "one") "unreachable")`);
    expect(result.passed).to.equal(1);
    expect(result.failures.map(({ line, command }) => [line, command])).to.deep.equal([
      [3, "assert_return"],
      [4, "assert_trap"],
    ]);
  });

  it("a trap passes only with the expected words", async () => {
    const result = await run(`(module (func (export "f") (unreachable)))
      (assert_trap (invoke "f") "unreachable")
      (assert_trap (invoke "f") "integer overflow")`);
    expect([result.passed, result.failures.length]).to.deep.equal([1, 1]);
  });

  it("registered instances are imported, missing ones cannot be linked", async () => {
    const result = await run(`(module $A (func (export "one") (result i32) (i32.const 1)))
      (register "a" $A)
      (module (import "a" "one" (func $one (result i32))) (func (export "two") (result i32)
        (i32.add (call $one) (call $one))))
      (assert_return (invoke "two") (i32.const 2))
      (assert_return (invoke $A "one") (i32.const 1))
      (assert_unlinkable (module (import "a" "none" (func))) "unknown import")
      (assert_unlinkable (module (import "a" "one" (func))) "incompatible import type")`);
    expect(result.failures).to.deep.equal([]);
    expect(result.passed).to.equal(4);
  });

  it("spectest has what the reference interpreter's has", async () => {
    const result = await run(`(module
        (import "spectest" "global_f32" (global f32))
        (import "spectest" "memory" (memory 1 2))
        (import "spectest" "table" (table 10 20 funcref))
        (import "spectest" "print_i32_f32" (func $print (param i32 f32)))
        (func (export "f") (result f32) (call $print (i32.const 1) (f32.const 2)) (global.get 0)))
      (assert_return (invoke "f") (f32.const 666.6))`);
    expect(result.failures).to.deep.equal([]);
    expect(result.passed).to.equal(1);
  });

  it("a module that does not load fails the assertions that need it", async () => {
    const result = await run(`(module (func (export "f") (result i32)))
      (assert_return (invoke "f"))`);
    expect(result.passed).to.equal(0);
    expect(result.failures.map(({ line }) => line)).to.deep.equal([1, 2]);
  });

  it("pauses leave results and fuel as they are", async () => {
    const modes: Mode[] = [
      { kind: "unlimited" },
      { kind: "slice", fuel: 10 },
      { kind: "exact", fuel: 1 },
      { kind: "exact", fuel: 7 },
    ];
    const results = await Promise.all(modes.map((mode) => run(LOOP, mode)));
    const [unlimited, slice, exact1, exact7] = results.map(({ pauses }) => pauses);
    expect(unlimited).to.equal(0);
    expect(slice).to.be.greaterThan(30);
    expect(exact1).to.be.greaterThan(exact7 ?? 0);
    for (const { passed, trace } of results) {
      expect(passed).to.equal(1);
      expect(trace).to.deep.equal(results[0]?.trace);
    }
  });

  it("threads that wait are saved and restored with their store", async () => {
    const script = `${WAITS}
        (assert_return (invoke "wait" (i64.const 9000000000000)) (i32.const 0)))
      (thread $B (shared (module $M)) (register "m" $M)
        (module (memory (import "m" "m") 1 1 shared)
          (func (export "notify") (result i32) (loop $l (result i32)
            (br_if $l (i32.eqz (memory.atomic.notify (i32.const 0) (i32.const 1)))) (i32.const 1))))
        (assert_return (invoke "notify") (i32.const 1)))
      (wait $A) (wait $B)`;
    const saved = await run(script, { kind: "snapshots", fuel: 1 });
    expect(saved.failures).to.deep.equal([]);
    expect(saved.unsaved).to.deep.equal([]);
    expect(saved.passed).to.equal(2);
    expect(saved.snapshots).to.be.greaterThan(1);
  });

  const WAITS = `(module $M (memory (export "m") 1 1 shared))
    (thread $A (shared (module $M)) (register "m" $M)
      (module (memory (import "m" "m") 1 1 shared)
        (func (export "wait") (param i64) (result i32) (memory.atomic.wait32 (i32.const 0) (i32.const 0) (local.get 0))))`;

  it("a store that is saved and restored in the middle of actions leaves them as they are", async () => {
    const script = `(module $A (memory (export "m") 1) (global $g (mut externref) (ref.null extern)) (table 1 funcref)
        (func (export "keep") (param externref) (result externref) (global.set $g (local.get 0)) (global.get $g))
        (func $f (export "sum") (param i32) (result i32)
          (loop $l (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (local.get 0)))
            (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
          (table.set (i32.const 0) (ref.func $f)) (i32.load (i32.const 8)))
        (func (export "trap") (drop (i32.load (i32.const 65536)))))
      (register "a" $A)
      (module (import "a" "m" (memory 1)) (import "spectest" "print_i32" (func $print (param i32)))
        (func (export "read") (result i32) (call $print (i32.const 1)) (i32.load (i32.const 8))))
      (assert_return (invoke $A "keep" (ref.extern 7)) (ref.extern 7))
      (assert_return (invoke $A "sum" (i32.const 50)) (i32.const 1275))
      (assert_return (invoke "read") (i32.const 1275))
      (assert_trap (invoke $A "trap") "out of bounds memory access")
      (assert_return (invoke $A "sum" (i32.const 1)) (i32.const 1276))`;
    const [alone, saved] = await Promise.all([run(script), run(script, { kind: "snapshots", fuel: 1 })]);
    expect(saved.failures).to.deep.equal([]);
    expect(saved.trace).to.deep.equal(alone.trace);
    expect([saved.passed, alone.snapshots]).to.deep.equal([5, 0]);
    expect(saved.unsaved).to.deep.equal([]);
    expect(saved.snapshots).to.be.greaterThan(7);
  });

  it("time passes for threads when all of them wait, for the shortest wait first", async () => {
    const result = await run(`${WAITS}
        (assert_return (invoke "wait" (i64.const 9000000000000)) (i32.const 0)))
      (thread $B (shared (module $M)) (register "m" $M)
        (module (memory (import "m" "m") 1 1 shared)
          (func (export "sleep") (result i32) (memory.atomic.wait32 (i32.const 4) (i32.const 0) (i64.const 8000000000000)))
          (func (export "notify") (result i32) (memory.atomic.notify (i32.const 0) (i32.const 1))))
        (assert_return (invoke "sleep") (i32.const 2))
        (assert_return (invoke "notify") (i32.const 1)))
      (wait $A) (wait $B)`);
    expect(result.failures).to.deep.equal([]);
    expect(result.passed).to.equal(3);
  });

  it("threads that wait for each other are a failure of theirs", async () => {
    const result = await run(`${WAITS}
      (assert_return (invoke "wait" (i64.const -1)) (i32.const 0)))
      (wait $A)`);
    expect(result.failures.map(({ detail }) => detail).join()).to.contain("deadlock");
  });

  it("a script that cannot be read is one failure", async () => {
    const result = await run("(module");
    expect(result.failures.map(({ command }) => command)).to.deep.equal(["script"]);
  });
});
