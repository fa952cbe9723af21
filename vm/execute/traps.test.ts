/** Traps: message, exact fuel, and a backtrace that points at the instruction, in fused and exact code. */

import { expect } from "chai";
import { compileSync } from "../compiled-module.ts";
import { Trap, Termination, type BacktraceFrame } from "../errors.ts";
import { callGuest, type Func } from "../runtime/func.ts";
import { LimitAccountant } from "../runtime/resources.ts";
import { Store } from "../runtime/store.ts";
import { instanceOf, runToEnd, timesAsLong, wat, type End } from "../testing.ts";

interface Case {
  readonly name: string;
  readonly body: string;
  readonly trap: string;
  /** Opcode at the backtrace's position. */
  readonly opcode: number;
  readonly fuelUsed: number;
}

const CASES: readonly Case[] = [
  { name: "unreachable", body: "i32.const 1 drop unreachable", trap: "unreachable", opcode: 0x00, fuelUsed: 3 },
  {
    name: "i32.div_s by zero",
    body: "i32.const 1 local.get 0 i32.div_s drop",
    trap: "integer divide by zero",
    opcode: 0x6d,
    fuelUsed: 3,
  },
  {
    name: "i32.div_s overflow",
    body: "i32.const 0x80000000 i32.const -1 i32.div_s drop",
    trap: "integer overflow",
    opcode: 0x6d,
    fuelUsed: 3,
  },
  {
    name: "i32.rem_u",
    body: "i32.const 1 i32.const 0 i32.rem_u drop",
    trap: "integer divide by zero",
    opcode: 0x70,
    fuelUsed: 3,
  },
  {
    name: "i64.div_u",
    body: "i64.const 1 local.get 1 i64.div_u drop",
    trap: "integer divide by zero",
    opcode: 0x80,
    fuelUsed: 3,
  },
  {
    name: "i64.div_s overflow",
    body: "i64.const 0x8000000000000000 i64.const -1 i64.div_s drop",
    trap: "integer overflow",
    opcode: 0x7f,
    fuelUsed: 3,
  },
  {
    name: "a conversion of NaN",
    body: "f64.const nan i32.trunc_f64_s drop",
    trap: "invalid conversion to integer",
    opcode: 0xaa,
    fuelUsed: 2,
  },
  {
    name: "a conversion that overflows",
    body: "f32.const 1e30 i64.trunc_f32_u drop",
    trap: "integer overflow",
    opcode: 0xaf,
    fuelUsed: 2,
  },
  {
    name: "a load",
    body: "i32.const 65533 i32.load drop",
    trap: "out of bounds memory access",
    opcode: 0x28,
    fuelUsed: 2,
  },
  {
    name: "a load at a computed address",
    body: "local.get 0 i32.const -4 i32.add i64.load offset=8 drop",
    trap: "out of bounds memory access",
    opcode: 0x29,
    fuelUsed: 4,
  },
  {
    name: "a load at a base and a shifted index",
    body: "local.get 0 local.get 2 i32.const 2 i32.shl i32.add i32.load offset=65536 drop",
    trap: "out of bounds memory access",
    opcode: 0x28,
    fuelUsed: 6,
  },
  {
    name: "a narrow store",
    body: "i32.const 65535 i32.const 7 i32.store16",
    trap: "out of bounds memory access",
    opcode: 0x3b,
    fuelUsed: 3,
  },
  {
    name: "a store of a computed value",
    body: "local.get 0 local.get 0 i32.const 1 i32.add i32.store8 offset=65536",
    trap: "out of bounds memory access",
    opcode: 0x3a,
    fuelUsed: 5,
  },
  {
    name: "a store to the second memory",
    body: "i32.const 65536 f64.const 1 f64.store 1",
    trap: "out of bounds memory access",
    opcode: 0x39,
    fuelUsed: 3,
  },
  {
    name: "memory.fill",
    body: "i32.const 65536 i32.const 1 i32.const 1 memory.fill",
    trap: "out of bounds memory access",
    opcode: 0xfc,
    fuelUsed: 4,
  },
  {
    name: "table.get",
    body: "i32.const 3 table.get 0 drop",
    trap: "out of bounds table access",
    opcode: 0x25,
    fuelUsed: 2,
  },
  {
    name: "table.set",
    body: "i32.const -1 ref.null func table.set 0",
    trap: "out of bounds table access",
    opcode: 0x26,
    fuelUsed: 3,
  },
  {
    name: "call_indirect beyond the table",
    body: "i32.const 3 call_indirect (type $v) drop",
    trap: "undefined element",
    opcode: 0x11,
    fuelUsed: 2,
  },
  {
    name: "call_indirect of null",
    body: "i32.const 2 call_indirect (type $v) drop",
    trap: "uninitialized element",
    opcode: 0x11,
    fuelUsed: 2,
  },
  {
    name: "call_indirect of another type",
    body: "i32.const 1 call_indirect (type $v) drop",
    trap: "indirect call type mismatch",
    opcode: 0x11,
    fuelUsed: 2,
  },
  {
    name: "return_call_indirect of another type",
    body: "i32.const 1 return_call_indirect (type $v)",
    trap: "indirect call type mismatch",
    opcode: 0x13,
    fuelUsed: 2,
  },
  {
    name: "an instruction behind a loop",
    body: "loop local.get 2 i32.const 1 i32.add local.tee 2 i32.const 5 i32.lt_s br_if 0 end unreachable",
    trap: "unreachable",
    opcode: 0x00,
    fuelUsed: 36,
  },
  {
    name: "an instruction in the taken branch",
    body: "i32.const 1 if unreachable else nop end",
    trap: "unreachable",
    opcode: 0x00,
    fuelUsed: 3,
  },
  {
    name: "an instruction behind a safe point of straight line",
    body: `${"i32.const 1 drop ".repeat(1_200)} i32.const 1 i32.const 0 i32.div_u drop`,
    trap: "integer divide by zero",
    opcode: 0x6e,
    fuelUsed: 2_403,
  },
];

