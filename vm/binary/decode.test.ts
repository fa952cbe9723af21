import { expect } from "chai";
import { CompileError } from "../errors.ts";
import type { Module } from "../module.ts";
import { EXTERNREF, FUNCREF, Heap, Num, refType } from "../types.ts";
import { NO_PROPOSALS } from "../proposals.ts";
import { decodeModule, Decoding, Section } from "./decode.ts";
import {
  body,
  concat,
  EMPTY_FUNC_TYPE,
  HEADER,
  moduleOf,
  name,
  repeat,
  section,
  uleb,
  vector,
  type Bytes,
} from "./testing.ts";

const I32_CONST_0: Bytes = [0x41, 0, 0x0b];
const HUGE: Bytes = [0xff, 0xff, 0xff, 0xff, 0x0f];

function malformedIn(message: string, ...sections: Bytes[]): void {
  expect(() => decodeModule(moduleOf(...sections)), message)
    .to.throw(CompileError, message)
    .with.property("kind", "malformed");
}

/** The bytes of a range of the module. */
function slice(module: Module, { start, end }: { start: number; end: number }): number[] {
  return Array.from(module.bytes.subarray(start, end));
}

describe("decodeModule", () => {
  it("reads types, their groups, sub types and composite types", () => {
    const { types, recGroups } = decodeModule(
      moduleOf(
        vector(
          Section.Type,
          [0x60, 2, 0x7f, 0x63, 0x00, 1, 0x7b],
          [0x4e, 2, 0x50, 0, 0x5f, 2, 0x78, 1, 0x64, 2, 0, 0x4f, 1, 1, 0x5e, 0x77, 0],
          [0x4e, 0],
        ),
      ),
    );
    expect(recGroups).to.deep.equal([1, 2, 0]);
    expect(types).to.deep.equal([
      { final: true, supers: [], comp: { kind: "func", params: [Num.I32, refType(0, true)], results: [Num.V128] } },
      {
        final: false,
        supers: [],
        comp: {
          kind: "struct",
          fields: [
            { storage: Num.I8, mutable: true },
            { storage: refType(2, false), mutable: false },
          ],
        },
      },
      { final: true, supers: [1], comp: { kind: "array", field: { storage: Num.I16, mutable: false } } },
    ]);
  });

  it("reads every abbreviated reference type", () => {
    const bytes = [0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0x73, 0x74];
    const heaps = [
      Heap.Exn,
      Heap.Array,
      Heap.Struct,
      Heap.I31,
      Heap.Eq,
      Heap.Any,
      Heap.Extern,
      Heap.Func,
      Heap.None,
      Heap.NoExtern,
      Heap.NoFunc,
      Heap.NoExn,
    ];
    const { types } = decodeModule(moduleOf(vector(Section.Type, [0x60, bytes.length, ...bytes, 0])));
    expect(types[0]!.comp).to.have.deep.property(
      "params",
      heaps.map((heap) => refType(heap, true)),
    );
  });

  it("reads imports of every kind and puts them first in their index spaces", () => {
    const imported = (...description: number[]) => concat(name("m"), name("n"), description);
    const module = decodeModule(
      moduleOf(
        vector(Section.Type, EMPTY_FUNC_TYPE, EMPTY_FUNC_TYPE),
        vector(
          Section.Import,
          imported(0, 1),
          imported(1, 0x6f, 5, 1, 2),
          imported(2, 3, 1, 0x80, 0x80, 4),
          imported(3, 0x7e, 1),
          imported(4, 0, 0),
        ),
        vector(Section.Func, [0]),
        vector(Section.Table, [0x40, 0, 0x64, 0x70, 0, 1, 0xd2, 0, 0x0b]),
        vector(Section.Memory, [4, 1]),
        vector(Section.Tag, [0, 1]),
        vector(Section.Global, concat([0x7f, 0], I32_CONST_0)),
        vector(Section.Code, body([0], [0x0b])),
      ),
    );
    const table = { limits: { min: 1n, max: 2n }, address: Num.I64, element: EXTERNREF };
    const memory = { limits: { min: 1n, max: 65_536n }, address: Num.I32, shared: true };
    expect(module.imports.map(({ type }) => type)).to.deep.equal([
      { kind: "func", typeIndex: 1 },
      { kind: "table", type: table },
      { kind: "memory", type: memory },
      { kind: "global", type: { type: Num.I64, mutable: true } },
      { kind: "tag", typeIndex: 0 },
    ]);
    expect(Array.from(module.funcs)).to.deep.equal([1, 0]);
    expect(module.tables[0]).to.deep.equal({ type: table, init: null });
    expect(slice(module, module.tables[1]!.init!)).to.deep.equal([0xd2, 0, 0x0b]);
    expect(module.memories[1]).to.deep.equal({ limits: { min: 1n, max: null }, address: Num.I64, shared: false });
    expect(module.tags).to.deep.equal([0, 1]);
    expect(slice(module, module.globals[1]!.init!)).to.deep.equal([0x41, 0, 0x0b]);
    expect(module).to.include({
      importedFuncs: 1,
      importedTables: 1,
      importedMemories: 1,
      importedTags: 1,
      importedGlobals: 1,
    });
  });

  it("reads exports, start, bodies and the data count", () => {
    const module = decodeModule(
      moduleOf(
        vector(Section.Type, EMPTY_FUNC_TYPE),
        vector(Section.Func, [0], [0]),
        vector(Section.Export, concat(name("é"), [0, 1]), concat(name(""), [4, 9])),
        section(Section.Start, [1]),
        section(Section.DataCount, [1]),
        vector(Section.Code, body([0], [0x01, 0x0b]), body([1, 2, 0x7f], [0x0b])),
        vector(Section.Data, concat([1], name("abc"))),
      ),
    );
    expect(module.exports).to.deep.equal([
      { name: "é", kind: "func", index: 1 },
      { name: "", kind: "tag", index: 9 },
    ]);
    expect(module.start).to.equal(1);
    expect(module.dataCount).to.equal(1);
    const bodies = [0, 1].map((i) => slice(module, { start: module.bodyStarts[i]!, end: module.bodyEnds[i]! }));
    expect(bodies).to.deep.equal([
      [0, 1, 0x0b],
      [1, 2, 0x7f, 0x0b],
    ]);
  });

  it("reads element segments of all eight kinds", () => {
    const refFunc: Bytes = [0xd2, 3, 0x0b];
    const { elements } = decodeModule(
      moduleOf(
        vector(
          Section.Element,
          concat([0], I32_CONST_0, [2, 7, 8]),
          [1, 0, 1, 7],
          concat([2, 5], I32_CONST_0, [0, 0]),
          [3, 0, 1, 9],
          concat([4], I32_CONST_0, [1], refFunc),
          concat([5, 0x6f, 0]),
          concat([6, 5], I32_CONST_0, [0x64, 0x70, 1], refFunc),
          concat([7, 0x70, 1], refFunc),
        ),
      ),
    );
    expect(elements.map(({ mode }) => (mode.kind === "active" ? mode.index : mode.kind))).to.deep.equal([
      0,
      "passive",
      5,
      "declarative",
      0,
      "passive",
      5,
      "declarative",
    ]);
    const funcs = refType(Heap.Func, false);
    expect(elements.map(({ type }) => type)).to.deep.equal([
      funcs,
      funcs,
      funcs,
      funcs,
      FUNCREF,
      EXTERNREF,
      funcs,
      FUNCREF,
    ]);
    expect(
      elements.map(({ items }) => (items.kind === "funcs" ? Array.from(items.indices) : items.exprs.length)),
    ).to.deep.equal([[7, 8], [7], [], [9], 1, 0, 1, 1]);
  });

  it("reads data segments and finds the end of constant expressions with blocks inside", () => {
    const nested: Bytes = [0x02, 0x40, 0x04, 0x40, 0x05, 0x0b, 0x0b, 0x41, 0, 0x0b];
    const module = decodeModule(
      moduleOf(
        vector(
          Section.Data,
          concat([0], nested, name("a")),
          concat([1], name("bc")),
          concat([2, 3], I32_CONST_0, name("")),
        ),
      ),
    );
    expect(module.data.map(({ mode }) => (mode.kind === "active" ? mode.index : mode.kind))).to.deep.equal([
      0,
      "passive",
      3,
    ]);
    expect(module.data.map((segment) => slice(module, segment))).to.deep.equal([[0x61], [0x62, 0x63], []]);
    const { mode } = module.data[0]!;
    expect(mode.kind === "active" && slice(module, mode.offset)).to.deep.equal(nested);
  });

  it("records custom sections with their place, whatever their content", () => {
    const { customs } = decodeModule(
      moduleOf(
        section(Section.Custom, name("first"), [1, 2]),
        vector(Section.Tag),
        section(Section.Custom, name("name"), [0xff, 0xff]),
      ),
    );
    expect(customs.map(({ name, place, start, end }) => [name, place, end - start])).to.deep.equal([
      ["first", 0, 2],
      ["name", Section.Tag, 2],
    ]);
  });

  it("rejects a malformed name of a custom section", () => {
    malformedIn("malformed UTF-8 encoding", section(Section.Custom, [1, 0xff]));
    malformedIn("unexpected end", section(Section.Custom, [2, 0x61]), section(Section.Type, [0]));
  });

  it("rejects bytes that are no module", () => {
    const cases: readonly [Bytes, string][] = [
      [[], "unexpected end"],
      [[0, 0x61, 0x73], "unexpected end"],
      [[...new TextEncoder().encode("(module)")], "magic header not detected"],
      [[0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0], "unknown binary version"],
      [[...HEADER, 14, 0], "malformed section id"],
      [[...HEADER, 1], "unexpected end"],
      [[...HEADER, 1, 5], "length out of bounds"],
    ];
    for (const [bytes, message] of cases)
      expect(() => decodeModule(Uint8Array.from(bytes))).to.throw(CompileError, message);
  });

  it("rejects sections out of order, twice, of the wrong size", () => {
    malformedIn("unexpected content after last section", vector(Section.Memory), vector(Section.Table));
    malformedIn("unexpected content after last section", vector(Section.Global), vector(Section.Tag));
    malformedIn("unexpected content after last section", section(Section.Code, [0]), section(Section.DataCount, [0]));
    malformedIn("unexpected content after last section", vector(Section.Type), vector(Section.Type));
    malformedIn("section size mismatch", section(Section.Memory, [0, 0]));
    malformedIn("function and code section have inconsistent lengths", vector(Section.Func, [0]));
    malformedIn("data count and data section have inconsistent lengths", section(Section.DataCount, [1]));
  });

  it("rejects malformed items", () => {
    malformedIn("malformed definition type", vector(Section.Type, [0x40]));
    malformedIn("malformed value type", vector(Section.Type, [0x60, 1, 0x40, 0]));
    malformedIn("malformed storage type", vector(Section.Type, [0x5e, 0x40, 0]));
    malformedIn("malformed mutability", vector(Section.Type, [0x5e, 0x7f, 2]));
    malformedIn("malformed import kind", vector(Section.Import, concat(name(""), name(""), [5])));
    malformedIn("malformed export kind", vector(Section.Export, concat(name(""), [5, 0])));
    malformedIn("malformed tag attribute", vector(Section.Tag, [1, 0]));
    malformedIn("malformed limits flags", vector(Section.Memory, [8, 0]));
    malformedIn("malformed limits flags", vector(Section.Table, [0x70, 3, 0, 0]));
    malformedIn("malformed reference type", vector(Section.Table, [0x7f, 0, 0]));
    malformedIn("malformed table", vector(Section.Table, [0x40, 1, 0x70, 0, 0]));
    malformedIn("malformed elements segment kind", vector(Section.Element, [8]));
    malformedIn("malformed element kind", vector(Section.Element, [1, 1, 0]));
    malformedIn("malformed data segment kind", vector(Section.Data, [3, 0]));
    malformedIn("END opcode expected", vector(Section.Global, [0x7f, 0, 0x05, 0x0b]));
    malformedIn("illegal opcode", vector(Section.Global, [0x7f, 0, 0x06, 0x0b]));
  });

  it("tells of an error inside a body rather than of the error behind it that follows", () => {
    const types = vector(Section.Type, EMPTY_FUNC_TYPE);
    // The body's size is too small, so that its rest is read as a section.
    const code = section(Section.Code, [1, 2, 0, 0xff]);
    expect(() => decodeModule(moduleOf(types, vector(Section.Func, [0]), code, [0x0b, 0x0b])))
      .to.throw(CompileError, "illegal opcode ff")
      .that.includes({ position: HEADER.length + types.length + 4 + 5, funcIndex: 0 });
  });

  it("refuses huge counts without the bytes for them, in no time", () => {
    const sections = [
      Section.Type,
      Section.Import,
      Section.Func,
      Section.Table,
      Section.Memory,
      Section.Tag,
      Section.Global,
      Section.Export,
      Section.Element,
      Section.Code,
      Section.Data,
    ];
    for (const id of sections) malformedIn("unexpected end of section or function", section(id, HUGE));
    malformedIn("unexpected end", vector(Section.Type, concat([0x60], HUGE)));
    malformedIn("unexpected end", vector(Section.Type, concat([0x4e], HUGE)));
    malformedIn("unexpected end", vector(Section.Element, concat([1, 0], HUGE)));
    malformedIn("length out of bounds", section(Section.Code, [1], HUGE));
  });

  it("keeps to its limits: at the limit yes, one past it no", () => {
    const params = (count: number) => vector(Section.Type, concat([0x60], uleb(count), repeat(count, 0x7f), [0]));
    expect(decodeModule(moduleOf(params(1_000))).types).to.have.length(1);
    const cases: readonly (readonly [Bytes, string])[] = [
      [params(1_001), "1001 parameters"],
      [vector(Section.Type, concat([0x60, 0], uleb(1_001), repeat(1_001, 0x7f))), "1001 results"],
      [vector(Section.Type, concat([0x5f], uleb(10_001), repeat(10_001, 0x7f, 0))), "10001 fields"],
      [section(Section.Memory, [101], repeat(101, 0, 0)), "101 memories"],
      [section(Section.Data, uleb(100_001), repeat(100_001, 1, 0)), "100001 data segments"],
      [section(Section.Table, uleb(100_001), repeat(100_001, 0x70, 0, 0)), "100001 tables"],
      [section(Section.Func, uleb(1_000_001), repeat(1_000_001, 0)), "1000001 functions"],
      [section(Section.Code, [1], uleb(7_654_322), repeat(7_654_322, 0)), "7654322 bytes in a function body"],
      [vector(Section.Export, concat(uleb(100_001), repeat(100_001, 0x61), [0, 0])), "100001 bytes in a name"],
    ];
    for (const [bytes, what] of cases) {
      expect(() => decodeModule(moduleOf(bytes)), what)
        .to.throw(CompileError, `limit exceeded: ${what}`)
        .with.property("kind", "limit");
    }
  });
});

