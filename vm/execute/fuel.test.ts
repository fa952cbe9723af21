/** Fuel and pauses of slices and of exact runs: totals, places, limits, and that nothing else depends on them. */

import { expect } from "chai";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { compileSync } from "../compiled-module.ts";
import { Engine } from "../engine.ts";
import { FuelExhausted, Termination } from "../errors.ts";
import { MAX_TURN_FUEL } from "../limits.ts";
import type { Instance } from "../runtime/instance.ts";
import { Store } from "../runtime/store.ts";
import { instanceOf, randomWords, runToEnd, wat, type End } from "../testing.ts";
import type { Invocation } from "./invocation.ts";
import type { TurnOptions } from "./outcome.ts";

const GUESTS = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..", "guests", "wasm");

const SHORT = 20_000;

function mixed(seed: number, most: number): () => TurnOptions {
  const next = randomWords(seed);
  return () => ({ fuel: 1 + (next() % most), exact: next() % 2 === 0 });
}

function told({ values, trap, fuelUsed }: End): unknown {
  return { values, trap, fuelUsed };
}

/** `fuelUsed` at each pause, and at the end. */
function pauses(invocation: Invocation, options: TurnOptions): number[] {
  const places: number[] = [];
  for (;;) {
    const outcome = invocation.run(options);
    places.push(outcome.fuelUsed);
    if (outcome.kind === "returned") return places;
    expect(outcome.kind).to.equal("yielded");
  }
}

const FACTORIAL = wat`(module (func $f (export "f") (param i64) (result i64)
  (if (result i64) (i64.eqz (local.get 0))
    (then (i64.const 1))
    (else (i64.mul (local.get 0) (call $f (i64.sub (local.get 0) (i64.const 1))))))))`;

