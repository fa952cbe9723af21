import { expect } from "chai";
import { compileSync } from "../compiled-module.ts";
import { SuspendError } from "../errors.ts";
import type { Instance } from "../runtime/instance.ts";
import type { Memory } from "../runtime/memory.ts";
import { Store } from "../runtime/store.ts";
import { instanceOf, wat } from "../testing.ts";
import type { Invocation } from "./invocation.ts";
import type { Outcome, TurnOptions } from "./outcome.ts";

const MEMORY = wat`(module (memory (export "m") 1 100 shared))`;
const THREAD = wat`(module
  (memory $m (import "" "m") 1 100 shared)
  (func (export "wait") (param i32 i32 i64) (result i32)
    (memory.atomic.wait32 offset=16 (local.get 0) (local.get 1) (local.get 2)))
  (func (export "wait64") (param i32 i64 i64) (result i32)
    (memory.atomic.wait64 offset=16 (local.get 0) (local.get 1) (local.get 2)))
  (func (export "notify") (param i32 i32) (result i32)
    (memory.atomic.notify offset=16 (local.get 0) (local.get 1)))
  (func (export "sum") (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (i32.add (local.get 1) (memory.atomic.wait32 (i32.const 16) (i32.const 0) (i64.const -1))))
      (local.set 1 (i32.add (local.get 1) (i32.const 10)))
      (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "size") (result i32) (memory.size))
  (func (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0))))`;

/** Two instances in one store, and one in another, over one memory. */
function threads(): { memory: Memory; instances: [Instance, Instance, Instance] } {
  const store = new Store();
  const memory = instanceOf(MEMORY, {}, store).export("m") as Memory;
  const instance = (of: Store) => instanceOf(THREAD, { "": { m: memory } }, of);
  return { memory, instances: [instance(store), instance(store), instance(new Store())] };
}

function turn(invocation: Invocation, options: TurnOptions = {}): Outcome {
  for (;;) {
    const outcome = invocation.run(options);
    if (outcome.kind !== "yielded") return outcome;
  }
}

function waitOf(invocation: Invocation, options: TurnOptions = {}) {
  const outcome = turn(invocation, options);
  if (outcome.kind !== "waiting" || outcome.reason !== "atomicWait") throw new Error(`got ${outcome.kind}`);
  return outcome.wait;
}

const valuesOf = (invocation: Invocation) => {
  const outcome = turn(invocation);
  return outcome.kind === "returned" ? outcome.values : outcome.kind;
};

