import { expect } from "chai";
import { compileSync } from "../compiled-module.ts";
import { Termination } from "../errors.ts";
import type { TurnOptions } from "../execute/outcome.ts";
import { instanceOf, runToEnd, wat } from "../testing.ts";
import { allocateGlobal } from "./allocate.ts";
import { HeapObject } from "./heap-object.ts";
import type { Instance } from "./instance.ts";
import { LimitAccountant } from "./resources.ts";
import { Store } from "./store.ts";
import type { Table } from "./table.ts";

const MIB = 1 << 20;

/** Lists and trees of structures, arrays of them, and garbage. */
const GUEST = compileSync(wat`(module
  (type $node (struct (field $value i32) (field $next (mut (ref null $node)))))
  (type $tree (struct (field $left (ref null $tree)) (field $right (ref null $tree)) (field i64)))
  (type $array (array (mut (ref null $node))))
  (type $bytes (array (mut i8)))
  (global $kept (mut (ref null $node)) (ref.null $node))
  (table $table 4 anyref)

  (func $list (export "list") (param $count i32) (result (ref null $node)) (local $list (ref null $node))
    (loop $more
      (local.set $list (struct.new $node (local.get $count) (local.get $list)))
      (br_if $more (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (local.get $list))
  (func $sum (export "sum") (param $list (ref null $node)) (result i32) (local $sum i32)
    (block $end
      (loop $more
        (br_on_null $end (local.get $list)) (drop)
        (local.set $sum (i32.add (local.get $sum) (struct.get $node $value (local.get $list))))
        (local.set $list (struct.get $node $next (local.get $list)))
        (br $more)))
    (local.get $sum))
  (func $garbage (export "garbage") (param $count i32)
    (loop $more
      (drop (struct.new $node (local.get $count) (ref.null $node)))
      (br_if $more (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))

  (func (export "survives") (param $live i32) (param $garbage i32) (result i32)
    (global.set $kept (call $list (local.get $live)))
    (call $garbage (local.get $garbage))
    (call $sum (global.get $kept)))
  (func (export "in frames") (param $live i32) (param $garbage i32) (result i32)
    ;; operands, locals, and the frames of callers
    (i32.add (call $sum (call $list (local.get $live)))
      (call $keep (call $list (local.get $live)) (local.get $garbage))))
  (func $keep (param $list (ref null $node)) (param $garbage i32) (result i32)
    (call $second (local.get $list) (call $garbaged (local.get $garbage) (call $list (i32.const 3)))))
  (func $garbaged (param $count i32) (param $list (ref null $node)) (result i32)
    (call $garbage (local.get $count))
    (call $sum (local.get $list)))
  (func $second (param $list (ref null $node)) (param i32) (result i32)
    (i32.add (call $sum (local.get $list)) (local.get 1)))
  (func $build (param $depth i32) (result (ref null $tree))
    (if (result (ref null $tree)) (local.get $depth)
      (then (struct.new $tree
        (call $build (i32.sub (local.get $depth) (i32.const 1)))
        (call $build (i32.sub (local.get $depth) (i32.const 1)))
        (i64.extend_i32_u (local.get $depth))))
      (else (ref.null $tree))))
  (func $count (param $tree (ref null $tree)) (result i32)
    (if (result i32) (ref.is_null (local.get $tree))
      (then (i32.const 0))
      (else (i32.add (i32.const 1) (i32.add
        (call $count (struct.get $tree $left (local.get $tree)))
        (call $count (struct.get $tree $right (local.get $tree))))))))
  (func (export "trees") (param $depth i32) (param $rounds i32) (result i32) (local $kept (ref null $tree))
    (local.set $kept (call $build (local.get $depth)))
    (loop $more
      (drop (call $build (local.get $depth)))
      (br_if $more (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
    (call $count (local.get $kept)))
  (func (export "large") (param $length i32) (param $rounds i32) (result i32)
    (local $kept (ref null $array)) (local $i i32)
    (local.set $kept (array.new $array (call $list (i32.const 3)) (local.get $length)))
    (array.set $array (local.get $kept) (i32.sub (local.get $length) (i32.const 1)) (call $list (i32.const 5)))
    (loop $more
      (drop (array.new_default $array (local.get $length)))
      (drop (array.new $bytes (i32.const 7) (local.get $length)))
      (br_if $more (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
    (i32.add (call $sum (array.get $array (local.get $kept) (i32.const 0)))
      (call $sum (array.get $array (local.get $kept) (i32.sub (local.get $length) (i32.const 1))))))
  (func (export "cycle") (param $garbage i32) (result i32) (local $a (ref null $node))
    (local.set $a (struct.new $node (i32.const 1) (ref.null $node)))
    (struct.set $node $next (local.get $a) (struct.new $node (i32.const 2) (local.get $a)))
    (table.set $table (i32.const 3) (local.get $a))
    (local.set $a (ref.null $node))
    (call $garbage (local.get $garbage))
    (ref.eq
      (ref.cast (ref eq) (table.get $table (i32.const 3)))
      (struct.get $node $next (struct.get $node $next
        (ref.cast (ref $node) (table.get $table (i32.const 3)))))))
  (func (export "bomb") (local $list (ref null $node))
    (loop $more (local.set $list (struct.new $node (i32.const 1) (local.get $list))) (br $more)))
  (func (export "array bomb") (param $length i32) (result i32)
    (array.len (array.new_default $bytes (local.get $length)))))`);

