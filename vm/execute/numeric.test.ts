import { expect } from "chai";
import fc from "fast-check";
import Long from "long";
import { Trap } from "../errors.ts";
import { INSTRUCTIONS, type Op } from "../opcodes.ts";
import { Num, type ValType } from "../types.ts";
import { evaluate, NUMERIC } from "./evaluate.ts";

/** Every instruction from i32.eqz to i64.extend32_s, and the saturating conversions. */
const ROWS = Object.entries(INSTRUCTIONS)
  .map(([number, row]) => ({ op: Number(number) as Op, ...row }))
  .filter(({ op }) => (op >= 0x45 && op <= 0xc4) || (op >= 0x100 && op <= 0x107));

function opOf(mnemonic: string): Op {
  const found = ROWS.find((row) => row.mnemonic === mnemonic);
  if (found === undefined) throw new Error(mnemonic);
  return found.op;
}

const I32_EDGES = [
  0n,
  1n,
  2n,
  7n,
  31n,
  32n,
  33n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0x8000n,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0x8000_0001n,
  0xffff_fffen,
  0xffff_ffffn,
];
const I64_EDGES = [
  ...I32_EDGES,
  63n,
  64n,
  65n,
  0x1_0000_0000n,
  0x1f_ffff_ffff_ffffn,
  0x20_0000_0000_0000n,
  0x20_0000_0000_0001n,
  0x7fff_ff40_0000_0001n,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0x8000_0000_0000_0001n,
  0x8000_0080_0000_0001n,
  0xffe0_0000_0000_0000n,
  0xffff_ffff_0000_0000n,
  0xffff_ffff_7fff_ffffn,
  0xffff_ffff_ffff_fffen,
  0xffff_ffff_ffff_ffffn,
];

/** Numbers around every rounding and range limit; NaN with payloads are added as bits. */
const FLOAT_EDGES = [
  0,
  0.25,
  0.5,
  0.9999999,
  1,
  1.5,
  2.5,
  3.5,
  4.999999,
  126.5,
  8388607.5,
  8388608.5,
  16777217,
  2147483520,
  2147483647,
  2147483647.9,
  2147483648,
  2147483649,
  4294967040,
  4294967295,
  4294967295.9,
  4294967296,
  4503599627370495.5,
  4503599627370496,
  9007199254740991,
  2 ** 63 - 2 ** 39,
  2 ** 63 - 2 ** 10,
  2 ** 63,
  2 ** 64 - 2 ** 40,
  2 ** 64 - 2 ** 11,
  2 ** 64,
  1e-45,
  1.1754942e-38,
  3.4028234e38,
  3.4028235677973366e38,
  5e-324,
  1.7976931348623157e308,
  Number.POSITIVE_INFINITY,
].flatMap((value) => [value, -value]);

const view = new DataView(new ArrayBuffer(8));

function f32Bits(value: number): bigint {
  view.setFloat32(0, value);
  return BigInt(view.getUint32(0));
}

function f64Bits(value: number): bigint {
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}

const EDGES = new Map<ValType, bigint[]>([
  [Num.I32, I32_EDGES],
  [Num.I64, I64_EDGES],
  [Num.F32, [...FLOAT_EDGES.map(f32Bits), 0x7fc0_0000n, 0xffc0_0000n, 0x7fa0_0000n, 0xff80_0001n, 0x7fff_ffffn]],
  [
    Num.F64,
    [
      ...FLOAT_EDGES.map(f64Bits),
      0x7ff8_0000_0000_0000n,
      0xfff8_0000_0000_0000n,
      0x7ff4_0000_0000_0000n,
      0xfff0_0000_0000_0001n,
      0x7fff_ffff_ffff_ffffn,
    ],
  ],
]);

function bitsArbitrary(type: ValType): fc.Arbitrary<bigint> {
  const random =
    type === Num.I32 || type === Num.F32 ? fc.bigInt(0n, 0xffff_ffffn) : fc.bigInt(0n, 0xffff_ffff_ffff_ffffn);
  const likeIntegers = fc
    .integer()
    .map((value) =>
      type === Num.F32
        ? f32Bits(value / 2)
        : type === Num.F64
          ? f64Bits(value / 2)
          : BigInt.asUintN(type === Num.I32 ? 32 : 64, BigInt(value)),
    );
  return fc.oneof(random, likeIntegers, fc.constantFrom(...EDGES.get(type)!));
}