describe("atomic wait and notify", () => {
  it("a wait suspends its invocation alone, until it is woken", () => {
    const { instances } = threads();
    for (const waiting of instances) {
      const invocation = waiting.invoke("wait", [8, 0, -1n]);
      expect(waitOf(invocation)).to.include({ address: 24, timeoutNs: null });
      expect(waitOf(invocation).address).to.equal(24);
      for (const other of instances) expect(other.callSync("notify", [0, 1])).to.deep.equal([0]);
      expect(valuesOf(invocation)).to.equal("waiting");
      expect(instances[1].callSync("notify", [8, 1])).to.deep.equal([1]);
      expect(valuesOf(invocation)).to.deep.equal([0]);
    }
  });

  it("wakes come in the order of the waits, and are counted", () => {
    const { instances } = threads();
    const [a, b, c] = instances.map((instance) => instance.invoke("wait64", [0, 0n, -1n])) as [
      Invocation,
      Invocation,
      Invocation,
    ];
    for (const invocation of [c, a, b]) waitOf(invocation);
    expect(instances[0].callSync("notify", [0, 0])).to.deep.equal([0]);
    const waking = instances[0].invoke("notify", [0, 2]);
    expect(valuesOf(waking)).to.deep.equal([2]);
    expect([a, b, c].map(valuesOf)).to.deep.equal([[0], "waiting", [0]]);
    expect(instances[0].callSync("notify", [0, -1])).to.deep.equal([1]);
    expect(valuesOf(b)).to.deep.equal([0]);
    const nobody = instances[0].invoke("notify", [0, -1]);
    expect(valuesOf(nobody)).to.deep.equal([0]);
    expect(waking.fuelUsed - nobody.fuelUsed).to.equal(2);
  });

  it("another value than expected is no reason to wait, nor is a timeout of 0", () => {
    const { instances } = threads();
    expect(instances[0].callSync("wait", [0, 1, -1n])).to.deep.equal([1]);
    expect(instances[0].callSync("wait64", [0, 1n << 32n, -1n])).to.deep.equal([1]);
    expect(instances[0].callSync("wait", [0, 0, 0n])).to.deep.equal([2]);
  });

  it("a timeout is the embedder's: it ends that wait, once", () => {
    const { instances } = threads();
    const invocation = instances[0].invoke("wait", [0, 0, 5_000_000_000n]);
    const wait = waitOf(invocation);
    expect(wait.timeoutNs).to.equal(5_000_000_000n);
    wait.timeOut();
    expect(instances[1].callSync("notify", [0, 1])).to.deep.equal([0]);
    expect(valuesOf(invocation)).to.deep.equal([2]);
    const woken = instances[0].invoke("wait", [0, 0, 1n]);
    const late = waitOf(woken);
    instances[1].callSync("notify", [0, 1]);
    late.timeOut();
    expect(valuesOf(woken)).to.deep.equal([0]);
  });

  it("who was ended is not woken", () => {
    const { instances } = threads();
    const [first, second] = [0, 1].map(() => instances[0].invoke("wait", [0, 0, -1n])) as [Invocation, Invocation];
    waitOf(first);
    waitOf(second);
    first.terminate(new Error("enough"));
    expect(instances[1].callSync("notify", [0, 1])).to.deep.equal([1]);
    expect(valuesOf(second)).to.deep.equal([0]);
    expect(() => first.run()).to.throw("enough");
  });

  it("costs the same fuel in every slice, and may go on in the other kind of code", () => {
    const kinds: ((turnNumber: number) => TurnOptions)[] = [
      () => ({}),
      () => ({ fuel: 5 }),
      () => ({ fuel: 1, exact: true }),
      () => ({ fuel: 2, exact: true }),
      (n) => ({ fuel: 3, exact: n % 2 === 0 }),
      (n) => ({ fuel: 3, exact: n % 2 === 1 }),
    ];
    const results = kinds.map((options) => {
      const { instances } = threads();
      const invocation = instances[0].invoke("sum", [4]);
      let waits = 0;
      for (let n = 0; ; n++) {
        const outcome = invocation.run(options(n));
        if (outcome.kind === "returned") return { values: outcome.values, fuel: outcome.fuelUsed, waits };
        if (outcome.kind !== "waiting" || outcome.reason !== "atomicWait") continue;
        waits++;
        if (waits % 2 === 0) outcome.wait.timeOut();
        else instances[2].callSync("notify", [0, 1]);
      }
    });
    expect(results[0]).to.deep.include({ values: [44], waits: 4 });
    for (const result of results) expect(result).to.deep.equal(results[0]);
  });

  it("keeps what the waiting frames refer to while others collect", () => {
    const store = new Store();
    const instance = instanceOf(
      wat`(module
        (memory 1 1 shared)
        (type $point (struct (field i32)))
        (type $block (array i64))
        (func (export "wait") (param externref) (result i32 externref) (local (ref null $point) i32)
          (local.set 1 (struct.new $point (i32.const 42)))
          (struct.new $point (i32.const 5))
          (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))
          (local.set 2)
          (struct.get $point 0)
          (i32.add (struct.get $point 0 (local.get 1)))
          (local.get 0))
        (func (export "allocate") (param i32)
          (loop $again
            (drop (array.new_default $block (i32.const 1000)))
            (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
        (func (export "notify") (result i32) (memory.atomic.notify (i32.const 0) (i32.const 9))))`,
      {},
      store,
    );
    const held = { name: "held" };
    for (const options of [{}, { fuel: 2, exact: true }]) {
      const waiting = instance.invoke("wait", [held]);
      waitOf(waiting, options);
      instance.callSync("allocate", [1_000]);
      expect(instance.callSync("notify")).to.deep.equal([1]);
      expect(valuesOf(waiting)).to.deep.equal([47, held]);
    }
  });

  it("calls by promises wait beside each other, with timers for timeouts", async () => {
    const { instances } = threads();
    const waiting = instances[0].call("wait", [0, 0, -1n]);
    const timed = instances[1].call("wait", [4, 0, 2_000_000n]);
    const aborted = instances[1].call("wait", [0, 0, -1n], { signal: AbortSignal.timeout(5) });
    expect(await instances[2].call("notify", [0, 1])).to.deep.equal([1]);
    expect(await waiting).to.deep.equal([0]);
    expect(await timed).to.deep.equal([2]);
    expect(await aborted.catch(({ name }: Error) => name)).to.equal("TimeoutError");
  });

  it("a synchronous call cannot wait", () => {
    const { instances } = threads();
    expect(() => instances[0].callSync("wait", [0, 0, -1n])).to.throw(SuspendError, "atomic wait");
    expect(instances[0].callSync("notify", [0, 1])).to.deep.equal([0]);
  });
});

describe("a memory shared by stores", () => {
  it("shows what each writes and how each grows it", () => {
    const { memory, instances } = threads();
    instances.forEach((instance, i) => {
      instance.callSync("store", [4 * i, i + 1]);
    });
    for (const instance of instances) {
      expect([0, 4, 8].flatMap((at) => instance.callSync("load", [at]))).to.deep.equal([1, 2, 3]);
    }
    expect(instances[2].callSync("grow", [2])).to.deep.equal([1]);
    expect(instances[0].callSync("size")).to.deep.equal([3]);
    instances[0].callSync("store", [3 * 65536 - 4, 7]);
    expect(memory.readU32(3 * 65536 - 4)).to.equal(7);
    expect(instances[1].callSync("grow", [98])).to.deep.equal([-1]);
  });

  it("growth that is paused in one store is finished before another one runs", () => {
    const { instances } = threads();
    instances[0].callSync("grow", [40]);
    const growing = instances[2].invoke("grow", [50]);
    for (let outcome = growing.run({ fuel: 500 }); outcome.kind !== "returned"; outcome = growing.run({ fuel: 500 })) {
      instances[0].callSync("store", [40 * 65536, outcome.fuelUsed]);
      expect(instances[1].callSync("load", [40 * 65536])).to.deep.equal([outcome.fuelUsed]);
    }
    expect(instances[0].callSync("size")).to.deep.equal([91]);
    expect(instances[2].callSync("load", [40 * 65536])).to.not.deep.equal([0]);
  });

  it("stays until the last store is disposed of", () => {
    const { memory, instances } = threads();
    instances[0].callSync("store", [0, 5]);
    memory.store.dispose();
    expect(instances[2].callSync("load", [0])).to.deep.equal([5]);
    instances[2].store.dispose();
    expect(() => instances[2].callSync("load", [0])).to.throw("out of bounds memory access");
  });

  it("a memory that is not shared belongs to its store", () => {
    const memory = instanceOf(wat`(module (memory (export "m") 1))`).export("m") as Memory;
    const module = compileSync(wat`(module (memory (import "" "m") 1))`);
    expect(() => new Store().instantiateSync(module, { "": { m: memory } })).to.throw(TypeError, "another store");
  });
});
