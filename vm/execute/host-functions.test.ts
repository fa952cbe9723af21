/** Host functions of every kind, by every road that leads to them, and what they may do to their guest. */

import { expect } from "chai";
import { compileSync } from "../compiled-module.ts";
import { FuelExhausted, SuspendError, Termination, Trap } from "../errors.ts";
import {
  callGuest,
  continueWith,
  SUSPEND,
  type Continuations,
  type Func,
  type GuestOutcome,
  type HostDefinition,
} from "../runtime/func.ts";
import type { Instance } from "../runtime/instance.ts";
import { Store } from "../runtime/store.ts";
import { instanceOf, runToEnd, wat } from "../testing.ts";
import type { Caller } from "./caller.ts";
import { Invocation } from "./invocation.ts";
import type { Outcome } from "./outcome.ts";

const ROADS = wat`(module
  (type $t (func (param i32) (result i32)))
  (import "host" "f" (func $f (type $t)))
  (memory (export "memory") 1) (data (i32.const 0) "\07")
  (table (export "table") funcref (elem $f))
  (global $g (export "started") (mut i32) (i32.const 0))
  (export "re-exported" (func $f))
  (func (export "call") (type $t) local.get 0 call $f)
  (func (export "call_indirect") (type $t) local.get 0 i32.const 0 call_indirect (type $t))
  (func (export "return_call") (type $t) local.get 0 return_call $f)
  (func (export "return_call_indirect") (type $t) local.get 0 i32.const 0 return_call_indirect (type $t))
  (func $inner (type $t) local.get 0 return_call $f)
  (func (export "return_call below") (type $t) local.get 0 call $inner i32.const 0 i32.add)
  (func $start i32.const 41 call $f global.set $g)
  (start $start))`;

const ROAD_NAMES = [
  "call",
  "call_indirect",
  "return_call",
  "return_call_indirect",
  "return_call below",
  "re-exported",
] as const;

const T = { params: ["i32"], results: ["i32"] } as const;

/** Adds one in each of the ways a host function can be written. */
const KINDS: readonly (readonly [kind: string, definition: HostDefinition])[] = [
  ["plain", { ...T, call: (_: Caller, value: number) => value + 1 }],
  ["plain with a list", { ...T, call: (_: Caller, value: number) => [value + 1] }],
  ["async", { ...T, kind: "async", call: async (_: Caller, value: number) => value + 1 }],
  ["async that takes its time", { ...T, kind: "async", call: (_: Caller, value: number) => later(value + 1) }],
  ["async that is ready at once", { ...T, kind: "async", call: (_: Caller, value: number) => value + 1 }],
  [
    "frame",
    {
      ...T,
      kind: "frame",
      call: (_: Caller, value: number) => continueWith("half", value),
      continuations: {
        half: (_, state) => continueWith("end", { value: state }),
        end: (_, state) => (state as { value: number }).value + 1,
      },
    },
  ],
  ["SUSPEND", { ...T, call: () => SUSPEND }],
  ["direct", { ...T, kind: "direct", call: (caller) => caller.i32(0) + 1 }],
  ["direct SUSPEND", { ...T, kind: "direct", call: () => SUSPEND }],
];

function later<T>(value: T): Promise<T> {
  return new Promise((resolve) => setImmediate(() => resolve(value)));
}

/** Runs to the end, and answers whatever waits: a plain function that has suspended gets 42. */
async function answered(invocation: Invocation, fuel = 100_000): Promise<Outcome & { kind: "returned" }> {
  for (;;) {
    const outcome = invocation.run({ fuel });
    if (outcome.kind === "returned") return outcome;
    if (outcome.kind !== "waiting") continue;
    if (outcome.ready === null) invocation.resume([42]);
    else await outcome.ready;
  }
}

