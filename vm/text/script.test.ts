import { expect } from "chai";
import { CompileError } from "../errors.ts";
import { Heap } from "../types.ts";
import { type Command, parseScript } from "./script.ts";

function only(text: string): Command {
  const { commands } = parseScript(text);
  expect(commands).to.have.length(1);
  return commands[0]!;
}

describe("script parser", () => {
  it("reads commands with their lines", () => {
    const { commands } = parseScript(`
      (module $m (func (export "f")))
      (register "lib" $m) (invoke $m "f")
      (assert_exhaustion (invoke "f") "call stack exhausted")
      (assert_exception (get "g"))
      (module definition $d (func))
      (module instance $i $d)
      (module instance)`);
    expect(commands.map(({ kind, line }) => [kind, line])).to.deep.equal([
      ["module", 2],
      ["register", 3],
      ["action", 3],
      ["assert_exhaustion", 4],
      ["assert_exception", 5],
      ["module", 6],
      ["instance", 7],
      ["instance", 8],
    ]);
    expect(commands[1]).to.include({ as: "lib", module: "$m" });
    expect(commands[5]).to.include({ definition: true, name: "$d" });
    expect(commands[6]).to.include({ name: "$i", module: "$d" });
    expect(commands[7]).to.include({ name: null, module: null });
  });

  it("gives modules in all three forms, and parses them only when asked", () => {
    const { commands } = parseScript(`
      (module (func (i32.cosnt)))
      (module binary "\\00asm" "\\01\\00\\00\\00")
      (module quote "(func)" "(fnuc)")
      (assert_malformed (module quote "(func $)") "empty identifier")
      (assert_trap (module (start 0) (func (unreachable))) "unreachable")`);
    const sources = commands.map((command) => ("source" in command ? command.source : null));
    expect(sources.map((source) => source?.format)).to.deep.equal(["text", "binary", "quote", "quote", "text"]);
    expect(() => sources[0]?.encode()).to.throw(CompileError, "unknown operator i32.cosnt (line 2, column 22)");
    expect(sources[1]?.encode()).to.deep.equal(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    expect(() => sources[2]?.encode()).to.throw(CompileError, "unknown operator fnuc");
    expect(() => sources[3]?.encode()).to.throw(CompileError, "empty identifier");
    expect(commands[4]?.kind).to.equal("assert_module_trap");
    expect(sources[4]?.encode().length).to.be.above(8);
  });

  it("takes a script without commands for a module", () => {
    const command = only('(func (export "f"))');
    expect(command.kind === "module" && command.source.encode().length).to.be.above(8);
  });

  it("reads arguments as bit patterns", () => {
    const command = only(
      '(invoke "f" (i32.const -1) (i64.const 0x8000_0000_0000_0000) (f32.const -nan:0x1) (f64.const -0) ' +
        "(v128.const i16x8 1 2 3 4 5 6 7 -1) (ref.null extern) (ref.extern 3) (ref.host 4))",
    );
    expect(command.kind === "action" && command.action.kind === "invoke" && command.action.args).to.deep.equal([
      { kind: "i32", bits: 0xffff_ffffn },
      { kind: "i64", bits: 1n << 63n },
      { kind: "f32", bits: 0xff80_0001n },
      { kind: "f64", bits: 1n << 63n },
      { kind: "v128", bytes: Uint8Array.of(1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 255, 255) },
      { kind: "ref.null", heap: Heap.Extern },
      { kind: "ref.extern", value: 3 },
      { kind: "ref.host", value: 4 },
    ]);
  });

  it("reads result patterns", () => {
    const command = only(
      '(assert_return (invoke "f") (f32.const nan:canonical) (f64.const nan:arithmetic) (f64.const nan) ' +
        "(v128.const f32x4 1 nan:canonical nan:arithmetic -0) (ref.null) (ref.null any) (ref.func) (ref.func $f) " +
        "(ref.extern) (ref.extern 1) (ref.i31) (either (i32.const 1) (ref.eq)))",
    );
    expect(command.kind === "assert_return" && command.results).to.deep.equal([
      { kind: "nan", type: "f32", nan: "nan:canonical" },
      { kind: "nan", type: "f64", nan: "nan:arithmetic" },
      { kind: "f64", bits: 0x7ff8_0000_0000_0000n },
      { kind: "v128", shape: "f32x4", lanes: [0x3f80_0000n, "nan:canonical", "nan:arithmetic", 0x8000_0000n] },
      { kind: "ref.null", heap: null },
      { kind: "ref.null", heap: Heap.Any },
      { kind: "ref", of: "ref.func" },
      { kind: "ref", of: "ref.func" },
      { kind: "ref", of: "ref.extern" },
      { kind: "ref.extern", value: 1 },
      { kind: "ref", of: "ref.i31" },
      {
        kind: "either",
        alternatives: [
          { kind: "i32", bits: 1n },
          { kind: "ref", of: "ref.eq" },
        ],
      },
    ]);
  });

  it("reads threads inside threads", () => {
    const command = only('(thread $a (shared (module $m)) (thread $b (invoke "f")) (wait $b))');
    expect(command).to.deep.include({ kind: "thread", name: "$a", shared: ["$m"] });
    expect(command.kind === "thread" && command.commands.map(({ kind }) => kind)).to.deep.equal(["thread", "wait"]);
    const depth = 100_000;
    expect(only(`${"(thread $t ".repeat(depth)}${")".repeat(depth)}`).kind).to.equal("thread");
  });

  it("says what is wrong, and where", () => {
    const faults: [string, string][] = [
      ["(modul)", "unknown operator modul (line 1, column 2)"],
      ["(module", "unexpected token: end of text (line 1, column 8)"],
      ["(assert_return (invoke))", "unexpected token: ) (line 1, column 23)"],
      ['(invoke "f" (i32.const 0x1_0000_0000))', "constant out of range (line 1, column 24)"],
      ['(assert_return (invoke "f") (v128.const i32x4 1 2))', "wrong number of lane literals (line 1, column 41)"],
      ['(thread $t (invoke "f")', "unexpected token: end of text (line 1, column 24)"],
      [")", "unexpected token: ) (line 1, column 1)"],
    ];
    for (const [text, message] of faults) expect(() => parseScript(text), text).to.throw(CompileError, message);
  });
});
