import { expect } from "chai";
import { instanceOf, runToEnd, wat } from "../testing.ts";
import { Store } from "../runtime/store.ts";

const TYPES = `(type $unary (func (param i32) (result i32)))`;

describe("typed function references", () => {
  it("call_ref reaches own functions, those of other instances, and the host's", () => {
    const store = new Store();
    const other = instanceOf(
      wat`(module ${TYPES} (func (export "f") (type $unary) (i32.mul (local.get 0) (i32.const 3))))`,
      {},
      store,
    );
    const twice = store.hostFunc({ params: ["i32"], results: ["i32"], call: (_, n: number) => n * 2 });
    const instance = instanceOf(
      wat`(module ${TYPES}
        (import "" "other" (func $other (type $unary)))
        (import "" "host" (func $host (type $unary)))
        (elem declare func $own $other $host)
        (func $own (type $unary) (i32.add (local.get 0) (i32.const 1)))
        (func $apply (param i32 (ref null $unary)) (result i32) (call_ref $unary (local.get 0) (local.get 1)))
        (func (export "all") (param i32) (result i32 i32 i32)
          (call $apply (local.get 0) (ref.func $own))
          (call $apply (local.get 0) (ref.func $other))
          (call $apply (local.get 0) (ref.func $host)))
        (func (export "tail") (param i32) (result i32) (return_call_ref $unary (local.get 0) (ref.func $other)))
        (func (export "null") (result i32) (call_ref $unary (i32.const 1) (ref.null $unary))))`,
      { "": { other: other.exportedFunc("f"), host: twice } },
      store,
    );
    expect(instance.callSync("all", [7])).to.deep.equal([8, 21, 14]);
    expect(instance.callSync("tail", [7])).to.deep.equal([21]);
    expect(() => instance.callSync("null")).to.throw("null function reference");
  });

  it("return_call_ref does not deepen the stack, and costs the same whatever the turns", () => {
    const bytes = wat`(module
      (type $f (func (param i32) (result i32)))
      (elem declare func $down)
      (func $down (export "down") (type $f)
        (if (result i32) (local.get 0)
          (then (return_call_ref $f (i32.sub (local.get 0) (i32.const 1)) (ref.func $down)))
          (else (i32.const 42)))))`;
    const run = (fuel: number, exact: boolean) => {
      const instance = instanceOf(bytes, {}, new Store({ maxFrameSlots: 256 }));
      const { values, fuelUsed } = runToEnd(instance.invoke("down", [10_000]), { fuel, exact });
      return { values, fuelUsed };
    };
    const expected = run(1_000_000, false);
    expect(expected.values).to.deep.equal([42]);
    expect(run(1_000, false)).to.deep.equal(expected);
    expect(run(3, true)).to.deep.equal(expected);
  });

  it("branches on null carry the label's values", () => {
    const instance = instanceOf(wat`(module
      (type $f (func (result i32)))
      (elem declare func $g)
      (func $g (type $f) (i32.const 5))
      (func $pick (param i32) (result (ref null $f))
        (select (result (ref null $f)) (ref.func $g) (ref.null $f) (local.get 0)))
      (func (export "null") (param i32) (result i32)
        (block $null (result i32)
          (br_on_null $null (i32.const 1) (call $pick (local.get 0)))
          (call_ref $f) (i32.add)))
      (func (export "other") (param i32) (result i32)
        (block $some (result i32 (ref $f))
          (br_on_non_null $some (i32.const 10) (call $pick (local.get 0)))
          (return))
        (call_ref $f) (i32.add))
      (func (export "return") (param i32) (result i32)
        (i32.add (call_ref $f (br_on_null 0 (i32.const 1) (call $pick (local.get 0))))))
      (func (export "assert") (param i32) (result i32)
        (call_ref $f (ref.as_non_null (call $pick (local.get 0))))))`);
    const results = (name: string) => [instance.callSync(name, [0])[0], instance.callSync(name, [1])[0]];
    expect(results("null")).to.deep.equal([1, 6]);
    expect(results("other")).to.deep.equal([10, 15]);
    expect(results("return")).to.deep.equal([1, 6]);
    expect(instance.callSync("assert", [1])).to.deep.equal([5]);
    expect(() => instance.callSync("assert", [0])).to.throw("null reference");
  });
});
