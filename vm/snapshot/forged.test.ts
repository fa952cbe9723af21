import { expect } from "chai";
import { compileSync } from "../compiled-module.ts";
import { SnapshotError } from "../errors.ts";
import { callGuest, type FrameDefinition, type HostDefinition, SUSPEND } from "../runtime/func.ts";
import { Store } from "../runtime/store.ts";
import { randomWords, wat } from "../testing.ts";
import { MAGIC } from "./format.ts";
import { exercise, forged, sealed, START, tryForged } from "./testing-forged.ts";

const apply: FrameDefinition = {
  kind: "frame",
  params: ["funcref", "i32"],
  results: ["i32"],
  call: (_caller, ...args: unknown[]) => callGuest(args[0] as never, [args[1]], "next", ["state", 7]),
  continuations: { next: (_caller, _state, outcome) => (outcome?.kind === "returned" ? outcome.values[0] : -1) },
};
const sleep: HostDefinition = { params: ["i32"], results: ["i32"], saved: "resumable", call: () => SUSPEND };
const imports = { h: { apply, sleep } };

const MODULE = compileSync(wat`(module
  (rec (type $n (struct (field (mut (ref null $n))) (field (mut i8)) (field (mut anyref)))) (type $a (array (mut (ref null $n)))))
  (type $f (func (param i32) (result i32))) (type $b (array (mut i64)))
  (import "h" "apply" (func $apply (param funcref i32) (result i32))) (import "h" "sleep" (func $sleep (type $f)))
  (memory 2 10) (memory $s 1 1 shared) (table $t 6 20 funcref) (table $o 3 anyref)
  (global $g (mut (ref null $n)) (ref.null $n)) (global $x (mut externref) (ref.null extern)) (global $i (mut i64) (i64.const 5))
  (elem (i32.const 1) $work $inner) (elem $e funcref (ref.func $work) (ref.null func)) (data $d "data")
  (func $inner (type $f) (i32.add (call $sleep (local.get 0)) (i32.const 1)))
  (func $rec (type $f) (local $r (ref $n)) (local $v v128)
    (local.set $r (struct.new $n (global.get $g) (local.get 0) (ref.i31 (local.get 0))))
    (global.set $g (local.get $r))
    (table.set $o (i32.const 1) (local.get $r))
    (if (i32.eqz (local.get 0)) (then (return (call $apply (ref.func $inner) (i32.const 3)))))
    (call $rec (i32.sub (local.get 0) (i32.const 1)))
    (i32.add (struct.get_u $n 1 (local.get $r)))
    (i32.add (struct.get_s $n 1 (ref.cast (ref $n) (table.get $o (i32.const 1))))))
  (func $work (type $f) (local $k i64) (local $arr (ref null $a))
    (local.set $arr (array.new $a (global.get $g) (i32.const 1500)))
    (drop (array.new $b (local.get $k) (i32.const 900)))
    (memory.init $d (i32.const 4) (i32.const 0) (i32.const 4))
    (table.init $t $e (i32.const 3) (i32.const 0) (i32.const 2))
    (memory.fill (i32.const 100) (i32.const 7) (i32.const 9000))
    (drop (memory.grow (i32.const 3)))
    (i32.store (i32.const 8) (call_indirect $t (type $f) (i32.const 3) (i32.const 1)))
    (i32.add (call $rec (i32.const 6)) (i32.load (i32.const 8))))
  (tag $e (param (ref $n))) (tag $u)
  (func $throws (type $f) (throw $e (struct.new $n (global.get $g) (local.get 0) (ref.null any))))
  (func $passes (type $f) (block $w (try_table (catch $u $w) (catch $u $w) (try_table (catch $u $w)
    (return (call $throws (local.get 0)))))) (i32.const 1))
  (func $caught (export "caught") (type $f) (local $x exnref)
    (block $c (result (ref $n) exnref) (try_table (catch_ref $e $c) (return (call $passes (local.get 0)))) (unreachable))
    (local.set $x) (struct.get_u $n 1)
    (block $c (result (ref $n)) (try_table (catch $e $c) (block $w (try_table (catch $u $w) (throw_ref (local.get $x))))
      (unreachable)) (unreachable))
    (struct.get_u $n 1) (i32.add))
  (func $wait (type $f) (memory.atomic.wait32 $s (i32.const 16) (i32.const 0) (i64.const 1000)))
  (func (export "wait") (type $f) (call $wait (local.get 0)))
  (func (export "f") (param i32 externref) (result i32) (global.set $x (local.get 1)) (call $rec (local.get 0)))
  (func (export "arrays") (param i32) (result i32) (local $r (ref null $a))
    (local.set $r (array.new $a (struct.new_default $n) (i32.const 4000)))
    (memory.fill (i32.const 100) (i32.const 7) (i32.const 90000))
    (i32.add (memory.grow (i32.const 3)) (array.len (local.get $r)))))`);