describe("fuel", () => {
  for (const file of readdirSync(GUESTS).filter((name) => name.endsWith(".wasm"))) {
    it(`of ${file} and its result are the same in all slices`, function () {
      this.timeout(60_000);
      const module = compileSync(readFileSync(join(GUESTS, file)));
      const end = (options: TurnOptions | (() => TurnOptions)): End =>
        runToEnd(new Store().instantiateSync(module).invoke("run", [1]), options);
      const whole = end({});
      expect(whole.values).to.have.length(1);
      const cut: (readonly [string, TurnOptions | (() => TurnOptions)])[] = [
        ["slices of 100,000", { fuel: 100_000 }],
        ["slices of 1,000", { fuel: 1_000 }],
        ["exact, 9,973 at a time", { fuel: 9_973, exact: true }],
        ["exact and slices", mixed(7, 40_000)],
      ];
      if (whole.fuelUsed <= SHORT) {
        cut.push(["slices of 1", { fuel: 1 }], ["exact, 1 at a time", { fuel: 1, exact: true }]);
        cut.push(["exact, 7 at a time", { fuel: 7, exact: true }], ["exact and short slices", mixed(8, 30)]);
      }
      for (const [name, options] of cut) expect(told(end(options)), name).to.deep.equal(told(whole));
    });
  }

  it("is the price of what ran: control instructions that do nothing are free", () => {
    const instance = instanceOf(wat`(module (func (export "f") (result i32)
      nop block loop end end i32.const 40 i32.const 2 i32.add))`);
    const invocation = instance.invoke("f");
    expect(invocation.run()).to.deep.equal({ kind: "returned", values: [42], fuelUsed: 3 });
    expect(invocation.fuelUsed).to.equal(3);
  });

  it("an exact run stops before any instruction and can be continued", () => {
    const instance = instanceOf(wat`(module (func (export "f") (result i32) (i32.add (i32.const 40) (i32.const 2))))`);
    const invocation = instance.invoke("f");
    expect(invocation.run({ fuel: 1, exact: true })).to.deep.equal({ kind: "yielded", reason: "fuel", fuelUsed: 1 });
    expect(invocation.run({ fuel: 10 })).to.deep.equal({ kind: "returned", values: [42], fuelUsed: 3 });
  });

  it("follows the prices of the engine", () => {
    const engine = new Engine({ prices: { "i32.add": 10, "i32.const": 0, nop: 5 } });
    const store = new Store({ engine });
    const instance = instanceOf(
      wat`(module (func (export "f") (result i32) nop (i32.add (i32.const 40) (i32.const 2))))`,
      {},
      store,
    );
    expect(runToEnd(instance.invoke("f")).fuelUsed).to.equal(15);
    expect(runToEnd(instance.invoke("f"), { fuel: 1, exact: true })).to.include({ fuelUsed: 15, turns: 2 });
    expect(() => new Engine({ prices: { nop: 1_001 } })).to.throw(RangeError, "1001");
    expect(() => new Engine({ prices: { nop: 0.5 } })).to.throw(RangeError);
    expect(() => new Engine({ prices: { "i32.sum": 1 } })).to.throw(TypeError, "no such instruction");
  });

  it("an instruction dearer than the whole turn runs alone in exact mode", () => {
    const engine = new Engine({ prices: { "i32.add": 10 } });
    const instance = instanceOf(
      wat`(module (func (export "f") (result i32) (i32.add (i32.const 1) (i32.const 2))))`,
      {},
      new Store({ engine }),
    );
    expect(pauses(instance.invoke("f"), { fuel: 3, exact: true })).to.deep.equal([2, 12]);
  });

  it("no fuel, no progress, in both modes", () => {
    const invocation = instanceOf(FACTORIAL).invoke("f", [3n]);
    for (const exact of [true, false, true]) {
      expect(invocation.run({ fuel: 0, exact })).to.deep.equal({ kind: "yielded", reason: "fuel", fuelUsed: 0 });
    }
    invocation.run({ fuel: 5, exact: true });
    for (const exact of [true, false, true]) {
      expect(invocation.run({ fuel: 0, exact })).to.deep.equal({ kind: "yielded", reason: "fuel", fuelUsed: 5 });
    }
    expect(runToEnd(invocation).values).to.deep.equal([6n]);
  });

  it("of a turn is a number that is not negative", () => {
    const invocation = instanceOf(FACTORIAL).invoke("f", [3n]);
    for (const fuel of [-1, Number.NaN, Number.NEGATIVE_INFINITY]) {
      expect(() => invocation.run({ fuel })).to.throw(RangeError);
    }
    expect(invocation.run({ fuel: Number.POSITIVE_INFINITY }).kind).to.equal("returned");
  });

  it("of one turn is at most 2^30", () => {
    const charging = {
      params: [],
      results: [],
      call: (caller: { chargeFuel(fuel: number): void }) => caller.chargeFuel(2 ** 31),
    };
    const instance = instanceOf(
      wat`(module (import "host" "charge" (func $charge)) (func (export "f") call $charge))`,
      { host: { charge: charging } },
    );
    const invocation = instance.invoke("f");
    expect(invocation.run({ fuel: 2 ** 40 })).to.deep.include({ kind: "yielded", fuelUsed: MAX_TURN_FUEL });
    expect(runToEnd(invocation)).to.include({ fuelUsed: 2 ** 31 + 1 });
  });

  it("after the end every run gives the same", () => {
    const invocation = instanceOf(FACTORIAL).invoke("f", [4n]);
    const outcome = invocation.run();
    expect(invocation.run({ fuel: 0 })).to.deep.equal(outcome);
    const trapping = instanceOf(wat`(module (func (export "f") unreachable))`).invoke("f");
    expect(() => trapping.run()).to.throw("unreachable");
    expect(() => trapping.run()).to.throw("unreachable");
    expect(trapping.fuelUsed).to.equal(1);
  });
});

