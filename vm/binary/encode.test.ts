import { expect } from "chai";
import type { Module } from "../module.ts";
import { parseModule } from "../text/parser.ts";
import { Heap, refType } from "../types.ts";
import { decodeModule } from "./decode.ts";
import { encodeModule } from "./encode.ts";

/** The bytes of the first section with that id. */
function section(module: Module, id: number): number[] {
  const bytes = encodeModule(module);
  for (let at = 8; at < bytes.length; ) {
    const size = bytes[at + 1] ?? 0;
    expect(size).to.be.below(0x80);
    if (bytes[at] === id) return [...bytes.subarray(at + 2, at + 2 + size)];
    at += 2 + size;
  }
  return [];
}

const fields = (text: string): Module => parseModule(text, { names: false });

describe("encoder", () => {
  it("writes nothing for what a module does not have", () => {
    expect([...encodeModule(fields(""))]).to.deep.equal([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  });

  it("writes references, groups and supertypes in their shortest form", () => {
    const text = `
      (type (sub (struct (field i8) (field (mut (ref null 0))))))
      (rec (type (sub final 0 (struct (field i16) (field (mut (ref null 0)))))) (type (array (ref any))))
      (type (func (param (ref null func) (ref 1)) (result nullexnref v128)))`;
    expect(section(fields(text), 1)).to.deep.equal(
      [
        [3],
        [0x50, 0, 0x5f, 2, 0x78, 0, 0x63, 0, 1],
        [0x4e, 2, 0x4f, 1, 0, 0x5f, 2, 0x77, 0, 0x63, 0, 1, 0x5e, 0x64, 0x6e, 0],
        [0x60, 2, 0x70, 0x64, 1, 2, 0x74, 0x7b],
      ].flat(),
    );
  });

  it("writes the flags of limits", () => {
    const memories = "(memory 1) (memory 1 2) (memory 1 2 shared) (memory i64 1) (memory i64 1 0x1_0000_0000)";
    expect(section(fields(memories), 5)).to.deep.equal(
      [[5], [0, 1], [1, 1, 2], [3, 1, 2], [4, 1], [5, 1, 0x80, 0x80, 0x80, 0x80, 0x10]].flat(),
    );
  });

  it("writes tables with and without an initial value", () => {
    expect(section(fields("(table 1 funcref) (table 1 (ref i31) (ref.i31 (i32.const 0)))"), 4)).to.deep.equal([
      2, 0x70, 0, 1, 0x40, 0, 0x64, 0x6c, 0, 1, 0x41, 0, 0xfb, 0x1c, 0x0b,
    ]);
  });

  it("chooses the shortest of the eight forms of element segments", () => {
    const flags = (text: string): number | undefined =>
      section(fields(`(table 1 funcref) (table 1 funcref) (func) ${text}`), 9)[1];
    const forms: [string, number][] = [
      ["(elem (i32.const 0) func 0)", 0],
      ["(elem func 0)", 1],
      ["(elem (table 1) (i32.const 0) func 0)", 2],
      ["(elem declare func 0)", 3],
      ["(elem (i32.const 0) funcref (ref.func 0))", 4],
      ["(elem funcref (ref.func 0))", 5],
      ["(elem (table 1) (i32.const 0) funcref (ref.func 0))", 6],
      ["(elem (i32.const 0) (ref func) (ref.func 0))", 6],
      ["(elem declare funcref (ref.func 0))", 7],
    ];
    for (const [text, flag] of forms) expect(flags(text), text).to.equal(flag);
  });

  it("writes the three forms of data segments", () => {
    const text = '(memory 1) (memory 1) (data (i32.const 0) "a") (data "b") (data (memory 1) (i32.const 0) "c")';
    expect(section(fields(text), 11)).to.deep.equal(
      [[3], [0, 0x41, 0, 0x0b, 1, 0x61], [1, 1, 0x62], [2, 1, 0x41, 0, 0x0b, 1, 0x63]].flat(),
    );
  });

  it("puts the tag section between memories and globals, the data count before the code", () => {
    const bytes = encodeModule(
      fields('(global i32 (i32.const 0)) (tag) (memory 1) (data "") (func (data.drop 0)) (export "a" (tag 0))'),
    );
    const ids: number[] = [];
    for (let at = 8; at < bytes.length; at += 2 + (bytes[at + 1] ?? 0)) ids.push(bytes[at] ?? 0);
    expect(ids).to.deep.equal([1, 3, 5, 13, 6, 7, 12, 10, 11]);
  });

  it("gives a decoded module back, in canonical form", () => {
    // Type section with a group of one and a nullable reference in its long form.
    const long = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 8, 1, 0x4e, 1, 0x60, 1, 0x63, 0x70, 0);
    const module = decodeModule(long);
    expect(module.types[0]?.comp).to.deep.include({ kind: "func", params: [refType(Heap.Func, true)] });
    const short = encodeModule(module);
    expect([...short.subarray(8)]).to.deep.equal([1, 5, 1, 0x60, 1, 0x70, 0]);
    expect(encodeModule(decodeModule(short))).to.deep.equal(short);
  });
});
