/** Linking: what instances share and what they do not, which imports fit, and names that reach nothing. */

import { expect } from "chai";
import { compileSync, type ExternDescriptor } from "../compiled-module.ts";
import { Engine } from "../engine.ts";
import { LinkError } from "../errors.ts";
import type { Imports } from "../execute/link.ts";
import { instanceOf, runToEnd, wat } from "../testing.ts";
import type { Func, HostDefinition } from "./func.ts";
import { Global } from "./global.ts";
import type { Instance } from "./instance.ts";
import { Memory } from "./memory.ts";
import { Store } from "./store.ts";
import { Table } from "./table.ts";

const PROVIDER = wat`(module
  (memory (export "memory") 1 10)
  (table (export "table") 4 20 funcref)
  (global (export "global") (mut i32) (i32.const 1))
  (global (export "constant") i64 (i64.const 7))
  (func $f (export "f") (result i32) i32.const 100)
  (elem (i32.const 0) $f)
  (func (export "grow") (param i32) (result i32) local.get 0 memory.grow)
  (func (export "grow table") (param i32) (result i32) ref.null func local.get 0 table.grow)
  (func (export "load") (param i32) (result i32) local.get 0 i32.load)
  (func (export "get") (result i32) global.get 0)
  (func (export "call") (param i32) (result i32) local.get 0 call_indirect (result i32)))`;

const USER = wat`(module
  (import "p" "memory" (memory 1))
  (import "p" "table" (table 1 funcref))
  (import "p" "global" (global $g (mut i32)))
  (import "p" "constant" (global i64))
  (import "p" "f" (func $f (result i32)))
  (import "p" "grow" (func $grow (param i32) (result i32)))
  (func $own (export "own") (result i32) i32.const 200)
  (elem declare func $own)
  (func (export "store") (param i32 i32) local.get 0 local.get 1 i32.store)
  (func (export "load") (param i32) (result i32) local.get 0 i32.load)
  (func (export "size") (result i32) memory.size)
  (func (export "set") (param i32) local.get 0 global.set $g)
  (func (export "set table") (param i32) local.get 0 ref.func $own table.set 0)
  (func (export "table size") (result i32) table.size)
  (func (export "call") (param i32) (result i32) local.get 0 call_indirect (result i32))
  (func (export "grow while running") (result i32)
    (drop (call $grow (i32.const 2))) (i32.store (i32.const 200000) (i32.const 5)) (i32.load (i32.const 200000))))`;

function pair(): { store: Store; provider: Instance; user: Instance } {
  const store = new Store();
  const provider = instanceOf(PROVIDER, {}, store);
  return { store, provider, user: instanceOf(USER, { p: Object.fromEntries(provider.exports) as never }, store) };
}

describe("instances that share", () => {
  it("a memory see each other's writes and growth, also in the middle of a function", () => {
    const { provider, user } = pair();
    user.callSync("store", [8, 1234]);
    expect(provider.callSync("load", [8])).to.deep.equal([1234]);
    expect(provider.callSync("grow", [2])).to.deep.equal([1]);
    expect(user.callSync("size")).to.deep.equal([3]);
    user.callSync("store", [3 * 65_536 - 4, 7]);
    expect(provider.callSync("load", [3 * 65_536 - 4])).to.deep.equal([7]);
    expect(user.callSync("grow while running")).to.deep.equal([5]);
    expect(() => user.callSync("store", [5 * 65_536, 7])).to.throw("out of bounds memory access");
    (provider.export("memory") as Memory).grow(1);
    user.callSync("store", [5 * 65_536, 8]);
    expect(provider.callSync("load", [5 * 65_536])).to.deep.equal([8]);
  });

  it("a table call each other's functions, and see growth", () => {
    const { provider, user } = pair();
    expect(user.callSync("call", [0])).to.deep.equal([100]);
    user.callSync("set table", [1]);
    expect(provider.callSync("call", [1])).to.deep.equal([200]);
    expect(user.callSync("call", [1])).to.deep.equal([200]);
    const table = provider.export("table") as Table;
    expect(table.get(1)).to.equal(user.export("own"));
    expect(provider.callSync("grow table", [10])).to.deep.equal([4]);
    expect(user.callSync("table size")).to.deep.equal([14]);
    user.callSync("set table", [13]);
    expect(provider.callSync("call", [13])).to.deep.equal([200]);
    table.set(12, provider.export("f"));
    expect(user.callSync("call", [12])).to.deep.equal([100]);
    expect(() => user.callSync("call", [2])).to.throw("uninitialized element");
  });

  it("a mutable global see it change", () => {
    const { provider, user } = pair();
    user.callSync("set", [42]);
    const global = provider.export("global") as Global;
    expect([global.value, provider.callSync("get")[0]]).to.deep.equal([42, 42]);
    global.value = 43;
    expect(provider.callSync("get")).to.deep.equal([43]);
    expect(() => (global.value = 1n)).to.throw(TypeError);
    expect(() => ((provider.export("constant") as Global).value = 1n)).to.throw(TypeError, "immutable");
  });

  it("export one object for one thing, under all its names and through all instances", () => {
    const store = new Store();
    const provider = instanceOf(PROVIDER, {}, store);
    const through = instanceOf(
      wat`(module (import "p" "f" (func $f (result i32))) (import "p" "global" (global $g (mut i32)))
        (export "a" (func $f)) (export "b" (func $f)) (export "g" (global $g)) (export "h" (global $g)))`,
      { p: Object.fromEntries(provider.exports) as never },
      store,
    );
    expect(through.export("a")).to.equal(through.export("b")).and.to.equal(provider.export("f"));
    expect(through.export("g")).to.equal(through.export("h"));
    expect([...through.exports.keys()]).to.deep.equal(["a", "b", "g", "h"]);
  });
});

