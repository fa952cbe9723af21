/** Functions with many values and labels: refused, not entered, or lowered in steps of bounded work. */

import { expect } from "chai";
import { compileSync, validate } from "../compiled-module.ts";
import { ModuleCode } from "../lower/code.ts";
import { Lowering } from "../lower/lower.ts";
import { Store } from "../runtime/store.ts";
import { runToEnd, wat } from "../testing.ts";

const TYPES = `(type $many (func (result ${"i32 ".repeat(1_000)})))
  (type $take (func (param ${"i32 ".repeat(1_000)})))
  (import "m" "many" (func $many (type $many))) (import "m" "take" (func $take (type $take)))`;

const HOST = {
  m: {
    many: { params: [], results: Array<string>(1_000).fill("i32"), call: () => Array<number>(1_000).fill(1) },
    take: { params: Array<string>(1_000).fill("i32"), results: [], call: () => undefined },
  },
};

/** Steps of at most `budget` that lowering a module's own function takes. */
function stepsOf(bytes: Uint8Array, budget: number): number {
  const module = compileSync(bytes);
  const { data } = module;
  const lowering = new Lowering(module, new ModuleCode(data.funcs.length + 1), data.importedFuncs, false);
  let steps = 1;
  while (!lowering.step(budget)) steps++;
  return steps;
}

describe("functions with many operands and labels", () => {
  it("that no frame has room for are not lowered", () => {
    const module = compileSync(wat`(module ${TYPES}
      (func $high (export "high") ${"call $many ".repeat(400)} unreachable)
      (func (export "calls it") call $high)
      (table funcref (elem $high))
      (func (export "calls it indirectly") (call_indirect (i32.const 0))))`);
    const store = new Store({ maxFrameSlots: 100_000 });
    const instance = store.instantiateSync(module, HOST);
    for (const name of ["high", "calls it", "calls it indirectly"]) {
      expect(runToEnd(instance.invoke(name)).trap, name).to.equal("call stack exhausted");
      expect(runToEnd(instance.invoke(name), { fuel: 1, exact: true }).trap, name).to.equal("call stack exhausted");
    }
    expect(module.code.length).to.be.below(2_000);
  });

  it("are invalid beyond the limit", () => {
    const error = validate(wat`(module ${TYPES} (func ${"call $many ".repeat(4_195)} unreachable))`);
    expect(error).to.include({ kind: "limit" });
    expect(error!.message).to.include("4194304 slots of operands");
    expect(validate(wat`(module ${TYPES} (func ${"call $many ".repeat(4_194)} unreachable))`)).to.equal(null);
  });

  it("are lowered in steps that count values and labels", () => {
    const calls = wat`(module ${TYPES} (func ${"call $many call $take ".repeat(100)}))`;
    expect(stepsOf(calls, 5_000)).to.be.within(40, 60);
    const labels = wat`(module (func ${`(block (br_table ${"0 ".repeat(1_000)} (i32.const 0)))`.repeat(100)}))`;
    // Each label is a branch, which is bound at the end of its block.
    expect(stepsOf(labels, 5_000)).to.be.within(38, 45);
    expect(stepsOf(labels, Number.POSITIVE_INFINITY)).to.equal(1);
  });
});