function guest(limitBytes = Number.POSITIVE_INFINITY): Instance {
  const store = new Store({ accountant: new LimitAccountant(limitBytes) });
  return store.instantiateSync(GUEST);
}

describe("the heap", () => {
  const MODES: readonly TurnOptions[] = [
    {},
    { fuel: 1_000 },
    { fuel: 77 },
    { fuel: 1_000, exact: true },
    { fuel: 7, exact: true },
  ];
  for (const [name, args, expected] of [
    ["survives", [1_000, 50_000], 500_500],
    ["in frames", [100, 40_000], 5_050 * 2 + 6],
    ["trees", [9, 40], 511],
    ["large", [40_000, 20], 6 + 15],
    ["cycle", [50_000], 1],
  ] as const) {
    it(`keeps what is referred to and collects the rest at the same moments in all modes: ${name}`, () => {
      const ends = MODES.map((mode) => {
        const instance = guest();
        const end = runToEnd(instance.invoke(name, args), mode);
        const { heap } = instance.store;
        return [end.values, end.fuelUsed, heap.collectionCount, heap.liveBytes, heap.newBytes];
      });
      expect(ends[0]![0]).to.deep.equal([expected]);
      expect(ends[0]![2], "collections").to.be.above(0);
      for (const end of ends) expect(end).to.deep.equal(ends[0]);
    });
  }

  it("a live set of 8 MiB survives a million allocations under 32 MiB", function () {
    this.timeout(60_000);
    const count = (8 * MIB) / 16;
    const instance = guest(32 * MIB);
    expect(instance.callSync("survives", [count, 1_000_000])).to.deep.equal([((count * (count + 1)) / 2) | 0]);
    expect(instance.store.heap.collectionCount).to.be.within(2, 20);
  });

  it("counts every object, and gives back what it collects", () => {
    const accountant = new LimitAccountant(64 * MIB);
    const store = new Store({ accountant });
    const instance = store.instantiateSync(GUEST);
    const before = accountant.usedBytes;
    instance.callSync("survives", [50_000, 1]);
    expect(accountant.usedBytes - before).to.be.within(50_000 * 16, 50_000 * 16 + 16_384);
    instance.callSync("survives", [1, 200_000]);
    expect(accountant.usedBytes - before).to.be.below(MIB);
  });

  it("an allocation bomb ends by its limit, after a collection", () => {
    const instance = guest(16 * MIB);
    const end = runToEnd(instance.invoke("bomb"), { fuel: 100_000 });
    expect(end.error).to.be.instanceOf(Termination);
    expect(end.trap).to.match(/^memory limit/);
    expect(end.error!.backtrace).to.have.length(1);
    // Nothing of it is left for others to fall over.
    expect(instance.callSync("survives", [10, 100_000])).to.deep.equal([55]);
  });

  it("arrays larger than the limit, or than any heap, are refused before anything is allocated", () => {
    for (const limit of [16 * MIB, Number.POSITIVE_INFINITY]) {
      const bytes = process.memoryUsage().arrayBuffers;
      const end = runToEnd(guest(limit).invoke("array bomb", [-1]), { fuel: 1_000 });
      if (limit === 16 * MIB) expect(end.trap).to.match(/^memory limit/);
      expect(process.memoryUsage().arrayBuffers - bytes).to.be.below(5_000 * MIB);
    }
  });

  it("a collection is done in steps, which cost no fuel", () => {
    const instance = guest();
    const count = 300_000;
    const invocation = instance.invoke("survives", [count, 1_000_000]);
    let preparing = 0;
    for (;;) {
      const outcome = invocation.run({ fuel: 10_000 });
      if (outcome.kind === "returned") break;
      if (outcome.kind === "yielded" && outcome.reason === "preparing") preparing++;
    }
    expect(preparing).to.be.above(10);
    const { fuelUsed } = runToEnd(guest().invoke("survives", [count, 1_000_000]));
    expect(invocation.fuelUsed).to.equal(fuelUsed);
  });

  it("a collection that waits is finished before others of the store run or look", () => {
    const instance = guest();
    const first = instance.invoke("survives", [200_000, 400_000]);
    let checked = 0;
    for (;;) {
      const outcome = first.run({ fuel: 50_000 });
      if (outcome.kind === "returned") {
        expect(outcome.values).to.deep.equal([((200_000 * 200_001) / 2) | 0]);
        break;
      }
      if (!instance.store.isCollecting) continue;
      expect(instance.callSync("in frames", [10, 10])).to.deep.equal([55 + 55 + 6]);
      expect(instance.store.isCollecting).to.equal(false);
      checked++;
    }
    expect(checked).to.be.above(0);
  });

  it("several paused invocations of a store keep what is theirs", () => {
    const instance = guest();
    const runs = Array.from({ length: 20 }, (_, i) => instance.invoke("in frames", [50 + i, 3_000 + 100 * i]));
    const open = new Set(runs.keys());
    while (open.size > 0) {
      for (const i of open) {
        const outcome = runs[i]!.run({ fuel: 500 + i, exact: i % 3 === 0 });
        if (outcome.kind !== "returned") continue;
        const sum = ((50 + i) * (51 + i)) / 2;
        expect(outcome.values).to.deep.equal([sum * 2 + 6]);
        open.delete(i);
      }
    }
    expect(instance.store.heap.collectionCount).to.be.above(2);
    expect(instance.store.invocations.length).to.equal(0);
  });
});

