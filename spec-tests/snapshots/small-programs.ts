/**
 * Small programs that are saved at every one of their instructions: one for each kind of state that a snapshot holds,
 * and the guests' kernels at their smallest size.
 */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  callGuest,
  continueWith,
  type Func,
  type HostDefinition,
  type Imports,
  type Invocation,
  Store,
  SUSPEND,
  Trap,
} from "../../vm/index.ts";
import { wat } from "../../vm/testing.ts";
import type { Program, World } from "./play.ts";

const GUESTS = fileURLToPath(new URL("../../../guests/wasm/", import.meta.url));

/** A program of one module that gets its imports and is called by a name. */
export function single(
  name: string,
  bytes: Uint8Array,
  call: readonly [name: string, ...args: unknown[]],
  world: () => World = () => ({ imports: {} }),
): Program {
  const [func, ...args] = call;
  return {
    name,
    modules: [bytes],
    world,
    begin: ([module], { imports }) =>
      new Store({ engine: module!.engine }).instantiateSync(module!, imports).invoke(func, args),
    isPortable: true,
  };
}

/** The guests' kernels: sizes that take some hundred to some ten thousand instructions. */
const KERNELS: readonly (readonly [file: string, size: number])[] = [
  ["divide", 3],
  ["fib", 10],
  ["machine", 40],
  ["nbody", 1],
  ["sha256", 0],
  ["splitmix", 30],
  ["xorshift", 30],
  ["dispatch", 0],
  ["simd/chacha", 1],
];

function kernels(): Program[] {
  return KERNELS.flatMap(([file, size]) => {
    const path = join(GUESTS, `${file}.wasm`);
    return existsSync(path) ? [single(`${file} of the guests`, readFileSync(path), ["run", size])] : [];
  });
}

const TREES = wat`(module
  (rec (type $t (struct (field $left (mut (ref null $t))) (field $right (mut (ref null $t)))
    (field $up (mut (ref null $t))) (field $key i32))))
  (global $root (mut (ref null $t)) (ref.null $t))
  (func $insert (param $at (ref $t)) (param $key i32)
    (loop $again
      (if (i32.lt_s (local.get $key) (struct.get $t $key (local.get $at)))
        (then
          (block $none (br_on_null $none (struct.get $t $left (local.get $at))) (local.set $at) (br $again))
          (struct.set $t $left (local.get $at)
            (struct.new $t (ref.null $t) (ref.null $t) (local.get $at) (local.get $key))))
        (else
          (block $none (br_on_null $none (struct.get $t $right (local.get $at))) (local.set $at) (br $again))
          (struct.set $t $right (local.get $at)
            (struct.new $t (ref.null $t) (ref.null $t) (local.get $at) (local.get $key)))))))
  (func $sum (param (ref null $t)) (result i64)
    (if (result i64) (ref.is_null (local.get 0)) (then (i64.const 1))
      (else (i64.add (i64.mul (i64.const 31) (call $sum (struct.get $t $left (local.get 0))))
        (i64.add (i64.extend_i32_s (struct.get $t $key (local.get 0)))
          (call $sum (struct.get $t $right (local.get 0))))))))
  (func (export "f") (param i32) (result i64) (local $x i32)
    (global.set $root (struct.new $t (ref.null $t) (ref.null $t) (ref.null $t) (i32.const 500)))
    (loop $more
      (local.set $x (i32.rem_u (i32.add (i32.mul (local.get $x) (i32.const 421)) (i32.const 77)) (i32.const 1000)))
      (call $insert (ref.as_non_null (global.get $root)) (local.get $x))
      (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (call $sum (global.get $root))))`;

const CLOSURES = wat`(module
  (rec (type $call (func (param (ref $c) i32) (result i32))) (type $c (sub (struct (field $code (ref $call))))))
  (type $adder (sub $c (struct (field $code (ref $call)) (field $by i32))))
  (type $both (sub $c (struct (field $code (ref $call)) (field $one (ref $c)) (field $two (ref $c)))))
  (elem declare func $add $compose)
  (func $add (type $call) (i32.add (local.get 1) (struct.get $adder $by (ref.cast (ref $adder) (local.get 0)))))
  (func $apply (param (ref $c) i32) (result i32)
    (return_call_ref $call (local.get 0) (local.get 1) (struct.get $c $code (local.get 0))))
  (func $compose (type $call) (local $b (ref $both)) (local.set $b (ref.cast (ref $both) (local.get 0)))
    (return_call $apply (struct.get $both $two (local.get $b))
      (call $apply (struct.get $both $one (local.get $b)) (local.get 1))))
  (func $join (param (ref $c) (ref $c)) (result (ref $c)) (struct.new $both (ref.func $compose) (local.get 0) (local.get 1)))
  (func (export "f") (param i32) (result i32) (local $all (ref $c))
    (local.set $all (struct.new $adder (ref.func $add) (i32.const 1)))
    (loop $more
      (local.set $all (call $join (local.get $all) (struct.new $adder (ref.func $add) (local.get 0))))
      (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (call $apply (local.get $all) (i32.const 1000))))`;