describe("Decoding", () => {
  it("can be cut into steps of one byte and gives the same module", () => {
    const bytes = moduleOf(
      vector(Section.Type, EMPTY_FUNC_TYPE, [0x60, 1, 0x7f, 0]),
      vector(Section.Func, [0], [1]),
      vector(Section.Global, concat([0x7f, 0, 0x41, 0], repeat(500, 0x41, 1, 0x6a), [0x0b])),
      vector(Section.Element, [1, 0, 2, 0, 1]),
      vector(Section.Code, body([0], [0x0b]), body([0], [0x0b])),
    );
    const decoding = new Decoding(bytes);
    expect(() => decoding.module).to.throw(TypeError);
    let steps = 1;
    while (!decoding.step(1)) steps++;
    expect(steps).to.be.greaterThan(10);
    expect(decoding.module).to.deep.equal(decodeModule(bytes));
    expect(decoding.step(1)).to.equal(true);
  });

  it("finds the place of an item", () => {
    const types = vector(Section.Type, EMPTY_FUNC_TYPE, [0x60, 1, 0x7f, 0]);
    const decoding = new Decoding(moduleOf(types), NO_PROPOSALS, { section: Section.Type, index: 1 });
    while (!decoding.step(100));
    expect(decoding.watchedPosition).to.equal(HEADER.length + 3 + EMPTY_FUNC_TYPE.length);
  });
});
