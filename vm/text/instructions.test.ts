import { expect } from "chai";
import { Reader } from "../binary/reader.ts";
import { readInstruction } from "../binary/instructions.ts";
import { Writer } from "../binary/writer.ts";
import type { Immediate } from "../instruction.ts";
import type { Module } from "../module.ts";
import { INSTRUCTION_BY_NUMBER, INSTRUCTIONS, Op } from "../opcodes.ts";
import { writeOpcode } from "./immediates.ts";
import { parseModule } from "./parser.ts";
import { PROPOSALS } from "../proposals.ts";
import { printModule } from "./print.ts";

/** Two of everything an immediate can name. */
const SCAFFOLD = `
  (type $f (func (param i32) (result i32))) (type $s (struct (field $x i32) (field (mut i64)))) (type $a (array i8))
  (import "" "" (func $f0)) (import "" "" (func $f1))
  (import "" "" (table $t0 1 funcref)) (import "" "" (table 1 funcref))
  (import "" "" (memory $m0 1)) (import "" "" (memory 1))
  (import "" "" (tag $e0)) (import "" "" (tag))
  (import "" "" (global $g0 i32)) (import "" "" (global i32))
  (elem $e func) (elem func) (data $d "") (data "")
  (func $body (param $p i32) (local $l i64))`;

/** Samples of each immediate, as bytes. */
function samples(kind: Immediate): number[][] {
  switch (kind) {
    case "blocktype":
      return [[0x40], [0x7f], [0x63, 0x01], [0x6d], [0x00]];
    case "castop":
      return [
        [0, 0, 0x6e, 0x6d],
        [3, 1, 0x6e, 0x01],
      ];
    case "catches":
      return [[0], [4, 0, 1, 0, 1, 0, 1, 2, 0, 3, 1]];
    case "f32":
      return [
        [0, 0, 0x80, 0x7f],
        [1, 0, 0xa0, 0xff],
        [0xcd, 0xcc, 0xcc, 0x3d],
      ];
    case "f64":
      return [
        [0, 0, 0, 0, 0, 0, 0, 0x80],
        [1, 0, 0, 0, 0, 0, 0xf4, 0x7f],
        [1, 2, 3, 4, 5, 6, 7, 8],
      ];
    case "heaptype":
      return [[0x70], [0x01], [0x71]];
    case "i32":
    case "i64":
      return [[0x00], [0x7f], [0x80, 0x80, 0x80, 0x80, 0x78]];
    case "labels":
      return [
        [0, 0],
        [2, 0, 1, 0],
      ];
    case "lanes16":
    case "v128":
      return [Array.from({ length: 16 }, (_, i) => i * 2)];
    case "memarg":
      return [
        [0, 0],
        [0x40, 1, 0x80, 0x01],
        [2, 5],
      ];
    case "order":
      return [[0]];
    case "valtypes":
      return [[0], [1, 0x7f], [2, 0x64, 0x01, 0x70]];
    default:
      return [[0], [1]];
  }
}

/** Every combination of the samples of an instruction's immediates. */
function combinations(immediates: readonly Immediate[]): number[][] {
  let all: number[][] = [[]];
  for (const immediate of immediates) {
    all = all.flatMap((head) => samples(immediate).map((tail) => [...head, ...tail]));
  }
  return all;
}

function isBlock(op: Op): boolean {
  return op === Op.Block || op === Op.Loop || op === Op.If || op === Op.Try || op === Op.TryTable;
}

/** A function of the scaffold with that body: two blocks around it, so that labels 0 and 1 are there. */
function moduleWith(op: Op, immediates: readonly number[]): Module {
  const scaffold = parseModule(SCAFFOLD);
  const out = new Writer();
  out.bytes(scaffold.bytes);
  const start = out.length;
  out.bytes(Uint8Array.of(1, 1, 0x7e, Op.Block, 0x40, Op.Block, 0x40));
  if (op === Op.Else) out.bytes(Uint8Array.of(Op.If, 0x40));
  const isClause = op === Op.Catch || op === Op.CatchAll;
  if (isClause || op === Op.Delegate) out.bytes(Uint8Array.of(Op.Try, 0x40));
  if (op !== Op.End) writeOpcode(out, op);
  out.bytes(Uint8Array.from(immediates));
  if (isBlock(op) || op === Op.Else || isClause) out.u8(Op.End);
  out.bytes(Uint8Array.of(Op.End, Op.End, Op.End));
  return {
    ...scaffold,
    bytes: out.toBytes(),
    bodyStarts: Uint32Array.of(start),
    bodyEnds: Uint32Array.of(out.length),
  };
}

function body(module: Module): number[] {
  return [...module.bytes.subarray(module.bodyStarts[0], module.bodyEnds[0])];
}

