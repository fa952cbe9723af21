import { expect } from "chai";
import { callGuest, type FrameDefinition } from "../runtime/func.ts";
import type { Tag } from "../runtime/global.ts";
import { GuestException } from "../runtime/guest-exception.ts";
import { Store } from "../runtime/store.ts";
import { instanceOf, runToEnd, wat } from "../testing.ts";
import type { TurnOptions } from "./outcome.ts";

const MODES: readonly TurnOptions[] = [
  {},
  { fuel: 1_000 },
  { fuel: 1 },
  { fuel: 1, exact: true },
  { fuel: 7, exact: true },
];

const GUEST = wat`(module
  (type $box (struct (field i32)))
  (tag $e (export "e") (param i32))
  (tag $many (param i32 i64 f64 v128 (ref $box)))
  (tag $none)
  (memory 1)

  (func $throw (param i32) (throw $e (local.get 0)))
  (func $deep (param $depth i32) (param $value i32)
    (if (local.get $depth)
      (then (call $deep (i32.sub (local.get $depth) (i32.const 1)) (local.get $value)))
      (else (throw $e (local.get $value)))))
  (func (export "deep") (param $depth i32) (result i32)
    (block $caught (result i32)
      (try_table (catch $e $caught) (call $deep (local.get $depth) (i32.const 42)))
      (i32.const -1)))
  (func (export "loops") (param $n i32) (result i32) (local $sum i32)
    (loop $again (param) (result)
      (block $caught (result i32)
        (try_table (catch $e $caught)
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (call $throw (local.get $n)))
        (unreachable))
      (local.set $sum (i32.add (local.get $sum)))
      (br_if $again (local.get $n)))
    (local.get $sum))
  (func (export "to a loop") (param $n i32) (result i32) (local $rounds i32)
    (local.get $n)
    (loop $again (param i32)
      (local.set $n)
      (local.set $rounds (i32.add (local.get $rounds) (i32.const 1)))
      (if (local.get $n)
        (then (try_table (catch $e $again) (call $throw (i32.sub (local.get $n) (i32.const 1)))))))
    (local.get $rounds))
  (func $own (export "own label") (param i32) (result i32)
    (try_table (catch $e 0) (call $throw (local.get 0)))
    (i32.const -1))
  (func (export "calls own") (param i32) (result i32) (i32.add (call $own (local.get 0)) (i32.const 1)))
  (func (export "many") (result i32 i64 f64 v128 i32)
    (local $box (ref null $box))
    (block $caught (result i32 i64 f64 v128 (ref $box))
      (try_table (catch $many $caught)
        (throw $many (i32.const 1) (i64.const -2) (f64.const 3.5)
          (v128.const i32x4 4 5 6 7) (struct.new $box (i32.const 8))))
      (unreachable))
    (local.set $box)
    (struct.get $box 0 (local.get $box)))
  (func (export "rethrow") (param i32) (result i32)
    (block $outer (result i32)
      (try_table (catch $e $outer)
        (block $ref (result exnref)
          (try_table (catch_all_ref $ref) (call $throw (local.get 0)))
          (unreachable))
        (throw_ref))
      (unreachable)))
  (func (export "order") (param i32) (result i32)
    (block $all
      (block $e (result i32)
        (try_table (catch $e $e) (catch_all $all)
          (if (local.get 0) (then (throw $none)) (else (throw $e (i32.const 1)))))
        (unreachable))
      (return))
    (i32.const 2))
  (func (export "not traps") (result i32)
    (block $all (try_table (catch_all $all) (drop (i32.div_s (i32.const 1) (i32.const 0)))))
    (i32.const 1))
  (func (export "null") (throw_ref (ref.null exn)))
  (func (export "uncaught") (param i32) (call $throw (local.get 0))))`;

