import { expect } from "chai";
import fc from "fast-check";
import { Kind } from "./lexer.ts";
import { f32Bits, f32Text, f64Bits, f64Text, i32Bits, integerBits, numberKind, u32Value, u64Value } from "./numbers.ts";

const kindOf = (word: string): Kind | null => numberKind(word, 0, word.length);

const view = new DataView(new ArrayBuffer(8));

function bitsOfDouble(value: number): bigint {
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}

/** An exact fraction. */
interface Ratio {
  readonly top: bigint;
  readonly bottom: bigint;
}

function power(base: bigint, exponent: number): Ratio {
  return exponent < 0 ? { top: 1n, bottom: base ** BigInt(-exponent) } : { top: base ** BigInt(exponent), bottom: 1n };
}

/** The value of non-negative finite bits, infinity standing for the number that would come next. */
function ratioOf(bits: bigint, fractionBits: number, bias: number): Ratio {
  const exponent = Number(bits >> BigInt(fractionBits));
  const fraction = BigInt.asUintN(fractionBits, bits);
  const significand = exponent === 0 ? fraction : fraction + (1n << BigInt(fractionBits));
  const { top, bottom } = power(2n, Math.max(exponent, 1) - bias - fractionBits);
  return { top: significand * top, bottom };
}

function distance(left: Ratio, right: Ratio): Ratio {
  const difference = left.top * right.bottom - right.top * left.bottom;
  return { top: difference < 0n ? -difference : difference, bottom: left.bottom * right.bottom };
}

const isCloser = (left: Ratio, right: Ratio): boolean => left.top * right.bottom < right.top * left.bottom;

/** Whether no other number of the format is nearer to `value`, and of two as near the even one was taken. */
function isNearest(value: Ratio, bits: bigint, fractionBits: number, bias: number): boolean {
  const own = distance(value, ratioOf(bits, fractionBits, bias));
  return [bits - 1n, bits + 1n].every((neighbour) => {
    if (neighbour < 0n) return true;
    const other = distance(value, ratioOf(neighbour, fractionBits, bias));
    if (isCloser(other, own)) return false;
    return isCloser(own, other) || (bits & 1n) === 0n;
  });
}

/** 1 + 2^-53, in the middle of two f64. */
const MIDDLE = "1.00000000000000011102230246251565404236316680908203125";

