/**
 * Every numeric instruction through the engine, in each shape that lowering treats in its own way,
 * compared bit by bit with `evaluate`.
 */

import { expect } from "chai";
import { compileSync } from "../compiled-module.ts";
import { INSTRUCTIONS, type Op } from "../opcodes.ts";
import { Store } from "../runtime/store.ts";
import type { Instance } from "../runtime/instance.ts";
import { constantText, randomWords, runToEnd, wat } from "../testing.ts";
import { Trap } from "../errors.ts";
import { Num, valTypeText, type ValType } from "../types.ts";
import { evaluate } from "./evaluate.ts";
import type { TurnOptions } from "./outcome.ts";

/** Every instruction from i32.eqz to i64.extend32_s, and the saturating conversions. */
const ROWS = Object.entries(INSTRUCTIONS)
  .map(([number, row]) => ({ op: Number(number) as Op, mnemonic: row.mnemonic, type: row.type! }))
  .filter(({ op }) => (op >= 0x45 && op <= 0xc4) || (op >= 0x100 && op <= 0x107));

type Row = (typeof ROWS)[number];

const EDGES = new Map<ValType, readonly bigint[]>([
  [Num.I32, [0n, 1n, 5n, 31n, 32n, 0x80n, 0x8000n, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn]],
  [
    Num.I64,
    [
      0n,
      1n,
      33n,
      63n,
      0x8000_0000n,
      0xffff_ffffn,
      0x1_0000_0000n,
      0x7fff_ff40_0000_0001n,
      0x7fff_ffff_ffff_ffffn,
      0x8000_0000_0000_0000n,
      0xffff_ffff_0000_0000n,
      0xffff_ffff_ffff_ffffn,
    ],
  ],
  [
    Num.F32,
    [
      0n, // 0
      0x8000_0000n, // -0
      0x3f80_0000n, // 1
      0xbfc0_0000n, // -1.5
      0x0000_0001n, // the smallest
      0x4f00_0000n, // 2^31
      0xdf00_0000n, // -2^63
      0x7f7f_ffffn, // the largest
      0xff80_0000n, // -infinity
      0x7fc0_0000n, // NaN
      0xffa0_0001n, // a signalling NaN
    ],
  ],
  [
    Num.F64,
    [
      0n,
      0x8000_0000_0000_0000n,
      0x3ff0_0000_0000_0000n,
      0xbff8_0000_0000_0000n,
      1n,
      0x41df_ffff_ffff_ffffn, // just below 2^31
      0xc3e0_0000_0000_0000n, // -2^63
      0x7fef_ffff_ffff_ffffn,
      0xfff0_0000_0000_0000n,
      0x7ff8_0000_0000_0000n,
      0xfff4_0000_0000_0001n,
    ],
  ],
]);

const RANDOM_VALUES = 6;

/** Edges, and words of all lengths. */
function valuesOf(type: ValType, seed: number): bigint[] {
  const next = randomWords(seed);
  const values = [...EDGES.get(type)!];
  const is64 = type === Num.I64 || type === Num.F64;
  for (let i = 0; i < RANDOM_VALUES; i++) {
    const bits = (BigInt(next()) << 32n) | BigInt(next());
    const isFloat = type === Num.F32 || type === Num.F64;
    const kept = isFloat ? bits : bits >> BigInt(next() % (is64 ? 64 : 32));
    values.push(BigInt.asUintN(is64 ? 64 : 32, kept));
  }
  return values;
}

/** What a shape makes of an instruction's result. */
type Reading = "result" | "is zero" | "is not zero";

interface Shape {
  readonly name: string;
  /** The body of a function whose parameters are the operands; `r` is a local of the result's type. */
  readonly body: (op: string, operands: readonly string[], types: { params: string[]; result: string }) => string;
  readonly reads: Reading;
  readonly onlyConditions?: boolean;
}

const memoryOf = (type: string): string => `i32.const 64`.concat("\n", "local.get $r\n", `${type}.store`);

