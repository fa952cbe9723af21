import { expect } from "chai";
import { decodeModule } from "../binary/decode.ts";
import { encodeModule } from "../binary/encode.ts";
import { CompileError } from "../errors.ts";
import { wat } from "../testing.ts";
import { funcTypeText } from "../types.ts";
import { parseModule } from "./parser.ts";

function fault(text: string): CompileError {
  try {
    parseModule(text);
  } catch (error) {
    if (error instanceof CompileError) return error;
    throw error;
  }
  throw new Error(`no error: ${text}`);
}

/** The function types of a module as text. */
function types(text: string): string[] {
  return parseModule(text).types.map(({ comp }) => (comp.kind === "func" ? funcTypeText(comp) : comp.kind));
}

describe("module parser", () => {
  it("gives modules that the host's engine accepts and runs", () => {
    const bytes = wat`
      (module $m
        (import "host" "add" (func $add (param i32 i32) (result i32)))
        (table $t 2 funcref) (elem (i32.const 0) $double $square)
        (memory (export "mem") (data "\01\02" "abc"))
        (global $g (mut i32) (i32.const 40))
        (type $unary (func (param $x i32) (result i32)))
        (func $double (type $unary) (call $add (local.get 0) (local.get 0)))
        (func $square (param $x i32) (result i32) local.get $x local.get $x i32.mul)
        (func (export "run") (param $which i32) (result i32) (local $r i32)
          (local.set $r (call_indirect $t (type $unary) (global.get $g) (local.get $which)))
          (if (result i32) (i32.eqz (local.get $which)) (then (local.get $r)) (else (i32.load8_u offset=3 (i32.const 0))))))`;
    const add = (left: number, right: number): number => left + right;
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { host: { add } });
    const run = instance.exports["run"] as (which: number) => number;
    expect([run(0), run(1)]).to.deep.equal([80, 98]);
  });

  it("takes fields without (module and a module with a name", () => {
    expect(encodeModule(parseModule("(func)"))).to.deep.equal(encodeModule(parseModule("(module (func))")));
    expect(encodeModule(parseModule(""))).to.deep.equal(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    expect(parseModule("(module $m)").customs[0]?.name).to.equal("name");
    expect(parseModule("(module $m)", { names: false }).customs).to.deep.equal([]);
  });

  it("adds inline function types after the explicit ones, in the order of their first use", () => {
    const text = `
      (func (param f32) (block (param i32) (result f64) (unreachable)) (unreachable))
      (func (result i64) (unreachable))
      (type (func (result i64)))
      (func (param f32))`;
    expect(types(text)).to.deep.equal(["[] -> [i64]", "[f32] -> []", "[i32] -> [f64]"]);
    expect([...parseModule(text).funcs]).to.deep.equal([1, 0, 1]);
  });

  it("takes an inline type only for a type that stands alone, final and without supertype", () => {
    expect(types("(rec (type (func)) (type (struct))) (func)")).to.have.length(3);
    expect(types("(type (sub (func))) (func)")).to.have.length(2);
    expect(types("(rec (type (func))) (func)")).to.have.length(1);
    expect(types("(type (sub final (func))) (func)")).to.have.length(1);
  });

  it("reads types of all kinds, named before they stand in the text", () => {
    const { types, recGroups } = parseModule(`
      (rec (type $a (sub (array (mut (ref null $b))))) (type $b (sub final $a (struct (field $x i8) (field i32 (mut i64))))))
      (rec)
      (type (func (param (ref $b)) (result structref)))`);
    expect(recGroups).to.deep.equal([2, 0, 1]);
    expect(types[1]).to.deep.include({ final: true, supers: [0] });
    expect(types[0]?.comp.kind).to.equal("array");
  });

  it("gives segments inside tables and memories the next index", () => {
    const module = parseModule(`
      (data "first") (memory $m i64 (data "inside")) (data $last "last") (func (memory.init $last (i64.const 0) (i32.const 0) (i32.const 0)))
      (elem func) (table $t funcref (elem 0)) (elem $e func) (func (table.init $e (i32.const 0) (i32.const 0) (i32.const 0)))`);
    expect(module.data.map(({ mode }) => mode.kind)).to.deep.equal(["passive", "active", "passive"]);
    expect(module.elements.map(({ mode }) => mode.kind)).to.deep.equal(["passive", "active", "passive"]);
    expect(module.memories[0]?.limits).to.deep.equal({ min: 1n, max: 1n });
    expect(module.dataCount).to.equal(3);
    const body = module.bytes.subarray(module.bodyStarts[1], module.bodyEnds[1]);
    expect([...body.subarray(-5)]).to.deep.equal([0xfc, 0x0c, 2, 0, 0x0b]);
  });

  it("reads every form of element segment", () => {
    const { elements } = parseModule(`
      (func $f) (table $t 9 funcref) (table 9 (ref null func))
      (elem (i32.const 0) $f 0) (elem (offset i32.const 1) func 0) (elem (table 1) (i32.const 0) func $f)
      (elem (table $t) (i32.const 0) funcref (item ref.func $f) (ref.null func)) (elem declare func $f) (elem (ref func) (ref.func 0)) (elem func)`);
    expect(
      elements.map(({ mode, items }) => [mode.kind, mode.kind === "active" ? mode.index : "", items.kind]),
    ).to.deep.equal([
      ["active", 0, "funcs"],
      ["active", 0, "funcs"],
      ["active", 1, "funcs"],
      ["active", 0, "exprs"],
      ["declarative", "", "funcs"],
      ["passive", "", "exprs"],
      ["passive", "", "funcs"],
    ]);
  });

  it("keeps identifiers as names", () => {
    const module = decodeModule(
      encodeModule(parseModule(`(module $m (func $f (param $p i32) (local $l i32) (block $b)))`)),
    );
    const section = module.customs[0];
    const content = Buffer.from(module.bytes.subarray(section?.start, section?.end)).toString("latin1");
    for (const name of ["m", "f", "p", "l", "b"]) expect(content).to.include(`\x01${name}`);
  });

  it("says what is wrong, and where", () => {
    const faults: [string, string, number, number][] = [
      ["(func\n  (i32.cosnt 1))", "unknown operator i32.cosnt", 2, 4],
      ["(func i32.const)", "unexpected token", 1, 16],
      ["(func (i32.const 1 2))", "unexpected token", 1, 20],
      ["(func)\n(func br $x)", "unknown label", 2, 10],
      ["(func call $x)", "unknown func", 1, 12],
      ["(func local.get $x)", "unknown local", 1, 17],
      ["(func global.get $x)", "unknown global", 1, 18],
      ["(func (result (ref $t)))", "unknown type", 1, 20],
      ["(func $f) (func $f)", "duplicate func", 1, 17],
      ["(type $t (struct (field $x i32) (field $x i32)))", "duplicate field", 1, 40],
      ["(memory $m 1) (memory $m 1)", "duplicate memory", 1, 23],
      ["(elem $e func) (elem $e func)", "duplicate elem segment", 1, 22],
      ["(data $d) (data $d)", "duplicate data segment", 1, 17],
      ['(func) (import "" "" (func))', "import after function", 1, 27],
      ['(tag) (func (import "" ""))', "import after tag", 1, 13],
      ["(start 0) (start 0)", "multiple start sections", 1, 12],
      ["(type (func)) (func (type 0) (param i32))", "inline function type", 1, 30],
      ["(func (type 7) (param i32))", "unknown type", 1, 16],
      ["(func block $a end $b)", "mismatching label", 1, 20],
      ["(func i32.const 0x1_0000_0000)", "constant out of range", 1, 17],
      ["(memory 1) (func i32.load align=3)", "alignment must be a power of two", 1, 27],
      ["(module", "unexpected token", 1, 8],
      ["(module) (module)", "unexpected token", 1, 10],
      ["(func", "unexpected token", 1, 6],
      [")", "unexpected token", 1, 1],
      ["(func (block)", "unexpected token", 1, 14],
      ["(func end)", "unexpected token", 1, 7],
      ["(func else)", "unexpected token", 1, 7],
      ["(func (if (i32.const 0)))", "unexpected token", 1, 24],
      ["(func (if (then) (else) (else)))", "unexpected token", 1, 26],
      ["(func (block (param $x i32)))", "unexpected token", 1, 21],
    ];
    for (const [text, reason, line, column] of faults) {
      const error = fault(text);
      expect(error.kind, text).to.equal("malformed");
      expect(error.reason.split(":")[0], text).to.equal(reason);
      expect([error.line, error.column], text).to.deep.equal([line, column]);
    }
  });

  it("puts custom sections where their annotations say", () => {
    const module = decodeModule(
      encodeModule(
        parseModule(`
          (@custom "z") (@custom "a" (before first) "x" "y") (type (func)) (@custom "b" (after type)) (@custom "c" (before memory))
          (func) (memory 0) (@custom "d" (after func) "\\00")`),
      ),
    );
    expect(module.customs.map(({ name, place }) => [name, place])).to.deep.equal([
      ["a", 0],
      ["b", 1],
      ["d", 3],
      ["c", 3],
      ["z", 10],
    ]);
  });

  it("writes branch hints by their offset in the body", () => {
    const module = parseModule(`
      (func)
      (func (local i32)
        (@metadata.code.branch_hint "\\01") (if (local.get 0) (then))
        local.get 0
        (@metadata.code.branch_hint "\\00") br_if 0)`);
    const section = module.customs[0];
    expect(section).to.include({ name: "metadata.code.branch_hint", place: 12 });
    expect([...module.bytes.subarray(section?.start, section?.end)]).to.deep.equal([1, 1, 2, 5, 1, 1, 10, 1, 0]);
  });

  it("refuses known annotations at wrong places", () => {
    expect(fault('(func (@custom "a"))').reason).to.equal("misplaced @custom annotation");
    expect(fault('(func (nop (@name "a")))').reason).to.equal("misplaced @name annotation");
    expect(fault('(global i32 (@metadata.code.branch_hint "\\00") (i32.const 0))').reason).to.include(
      "not in a function",
    );
    expect(fault('(func (@metadata.code.branch_hint "\\02") (if (i32.const 0) (then)))').reason).to.include(
      "unexpected token",
    );
    expect(fault('(func (@metadata.code.branch_hint "\\00") (nop))')).to.include({ kind: "invalid" });
  });

  it("is linear in names, labels and errors", () => {
    const count = 100_000;
    const funcs = Array.from({ length: count }, (_, i) => `(func $f${i} (call $f${count - 1 - i}))`);
    expect(parseModule(funcs.join("\n")).funcs.length).to.equal(count);
    const labels = Array.from({ length: count }, (_, i) => `(block $l${i} (br $l0)`);
    expect(parseModule(`(func ${labels.join(" ")}${")".repeat(count)})`).funcs.length).to.equal(1);
    expect(fault(`${"\n".repeat(1_000_000)}(func x)`).line).to.equal(1_000_001);
    expect(fault("(".repeat(1_000_000)).reason).to.include("unexpected token");
  });
});