/** A module with one export per row that takes and returns bits as integers, so that no NaN passes through a JavaScript number. */
function hostModule(): WebAssembly.Exports {
  const size = (bytes: number[]): number[] => [...leb(bytes.length), ...bytes];
  const section = (id: number, items: number[][]): number[] => [id, ...size([...leb(items.length), ...items.flat()])];
  const integer = (type: ValType): number => (type === Num.F32 ? Num.I32 : type === Num.F64 ? Num.I64 : type);
  const types = ROWS.map(({ type }) => [
    0x60,
    ...leb(type!.params.length),
    ...type!.params.map(integer),
    1,
    integer(type!.results[0]!),
  ]);
  const bodies = ROWS.map(({ op, type }) => {
    const operands = type!.params.flatMap((param, index) => [
      0x20,
      index,
      ...(param === Num.F32 ? [0xbe] : param === Num.F64 ? [0xbf] : []),
    ]);
    const result = type!.results[0] === Num.F32 ? [0xbc] : type!.results[0] === Num.F64 ? [0xbd] : [];
    return size([0, ...operands, ...(op >= 0x100 ? [0xfc, op - 0x100] : [op]), ...result, 0x0b]);
  });
  const exports = ROWS.map(({ mnemonic }, index) => [
    ...size([...new TextEncoder().encode(mnemonic)]),
    0,
    ...leb(index),
  ]);
  const functions = ROWS.map((_, index) => leb(index));
  const bytes = [
    0,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    section(1, types),
    section(3, functions),
    section(7, exports),
    section(10, bodies),
  ].flat();
  return new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes))).exports;
}

function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)];
}

function outcome(run: () => bigint): string {
  try {
    return `0x${run().toString(16)}`;
  } catch (error) {
    return String((error as Error).message);
  }
}

/** Our messages are the suite's; V8 has its own. */
const V8_MESSAGES: Record<string, string> = {
  "divide by zero": "integer divide by zero",
  "remainder by zero": "integer divide by zero",
  "divide result unrepresentable": "integer overflow",
  "float unrepresentable in integer range": "integer overflow",
};

const NAN_F32 = "0x7fc00000";
const NAN_F64 = "0x7ff8000000000000";

function isNaN64(bits: bigint): boolean {
  return (bits & 0x7fff_ffff_ffff_ffffn) > 0x7ff0_0000_0000_0000n;
}

function isNaN32(bits: bigint): boolean {
  return (bits & 0x7fff_ffffn) > 0x7f80_0000n;
}

function hostOutcome(
  host: WebAssembly.Exports,
  mnemonic: string,
  type: { params: readonly ValType[]; results: readonly ValType[] },
  operands: bigint[],
): string {
  const run = host[mnemonic] as (...args: unknown[]) => number | bigint;
  const args = operands.map((bits, index) =>
    type.params[index] === Num.I32 || type.params[index] === Num.F32 ? Number(bits) | 0 : bits,
  );
  const text = outcome(() => {
    const result = run(...args);
    return typeof result === "bigint" ? BigInt.asUintN(64, result) : BigInt(result >>> 0);
  });
  if (text.startsWith("0x")) {
    if (/abs|neg|copysign|reinterpret/.test(mnemonic)) return text;
    if (type.results[0] === Num.F32 && isNaN32(BigInt(text))) return NAN_F32;
    if (type.results[0] === Num.F64 && isNaN64(BigInt(text))) return NAN_F64;
    return text;
  }
  const operandIsNaN =
    type.params[0] === Num.F32 ? isNaN32(operands[0]!) : type.params[0] === Num.F64 && isNaN64(operands[0]!);
  return operandIsNaN ? "invalid conversion to integer" : (V8_MESSAGES[text] ?? text);
}

