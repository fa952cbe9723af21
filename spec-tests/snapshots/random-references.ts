/**
 * Random programs in which references live everywhere: cyclic structures, i31, host values, functions and exceptions
 * in locals and operands, around calls of the guest, of host frames that call the guest again, of host functions
 * that wait, and atomic waits. They end: each function calls later ones only, and loops count.
 */

import { Func, type Invocation, type Outcome, SUSPEND, Trap, callGuest, type HostDefinition } from "../../vm/index.ts";
import { encodeValue } from "../../vm/runtime/values.ts";
import { encodeModule } from "../../vm/binary/encode.ts";
import { parseModule } from "../../vm/text/parser.ts";
import { randomWords } from "../../vm/testing.ts";
import { Store } from "../../vm/index.ts";
import type { Program, World } from "./play.ts";

const TYPES = `
  (rec
    (type $n (sub (struct (field $next (mut (ref null $n))) (field $any (mut anyref)) (field $v (mut i64)))))
    (type $w (sub $n (struct (field $next (mut (ref null $n))) (field $any (mut anyref)) (field $v (mut i64))
      (field $b (mut i8)) (field $f (mut funcref)))))
    (type $a (array (mut anyref))))
  (type $bytes (array (mut i8)))
  (type $g (func (param i32 (ref null $n) anyref externref) (result anyref)))
  (import "host" "apply" (func $apply (param funcref i32 anyref anyref externref) (result anyref)))
  (import "host" "later" (func $later (param externref i32) (result externref)))
  (import "host" "again" (func $again (param anyref i32) (result anyref)))
  (tag $e (param (ref null $n) anyref)) (tag $o (param externref i64))
  (memory 1 1 shared) (table $t 8 funcref) (table $k 8 anyref) (data $d "some bytes of a segment")
  (global $root (mut (ref null $n)) (ref.null $n)) (global $sum (mut i64) (i64.const 0))
  (func $ring (param $v i64) (result (ref $n)) (local $x (ref $n))
    (local.set $x (struct.new $n (ref.null $n) (ref.null any) (local.get $v)))
    (struct.set $n $next (local.get $x) (local.get $x))
    (struct.set $n $any (local.get $x) (struct.new $n (local.get $x) (local.get $x) (i64.const 1)))
    (local.get $x))`;

const LOCALS = `(local $m (ref $n)) (local $q (ref null $n)) (local $r anyref) (local $x externref) (local $f (ref null $g))
  (local $c exnref) (local $s (ref null $a)) (local $u i64) (local $z v128)`;

const FUNCS = 5;
/** Arguments with which functions, the first one apart, throw and trap. */
const THROWS = 1_001;
const TRAPS = 1_002;

/** A program whose function `main` takes a number. */
export function randomReferences(seed: number): Program {
  const bytes = encodeModule(parseModule(new Generator(seed).module()));
  return {
    name: `random references ${seed}`,
    modules: [bytes],
    world,
    begin: ([module], { imports }) =>
      new Store({ engine: module!.engine })
        .instantiateSync(module!, imports)
        .invoke("main", [seed % 7, `text ${seed}`]),
    isPortable: true,
  };
}

const apply: HostDefinition = {
  kind: "frame",
  params: ["funcref", "i32", "anyref", "anyref", "externref"],
  results: ["anyref"],
  call: (caller, ...[func, ...args]: unknown[]) => {
    const { params } = (func as Func).type;
    // A forged snapshot may name any function, and pass any values.
    if (params.length !== args.length) throw new Trap("indirect call type mismatch");
    try {
      for (const [i, type] of params.entries()) encodeValue(caller.store, type, args[i], new Int32Array(4), 0);
    } catch {
      throw new Trap("cast failure");
    }
    return callGuest(func as Func, args, "first", [func instanceof Func]);
  },
  continuations: {
    first: (_caller, _state, outcome) => {
      if (outcome?.kind === "threw") throw outcome.error;
      if (outcome?.kind === "trapped") return 77;
      return outcome?.kind === "returned" ? outcome.values : null;
    },
  },
};

const waits = (types: string, saved: "resumable" | "reissue"): HostDefinition => ({
  params: [types, "i32"],
  results: [types],
  saved,
  call: () => SUSPEND,
});

function world(): World {
  return {
    imports: { host: { apply, later: waits("externref", "resumable"), again: waits("anyref", "reissue") } },
    answer: (invocation: Invocation, outcome: Outcome) => {
      if (outcome.kind !== "waiting") return;
      if (outcome.reason === "atomicWait") outcome.wait.timeOut();
      else invocation.resume([invocation.pendingCall?.args[0] ?? null]);
    },
  };
}

class Generator {
  readonly #next: () => number;
  /** Some of the programs make garbage, of which a few arrays make a collection due. */
  readonly #makesGarbage: boolean;
  #func = 0;
  #labels = 0;
  #loops = 0;

  constructor(seed: number) {
    this.#next = randomWords(seed * 31 + 5);
    this.#makesGarbage = seed % 4 === 0;
  }

