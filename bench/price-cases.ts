/**
 * For every instruction of the table, modules whose loop executes it, with ordinary operands and with the worst ones:
 * what `bench:prices` measures. An instruction without a case must say why.
 */

import { Engine } from "../vm/index.ts";
import { INSTRUCTIONS, type Op } from "../vm/opcodes.ts";
import { type FuncType, Num, type ValType } from "../vm/types.ts";
import { REFERENCE_CASES, type Local, type Repetition } from "./reference-price-cases.ts";

export interface PriceCase {
  readonly mnemonic: string;
  /** What distinguishes the case: its operands. */
  readonly operands: string;
  /** The module's text: exports `run(n)`, a loop of `n` rounds. */
  readonly text: string;
  /** How often one round executes the instruction. */
  readonly repetitions: number;
  /** Fuel of one repetition that belongs to other instructions. */
  readonly otherFuel: number;
  /** Needs a new instance for each run, and this many rounds. */
  readonly roundsOfFreshInstance: number | null;
}

const REPETITIONS = 24;
/** `i32.const 1; local.get; i32.sub; local.tee; br_if` of each round. */
export const LOOP_FUEL = 5;

export interface Case {
  readonly op: Op;
  readonly cases: readonly PriceCase[];
  /** Why there is none. */
  readonly reason: string | null;
}

/** Executes the proposals too, whose instructions the table has. */
export const PRICED_ENGINE = new Engine({ proposals: ["wide-arithmetic", "custom-page-sizes", "legacy-exceptions"] });

/** All instructions in the order of their numbers. */
export function allCases(): Case[] {
  return Object.entries(INSTRUCTIONS).map(([number, { mnemonic }]) => {
    const op = Number(number) as Op;
    const reason = reasonForNone(mnemonic);
    const repetitions = reason === null ? repetitionsOf(op) : [];
    if (reason === null && repetitions.length === 0) throw new Error(`bench:prices has no case for ${mnemonic}`);
    return { op, reason, cases: repetitions.map((repetition) => priceCase(mnemonic, repetition)) };
  });
}

function reasonForNone(mnemonic: string): string | null {
  if (["block", "loop", "else", "end", "nop"].includes(mnemonic)) return "is free: it moves nothing";
  if (mnemonic === "unreachable") return "ends the run";
  if (/^(catch|catch_all|delegate)$/.test(mnemonic)) return "is free: throw pays for the search";
  return null;
}

function repetitionsOf(op: Op): readonly Repetition[] {
  const row = INSTRUCTIONS[op];
  const special = SPECIAL[row.mnemonic] ?? REFERENCE_CASES[row.mnemonic];
  if (special !== undefined) return special;
  if (row.type === null) return [];
  const lane = row.immediates.includes("laneidx") ? " 1" : "";
  if (row.mnemonic.includes(".atomic.")) return atomicAccess(row.mnemonic, row.type);
  if (row.width > 0) return memoryAccess(row.mnemonic, row.type, lane);
  if (lane !== "") return plain(row.mnemonic + lane, row.type);
  if (row.immediates.length > 0) return [];
  return plain(row.mnemonic, row.type);
}

/** Local names by type: `$i0 $i1` hold ordinary values, `$j0 $j1` worst ones. */
const PREFIX = new Map<ValType, string>([
  [Num.I32, "i"],
  [Num.I64, "l"],
  [Num.F32, "f"],
  [Num.F64, "d"],
  [Num.V128, "v"],
]);

function local(type: ValType, suffix: string): string {
  return `$${PREFIX.get(type)}${suffix}`;
}

function plain(mnemonic: string, { params, results }: FuncType): Repetition[] {
  const form = (suffixes: readonly string[], operands: string): Repetition => ({
    operands,
    code:
      params.map((type, index) => `(local.get ${local(type, suffixes[index % suffixes.length]!)}) `).join("") +
      `(${mnemonic}) ` +
      results.map((type) => `(local.set ${local(type, "r")})`).join(""),
    others: params.length + results.length,
  });
  const forms = [form(["0", "1", "0"], "small")];
  if (mnemonic.includes("trunc_")) return forms;
  forms.push(form(["2", "3", "2"], "large"));
  if (params[0] === Num.F32 || params[0] === Num.F64 || /^f(32x4|64x2)/.test(mnemonic))
    forms.push(form(["n", "n", "n"], "NaN"));
  return forms;
}

