import { expect } from "chai";
import type { ResultPattern } from "../vm/text/commands.ts";
import { argumentOf, HostReference, matches } from "./values.ts";

const f32 = (nan: "nan:canonical" | "nan:arithmetic"): ResultPattern => ({ kind: "nan", type: "f32", nan });
const f64 = (nan: "nan:canonical" | "nan:arithmetic"): ResultPattern => ({ kind: "nan", type: "f64", nan });

describe("values of scripts", () => {
  it("numbers are compared bit by bit, so that zeros and NaNs differ", () => {
    expect(matches(0x8000_0000n, { kind: "f32", bits: 0x8000_0000n })).to.equal(true);
    expect(matches(0n, { kind: "f32", bits: 0x8000_0000n })).to.equal(false);
    expect(matches(0x7fa0_0000n, { kind: "f32", bits: 0x7fe0_0000n })).to.equal(false);
  });

  it("a canonical NaN has the quiet bit alone, an arithmetic one at least that", () => {
    const cases: [bigint, ResultPattern, boolean][] = [
      [0x7fc0_0000n, f32("nan:canonical"), true],
      [0xffc0_0000n, f32("nan:canonical"), true],
      [0x7fc0_0001n, f32("nan:canonical"), false],
      [0x7fc0_0001n, f32("nan:arithmetic"), true],
      [0x7fa0_0000n, f32("nan:arithmetic"), false],
      [0x7f80_0000n, f32("nan:arithmetic"), false],
      [0x7ff8_0000_0000_0000n, f64("nan:canonical"), true],
      [0xfff8_0000_0000_0001n, f64("nan:canonical"), false],
      [0xfff8_0000_0000_0001n, f64("nan:arithmetic"), true],
      [0x7ff4_0000_0000_0000n, f64("nan:arithmetic"), false],
    ];
    for (const [bits, pattern, fits] of cases) expect(matches(bits, pattern), bits.toString(16)).to.equal(fits);
  });

  it("vectors are compared lane by lane, lane 0 in the lowest bytes", () => {
    const bytes = Uint8Array.from({ length: 16 }, (_, index) => index);
    const value = argumentOf({ kind: "v128", bytes });
    expect(value).to.equal(0x0f0e0d0c_0b0a0908_07060504_03020100n);
    const lanes = [0x0302_0100n, 0x0706_0504n, 0x0b0a_0908n, 0x0f0e_0d0cn];
    expect(matches(value, { kind: "v128", shape: "i32x4", lanes })).to.equal(true);
    expect(matches(value, { kind: "v128", shape: "i32x4", lanes: lanes.toReversed() })).to.equal(false);
    expect(matches(0x7fc0_0000n, { kind: "v128", shape: "f32x4", lanes: ["nan:canonical", 0n, 0n, 0n] })).to.equal(
      true,
    );
  });

  it("references of the host are the same if their numbers are", () => {
    const reference = argumentOf({ kind: "ref.extern", value: 3 });
    expect(reference).to.equal(HostReference.of(3));
    expect(matches(reference, { kind: "ref.extern", value: 3 })).to.equal(true);
    expect(matches(reference, { kind: "ref.extern", value: 4 })).to.equal(false);
    expect(matches(reference, { kind: "ref", of: "ref.extern" })).to.equal(true);
    expect(matches(reference, { kind: "ref", of: "ref.func" })).to.equal(false);
    expect(matches(null, { kind: "ref", of: "ref.extern" })).to.equal(false);
    expect(matches(null, { kind: "ref.null", heap: null })).to.equal(true);
  });

  it("one fitting alternative is enough", () => {
    const either: ResultPattern = { kind: "either", alternatives: [{ kind: "i32", bits: 1n }, f32("nan:canonical")] };
    expect(matches(1n, either)).to.equal(true);
    expect(matches(0x7fc0_0000n, either)).to.equal(true);
    expect(matches(2n, either)).to.equal(false);
  });
});