/** Snapshots at many kinds of places. */
function samples(): Uint8Array[] {
  const found: Uint8Array[] = [];
  for (const turn of [{ fuel: 3 }, { fuel: 2, exact: true }]) {
    for (const [name, args] of [
      ["f", [3, "text"]],
      ["wait", [1]],
      ["arrays", [1]],
      ["caught", [8]],
    ] as const) {
      const store = new Store();
      const invocation = store.instantiateSync(MODULE, imports).invoke(name, args);
      for (let pause = 0; pause < 60; pause++) {
        const outcome = invocation.run(turn);
        if (outcome.kind === "returned") break;
        found.push(store.snapshot());
        if (outcome.kind === "waiting" && outcome.reason === "atomicWait") break;
        if (outcome.kind === "waiting") invocation.resume([4]);
      }
    }
  }
  const { invocation } = new Store().instantiation(MODULE, imports);
  invocation.run({ fuel: 2, exact: true });
  found.push(invocation.store.snapshot());
  return found;
}

const COUNT = Number(process.env["FORGED_SNAPSHOTS"] ?? 4_000);

describe("forged snapshots", () => {
  const all = samples();
  const options = { modules: [MODULE], imports };

  it("are refused when they are cut off, changed, or of another version", () => {
    const bytes = all[5]!;
    for (let length = 0; length < bytes.length; length++) {
      expect(() => Store.restore(bytes.subarray(0, length), { modules: [MODULE], imports })).to.throw(SnapshotError);
      if (length < START) continue;
      expect(tryForged(sealed(bytes.slice(0, length)), options), `${length}`).to.equal(false);
    }
    const changed = bytes.slice();
    changed[START + 40]! ^= 1;
    expect(() => Store.restore(changed, { modules: [MODULE], imports })).to.throw(SnapshotError, "changed");
    const foreign = bytes.slice();
    foreign[MAGIC.length] = 99;
    expect(() => Store.restore(foreign, { modules: [MODULE], imports })).to.throw(SnapshotError, "format 99");
    expect(() => Store.restore(bytes, { modules: [], imports })).to.throw(
      SnapshotError,
      /the module of SHA-256 [0-9a-f]{64}/,
    );
    expect(() => Store.restore(bytes, { modules: [MODULE] })).to.throw(SnapshotError, /host function h.apply/);
  });

  it("are all restored when nobody has changed them", () => {
    for (const bytes of all) {
      const restored = Store.restore(bytes, options);
      expect(restored.store.snapshot(restored.invocations)).to.deep.equal(bytes);
      exercise(restored);
    }
  });

  it(`give an error or a state that runs: ${COUNT} mutations`, function () {
    this.timeout(120_000 + COUNT * 20);
    const random = randomWords(Number(process.env["FORGED_SEED"] ?? 77));
    let accepted = 0;
    for (let i = 0; i < COUNT; i++) {
      try {
        if (tryForged(forged(all[random() % all.length]!, random), options)) accepted++;
      } catch (error) {
        throw new Error(`mutation ${i}: ${String(error)}`, { cause: error });
      }
    }
    expect(accepted).to.be.greaterThan(COUNT / 50);
  });
});