const MODES = [{}, { fuel: 1 }, { fuel: 1, exact: true }, { fuel: 3, exact: true }] as const;

function framesOf({ error }: End): readonly BacktraceFrame[] {
  return error?.backtrace ?? [];
}

describe("traps", () => {
  for (const { name, body, trap, opcode, fuelUsed } of CASES) {
    it(`${name}: the message, the fuel up to it, and its place`, () => {
      const bytes = wat`(module $named (type $v (func (result i32))) (memory 1) (memory 1) (table 3 funcref)
        (func $other) (elem (i32.const 0) $v $other) (func $v (type $v) i32.const 1)
        (func $f (export "f") (result i32) (local i32 i64 i32) ${body} i32.const 0))`;
      for (const options of MODES) {
        const end = runToEnd(instanceOf(bytes).invoke("f"), options);
        const text = JSON.stringify(options);
        expect(end.error, text).to.be.instanceOf(Trap);
        expect((end.error as Trap).reason, text).to.equal(trap);
        expect(end.fuelUsed, text).to.equal(fuelUsed);
        expect(framesOf(end), text).to.have.length(1);
        expect(framesOf(end)[0], text).to.deep.include({ funcIndex: 2, funcName: "f", moduleName: "named" });
        expect(bytes[framesOf(end)[0]!.position], text).to.equal(opcode);
      }
    });
  }
});

const NESTED = wat`(module $nested
  (type $t (func (param i32)))
  (import "host" "call" (func $host (param i32)))
  (table funcref (elem $third))
  (func $first (export "first") (param i32) (i32.const 7) (call $second (local.get 0)) drop)
  (func $second (param i32) (call_indirect (type $t) (local.get 0) (i32.const 0)))
  (func $third (param i32) (if (local.get 0) (then (call $host (local.get 0))) (else unreachable))))`;