describe("host functions", () => {
  for (const [kind, f] of KINDS) {
    it(`${kind}: by every road, at every slice`, async () => {
      const store = new Store();
      const module = compileSync(ROADS);
      const { instance, invocation } = store.instantiation(module, { host: { f } });
      await answered(invocation, 1);
      expect(instance.export("started")).to.have.property("value", 42);
      const second = store.instantiation(compileSync(ROADS), { host: { f: instance.exportedFunc("re-exported") } });
      await answered(second.invocation);
      for (const target of [instance, second.instance]) {
        for (const road of ROAD_NAMES) {
          for (const fuel of [100_000, 1]) {
            expect((await answered(target.invoke(road, [41]), fuel)).values, road).to.deep.equal([42]);
          }
        }
        const element = (target.export("table") as { get(index: number): unknown } & object).get(0) as Func;
        expect((await answered(store.invoke(element, [41]))).values).to.deep.equal([42]);
      }
      const imported = instanceOf(
        wat`(module (import "m" "call" (func $f (param i32) (result i32)))
          (func (export "twice") (param i32) (result i32) local.get 0 call $f i32.const 1 i32.sub call $f))`,
        { m: { call: instance.exportedFunc("return_call") } },
        store,
      );
      expect((await answered(imported.invoke("twice", [41]))).values).to.deep.equal([42]);
    });
  }

  it("see the instance that calls them, by every road, and its memory", () => {
    const seen: (Instance | null)[] = [];
    const f: HostDefinition = {
      ...T,
      call(caller: Caller, value: number) {
        seen.push(caller.instance);
        expect(caller.func.type.params).to.have.length(1);
        return caller.instance === null ? value : caller.memory().readU8(0);
      },
    };
    const instance = instanceOf(ROADS, { host: { f } });
    expect(seen).to.deep.equal([instance]);
    for (const road of ROAD_NAMES) {
      const isDirect = road === "re-exported";
      expect(instance.callSync(road, [41]), road).to.deep.equal([isDirect ? 41 : 7]);
      expect(seen.at(-1), road).to.equal(isDirect ? null : instance);
    }
  });

  it("and guests' are called with as many arguments as they have parameters", () => {
    const instance = instanceOf(wat`(module (func (export "f") (param i32)) (func (export "g")))`);
    expect(() => instance.callSync("f")).to.throw(TypeError, "expected 1 argument, got 0");
    expect(() => instance.callSync("g", [1, 2])).to.throw(TypeError, "expected 0 arguments, got 2");
  });

  it("say clearly that the caller has no memory of a name", () => {
    const call = (caller: Caller): void => void caller.memory("other");
    const instance = instanceOf(
      wat`(module (import "host" "f" (func $f)) (memory (export "memory") 1) (func (export "f") call $f))`,
      { host: { f: { params: [], results: [], call } } },
    );
    expect(() => instance.callSync("f")).to.throw(TypeError, 'no memory "other"');
  });

  it("take and give values of every type", () => {
    const all = ["i32", "i64", "f32", "f64", "v128", "funcref", "externref"];
    const given: unknown[] = [];
    const swap: HostDefinition = {
      params: all,
      results: all.toReversed(),
      call: (_: Caller, ...args: readonly unknown[]) => {
        given.push(...args);
        return args.toReversed();
      },
    };
    const store = new Store();
    const func = store.hostFunc(swap);
    const something = { some: "thing" };
    const values = [-1, -(2n ** 63n), 1.5, Math.PI, Uint8Array.from({ length: 16 }, (_, i) => i), func, something];
    expect(store.callSync(func, values)).to.deep.equal(values.toReversed());
    expect(given).to.deep.equal(values);
    expect(store.callSync(func, [...values.slice(0, 5), null, null]).slice(0, 2)).to.deep.equal([null, null]);
    expect(() => store.hostFunc({ params: ["i31"], results: [], call: () => [] })).to.throw(
      TypeError,
      "no such value type",
    );
  });

  it("that return something else than their type says end the run with a TypeError", () => {
    for (const [results, value] of [
      [["i32"], undefined],
      [["i32"], 1n],
      [["i64"], 1],
      [["i32", "i32"], 1],
      [
        ["i32", "i32"],
        [1, 2, 3],
      ],
      [["i32"], "1"],
      [["funcref"], {}],
      [["v128"], new Uint8Array(3)],
    ] as const) {
      const f = { params: [], results, call: () => value } as HostDefinition;
      const instance = instanceOf(
        wat`(module (import "host" "f" (func $f (result ${results.join(" ")})))
          (func (export "f") call $f ${"drop ".repeat(results.length)}))`,
        { host: { f } },
      );
      const invocation = instance.invoke("f");
      expect(() => invocation.run(), `${results} ${String(value)}`).to.throw(TypeError);
      expect(() => invocation.run()).to.throw(TypeError);
    }
  });

  it("that throw end the run with what they threw, whatever it is", () => {
    class OurError extends Error {}
    for (const error of [new OurError("ours"), "a string", { an: "object" }, new Termination("killed"), null]) {
      const f: HostDefinition = {
        ...T,
        call: () => {
          throw error;
        },
      };
      const module = compileSync(wat`(module (import "host" "f" (func $f (param i32) (result i32)))
        (func (export "f") (result i32) i32.const 1 call $f))`);
      const invocation = new Store().instantiateSync(module, { host: { f } }).invoke("f");
      let thrown: unknown = "nothing";
      try {
        invocation.run();
      } catch (caught) {
        thrown = caught;
      }
      expect(thrown).to.equal(error);
      expect(invocation.fuelUsed).to.equal(2);
      expect(() => invocation.run()).to.throw();
    }
  });

  it("that reject do the same, and a Trap traps", async () => {
    for (const error of [new RangeError("far"), new Trap("unreachable", "later")]) {
      const f: HostDefinition = { ...T, kind: "async", call: () => Promise.reject(error) };
      const instance = await new Store()
        .instantiate(
          compileSync(wat`(module (import "host" "f" (func $f (param i32) (result i32)))
            (func (export "f") (result i32) i32.const 1 call $f))`),
          { host: { f } },
        )
        .catch((reason: unknown) => expect.fail(String(reason)));
      let thrown: unknown;
      await instance.call("f").catch((reason: unknown) => (thrown = reason));
      expect(thrown).to.equal(error);
    }
  });
});

