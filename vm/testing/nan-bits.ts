/**
 * What the engine makes of NaN, as lines of text: each float instruction on operands of which one is a NaN, and
 * each way to move a value. Tests compare the lines of several processes, whose V8 compiles more or less.
 */

import { INSTRUCTIONS, type Op } from "../opcodes.ts";
import { constantText, instanceOf, wat } from "../testing.ts";
import { Num, valTypeText, type ValType } from "../types.ts";

export interface NanCase {
  readonly name: string;
  /** The instruction, or null for a move, which keeps the bits. */
  readonly op: Op | null;
  readonly operands: readonly bigint[];
  readonly result: bigint;
}

const F32_NANS = [0x7fc0_0000n, 0xffc0_0000n, 0x7fa0_0000n, 0xff80_0001n, 0x7fff_ffffn];
const F64_NANS = [
  0x7ff8_0000_0000_0000n,
  0xfff8_0000_0000_0000n,
  0x7ff4_0000_0000_0000n,
  0xfff0_0000_0000_0001n,
  0x7fff_ffff_ffff_ffffn,
];
/** With these operands some operations give a NaN of their own: infinity less infinity, a root of -1. */
const F32_OTHERS = [0x3fc0_0000n, 0xbf80_0000n, 0x7f80_0000n, 0xff80_0000n, 0n];
const F64_OTHERS = [0x3ff8_0000_0000_0000n, 0xbff0_0000_0000_0000n, 0x7ff0_0000_0000_0000n, 0xfff0_0000_0000_0000n, 0n];

const isFloat = (type: ValType): boolean => type === Num.F32 || type === Num.F64;

/** Instructions that take and give floats. */
const FLOAT_ROWS = Object.entries(INSTRUCTIONS)
  .map(([number, row]) => ({ op: Number(number) as Op, ...row }))
  .filter(({ op, type }) => op >= 0x45 && op <= 0xc4 && type !== null && type.params.some(isFloat))
  .filter(({ type }) => isFloat(type!.results[0]!));

/** Ways to move a value of type `t`: each leaves what `local.get 0` gives. */
const MOVES: readonly (readonly [name: string, body: (t: string, width: number) => string])[] = [
  ["local.get", () => "local.get 0"],
  ["local.set", () => "local.get 0 local.set 1 local.get 1 local.set 2 local.get 2"],
  ["local.tee", () => "local.get 0 local.tee 1 drop local.get 1"],
  ["a global", () => "local.get 0 global.set $g global.get $g"],
  ["memory", (t) => `i32.const 8 local.get 0 ${t}.store i32.const 8 ${t}.load`],
  ["memory at an address", (t) => `local.get 3 local.get 0 ${t}.store offset=16 local.get 3 ${t}.load offset=16`],
  ["select", (t) => `local.get 0 ${t}.const 1 local.get 3 i32.eqz select`],
  ["the other side of select", (t) => `${t}.const 1 local.get 0 local.get 3 select`],
  ["a call", () => "local.get 0 call $same"],
  ["an indirect call", () => "local.get 0 i32.const 0 call_indirect (type $same)"],
  ["a block's result", (t) => `block (result ${t}) ${t}.const 1 drop local.get 0 br 0 end`],
  [
    "a branch that moves",
    (t) => `block (result ${t}) i32.const 7 local.get 0 local.get 3 i32.eqz br_if 0 drop drop ${t}.const 1 end`,
  ],
  ["br_table", (t) => `block (result ${t}) i32.const 7 local.get 0 local.get 3 br_table 0 0 end`],
  ["a loop's parameter", (t) => `local.get 0 loop (param ${t}) (result ${t}) end`],
  ["if", (t) => `local.get 3 if (result ${t}) ${t}.const 1 else local.get 0 end`],
  ["several results", () => "local.get 0 local.get 0 call $both drop"],
  ["reinterpretation", (_, width) => `local.get 0 i${width}.reinterpret_f${width} f${width}.reinterpret_i${width}`],
];

/** All cases, each executed `rounds` times in a loop of the guest. */
export function nanCases(rounds: number): NanCase[] {
  return [...instructionCases(rounds), ...moveCases(rounds)];
}

/** The cases as text. */
export function nanLines(rounds: number): string[] {
  return nanCases(rounds).map(
    ({ name, operands, result }) =>
      `${name} ${operands.map((bits) => bits.toString(16)).join(" ")}: ${result.toString(16)}`,
  );
}

