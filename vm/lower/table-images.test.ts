import { expect } from "chai";
import { compileSync } from "../compiled-module.ts";
import { instanceOf, wat } from "../testing.ts";

/** The image of the first table, or undefined. */
function image(text: string): number[] | undefined {
  const items = compileSync(wat`(module ${text} (func $a) (func $b))`).images.of(0);
  return items === undefined ? undefined : [...items];
}

describe("table images", () => {
  it("hold what active segments of function indices give, later ones over earlier ones", () => {
    expect(image("(table 4 funcref) (elem (i32.const 1) $a $b)")).to.deep.equal([0, 1, 2, 0]);
    expect(image("(table 4 funcref) (elem (i32.const 0) $a $a $a) (elem (i32.const 1) $b)")).to.deep.equal([
      1, 2, 1, 0,
    ]);
  });

  it("are not made where segments have to be executed", () => {
    for (const text of [
      "(table 4 funcref)",
      "(table 4 funcref) (elem func $a)",
      "(table 4 funcref) (elem (i32.const 3) $a $a)",
      "(table 4 funcref) (elem (i32.const -1) $a)",
      "(table 4 funcref) (elem (i32.const 0) $a) (elem (i32.const 4) $b)",
      "(table 4 funcref) (elem (i32.const 0) funcref (ref.func $a))",
      "(global $g i32 (i32.const 0)) (table 4 funcref) (elem (global.get $g) $a)",
      '(import "m" "t" (table 4 funcref)) (elem (i32.const 0) $a)',
    ]) {
      expect(image(text), text).to.equal(undefined);
    }
  });

  it("are not made for a large table with few functions: a short module takes little memory", () => {
    expect(image("(table 10000000 funcref) (elem (i32.const 0) $a)")).to.equal(undefined);
    const instance = instanceOf(wat`(module (table 1000000 funcref) (elem (i32.const 999999) $a)
      (func $a (result i32) i32.const 5)
      (func (export "f") (param i32) (result i32) local.get 0 call_indirect (result i32)))`);
    expect(instance.callSync("f", [999_999])).to.deep.equal([5]);
    expect(() => instance.callSync("f", [999_998])).to.throw("uninitialized element");
  });
});