describe("exceptions", () => {
  for (const [name, args, values] of [
    ["deep", [0], [42]],
    ["deep", [500], [42]],
    ["loops", [20], [190]],
    ["to a loop", [10], [11]],
    ["own label", [7], [7]],
    ["calls own", [7], [8]],
    ["rethrow", [9], [9]],
    ["order", [0], [1]],
    ["order", [1], [2]],
  ] as const) {
    it(`are caught with the same fuel in all modes: ${name} ${args}`, () => {
      const ends = MODES.map((mode) => {
        const end = runToEnd(instanceOf(GUEST).invoke(name, args), mode);
        return { values: end.values, fuelUsed: end.fuelUsed };
      });
      expect(ends[0]!.values).to.deep.equal(values);
      for (const end of ends) expect(end).to.deep.equal(ends[0]);
    });
  }

  it("carry values of all types", () => {
    const [i32, i64, f64, v128, box] = instanceOf(GUEST).callSync("many");
    expect([i32, i64, f64, box]).to.deep.equal([1, -2n, 3.5, 8]);
    expect(new Int32Array((v128 as Uint8Array).buffer)).to.deep.equal(Int32Array.of(4, 5, 6, 7));
  });

  it("are no traps, and traps no exceptions", () => {
    const instance = instanceOf(GUEST);
    expect(() => instance.callSync("not traps")).to.throw("integer divide by zero");
    expect(() => instance.callSync("null")).to.throw("null exception reference");
  });

  it("that nobody catches end the call with an error that says what and where", () => {
    const instance = instanceOf(GUEST);
    for (const mode of MODES) {
      let error: unknown;
      try {
        runToEnd(instance.invoke("uncaught", [5]), mode);
      } catch (thrown) {
        error = thrown;
      }
      expect(error).to.be.instanceOf(GuestException);
      const { tag, values, message, backtrace } = error as GuestException;
      expect(tag).to.equal(instance.export("e"));
      expect(values).to.deep.equal([5]);
      expect(message).to.equal("uncaught exception of type (i32)");
      expect(backtrace.map(({ funcName }) => funcName)).to.deep.equal(["throw", null]);
    }
  });

  it("cross instances, and tags are compared by identity", () => {
    const store = new Store();
    const first = instanceOf(
      wat`(module (tag $e (export "e") (param i32)) (tag (export "other") (param i32))
        (func (export "throw") (param i32) (throw $e (local.get 0))))`,
      {},
      store,
    );
    const second = (tag: string) =>
      instanceOf(
        wat`(module
          (import "" "throw" (func $throw (param i32)))
          (import "" "tag" (tag $e (param i32)))
          (func (export "catch") (param i32) (result i32)
            (block $caught (result i32)
              (try_table (catch $e $caught) (call $throw (local.get 0)))
              (unreachable))))`,
        { "": { throw: first.exportedFunc("throw"), tag: first.export(tag) as Tag } },
        store,
      );
    expect(second("e").callSync("catch", [3])).to.deep.equal([3]);
    expect(() => second("other").callSync("catch", [3])).to.throw(GuestException);
  });
});

const THROUGH = wat`(module
  (import "" "host" (func $host (param i32) (result i32)))
  (tag $e (export "e") (param i32))
  (func (export "throw") (param i32) (throw $e (local.get 0)))
  (func (export "catch") (param i32) (result i32)
    (block $caught (result i32)
      (try_table (catch $e $caught) (return (call $host (local.get 0))))
      (unreachable)))
  (func (export "identity") (param i32) (result i32) (local $ref exnref)
    (block $ref (result i32 exnref)
      (try_table (catch_ref $e $ref) (return (call $host (local.get 0))))
      (unreachable))
    (local.set $ref)
    (drop)
    (block $again (result i32)
      (try_table (catch $e $again) (throw_ref (local.get $ref)))
      (unreachable))))`;