describe("heap objects in JavaScript", () => {
  it("are opaque, one for each, and go back to their guest", () => {
    const instance = guest();
    const [list] = instance.callSync("list", [4]);
    expect(list).to.be.instanceOf(HeapObject);
    expect(instance.callSync("sum", [list])).to.deep.equal([10]);
    expect(() => guest().callSync("sum", [list])).to.throw(TypeError, "another store");
    expect(() => instance.callSync("sum", [5])).to.throw(TypeError, "expected a value of type");
  });

  it("are alive while they are retained, and say when they are gone", () => {
    const instance = guest();
    const kept = (instance.callSync("list", [4])[0] as HeapObject).retain();
    const lost = instance.callSync("list", [4])[0] as HeapObject;
    instance.callSync("garbage", [100_000]);
    expect(instance.callSync("sum", [kept])).to.deep.equal([10]);
    expect(lost.isCollected).to.equal(true);
    expect(() => instance.callSync("sum", [lost])).to.throw(TypeError, "was collected");
    kept.release();
    instance.callSync("garbage", [100_000]);
    expect(kept.isCollected).to.equal(true);
  });

  it("that are arguments of a host function live until it has returned", async () => {
    const store = new Store();
    const seen: HeapObject[] = [];
    let guestOf: Instance | null = null;
    const instance = instanceOf(
      wat`(module
        (type $box (struct (field i32)))
        (import "" "look" (func $look (param anyref) (result anyref)))
        (import "" "later" (func $later (param anyref) (result anyref)))
        (func (export "get") (param anyref) (result i32) (struct.get $box 0 (ref.cast (ref $box) (local.get 0))))
        (func (export "garbage") (param i32)
          (loop (drop (struct.new $box (i32.const 1)))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
        (func (export "run") (result i32)
          (struct.get $box 0 (ref.cast (ref $box)
            (call $later (call $look (struct.new $box (i32.const 7))))))))`,
      {
        "": {
          look: {
            params: ["anyref"],
            results: ["anyref"],
            call: (_, object: HeapObject) => {
              seen.push(object);
              guestOf!.callSync("garbage", [100_000]);
              return object;
            },
          },
          later: {
            kind: "async",
            params: ["anyref"],
            results: ["anyref"],
            call: async (_, object: HeapObject) => {
              await null;
              guestOf!.callSync("garbage", [100_000]);
              return object;
            },
          },
        },
      },
      store,
    );
    guestOf = instance;
    expect(await instance.call("run")).to.deep.equal([7]);
    expect(seen[0]!.isCollected, "while it is still an argument").to.equal(false);
    instance.callSync("garbage", [100_000]);
    expect(seen[0]!.isCollected).to.equal(true);
  });

  it("i31 are numbers, and other values of the host pass through any and extern", () => {
    const instance = instanceOf(wat`(module
      (func (export "any") (param externref) (result anyref) (any.convert_extern (local.get 0)))
      (func (export "extern") (param anyref) (result externref) (extern.convert_any (local.get 0)))
      (func (export "is i31") (param anyref) (result i32) (ref.test (ref i31) (local.get 0))))`);
    const object = {};
    for (const value of [object, "text", 5, -1, 1.5, 2 ** 40, -0, 7n, true, null]) {
      for (const name of ["any", "extern"]) expect(instance.callSync(name, [value])[0]).to.equal(value);
      const fits =
        typeof value === "number" && Number.isInteger(value) && Math.abs(value) < 1000 && !Object.is(value, -0);
      expect(instance.callSync("is i31", [value])).to.deep.equal([fits ? 1 : 0]);
    }
  });

  it("values of the host that no guest refers to are forgotten", () => {
    const store = new Store();
    const instance = instanceOf(
      wat`(module
        (import "" "next" (func $next (result externref)))
        (global $kept (mut externref) (ref.null extern))
        (func (export "keep") (global.set $kept (call $next)))
        (func (export "kept") (result externref) (global.get $kept))
        (func (export "run") (param i32)
          (loop (drop (call $next)) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))`,
      { "": { next: { params: [], results: ["externref"], call: () => ({}) } } },
      store,
    );
    instance.callSync("keep");
    const [kept] = instance.callSync("kept");
    instance.callSync("run", [20_000]);
    expect(store.heap.externs.size).to.be.below(5_000);
    expect(instance.callSync("kept")[0]).to.equal(kept);
  });
});