const SHAPES: readonly Shape[] = [
  { name: "parameters", reads: "result", body: (op, operands) => `${operands.join("\n")}\n${op}` },
  {
    name: "block results",
    reads: "result",
    body: (op, operands, { params }) =>
      `${operands.map((operand, i) => `block (result ${params[i]})\n${operand}\nbr 0\nend`).join("\n")}\n${op}`,
  },
  {
    name: "results of calls",
    reads: "result",
    body: (op, operands, { params }) =>
      `${operands.map((operand, i) => `${operand}\ncall $same-${params[i]}`).join("\n")}\n${op}`,
  },
  {
    name: "stored by local.set",
    reads: "result",
    body: (op, operands) => `${operands.join("\n")}\n${op}\nlocal.set $r\nlocal.get $r`,
  },
  {
    name: "stored over an operand",
    reads: "result",
    body: (op, operands, { params, result }) => {
      const same = params.indexOf(result);
      return `${operands.join("\n")}\n${op}\nlocal.set ${same < 0 ? "$r" : same}\nlocal.get ${same < 0 ? "$r" : same}`;
    },
  },
  {
    name: "stored by local.tee and dropped",
    reads: "result",
    body: (op, operands) => `${operands.join("\n")}\n${op}\nlocal.tee $r\ndrop\nlocal.get $r`,
  },
  {
    name: "dropped and computed again",
    reads: "result",
    body: (op, operands) => `${operands.join("\n")}\n${op}\ndrop\n${operands.join("\n")}\n${op}`,
  },
  {
    name: "operands that are overwritten before they are used",
    reads: "result",
    body: (op, operands, { params }) =>
      `${operands.join("\n")}\n${params.map((param, i) => `${param}.const 3\nlocal.set ${i}`).join("\n")}\n${op}`,
  },
  {
    name: "a global",
    reads: "result",
    body: (op, operands, { result }) =>
      `${operands.join("\n")}\n${op}\nglobal.set $g-${result}\nglobal.get $g-${result}`,
  },
  {
    name: "memory",
    reads: "result",
    body: (op, operands, { result }) =>
      `${operands.join("\n")}\n${op}\nlocal.set $r\n${memoryOf(result)}\ni32.const 60\n${result}.load offset=4`,
  },
  {
    name: "a block's result",
    reads: "result",
    body: (op, operands, { result }) =>
      `block (result ${result})\n${result}.const 7\n${operands.join("\n")}\n${op}\nbr 0\nend`,
  },
  {
    name: "selected",
    reads: "result",
    body: (op, operands, { result }) => `${operands.join("\n")}\n${op}\n${result}.const 7\ni32.const 1\nselect`,
  },
  {
    name: "i32.eqz",
    reads: "is zero",
    onlyConditions: true,
    body: (op, operands) => `${operands.join("\n")}\n${op}\ni32.eqz`,
  },
  {
    name: "i32.eqz twice",
    reads: "is not zero",
    onlyConditions: true,
    body: (op, operands) => `${operands.join("\n")}\n${op}\ni32.eqz\ni32.eqz`,
  },
  {
    name: "the condition of if",
    reads: "is not zero",
    onlyConditions: true,
    body: (op, operands) => `${operands.join("\n")}\n${op}\nif (result i32)\ni32.const 1\nelse\ni32.const 0\nend`,
  },
  {
    name: "the condition of if after i32.eqz",
    reads: "is zero",
    onlyConditions: true,
    body: (op, operands) =>
      `${operands.join("\n")}\n${op}\ni32.eqz\nif (result i32)\ni32.const 1\nelse\ni32.const 0\nend`,
  },
  {
    name: "the condition of br_if",
    reads: "is not zero",
    onlyConditions: true,
    body: (op, operands) => `block\n${operands.join("\n")}\n${op}\nbr_if 0\ni32.const 0\nreturn\nend\ni32.const 1`,
  },
  {
    name: "the condition of br_if after i32.eqz",
    reads: "is zero",
    onlyConditions: true,
    body: (op, operands) =>
      `block\n${operands.join("\n")}\n${op}\ni32.eqz\nbr_if 0\ni32.const 0\nreturn\nend\ni32.const 1`,
  },
  {
    name: "the condition of br_if with a value that has to be moved",
    reads: "is not zero",
    onlyConditions: true,
    body: (op, operands) =>
      `block (result i32)\ni32.const 9\ni32.const 1\n${operands.join("\n")}\n${op}\nbr_if 0\ndrop\ndrop\ni32.const 0\nend`,
  },
  {
    name: "the condition of a returning br_if",
    reads: "is not zero",
    onlyConditions: true,
    body: (op, operands) => `i32.const 1\n${operands.join("\n")}\n${op}\nbr_if 0\ndrop\ni32.const 0`,
  },
  {
    name: "the condition of select",
    reads: "is not zero",
    onlyConditions: true,
    body: (op, operands) => `i32.const 1\ni32.const 0\n${operands.join("\n")}\n${op}\nselect`,
  },
];