function memoryAccess(mnemonic: string, { params, results }: FuncType, lane: string): Repetition[] {
  const value = params[1] === undefined ? "" : `(local.get ${local(params[1], "2")}) `;
  const result = results[0] === undefined ? "" : ` (local.set ${local(results[0], "r")})`;
  const others = params.length + results.length;
  return [
    { operands: "aligned", code: `(local.get $i0) ${value}(${mnemonic} offset=15${lane})${result}`, others },
    { operands: "unaligned", code: `(local.get $i1) ${value}(${mnemonic} offset=60000${lane})${result}`, others },
    { operands: "memory 1", code: `(local.get $i1) ${value}(${mnemonic} 1${lane})${result}`, others },
    { operands: "64-bit memory", code: `(local.get $l1) ${value}(${mnemonic} 2${lane})${result}`, others },
  ];
}

/** Atomic accesses have to be aligned; the shared memory is the fourth. */
function atomicAccess(mnemonic: string, { params, results }: FuncType): Repetition[] {
  const operands = params.slice(1).map((type) => `(local.get ${local(type, "2")}) `);
  const result = results[0] === undefined ? "" : ` (local.set ${local(results[0], "r")})`;
  const others = params.length + results.length;
  const form = (operand: string, memory: string): Repetition => ({
    operands: operand,
    code: `(local.get $a8) ${operands.join("")}(${mnemonic}${memory} offset=16)${result}`,
    others,
  });
  return [form("not shared", ""), form("shared", " 3")];
}

function values(count: number): string {
  return `${Array.from({ length: count }, () => "(local.get $i1)").join(" ")} `;
}

function many(word: string, count: number, rest: string): string {
  return `(${word}${` ${rest}`.repeat(count)})`;
}

const I32_1000 = many("result", 1000, "i32");
const DROPS_1000 = ` ${"(drop)".repeat(1000)}`;
const CONSTANTS_1000 = "(i32.const 1) ".repeat(1000);
const WIDE = `(func $wide ${I32_1000} ${CONSTANTS_1000})
  (func $wideReturn ${I32_1000} (return ${CONSTANTS_1000}))`;
const CALLEES = `(func $empty) (func $same (param i32) (result i32) (local.get 0))
  (func $huge (local ${"i64 ".repeat(50_000)}))
  (func $tail (return_call $empty)) (func $tailIndirect (return_call_indirect (type $t) (i32.const 0)))
  (func $tailHuge (return_call $huge))
  (type $t (func)) (elem (i32.const 0) $empty $huge)`;
const EMPTY_RETURN = "(func $returns (return))";