describe("safe points", () => {
  it("are the entry of a function, the header of a loop, and behind a call", () => {
    const instance = instanceOf(wat`(module
      (func $g (result i32) i32.const 1 i32.const 2 i32.add)
      (func (export "f") (result i32) (local i32)
        i32.const 2 local.set 0
        loop
          call $g drop
          local.get 0 i32.const 1 i32.sub local.tee 0
          br_if 0
        end
        call $g))`);
    // Before the loop 2, to its header the turn of one fuel goes on: 2; the call 3 and its entry; its end 6; the
    // branch 12 to the header; behind the last call 26, which is the end too.
    expect(pauses(instance.invoke("f"), { fuel: 1 })).to.deep.equal([3, 6, 12, 13, 16, 23, 26, 26]);
  });

  it("are every 1,000 instructions of straight line", () => {
    const body = "i32.const 1 drop ".repeat(1_750);
    const instance = instanceOf(wat`(module (func (export "f") ${body}))`);
    expect(pauses(instance.invoke("f"), { fuel: 1 })).to.deep.equal([1_000, 2_000, 3_000, 3_500]);
    expect(pauses(instance.invoke("f"), { fuel: 1_001 })).to.deep.equal([2_000, 3_500]);
    expect(pauses(instance.invoke("f"), { fuel: 500, exact: true })).to.deep.equal([
      500, 1_000, 1_500, 2_000, 2_500, 3_000, 3_500,
    ]);
  });

  it("a run that returns before the next safe point is overdrawn, and says so", () => {
    const instance = instanceOf(wat`(module (func (export "f") i32.const 1 drop i32.const 1 drop))`);
    expect(instance.invoke("f").run({ fuel: 1 })).to.deep.equal({ kind: "returned", values: [], fuelUsed: 4 });
  });

  it("are the same whether code is lowered before or while a guest runs", () => {
    const bytes = wat`(module (memory 1) (table funcref (elem $g $h))
      (type $t (func (param i32) (result i32)))
      (func $g (type $t) local.get 0 i32.const 1 i32.sub)
      (func $h (type $t) (local i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) local.get 0 return_call $g)
      (func (export "f") (result i32)
        i32.const 10 call $h call $g i32.const 0 call_indirect (type $t) i32.const 1 call_indirect (type $t)))`;
    for (const options of [{ fuel: 1 }, { fuel: 3 }, { fuel: 1, exact: true }, { fuel: 2, exact: true }]) {
      const instance = instanceOf(bytes);
      const first = pauses(instance.invoke("f"), options);
      expect(pauses(instance.invoke("f"), options), JSON.stringify(options)).to.deep.equal(first);
      if (options.fuel === 1 && options.exact) expect(first).to.have.length(first.at(-1)! - 2 * 1);
    }
  });
});

/** Goes down `depth` calls, and sums on the way back. */
const DEEP = wat`(module
  (global $depth (export "depth") (mut i32) (i32.const 0))
  (func $sum (export "sum") (param i32) (result i64)
    (if (result i64) (i32.eqz (local.get 0))
      (then (i64.const 0))
      (else (i64.add (i64.extend_i32_u (local.get 0)) (call $sum (i32.sub (local.get 0) (i32.const 1)))))))
  (func $endless (export "endless")
    (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
    call $endless)
  (func $wide (export "wide") (param i32 i64 f32 f64) (local i64 i64 i64 i64)
    (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
    i32.const 1 i64.const 2 f32.const 3 f64.const 4 call $wide))`;