describe("instructions in text", () => {
  for (const [number, instruction] of INSTRUCTION_BY_NUMBER.entries()) {
    if (instruction === undefined) continue;
    it(`${instruction.mnemonic} (0x${number.toString(16)}) is printed as it is parsed`, () => {
      for (const immediates of combinations(instruction.immediates)) {
        const module = moduleWith(number, immediates);
        const text = printModule(module);
        expect(body(parseModule(text, { proposals: new Set(PROPOSALS) })), text).to.deep.equal(body(module));
      }
    });
  }

  it("fold around their operands", () => {
    const folded = "(func (result i32) (i32.add (i32.const 1) (i32.mul (i32.const 2) (i32.const 3))))";
    const plain = "(func (result i32) i32.const 1 i32.const 2 i32.const 3 i32.mul i32.add)";
    expect(body(parseModule(folded))).to.deep.equal(body(parseModule(plain)));
  });

  it("of a folded if stand behind its condition, where its label is not known", () => {
    const folded = "(func (block $l (if $l (br_if $l (i32.const 1)) (then (br $l)) (else (nop)))))";
    const plain = "(func block i32.const 1 br_if 0 if br 0 else nop end end)";
    expect(body(parseModule(folded))).to.deep.equal(body(parseModule(plain)));
  });

  it("see the innermost of several labels with one name, and the outer one behind it", () => {
    const named = "(func block $l block $l br $l end $l br $l end $l block $l br $l end)";
    const plain = "(func block block br 0 end br 0 end block br 0 end)";
    expect(body(parseModule(named))).to.deep.equal(body(parseModule(plain)));
    expect(() => parseModule("(func block $l end br $l)")).to.throw("unknown label");
  });

  it("name labels of catch clauses outside their block", () => {
    const named = "(tag $t) (func (block $l (try_table $l (catch $t $l) (catch_all_ref $l) (br $l))))";
    const reader = new Reader(parseModule(named).bytes, 3);
    const { immediates } = readInstruction(reader);
    expect(immediates[1]).to.deep.equal({
      kind: "catches",
      clauses: [
        { kind: "catch", tagIndex: 0, label: 0 },
        { kind: "catch_all_ref", tagIndex: null, label: 0 },
      ],
    });
  });

  it("take a single number before a lane for the lane", () => {
    const lane = (text: string): number[] => body(parseModule(`(memory 0) (memory $m 0) (func ${text})`)).slice(1, -1);
    expect(lane("v128.load8_lane 1 drop")).to.deep.equal([0xfd, 0x54, 0, 0, 1, 0x1a]);
    expect(lane("v128.load8_lane 1 2 drop")).to.deep.equal([0xfd, 0x54, 0x40, 1, 0, 2, 0x1a]);
    expect(lane("v128.load8_lane $m offset=3 2 drop")).to.deep.equal([0xfd, 0x54, 0x40, 1, 3, 2, 0x1a]);
    expect(lane("v128.load8_lane 1 align=1 2 drop")).to.deep.equal([0xfd, 0x54, 0x40, 1, 0, 2, 0x1a]);
    expect(lane("v128.load8_lane offset=3 2 drop")).to.deep.equal([0xfd, 0x54, 0, 3, 2, 0x1a]);
  });

  it("nest a hundred thousand times without recursion", () => {
    const depth = 100_000;
    const texts = [
      `(func ${"(block ".repeat(depth)}${")".repeat(depth)})`,
      `(func ${"(block $l ".repeat(depth)}(br $l)${")".repeat(depth)})`,
      `(func ${"block ".repeat(depth)}${"end ".repeat(depth)})`,
      `(func (drop ${"(i32.eqz ".repeat(depth)}(i32.const 0)${")".repeat(depth)}))`,
      `(func ${"(if ".repeat(depth)}(i32.const 0)${"(then))".repeat(depth)})`,
      `(func ${"(if (i32.const 0) (then ".repeat(depth)}${"))".repeat(depth)})`,
    ];
    for (const text of texts) {
      const module = parseModule(text);
      expect(body(parseModule(printModule(module)))).to.deep.equal(body(module));
    }
  });

  it("nested too deep are refused", () => {
    expect(() => parseModule(`(func ${"(block ".repeat(1_000_001)}${")".repeat(1_000_001)})`)).to.throw(
      "limit exceeded",
    );
  });

  it("have mnemonics that differ, but for the pairs the text tells apart", () => {
    const mnemonics = Object.values(INSTRUCTIONS).map(({ mnemonic }) => mnemonic);
    const twice = mnemonics.filter((mnemonic, i) => mnemonics.indexOf(mnemonic) !== i);
    expect(twice.toSorted()).to.deep.equal(["ref.cast", "ref.test", "select"]);
  });
});