/** Instructions whose operands depend on context, and those that move more the larger their operands are. */
const SPECIAL: Readonly<Record<string, readonly Repetition[]>> = {
  if: [
    { operands: "taken", code: "(local.get $i1) (if (then (local.set $ir (local.get $i0))))", others: 3 },
    { operands: "not taken", code: "(local.get $z) (if (then (local.set $ir (local.get $i0))))", others: 1 },
  ],
  br: [
    { operands: "no values", code: "(block (br 0))", others: 0 },
    {
      operands: "1000 values",
      code: `(block ${I32_1000} ${values(1000)} (br 0))${DROPS_1000}`,
      others: 2000,
      repetitions: 1,
    },
    {
      operands: "1000 values moved",
      code: `(block ${I32_1000} (local.get $i0) ${values(1000)} (br 0))${DROPS_1000}`,
      others: 2001,
      repetitions: 1,
    },
  ],
  br_if: [
    { operands: "taken", code: "(block (br_if 0 (local.get $i1)))", others: 1 },
    { operands: "not taken", code: "(block (br_if 0 (local.get $z)))", others: 1 },
    {
      operands: "1000 values moved",
      code: `(block ${I32_1000} (local.get $i0) ${values(1000)} (br_if 0 (local.get $i1)) (br 0))${DROPS_1000}`,
      others: 2002,
      repetitions: 1,
    },
  ],
  br_table: [
    { operands: "2 targets", code: "(block (block (br_table 0 1 (local.get $i1))))", others: 1 },
    {
      operands: "65520 targets",
      code: `(block (br_table ${"0 ".repeat(65_520)} (local.get $i2)))`,
      others: 1,
      repetitions: 1,
    },
    {
      operands: "1000 values moved",
      code: `(block ${I32_1000} (local.get $i0) ${values(1000)} (br_table 0 0 (local.get $i1)))${DROPS_1000}`,
      others: 2002,
      repetitions: 1,
    },
  ],
  return: [
    { operands: "no values", code: "(call $returns)", others: 1, functions: EMPTY_RETURN },
    { operands: "1000 values", code: `(call $wideReturn)${DROPS_1000}`, others: 2001, repetitions: 1, functions: WIDE },
  ],
  call: [
    { operands: "empty", code: "(call $empty)", others: 0, functions: CALLEES },
    { operands: "one value", code: "(local.set $ir (call $same (local.get $i0)))", others: 3, functions: CALLEES },
    { operands: "1000 results", code: `(call $wide)${DROPS_1000}`, others: 2000, repetitions: 1, functions: WIDE },
    { operands: "50000 locals", code: "(call $huge)", others: 0, repetitions: 1, functions: CALLEES },
  ],
  call_indirect: [
    { operands: "empty", code: "(call_indirect (type $t) (local.get $z))", others: 1, functions: CALLEES },
    {
      operands: "50000 locals",
      code: "(call_indirect (type $t) (local.get $i1))",
      others: 1,
      repetitions: 1,
      functions: CALLEES,
    },
  ],
  return_call: [
    { operands: "empty", code: "(call $tail)", others: 1, functions: CALLEES },
    { operands: "50000 locals", code: "(call $tailHuge)", others: 1, repetitions: 1, functions: CALLEES },
  ],
  return_call_indirect: [{ operands: "empty", code: "(call $tailIndirect)", others: 2, functions: CALLEES }],
  drop: [{ operands: "i32", code: "(drop (local.get $i0))", others: 1 }],
  select: [
    { operands: "i32", code: "(local.set $ir (select (local.get $i0) (local.get $i1) (local.get $z)))", others: 4 },
    { operands: "v128", code: "(local.set $vr (select (local.get $v0) (local.get $v1) (local.get $i1)))", others: 4 },
    { operands: "i64", code: "(local.set $lr (select (local.get $l0) (local.get $l1) (local.get $i1)))", others: 4 },
    {
      operands: "reference",
      code: "(local.set $er (select (result externref) (local.get $er) (local.get $er) (local.get $i1)))",
      others: 4,
    },
  ],
  "local.get": [
    { operands: "i32", code: "(local.set $ir (local.get $i0))", others: 1 },
    { operands: "i64", code: "(local.set $lr (local.get $l0))", others: 1 },
    { operands: "f64", code: "(local.set $dr (local.get $d0))", others: 1 },
    { operands: "reference", code: "(local.set $er (local.get $es))", others: 1 },
  ],
  "local.set": [{ operands: "i64", code: "(local.set $lr (local.get $l0))", others: 1 }],
  "local.tee": [{ operands: "i64", code: "(local.set $lr (local.tee $l3 (local.get $l0)))", others: 2 }],
  "global.get": [
    { operands: "i32", code: "(local.set $ir (global.get $gi))", others: 1 },
    { operands: "f64", code: "(local.set $dr (global.get $gd))", others: 1 },
    { operands: "reference", code: "(local.set $er (global.get $ge))", others: 1 },
  ],
  "global.set": [
    { operands: "i32", code: "(global.set $gi (local.get $i0))", others: 1 },
    { operands: "f64", code: "(global.set $gd (local.get $d0))", others: 1 },
    { operands: "reference", code: "(global.set $ge (local.get $er))", others: 1 },
  ],
  "table.get": [{ operands: "element", code: "(local.set $er (table.get $objects (local.get $i1)))", others: 2 }],
  "table.set": [
    { operands: "extern", code: "(table.set $objects (local.get $i1) (local.get $er))", others: 2 },
    { operands: "function", code: "(table.set $funcs (local.get $i2m) (ref.func $run))", others: 2 },
  ],
  "table.size": [{ operands: "", code: "(local.set $ir (table.size $objects))", others: 1 }],
  "table.grow": [
    { operands: "0", code: "(local.set $ir (table.grow $objects (local.get $er) (local.get $z)))", others: 3 },
    {
      operands: "1 element each",
      code: "(local.set $ir (table.grow $objects (local.get $er) (i32.const 1)))",
      others: 3,
      repetitions: 8,
      freshRounds: 2000,
    },
    {
      operands: "100000 elements",
      code: "(local.set $ir (table.grow $objects (local.get $er) (i32.const 100000)))",
      others: 3,
      repetitions: 1,
      freshRounds: 20,
    },
  ],
  "table.fill": bulk("table.fill $objects", (length) => `(local.get $z) (local.get $er) ${length}`, 8000),
  "table.copy": bulk("table.copy $objects $objects", (length) => `(local.get $z) (local.get $i1) ${length}`, 8000),
  "table.init": bulk("table.init $funcs $passive", (length) => `(local.get $z) (local.get $z) ${length}`, 2),
  "elem.drop": [{ operands: "", code: "(elem.drop $other)", others: 0 }],
  "memory.size": [{ operands: "", code: "(local.set $ir (memory.size))", others: 1 }],
  "memory.grow": [
    { operands: "0", code: "(local.set $ir (memory.grow (local.get $z)))", others: 2 },
    { operands: "refused", code: "(local.set $ir (memory.grow (i32.const 65535)))", others: 2 },
    {
      operands: "1 page each",
      code: "(local.set $ir (memory.grow (i32.const 1)))",
      others: 2,
      repetitions: 1,
      freshRounds: 1000,
    },
    {
      operands: "1000 pages",
      code: "(local.set $ir (memory.grow (i32.const 1000)))",
      others: 2,
      repetitions: 1,
      freshRounds: 1,
    },
  ],
  "memory.fill": bulk("memory.fill", (length) => `(local.get $i1) (local.get $i2) ${length}`, 65_536),
  "memory.copy": bulk("memory.copy", (length) => `(local.get $i1) (local.get $z) ${length}`, 65_536),
  "memory.init": bulk("memory.init $bytes", (length) => `(local.get $i1) (local.get $z) ${length}`, 1024),
  "data.drop": [{ operands: "", code: "(data.drop $other)", others: 0 }],
  "i32.const": [{ operands: "", code: "(local.set $ir (i32.const 123456789))", others: 1 }],
  "i64.const": [{ operands: "", code: "(local.set $lr (i64.const 1234567890123456789))", others: 1 }],
  "f32.const": [{ operands: "", code: "(local.set $fr (f32.const 1.5))", others: 1 }],
  "f64.const": [{ operands: "", code: "(local.set $dr (f64.const 1.5))", others: 1 }],
  "v128.const": [{ operands: "", code: "(local.set $vr (v128.const i32x4 1 2 3 4))", others: 1 }],
  "i8x16.shuffle": [
    {
      operands: "words",
      code: "(local.set $vr (i8x16.shuffle 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 (local.get $v0) (local.get $v1)))",
      others: 3,
    },
    {
      operands: "bytes",
      code: "(local.set $vr (i8x16.shuffle 3 2 1 0 7 6 5 4 31 30 29 28 27 26 25 24 (local.get $v0) (local.get $v1)))",
      others: 3,
    },
  ],
  "ref.null": [{ operands: "", code: "(local.set $er (ref.null extern))", others: 1 }],
  "ref.is_null": [{ operands: "", code: "(local.set $ir (ref.is_null (local.get $er)))", others: 2 }],
  "ref.func": [{ operands: "", code: "(local.set $func (ref.func $run))", others: 1 }],
};

