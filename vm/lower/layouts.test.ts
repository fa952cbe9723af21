import { expect } from "chai";
import { compileSync } from "../compiled-module.ts";
import { run } from "../execute/interpreter.ts";
import { Reg } from "./code.ts";
import { LAYOUTS, layoutWords } from "./layouts.ts";
import { wat } from "../testing.ts";

describe("layouts of the hot loop's operations", () => {
  it("every operation below the rare ones has one", () => {
    for (let reg: number = Reg.Halt; reg < Reg.Slow; reg++) expect(LAYOUTS[reg], `operation ${reg}`).to.be.an("array");
    expect(LAYOUTS.length).to.equal(Reg.Slow);
  });

  it("the loop has a case for each of them", () => {
    const cases = new Set(Array.from(run.toString().matchAll(/case (\d+)/g), ([, reg]) => Number(reg)));
    const missing = LAYOUTS.flatMap((_, reg) => (cases.has(reg) ? [] : [reg]));
    expect(missing).to.deep.equal([]);
  });

  it("lowered code is a row of operations as long as their layouts say", () => {
    const module = compileSync(wat`(module
      (memory 1) (global $g (mut i64) (i64.const 5)) (table 1 funcref)
      (func $f (param i32 i32) (result i32) (local i64 f64)
        (local.set 2 (i64.add (i64.extend_i32_s (local.get 0)) (global.get $g)))
        (local.set 3 (f64.add (f64.mul (f64.convert_i32_s (local.get 0)) (local.get 3)) (local.get 3)))
        (loop $l
          (i32.store (i32.add (local.get 0) (i32.const 8)) (local.get 1))
          (i32.store (local.get 0) (i32.load offset=4 (i32.shl (local.get 1) (i32.const 2))))
          (local.set 0 (i32.add (local.get 0) (i32.const -1)))
          (br_if $l (local.get 0)))
        (block $a (block $b (br_table $a $b (local.get 1))))
        (select (local.get 0) (call $f (i32.const 1) (local.get 1)) (i64.lt_s (local.get 2) (i64.const 3)))))`);
    module.lower(0, false);
    const { start, end } = module.code.rangeAt(module.code.entries[0]!);
    const { words } = module.code;
    let at = start + 4;
    const found = new Set<number>();
    while (at < end) {
      const reg = words[at]!;
      expect(reg).to.be.below(Reg.Slow);
      found.add(reg);
      at += layoutWords(reg) + (reg === Reg.BrTable ? 3 * words[at + 2]! : 0);
    }
    expect(at).to.equal(end);
    for (const reg of [Reg.I32AddKBrIf, Reg.BrTable, Reg.F64MulAdd, Reg.I32StoreAddK, Reg.Call]) {
      expect(found.has(reg), `operation ${reg}`).to.equal(true);
    }
  });
});