describe("the heap's roots outside of instances", () => {
  const CHURN = `(func (export "churn") (local i32)
    (loop
      (drop (array.new_default $bytes (i32.const 1000)))
      (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 5000)))))`;

  it("are globals of the embedder", () => {
    const store = new Store();
    const object = allocateGlobal(store, { type: "anyref", mutable: true }, null);
    const value = allocateGlobal(store, { type: "externref" }, "kept");
    const imports = { m: { object, value } };
    const instance = store.instantiateSync(
      compileSync(wat`(module
        (type $node (struct (field i32))) (type $bytes (array (mut i32)))
        (import "m" "object" (global $object (mut anyref)))
        (func (export "set") (global.set $object (struct.new $node (i32.const 77))))
        (func (export "get") (result i32) (struct.get $node 0 (ref.cast (ref $node) (global.get $object))))
        ${CHURN})`),
      imports,
    );
    instance.callSync("set");
    instance.callSync("churn");
    expect(store.heap.collectionCount).to.be.above(0);
    expect([instance.callSync("get"), value.value]).to.deep.equal([[77], "kept"]);
  });

  it("are globals of the embedder after a restore", () => {
    const store = new Store();
    const object = allocateGlobal(store, { type: "anyref", mutable: true }, null);
    const module = compileSync(wat`(module
      (type $node (struct (field i32))) (type $bytes (array (mut i32)))
      (import "m" "object" (global $object (mut anyref)))
      (func (export "set") (global.set $object (struct.new $node (i32.const 77))))
      (func (export "get") (result i32) (struct.get $node 0 (ref.cast (ref $node) (global.get $object))))
      ${CHURN})`);
    store.instantiateSync(module, { m: { object } }).callSync("set");
    const restored = Store.restore(store.snapshot(), { modules: [module] });
    const instance = restored.instances[0]!;
    instance.callSync("churn");
    expect(restored.store.heap.collectionCount).to.be.above(0);
    expect(instance.callSync("get")).to.deep.equal([77]);
  });

  it("are tables that the embedder grows while a collection is paused", () => {
    const store = new Store();
    const instance = store.instantiateSync(
      compileSync(wat`(module
        (type $node (struct (field i32))) (type $bytes (array (mut i32)))
        (table $table (export "table") 300000 (ref null $node))
        (func (export "set") (table.set $table (i32.const 299999) (struct.new $node (i32.const 77))))
        (func (export "get") (result i32) (struct.get $node 0 (table.get $table (i32.const 299999))))
        ${CHURN})`),
    );
    instance.callSync("set");
    const churn = instance.invoke("churn");
    let outcome = churn.run();
    while (outcome.kind === "yielded" && !store.isCollecting) outcome = churn.run();
    expect(store.isCollecting).to.equal(true);
    (instance.export("table") as Table).grow(1_000_000, null);
    runToEnd(churn);
    expect(instance.callSync("get")).to.deep.equal([77]);
  });
});

describe("array.new_elem", () => {
  it("of no elements takes a dropped segment", () => {
    const instance = instanceOf(wat`(module
      (type $array (array (ref null i31)))
      (elem $elements (ref null i31) (item (ref.i31 (i32.const 1))))
      (func (export "f") (result i32)
        (elem.drop $elements)
        (array.len (array.new_elem $array $elements (i32.const 0) (i32.const 0)))))`);
    expect(instance.callSync("f")).to.deep.equal([0]);
  });
});