  module(): string {
    const funcs = Array.from({ length: FUNCS }, (_, index) => this.#function(index));
    const names = funcs.map((_, index) => `$f${index}`).join(" ");
    return `(module ${TYPES}
      (elem declare func ${names})
      ${funcs.join("\n")}
      (func (export "main") (param i32 externref) (result i64) (local $i i32)
        (global.set $root (call $ring (i64.const 3)))
        (drop (call $f0 (local.get 0) (global.get $root) (ref.i31 (local.get 0)) (local.get 1)))
        (global.get $sum)))`;
  }

  #int(below: number): number {
    return this.#next() % below;
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#int(list.length)]!;
  }

  #function(index: number): string {
    this.#func = index;
    this.#loops = 0;
    const statements = Array.from({ length: 10 }, () => this.#statement(2));
    // Two calls each: what is called calls again.
    for (let i = 0; i < 2; i++) {
      const call = this.#callOf(1);
      if (call !== null) statements.splice(this.#int(statements.length), 0, this.#caught(`(local.set $r ${call})`));
    }
    const when = (number: number, what: string) => `(if (i32.eq (local.get $i) (i32.const ${number})) (then ${what}))`;
    if (index > 0) {
      const at = this.#int(statements.length);
      statements.splice(at, 0, when(THROWS, "(throw $e (local.get $m) (local.get $y))"), when(TRAPS, "(unreachable)"));
    }
    if (this.#makesGarbage) {
      const garbage =
        "(array.set $a (local.tee $s (array.new $a (local.get $m) (i32.const 16000))) (i32.const 9) (local.get $s))";
      statements.splice(this.#int(statements.length), 0, garbage);
    }
    const body = statements.join("\n");
    const counters = Array.from({ length: this.#loops }, (_, i) => `(local $l${i} i32)`).join(" ");
    return `(func $f${index} (type $g) (param $i i32) (param $p (ref null $n)) (param $y anyref) (param $h externref)
      (result anyref) ${LOCALS} ${counters}
      (local.set $m (call $ring (i64.const ${index}))) (local.set $x (local.get $h)) (local.set $f (ref.func $f${index}))
      ${body}
      (global.set $sum (i64.add (global.get $sum) (struct.get $n $v (local.get $m))))
      ${this.#any(2)})`;
  }

  #i32(depth: number): string {
    const k = depth <= 0 ? this.#int(3) : this.#int(9);
    switch (k) {
      case 0:
        return `(i32.const ${this.#int(200) - 50})`;
      case 1:
        return "(local.get $i)";
      case 2:
        return "(i32.wrap_i64 (local.get $u))";
      case 3:
        return `(ref.is_null ${this.#any(depth - 1)})`;
      case 4:
        return `(ref.test (ref $w) ${this.#any(depth - 1)})`;
      case 5:
        return `(ref.eq ${this.#node(depth - 1)} ${this.#node(depth - 1)})`;
      case 6:
        return `(i32.add ${this.#i32(depth - 1)} ${this.#i32(depth - 1)})`;
      case 7:
        return `(struct.get_s $w $b ${this.#wide(depth - 1)})`;
      default:
        return `(i31.get_s (ref.i31 ${this.#i32(depth - 1)}))`;
    }
  }

  /** Never null. */
  #node(depth: number): string {
    const k = depth <= 0 ? this.#int(2) : this.#int(7);
    switch (k) {
      case 0:
      case 1:
        return "(local.get $m)";
      case 2:
        return `(struct.new $n ${this.#node(depth - 1)} ${this.#any(depth - 1)} (i64.const ${this.#int(99)}))`;
      case 3:
        return this.#wide(depth - 1);
      case 4:
        return `(call $ring (i64.const ${this.#int(9)}))`;
      case 5: {
        const label = `$b${this.#labels++}`;
        return `(block ${label} (result (ref $n)) (br_on_non_null ${label} (local.get $q)) ${this.#node(depth - 1)})`;
      }
      default:
        return `(select (result (ref $n)) ${this.#node(depth - 1)} ${this.#node(depth - 1)} ${this.#i32(depth - 1)})`;
    }
  }

  #wide(depth: number): string {
    return `(struct.new $w (local.get $m) ${this.#any(depth - 1)} (i64.const 5) ${this.#i32(depth - 1)} ${this.#func0(depth - 1)})`;
  }

  #func0(depth: number): string {
    if (depth <= 0) return this.#pick(["(local.get $f)", "(ref.null func)"]);
    return this.#pick([
      `(ref.func $f${this.#int(FUNCS)})`,
      `(table.get $t (i32.const ${this.#int(8)}))`,
      "(local.get $f)",
    ]);
  }

  #any(depth: number): string {
    const k = depth <= 0 ? this.#int(4) : this.#int(12);
    switch (k) {
      case 0:
        return "(local.get $y)";
      case 1:
        return "(local.get $r)";
      case 2:
        return "(local.get $m)";
      case 3:
        return `(ref.i31 (local.get $i))`;
      case 4:
        return `(any.convert_extern ${this.#extern(depth - 1)})`;
      case 5:
        return this.#node(depth - 1);
      case 6:
        return `(array.new_fixed $a 3 ${this.#any(depth - 1)} ${this.#any(depth - 1)} ${this.#node(depth - 1)})`;
      case 7:
        return `(table.get $k (i32.const ${this.#int(8)}))`;
      case 8:
        return this.#int(4) > 0 ? this.#node(depth - 1) : (this.#callOf(depth - 1) ?? this.#node(depth - 1));
      case 9:
        return `(call $again ${this.#any(depth - 1)} ${this.#i32(depth - 1)})`;
      case 10:
        return `(array.new_data $bytes $d (i32.const ${this.#int(5)}) (i32.const ${this.#int(12)}))`;
      default:
        return `(struct.get $n $any ${this.#node(depth - 1)})`;
    }
  }

  /** A call of a later function, if there is one: directly, by reference, or by way of the host. */
  #callOf(depth: number): string | null {
    const left = FUNCS - 1 - this.#func;
    if (left === 0) return null;
    const index = this.#func + 1 + this.#int(left);
    const callee = `$f${index}`;
    const number = this.#int(3) > 0 ? this.#i32(depth) : `(i32.const ${this.#int(4) > 0 ? THROWS : TRAPS})`;
    const args = `${number} ${this.#node(depth)} ${this.#any(depth)} ${this.#extern(depth)}`;
    switch (this.#int(3)) {
      case 0:
        return `(call ${callee} ${args})`;
      case 1:
        return `(call_ref $g ${args} (ref.func ${callee}))`;
      default:
        return `(call $apply (ref.func ${callee}) ${args})`;
    }
  }

  #extern(depth: number): string {
    const k = depth <= 0 ? this.#int(2) : this.#int(4);
    switch (k) {
      case 0:
        return "(local.get $x)";
      case 1:
        return "(local.get $h)";
      case 2:
        return `(call $later ${this.#extern(depth - 1)} ${this.#i32(depth - 1)})`;
      default:
        return `(extern.convert_any ${this.#any(depth - 1)})`;
    }
  }

  #statement(depth: number): string {
    const inner = (): string => Array.from({ length: 1 + this.#int(3) }, () => this.#statement(depth - 1)).join("\n");
    const k = depth <= 0 ? this.#int(9) : this.#int(16);
    switch (k) {
      case 0:
        return `(local.set $m ${this.#node(3)})`;
      case 1:
        return `(local.set $q ${this.#pick(["(ref.null $n)", this.#node(2), "(struct.get $n $next (local.get $m))"])})`;
      case 2:
        return `(local.set $r ${this.#any(3)})`;
      case 3:
        return `(local.set $x ${this.#extern(2)})`;
      case 4:
        return `(local.set $f (ref.func $f${this.#int(FUNCS)})) (table.set $t (i32.const ${this.#int(8)}) ${this.#func0(1)})`;
      case 5:
        return `(struct.set $n $next ${this.#node(2)} ${this.#node(2)})`;
      case 6:
        return `(struct.set $n $any ${this.#node(2)} ${this.#any(2)})`;
      case 7:
        return `(table.set $k (i32.const ${this.#int(8)}) ${this.#any(2)})`;
      case 8:
        return `(local.set $u (i64.add (local.get $u) (struct.get $n $v ${this.#node(2)})))`;
      case 9:
        return `(local.set $s (array.new $a ${this.#any(2)} (i32.const ${1 + this.#int(40)})))
          (array.set $a (local.get $s) (i32.const 0) ${this.#node(2)})
          (array.fill $a (local.get $s) (i32.const 0) (local.get $s) (array.len (local.get $s)))`;
      case 10:
      case 11:
        return this.#caught(inner());
      case 12: {
        const label = `$b${this.#labels++}`;
        const counter = `$l${this.#loops++}`;
        return `(local.set ${counter} (i32.const ${1 + this.#int(2)}))
          (loop ${label} ${inner()} (br_if ${label} (local.tee ${counter} (i32.sub (local.get ${counter}) (i32.const 1)))))`;
      }
      case 13:
        return `(if ${this.#i32(2)} (then ${inner()}) (else ${inner()}))`;
      case 14:
        return `(drop (memory.atomic.wait32 (i32.const ${this.#int(64) * 4}) (i32.const 0) (i64.const ${this.#int(900)})))`;
      default:
        return `(local.set $z (v128.const i64x2 ${this.#int(9)} ${this.#int(9)})) (local.set $r ${this.#any(3)})`;
    }
  }

  /** Something that may throw, and whoever catches it. */
  #caught(inner: string): string {
    const label = this.#labels++;
    const thrown = this.#pick([
      `(throw $e ${this.#node(1)} ${this.#any(1)})`,
      `(throw $o ${this.#extern(1)} (i64.const 4))`,
      "(if (i32.eqz (ref.is_null (local.get $c))) (then (throw_ref (local.get $c))))",
      "",
    ]);
    return `(block $end${label}
      (block $all${label} (result exnref)
        (block $one${label} (result (ref null $n) anyref exnref)
          (try_table (catch_ref $e $one${label}) (catch_all_ref $all${label}) ${inner} ${thrown})
          (br $end${label}))
        (local.set $c) (local.set $r) (local.set $q) (br $end${label}))
      (local.set $c))`;
  }
}