describe("fuel of host functions", () => {
  const CHARGING = wat`(module (import "host" "charge" (func $charge (param i32)))
    (func (export "f") (param i32) local.get 0 call $charge local.get 0 call $charge))`;
  const charge: HostDefinition = {
    params: ["i32"],
    results: [],
    call: (caller: Caller, fuel: number) => caller.chargeFuel(fuel),
  };

  it("counts as the guest's, in the turn and beyond it, with the same total in all slices", () => {
    const instance = instanceOf(CHARGING, { host: { charge } });
    for (const options of [{}, { fuel: 1 }, { fuel: 100 }, { fuel: 7, exact: true }]) {
      expect(runToEnd(instance.invoke("f", [1_000]), options).fuelUsed).to.equal(4 + 2_000);
    }
    expect(runToEnd(instance.invoke("f", [1_000]), { fuel: 100 }).turns).to.be.within(20, 22);
  });

  it("counts when the function then throws", () => {
    const failing: HostDefinition = {
      params: ["i32"],
      results: [],
      call(caller: Caller, fuel: number) {
        caller.chargeFuel(fuel);
        throw new Trap("unreachable");
      },
    };
    const instance = instanceOf(CHARGING, { host: { charge: failing } });
    for (const options of [{}, { fuel: 3 }]) {
      expect(runToEnd(instance.invoke("f", [1_000]), options).fuelUsed).to.equal(2 + 1_000);
    }
  });

  it("is a number that is not negative", () => {
    const bad = (fuel: number): HostDefinition => ({
      params: ["i32"],
      results: [],
      call: (caller: Caller) => caller.chargeFuel(fuel),
    });
    for (const fuel of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      const instance = instanceOf(CHARGING, { host: { charge: bad(fuel) } });
      expect(() => instance.callSync("f", [1])).to.throw(RangeError);
    }
  });

  it("giving way ends the turn when the function returns", () => {
    const give: HostDefinition = { params: ["i32"], results: [], call: () => Invocation.current!.giveWay() };
    const invocation = instanceOf(CHARGING, { host: { charge: give } }).invoke("f", [1]);
    expect(invocation.run()).to.deep.equal({ kind: "yielded", reason: "voluntary", fuelUsed: 2 });
    expect(invocation.run()).to.deep.equal({ kind: "yielded", reason: "voluntary", fuelUsed: 4 });
    expect(invocation.run()).to.deep.equal({ kind: "returned", values: [], fuelUsed: 4 });
  });

  it("a function may end its own invocation", () => {
    let invocation: Invocation | null = null;
    const end: HostDefinition = {
      params: ["i32"],
      results: [],
      call: () => invocation!.terminate(new Termination("killed")),
    };
    invocation = instanceOf(CHARGING, { host: { charge: end } }).invoke("f", [1]);
    expect(() => invocation!.run()).to.throw(Termination, "killed");
    expect(() => invocation!.run()).to.throw(Termination, "killed");
    expect(invocation.fuelUsed).to.equal(2);
  });

  it("an invocation cannot be run from inside itself", () => {
    let invocation: Invocation | null = null;
    const again: HostDefinition = { params: ["i32"], results: [], call: () => void invocation!.run() };
    invocation = instanceOf(CHARGING, { host: { charge: again } }).invoke("f", [1]);
    expect(() => invocation!.run()).to.throw(TypeError, "running");
  });
});