const PRELUDE = ["i32", "i64", "f32", "f64"]
  .map(
    (type) => `(func $same-${type} (param ${type}) (result ${type}) (local.get 0))
      (global $g-${type} (mut ${type}) (${type}.const 0))`,
  )
  .join("\n");

function func(name: string, body: string, params: readonly string[], result: string, resultType: string): string {
  return `(func (export "${name}") (param ${params.join(" ")}) (result ${resultType}) (local $r ${result})\n${body})`;
}

/** The shapes by name; "left 3" and "right 3" have the third value as a constant, "both" two edges. */
function instanceFor({ mnemonic, type }: Row, values: readonly bigint[][]): Instance {
  const params = type.params.map(valTypeText);
  const result = valTypeText(type.results[0]!);
  const operands = params.map((_, i) => `local.get ${i}`);
  const funcs = SHAPES.filter(({ onlyConditions }) => !onlyConditions || result === "i32").map(
    ({ name, body, reads }) =>
      func(name, body(mnemonic, operands, { params, result }), params, result, reads === "result" ? result : "i32"),
  );
  values.forEach((constants, side) => {
    constants.forEach((bits, i) => {
      const given = operands.map((operand, at) => (at === side ? constantText(type.params[at]!, bits) : operand));
      funcs.push(func(`${side} ${i}`, `${given.join("\n")}\n${mnemonic}`, params, result, result));
    });
  });
  const store = new Store();
  return store.instantiateSync(compileSync(wat`(module (memory 1) ${PRELUDE} ${funcs.join("\n")})`));
}

function expected(op: Op, operands: readonly bigint[], reads: Reading): bigint | string {
  try {
    const bits = evaluate(op, operands);
    if (reads === "result") return bits;
    return (bits === 0n) === (reads === "is zero") ? 1n : 0n;
  } catch (error) {
    if (error instanceof Trap) return error.reason;
    throw error;
  }
}

function actual(instance: Instance, name: string, operands: readonly bigint[], turn: TurnOptions): bigint | string {
  const end = runToEnd(instance.invoke(name, operands, { bits: true }), turn);
  return end.trap ?? (end.values![0] as bigint);
}

/** Collects the failures of one instruction, so that a test shows which shapes are wrong. */
function check(row: Row, instance: Instance, cases: readonly (readonly bigint[])[], turn: TurnOptions): string[] {
  const failures: string[] = [];
  const compare = (name: string, operands: readonly bigint[], wanted: bigint | string): void => {
    const got = actual(instance, name, operands, turn);
    if (got !== wanted) failures.push(`${name} of ${operands.map((bits) => bits.toString(16))}: ${got}, not ${wanted}`);
  };
  for (const operands of cases) {
    for (const { name, reads } of SHAPES) {
      if (instance.exports.has(name)) compare(name, operands, expected(row.op, operands, reads));
    }
  }
  return failures;
}

/** The value on one side a constant, against some values on the other. */
function checkConstants(row: Row, instance: Instance, values: readonly bigint[][], turn: TurnOptions): string[] {
  const failures: string[] = [];
  values.forEach((constants, side) => {
    constants.forEach((constant, i) => {
      for (const other of values[1 - side] ?? [0n]) {
        const operands = row.type.params.map((_, at) => (at === side ? constant : other));
        const wanted = expected(row.op, operands, "result");
        const got = actual(instance, `${side} ${i}`, operands, turn);
        if (got !== wanted) failures.push(`${side} constant, ${operands.map((bits) => bits.toString(16))}: ${got}`);
      }
    });
  });
  return failures;
}

function pairs(values: readonly bigint[][]): (readonly bigint[])[] {
  const [left = [], right] = values;
  if (right === undefined) return left.map((bits) => [bits]);
  return left.flatMap((a, i) => right.filter((_, j) => (i + j) % 3 === 0).map((b) => [a, b]));
}

describe("numeric instructions in the engine", () => {
  for (const row of ROWS) {
    it(`${row.mnemonic} gives the bits of its reference in every shape`, () => {
      const values = row.type.params.map((type, side) => valuesOf(type, row.op * 2 + side));
      const instance = instanceFor(row, values);
      const some = values.map((list) => list.filter((_, i) => i % 3 === 0));
      expect(check(row, instance, pairs(values), {}), "fused").to.deep.equal([]);
      expect(checkConstants(row, instance, values, {}), "fused").to.deep.equal([]);
      expect(check(row, instance, pairs(some), { exact: true }), "exact").to.deep.equal([]);
      expect(check(row, instance, pairs(some), { exact: true, fuel: 1 }), "exact, one at a time").to.deep.equal([]);
    });
  }
});