function bulk(word: string, operands: (length: string) => string, largest: number): Repetition[] {
  const form = (length: number, repetitions: number): Repetition => ({
    operands: `length ${length}`,
    code: `(${word} ${operands(`(i32.const ${length})`)})`,
    others: 3,
    repetitions,
  });
  return [form(0, REPETITIONS), form(1, REPETITIONS), form(Math.min(largest, 127), REPETITIONS), form(largest, 1)];
}

/** Values are set before the loop, so that no lowering can fold them. `$i2m` is 2 and may be an index. */
const LOCALS: readonly Local[] = [
  ["$z", "i32", "(i32.const 0)"],
  ["$lz", "i64", "(i64.const 0)"],
  ["$a8", "i32", "(i32.const 8)"],
  ["$i2m", "i32", "(i32.const 2)"],
  ["$i0", "i32", "(i32.const 1)"],
  ["$i1", "i32", "(i32.const 1)"],
  ["$i2", "i32", "(i32.const -1234567891)"],
  ["$i3", "i32", "(i32.const 2000000001)"],
  ["$l0", "i64", "(i64.const 100)"],
  ["$l1", "i64", "(i64.const 7)"],
  ["$l2", "i64", "(i64.const -1234567890123456789)"],
  ["$l3", "i64", "(i64.const 9000000000000000007)"],
  ["$f0", "f32", "(f32.const 1.5)"],
  ["$f1", "f32", "(f32.const 2.5)"],
  ["$f2", "f32", "(f32.const 1e-42)"],
  ["$f3", "f32", "(f32.const -3e38)"],
  ["$fn", "f32", "(f32.const nan:0x200000)"],
  ["$d0", "f64", "(f64.const 1.5)"],
  ["$d1", "f64", "(f64.const 2.5)"],
  ["$d2", "f64", "(f64.const 1e-310)"],
  ["$d3", "f64", "(f64.const -1e308)"],
  ["$dn", "f64", "(f64.const nan:0x4000000000000)"],
  ["$v0", "v128", "(v128.const f32x4 1.5 2.5 3.5 4.5)"],
  ["$v1", "v128", "(v128.const f32x4 2.5 2.5 2.5 -2.5)"],
  ["$v2", "v128", "(v128.const i32x4 -1234567891 2000000001 -1 0x80000000)"],
  ["$v3", "v128", "(v128.const i32x4 0x7fffffff 0x12345678 1 0x80000001)"],
  ["$vn", "v128", "(v128.const i32x4 0x7fa00000 0x7ff40000 0x7fc00000 0xfff80000)"],
  ["$vr", "v128", ""],
  ["$ir", "i32", ""],
  ["$lr", "i64", ""],
  ["$fr", "f32", ""],
  ["$dr", "f64", ""],
  ["$er", "externref", ""],
  ["$es", "externref", ""],
  ["$func", "funcref", ""],
];