describe("waiting", () => {
  const WAITING = wat`(module (import "host" "f" (func $f (param i32) (result i32)))
    (func (export "f") (param i32) (result i32) local.get 0 call $f local.get 0 call $f i32.add))`;

  it("until `resume` or `fail` answers", () => {
    const instance = instanceOf(WAITING, { host: { f: { ...T, call: () => SUSPEND } } });
    const invocation = instance.invoke("f", [1]);
    expect(() => invocation.resume([1])).to.throw(TypeError, "no host call is waiting");
    expect(invocation.run()).to.include({ kind: "waiting", ready: null, fuelUsed: 2 });
    expect(invocation.run({ fuel: 0 })).to.include({ kind: "waiting", ready: null, fuelUsed: 2 });
    invocation.resume([40]);
    expect(() => invocation.resume([40])).to.throw(TypeError, "no host call is waiting");
    expect(invocation.run()).to.include({ kind: "waiting", fuelUsed: 4 });
    invocation.resume([2]);
    expect(invocation.run()).to.deep.equal({ kind: "returned", values: [42], fuelUsed: 5 });
    const failing = instance.invoke("f", [1]);
    failing.run();
    failing.fail(new Trap("unreachable"));
    expect(() => failing.run()).to.throw(Trap);
    const wrong = instance.invoke("f", [1]);
    wrong.run();
    wrong.resume([1, 2]);
    expect(() => wrong.run()).to.throw(TypeError, "returned 2 values, 1 expected");
  });

  it("in `call` or `callSync` for `resume` is an error, and the end", async () => {
    const instance = instanceOf(WAITING, { host: { f: { ...T, call: () => SUSPEND } } });
    expect(() => instance.callSync("f", [1])).to.throw(SuspendError);
    let thrown: unknown;
    await instance.call("f", [1]).catch((error: unknown) => (thrown = error));
    expect(thrown).to.be.instanceOf(SuspendError);
  });

  it("a synchronous call that meets an asynchronous function is a SuspendError", () => {
    const instance = instanceOf(WAITING, { host: { f: { ...T, kind: "async", call: () => later(1) } } });
    expect(() => instance.callSync("f", [1])).to.throw(SuspendError, "has to wait");
  });

  it("an answer that comes too late does not answer the next call", async () => {
    const resolves: ((value: number) => void)[] = [];
    const f: HostDefinition = { ...T, kind: "async", call: () => new Promise((resolve) => resolves.push(resolve)) };
    const invocation = instanceOf(WAITING, { host: { f } }).invoke("f", [1]);
    const first = invocation.run();
    invocation.resume([1]);
    invocation.run();
    resolves[0]!(1_000);
    await later(null);
    expect(invocation.run().kind).to.equal("waiting");
    resolves[1]!(2);
    await later(null);
    expect(invocation.run()).to.deep.include({ kind: "returned", values: [3] });
    expect(first.kind).to.equal("waiting");
  });

  it("does not hold up others: while 1,000 instances wait none of them runs, and timers fire", async function () {
    this.timeout(60_000);
    const store = new Store();
    const module = compileSync(WAITING);
    let waiting = 0;
    const opens: (() => void)[] = [];
    const f: HostDefinition = {
      ...T,
      kind: "async",
      call: (_: Caller, value: number) => {
        waiting++;
        return new Promise((resolve) => opens.push(() => resolve(value)));
      },
    };
    const calls = Array.from({ length: 1_000 }, async (_, i) => {
      const instance = await store.instantiate(module, { host: { f } });
      return (await instance.call("f", [i]))[0];
    });
    let fired = 0;
    const timer = setInterval(() => {
      fired++;
    }, 1);
    while (waiting < 1_000) await later(null);
    const { turnCount } = store;
    const before = fired;
    while (fired < before + 10) await later(null);
    clearInterval(timer);
    expect([opens.length, waiting, store.turnCount]).to.deep.equal([1_000, 1_000, turnCount]);
    while (opens.length > 0) {
      opens.splice(0).forEach((open) => void open());
      await later(null);
    }
    expect(await Promise.all(calls)).to.deep.equal(Array.from({ length: 1_000 }, (_, i) => 2 * i));
  });

  it("ends when the signal says so, with its reason", async () => {
    const instance = instanceOf(WAITING, {
      host: { f: { ...T, kind: "async", call: () => new Promise(() => undefined) } },
    });
    const endless = instanceOf(wat`(module (func (export "f") (loop (br 0))))`);
    for (const call of [
      (signal: AbortSignal) => instance.call("f", [1], { signal }),
      (signal: AbortSignal) => endless.call("f", [], { signal }),
    ]) {
      const controller = new AbortController();
      const running = call(controller.signal).catch((error: unknown) => error);
      setTimeout(() => controller.abort(new RangeError("enough")), 15);
      expect(await running)
        .to.be.instanceOf(RangeError)
        .with.property("message", "enough");
      expect(await call(AbortSignal.abort("before")).catch((error: unknown) => error)).to.be.instanceOf(Error);
    }
  });

  it("ends when the host function that it waits for has aborted it", async () => {
    const controller = new AbortController();
    const call = (): Promise<never> => {
      controller.abort(new RangeError("enough"));
      return new Promise(() => undefined);
    };
    const instance = instanceOf(WAITING, { host: { f: { ...T, kind: "async", call } } });
    const error: unknown = await instance.call("f", [1], { signal: controller.signal }).catch((e: unknown) => e);
    expect(error).to.be.instanceOf(RangeError).with.property("message", "enough");
  });

  it("the event loop gets its turn while a guest runs", async () => {
    const endless = instanceOf(wat`(module (func (export "f") (loop (br 0))))`);
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    let thrown: unknown;
    await endless.call("f", [], { fuel: 30_000_000 }).catch((error: unknown) => (thrown = error));
    clearInterval(timer);
    expect(thrown).to.be.instanceOf(FuelExhausted);
    expect(ticks).to.be.above(2);
  });
});