const EXCEPTIONS = wat`(module
  (import "host" "apply" (func $apply (param funcref i32) (result i32)))
  (tag $odd (param i32)) (tag $even (param i64 externref)) (elem declare func $f $outer)
  (func $f (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (unreachable)))
    (if (i32.and (local.get 0) (i32.const 1)) (then (throw $odd (local.get 0))))
    (throw $even (i64.extend_i32_u (local.get 0)) (ref.null extern)))
  (func $outer (param i32) (result i32) (local $x exnref)
    (block $all (result exnref)
      (block $one (result i32)
        (try_table (catch $odd $one) (catch_all_ref $all) (drop (call $apply (ref.func $f) (local.get 0))))
        (return (i32.const -1)))
      (return (i32.add (i32.const 100))))
    (local.set $x)
    (if (i32.gt_s (local.get 0) (i32.const 2)) (then (throw_ref (local.get $x))))
    (i32.const 7))
  (func (export "f") (param i32) (result i32) (local $sum i32)
    (loop $more
      (block $caught
        (try_table (catch_all $caught)
          (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 3)) (call $apply (ref.func $outer) (local.get 0))))))
      (br_if $more (i32.ge_s (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.const 0))))
    (local.get $sum)))`;

const STEPS = wat`(module
  (import "host" "fold" (func $fold (param i32 funcref i32) (result i32)))
  (import "host" "times" (func $times (param i32 funcref) (result i32)))
  (elem declare func $mix $one)
  (global $n (mut i32) (i32.const 0))
  (func $one (result i32) (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n))
  (func $mix (param i32 i32) (result i32)
    (i32.add (i32.mul (local.get 0) (i32.const 7)) (call $times (local.get 1) (ref.func $one))))
  (func (export "f") (param i32) (result i32) (call $fold (local.get 0) (ref.func $mix) (i32.const 1))))`;

const WAITS = wat`(module
  (import "host" "ask" (func $ask (param i32 externref) (result i64 externref)))
  (import "host" "again" (func $again (param i32) (result i32)))
  (memory 1 1 shared)
  (func $wait (param i32) (result i32)
    (i32.add (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const 500))
      (memory.atomic.wait64 (i32.const 16) (i64.const 0) (i64.extend_i32_u (local.get 0)))))
  (func (export "f") (param i32 externref) (result i64) (local $sum i64)
    (loop $more
      (call $ask (local.get 0) (local.get 1)) (local.set 1) (local.set $sum (i64.add (local.get $sum)))
      (drop (i32.atomic.rmw.add (i32.const 8) (i32.const 0)))
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (i32.add (call $again (local.get 0)) (call $wait (local.get 0))))))
      (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get $sum)))`;

const BULK = wat`(module
  (memory $m 1 8) (memory $k i64 1 4) (table $t 4 400 funcref) (table $x 4 externref)
  (data $d "passive data of some bytes") (elem $e func $f $g $g) (global $z (mut v128) (v128.const i32x4 1 2 3 4))
  (func $g (result i32) (i32.const 3))
  (func $f (export "f") (param i32 externref) (result i32)
    (memory.init $m $d (i32.const 60000) (i32.const 3) (i32.const 20)) (data.drop $d)
    (table.init $t $e (i32.const 1) (i32.const 0) (i32.const 3)) (elem.drop $e)
    (table.fill $x (i32.const 0) (local.get 1) (i32.const 3))
    (drop (memory.grow $m (i32.const 2))) (drop (memory.grow $k (i64.const 1)))
    (memory.fill $k (i64.const 100) (i32.const 9) (i64.const 12000))
    (memory.copy $m $m (i32.const 100) (i32.const 60000) (i32.const 9000))
    (drop (table.grow $t (ref.func $g) (i32.const 50))) (table.copy $t $t (i32.const 10) (i32.const 1) (i32.const 3))
    (loop $more
      (global.set $z (i32x4.add (global.get $z) (i32x4.splat (i32.load $m (local.get 0)))))
      (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (i32.add (call_indirect $t (result i32) (i32.const 11)) (i32x4.extract_lane 2 (global.get $z)))))`;