function operandLists(types: readonly ValType[]): bigint[][] {
  const nans = (type: ValType): readonly bigint[] => (type === Num.F32 ? F32_NANS : F64_NANS);
  const others = (type: ValType): readonly bigint[] => (type === Num.F32 ? F32_OTHERS : F64_OTHERS);
  const [a, b] = types;
  if (a === undefined || !isFloat(a)) return [[5n]];
  if (b === undefined) return [...nans(a), ...others(a)].map((bits) => [bits]);
  const pairs = [...nans(a), ...others(a)].flatMap((left, i) =>
    nans(b).map((right, j) => ({ left, right, at: i + j })),
  );
  const some = pairs
    .filter(({ at }) => at % 2 === 0)
    .flatMap(({ left, right }) => [
      [left, right],
      [right, left],
    ]);
  return [...some, ...others(a).flatMap((left) => others(b).map((right) => [left, right]))];
}

/** A loop that leaves the last of `rounds` results of `body`. */
function repeated(body: string, params: readonly string[], result: string, rounds: number): string {
  const locals = `(local $r ${result}) (local $n i32)`;
  return `(func (param ${params.join(" ")}) (result ${result}) ${locals}
    i32.const ${rounds} local.set $n
    loop ${body} local.set $r local.get $n i32.const -1 i32.add local.tee $n br_if 0 end
    local.get $r)`;
}

function instructionCases(rounds: number): NanCase[] {
  const cases: NanCase[] = [];
  const funcs = FLOAT_ROWS.map(({ mnemonic, type }) => {
    const params = type!.params.map(valTypeText);
    const operands = params.map((_, i) => `local.get ${i}`).join(" ");
    return repeated(`${operands} ${mnemonic}`, params, valTypeText(type!.results[0]!), rounds);
  });
  const exports = FLOAT_ROWS.map((_, i) => `(export "${i}" (func ${i}))`);
  const instance = instanceOf(wat`(module ${funcs.join("\n")} ${exports.join("\n")})`);
  FLOAT_ROWS.forEach(({ op, mnemonic, type }, i) => {
    for (const operands of operandLists(type!.params)) {
      cases.push({ name: mnemonic, op, operands, result: resultOf(instance.invoke(`${i}`, operands, { bits: true })) });
    }
  });
  return cases;
}

function resultOf(invocation: ReturnType<ReturnType<typeof instanceOf>["invoke"]>): bigint {
  for (;;) {
    const outcome = invocation.run();
    if (outcome.kind === "returned") return outcome.values[0] as bigint;
  }
}

function moveCases(rounds: number): NanCase[] {
  const cases: NanCase[] = [];
  for (const [type, nans] of [
    [Num.F32, F32_NANS],
    [Num.F64, F64_NANS],
  ] as const) {
    const t = valTypeText(type);
    const width = type === Num.F32 ? 32 : 64;
    const funcs = MOVES.map(
      ([name, body]) => `(func (export "${name}") (param ${t}) (result ${t}) (local ${t} ${t} i32 ${t} i32)
        i32.const ${rounds} local.set 5
        loop ${body(t, width)} local.set 4 local.get 5 i32.const -1 i32.add local.tee 5 br_if 0 end
        local.get 4)`,
    );
    const constants = nans.map(
      (bits, i) => `(func (export "constant ${i}") (result ${t}) ${constantText(type, bits)})`,
    );
    const instance =
      instanceOf(wat`(module (memory 1) (global $g (mut ${t}) (${t}.const 0)) (table funcref (elem $same))
      (type $same (func (param ${t}) (result ${t})))
      (func $same (type $same) local.get 0)
      (func $both (param ${t} ${t}) (result ${t} ${t}) local.get 0 local.get 1)
      ${funcs.join("\n")} ${constants.join("\n")})`);
    nans.forEach((bits, i) => {
      for (const [name] of MOVES) {
        const result = resultOf(instance.invoke(name, [bits], { bits: true }));
        cases.push({ name: `${t} through ${name}`, op: null, operands: [bits], result });
      }
      const result = resultOf(instance.invoke(`constant ${i}`, [], { bits: true }));
      cases.push({ name: `${t}.const`, op: null, operands: [bits], result });
    });
  }
  return cases;
}