/** Calls the function it is given with what else it is given, and tells how that ended: 0 returned, 1 trapped. */
function containing(continuations: Continuations = {}): HostDefinition {
  return {
    kind: "frame",
    params: ["funcref", "i32"],
    results: ["i32", "i32"],
    call: (_: Caller, func: Func, value: number) => callGuest(func, [value], "end", { value }),
    continuations: {
      end(_, state, outcome) {
        expect(state).to.have.all.keys("value");
        return outcome!.kind === "returned" ? [0, outcome!.values[0]] : [1, 0];
      },
      ...continuations,
    },
  };
}

const FRAMES = wat`(module
  (type $t (func (param i32) (result i32)))
  (import "host" "try" (func $try (param funcref i32) (result i32 i32)))
  (import "host" "fail" (func $fail (param i32) (result i32)))
  (elem declare func $id $trap $spin $nested $deep $fail $again)
  (func $id (type $t) local.get 0)
  (func $trap (type $t) unreachable)
  (func $deep (type $t) local.get 0 call $deep)
  (func $spin (type $t) loop local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0 end i32.const 5)
  (func $nested (type $t) ref.func $trap local.get 0 call $try drop i32.const 10 i32.add)
  (func $again (type $t) ref.func $again local.get 0 call $try drop)
  (func (export "id") (param i32) (result i32 i32) ref.func $id local.get 0 call $try)
  (func (export "trap") (param i32) (result i32 i32) ref.func $trap local.get 0 call $try)
  (func (export "spin") (param i32) (result i32 i32) ref.func $spin local.get 0 call $try)
  (func (export "nested") (param i32) (result i32 i32) ref.func $nested local.get 0 call $try)
  (func (export "deep") (param i32) (result i32 i32) ref.func $deep local.get 0 call $try)
  (func (export "fail") (param i32) (result i32 i32) ref.func $fail local.get 0 call $try)
  (func (export "again") (param i32) (result i32 i32) ref.func $again local.get 0 call $try)
  (func (export "tail") (param i32) (result i32 i32) ref.func $spin local.get 0 return_call $try)
  (func (export "many") (param i32) (result i32) (local i32)
    loop
      ref.func $trap local.get 0 call $try drop local.get 1 i32.add local.set 1
      local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0
    end local.get 1))`;