describe("tables that active segments fill", () => {
  const bytes = wat`(module (table (export "table") 600 funcref)
    (elem (i32.const 0) ${"$a $b ".repeat(300)})
    (func $a (result i32) i32.const 1) (func $b (result i32) i32.const 2)
    (func (export "call") (param i32) (result i32) local.get 0 call_indirect (result i32))
    (func (export "set") (param i32) local.get 0 ref.func $b table.set 0)
    (func (export "copy") (table.copy (i32.const 0) (i32.const 1) (i32.const 10)))
    (func (export "grow") (result i32) ref.func $b i32.const 1 table.grow)
    (func (export "clear") (table.fill (i32.const 0) (ref.null func) (i32.const 600))))`;

  it("are shared by instances until one of them writes", () => {
    const store = new Store();
    const module = compileSync(bytes);
    for (const write of ["set", "copy", "grow", "clear"]) {
      const [first, second] = [store.instantiateSync(module), store.instantiateSync(module)];
      expect((first.export("table") as Table).items).to.equal((second.export("table") as Table).items);
      first.callSync(write, write === "set" ? [0] : []);
      expect((first.export("table") as Table).items).to.not.equal((second.export("table") as Table).items);
      for (const i of [0, 1, 598, 599]) expect(second.callSync("call", [i]), write).to.deep.equal([1 + (i % 2)]);
    }
  });

  it("are an instance's own when they are imported or written from outside", () => {
    const store = new Store();
    const module = compileSync(bytes);
    const [first, second] = [store.instantiateSync(module), store.instantiateSync(module)];
    (first.export("table") as Table).set(0, null);
    expect(second.callSync("call", [0])).to.deep.equal([1]);
    const user = instanceOf(
      wat`(module (import "m" "t" (table 1 funcref)) (elem (i32.const 1) $f) (func $f (result i32) i32.const 9))`,
      { m: { t: second.export("table")! } },
      store,
    );
    expect(user).to.be.an("object");
    expect(second.callSync("call", [1])).to.deep.equal([9]);
    expect(store.instantiateSync(module).callSync("call", [1])).to.deep.equal([2]);
  });
});

/** A module that imports one thing, given as it stands in the text. */
const importing = (what: string): Uint8Array => wat`(module (import "m" "x" ${what}))`;

