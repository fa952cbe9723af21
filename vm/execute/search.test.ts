/** The search for who catches an exception: what it costs, and that it goes on in steps, between which anything may happen. */

import { expect } from "chai";
import { compileSync } from "../compiled-module.ts";
import { encodeModule } from "../binary/encode.ts";
import { Engine } from "../engine.ts";
import { Termination } from "../errors.ts";
import {
  CLAUSES_PER_FUEL,
  EXCEPTION_WORDS_PER_FUEL,
  SEARCH_BLOCK_CLAUSES,
  SEARCH_FRAME_FUEL,
  SEARCH_HANDLER_FUEL,
} from "../limits.ts";
import { callGuest, type FrameDefinition, type HostDefinition } from "../runtime/func.ts";
import { GuestException } from "../runtime/guest-exception.ts";
import type { Instance } from "../runtime/instance.ts";
import { Store } from "../runtime/store.ts";
import { instanceOf, runToEnd, wat } from "../testing.ts";
import { parseModule } from "../text/parser.ts";
import type { Invocation } from "./invocation.ts";
import type { TurnOptions } from "./outcome.ts";
import { Next } from "./record.ts";
import { HandlerSearch, type SearchPlace, Stage } from "./search.ts";

/** More than a step compares, and not a multiple of it. */
const CLAUSES = 700;
const wide = (code: string): string => `(block $w (try_table ${"(catch $other $w) ".repeat(CLAUSES)} ${code}))`;
const LEGACY = "catch $other ".repeat(CLAUSES);

const TEXT = `(module
  (type $box (struct (field i32)))
  (import "" "direct" (func $direct))
  (import "" "through" (func $through (param funcref)))
  (tag $e (export "e") (param (ref $box))) (tag $other)
  (func $bottom (throw $e (struct.new $box (i32.const 42)))) (elem declare func $bottom $bare)
  (func $bare (param $n i32)
    (if (local.get $n) (then (call $bare (i32.sub (local.get $n) (i32.const 1)))) (else (call $bottom))))
  (func $down (param $n i32)
    (if (local.get $n) (then ${wide("(call $down (i32.sub (local.get $n) (i32.const 1)))")}) (else (call $bottom))))
  (func $again (local $x exnref)
    (block $c (result exnref) (try_table (catch_all_ref $c) (call $down (i32.const 2))) (unreachable))
    (local.set $x)
    ${wide("(throw_ref (local.get $x))")})
  (func $old
    try
      try
        try (call $bottom) ${LEGACY} end
      delegate 1
    ${LEGACY} catch_all
      ${wide("(call $bare (i32.const 2))")}
    end)
  (func $older try (call $old) catch_all ${wide("(rethrow 2)")} end)
  (func $host ${wide("(call $direct)")})
  (func $frames ${wide("(call $through (ref.func $bottom))")})
  (func $tail (return_call $down (i32.const 2)))
  ${["bare", "down", "again", "old", "older", "host", "frames", "tail"]
    .map(
      (name) => `(func (export "${name}") (result i32)
    (struct.get $box 0 (block $c (result (ref $box))
      (try_table (catch $e $c) ${/bare|down/.test(name) ? "(i32.const 5)" : ""} (call $${name})) (unreachable))))`,
    )
    .join("\n")}
  (func (export "nobody") (call $down (i32.const 3)))
  (func (export "garbage") (param i32) (loop (drop (struct.new $box (i32.const 1)))
    (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))`;

const ENGINE = new Engine({ proposals: ["legacy-exceptions"] });
const BYTES = encodeModule(parseModule(TEXT, { proposals: new Set(["legacy-exceptions"] as const) }));

function instantiate(): Instance {
  const store = new Store({ engine: ENGINE });
  const thrower = (): Instance => instance;
  const direct: HostDefinition = {
    params: [],
    results: [],
    call: () => {
      thrower().callSync("nobody");
    },
  };
  const through: FrameDefinition = {
    kind: "frame",
    params: ["funcref"],
    results: [],
    call: (_caller, ...args: unknown[]) => callGuest(args[0] as never, [], "ended"),
    continuations: {
      ended: (_caller, _state, outcome) => {
        throw (outcome as { error: Error }).error;
      },
    },
  };
  const instance = store.instantiateSync(compileSync(BYTES, { engine: ENGINE }), { "": { direct, through } });
  return instance;
}

interface Played {
  readonly values: readonly unknown[] | null;
  readonly fuelUsed: number;
  /** Fuel owed when a turn ended in the middle of a search, at most; and how often one did. */
  readonly owed: number;
  readonly pauses: number;
}

