import { expect } from "chai";
import { compileSync } from "../compiled-module.ts";
import { encodeModule } from "../binary/encode.ts";
import { Engine } from "../engine.ts";
import { SnapshotError, Termination, Trap } from "../errors.ts";
import type { Invocation } from "../execute/invocation.ts";
import type { Imports } from "../execute/link.ts";
import { callGuest, continueWith, type FrameDefinition, type HostDefinition, SUSPEND } from "../runtime/func.ts";
import { LimitAccountant } from "../runtime/resources.ts";
import { Store } from "../runtime/store.ts";
import { wat } from "../testing.ts";
import { parseModule } from "../text/parser.ts";
import { Restoration, Saving } from "./index.ts";
import { expectSameRun, resumed, type Scenario } from "./testing.ts";

/** A scenario of one module whose export `f` is called. */
function scenario(bytes: Uint8Array, args: readonly unknown[] = [], imports: Imports = {}): Scenario {
  const module = compileSync(bytes);
  const start = () => new Store().instantiateSync(module, imports).invoke("f", args);
  return { modules: [module], imports, start };
}

/** In slices and, in exact mode, at every instruction. */
function everywhere(each: Scenario): number {
  return (
    expectSameRun(each) +
    expectSameRun({ ...each, turn: { fuel: 1, exact: true } }) +
    expectSameRun({ ...each, turn: { fuel: 3, exact: true } })
  );
}