describe("imports", () => {
  const store = new Store();
  const things = instanceOf(
    wat`(module
      (func (export "func") (param i32) (result i64) i64.const 1)
      (memory (export "memory") 2 4)
      (memory (export "memory64") i64 2)
      (table (export "table") 2 4 funcref)
      (table (export "externs") 2 externref)
      (table (export "table64") i64 2 funcref)
      (global (export "global") i32 (i32.const 1))
      (global (export "mutable") (mut i32) (i32.const 1))
      (global (export "function") funcref (ref.null func))
      (tag (export "tag") (param i32)))`,
    {},
    store,
  );
  const host: HostDefinition = { params: ["i32"], results: ["i64"], call: () => 1n };

  const outcome = (name: string, what: string): string => {
    try {
      store.instantiateSync(compileSync(importing(what)), { m: { x: things.export(name) ?? host } });
      return "fits";
    } catch (error) {
      expect(error).to.be.instanceOf(LinkError);
      expect(error).to.include({ module: "m", importName: "x" });
      expect((error as Error).message).to.match(/^incompatible import type: "m" "x": ./);
      return "does not fit";
    }
  };

  for (const [name, fitting, others] of [
    ["func", ["(func (param i32) (result i64))"], ["(func)", "(func (param i32))", "(memory 1)", "(global i32)"]],
    ["host", ["(func (param i32) (result i64))"], ["(func (param i64) (result i64))", "(table 1 funcref)"]],
    [
      "memory",
      ["(memory 0)", "(memory 2)", "(memory 2 4)", "(memory 1 100)"],
      ["(memory 3)", "(memory 2 3)", "(memory i64 2)", "(table 2 funcref)"],
    ],
    ["memory64", ["(memory i64 1)"], ["(memory 1)", "(memory i64 1 10)"]],
    [
      "table",
      ["(table 0 funcref)", "(table 2 4 funcref)", "(table 1 9 funcref)"],
      ["(table 3 funcref)", "(table 2 3 funcref)", "(table 2 externref)", "(table i64 2 funcref)"],
    ],
    ["externs", ["(table 2 externref)"], ["(table 2 funcref)", "(table 2 4 externref)"]],
    ["table64", ["(table i64 2 funcref)"], ["(table 2 funcref)"]],
    ["global", ["(global i32)"], ["(global (mut i32))", "(global i64)", "(func)"]],
    ["mutable", ["(global (mut i32))"], ["(global i32)", "(global (mut i64))"]],
    ["function", ["(global funcref)"], ["(global externref)"]],
    ["tag", ["(tag (param i32))"], ["(tag)", "(tag (param i64))", "(func (param i32))"]],
  ] as const) {
    it(`${name}: fits what its type matches, and nothing else`, () => {
      for (const what of fitting) expect(outcome(name, what), what).to.equal("fits");
      for (const what of others) expect(outcome(name, what), what).to.equal("does not fit");
    });
  }

  it("match with the size that a memory or table has by then", () => {
    const grown = instanceOf(wat`(module (memory (export "m") 1 9) (table (export "t") 1 9 funcref))`, {}, store);
    (grown.export("m") as Memory).grow(4);
    (grown.export("t") as Table).grow(4);
    expect((grown.export("m") as Memory).type.limits).to.deep.equal({ min: 5n, max: 9n });
    const module = compileSync(wat`(module (import "m" "m" (memory 5)) (import "m" "t" (table 5 funcref)))`);
    expect(store.instantiateSync(module, { m: Object.fromEntries(grown.exports) as never })).to.be.an("object");
  });

  it("of another store, and modules of another engine, are a TypeError", () => {
    const other = new Store();
    for (const [name, what] of [
      ["func", "(func (param i32) (result i64))"],
      ["memory", "(memory 1)"],
      ["table", "(table 1 funcref)"],
      ["global", "(global i32)"],
    ] as const) {
      const imports = { m: { x: things.export(name)! } };
      expect(() => other.instantiateSync(compileSync(importing(what)), imports)).to.throw(TypeError, "another store");
    }
    const table = new Store().instantiateSync(compileSync(wat`(module (table (export "t") 1 funcref))`)).export("t");
    expect(() => (table as Table).set(0, things.export("func"))).to.throw(TypeError, "another store");
    expect(() => other.invoke(things.export("func") as Func, [1])).to.throw(TypeError, "another store");
    const engine = new Engine();
    const module = compileSync(importing("(memory 1)"), { engine });
    expect(() => store.instantiateSync(module, {})).to.throw(TypeError, "another engine");
  });

  it("that are not there are a LinkError with both names", () => {
    const module = compileSync(importing("(memory 1)"));
    for (const imports of [
      {},
      { m: {} },
      { x: { m: host } },
      new Map(),
      new Map([["m", new Map()]]),
      () => undefined,
    ]) {
      expect(() => store.instantiateSync(module, imports as Imports)).to.throw(LinkError, 'unknown import: "m" "x"');
    }
  });

  it("that are nothing of ours are a TypeError", () => {
    const module = compileSync(importing("(func)"));
    for (const value of [null, 1, "f", () => 1]) {
      expect(() => store.instantiateSync(module, { m: { x: value as never } })).to.throw(TypeError, '"x"');
    }
  });

  it("by names of Object.prototype reach nothing", () => {
    const names = ["__proto__", "constructor", "toString", "hasOwnProperty", "valueOf", "__defineGetter__"];
    for (const module of names) {
      for (const name of names) {
        const bytes = wat`(module (import "${module}" "${name}" (func)))`;
        for (const imports of [{}, { [name]: {} }, { m: { x: host } }, Object.create({ [module]: { [name]: host } })]) {
          expect(() => store.instantiateSync(compileSync(bytes), imports as Imports)).to.throw(
            LinkError,
            "unknown import",
          );
        }
        const own = { params: [], results: [], call: () => undefined } as HostDefinition;
        const given = Object.fromEntries([[module, Object.fromEntries([[name, own]])]]);
        expect(store.instantiateSync(compileSync(bytes), given)).to.be.an("object");
      }
    }
  });

  it("are resolved with the module, the name and the type", () => {
    const asked: [string, string, ExternDescriptor][] = [];
    const module = compileSync(wat`(module
      (import "a" "f" (func (param i32 f64) (result i64))) (import "" "ü" (memory i64 1 2))
      (import "a" "g" (global (mut f32))) (import "a" "t" (table 1 externref)))`);
    const resolver = (from: string, name: string, type: ExternDescriptor): undefined => {
      asked.push([from, name, type]);
      return undefined;
    };
    expect(() => store.instantiateSync(module, resolver)).to.throw(LinkError);
    expect(asked).to.have.length(1);
    expect(asked[0]![2]).to.deep.equal({
      kind: "func",
      params: ["i32", "f64"],
      results: ["i64"],
      text: (asked[0]![2] as { text: string }).text,
    });
    expect(module.imports.map(({ module: from, name, type }) => `${from}.${name} ${type.kind}`)).to.deep.equal([
      "a.f func",
      ".ü memory",
      "a.g global",
      "a.t table",
    ]);
    expect(module.imports[2]!.type).to.deep.equal({ kind: "global", type: "f32", mutable: true });
  });
});