function play(invocation: Invocation, turnOf: (turn: number) => TurnOptions): Played {
  let [owed, pauses] = [0, 0];
  for (let turn = 0; ; turn++) {
    const outcome = invocation.run(turnOf(turn));
    if (outcome.kind === "returned") return { values: outcome.values, fuelUsed: outcome.fuelUsed, owed, pauses };
    const { next, debt } = invocation.record!;
    if (next !== Next.Throw) continue;
    pauses++;
    owed = Math.max(owed, debt);
  }
}

const MODES: readonly [string, (turn: number) => TurnOptions][] = [
  ["fuel 1, exact", () => ({ fuel: 1, exact: true })],
  ["fuel 7", () => ({ fuel: 7 })],
  ["fuel 50, in turns exact and not", (turn) => ({ fuel: 50, exact: turn % 2 === 0 })],
  ["fuel 1,000", () => ({ fuel: 1_000 })],
];

describe("the search for a handler", () => {
  for (const name of ["bare", "down", "again", "old", "older", "host", "frames", "tail"]) {
    it(`goes on in steps of the same fuel in all modes: ${name}`, () => {
      const instance = instantiate();
      const whole = runToEnd(instance.invoke(name));
      expect(whole.values).to.deep.equal([42]);
      // All code is there now.
      expect(runToEnd(instance.invoke(name)).fuelUsed).to.equal(whole.fuelUsed);
      for (const [mode, turnOf] of MODES) {
        const { values, fuelUsed, owed, pauses } = play(instantiate().invoke(name), turnOf);
        expect({ values, fuelUsed }, mode).to.deep.equal({ values: [42], fuelUsed: whole.fuelUsed });
        // What a host function has called is owed besides.
        if (name !== "host") expect(owed, mode).to.be.at.most(SEARCH_BLOCK_CLAUSES / CLAUSES_PER_FUEL);
        if (turnOf(0).fuel! <= 7) expect(pauses, mode).to.be.greaterThan(3);
      }
    });
  }

  it("costs fuel for each frame, handler and clause that it passes, and a try_table for none", () => {
    const fuel = (frames: number, clauses: number, handlers = 1): number => {
      const instance = instanceOf(wat`(module (tag $e) (tag $other)
        (func $d (param i32) (block $h
          ${`(try_table ${"(catch $other $h) ".repeat(clauses)}`.repeat(handlers)}
          (br_if $h (i32.eqz (local.get 0))) (call $d (i32.sub (local.get 0) (i32.const 1)))${")".repeat(handlers)})
          (throw $e))
        (func (export "f") (param i32) (block $h (try_table (catch_all $h) (call $d (local.get 0)))))
        (func (export "g") (param i32) (block $h (try_table (catch_all $h) (try_table ${"(catch $other $h) ".repeat(clauses)}))))
        )`);
      expect(runToEnd(instance.invoke("g", [0])).fuelUsed).to.equal(2);
      return runToEnd(instance.invoke("f", [frames])).fuelUsed;
    };
    const call = fuel(1, 0, 0) - fuel(0, 0, 0);
    expect(fuel(11, 0, 0) - fuel(1, 0, 0)).to.equal(10 * call);
    expect(fuel(10, 0, 7) - fuel(10, 0, 0)).to.equal(11 * 7 + 10 * 7 * SEARCH_HANDLER_FUEL);
    for (const clauses of [1, 8, 9, 512, 513, 65_520]) {
      expect(fuel(3, clauses) - fuel(3, 0), `${clauses}`).to.equal(3 * Math.ceil(clauses / CLAUSES_PER_FUEL));
    }
    const bare = (depth: number): number => {
      const instance = instanceOf(wat`(module (tag $e)
        (func $d (param i32) (if (local.get 0) (then (call $d (i32.sub (local.get 0) (i32.const 1))) (return))) (throw $e))
        (func $n (param i32) (if (local.get 0) (then (call $n (i32.sub (local.get 0) (i32.const 1))) (return))) (nop))
        (func (export "f") (param i32) (block $h (try_table (catch_all $h) (call $d (local.get 0)))))
        (func (export "g") (param i32) (block $h (try_table (catch_all $h) (call $n (local.get 0))))))`);
      return runToEnd(instance.invoke("f", [depth])).fuelUsed - runToEnd(instance.invoke("g", [depth])).fuelUsed;
    };
    // The frames go without `return`.
    expect(bare(100) - bare(50)).to.equal(50 * (SEARCH_FRAME_FUEL - 1));
  });

  it("costs fuel for the values that a clause takes, also of an exception that is thrown again", () => {
    const fuel = (values: number, clause: string, results: string): number => {
      const params = "i64 ".repeat(values);
      const instance = instanceOf(wat`(module (tag $e (param ${params}))
        (func (export "f") (local $x exnref)
          (block $r (result exnref) (try_table (catch_all_ref $r) (throw $e ${"(i64.const 1)".repeat(values)})) (unreachable))
          (local.set $x)
          (block $h (result ${results}) (try_table (${clause} $h) (throw_ref (local.get $x))) (unreachable))
          ${"(drop)".repeat(clause === "catch $e" ? values : 1)}))`);
      return runToEnd(instance.invoke("f")).fuelUsed - values * (clause === "catch $e" ? 2 : 1);
    };
    const wide = fuel(800, "catch $e", "i64 ".repeat(800)) - fuel(800, "catch_all_ref", "exnref");
    const none = fuel(0, "catch $e", "") - fuel(0, "catch_all_ref", "exnref");
    expect(wide - none).to.equal(1_600 / EXCEPTION_WORDS_PER_FUEL);
  });

  it("passes ten thousands of handlers inside each other in many steps", () => {
    const depth = 30_000;
    const nested = `${"(try_table ".repeat(depth)}(throw $e)${")".repeat(depth)}`;
    const instance = instanceOf(
      wat`(module (tag $e) (func (export "f") (block $h (try_table (catch_all $h) ${nested}))))`,
    );
    const { owed, pauses, fuelUsed } = play(instance.invoke("f"), () => ({ fuel: 1_000 }));
    expect(owed).to.be.at.most(SEARCH_HANDLER_FUEL);
    expect(pauses).to.be.within(depth / 1_000 - 2, depth / 1_000 + 2);
    expect(fuelUsed).to.be.within(2 * depth, 2 * depth + 20);
  });

  /** In the middle of the clauses of a handler some frames away. */
  function inTheMiddle(instance: Instance, name: string): Invocation {
    const invocation = instance.invoke(name);
    for (;;) {
      invocation.run({ fuel: 3 });
      const { next, search } = invocation.record!;
      if (next === Next.Throw && search!.stage === Stage.Handler && search!.frames === 3 && search!.clause > 0) break;
    }
    return invocation;
  }

  it("goes on at a place that was saved, and at none that it cannot have reached", () => {
    const { machine, activations, search } = inTheMiddle(instantiate(), "down").record!;
    const { isInCode, stage, level, frames, depth, deepest, clause } = search!;
    const place: SearchPlace = { isInCode, stage, level, frames, depth, deepest, clause };
    const copy = new HandlerSearch();
    const mayGoTo = (changes: Partial<SearchPlace>): boolean => {
      const steps = copy.goTo(machine, activations, { ...place, ...changes });
      for (;;) {
        const step = steps.next();
        if (step.done === true) return step.value;
      }
    };
    expect(mayGoTo({})).to.equal(true);
    expect(copy).to.deep.include({ level, frames, clause, handler: search!.handler, fp: search!.fp });
    const wrong: Partial<SearchPlace>[] = [
      { level: level + 1 },
      { stage: Stage.Level, level: activations.length },
      { frames: frames + 10 },
      { frames: frames + 10, stage: Stage.Frame },
      { level: 0 },
      { depth: depth + 1 },
      { depth: -1 },
      { clause: CLAUSES + 1 },
    ];
    for (const each of wrong) expect(mayGoTo(each), JSON.stringify(each)).to.equal(false);
  });

  it("is killed between two steps, where it was thrown", () => {
    const invocation = inTheMiddle(instantiate(), "down");
    invocation.terminate(new Termination("killed"));
    expect(() => invocation.run())
      .to.throw(Termination, "killed")
      .with.nested.property("backtrace[0].funcName", "bottom");
    expect(invocation.record).to.equal(null);
  });

  it("that finds nobody says where it was thrown", () => {
    for (const [, turnOf] of MODES) {
      const invocation = instantiate().invoke("nobody");
      let error: unknown;
      try {
        play(invocation, turnOf);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).to.be.instanceOf(GuestException);
      const { backtrace, values } = error as GuestException;
      expect(backtrace.map(({ funcName }) => funcName)).to.deep.equal([
        "bottom",
        ...Array.from({ length: 4 }, () => "down"),
        null,
      ]);
      expect(values).to.have.length(1);
      expect(invocation.fuelUsed).to.equal(runFuel("nobody"));
    }
  });

  const runFuel = (name: string): number => {
    const invocation = instantiate().invoke(name);
    expect(() => runToEnd(invocation)).to.throw(GuestException);
    return invocation.fuelUsed;
  };

  it("keeps its exception and its frames while others of its store collect", () => {
    for (const exact of [false, true]) {
      for (const name of ["down", "again", "older"]) {
        const instance = instantiate();
        const invocation = instance.invoke(name);
        let collections = 0;
        for (;;) {
          const outcome = invocation.run({ fuel: 40, exact });
          if (outcome.kind === "returned") {
            expect(outcome.values).to.deep.equal([42]);
            break;
          }
          if (invocation.record!.next !== Next.Throw) continue;
          instance.callSync("garbage", [10_000]);
          instance.store.heap.collect(Number.POSITIVE_INFINITY);
          collections++;
        }
        expect(collections).to.be.greaterThan(0);
      }
    }
  });
});
