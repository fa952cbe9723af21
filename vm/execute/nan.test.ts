/** NaN: arithmetic gives the canonical one, moves keep every bit, and neither depends on what V8 has compiled. */

import { expect } from "chai";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { nanCases } from "../testing/nan-bits.ts";
import { instanceOf, wat } from "../testing.ts";
import { evaluate } from "./evaluate.ts";

const MODULE = new URL("../testing/nan-bits.js", import.meta.url).href;
/** Each case; all together the hot loop runs millions of rounds, so V8 has optimised it. */
const HOT_ROUNDS = 3_000;

async function linesOf(flags: readonly string[], rounds: number): Promise<string[]> {
  const script = `import(${JSON.stringify(MODULE)}).then(({ nanLines }) => console.log(nanLines(${rounds}).join("\\n")))`;
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, "-e", script], { maxBuffer: 1 << 24 });
  return stdout.trim().split("\n");
}

describe("NaN", () => {
  it("of every float instruction is canonical, unless only the sign changes", () => {
    for (const { name, op, operands, result } of nanCases(2)) {
      if (op === null) continue;
      const text = `${name} ${operands.map((bits) => bits.toString(16))}`;
      expect(result.toString(16), text).to.equal(evaluate(op, operands).toString(16));
    }
  });

  it("keeps its bits when it is only moved", () => {
    for (const { name, op, operands, result } of nanCases(2)) {
      if (op === null) expect(result.toString(16), name).to.equal(operands[0]!.toString(16));
    }
  });

  it("has the same bits cold, without optimisation, without any compiler, and hot", async function () {
    this.timeout(120_000);
    const cold = await linesOf([], 1);
    expect(cold).to.have.length.above(1_000);
    const [unoptimised, jitless, baseline, hot] = await Promise.all([
      linesOf(["--no-opt"], 1),
      linesOf(["--jitless"], 1),
      linesOf(["--always-sparkplug", "--no-opt"], 10),
      linesOf([], HOT_ROUNDS),
    ]);
    expect(unoptimised, "--no-opt").to.deep.equal(cold);
    expect(jitless, "--jitless").to.deep.equal(cold);
    expect(baseline, "--always-sparkplug").to.deep.equal(cold);
    expect(hot, "hot").to.deep.equal(cold);
  });

  it("that crosses to a host function and back is canonical: JavaScript does not keep payloads", () => {
    const bits: bigint[] = [];
    const view = new DataView(new ArrayBuffer(8));
    const see = (value: number): number => {
      view.setFloat64(0, value);
      bits.push(view.getBigUint64(0));
      return value;
    };
    const host = {
      f32: { params: ["f32"], results: ["f32"], call: (_: unknown, value: number) => see(value) },
      f64: { params: ["f64"], results: ["f64"], call: (_: unknown, value: number) => -see(value) },
    };
    const instance = instanceOf(
      wat`(module
        (import "host" "f32" (func $f32 (param f32) (result f32)))
        (import "host" "f64" (func $f64 (param f64) (result f64)))
        (func (export "f32") (param i32) (result i32) local.get 0 f32.reinterpret_i32 call $f32 i32.reinterpret_f32)
        (func (export "f64") (param i64) (result i64) local.get 0 f64.reinterpret_i64 call $f64 i64.reinterpret_f64))`,
      { host },
    );
    for (const nan of [0x7fa0_0001, 0xffff_ffff | 0, 0x7fc0_0000]) {
      expect(instance.callSync("f32", [nan])).to.deep.equal([0x7fc0_0000]);
    }
    for (const nan of [0x7ff4_0000_0000_0001n, -1n, 0x7ff8_0000_0000_0000n]) {
      expect(instance.callSync("f64", [nan])).to.deep.equal([0x7ff8_0000_0000_0000n]);
    }
    expect(new Set(bits)).to.deep.equal(new Set([0x7ff8_0000_0000_0000n]));
  });
});