describe("instantiation", () => {
  it("runs nothing of the guest when an import does not fit", () => {
    const store = new Store();
    let called = 0;
    const f: HostDefinition = { params: [], results: [], call: () => void called++ };
    const module = compileSync(wat`(module (import "m" "f" (func $f)) (import "m" "g" (func)) (start $f))`);
    expect(() => store.instantiateSync(module, { m: { f } })).to.throw(LinkError);
    expect(called).to.equal(0);
  });

  it("leaves functions that escaped before a trap callable", () => {
    const store = new Store();
    const table = instanceOf(
      wat`(module (table (export "t") 2 funcref) (func (export "call") (param i32) (result i32)
      local.get 0 call_indirect (result i32)))`,
      {},
      store,
    );
    const module = compileSync(wat`(module (import "m" "t" (table 1 funcref)) (memory 0)
      (global $g i32 (i32.const 77)) (func $f (result i32) global.get $g)
      (elem (i32.const 1) $f) (data (i32.const 0) "x"))`);
    expect(() => store.instantiateSync(module, { m: { t: table.export("t")! } })).to.throw(
      "out of bounds memory access",
    );
    expect(table.callSync("call", [1])).to.deep.equal([77]);
  });

  it("of many instances in one store keeps them apart", () => {
    const store = new Store();
    const module = compileSync(wat`(module (global $n (mut i32) (i32.const 0)) (memory 1)
      (func (export "next") (result i32) (global.set $n (i32.add (global.get $n) (i32.const 1)))
        (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 10)))
        (i32.add (global.get $n) (i32.load (i32.const 0)))))`);
    const instances = Array.from({ length: 50 }, () => store.instantiateSync(module));
    instances.forEach((instance, i) => {
      for (let k = 0; k < i; k++) instance.callSync("next");
    });
    instances.forEach((instance, i) => {
      expect(runToEnd(instance.invoke("next")).values).to.deep.equal([11 * (i + 1)]);
    });
  });

  it("a store knows which addresses are those of functions", () => {
    const module = compileSync(wat`(module (import "h" "f" (func)) (func (export "g")) (func))`);
    const { store, funcsAt } = new Store().instantiateSync(module, {
      h: { f: { params: [], results: [], call: () => [] } },
    });
    // The import's place among the instance's functions, and what instantiates it, are none.
    const known = [1, funcsAt + 1, funcsAt + 2];
    for (let address = -1; address < funcsAt + 6; address += 0.5) {
      const isKnown = known.includes(address);
      expect(store.isFuncAt(address), `${address}`).to.equal(isKnown);
      if (isKnown) expect(store.funcAt(address).address).to.equal(address);
      else expect(() => store.funcAt(address)).to.throw(RangeError, "no function at address");
    }
  });
});
