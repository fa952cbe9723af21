import { expect } from "chai";
import fc from "fast-check";
import { decodeModule } from "./binary/decode.ts";
import { encodeModule } from "./binary/encode.ts";
import { compileSync } from "./compiled-module.ts";
import { Engine } from "./engine.ts";
import { CompileError, Termination } from "./errors.ts";
import { MAX_CATCHES } from "./limits.ts";
import type { TurnOptions } from "./execute/outcome.ts";
import { PROPOSALS, type Proposal } from "./proposals.ts";
import type { Instance } from "./runtime/instance.ts";
import { LimitAccountant } from "./runtime/resources.ts";
import { Store } from "./runtime/store.ts";
import { runToEnd } from "./testing.ts";
import { parseModule } from "./text/parser.ts";
import { printModule } from "./text/print.ts";

const ALL = { proposals: new Set(PROPOSALS) };
const engine = new Engine(ALL);

function bytesOf(text: string): Uint8Array {
  return encodeModule(parseModule(text, ALL));
}

function instance(text: string, store = new Store({ engine })): Instance {
  return store.instantiateSync(compileSync(bytesOf(text), { engine }), {});
}

const USES: Readonly<Record<Proposal, string>> = {
  "custom-page-sizes": `(module (memory 1 2 (pagesize 1)))`,
  "legacy-exceptions": `(module (tag $e) (func (try (do (throw $e)) (catch $e (rethrow 0))) (try (do) (delegate 0))))`,
  "wide-arithmetic": `(module (func (result i64 i64) (i64.mul_wide_u (i64.const 1) (i64.const 2))))`,
};

describe("proposals", () => {
  it("legacy-exceptions has at most as many clauses in a try as a try_table", () => {
    const text = (clauses: number): string => `(module (tag $e) (func (try (do) ${"(catch $e) ".repeat(clauses)})))`;
    expect(() => compileSync(bytesOf(text(MAX_CATCHES)), { engine })).to.not.throw();
    expect(() => compileSync(bytesOf(text(MAX_CATCHES + 1)), { engine }))
      .to.throw(CompileError, `${MAX_CATCHES + 1} catch clauses`)
      .with.property("kind", "limit");
  });

  for (const proposal of PROPOSALS) {
    it(`${proposal} is malformed unless an engine is asked to accept it`, () => {
      const only = new Engine({ proposals: [proposal] });
      const bytes = bytesOf(USES[proposal]);
      expect(() => compileSync(bytes))
        .to.throw(CompileError)
        .with.property("kind", "malformed");
      expect(() => parseModule(USES[proposal])).to.throw(CompileError, "unexpected token");
      expect(compileSync(bytes, { engine: only }).engine).to.equal(only);
      for (const other of PROPOSALS) {
        if (other !== proposal)
          expect(() => compileSync(bytesOf(USES[other]), { engine: only })).to.throw(CompileError);
      }
    });

    it(`${proposal} is printed as it is parsed`, () => {
      const bytes = bytesOf(USES[proposal]);
      expect(bytesOf(printModule(decodeModule(bytes, ALL.proposals)))).to.deep.equal(bytes);
    });
  }

  it("an engine knows no others", () => {
    expect(() => new Engine({ proposals: ["none" as Proposal] })).to.throw(TypeError, "no such proposal");
  });
});