function framesInstance(fail: (caller: Caller, value: number) => never, definition = containing()): Instance {
  const store = new Store({ maxFrameSlots: 100_000 });
  return instanceOf(FRAMES, { host: { try: definition, fail: { ...T, call: fail } } }, store);
}

const noFail = (): never => {
  throw new Trap("unreachable", "by the host");
};

describe("frame functions", () => {
  it("call the guest, go on with plain data, and contain traps, in all slices", () => {
    const instance = framesInstance(noFail);
    for (const [name, arg, values] of [
      ["id", 7, [0, 7]],
      ["trap", 7, [1, 0]],
      ["spin", 5_000, [0, 5]],
      ["tail", 500, [0, 5]],
      ["nested", 7, [0, 11]],
      ["deep", 7, [1, 0]],
      ["fail", 7, [1, 0]],
      ["many", 50, [50]],
    ] as const) {
      const whole = runToEnd(instance.invoke(name, [arg]));
      expect(whole.values, name).to.deep.equal(values);
      if (name === "deep") continue;
      for (const options of [{ fuel: 1 }, { fuel: 1, exact: true }, { fuel: 13, exact: true }, { fuel: 100 }]) {
        const end = runToEnd(instance.invoke(name, [arg]), options);
        expect({ values: end.values, fuelUsed: end.fuelUsed }, `${name} ${JSON.stringify(options)}`).to.deep.equal({
          values,
          fuelUsed: whole.fuelUsed,
        });
      }
    }
  });

  it("do not contain terminations and errors of the host", () => {
    for (const error of [new Termination("killed"), new FuelExhausted(), new RangeError("host")]) {
      const instance = framesInstance(() => {
        throw error;
      });
      expect(() => instance.callSync("fail", [1])).to.throw(error.constructor as ErrorConstructor);
    }
    expect(() => framesInstance(noFail).callSync("spin", [1_000_000], { fuel: 1_000 })).to.throw(FuelExhausted);
  });

  it("end at the depth limit, and cost fuel, when they call themselves without end", () => {
    const instance = framesInstance(noFail);
    const end = runToEnd(instance.invoke("again", [1]));
    // Each level contains the trap of the one above it.
    expect(end.values).to.deep.equal([0, 0]);
    expect(end.fuelUsed).to.be.above(50_000);
    const store = new Store({ maxFrameSlots: 200_000 });
    const self: Func = store.hostFunc({
      kind: "frame",
      params: [],
      results: [],
      call: () => callGuest(self, [], "end"),
      continuations: { end: (_, __, outcome) => (outcome?.kind === "trapped" ? failWith(outcome) : []) },
    });
    const invocation = store.invoke(self);
    expect(invocation.run({ fuel: 1_000 })).to.deep.include({ kind: "yielded", reason: "fuel" });
    expect(() => {
      while (invocation.run({ fuel: 10_000_000 }).kind !== "returned");
    }).to.throw(Trap, "call stack exhausted");
    expect(invocation.fuelUsed).to.be.above(500_000);
  });

  it("work in bounded steps that pause and cost fuel", () => {
    const store = new Store();
    const steps = store.hostFunc({
      kind: "frame",
      params: ["i32"],
      results: ["i32"],
      call: (_: Caller, count: number) => continueWith("step", { left: count, done: 0 }),
      continuations: {
        step(caller, state, outcome) {
          expect(outcome).to.equal(null);
          const { left, done } = state as { left: number; done: number };
          caller.chargeFuel(100);
          return left === 0 ? done : continueWith("step", { left: left - 1, done: done + 1 });
        },
      },
    });
    const whole = runToEnd(store.invoke(steps, [100]));
    expect(whole.values).to.deep.equal([100]);
    const cut = runToEnd(store.invoke(steps, [100]), { fuel: 200 });
    expect(cut).to.deep.include({ values: [100], fuelUsed: whole.fuelUsed });
    expect(cut.turns).to.be.within(40, 110);
    const endless = store.hostFunc({
      kind: "frame",
      params: [],
      results: [],
      call: () => continueWith("step", null),
      continuations: { step: () => continueWith("step", null) },
    });
    expect(() => store.callSync(endless, [], { fuel: 10_000 })).to.throw(FuelExhausted);
  });

  it("say clearly what is wrong with a request", () => {
    for (const [request, message] of [
      [(func: Func) => callGuest(func, [1], "nowhere"), 'no continuation "nowhere"'],
      [(func: Func) => callGuest(func, [1], "toString"), 'no continuation "toString"'],
      [(func: Func) => callGuest(func, [], "end"), "calls with 0 arguments, 1 expected"],
      [(func: Func) => callGuest(func, [1, 2], "end"), "calls with 2 arguments, 1 expected"],
      [(func: Func) => callGuest(func, [1n], "end"), "expected a value of type i32"],
      [() => callGuest(new Store().hostFunc({ ...T, call: () => 1 }), [1], "end"), "another store"],
    ] as const) {
      const definition = { ...containing(), call: (_: Caller, func: Func) => request(func) } as HostDefinition;
      expect(() => framesInstance(noFail, definition).callSync("id", [1])).to.throw(TypeError, message);
    }
  });

  it("may call asynchronous functions, and one another", async () => {
    const store = new Store();
    const wait = store.hostFunc({ ...T, kind: "async", call: (_: Caller, value: number) => later(value * 2) });
    const outer = store.hostFunc({
      ...T,
      kind: "frame",
      call: (_: Caller, value: number) => callGuest(wait, [value], "again"),
      continuations: {
        again: (_, __, outcome) => callGuest(wait, (outcome as GuestOutcome & { kind: "returned" }).values, "end"),
        end: (_, __, outcome) => (outcome as GuestOutcome & { kind: "returned" }).values,
      },
    });
    expect(await store.call(outer, [5])).to.deep.equal([20]);
  });

  it("see the guest that called them in every step", () => {
    const seen: (Instance | null)[] = [];
    const definition = containing({
      end(caller, _, outcome) {
        seen.push(caller.instance);
        return outcome!.kind === "returned" ? [0, 1] : [1, 0];
      },
    });
    const instance = framesInstance(noFail, definition);
    instance.callSync("id", [1]);
    instance.callSync("tail", [1]);
    instance.callSync("trap", [1]);
    expect(seen).to.deep.equal([instance, instance, instance]);
  });
});

