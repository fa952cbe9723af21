/** Walks the tables of fused operations: each pair is emitted as one operation, and that computes what the pair does. */

import { expect } from "chai";
import { compileSync, type CompiledModule } from "../compiled-module.ts";
import { INSTRUCTION_BY_NUMBER, INSTRUCTIONS, Op } from "../opcodes.ts";
import { Memory } from "../runtime/memory.ts";
import { Store } from "../runtime/store.ts";
import { constantText, randomWords, runToEnd, wat } from "../testing.ts";
import { Num, valTypeText, type ValType } from "../types.ts";
import { Reg, ModuleCode } from "./code.ts";
import { ADDRESS, AT, CONSTANT, COUNTED, LEFT, RIGHT, STORE_CONSTANT } from "./fuse.ts";
import { Lowering } from "./lower.ts";
import type { PositionSink } from "./source.ts";
import { BINARY, BINARY_CONSTANT, BRANCH_ON, IS_REVERSED, MEMORY_ACCESS } from "./tables.ts";

/** The operations of a function, in the order of its code. */
function operations(module: CompiledModule, funcIndex: number, isExact: boolean): Reg[] {
  const starts = new Set<number>();
  const sink: PositionSink = {
    add: (codePosition) => void starts.add(codePosition),
    rewind: (codePosition) => {
      for (const start of starts) if (start >= codePosition) starts.delete(start);
    },
    safePoint: () => undefined,
  };
  const code = new ModuleCode(0);
  const lowering = new Lowering(module, code, funcIndex, isExact, sink);
  while (!lowering.step(1));
  return [...starts].sort((a, b) => a - b).map((start) => code.words[start + 1] as Reg);
}

/** One way to write an operation: its instruction, and how many of its operands are constants. */
interface Written {
  readonly mnemonic: string;
  readonly hasConstant: boolean;
  readonly type: ValType;
}

/** The instruction that becomes a register operation. */
function written(reg: Reg): Written {
  for (const [number, { mnemonic, type }] of Object.entries(INSTRUCTIONS)) {
    const op = Number(number) as Op;
    const hasConstant = BINARY_CONSTANT[op] === reg;
    if (hasConstant || (BINARY[op] === reg && IS_REVERSED[op] === 0)) {
      return { mnemonic, hasConstant, type: type!.params[0]! };
    }
  }
  throw new Error(`no instruction becomes operation ${reg}`);
}

function memoryOp(reg: Reg): { mnemonic: string; type: ValType; isLoad: boolean } {
  const op = MEMORY_ACCESS.indexOf(reg);
  const { mnemonic, type } = INSTRUCTION_BY_NUMBER[op]!;
  const isLoad = type!.results.length === 1;
  return { mnemonic, isLoad, type: isLoad ? type!.results[0]! : type!.params[1]! };
}

const PARAMS = 4;

/** A function of some parameters of one type; the memory holds numbers; what it leaves is exported. */
function compiled(type: ValType, result: ValType | null, body: string): CompiledModule {
  const name = valTypeText(type);
  return compileSync(wat`(module (memory (export "memory") 1) (data (i32.const 0) "${DATA}")
    (func (export "f") (param ${Array(PARAMS).fill(name).join(" ")}) ${result === null ? "" : `(result ${valTypeText(result)})`}
      ${body}))`);
}

const DATA = Array.from({ length: 256 }, (_, i) => `\\${((i * 37 + 11) & 0xff).toString(16).padStart(2, "0")}`).join(
  "",
);

const SPECIAL: ReadonlyMap<ValType, readonly bigint[]> = new Map([
  [Num.I32, [0n, 1n, 7n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn]],
  [Num.I64, [0n, 1n, 0xffff_ffffn, 0x7fff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n, 0xffff_ffff_ffff_ffffn]],
  [Num.F32, [0n, 0x8000_0000n, 0x3fc0_0000n, 0x7f7f_ffffn, 0xff80_0000n, 0x7fa0_0001n]],
  [
    Num.F64,
    [0n, 1n << 63n, 0x3ff8_0000_0000_0000n, 0x7fef_ffff_ffff_ffffn, 0xfff0_0000_0000_0000n, 0x7ff4_0000_0000_0001n],
  ],
]);

function argumentLists(type: ValType, seed: number): bigint[][] {
  const next = randomWords(seed);
  const special = SPECIAL.get(type)!;
  const is64 = type === Num.I64 || type === Num.F64;
  const value = (): bigint => {
    if (next() % 2 === 0) return special[next() % special.length]!;
    return is64 ? (BigInt(next()) << 32n) | BigInt(next()) : BigInt(next());
  };
  return Array.from({ length: 60 }, () => Array.from({ length: PARAMS }, value));
}

