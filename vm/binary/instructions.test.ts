import { expect } from "chai";
import { CompileError } from "../errors.ts";
import type { Immediate } from "../instruction.ts";
import { INSTRUCTION_BY_NUMBER, INSTRUCTIONS, Op, PREFIX_PAGES } from "../opcodes.ts";
import { FUNCREF, Heap, Num, refType } from "../types.ts";
import { readInstruction, skipInstruction, type ImmediateValue } from "./instructions.ts";
import { Reader } from "./reader.ts";
import { uleb } from "./testing.ts";

const BYTES_16 = Array.from({ length: 16 }, (_, i) => i);

/** For each kind of immediate, bytes and what they mean. */
const IMMEDIATES: Readonly<Record<Immediate, readonly [bytes: readonly number[], value: ImmediateValue][]>> = {
  blocktype: [
    [[0x40], { kind: "blocktype", type: { kind: "empty" } }],
    [[0x7f], { kind: "blocktype", type: { kind: "result", type: Num.I32 } }],
    [[0x63, 5], { kind: "blocktype", type: { kind: "result", type: refType(5, true) } }],
    [[0xc0, 0x00], { kind: "blocktype", type: { kind: "index", typeIndex: 64 } }],
  ],
  castop: [
    [
      [2, 4, 0x6e, 3],
      { kind: "castop", label: 4, source: { heap: Heap.Any, nullable: false }, target: { heap: 3, nullable: true } },
    ],
  ],
  catches: [
    [[0], { kind: "catches", clauses: [] }],
    [
      [4, 0, 7, 1, 1, 8, 2, 2, 3, 3, 4],
      {
        kind: "catches",
        clauses: [
          { kind: "catch", tagIndex: 7, label: 1 },
          { kind: "catch_ref", tagIndex: 8, label: 2 },
          { kind: "catch_all", tagIndex: null, label: 3 },
          { kind: "catch_all_ref", tagIndex: null, label: 4 },
        ],
      },
    ],
  ],
  dataidx: [[[0x80, 1], { kind: "dataidx", value: 128 }]],
  elemidx: [[[3], { kind: "elemidx", value: 3 }]],
  f32: [[[1, 0, 0xa0, 0x7f], { kind: "f32", bits: 0x7fa00001 }]],
  f64: [[[1, 0, 0, 0, 0, 0, 0xf4, 0xff], { kind: "f64", bits: 0xfff4_0000_0000_0001n }]],
  fieldidx: [[[1], { kind: "fieldidx", value: 1 }]],
  funcidx: [[[0xff, 0xff, 0xff, 0xff, 0x0f], { kind: "funcidx", value: 0xffff_ffff }]],
  globalidx: [[[2], { kind: "globalidx", value: 2 }]],
  heaptype: [
    [[0x70], { kind: "heaptype", heap: Heap.Func }],
    [[0x80, 2], { kind: "heaptype", heap: 256 }],
  ],
  i32: [[[0x7f], { kind: "i32", value: -1 }]],
  i64: [[[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f], { kind: "i64", value: -(2n ** 63n) }]],
  labelidx: [[[1], { kind: "labelidx", value: 1 }]],
  labels: [[[2, 0, 1, 5], { kind: "labels", labels: [0, 1, 5] }]],
  laneidx: [[[0xff], { kind: "laneidx", value: 255 }]],
  lanes16: [[BYTES_16, { kind: "lanes16", bytes: Uint8Array.from(BYTES_16) }]],
  localidx: [[[0], { kind: "localidx", value: 0 }]],
  memarg: [
    [[2, 8], { kind: "memarg", align: 2, memIndex: 0, offset: 8n }],
    [
      [0x43, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
      { kind: "memarg", align: 3, memIndex: 1, offset: 2n ** 64n - 1n },
    ],
  ],
  memidx: [[[1], { kind: "memidx", value: 1 }]],
  order: [[[0], { kind: "order", value: 0 }]],
  tableidx: [[[1], { kind: "tableidx", value: 1 }]],
  tagidx: [[[1], { kind: "tagidx", value: 1 }]],
  typeidx: [[[0xe5, 0x8e, 0x26], { kind: "typeidx", value: 624485 }]],
  u32: [[[9], { kind: "u32", value: 9 }]],
  v128: [[BYTES_16, { kind: "v128", bytes: Uint8Array.from(BYTES_16) }]],
  valtypes: [[[2, 0x7f, 0x70], { kind: "valtypes", types: [Num.I32, FUNCREF] }]],
};

function opcode(op: number): number[] {
  for (const [prefix, page] of PREFIX_PAGES) {
    const size = prefix === 0xfd ? 0x200 : 0x100;
    if (op >= page && op < page + size) return [prefix, ...uleb(op - page)];
  }
  return [op];
}

describe("readInstruction", () => {
  it("reads every row of the table with every form of its immediates, and skips as far as it reads", () => {
    for (const [number, row] of Object.entries(INSTRUCTIONS)) {
      const forms = Math.max(1, ...row.immediates.map((kind) => IMMEDIATES[kind].length));
      for (let form = 0; form < forms; form++) {
        const chosen = row.immediates.map((kind) => IMMEDIATES[kind][form % IMMEDIATES[kind].length]!);
        const bytes = Uint8Array.from([...opcode(Number(number)), ...chosen.flatMap(([bytes]) => bytes)]);
        const reader = new Reader(bytes);
        const decoded = readInstruction(reader);
        expect(decoded.op, row.mnemonic).to.equal(Number(number));
        expect(decoded.instruction).to.equal(row);
        expect(decoded.immediates).to.deep.equal(chosen.map(([, value]) => value));
        expect(reader.position, row.mnemonic).to.equal(bytes.length);
        const skipper = new Reader(bytes);
        expect(skipInstruction(skipper)).to.equal(Number(number));
        expect(skipper.position, row.mnemonic).to.equal(bytes.length);
      }
    }
  });

  it("rejects every number that the table does not have", () => {
    for (let byte = 0; byte < 0x100; byte++) {
      if (INSTRUCTION_BY_NUMBER[byte] !== undefined || PREFIX_PAGES.has(byte)) continue;
      const hex = byte.toString(16).padStart(2, "0");
      expect(() => readInstruction(new Reader(Uint8Array.of(byte)))).to.throw(CompileError, `illegal opcode ${hex}`);
    }
    for (const [prefix, page] of PREFIX_PAGES) {
      const size = prefix === 0xfd ? 0x200 : 0x100;
      for (const second of [...Array(size).keys(), size, size + 1, 0x300, 0xffff_ffff]) {
        if (second < size && INSTRUCTION_BY_NUMBER[page + second] !== undefined) continue;
        const bytes = Uint8Array.from([prefix, ...uleb(second)]);
        expect(() => readInstruction(new Reader(bytes))).to.throw(CompileError, "illegal opcode");
      }
    }
  });

  it("rejects malformed immediates", () => {
    const cases: readonly [Op, readonly number[], string][] = [
      [Op.I32Load, [0x80, 1, 0], "malformed memop flags"],
      [Op.BrOnCast, [4, 0, 0, 0], "malformed cast flags"],
      [Op.TryTable, [0x40, 1, 4, 0], "malformed catch kind"],
      [Op.AtomicFence, [1], "malformed atomic fence"],
      [Op.RefNull, [0x40], "malformed heap type"],
      [Op.Block, [0x41], "malformed block type"],
      [Op.SelectTyped, [1, 0x40], "malformed value type"],
      [Op.RefNull, [0xff, 0xff, 0xff, 0xff, 0x0f], "unknown type 4294967295"],
    ];
    for (const [op, immediates, message] of cases) {
      const bytes = Uint8Array.from([...opcode(op), ...immediates]);
      expect(() => readInstruction(new Reader(bytes)), message).to.throw(CompileError, message);
    }
  });
});
