/** Direct host functions, called from inside the hot loop: nothing but time tells them from plain ones. */

import { expect } from "chai";
import { GuestExit, Termination, Trap } from "../errors.ts";
import { callGuest, continueWith, SUSPEND, type FrameState, type HostDefinition } from "../runtime/func.ts";
import type { Memory } from "../runtime/memory.ts";
import { Store } from "../runtime/store.ts";
import { instanceOf, runToEnd, wat } from "../testing.ts";
import type { Caller, DirectCaller } from "./caller.ts";
import { Invocation } from "./invocation.ts";
import type { TurnOptions } from "./outcome.ts";

/** Does what `order` says, the same for both kinds. */
type Act = (caller: Caller, order: number) => number | typeof SUSPEND;

const ACTS: Readonly<Record<string, Act>> = {
  returns: (_, order) => order * 3,
  charges: (caller, order) => {
    caller.chargeFuel(order);
    return 0;
  },
  "gives way": (caller, order) => {
    caller.giveWay();
    return order;
  },
  traps: (_, order) => {
    if (order === 3) throw new Trap("host function trapped", "three");
    return 0;
  },
  terminates: (_, order) => {
    if (order === 3) Invocation.current!.terminate(new Termination("killed", "three"));
    return 0;
  },
  suspends: (_, order) => (order === 3 ? SUSPEND : 0),
  "grows the memory and writes behind its former end": (caller, order) => {
    const memory = caller.memory();
    memory.grow(1);
    memory.writeU8(memory.byteLength - 1, order);
    return memory.byteLength - 1;
  },
  "runs guest code that was not lowered yet": (caller, order) =>
    order === 3 ? Number(caller.instance!.callSync("other", [order])[0]) : 0,
  "makes instances with globals of their own": (caller, order) => {
    instanceOf(wat`(module (global (mut i32) (i32.const 1)))`, {}, caller.store);
    return order;
  },
  "makes room in the table": (caller, order) => {
    (caller.instance!.export("table") as unknown as { grow(delta: number): void }).grow(100);
    return order;
  },
};

const GUEST = wat`(module
  (type $act (func (param i32) (result i32)))
  (import "host" "act" (func $act (type $act)))
  (import "host" "catch" (func $catch))
  (memory (export "memory") 1)
  (table (export "table") 1 funcref)
  (global $sum (mut i64) (i64.const 0))
  (func (export "other") (param i32) (result i32) (local i64 i64 i64)
    local.get 0 i32.const 4 i32.mul call $filler)
  (func $filler (param i32) (result i32) ${"local.get 0 i32.const 1 i32.add local.set 0 ".repeat(400)} local.get 0)
  (func $step (param i32) (result i32) local.get 0 call $act)
  (func $six (local $i i32)
    loop
      (global.set $sum (i64.add (i64.mul (global.get $sum) (i64.const 31)) (i64.extend_i32_s (call $step (local.get $i)))))
      (global.set $sum (i64.add (global.get $sum) (i64.load8_u (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 1)))))
      (global.set $sum (i64.add (global.get $sum) (i64.extend_i32_u (table.size))))
      (local.tee $i (i32.add (local.get $i) (i32.const 1))) i32.const 6 i32.lt_u br_if 0
    end)
  (export "six" (func $six))
  (func (export "f") (result i64) call $six global.get $sum)
  (func (export "contained") (result i64) call $catch global.get $sum))`;

interface Turn {
  readonly outcome: string;
  readonly fuelUsed: number;
}

/** Every turn of a run: how it ended and the fuel until there. */
function turnsOf(
  kind: "direct" | "plain",
  act: Act,
  entry: string,
  options: TurnOptions,
  callFuel: number,
): readonly Turn[] {
  const type = { params: ["i32"], results: ["i32"], name: "act" } as const;
  const definition: HostDefinition =
    kind === "plain"
      ? {
          ...type,
          call(caller: Caller, order: number) {
            caller.chargeFuel(callFuel);
            return act(caller, order) as number;
          },
        }
      : { ...type, kind, fuel: callFuel, call: (caller) => act(caller, caller.i32(0)) };
  return turnsWith(definition, entry, options);
}

function turnsWith(definition: HostDefinition, entry: string, options: TurnOptions): readonly Turn[] {
  const contain: HostDefinition = {
    kind: "frame",
    params: [],
    results: [],
    call: (caller: Caller) => callGuest(caller.instance!.exportedFunc("six"), [], "end"),
    continuations: { end: () => [] },
  };
  const invocation = instanceOf(GUEST, { host: { act: definition, catch: contain } }).invoke(entry, []);
  const turns: Turn[] = [];
  for (;;) {
    try {
      const outcome = invocation.run(options);
      if (outcome.kind === "waiting") invocation.resume([77]);
      if (outcome.kind === "yielded" && outcome.reason === "preparing") continue;
      const result = outcome.kind === "returned" ? String(outcome.values) : outcome.kind;
      turns.push({ outcome: result, fuelUsed: outcome.fuelUsed });
      if (outcome.kind === "returned") return turns;
    } catch (error) {
      const backtrace = error instanceof Trap || error instanceof Termination ? error.backtrace : [];
      turns.push({ outcome: `${error}\n${JSON.stringify(backtrace)}`, fuelUsed: invocation.fuelUsed });
      return turns;
    }
  }
}