describe("depth", () => {
  it("does not matter for pauses: exact and slice mode alternate in the middle of a deep recursion", () => {
    const instance = instanceOf(DEEP);
    const whole = runToEnd(instance.invoke("sum", [3_000]));
    expect(whole.values).to.deep.equal([4_501_500n]);
    for (const seed of [1, 2, 3]) {
      expect(told(runToEnd(instance.invoke("sum", [3_000]), mixed(seed, 4_000)))).to.deep.equal(told(whole));
    }
    // Down in slices, up exactly, and the other way round.
    for (const downExact of [false, true]) {
      const end = runToEnd(instance.invoke("sum", [3_000]), (turn) =>
        turn < 40 ? { fuel: 500, exact: downExact } : { fuel: 50, exact: !downExact },
      );
      expect(told(end)).to.deep.equal(told(whole));
    }
  });

  it("a run that becomes exact is exact from then on, in every frame", () => {
    const instance = instanceOf(DEEP);
    const invocation = instance.invoke("sum", [50]);
    invocation.run({ fuel: 150 });
    invocation.run({ fuel: 3, exact: true });
    invocation.run({ fuel: 40 });
    const start = invocation.run({ fuel: 1, exact: true }).fuelUsed;
    let turns = 0;
    for (let outcome = invocation.run({ fuel: 1, exact: true }); ; outcome = invocation.run({ fuel: 1, exact: true })) {
      turns++;
      expect(outcome.fuelUsed).to.equal(start + turns);
      if (outcome.kind === "returned") break;
    }
  });

  for (const name of ["endless", "wide"]) {
    it(`of ${name} recursion ends at the same depth, with the same fuel, in all slices`, () => {
      const args = name === "wide" ? [1, 2n, 3, 4] : [];
      const results = [{}, { fuel: 1_000 }, { exact: true }, { fuel: 777, exact: true }, mixed(5, 9_999)].map(
        (options) => {
          const instance = instanceOf(DEEP, {}, new Store({ maxFrameSlots: 20_000 }));
          const end = runToEnd(instance.invoke(name, args), options);
          return { trap: end.trap, fuelUsed: end.fuelUsed, depth: depthOf(instance), frames: end.error?.omittedFrames };
        },
      );
      for (const result of results) expect(result).to.deep.equal(results[0]);
      expect(results[0]!.trap).to.equal("call stack exhausted");
      expect(results[0]!.depth).to.be.above(1_000);
      expect(results[0]!.frames).to.equal(results[0]!.depth - 64);
    });
  }

  it("is a limit of the store, by the validator's frame size", () => {
    const depths = [10_000, 20_000, undefined].map((maxFrameSlots) => {
      const instance = instanceOf(DEEP, {}, new Store(maxFrameSlots === undefined ? {} : { maxFrameSlots }));
      expect(() => instance.callSync("endless")).to.throw("call stack exhausted");
      return depthOf(instance);
    });
    // Each frame: a link of two slots and two operands, of which none is below the call.
    expect(depths).to.deep.equal([4_999, 9_999, 524_287]);
  });
});

function depthOf(instance: Instance): number {
  const depth = instance.export("depth");
  if (depth?.kind !== "global") throw new Error("no global");
  return depth.value as number;
}