describe("backtraces", () => {
  it("name every frame, innermost first, with the place of its call", () => {
    for (const options of MODES) {
      const instance = instanceOf(NESTED, { host: { call: { params: ["i32"], results: [], call: () => undefined } } });
      const end = runToEnd(instance.invoke("first", [0]), options);
      expect(framesOf(end).map(({ funcName }) => funcName)).to.deep.equal(["third", "second", "first"]);
      expect(framesOf(end).map(({ position }) => NESTED[position])).to.deep.equal([0x00, 0x11, 0x10]);
    }
  });

  it("begin at the call of the host function that threw", () => {
    for (const options of MODES) {
      const call = {
        params: ["i32"],
        results: [],
        call: (): never => {
          throw new Trap("unreachable", "the host says so");
        },
      };
      const instance = instanceOf(NESTED, { host: { call } });
      const end = runToEnd(instance.invoke("first", [1]), options);
      expect(end.trap).to.equal("unreachable: the host says so");
      expect(framesOf(end).map(({ funcName }) => funcName)).to.deep.equal(["third", "second", "first"]);
      expect(NESTED[framesOf(end)[0]!.position]).to.equal(0x10);
      expect(end.fuelUsed).to.equal(10);
    }
  });

  it("go through instances", () => {
    for (const options of MODES) {
      const store = new Store();
      const inner = instanceOf(wat`(module $inner (func $g (export "g") unreachable))`, {}, store);
      const bytes = wat`(module $outer (import "m" "g" (func $g)) (func $f (export "f") nop call $g))`;
      const outer = instanceOf(bytes, { m: { g: inner.exportedFunc("g") } }, store);
      const end = runToEnd(outer.invoke("f"), options);
      expect(framesOf(end).map(({ moduleName, funcName }) => `${moduleName}.${funcName}`)).to.deep.equal([
        "inner.g",
        "outer.f",
      ]);
      expect(bytes[framesOf(end)[1]!.position]).to.equal(0x10);
      expect(end.fuelUsed).to.equal(2);
    }
  });

  it("have no frame of a function that has left by a tail call", () => {
    const instance = instanceOf(wat`(module
      (func $f (export "f") call $g) (func $g return_call $h) (func $h unreachable))`);
    const end = runToEnd(instance.invoke("f"));
    expect(framesOf(end).map(({ funcName }) => funcName)).to.deep.equal(["h", "f"]);
  });

  it("are bounded, and say how much they leave out", () => {
    const instance = instanceOf(wat`(module (func $f (export "f") (param i32)
      (if (i32.eqz (local.get 0)) (then unreachable))
      (call $f (i32.sub (local.get 0) (i32.const 1)))))`);
    const end = runToEnd(instance.invoke("f", [999]));
    expect(framesOf(end)).to.have.length(64);
    expect(end.error?.omittedFrames).to.equal(1_000 - 64);
  });

  it("of a start function go through the instantiation", () => {
    const { invocation } = new Store().instantiation(
      compileSync(wat`(module (func $start unreachable) (start $start))`),
    );
    expect(framesOf(runToEnd(invocation)).map(({ funcName }) => funcName)).to.deep.equal(["start", "(instantiation)"]);
  });

  it("of a termination say where the guest was", () => {
    const instance = instanceOf(wat`(module (func $f (export "f") (loop (br 0))))`);
    expect(() => instance.callSync("f", [], { fuel: 1_000 }))
      .to.throw(Termination, "fuel exhausted")
      .with.property("backtrace")
      .that.has.nested.property("0.funcName", "f");
    const accountant = new LimitAccountant(50_000);
    const deep = instanceOf(wat`(module (func $f (export "f") call $f))`, {}, new Store({ accountant }));
    const end = runToEnd(deep.invoke("f"));
    expect(end.trap).to.match(/^memory limit/);
    expect(framesOf(end)[0]).to.include({ funcName: "f" });
  });

  it("of modules without names, or with a broken name section, have indices alone", () => {
    const bytes = wat`(module (func (export "f") unreachable))`;
    // A custom section "name" whose contents end in the middle of a number.
    const withBroken = new Uint8Array([...bytes, 0, 7, 4, ...Buffer.from("name"), 1, 0xff]);
    const end = runToEnd(new Store().instantiateSync(compileSync(withBroken)).invoke("f"));
    expect(framesOf(end)[0]).to.deep.include({ funcIndex: 0, funcName: null, moduleName: null });
  });
});

describe("traps that are contained at a great depth", () => {
  it("take no time for the frames below", function () {
    this.timeout(20_000);
    const store = new Store();
    const contain = store.hostFunc({
      kind: "frame",
      params: ["funcref"],
      results: [],
      call: (_: unknown, func: Func) => callGuest(func, [], "end"),
      continuations: { end: () => [] },
    });
    const instance = instanceOf(
      wat`(module (import "host" "contain" (func $contain (param funcref))) (elem declare func $trap)
        (func $trap unreachable)
        (func $down (export "down") (param i32 i32)
          (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1)) (local.get 1)) return))
          (loop (call $contain (ref.func $trap))
            (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))))`,
      { host: { contain } },
      store,
    );
    const at = (depth: number) => () => {
      expect(runToEnd(instance.invoke("down", [depth, 5_000])).trap).to.equal(null);
    };
    // A thousand times as deep, which would take hundreds of times as long; going down is part of it.
    expect(timesAsLong(at(100_000), at(100))).to.be.below(40);
  });
});
