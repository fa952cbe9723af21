import { expect } from "chai";
import { instanceOf, runToEnd, wat } from "../testing.ts";
import type { IntList } from "./int-list.ts";
import { PositionTables } from "./positions.ts";

function numbersOf(list: IntList): number[] {
  return Array.from({ length: list.length }, (_, i) => list.at(i));
}

const LARGE = wat`(module (func (export "f") (param i32) (result i32)
  ${"(local.set 0 (i32.add (local.get 0) (i32.div_s (i32.const 77) (i32.sub (local.get 0) (i32.const 6001)))))".repeat(6_000)}
  (local.get 0)))`;

describe("positions of a large function", () => {
  it("are kept when it is lowered, the same as those that are made later", () => {
    for (const exact of [false, true]) {
      const { module } = instanceOf(LARGE);
      module.lower(0, exact);
      const kept = module.positions.of(0, exact);
      expect(kept).to.equal(module.positions.of(0, exact));
      const made = new PositionTables(module).of(0, exact);
      const range = module.code.ranges.find(({ funcIndex }) => funcIndex === 0)!;
      for (let at = 0; at < range.end - range.start; at++) {
        if (kept.byteOffsetAt(at) !== made.byteOffsetAt(at) || kept.fuelAfter(at) !== made.fuelAfter(at)) {
          expect.fail(`at ${at}`);
        }
      }
      expect(numbersOf(kept.safePoints)).to.deep.equal(numbersOf(made.safePoints));
    }
  });

  it("say where and after how much fuel it trapped, in every mode", () => {
    const ends = [{}, { fuel: 500 }, { fuel: 7, exact: true }].map((options) => {
      const instance = instanceOf(LARGE);
      const invocation = instance.invoke("f", [6_001]);
      const { error, fuelUsed } = runToEnd(invocation, options);
      return [error!.message, error!.backtrace[0]!.position, fuelUsed];
    });
    expect(new Set(ends.map(String)).size).to.equal(1);
    expect(ends[0]![2]).to.equal(6);
  });
});