describe("endless code", () => {
  it("of every kind pauses, and can be ended", () => {
    const bodies = [
      "loop br 0 end",
      "loop i32.const 1 br_if 0 end",
      "block loop i32.const 0 br_table 0 0 1 end end",
      "loop block br 1 end end",
      "loop loop end br 0 end",
      "return_call $f",
      "i32.const 0 return_call_indirect (type $t)",
      "loop call $g br 0 end",
      "loop i32.const 1 call_indirect (type $t) br 0 end",
      "loop i32.const 0 i32.const 0 i32.const 0 memory.fill br 0 end",
      "loop i32.const 0 memory.grow drop br 0 end",
    ];
    for (const body of bodies) {
      const instance = instanceOf(wat`(module (memory 1) (table funcref (elem $f $g)) (type $t (func))
        (func $g) (func $f (export "f") ${body}))`);
      for (const exact of [false, true]) {
        const invocation = instance.invoke("f");
        let used = 0;
        for (let turn = 0; turn < 5; turn++) {
          const outcome = invocation.run({ fuel: 200, exact });
          expect(outcome, body).to.include({ kind: "yielded", reason: "fuel" });
          expect(outcome.fuelUsed - used, body).to.be.within(1, 300);
          used = outcome.fuelUsed;
        }
        invocation.terminate(new Termination("killed"));
        expect(() => invocation.run(), body).to.throw(Termination, "killed");
      }
    }
  });

  it("ends where fuel has a fraction, which is rounded down", async () => {
    const instance = instanceOf(wat`(module (func (export "f") loop br 0 end))`);
    const invocation = instance.invoke("f");
    expect(invocation.run({ fuel: 0.5 }).fuelUsed).to.equal(0);
    expect(invocation.run({ fuel: 2.5 }).fuelUsed).to.be.within(1, 3);
    for (const fuel of [1_000.5, 0.5]) {
      expect(() => instance.callSync("f", [], { fuel })).to.throw(FuelExhausted);
      expect(await instance.call("f", [], { fuel }).catch((error: unknown) => error)).to.be.instanceOf(FuelExhausted);
    }
  });

  it("is not begun with fuel that is no number", async () => {
    const instance = instanceOf(wat`(module (func (export "f") loop br 0 end))`);
    for (const [fuel, kind, got] of [
      [Number.NaN, RangeError, "got NaN"],
      [-1, RangeError, "got -1"],
      ["1e3", TypeError, 'got "1e3"'],
      [null, TypeError, "got null"],
    ] as const) {
      const options = { fuel: fuel as number };
      expect(() => instance.callSync("f", [], options)).to.throw(kind, `fuel of a call: expected fuel as a number`);
      expect(() => instance.callSync("f", [], options)).to.throw(kind, got);
      expect(await instance.call("f", [], options).catch((error: unknown) => error)).to.be.instanceOf(kind);
      expect(() => instance.invoke("f").run(options)).to.throw(RangeError, "fuel");
    }
    expect(instance.store.invocations.filter((each) => each.fuelUsed > 0)).to.deep.equal([]);
  });

  it("in a start function leaves the instantiation pausable", () => {
    const store = new Store();
    const module = compileSync(wat`(module
      (global $n (mut i32) (i32.const 1000))
      (func $start (loop (global.set $n (i32.sub (global.get $n) (i32.const 1))) (br_if 0 (global.get $n))))
      (start $start)
      (func (export "n") (result i32) (global.get $n)))`);
    for (const options of [{}, { fuel: 10 }, { fuel: 7, exact: true }]) {
      const { instance, invocation } = store.instantiation(module);
      const end = runToEnd(invocation, options);
      expect(end).to.include({ trap: null, fuelUsed: 6_001 });
      expect(instance.callSync("n")).to.deep.equal([0]);
    }
    const endless = compileSync(wat`(module (func $start (loop (br 0))) (start $start))`);
    const { invocation } = store.instantiation(endless);
    expect(invocation.run({ fuel: 1_000 })).to.deep.include({ kind: "yielded", reason: "fuel" });
    expect(() => store.instantiateSync(endless, {}, { fuel: 5_000 })).to.throw("fuel exhausted");
  });

  it("that calls a function with 50,000 locals pays for clearing them", () => {
    const instance = instanceOf(wat`(module
      (func $wide (local ${"i64 ".repeat(50_000)}))
      (func (export "f") (loop call $wide br 0)))`);
    const invocation = instance.invoke("f");
    invocation.run({ fuel: 100_000 });
    const calls = 640;
    const before = invocation.fuelUsed;
    const outcome = invocation.run({ fuel: calls * 3_126 });
    expect((outcome.fuelUsed - before) / calls).to.be.within(3_120, 3_140);
  });

  it("moves of many values are paid for", () => {
    const types = "i64 ".repeat(1_000);
    const values = "i64.const 1 ".repeat(1_000);
    const drops = "drop ".repeat(1_000);
    const instance = instanceOf(wat`(module
      (func $many (result ${types}) i32.const 0 drop ${values} return)
      (func (export "branch") block (result ${types}) i32.const 7 ${values} br 0 end ${drops})
      (func (export "call") call $many ${drops}))`);
    const extra = Math.ceil((1_000 - 16) / 16);
    expect(runToEnd(instance.invoke("branch")).fuelUsed).to.equal(1 + 1_000 + 1 + extra + 1_000);
    expect(runToEnd(instance.invoke("call")).fuelUsed).to.equal(1 + 2 + 1_000 + 1 + extra + 1_000);
  });
});
