import { expect } from "chai";
import { textToBinary } from "../../vm/text/index.ts";
import { Account, type Group } from "../group.ts";
import { cells, expectTrap, mainOf, type Note, runPrepared, TestHost } from "./testing.ts";

const ID = "(i32.const 8)";
const ERROR = `(call $error::to_string (i64.load ${ID}) (i32.const 50000))
  (call $test::bytes (i32.const 50000) (call $error::string_size (i64.load ${ID})))`;

/** A data segment at 100 with a module, and a call that compiles it. */
function compiling(text: string): { data: string; call: string } {
  const bytes = textToBinary(`(module ${text})`);
  const hex = [...bytes].map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("");
  return {
    data: `(data (i32.const 100) "${hex}")`,
    call: `(call $test::i32 (call $process::compile_module (i32.const 100) (i32.const ${bytes.length}) ${ID}))`,
  };
}

/** The notes of a guest that compiles a module, and the text of the error if it fails. */
function compile(text: string, options: Parameters<TestHost["run"]>[1] = {}): Note[] {
  const { data, call } = compiling(text);
  const isError = `(if (i64.ne (i64.load ${ID}) (i64.const -7)) (then ${ERROR}))`;
  return new TestHost().run(mainOf(`(i64.store ${ID} (i64.const -7)) ${call} ${isError}`, data), options).notes;
}

cells("process::compile_module", {
  "success: the module's ID is written, from 0 on": () => {
    const { data, call } = compiling(`(func (export "f"))`);
    const id = `(call $test::i64 (i64.load ${ID}))`;
    expect(new TestHost().run(mainOf(`${call} ${id} ${call} ${id}`, data)).notes).to.deep.equal([0, 0n, 0, 1n]);
  },
  "code 1: malformed, invalid, or with an import that does not exist or has another type": () => {
    const run = (calls: string, data: string) => new TestHost().run(mainOf(calls, data)).notes;
    const malformed = run(
      `(call $test::i32 (call $process::compile_module (i32.const 100) (i32.const 4) ${ID})) ${ERROR}`,
      `(data (i32.const 100) "wasm")`,
    );
    expect(malformed[0]).to.equal(1);
    expect(malformed[1]).to.include("magic header not detected");
    for (const [text, words] of [
      [`(func (result i32))`, "type mismatch"],
      [`(import "lunatic::process" "nothing" (func))`, "unknown import"],
      [`(import "lunatic::process" "kill" (func (param i32)))`, "incompatible import type"],
      [`(import "env" "memory" (memory 1))`, "unknown import"],
    ] as const) {
      const notes = compile(text);
      expect(notes[0], text).to.equal(1);
      expect(notes[1], text).to.include(words);
    }
  },
  "code 1: no memory to compile or keep it": () => {
    const { data, call } = compiling(`(func)`);
    const { notes } = runPrepared(
      ({ group }) => group.setLimit(Account.Memory, group.used(Account.Memory) + 80),
      `${call} (call $test::i64 (i64.load ${ID}))`,
      data,
    );
    // No memory for the error either: then it is a trap.
    expect(notes).to.deep.equal([]);
    const some = runPrepared(
      ({ group }) => group.setLimit(Account.Memory, group.used(Account.Memory) + 400),
      `(call $test::i32 (call $process::compile_module (i32.const 100) (i32.const 1000) ${ID})) ${ERROR}`,
      data,
    );
    expect(some.notes).to.deep.equal([1, "no memory to compile the module"]);
  },
  "code 1: it takes more memory than its bytes tell, and the limit is met before that is taken": () => {
    // 3 bytes each, some hundreds on the heap of the host.
    const { data, call } = compiling("(elem func)".repeat(3_000));
    let group: Group | null = null;
    let limit = 0;
    const { notes } = runPrepared(
      (process) => {
        ({ group } = process);
        limit = group.used(Account.Memory) + 200_000;
        group.setLimit(Account.Memory, limit);
      },
      `${call} ${ERROR}`,
      data,
    );
    expect(notes[0]).to.equal(1);
    expect(notes[1]).to.include("no memory to compile the module");
    expect(group!.peak(Account.Memory)).to.be.within(limit - 10_000, limit);
    expect(compile("(elem func)".repeat(3_000))).to.deep.equal([0]);
  },
  "code 1: too many of something for a process is found before the module is validated": () => {
    const notes = compile(`${"(tag)".repeat(4_097)} (func (result i32))`);
    expect(notes[0]).to.equal(1);
    expect(notes[1]).to.include("too many tags of a process: 4097, at most 4096");
  },
  "code -1: not permitted, nothing is written": () => {
    const { data, call } = compiling(`(func)`);
    const { notes } = new TestHost().run(mainOf(`${call} (call $test::i64 (i64.load ${ID}))`, data), {
      config: { canCompileModules: false },
    });
    expect(notes).to.deep.equal([-1, 0n]);
  },
  "a denied import is no error here: calling it is the end": () => {
    expect(
      compile(`(import "lunatic::process" "kill" (func (param i64)))`, { config: { imports: { deny: ["*::kill"] } } }),
    ).to.deep.equal([0]);
  },
  "others run while a large module is compiled, and a kill stops it": () => {
    const body = "i32.const 1 drop ".repeat(10_000);
    const { data, call } = compiling(`(func ${body})`);
    const host = new TestHost();
    const compiler = host.start(mainOf(`(loop $again ${call.replace("call $test::i32", "drop")} (br $again))`, data));
    host.start(
      mainOf(`(local $i i32) (loop $l
      (call $process::sleep_ms (i64.const 1)) (call $test::i32 (local.tee $i (i32.add (local.get $i) (i32.const 1))))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 5))))`),
    );
    host.executor.runUntilIdle(500);
    expect(host.notes).to.deep.equal([1, 2, 3, 4, 5]);
    compiler.kill();
    host.executor.runUntilIdle();
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
  },
  "bad pointer: traps": () => {
    for (const range of ["(i32.const 65536) (i32.const 1)", "(i32.const 1) (i32.const -1)"]) {
      expectTrap("out of bounds", `(drop (call $process::compile_module ${range} ${ID}))`);
    }
    const { data, call } = compiling(`(func)`);
    expectTrap("out of bounds", call.replace(ID, "(i32.const 65529)"), data);
  },
});

cells("process::drop_module", {
  "success: frees the ID and what the group paid": () => {
    const { data, call } = compiling(`(func)`);
    const host = new TestHost();
    const { end } = host.run(
      mainOf(`${call} (call $process::drop_module (i64.const 0)) (call $process::drop_module (i64.const 0))`, data),
    );
    expect(end).to.include("there is no module 0");
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
  },
  "bad ID: traps": () => {
    for (const id of ["0", "-1"]) expectTrap("there is no module", `(call $process::drop_module (i64.const ${id}))`);
  },
});