/** Fused and exact code give the same results, traps, memory and fuel. */
function expectSame(module: CompiledModule, type: ValType, lists = argumentLists(type, 1)): void {
  for (const args of lists) {
    const [fused, exact] = [{}, { exact: true, fuel: 1 }].map((turn) => {
      const instance = new Store().instantiateSync(module);
      const end = runToEnd(instance.invoke("f", args, { bits: true }), turn);
      const memory = instance.export("memory") as Memory;
      return { end: [end.values, end.trap, end.fuelUsed, end.error?.backtrace], bytes: memory.read(0, 1024) };
    });
    expect(fused, `${args.map((bits) => bits.toString(16))}`).to.deep.equal(exact);
  }
}

function expectFused(module: CompiledModule, reg: Reg): void {
  expect(operations(module, 0, false), "the fused code").to.include(reg);
  expect(operations(module, 0, true), "the exact code").to.not.include(reg);
}

const CONSTANT_BITS = 5n;

function firstText({ mnemonic, hasConstant, type }: Written, from: number): string {
  const right = hasConstant ? constantText(type, CONSTANT_BITS) : `local.get ${from + 1}`;
  return `local.get ${from}\n${right}\n${mnemonic}`;
}

describe("fused operations", () => {
  for (const [name, table] of [
    ["right", RIGHT],
    ["left", LEFT],
  ] as const) {
    for (const [second, firsts] of table) {
      for (const [first, fused] of firsts) {
        const outer = written(second);
        const inner = written(first);
        it(`${outer.mnemonic} whose ${name} operand is ${inner.mnemonic}`, () => {
          const other = "local.get 0";
          const code = firstText(inner, 1);
          const body = `${name === "right" ? `${other}\n${code}` : `${code}\n${other}`}\n${outer.mnemonic}`;
          const module = compiled(outer.type, outer.type, body);
          expectFused(module, fused);
          expectSame(module, outer.type);
        });
      }
    }
  }

  for (const [second, firsts] of CONSTANT) {
    for (const [first, fused] of firsts) {
      const outer = written(second);
      const inner = written(first);
      it(`${outer.mnemonic} of a constant and ${inner.mnemonic}, on either side`, () => {
        const constant = constantText(outer.type, 0x1_0003n);
        const right = compiled(outer.type, outer.type, `${firstText(inner, 0)}\n${constant}\n${outer.mnemonic}`);
        expectFused(right, fused);
        expectSame(right, outer.type);
        const left = compiled(outer.type, outer.type, `${constant}\n${firstText(inner, 0)}\n${outer.mnemonic}`);
        expectFused(left, fused);
        expectSame(left, outer.type);
      });
    }
  }

  /** Addresses near the ends of the memory and of 32 bits. */
  const ADDRESSES = [
    0n,
    1n,
    8n,
    0xfffcn,
    0xfffdn,
    0xffffn,
    0x1_0000n,
    0x7fff_ffffn,
    0x8000_0000n,
    0xffff_fff0n,
    0xffff_ffffn,
  ];
  const addressLists = ADDRESSES.flatMap((a) => [0n, 4n, 0xffff_fffcn, 0x2000_0000n].map((b) => [a, b, 9n, 3n]));

  for (const [access, firsts] of ADDRESS) {
    const { mnemonic, type, isLoad } = memoryOp(access);
    for (const [first, fused] of firsts) {
      const isShifted = first === Reg.I32AddShl;
      const inner = isShifted ? "an address and a shifted index" : written(first).mnemonic;
      it(`${mnemonic} at ${inner}`, () => {
        for (const offset of [0, 3, 0xfffffff0]) {
          const address = isShifted
            ? "local.get 0\nlocal.get 1\ni32.const 2\ni32.shl\ni32.add"
            : firstText(written(first), 0);
          const value = isLoad ? "" : `local.get ${PARAMS}`;
          const body = `${isLoad ? "" : `(local ${valTypeText(type)}) ${constantText(type, 0x3ff8_1234_5678_9abcn)}\nlocal.set ${PARAMS}`}
            ${address}\n${value}\n${mnemonic} offset=${offset}`;
          const module = compiled(Num.I32, isLoad ? type : null, body);
          expectFused(module, fused);
          expectSame(module, Num.I32, addressLists);
        }
      });
    }
  }

  for (const [access, fused] of AT) {
    const { mnemonic, type, isLoad } = memoryOp(access);
    it(`${mnemonic} at a constant address`, () => {
      for (const [address, offset] of [
        [0, 0],
        [65_528, 0],
        [65_520, 9],
        [65_536, 0],
        [0x7fff_fff0, 15],
      ] as const) {
        const body = `i32.const ${address}\n${isLoad ? "" : "local.get 0"}\n${mnemonic} offset=${offset}`;
        const module = compiled(isLoad ? Num.I32 : type, isLoad ? type : null, body);
        expectFused(module, fused);
        expectSame(module, isLoad ? Num.I32 : type, argumentLists(isLoad ? Num.I32 : type, 2).slice(0, 8));
      }
    });
  }

  it("a constant address that an offset carries beyond 2^31 is not folded", () => {
    for (const [address, offset] of [
      [0x7fff_ffff, 1],
      [-1, 0],
      [-1, 0xffff_ffff],
      [8, 0x8000_0000],
    ] as const) {
      const module = compiled(Num.I32, Num.I32, `i32.const ${address}\ni32.load offset=${offset}`);
      expect(operations(module, 0, false)).to.not.include(Reg.I32LoadAt);
      expectSame(module, Num.I32, [[0n, 0n, 0n, 0n]]);
    }
  });

  for (const [access, fused] of STORE_CONSTANT) {
    const { mnemonic } = memoryOp(access);
    it(`${mnemonic} of a constant`, () => {
      const module = compiled(Num.I32, null, `local.get 0\ni32.const 0x12345687\n${mnemonic} offset=2`);
      expectFused(module, fused);
      expectSame(module, Num.I32, addressLists);
    });
  }

  for (const [branch, fused] of COUNTED) {
    const comparison = BRANCH_ON.indexOf(branch);
    const name = branch === Reg.BrIf ? "nothing" : written(comparison as Reg).mnemonic;
    for (const step of [1, -1, 3]) {
      it(`a loop that adds ${step} and branches on ${name}`, () => {
        const isPlain = branch === Reg.BrIf;
        const compared = isPlain ? "" : written(comparison as Reg).hasConstant ? "i32.const 6" : "local.get 1";
        const condition = isPlain ? "" : `${compared}\n${name}`;
        const module = compiled(
          Num.I32,
          Num.I32,
          // The rounds are limited: not every comparison ends the loop.
          `(local i32) block loop
             local.get 4 i32.const 1 i32.add local.set 4
             local.get 4 i32.const 20 i32.gt_s br_if 1
             local.get 0\ni32.const ${step}\ni32.add\nlocal.tee 0\n${condition}\nbr_if 0
           end end
           local.get 0 i32.const 100 i32.mul local.get 4 i32.add`,
        );
        expectFused(module, fused);
        expectSame(module, Num.I32);
        const near = [0n, 3n, 5n, 0xffff_fffen].flatMap((a) => [4n, 6n, 0xffff_ffffn].map((b) => [a, b, 0n, 0n]));
        expectSame(module, Num.I32, near);
      });
    }
  }

  it("a counter that is compared with itself", () => {
    const module = compiled(
      Num.I32,
      Num.I32,
      `block loop local.get 0 i32.const 1 i32.add local.tee 0 local.get 0 i32.lt_s br_if 0 end end local.get 0`,
    );
    expectSame(module, Num.I32);
  });

  it("two moves of words, in their order", () => {
    const module = compiled(
      Num.I32,
      Num.I32,
      "local.get 0 local.set 1 local.get 1 local.set 2 local.get 3 local.set 0 local.get 2 local.get 0 i32.sub",
    );
    expectFused(module, Reg.Move32Pair);
    expectSame(module, Num.I32);
  });

  it("a sum of constants on both sides of a sum is one operation, in the slot of its first operand", () => {
    const module = compiled(
      Num.I32,
      Num.I32,
      "i32.const 100 local.get 0 i32.const 8 i32.add i32.add i32.const 3 local.get 1 i32.const -9 i32.add i32.add i32.sub",
    );
    expectSame(module, Num.I32);
  });

  it("an operation is not fused away when its result is used again", () => {
    const module = compiled(
      Num.I32,
      Num.I32,
      "local.get 0 local.get 1 i32.const 3 i32.shl local.tee 2 i32.add local.get 2 i32.xor",
    );
    expect(operations(module, 0, false)).to.not.include(Reg.I32AddShl);
    expectSame(module, Num.I32);
  });
});