describe("number literals", () => {
  it("are told from other words", () => {
    const kinds: [string, Kind | null][] = [
      ["0", Kind.Nat],
      ["1_000", Kind.Nat],
      ["0xAb_c", Kind.Nat],
      ["+1", Kind.Int],
      ["-0x8", Kind.Int],
      ["1.", Kind.Float],
      ["1.5e-3", Kind.Float],
      ["1E+3", Kind.Float],
      ["0x1p4", Kind.Float],
      ["0x1.8P-4", Kind.Float],
      ["-inf", Kind.Float],
      ["nan", Kind.Float],
      ["+nan:0x4_0", Kind.Float],
      ["_1", null],
      ["1_", null],
      ["1__0", null],
      ["0x", null],
      ["0x_1", null],
      ["1._5", null],
      ["1e", null],
      ["1e_5", null],
      [".5", null],
      ["0b1", null],
      ["nan:0x", null],
      ["nan:1", null],
      ["infinity", null],
      ["+", null],
      ["--1", null],
    ];
    for (const [word, kind] of kinds) expect(kindOf(word), word).to.equal(kind);
  });

  it("are integers of both signs in the range of their bits", () => {
    expect(i32Bits("-1")).to.equal(0xffff_ffff);
    expect(i32Bits("0xffff_ffff")).to.equal(0xffff_ffff);
    expect(i32Bits("4294967295")).to.equal(0xffff_ffff);
    expect(i32Bits("-2147483648")).to.equal(0x8000_0000);
    for (const word of ["4294967296", "-2147483649", "-0x80000001", "0x100000000"])
      expect(i32Bits(word)).to.equal(null);
    expect(integerBits("-0x80", 8)).to.equal(0x80n);
    expect(integerBits("255", 8)).to.equal(0xffn);
    expect(integerBits("256", 8)).to.equal(null);
    expect(integerBits("-129", 8)).to.equal(null);
    expect(integerBits("0xffff_ffff_ffff_ffff", 64)).to.equal(0xffff_ffff_ffff_ffffn);
    expect(integerBits("-9223372036854775809", 64)).to.equal(null);
    expect(u32Value("0000000000000000000000004294967295")).to.equal(0xffff_ffff);
    expect(u32Value("4294967296")).to.equal(null);
    expect(u64Value("18446744073709551616")).to.equal(null);
  });

  it("of any integer give its bits", () => {
    fc.assert(
      fc.property(fc.bigInt(-(1n << 63n), (1n << 64n) - 1n), fc.boolean(), (value, hex) => {
        const magnitude = value < 0n ? -value : value;
        const word = (value < 0n ? "-" : "") + (hex ? `0x${magnitude.toString(16)}` : magnitude.toString());
        expect(integerBits(word, 64)).to.equal(BigInt.asUintN(64, value));
        const isI32 = value >= -0x8000_0000n && value <= 0xffff_ffffn;
        expect(i32Bits(word)).to.equal(isI32 ? Number(BigInt.asUintN(32, value)) : null);
      }),
    );
  });

  it("keep the payload of a NaN and refuse one out of range", () => {
    expect(f32Bits("nan")).to.equal(0x7fc0_0000);
    expect(f32Bits("-nan")).to.equal(0xffc0_0000);
    expect(f32Bits("nan:0x1")).to.equal(0x7f80_0001);
    expect(f32Bits("-nan:0x7f_ffff")).to.equal(0xffff_ffff);
    expect(f32Bits("nan:0x80_0000")).to.equal(null);
    expect(f32Bits("nan:0x0")).to.equal(null);
    expect(f64Bits("nan:0xf_ffff_ffff_ffff")).to.equal(0x7fff_ffff_ffff_ffffn);
    expect(f64Bits("nan:0x10_0000_0000_0000")).to.equal(null);
    expect(f64Bits("-inf")).to.equal(0xfff0_0000_0000_0000n);
  });

  it("are rounded once, at the borders too", () => {
    const f32: [string, number | null][] = [
      // Between two f32, so near the middle that the f64 between lies on it.
      ["1.00000005960464477540", 0x3f80_0001],
      ["1.000000059604644775390625", 0x3f80_0000],
      ["1.00000005960464477539", 0x3f80_0000],
      ["0x1.000001p0", 0x3f80_0000],
      ["0x1.00000100000000001p0", 0x3f80_0001],
      ["0x1.fffffefffffffffffp127", 0x7f7f_ffff],
      ["0x1.ffffffp127", null],
      ["340282356779733661637539395458142568447", 0x7f7f_ffff],
      ["340282356779733661637539395458142568448", null],
      ["0x1p-149", 1],
      ["0x1p-150", 0],
      ["0x1.00000000000000000000001p-150", 1],
      ["7.006492321624085e-46", 0],
      ["7.006492321624086e-46", 1],
      ["1e-400", 0],
      ["-1e-400", 0x8000_0000],
      ["1e39", null],
    ];
    for (const [word, bits] of f32) expect(f32Bits(word), word).to.equal(bits);
    const f64: [string, bigint | null][] = [
      ["0x1.fffffffffffff7fffffffp1023", 0x7fef_ffff_ffff_ffffn],
      ["0x1.fffffffffffff8p1023", null],
      ["1e309", null],
      ["1e99999999999999999999", null],
      ["0e99999999999999999999", 0n],
      ["1e-99999999999999999999", 0n],
      ["0x1p-1074", 1n],
      ["0x1p-1075", 0n],
      ["0x1.8p-1075", 1n],
      [`0.${"0".repeat(400)}1e401`, 0x3ff0_0000_0000_0000n],
      [`1${"0".repeat(400)}e-400`, 0x3ff0_0000_0000_0000n],
      [MIDDLE, 0x3ff0_0000_0000_0000n],
      [`${MIDDLE}${"0".repeat(900)}1`, 0x3ff0_0000_0000_0001n],
    ];
    for (const [word, bits] of f64) expect(f64Bits(word), word.slice(0, 40)).to.equal(bits);
  });

  it("in decimal give the nearest number, ties to even, by exact fractions", () => {
    const digits = fc.stringMatching(/^[0-9]{1,30}$/);
    fc.assert(
      fc.property(digits, digits, fc.integer({ min: -360, max: 330 }), (whole, fraction, exponent) => {
        const word = `${whole}.${fraction}e${exponent}`;
        const scale = power(10n, exponent - fraction.length);
        const value = { top: BigInt(whole + fraction) * scale.top, bottom: scale.bottom };
        const f64 = f64Bits(word) ?? 0x7ff0_0000_0000_0000n;
        expect(isNearest(value, f64, 52, 1023) || f64 === 0x7ff0_0000_0000_0000n, word).to.equal(true);
        const f32 = BigInt(f32Bits(word) ?? 0x7f80_0000);
        expect(isNearest(value, f32, 23, 127) || f32 === 0x7f80_0000n, word).to.equal(true);
        if (word.length < 20) expect(f64).to.equal(bitsOfDouble(Number(word)));
      }),
      { numRuns: 500 },
    );
  });

  it("near the middle of two f32 are rounded by all their digits", () => {
    const f32 = fc.integer({ min: 0, max: 0x7f7f_fffe });
    fc.assert(
      fc.property(f32, fc.constantFrom(-1, 0, 1), (bits, side) => {
        const low = ratioOf(BigInt(bits), 23, 127);
        const high = ratioOf(BigInt(bits) + 1n, 23, 127);
        // The middle is (low + high) / 2. It has at most 150 decimal places; the last digit shifts it aside.
        const top = low.top * high.bottom + high.top * low.bottom;
        const bottom = 2n * low.bottom * high.bottom;
        const word = `${((top * 10n ** 200n) / bottom) * 10n + BigInt(side)}e-201`;
        const isUp = side > 0 || (side === 0 && bits % 2 === 1);
        expect(f32Bits(word), word).to.equal(isUp ? bits + 1 : bits);
      }),
      { numRuns: 300 },
    );
  });

  it("in hexadecimal give the number they spell", () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 }), (value) => {
        const bits = bitsOfDouble(value);
        const exponent = Number(bits >> 52n);
        const fraction = BigInt.asUintN(52, bits).toString(16).padStart(13, "0");
        const word = exponent === 0 ? `0x0.${fraction}p-1022` : `0x1.${fraction}p${exponent - 1023}`;
        expect(f64Bits(word)).to.equal(bits);
      }),
    );
  });

  it("printed and read again keep all bits", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, (1n << 64n) - 1n), fc.nat(0xffff_ffff), (f64, f32) => {
        expect(f64Bits(f64Text(f64)), f64Text(f64)).to.equal(f64);
        expect(f32Bits(f32Text(f32)), f32Text(f32)).to.equal(f32);
        expect(kindOf(f64Text(f64))).to.not.equal(null);
        expect(kindOf(f32Text(f32))).to.not.equal(null);
      }),
      { numRuns: 1000 },
    );
    for (const bits of [0, 0x8000_0000, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x7f80_0001, 1, 0x3dcc_cccd]) {
      expect(f32Bits(f32Text(bits))).to.equal(bits);
    }
    expect(f32Text(0x3dcc_cccd)).to.equal("0.1");
  });

  it("of a million digits take linear time", () => {
    const digits = "1234567890".repeat(100_000);
    expect(f64Bits(`0.${digits}`)).to.equal(bitsOfDouble(0.12345678901234568));
    expect(f64Bits(digits)).to.equal(null);
    expect(f32Bits(`0x0.${"f".repeat(1_000_000)}`)).to.equal(0x3f80_0000);
    expect(i32Bits(digits)).to.equal(null);
    expect(u64Value("0".repeat(1_000_000) + "7")).to.equal(7n);
  });
});