describe("snapshot", () => {
  it("saves calls, locals and operands of every type", () => {
    const program = wat`(module
      (func $g (param i32 i64 f32 f64 v128) (result f64 i32)
        (local $i i32)
        (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $l (i32.lt_u (local.get $i) (local.get 0))))
        (f64.add (local.get 3) (f64.convert_i64_s (local.get 1)))
        (i32x4.extract_lane 2 (local.get 4)))
      (func (export "f") (result f64 i32)
        (i32.const 3) (i64.const -5000000000) (f32.const nan:0x200001) (f64.const 1e10) (v128.const i32x4 1 2 3 4)
        (call $g)))`;
    expect(everywhere(scenario(program))).to.be.greaterThan(20);
  });

  it("saves deep recursion and tail calls through tables", () => {
    const program = wat`(module
      (type $t (func (param i32 i32) (result i32)))
      (table 2 funcref) (elem (i32.const 0) $even $odd)
      (func $even (type $t) (if (i32.eqz (local.get 0)) (then (return (i32.const 1))))
        (return_call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0) (i32.const 1)))
      (func $odd (type $t) (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
        (return_call $even (i32.sub (local.get 0) (i32.const 1)) (local.get 1)))
      (func $deep (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then (return (call $even (i32.const 7) (i32.const 0)))))
        (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))
      (func (export "f") (param i32) (result i32) (call $deep (local.get 0))))`;
    everywhere(scenario(program, [20]));
    expectSameRun({ ...scenario(program, [3000]), turn: { fuel: 5000 } });
  });

  it("traps at the same place with the same fuel", () => {
    const program = wat`(module (memory 1)
      (func (export "f") (result i32) (local i32)
        (loop (local.set 0 (i32.add (local.get 0) (i32.const 9000)))
          (i32.store (local.get 0) (local.get 0)) (br 0))
        (i32.const 0)))`;
    expect(everywhere(scenario(program))).to.be.greaterThan(10);
  });

  it("saves memories, tables, globals and dropped segments", () => {
    const program = wat`(module
      (memory 1 4) (memory 0 3) (table $t 3 10 funcref) (table $u 1 externref) (global $g (mut i64) (i64.const 7))
      (global $v (mut v128) (v128.const i64x2 1 2)) (data $d "hello") (elem $e func $f $f) (elem $x funcref (ref.func $f) (ref.null func))
      (func $f (export "f") (result i32 i64)
        (memory.init $d (i32.const 100) (i32.const 0) (i32.const 5)) (data.drop $d)
        (table.init $t $e (i32.const 1) (i32.const 0) (i32.const 2)) (elem.drop $e)
        (table.init $t $x (i32.const 0) (i32.const 0) (i32.const 2))
        (drop (memory.grow 1 (i32.const 2))) (memory.fill 1 (i32.const 70000) (i32.const 3) (i32.const 50000))
        (memory.copy (i32.const 0) (i32.const 90) (i32.const 20000))
        (drop (table.grow $t (ref.func $f) (i32.const 4)))
        (global.set $g (i64.add (global.get $g) (i64.load (i32.const 8))))
        (i32.add (table.size $t) (i32.load8_u 1 (i32.const 80000))) (global.get $g)))`;
    expect(everywhere(scenario(program))).to.be.greaterThan(30);
  });

  it("goes on inside bulk operations", () => {
    const program = wat`(module (memory 3 200) (table 1 20000 funcref)
      (func (export "f") (result i32)
        (memory.fill (i32.const 5) (i32.const 65) (i32.const 150000))
        (memory.copy (i32.const 1000) (i32.const 5) (i32.const 100000))
        (drop (table.grow (ref.null func) (i32.const 9000))) (table.fill (i32.const 0) (ref.null func) (i32.const 8000))
        (i32.add (memory.grow (i32.const 150)) (i32.load (i32.const 149000)))))`;
    expect(expectSameRun(scenario(program))).to.be.greaterThan(60);
  });

  it("saves an instantiation in every one of its steps", () => {
    const program = wat`(module
      (type $s (struct (field i32)))
      (global $a i32 (i32.const 5)) (global $r (ref $s) (struct.new $s (i32.add (global.get $a) (i32.const 2))))
      (table 3 (ref null $s) (struct.new $s (i32.const 7))) (table $f 4 funcref) (memory 1)
      (elem (table $f) (i32.add (global.get $a) (i32.const -4)) funcref (ref.func $go) (ref.null func))
      (elem $p (ref $s) (global.get $r) (item (struct.new $s (i32.const 9))))
      (data (i32.const 1000) "abc") (data (i32.const 60000) "xyz")
      (func $go (i32.store (i32.const 0) (struct.get $s 0 (table.get 0 (i32.const 2))))) (start $go)
      (func (export "f") (result i32) (i32.load (i32.const 0))))`;
    const module = compileSync(program);
    const observe = (store: Store) =>
      store.owners.flatMap((owner) => ("definition" in owner ? null : owner.callSync("f")));
    const start = () => new Store().instantiation(module, {}).invocation;
    expect(everywhere({ modules: [module], start, observe })).to.be.greaterThan(20);
  });

  it("saves a heap with cycles, i31, packed fields and arrays in the making", () => {
    const program = wat`(module
      (rec (type $n (struct (field (mut (ref null $n))) (field (mut i8)) (field i64) (field (mut anyref)))))
      (type $a (array (mut (ref null $n)))) (type $b (array (mut i16)))
      (func (export "f") (result i32 i32 i64)
        (local $x (ref null $n)) (local $y (ref $n)) (local $arr (ref null $a)) (local $i i32)
        (local.set $x (struct.new $n (ref.null $n) (i32.const 200) (i64.const 77) (ref.i31 (i32.const -5))))
        (struct.set $n 0 (local.get $x) (local.get $x))
        (local.set $y (struct.new $n (local.get $x) (i32.const 7) (i64.const 8) (local.get $x)))
        (local.set $arr (array.new $a (local.get $y) (i32.const 5000)))
        (struct.set $n 3 (local.get $y) (array.new $b (i32.const 70000) (i32.const 9001)))
        (loop $l
          (array.set $a (local.get $arr) (local.get $i)
            (struct.new $n (local.get $x) (local.get $i) (i64.const 1) (ref.i31 (local.get $i))))
          (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 30))))
        (struct.get_s $n 1 (struct.get $n 0 (array.get $a (local.get $arr) (i32.const 20))))
        (array.get_u $b (ref.cast (ref $b) (struct.get $n 3 (local.get $y))) (i32.const 9000))
        (struct.get $n 2 (local.get $x))))`;
    expect(everywhere(scenario(program))).to.be.greaterThan(100);
  });

  it("saves exceptions, thrown through calls, instances and frame functions", () => {
    const program = wat`(module
      (import "h" "apply" (func $apply (param funcref i32) (result i32)))
      (tag $e (param i32 i64)) (tag $x) (table 1 exnref)
      (func $throws (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then (throw $e (i32.const 9) (i64.const 8))))
        (i32.add (i32.const 1) (call $throws (i32.sub (local.get 0) (i32.const 1)))))
      (elem declare func $throws)
      (func $caught (param i32) (result i32) (local exnref)
        (block $h (result i32 i64 exnref)
          (try_table (result i32) (catch_ref $e $h) (call $throws (local.get 0)))
          (return))
        (local.set 1) (drop) (drop) (table.set (i32.const 0) (local.get 1))
        (block $a (result exnref)
          (try_table (catch_all_ref $a) (throw_ref (table.get (i32.const 0)))) (unreachable))
        (local.set 1) (i32.add (ref.is_null (local.get 1)) (local.get 0)))
      (func (export "f") (result i32) (local i32)
        (block $h (result i32 i64)
          (try_table (catch $e $h) (drop (call $apply (ref.func $throws) (i32.const 3)))) (unreachable))
        (drop) (local.set 0)
        (i32.add (local.get 0) (call $caught (i32.const 4)))))`;
    const passing: FrameDefinition = {
      kind: "frame",
      params: ["funcref", "i32"],
      results: ["i32"],
      call: (_caller, ...args: unknown[]) => callGuest(args[0] as never, [args[1]], "next", null),
      continuations: {
        next: (_caller, _state, outcome) => {
          if (outcome?.kind === "threw") throw outcome.error;
          return outcome?.kind === "returned" ? outcome.values[0] : 0;
        },
      },
    };
    expect(everywhere(scenario(program, [], { h: { apply: passing } }))).to.be.greaterThan(40);
  });

  it("saves nests of frame functions between their levels", () => {
    const nest: FrameDefinition = {
      kind: "frame",
      params: ["i32"],
      results: ["i32"],
      call: (caller, left: number) => {
        if (left === 10) throw new Trap("unreachable", "at the bottom");
        return left === 0 ? 7 : callGuest(caller.func, [left - 1], "up", left);
      },
      continuations: {
        up: (_caller, state, outcome) => {
          if (outcome?.kind === "returned") return (outcome.values[0] as number) + 1;
          if (state !== 15 && outcome?.kind === "trapped") throw outcome.error;
          return 100;
        },
      },
    };
    const program = wat`(module (import "h" "nest" (func $nest (param i32) (result i32)))
      (func (export "f") (result i32) (i32.add (call $nest (i32.const 8)) (call $nest (i32.const 20)))))`;
    expect(everywhere(scenario(program, [], { h: { nest } }))).to.be.greaterThan(40);
  });

  it("collects at the same moments", () => {
    const program = wat`(module
      (type $a (array (mut i64)))
      (func (export "f") (param i32) (result i32) (local $k (ref null $a)) (local $s i32)
        (loop $l
          (local.set $k (array.new $a (i64.const 3) (i32.const 3000)))
          (local.set $s (i32.add (local.get $s) (array.len (local.get $k))))
          (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (local.get $s)))`;
    const observe = ({ heap }: Store) => [heap.collectionCount, heap.newBytes, heap.objectBytes];
    expectSameRun({ ...scenario(program, [80]), turn: { fuel: 700 }, observe });
  });

  it("saves calls between instances, and what they import from each other", () => {
    const a = compileSync(wat`(module
      (memory (export "m") 1) (global (export "g") (mut i32) (i32.const 3)) (table (export "t") 2 funcref)
      (func (export "add") (param i32 i32) (result i32) (i32.store (i32.const 4) (local.get 0))
        (i32.add (local.get 0) (local.get 1))) (elem (i32.const 0) 0))`);
    const b = compileSync(wat`(module
      (type $add (func (param i32 i32) (result i32)))
      (import "a" "m" (memory 1)) (import "a" "g" (global (mut i32))) (import "a" "t" (table 2 funcref))
      (import "a" "add" (func $add (type $add))) (import "h" "m" (memory 1)) (import "h" "c" (global i64))
      (func $twice (type $add) (call $add (call $add (local.get 0) (local.get 1)) (global.get 0)))
      (elem (i32.const 1) $twice)
      (func (export "f") (result i32 i64) (global.set 0 (i32.const 9))
        (i32.add (call_indirect (type $add) (i32.const 4) (i32.const 5) (i32.const 1)) (i32.load (i32.const 4)))
        (i64.add (global.get 1) (i64.load 1 (i32.const 0)))))`);
    const host = compileSync(wat`(module (memory (export "m") 2) (global (export "c") i64 (i64.const 6)))`);
    const start = () => {
      const store = new Store();
      const first = store.instantiateSync(a);
      const exportsOf = (of: typeof first) => of.exports;
      const imports = new Map([
        ["a", exportsOf(first)],
        ["h", exportsOf(store.instantiateSync(host))],
      ]);
      return store.instantiateSync(b, imports).invoke("f");
    };
    expect(everywhere({ modules: [a, b, host], start })).to.be.greaterThan(10);
  });

  const HOST_PROGRAM = wat`(module
    (import "h" "apply" (func $apply (param funcref i32) (result i32)))
    (import "h" "sleep" (func $sleep (param i32) (result i32)))
    (import "h" "plain" (func $plain (param externref) (result externref)))
    (func $inner (param i32) (result i32) (i32.add (call $sleep (local.get 0)) (i32.const 1))) (elem declare func $inner $bad)
    (func $bad (param i32) (result i32) (drop (call $sleep (i32.const 1))) (unreachable))
    (func (export "f") (param externref) (result i32 externref)
      (i32.add (call $apply (ref.func $inner) (i32.const 5)) (call $apply (ref.func $bad) (i32.const 6)))
      (call $plain (local.get 0))))`;
  const apply: FrameDefinition = {
    kind: "frame",
    params: ["funcref", "i32"],
    results: ["i32"],
    name: "apply",
    call: (_caller, ...args: unknown[]) =>
      callGuest(args[0] as never, [args[1]], "second", { func: 1n, list: [1, "x", null] }),
    continuations: {
      second: (_caller, state, outcome) => {
        if (outcome?.kind === "trapped") return -100;
        return continueWith("third", [state, outcome?.kind === "returned" ? (outcome.values[0] as number) : -1]);
      },
      third: (_caller, state) => ((state as unknown[])[1] as number) * 2,
    },
  };
  const hosts = (saved: "resumable" | "reissue" | "opaque"): { h: Record<string, HostDefinition> } => ({
    h: {
      apply,
      sleep: { params: ["i32"], results: ["i32"], name: "sleep", saved, call: () => SUSPEND },
      plain: { params: ["externref"], results: ["externref"], call: (_caller, value: unknown) => value },
    },
  });

  it("saves frame functions, their traps, and calls that wait", () => {
    for (const saved of ["resumable", "reissue"] as const) {
      const each = scenario(HOST_PROGRAM, ["a text"], hosts(saved));
      const answer = (invocation: Invocation) => {
        const call = invocation.pendingCall;
        if (call !== null) invocation.resume([(call.args[0] as number) + 10]);
      };
      expect(everywhere({ ...each, answer }), saved).to.be.greaterThan(10);
    }
  });

  it("charges a call that is issued again only once", () => {
    const program = wat`(module (import "h" "sleep" (func $sleep (param i32) (result i32)))
      (func (export "f") (result i32) (i32.add (call $sleep (i32.const 1)) (i32.const 1))))`;
    let calls = 0;
    const sleep: HostDefinition = {
      params: ["i32"],
      results: ["i32"],
      saved: "reissue",
      call(caller) {
        calls++;
        caller.chargeFuel(30);
        return SUSPEND;
      },
    };
    const each = scenario(program, [], { h: { sleep } });
    const alone = each.start();
    let saved = each.start();
    for (const invocation of [alone, saved]) expect(invocation.run().kind).to.equal("waiting");
    for (let i = 0; i < 3; i++) {
      saved = resumed(each, saved);
      if (i > 0) expect(saved.run({ fuel: 5 }).kind).to.equal("waiting");
    }
    expect(calls).to.equal(4);
    for (const invocation of [alone, saved]) {
      invocation.run();
      invocation.resume([7]);
    }
    const end = alone.run();
    expect(end).to.deep.include({ kind: "returned", values: [8] });
    expect(saved.run()).to.deep.equal(end);
  });

  it("keeps what a call is answered with alive until it is received", () => {
    const module = compileSync(wat`(module (type $a (array (mut i64)))
      (import "h" "ask" (func $ask (param anyref) (result anyref)))
      (func (export "f") (result i64)
        (array.get $a (ref.cast (ref $a) (call $ask (array.new $a (i64.const 5) (i32.const 3)))) (i32.const 1)))
      (func (export "garbage") (param i32)
        (loop (drop (array.new $a (i64.const 1) (i32.const 9000))) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))`);
    const ask: HostDefinition = { params: ["anyref"], results: ["anyref"], saved: "resumable", call: () => SUSPEND };
    const imports = { h: { ask } };
    const { store } = new Store().instantiateSync(module, imports);
    const waiting = store.instantiateSync(module, imports).invoke("f");
    waiting.run();
    waiting.resume([waiting.pendingCall?.args[0]]);
    const restored = Store.restore(store.snapshot([waiting]), { modules: [module], imports });
    restored.instances[0]!.callSync("garbage", [20]);
    expect(restored.store.heap.collectionCount).to.be.greaterThan(2);
    expect(restored.invocations[0]!.run()).to.deep.include({ kind: "returned", values: [5n] });
  });

  it("leaves the store as it is, though an answer is a host value that the store has not got yet", () => {
    const module = compileSync(wat`(module (import "h" "ask" (func $ask (result externref i32)))
      (global $g (mut externref) (ref.null extern))
      (func (export "f") (result i32 externref) (local $n i32) (call $ask) (local.set $n) (global.set $g) (local.get $n) (global.get $g)))`);
    const ask: HostDefinition = { params: [], results: ["externref", "i32"], saved: "resumable", call: () => SUSPEND };
    const thing = { id: 1 };
    const options = { modules: [module], imports: { h: { ask } }, extern: () => thing };
    for (const value of ["a text", thing]) {
      const invocation = new Store().instantiateSync(module, options.imports).invoke("f");
      const { store } = invocation;
      invocation.run();
      invocation.resume([value, 7]);
      const before = store.snapshot([]);
      const bytes = store.snapshot([invocation], { externName: () => "thing" });
      expect(store.snapshot([])).to.deep.equal(before);
      const { invocations } = Store.restore(bytes, options);
      expect(invocations[0]!.run()).to.deep.include({ kind: "returned", values: [7, value] });
      if (value === thing) expect(() => store.snapshot([invocation])).to.throw(SnapshotError, /without a name/);
    }
  });

  it("keeps what a call that waits has to remember", () => {
    const each = scenario(HOST_PROGRAM, [null], hosts("resumable"));
    const invocation = each.start();
    expect(invocation.run().kind).to.equal("waiting");
    const bytes = invocation.store.snapshot([invocation], { hostState: () => ({ untilMs: 50 }) });
    const { hostStates, invocations } = Store.restore(bytes, each);
    expect(hostStates).to.deep.equal([{ untilMs: 50 }]);
    expect(invocations[0]?.pendingCall?.args).to.deep.equal([5]);
  });

  it("saves what the clauses of a deprecated try have caught", () => {
    const engine = new Engine({ proposals: ["legacy-exceptions"] });
    const program = encodeModule(
      parseModule(
        `(module (tag $t (param i32 i64)) (tag $u (param i32))
          (func $deep (param i32)
            (if (i32.eqz (local.get 0)) (then (throw $t (i32.const 7) (i64.const 9))))
            (call $deep (i32.sub (local.get 0) (i32.const 1))))
          (func $spin (param i32) (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
          (func (export "f") (result i32) (local $sum i32)
            i32.const 1000
            try (result i32 i64)
              try (result i32 i64)
                (call $deep (i32.const 3)) i32.const 1 i64.const 2
              catch $u
                drop i32.const 3 i64.const 4
              catch_all
                (call $spin (i32.const 3))
                (local.set $sum (i32.add (local.get $sum) (i32.const 1)))
                rethrow 0
              end
            catch $t
              (call $spin (i32.const 2))
              try
                (throw $u (i32.const 5))
              catch $u
                (call $spin (i32.const 2))
                (local.set $sum (i32.add (local.get $sum)))
                (call $spin (i32.const 1))
              end
            end
            drop
            i32.add
            (i32.add (local.get $sum))))`,
        { proposals: new Set(["legacy-exceptions"] as const) },
      ),
    );
    const module = compileSync(program, { engine });
    const start = () => new Store({ engine }).instantiateSync(module).invoke("f");
    expect(start().run()).to.deep.include({ kind: "returned", values: [1013] });
    expect(everywhere({ modules: [module], start })).to.be.greaterThan(60);
  });

  it("saves the search for a handler wherever it stands: clauses, handlers, frames, activations", () => {
    const engine = new Engine({ proposals: ["legacy-exceptions"] });
    const wide = (code: string, count = 20): string =>
      `(block $w (try_table ${"(catch $u $w) ".repeat(count)} (try_table (catch $u $w) ${code})))`;
    const program = encodeModule(
      parseModule(
        `(module (type $box (struct (field i32)))
          (import "h" "through" (func $through (param funcref)))
          (import "h" "fails" (func $fails))
          (tag $t (param i32 (ref $box))) (tag $u) (elem declare func $down)
          (func $throws (export "throws") (throw $t (i32.const 7) (struct.new $box (i32.const 9))))
          (func $down
            (i32.const 3) ${wide("(call $throws)", 520)} (drop))
          (func $old (param $b (ref $box)) (result i32)
            try (result i32)
              try try (call $through (ref.func $down)) ${"catch $u ".repeat(9)} end delegate 1
              i32.const 1
            catch $u i32.const 2
            catch_all ${wide("(rethrow 3)")} (i32.const 4)
            end)
          (func $again (param $b (ref $box)) (local $x exnref)
            (block $c (result exnref) (try_table (catch_all_ref $c) (drop (call $old (local.get $b)))) (unreachable))
            (local.set $x) (drop (ref.is_null (local.get $x)))
            (block $c (result exnref) (try_table (catch_all_ref $c) ${wide("(call $fails)")}) (unreachable))
            (throw_ref))
          (func (export "f") (result i32 i32) (local $box (ref null $box))
            (block $c (result i32 (ref $box))
              (try_table (catch $t $c) ${wide("(call $again (struct.new $box (i32.const 5)))")}) (unreachable))
            (local.set $box) (struct.get $box 0 (local.get $box))))`,
        { proposals: new Set(["legacy-exceptions"] as const) },
      ),
    );
    const through: FrameDefinition = {
      kind: "frame",
      params: ["funcref"],
      results: [],
      call: (_caller, ...args: unknown[]) => callGuest(args[0] as never, [], "next"),
      continuations: {
        next: (_caller, _state, outcome) => {
          throw (outcome as { error: Error }).error;
        },
      },
    };
    const fails: HostDefinition = {
      params: [],
      results: [],
      call: (caller) => {
        caller.instance!.callSync("throws");
      },
    };
    const imports = { h: { through, fails } };
    const module = compileSync(program, { engine });
    const start = () => new Store({ engine }).instantiateSync(module, imports).invoke("f");
    expect(start().run()).to.deep.include({ kind: "returned", values: [7, 9] });
    expect(everywhere({ modules: [module], imports, start })).to.be.greaterThan(300);
  });

  it("saves exceptions that a frame function is about to meet", () => {
    const program = wat`(module (type $i (func (param i32) (result i32)))
      (import "h" "apply" (func $apply (param funcref i32) (result i32)))
      (tag $t (export "t") (param i32))
      (func $throws (type $i) (throw $t (local.get 0))) (elem declare func $throws $passes)
      (func $passes (type $i) (call $apply (ref.func $throws) (local.get 0)))
      (func (export "f") (result i32)
        (block $caught (result i32)
          (return (i32.add (call $apply (ref.func $passes) (i32.const 4))
            (try_table (result i32) (catch $t $caught) (call $apply (ref.func $throws) (i32.const 40))))))
        (i32.add (i32.const 1000))))`;
    let met = 0;
    const catching: FrameDefinition = {
      kind: "frame",
      params: ["funcref", "i32"],
      results: ["i32"],
      call: (_caller, ...args: unknown[]) => callGuest(args[0] as never, [args[1]], "next", args[1] as number),
      continuations: {
        next(_caller, state, outcome) {
          if (outcome?.kind !== "threw") return outcome?.kind === "returned" ? outcome.values[0] : -1;
          met++;
          if (state === 40) throw outcome.error;
          return (outcome.error.values[0] as number) + 1;
        },
      },
    };
    expect(everywhere(scenario(program, [], { h: { apply: catching } }))).to.be.greaterThan(20);
    expect(met).to.be.greaterThan(6);
  });

  it("saves errors that a call is about to end with", () => {
    class Own extends Error {}
    const each = scenario(HOST_PROGRAM, [null], hosts("resumable"));
    const errorState = (error: unknown) => (error instanceof Own ? { own: error.message } : undefined);
    const error = (state: unknown) => new Own((state as { own: string }).own);
    const endWith = (thrown: unknown): unknown => {
      const invocation = each.start();
      invocation.run();
      invocation.fail(thrown);
      const bytes = invocation.store.snapshot([invocation], { errorState });
      const restored = Store.restore(bytes, { ...each, error }).invocations[0]!;
      try {
        return restored.run();
      } catch (found) {
        return found;
      }
    };
    const limit = endWith(new Termination("memory limit", "for a test")) as Termination;
    expect(limit).to.be.instanceOf(Termination);
    expect([limit.reason, limit.message]).to.deep.equal(["memory limit", "memory limit: for a test"]);
    expect(endWith(new Own("mine"))).to.be.instanceOf(Own);
    expect(String(endWith(new RangeError("far")))).to.equal("RangeError: far");
    // A trap is contained.
    expect(endWith(new Trap("unreachable"))).to.include({ kind: "waiting" });
  });

  it("carries data of the embedder, which can be read before", () => {
    const { modules, start } = scenario(wat`(module (memory 40) (func (export "f") (result i32) (i32.const 3)))`);
    const data = { bytes: Uint8Array.of(1, 2, 3), list: [1n, null, true, "x"] };
    const invocation = start();
    invocation.store.snapshot();
    const saving = new Saving(invocation.store, [invocation], { data });
    let steps = 1;
    while (!saving.step()) steps++;
    const restoration = new Restoration(saving.bytes);
    expect(restoration.data).to.deep.equal(data);
    restoration.begin({ modules });
    while (!restoration.step()) steps++;
    expect(steps).to.be.greaterThan(2);
    expect(restoration.restored.invocations[0]!.run()).to.deep.include({ values: [3] });
  });

  it("gives back what an abandoned restoration has taken", () => {
    const program = wat`(module (memory 64) (func (export "f") (memory.fill (i32.const 0) (i32.const 1) (i32.const 4000000))))`;
    const { modules, start } = scenario(program);
    const invocation = start();
    invocation.run();
    const accountant = new LimitAccountant(10_000_000);
    const restoration = new Restoration(invocation.store.snapshot([]));
    restoration.begin({ modules, accountant });
    expect(restoration.step()).to.equal(false);
    expect(accountant.usedBytes).to.be.greaterThan(4_000_000);
    restoration.discard();
    expect(accountant.usedBytes).to.equal(0);
  });

  it("saves what remains of an atomic wait's time", () => {
    const module = compileSync(wat`(module (memory 1 1 shared)
      (func (export "wait") (result i32) (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const 1000))))`);
    const invocation = new Store().instantiateSync(module).invoke("wait");
    invocation.run();
    const bytes = invocation.store.snapshot([invocation], { remainingNs: ({ timeoutNs }) => timeoutNs! - 400n });
    const outcome = Store.restore(bytes, { modules: [module] }).invocations[0]!.run();
    expect(outcome.kind === "waiting" && outcome.reason === "atomicWait" && outcome.wait.timeoutNs).to.equal(600n);
  });

  it("names the memory that stores share", () => {
    const module = compileSync(wat`(module (memory (export "memory") 1 1 shared))`);
    const user = compileSync(wat`(module (import "m" "memory" (memory 1 1 shared)))`);
    const first = new Store().instantiateSync(module);
    first.store.snapshot();
    const second = new Store();
    second.instantiateSync(user, { m: { memory: first.memories[0]! } });
    expect(() => first.store.snapshot()).to.throw(SnapshotError, 'memory 0, exported as "memory", is shared');
    expect(() => second.snapshot()).to.throw(SnapshotError, "memory 0 is shared");
  });

  it("names what stands in the way", () => {
    const each = scenario(HOST_PROGRAM, [{}], hosts("opaque"));
    const invocation = each.start();
    expect(() => invocation.store.snapshot([invocation])).to.throw(
      SnapshotError,
      /host value without a name: an object/,
    );
    invocation.run();
    const save = { externName: () => "thing" };
    expect(() => invocation.store.snapshot([invocation], save)).to.throw(SnapshotError, /host function sleep waits/);
    // One without a name of its own has that of the import.
    const module = compileSync(wat`(module (import "app" "ask" (func $ask)) (func (export "f") (call $ask)))`);
    const asking = new Store()
      .instantiateSync(module, { app: { ask: { params: [], results: [], call: () => SUSPEND } } })
      .invoke("f");
    asking.run();
    expect(() => asking.store.snapshot([asking])).to.throw(SnapshotError, /host function app::ask waits/);
  });

  it("finds host values by their names", () => {
    const thing = { id: 1 };
    const each = scenario(HOST_PROGRAM, [thing], hosts("resumable"));
    const answer = (invocation: Invocation) => invocation.resume([1]);
    const save = { externName: (value: unknown) => (value === thing ? "thing" : undefined) };
    const extern = (name: string) => (name === "thing" ? thing : undefined);
    expect(expectSameRun({ ...each, answer, save, extern })).to.be.greaterThan(3);
    const bytes = each.start().store.snapshot(undefined, save);
    expect(() => Store.restore(bytes, each)).to.throw(SnapshotError, /host value named "thing"/);
  });

  it("saves atomic waits in their order", () => {
    const module = compileSync(wat`(module (memory 1 1 shared)
      (func (export "wait") (result i32) (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const -1)))
      (func (export "wake") (result i32) (memory.atomic.notify (i32.const 8) (i32.const 1))))`);
    const instance = new Store().instantiateSync(module);
    const waits = [1, 2, 3].map(() => instance.invoke("wait"));
    for (const invocation of waits) expect(invocation.run().kind).to.equal("waiting");
    expect(instance.callSync("wake")).to.deep.equal([1]);
    const bytes = instance.store.snapshot(waits);
    const restored = Store.restore(bytes, { modules: [module] });
    const kinds = () => restored.invocations.map((invocation) => invocation.run().kind);
    expect(kinds()).to.deep.equal(["returned", "waiting", "waiting"]);
    restored.instances[0]!.callSync("wake");
    expect(kinds()).to.deep.equal(["returned", "returned", "waiting"]);
  });

  it("saves idle stores, several invocations and retained objects", () => {
    const module = compileSync(wat`(module (type $s (struct (field i32))) (global $c (mut i32) (i32.const 0))
      (func (export "new") (result (ref $s)) (struct.new $s (i32.const 5)))
      (func (export "get") (param (ref $s)) (result i32) (struct.get $s 0 (local.get 0)))
      (func (export "f") (param i32) (result i32) (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
        (global.set $c (i32.add (global.get $c) (i32.const 1))) (global.get $c)))`);
    const instance = new Store().instantiateSync(module);
    const [object] = instance.callSync("new");
    (object as { retain(): void }).retain();
    const both = [instance.invoke("f", [10]), instance.invoke("f", [20])];
    for (const each of both) each.run({ fuel: 8 });
    const { instances, invocations, retained } = Store.restore(instance.store.snapshot(both), { modules: [module] });
    expect(instances[0]?.callSync("get", [retained[0]])).to.deep.equal([5]);
    expect(invocations.map((each) => each.run())).to.deep.equal(both.map((each) => each.run()));
    const idle = Store.restore(instance.store.snapshot([]), { modules: [module] });
    expect(idle.instances[0]?.callSync("f", [1])).to.deep.equal([3]);
  });

  it("moves between slices and exact mode", () => {
    const each = scenario(wat`(module (func $g (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
      (func (export "f") (result i32) (local i32)
        (loop (local.set 0 (i32.add (call $g (local.get 0)) (i32.const 1))) (br_if 0 (i32.lt_s (local.get 0) (i32.const 500))))
        (local.get 0)))`);
    let invocation = each.start();
    for (let turn = 0; ; turn++) {
      const outcome = invocation.run({ fuel: (turn % 4) + 1, exact: turn % 3 > 0 });
      if (outcome.kind === "returned") {
        expect(outcome).to.deep.equal(each.start().run());
        return;
      }
      invocation = resumed(each, invocation);
    }
  });

  it("costs nothing for zeros in memories", () => {
    const { modules, start } = scenario(wat`(module (memory 1000) (func (export "f")))`);
    const { store } = start();
    expect(store.snapshot([]).length).to.be.lessThan(400);
    expect(Store.restore(store.snapshot([]), { modules }).instances[0]!.memories[0]!.pages).to.equal(1000);
  });
});