const ARRAYS = wat`(module
  (type $n (array (mut (ref null $n)))) (type $s (array (mut i16))) (type $v (array (mut v128)))
  (type $r (array (mut anyref))) (data $d "0123456789abcdef0123456789abcdef") (elem $e anyref (ref.i31 (i32.const 4)) (ref.i31 (i32.const -9)))
  (func (export "f") (param i32) (result i32) (local $a (ref null $n)) (local $b (ref null $s)) (local $c (ref null $r)) (local $l (ref null $v))
    (loop $more
      (local.set $a (array.new $n (local.get $a) (i32.const 300)))
      (array.set $n (local.get $a) (local.get 0) (local.get $a))
      (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.set $b (array.new_data $s $d (i32.const 2) (i32.const 12)))
    (array.init_data $s $d (local.get $b) (i32.const 1) (i32.const 5) (i32.const 4))
    (local.set $c (array.new_elem $r $e (i32.const 0) (i32.const 2)))
    (local.set $c (array.new_fixed $r 3 (local.get $a) (local.get $b) (array.get $r (local.get $c) (i32.const 1))))
    (array.copy $r $r (local.get $c) (i32.const 1) (local.get $c) (i32.const 0) (i32.const 2))
    (local.set $l (array.new_default $v (i32.const 600)))
    (array.fill $v (local.get $l) (i32.const 10) (v128.const i64x2 7 8) (i32.const 500))
    (i32.add (array.get_u $s (local.get $b) (i32.const 3))
      (i32.add (i32x4.extract_lane 2 (array.get $v (local.get $l) (i32.const 400)))
        (ref.test (ref $n) (array.get $r (local.get $c) (i32.const 2)))))))`;

const apply: HostDefinition = {
  kind: "frame",
  params: ["funcref", "i32"],
  results: ["i32"],
  call: (_caller, ...[func, number]: unknown[]) => callGuest(func as Func, [number], "next"),
  continuations: {
    next: (_caller, _state, outcome) => {
      if (outcome?.kind === "threw") throw outcome.error;
      return outcome?.kind === "returned" ? outcome.values[0] : -5;
    },
  },
};

/** A function that a state names: whoever has forged the snapshot may have named any other, or none. */
function funcNamed(store: Store, address: number | undefined, params: number): Func {
  const func = address !== undefined && store.isFuncAt(address) ? store.funcAt(address) : null;
  if (func?.type.params.length !== params) throw new Trap("indirect call type mismatch");
  return func;
}

/** fold(n, f, x): f(f(x, 1), 2) … */
const fold: HostDefinition = {
  kind: "frame",
  params: ["i32", "funcref", "i32"],
  results: ["i32"],
  call: (_caller, ...[count, func, first]: unknown[]) => {
    return callGuest(func as Func, [first, 1], "next", {
      left: (count as number) - 1,
      address: (func as Func).address,
    });
  },
  continuations: {
    next: (caller, state, outcome) => {
      const { left, address } = state as { left: number; address: number };
      const func = funcNamed(caller.store, address, 2);
      const value = outcome?.kind === "returned" ? (outcome.values[0] as number) : 0;
      if (left === 0) return value;
      return callGuest(func, [value, left + 1], "next", { left: left - 1, address });
    },
  },
};

/** times(n, f): calls f and looks around between the calls. */
const times: HostDefinition = {
  kind: "frame",
  params: ["i32", "funcref"],
  results: ["i32"],
  call: (_caller, ...[count, func]: unknown[]) =>
    continueWith("look", [(count as number) % 4, (func as Func).address, 0]),
  continuations: {
    look: (caller, state) => {
      const [left = 0, address = 0, sum = 0] = state as number[];
      return left === 0 ? sum : callGuest(funcNamed(caller.store, address, 0), [], "called", [left - 1, address, sum]);
    },
    called: (_caller, state, outcome) => {
      const [left = 0, address = 0, sum = 0] = state as number[];
      return continueWith("look", [left, address, sum + Number(outcome?.kind === "returned" ? outcome.values[0] : 0)]);
    },
  },
};

function waiting(): World {
  const imports: Imports = {
    host: {
      ask: { params: ["i32", "externref"], results: ["i64", "externref"], saved: "resumable", call: () => SUSPEND },
      again: { params: ["i32"], results: ["i32"], saved: "reissue", call: () => SUSPEND },
    },
  };
  const answer: World["answer"] = (invocation: Invocation, outcome) => {
    if (outcome.kind !== "waiting") return;
    if (outcome.reason === "atomicWait") {
      outcome.wait.timeOut();
      return;
    }
    const { args } = invocation.pendingCall!;
    invocation.resume(
      args.length === 1 ? [Number(args[0]) * 2] : [BigInt(Number(args[0])) << 20n, `after ${String(args[1])}`],
    );
  };
  return { imports, answer };
}

const host = () => ({ imports: { host: { apply, fold, times } } });

/** The programs that are saved before every instruction. */
export function smallPrograms(): Program[] {
  return [
    single("trees that know their parents", TREES, ["f", 12]),
    single("closures, called by reference and in tail position", CLOSURES, ["f", 12]),
    single("exceptions and traps through host frames", EXCEPTIONS, ["f", 6], host),
    single("host frames in steps, nested", STEPS, ["f", 7], host),
    single("calls that wait, and atomic waits", WAITS, ["f", 6, "text"], waiting),
    single("bulk operations on two memories and two tables", BULK, ["f", 40, "text"]),
    single("arrays of references, packed numbers and vectors", ARRAYS, ["f", 9]),
    ...kernels(),
  ];
}
