import { expect } from "chai";
import { decodeModule } from "../binary/decode.ts";
import { encodeModule } from "../binary/encode.ts";
import { wat } from "../testing.ts";
import { parseModule } from "./parser.ts";
import { printModule } from "./print.ts";

/** Prints a binary, and checks that the text gives it back. */
function printed(bytes: Uint8Array): string {
  const text = printModule(decodeModule(bytes));
  expect(encodeModule(parseModule(text)), text).to.deep.equal(bytes);
  return text;
}

/** An empty module with one custom section. */
function withCustom(name: string, content: readonly number[]): Uint8Array {
  const parsed = parseModule("(func) (memory 0)");
  const bytes = Uint8Array.from([...parsed.bytes, ...content]);
  const custom = { name, start: parsed.bytes.length, end: bytes.length, place: 11 };
  return encodeModule({ ...parsed, bytes, customs: [custom] });
}

describe("module printer", () => {
  it("prints names as identifiers", () => {
    const text = printed(wat`
      (module $calc
        (type $binary (func (param i32 i32) (result i32)))
        (import "env" "log" (func $log (param $value i32)))
        (global $count (mut i32) (i32.const 0))
        (func $"add two" (export "add") (type $binary)
          (block $out (br_if $out (local.get 1)))
          (i32.add (local.get 0) (local.get 1))))`);
    expect(text).to.equal(
      [
        "(module $calc",
        "  (type $binary (;0;) (func (param i32 i32) (result i32)))",
        "  (type (;1;) (func (param i32)))",
        '  (import "env" "log" (func $log (;0;) (type 1) (param $value i32)))',
        "  (global $count (;0;) (mut i32) (i32.const 0))",
        '  (export "add" (func $"add two"))',
        '  (func $"add two" (;1;) (type $binary) (param i32 i32) (result i32)',
        "    block $out",
        "      local.get 1",
        "      br_if $out",
        "    end",
        "    local.get 0",
        "    local.get 1",
        "    i32.add",
        "  )",
        ")\n",
      ].join("\n"),
    );
  });

  it("prints names that no identifier can be as annotations", () => {
    const text = printed(wat`
      (func $f (@name "same")) (func $g (@name "same")) (func (@name "") (param (@name "x") i32) (param (@name "x") i32)
        (local i32) (local (@name "") i64) (block (@name "")))`);
    expect(text).to.include("(func $same (;0;)").and.include('(func (@name "same") (;1;)');
  });

  it("keeps a name section as it is when identifiers would not give it again", () => {
    const sections = [
      [0x01, 0x04, 0x01, 0x07, 0x01, 0x66], // names function 7, which is not there
      [0x01, 0x05, 0x01, 0x00, 0x81, 0x00, 0x66], // a length in two bytes
      [0x0c, 0x00], // a subsection that is not known
      [0x01, 0xff], // cut off
      [0x02, 0x06, 0x01, 0x00, 0x01, 0x05, 0x01, 0x66], // names local 5
    ];
    for (const content of sections) expect(printed(withCustom("name", content))).to.include('(@custom "name"');
    expect(printed(withCustom("name", [0x01, 0x04, 0x01, 0x00, 0x01, 0x66]))).to.include("(func $f");
  });

  it("keeps custom sections, and a data count that no instruction asks for", () => {
    expect(printed(withCustom('a"b', [0, 1, 0x22, 0x5c, 0xff]))).to.include(
      '(@custom "a\\22b" (after last) "\\00\\01\\22\\5c\\ff")',
    );
    const parsed = parseModule('(data "x")');
    expect(printed(encodeModule({ ...parsed, dataCount: 1 }))).to.include("(@datacount)");
    expect(printed(encodeModule(parsed))).to.not.include("(@datacount)");
  });

  it("does not indent deep blocks beyond all measure", () => {
    const depth = 100_000;
    const text = printed(encodeModule(parseModule(`(func ${"block ".repeat(depth)}${"end ".repeat(depth)})`)));
    expect(text.length).to.be.below(depth * 200);
  });

  it("refuses a body that declares more locals than a function may have", () => {
    const parsed = parseModule("(func)");
    const runs = Array.from({ length: 100 }, () => [0xff, 0xff, 0x03, 0x7f]).flat();
    const bytes = Uint8Array.from([100, ...runs, 0x0b]);
    const module = { ...parsed, bytes, bodyStarts: Uint32Array.of(0), bodyEnds: Uint32Array.of(bytes.length) };
    expect(() => printModule(module)).to.throw("limit exceeded");
  });
});