describe("numeric instructions", () => {
  it("have a meaning for every plain numeric row of the table", () => {
    expect(ROWS.filter(({ op }) => !NUMERIC.has(op)).map(({ mnemonic }) => mnemonic)).to.deep.equal([]);
    expect(NUMERIC.size).to.equal(ROWS.length);
  });

  const host = hostModule();
  for (const { op, mnemonic, type } of ROWS) {
    it(`${mnemonic} gives the bits and traps that the host's engine gives`, () => {
      const compare = (operands: bigint[]): void => {
        const ours = outcome(() => evaluate(op, operands));
        const theirs = hostOutcome(host, mnemonic, type!, operands);
        if (ours !== theirs)
          expect.fail(`${mnemonic}(${operands.map((bits) => `0x${bits.toString(16)}`)}): ${ours}, host ${theirs}`);
      };
      const [first, second] = type!.params.map((param) => EDGES.get(param)!);
      for (const a of first!) for (const b of second ?? [0n]) compare(second === undefined ? [a] : [a, b]);
      fc.assert(fc.property(fc.tuple(...type!.params.map(bitsArbitrary)), compare), { numRuns: 200 });
    });
  }

  const i64 = bitsArbitrary(Num.I64);
  const long = (bits: bigint, isUnsigned: boolean): Long => Long.fromString(bits.toString(16), isUnsigned, 16);
  const longBits = (value: Long): bigint => BigInt.asUintN(64, BigInt(value.toString()));
  const byBigInt: Record<string, (a: bigint, b: bigint) => bigint> = {
    "i64.add": (a, b) => a + b,
    "i64.sub": (a, b) => a - b,
    "i64.mul": (a, b) => a * b,
    "i64.shl": (a, b) => a << (b & 63n),
    "i64.shr_u": (a, b) => a >> (b & 63n),
    "i64.shr_s": (a, b) => BigInt.asIntN(64, a) >> (b & 63n),
    "i64.div_u": (a, b) => a / b,
    "i64.rem_u": (a, b) => a % b,
    "i64.div_s": (a, b) => BigInt.asIntN(64, a) / BigInt.asIntN(64, b),
    "i64.rem_s": (a, b) => BigInt.asIntN(64, a) % BigInt.asIntN(64, b),
    "i64.lt_s": (a, b) => BigInt(BigInt.asIntN(64, a) < BigInt.asIntN(64, b)),
    "i64.lt_u": (a, b) => BigInt(a < b),
  };
  const byLong: Record<string, (a: bigint, b: bigint) => Long> = {
    "i64.add": (a, b) => long(a, true).add(long(b, true)),
    "i64.sub": (a, b) => long(a, true).sub(long(b, true)),
    "i64.mul": (a, b) => long(a, true).mul(long(b, true)),
    "i64.shl": (a, b) => long(a, true).shl(Number(b & 63n)),
    "i64.shr_u": (a, b) => long(a, true).shru(Number(b & 63n)),
    "i64.rotl": (a, b) => long(a, true).rotl(Number(b & 63n)),
    "i64.rotr": (a, b) => long(a, true).rotr(Number(b & 63n)),
    "i64.div_u": (a, b) => long(a, true).div(long(b, true)),
    "i64.rem_u": (a, b) => long(a, true).mod(long(b, true)),
  };

  for (const [mnemonic, meaning] of Object.entries(byBigInt)) {
    it(`${mnemonic} agrees with BigInt`, () => {
      fc.assert(
        fc.property(i64, i64, (a, b) => {
          if (
            /div|rem/.test(mnemonic) &&
            (b === 0n || (mnemonic === "i64.div_s" && a === 1n << 63n && b === (1n << 64n) - 1n))
          )
            return;
          expect(evaluate(opOf(mnemonic), [a, b])).to.equal(BigInt.asUintN(64, meaning(a, b)));
        }),
        { numRuns: 500 },
      );
    });
  }

  for (const [mnemonic, meaning] of Object.entries(byLong)) {
    it(`${mnemonic} agrees with the package long`, () => {
      fc.assert(
        fc.property(i64, i64, (a, b) => {
          if (/div|rem/.test(mnemonic) && b === 0n) return;
          expect(evaluate(opOf(mnemonic), [a, b])).to.equal(longBits(meaning(a, b)));
        }),
        { numRuns: 500 },
      );
    });
  }

  it("f32.convert_i64 rounds once", () => {
    expect(evaluate(opOf("f32.convert_i64_s"), [0x7fff_ff40_0000_0001n])).to.equal(f32Bits(2 ** 63 - 2 ** 39));
  });

  it("a division traps on zero and where the quotient does not fit", () => {
    const cases: [string, bigint, bigint, string][] = [
      ["i32.div_s", 1n, 0n, "integer divide by zero"],
      ["i32.div_s", 0x8000_0000n, 0xffff_ffffn, "integer overflow"],
      ["i32.rem_u", 1n, 0n, "integer divide by zero"],
      ["i64.div_u", 1n, 0n, "integer divide by zero"],
      ["i64.div_s", 1n << 63n, (1n << 64n) - 1n, "integer overflow"],
      ["i64.rem_s", 1n, 0n, "integer divide by zero"],
    ];
    for (const [mnemonic, a, b, message] of cases)
      expect(() => evaluate(opOf(mnemonic), [a, b]), mnemonic).to.throw(Trap, message);
  });
});
