import { expect } from "chai";
import { Trap } from "../errors.ts";
import { instanceOf, wat } from "../testing.ts";
import type { Instance } from "./instance.ts";
import { Store } from "./store.ts";

const COUNT = 80;
const SEGMENTS = Array.from({ length: COUNT }, (_, i) => i);
const each = (text: (i: number) => string): string => SEGMENTS.map(text).join(" ");

const MODULE = wat`(module (memory (export "memory") 1) (table $t (export "table") 1 funcref) (func $f)
  ${each((i) => `(data "${String.fromCharCode(65 + (i % 26))}")`)}
  ${each((i) => (i % 2 === 0 ? "(elem func $f)" : "(elem funcref (ref.func $f) (ref.null func))"))}
  ${each(
    (i) => `(func (export "data${i}") (memory.init ${i} (i32.const 0) (i32.const 0) (i32.const 1)))
    (func (export "drop data${i}") (data.drop ${i}))
    (func (export "elem${i}") (table.init $t ${i} (i32.const 0) (i32.const 0) (i32.const 1)))
    (func (export "drop elem${i}") (elem.drop ${i}))`,
  )})`;

/** The segments that can still be copied. */
function alive(instance: Instance, kind: "data" | "elem"): number[] {
  return SEGMENTS.filter((i) => {
    try {
      instance.callSync(`${kind}${i}`);
      return true;
    } catch (error) {
      if (error instanceof Trap) return false;
      throw error;
    }
  });
}

describe("segments of an instance", () => {
  it("are dropped one by one, in one instance, the first ones and those after them", () => {
    const store = new Store();
    const [one, other] = [instanceOf(MODULE, {}, store), instanceOf(MODULE, {}, store)];
    const dropped = [0, 1, 30, 31, 32, 63, 64, 79];
    for (const kind of ["data", "elem"] as const) {
      for (const i of dropped) {
        one.callSync(`drop ${kind}${i}`);
        one.callSync(`drop ${kind}${i}`);
      }
      expect(alive(one, kind), kind).to.deep.equal(SEGMENTS.filter((i) => !dropped.includes(i)));
      expect(alive(other, kind), kind).to.deep.equal(SEGMENTS);
    }
  });

  it("take nothing in an instance before something of them is set or dropped", () => {
    const { segments } = instanceOf(wat`(module (func $f) ${each(() => "(elem func $f)")} (elem externref))`, {});
    expect(SEGMENTS.map((i) => segments.itemsOf(i))).to.deep.equal(SEGMENTS.map(() => null));
    const set = instanceOf(MODULE, {}).segments;
    expect(set.itemsOf(3)).to.have.length(2);
    expect(set.itemsOf(3)![0]).to.be.greaterThan(0);
    expect(set.itemsOf(3)![1]).to.equal(0);
    set.dropElement(3);
    expect(set.itemsOf(3)).to.equal(null);
    expect([set.elementCount(3), set.elementCount(5)]).to.deep.equal([0, 2]);
  });
});