/** Slices for a function that takes so much fuel a call. */
const SLICES: readonly (readonly [callFuel: number, slices: readonly number[]])[] = [
  [0, [1, 2, 3, 5, 7, 10, 13, 50, 101, 1_000, 100_000]],
  [9, [1, 8, 20, 100_000]],
];

describe("direct host functions", () => {
  for (const [name, act] of Object.entries(ACTS)) {
    it(`one that ${name}: as a plain one, in every turn at every slice`, () => {
      for (const entry of ["f", "contained"]) {
        for (const exact of [false, true]) {
          for (const [callFuel, slices] of SLICES) {
            for (const fuel of slices) {
              const turns = (kind: "direct" | "plain") => turnsOf(kind, act, entry, { fuel, exact }, callFuel);
              expect(turns("direct"), `${entry} at ${fuel}, ${callFuel} a call`).to.deep.equal(turns("plain"));
            }
          }
        }
      }
    });
  }

  it("one that goes on in steps: as a frame function, in every turn at every slice", () => {
    const step = (caller: Caller, state: FrameState, order: number) => {
      caller.chargeFuel(order);
      return Number(state) < 3 ? continueWith("step", Number(state) + 1) : order;
    };
    const continuations = { step: (caller: Caller, state: FrameState) => step(caller, state, Number(state) * 3) };
    const type = { params: ["i32"], results: ["i32"], name: "act", continuations } as const;
    const definitions: readonly HostDefinition[] = [
      {
        ...type,
        kind: "frame",
        call(caller: Caller, order: number) {
          caller.chargeFuel(5);
          return order % 2 === 0 ? order : step(caller, 0, order);
        },
      },
      {
        ...type,
        kind: "direct",
        fuel: 5,
        call: (caller) => (caller.i32(0) % 2 === 0 ? caller.i32(0) : step(caller, 0, caller.i32(0))),
      },
    ];
    for (const entry of ["f", "contained"]) {
      for (const exact of [false, true]) {
        for (const [, slices] of SLICES) {
          for (const fuel of slices) {
            const [frame, direct] = definitions.map((each) => turnsWith(each, entry, { fuel, exact }));
            expect(direct, `${entry} at ${fuel}`).to.deep.equal(frame);
          }
        }
      }
    }
    const lost: HostDefinition = { ...type, kind: "direct", call: () => continueWith("elsewhere", null) };
    expect(turnsWith(lost, "f", { fuel: 1_000 }).at(-1)!.outcome).to.include('has no continuation "elsewhere"');
  });

  it("read their arguments by index and type, and return integers of both widths", () => {
    const seen: unknown[] = [];
    const f: HostDefinition = {
      kind: "direct",
      params: ["i64", "i32", "f64", "i64"],
      results: ["i64"],
      call(caller) {
        seen.push(caller.i64(0), caller.i32(1), caller.f64(2), caller.u64Number(3), caller.i64Number(3));
        return caller.i32(1) < 0 ? caller.i64(0) : Number(caller.i64(0));
      },
    };
    const instance = instanceOf(
      wat`(module (import "m" "f" (func $f (param i64 i32 f64 i64) (result i64)))
        (func (export "f") (param i64 i32 f64 i64) (result i64)
          local.get 0 local.get 1 local.get 2 local.get 3 call $f))`,
      { m: { f } },
    );
    const call = (...args: readonly unknown[]): unknown => instance.callSync("f", args)[0];
    expect(call(-5n, 6, 1.5, -1n)).to.equal(-5n);
    expect(call(1n << 52n, 0, Number.NaN, 1n << 40n)).to.equal(1n << 52n);
    expect(call(-(1n << 63n), -1, 0, 0n)).to.equal(-(1n << 63n));
    expect(seen.slice(0, 10)).to.deep.equal([
      ...[-5n, 6, 1.5, 2 ** 64, -1],
      ...[1n << 52n, 0, Number.NaN, 2 ** 40, 2 ** 40],
    ]);
    expect(() => call(1n << 60n, 0, 0, 0n)).to.throw(TypeError, "expected a value of type i64");
  });

  it("have only types that they can read and return", () => {
    const link = (params: readonly string[], results: readonly string[]): unknown =>
      new Store().hostFunc({ kind: "direct", params, results, call: () => 0 });
    for (const [params, results] of [
      [["externref"], []],
      [["v128"], []],
      [["f32"], []],
      [[], ["f64"]],
      [[], ["i32", "i32"]],
    ] as const) {
      expect(() => link(params, results), `${params} -> ${results}`).to.throw(TypeError, "a direct host function");
    }
    expect(link(["i32", "i64", "f64"], ["i64"])).to.have.property("kind", "func");
    for (const fuel of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      const define = () => new Store().hostFunc({ kind: "direct", params: [], results: [], fuel, call: () => 0 });
      expect(define).to.throw(RangeError, "fuel");
    }
  });

  it("that return something else than their type says end the run", () => {
    for (const wrong of ["text", null, undefined, 1n]) {
      const f = { kind: "direct", params: [], results: ["i32"], call: () => wrong as unknown as number } as const;
      const instance = instanceOf(
        wat`(module (import "m" "f" (func $f (result i32))) (func (export "f") (result i32) call $f))`,
        { m: { f } },
      );
      expect(() => instance.callSync("f")).to.throw(TypeError, "expected a value of type i32");
    }
  });

  it("see their caller's memory and function, one object for all their calls", () => {
    const callers = new Set<DirectCaller>();
    const f: HostDefinition = {
      kind: "direct",
      params: ["i32"],
      results: ["i32"],
      call(caller) {
        callers.add(caller);
        expect(caller.func.type.params).to.have.length(1);
        return (caller.memory() satisfies Memory).readU8(caller.i32(0));
      },
    };
    const instance = instanceOf(
      wat`(module (import "m" "f" (func $f (param i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "\05\07")
        (func (export "f") (result i32) (i32.add (call $f (i32.const 0)) (call $f (i32.const 1)))))`,
      { m: { f } },
    );
    expect(instance.callSync("f")).to.deep.equal([12]);
    expect(callers.size).to.equal(1);
  });

  it("cannot use their caller when they have returned or thrown", () => {
    let kept: DirectCaller | null = null;
    const uses: ((caller: DirectCaller) => unknown)[] = [
      (caller) => caller.i32(0),
      (caller) => caller.i64(0),
      (caller) => caller.i64Number(0),
      (caller) => caller.u64Number(0),
      (caller) => caller.f64(0),
      (caller) => caller.func,
      (caller) => caller.memory(),
      (caller) => caller.chargeFuel(1),
      (caller) => caller.giveWay(),
    ];
    const useAll = (): void => {
      for (const use of uses) expect(() => use(kept!), `${use}`).to.throw(TypeError, "is over");
    };
    const first: HostDefinition = {
      kind: "direct",
      params: ["i32"],
      results: [],
      call(caller) {
        kept = caller;
        if (caller.i32(0) === 1) throw new Error("refused");
      },
    };
    const second: HostDefinition = { params: [], results: [], call: useAll };
    const instance = instanceOf(
      wat`(module (import "m" "first" (func $first (param i32))) (import "m" "second" (func $second))
        (memory (export "memory") 1)
        (func (export "f") (param i32) (call $first (local.get 0)) (call $second)))`,
      { m: { first, second } },
    );
    instance.callSync("f", [0]);
    useAll();
    expect(() => instance.callSync("f", [1])).to.throw("refused");
    useAll();
    instance.store.callSync(instance.store.hostFunc(first), [0]);
    useAll();
  });

  it("may collect: what the frames below hold stays alive", () => {
    const store = new Store();
    const f: HostDefinition = {
      kind: "direct",
      params: [],
      results: [],
      call(caller) {
        for (let i = 0; i < 50; i++) caller.instance!.callSync("litter");
        store.heap.collect(Number.POSITIVE_INFINITY);
      },
    };
    const instance = instanceOf(
      wat`(module (import "m" "f" (func $f)) (type $box (struct (field i32)))
        (func (export "litter") (drop (struct.new $box (i32.const 9))))
        (func (export "f") (result i32) (local $box (ref null $box))
          (local.set $box (struct.new $box (i32.const 42)))
          call $f
          (drop (struct.new $box (i32.const 1)))
          (struct.get $box 0 (local.get $box))))`,
      { m: { f } },
      store,
    );
    expect(runToEnd(instance.invoke("f")).values).to.deep.equal([42]);
  });

  it("contain nothing: a guest's exit passes through them", () => {
    const f: HostDefinition = {
      kind: "direct",
      params: [],
      results: [],
      call() {
        throw new GuestExit("3");
      },
    };
    const instance = instanceOf(wat`(module (import "m" "f" (func $f)) (func (export "f") call $f))`, { m: { f } });
    expect(() => instance.callSync("f")).to.throw(GuestExit);
  });
});
