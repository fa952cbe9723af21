import { expect } from "chai";
import { validate } from "../compiled-module.ts";
import { textToBinary } from "./to-binary.ts";
import { invalidText } from "./places.ts";

/** The place of the error, and what stands there. */
function placeOf(text: string): string | null {
  const error = invalidText(text);
  expect(error?.reason).to.equal(validate(textToBinary(text))?.reason);
  if (error?.line === undefined) return null;
  const { line, column = 1 } = error;
  expect(error.message).to.include(`(line ${line}, column ${column})`);
  const rest = text.split("\n")[line - 1]!.slice(column - 1);
  return `${line}:${column} ${rest}`;
}

describe("invalidText", () => {
  it("names the instruction, plain or folded", () => {
    expect(placeOf(`(module (func\n  i32.const 1\n  i32.add))`)).to.equal("3:3 i32.add))");
    expect(placeOf(`(module (func (export "f")\n  (i32.add\n    (i32.const 1)\n    (i64.const 2))\n  drop))`)).to.equal(
      "2:3 (i32.add",
    );
    expect(placeOf(`(module (func\n  (drop (i32.eqz\n    (f32.neg (i32.const 1))\n))))`)).to.equal(
      "3:5 (f32.neg (i32.const 1))",
    );
    expect(placeOf(`(module (func\n  (if (i64.const 1)\n    (then (nop)))))`)).to.equal("2:3 (if (i64.const 1)");
    expect(
      placeOf(
        `(module (func (param i32)\n  (if (local.get 0)\n    (then (nop))\n    (else (drop (i32.clz (f64.const 1)))))))`,
      ),
    ).to.equal("4:17 (i32.clz (f64.const 1)))))))");
    expect(placeOf(`(module (func\n  block\n    i32.const 1\n  end))`)).to.equal("4:3 end))");
    expect(placeOf(`(module\n (func (nop))\n (func (result i32)\n   (nop)\n ))`)).to.equal("5:2 ))");
  });

  it("names expressions and fields outside of functions", () => {
    expect(placeOf(`(module\n  (global i32\n    (i64.const 1)\n  ))`)).to.equal("4:3 ))");
    expect(placeOf(`(module (table 1 funcref)\n  (elem (i64.const 0) 0) (func))`)).to.match(/^2:/);
    expect(placeOf(`(module (func)\n  (export "a" (func 0))\n  (export "a" (func 0)))`)).to.match(/^3:/);
    expect(placeOf(`(module\n  (import "m" "n" (memory 70000)))`)).to.match(/^2:/);
    expect(placeOf(`(module (memory 1)\n  (memory 70000))`)).to.match(/^2:/);
    expect(placeOf(`(module (func)\n  (start 5))`)).to.match(/^2:/);
    expect(placeOf(`(module\n  (data (i32.const 0) "x"))`)).to.match(/^2:/);
  });

  it("is null for what is valid, and says no place of what it does not know", () => {
    expect(invalidText(`(module (func))`)).to.equal(null);
    expect(placeOf(`(module (type $a (func)) (type (sub 0 (struct))))`)).to.equal(null);
  });
});