function priceCase(mnemonic: string, repetition: Repetition): PriceCase {
  const { operands, code, others, functions = "", locals: more = [], freshRounds = null } = repetition;
  const repetitions = repetition.repetitions ?? REPETITIONS;
  const all = [...LOCALS, ...more];
  const locals = all.map(([name, type]) => `(local ${name} ${type})`).join(" ");
  const values = all.filter(([, , value]) => value !== "").map(([name, , value]) => `(local.set ${name} ${value})`);
  const text = `(module
  (memory 3) (memory 1) (memory i64 1) (memory 1 1 shared)
  (table $funcs 10 funcref) (table $objects 8193 externref)
  (global $gi (mut i32) (i32.const 1)) (global $gd (mut f64) (f64.const 1)) (global $ge (mut externref) (ref.null extern))
  (elem declare func $run) (elem $passive func $run $run) (elem $other func $run)
  (data $bytes "${"0123456789abcdef".repeat(64)}") (data $other "x")
  ${functions}
  (func $run (export "run") (param $n i32) (result i32) ${locals}
    ${values.join(" ")}
    (loop $again
      ${Array.from({ length: repetitions }, () => code).join("\n      ")}
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.const 0)))`;
  return { mnemonic, operands, text, repetitions, otherFuel: others, roundsOfFreshInstance: freshRounds };
}
