import { expect } from "chai";
import { UsageError } from "./exit.ts";
import { parseValue, valueText } from "./values.ts";

describe("values on the command line", () => {
  it("are read as their type says", () => {
    const cases: [string, string, unknown][] = [
      ["42", "i32", 42],
      ["-1", "i32", -1],
      ["4294967295", "i32", -1],
      ["0xffff_fffe", "i32", -2],
      ["18446744073709551615", "i64", -1n],
      ["-9223372036854775808", "i64", -(1n << 63n)],
      ["0.1", "f32", Math.fround(0.1)],
      ["1e3", "f64", 1_000],
      ["-inf", "f64", Number.NEGATIVE_INFINITY],
      ["nan", "f64", Number.NaN],
      ["-0", "f64", -0],
      ["null", "funcref", null],
    ];
    for (const [text, type, value] of cases) expect(parseValue(text, type), `${text} ${type}`).to.deep.equal(value);
  });

  it("that do not fit the type are refused", () => {
    const cases: [string, string][] = [
      ["4294967296", "i32"],
      ["-2147483649", "i32"],
      ["1.5", "i32"],
      ["", "i32"],
      ["x", "f64"],
      ["", "f64"],
      ["18446744073709551616", "i64"],
      ["0", "funcref"],
      ["null", "v128"],
    ];
    for (const [text, type] of cases) expect(() => parseValue(text, type), `${text} ${type}`).to.throw(UsageError);
  });

  it("are printed so that they read back the same", () => {
    const cases: [unknown, string, string][] = [
      [-5, "i32", "-5"],
      [-5n, "i64", "-5"],
      [Math.fround(0.1), "f32", "0.1"],
      [Math.fround(16777216), "f32", "16777216"],
      [Math.fround(3.4028234663852886e38), "f32", "3.4028235e+38"],
      [0.1, "f64", "0.1"],
      [-0, "f64", "-0"],
      [Number.NaN, "f32", "nan"],
      [Number.NEGATIVE_INFINITY, "f64", "-inf"],
      [null, "funcref", "null"],
      [{}, "externref", "(externref)"],
    ];
    for (const [value, type, text] of cases) expect(valueText(value, type)).to.equal(text);
  });
});