function failWith(outcome: GuestOutcome & { kind: "trapped" }): never {
  throw outcome.error;
}

describe("a host function that calls back", () => {
  const CALLING = wat`(module (import "host" "f" (func $f (param i32) (result i32)))
    (export "f" (func $f))
    (func (export "back") (param i32) (result i32) local.get 0 call $f i32.const 1 i32.add)
    (func (export "spin") (loop (br 0))))`;

  function calling(name: string): { instance: Instance; calls: () => number } {
    let calls = 0;
    const instance: Instance = instanceOf(CALLING, {
      host: {
        f: {
          ...T,
          call: (_: Caller, value: number) => {
            calls++;
            return instance.callSync(name, [value])[0];
          },
        },
      },
    });
    return { instance, calls: () => calls };
  }

  it("and is re-exported by its guest ends at the depth limit, and costs fuel without any guest instruction", () => {
    const { instance, calls } = calling("f");
    const invocation = instance.invoke("f", [1]);
    expect(() => invocation.run()).to.throw(Trap, "call stack exhausted");
    expect(calls()).to.be.within(50, 128);
    expect(invocation.fuelUsed).to.be.at.least(calls() * 100);
  });

  it("through guest code ends there too", () => {
    const { instance, calls } = calling("back");
    expect(() => instance.callSync("back", [1])).to.throw(Trap, "call stack exhausted");
    expect(calls()).to.be.within(50, 128);
    const end = runToEnd(instance.invoke("back", [1]));
    expect(end.fuelUsed).to.be.above(calls() * 50);
  });

  it("ends before the JavaScript stack does, however deep the store lets guests go", () => {
    let calls = 0;
    const store = new Store({ maxFrameSlots: 100_000_000 });
    const instance: Instance = instanceOf(
      CALLING,
      {
        host: {
          f: {
            ...T,
            call(_: Caller, value: number) {
              calls++;
              return instance.callSync("back", [value])[0];
            },
          },
        },
      },
      store,
    );
    expect(() => instance.callSync("back", [1])).to.throw(Trap, "call stack exhausted");
    expect(calls).to.be.within(50, 128);
  });

  it("gets the fuel of the turn and a grant, and no more", () => {
    const instance: Instance = instanceOf(CALLING, {
      host: { f: { ...T, call: () => instance.callSync("spin")[0] } },
    });
    const invocation = instance.invoke("back", [1]);
    expect(() => invocation.run({ fuel: 1_000 })).to.throw(FuelExhausted);
    expect(invocation.fuelUsed).to.be.within(10_000_000, 10_002_000);
  });

  it("may come back with traps, which are the guest's", () => {
    const instance: Instance = instanceOf(
      wat`(module (import "host" "f" (func $f)) (func $g (export "g") unreachable) (func (export "f") call $f))`,
      { host: { f: { params: [], results: [], call: () => void instance.callSync("g") } } },
    );
    const end = runToEnd(instance.invoke("f"));
    expect(end.trap).to.equal("unreachable");
    expect(end.error?.backtrace[0]?.funcName).to.equal("g");
  });
});