describe("wide arithmetic", () => {
  const functions = ["add128", "sub128", "mul_wide_s", "mul_wide_u"].map((name) => {
    const count = name.endsWith("128") ? 4 : 2;
    const operands = Array.from({ length: count }, (_, i) => `(local.get ${i})`).join(" ");
    return `(func (export "${name}") (param ${"i64 ".repeat(count)}) (result i64 i64) (i64.${name} ${operands}))`;
  });
  const module = compileSync(
    bytesOf(`(module ${functions.join("\n")}
    (func (export "constants") (param i64) (result i64 i64 i64) (local i64)
      (i64.const 9) (i64.add128 (i64.const -1) (local.get 0) (local.get 0) (i64.const 5)) (local.set 1) (local.get 1)))`),
    {
      engine,
    },
  );
  const wide = new Store({ engine }).instantiateSync(module);
  const turns: TurnOptions[] = [{}, { fuel: 1, exact: true }];
  const edge = fc.constantFrom(0n, 1n, -1n, 1n << 31n, (1n << 32n) - 1n, 1n << 32n, (1n << 63n) - 1n, -(1n << 63n));
  const i64 = fc.oneof(edge, fc.bigInt(-(1n << 63n), (1n << 63n) - 1n));

  function halves(value: bigint): bigint[] {
    return [BigInt.asIntN(64, value), BigInt.asIntN(64, value >> 64n)];
  }

  const whole = (low: bigint, high: bigint): bigint => (high << 64n) + BigInt.asUintN(64, low);

  it("adds and subtracts numbers of 128 bits", () => {
    fc.assert(
      fc.property(i64, i64, i64, i64, (a, b, c, d) => {
        for (const turn of turns) {
          const run = (name: string) => runToEnd(wide.invoke(name, [a, b, c, d]), turn).values;
          expect(run("add128")).to.deep.equal(halves(whole(a, b) + whole(c, d)));
          expect(run("sub128")).to.deep.equal(halves(whole(a, b) - whole(c, d)));
        }
      }),
    );
  });

  it("multiplies to 128 bits, signed and unsigned", () => {
    fc.assert(
      fc.property(i64, i64, (a, b) => {
        for (const turn of turns) {
          const run = (name: string) => runToEnd(wide.invoke(name, [a, b]), turn).values;
          expect(run("mul_wide_s")).to.deep.equal(halves(a * b));
          expect(run("mul_wide_u")).to.deep.equal(halves(BigInt.asUintN(64, a) * BigInt.asUintN(64, b)));
        }
      }),
    );
  });

  it("takes constants and locals, and leaves what lies below", () => {
    for (const turn of turns) {
      expect(runToEnd(wide.invoke("constants", [3n]), turn).values).to.deep.equal([9n, 2n, 9n]);
    }
  });
});

describe("custom page sizes", () => {
  const BYTES = `(module
    (memory (export "m") 3 (pagesize 1))
    (data (i32.const 0) "abc")
    (func (export "size") (result i32) (memory.size))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
    (func (export "load8") (param i32) (result i32) (i32.load8_u (local.get 0))))`;

  it("a memory of bytes is as long as it says", () => {
    const memory = instance(BYTES);
    expect(memory.callSync("size")).to.deep.equal([3]);
    expect(memory.callSync("load8", [2])).to.deep.equal([0x63]);
    expect(() => memory.callSync("load8", [3])).to.throw("out of bounds memory access");
    expect(() => memory.callSync("load", [0])).to.throw("out of bounds memory access");
    expect(memory.callSync("grow", [1])).to.deep.equal([3]);
    expect(memory.callSync("load", [0])).to.deep.equal([0x00636261]);
  });

  it("growth is paid by its bytes, and the same in every slice", () => {
    const totals = [{}, { fuel: 100 }, { fuel: 7, exact: true }].map((turn) => {
      const memory = instance(BYTES);
      const end = runToEnd(memory.invoke("grow", [10_000_000]), turn);
      expect(end.values).to.deep.equal([3]);
      expect(memory.callSync("size")).to.deep.equal([10_000_003]);
      return end.fuelUsed;
    });
    expect(new Set(totals).size).to.equal(1);
    expect(totals[0]).to.be.within(10_000_000 / 64, 10_000_000 / 64 + 100);
  });

  it("has the limits of the other memories in bytes", () => {
    const memory = instance(BYTES, new Store({ engine, accountant: new LimitAccountant(1_000_000) }));
    expect(memory.callSync("grow", [2_000_000])).to.deep.equal([-1]);
    expect(memory.callSync("grow", [-1])).to.deep.equal([-1]);
    expect(memory.callSync("grow", [500_000])).to.deep.equal([3]);
    const large = `(module (memory i64 0x1_0000_0001 (pagesize 1)))`;
    expect(() => instance(large)).to.throw(Termination, "memory limit");
  });

  it("64-bit addresses reach the whole size", () => {
    const store = new Store({ engine });
    const module = compileSync(
      bytesOf(`(module (memory i64 5 (pagesize 1))
        (func (export "size") (result i64) (memory.size))
        (func (export "grow") (param i64) (result i64) (memory.grow (local.get 0))))`),
      { engine },
    );
    const memory = store.instantiateSync(module);
    expect(memory.callSync("grow", [1n << 32n])).to.deep.equal([-1n]);
    expect(memory.callSync("grow", [2n])).to.deep.equal([5n]);
    expect(memory.callSync("size")).to.deep.equal([7n]);
  });
});