describe("exceptions and host functions", () => {
  it("pass through plain functions as errors that keep their identity", () => {
    const seen: unknown[] = [];
    const instance = instanceOf(THROUGH, {
      "": {
        host: {
          params: ["i32"],
          results: ["i32"],
          call: (_, value: number): never => {
            try {
              instance.callSync("throw", [value]);
            } catch (error) {
              seen.push(error);
              throw error;
            }
            throw new Error("it did not throw");
          },
        },
      },
    });
    expect(instance.callSync("catch", [3])).to.deep.equal([3]);
    expect(instance.callSync("identity", [4])).to.deep.equal([4]);
    expect(seen).to.have.length(2);
    expect(seen[0]).to.be.instanceOf(GuestException);
  });

  it("pass through asynchronous functions", async () => {
    const instance = instanceOf(THROUGH, {
      "": {
        host: {
          kind: "async",
          params: ["i32"],
          results: ["i32"],
          call: async (_, value: number) => (await instance.call("throw", [value]))[0],
        },
      },
    });
    expect(await instance.call("catch", [3])).to.deep.equal([3]);
  });

  it("arrive at the continuation of a frame function, which may take them or pass them on, in all modes", () => {
    const make = (passOn: boolean) => {
      const host: FrameDefinition = {
        kind: "frame",
        params: ["i32"],
        results: ["i32"],
        call: (caller, value: number) => callGuest(caller.instance!.exportedFunc("throw"), [value], "ended"),
        continuations: {
          ended: (_, __, outcome) => {
            if (outcome?.kind !== "threw") throw new Error("no exception");
            if (passOn) throw outcome.error;
            return (outcome.error.values[0] as number) * 2;
          },
        },
      };
      return instanceOf(THROUGH, { "": { host } });
    };
    for (const mode of MODES) {
      expect(runToEnd(make(false).invoke("catch", [3]), mode).values).to.deep.equal([6]);
      expect(runToEnd(make(true).invoke("catch", [3]), mode).values).to.deep.equal([3]);
      expect(runToEnd(make(true).invoke("identity", [3]), mode).values).to.deep.equal([3]);
    }
  });

  it("other errors of the host cannot be caught", () => {
    const instance = instanceOf(
      wat`(module (import "" "fail" (func $fail))
        (func (export "f") (block $all (try_table (catch_all $all) (call $fail)))))`,
      {
        "": {
          fail: {
            params: [],
            results: [],
            call: () => {
              throw new RangeError("mine");
            },
          },
        },
      },
    );
    expect(() => instance.callSync("f")).to.throw(RangeError, "mine");
  });

  it("live while a host function holds them, whatever is collected meanwhile", () => {
    const instance = instanceOf(
      wat`(module
        (import "" "host" (func $host (result i32)))
        (type $box (struct (field i32)))
        (tag $e (export "e") (param (ref $box)))
        (func (export "throw") (throw $e (struct.new $box (i32.const 77))))
        (func (export "garbage") (param i32)
          (loop (drop (struct.new $box (i32.const 1)))
            (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
        (func (export "catch") (result i32)
          (block $caught (result (ref $box))
            (try_table (catch $e $caught) (return (call $host)))
            (unreachable))
          (struct.get $box 0)))`,
      {
        "": {
          host: {
            params: [],
            results: ["i32"],
            call: () => {
              try {
                instance.callSync("throw");
              } catch (error) {
                instance.callSync("garbage", [100_000]);
                throw error;
              }
              return 0;
            },
          },
        },
      },
    );
    expect(instance.callSync("catch")).to.deep.equal([77]);
  });

  it("meet the innermost handler around them, with others before, behind and inside", () => {
    const instance = instanceOf(wat`(module (tag $e) (tag $other)
      (func (export "f") (param $where i32) (result i32)
        (block $outer
          (try_table (catch_all $outer)
            (block $first (try_table (catch_all $first) (if (i32.eq (local.get $where) (i32.const 1)) (then (throw $e)))) (br $first))
            (if (i32.eq (local.get $where) (i32.const 2)) (then (throw $e)))
            (block $wrong (try_table (catch $other $wrong)
              (block $inner
                (try_table (catch_all $inner) (if (i32.eq (local.get $where) (i32.const 3)) (then (throw $e))))
                (if (i32.eq (local.get $where) (i32.const 4)) (then (throw $e)))
                (return (i32.const 0)))
              (return (i32.const 30))))
            (return (i32.const 40))))
        (i32.const 99)))`);
    const caught = [1, 2, 3, 4, 5].map((where) => instance.callSync("f", [where])[0]);
    expect(caught).to.deep.equal([0, 99, 30, 99, 0]);
  });
});
