import { expect } from "chai";
import { compileSync } from "../compiled-module.ts";
import { Termination } from "../errors.ts";
import { wat } from "../testing.ts";
import { allocateGlobal, allocateMemory, allocateTable } from "./allocate.ts";
import { LimitAccountant } from "./resources.ts";
import { Store } from "./store.ts";

const USER = compileSync(wat`(module
  (import "e" "m" (memory 1 4)) (import "e" "t" (table 2 funcref)) (import "e" "g" (global $g (mut i64)))
  (func (export "run") (result i32)
    (global.set $g (i64.add (global.get $g) (i64.const 1)))
    (i32.store (i32.const 8) (i32.const 42))
    (drop (memory.grow (i32.const 2)))
    (call_indirect (result i32) (i32.const 1))))`);

describe("memories, tables and globals of the embedder", () => {
  it("are imported, and both sides see what the other does", () => {
    const store = new Store();
    const memory = allocateMemory(store, { minPages: 1, maxPages: 4 });
    const seven = store.hostFunc({ params: [], results: ["i32"], call: () => 7 });
    const table = allocateTable(store, { element: "funcref", min: 2, initial: seven });
    const global = allocateGlobal(store, { type: "i64", mutable: true }, 5n);
    const instance = store.instantiateSync(USER, { e: { m: memory, t: table, g: global } });
    expect(instance.callSync("run")).to.deep.equal([7]);
    expect([global.value, memory.readU32(8), memory.pages]).to.deep.equal([6n, 42, 3]);
    table.set(1, null);
    expect(() => instance.callSync("run")).to.throw("uninitialized element");
  });

  it("refuse sizes, types and values that are none", () => {
    const store = new Store({ accountant: new LimitAccountant(100_000) });
    expect(() => allocateMemory(store, { minPages: -1 })).to.throw(RangeError);
    expect(() => allocateMemory(store, { minPages: 2, maxPages: 1 })).to.throw(RangeError);
    expect(() => allocateMemory(store, { minPages: 1, shared: true })).to.throw(RangeError, "maxPages");
    expect(() => allocateMemory(store, { minPages: 2 })).to.throw(Termination, "memory limit: a memory of 2 pages");
    const full = new Store({ accountant: new LimitAccountant(0) });
    expect(() => allocateMemory(full, { minPages: 1 })).to.throw(Termination, /a memory of 1 page$/);
    expect(() => allocateTable(store, { element: "i32", min: 1 })).to.throw(TypeError);
    expect(() => allocateTable(store, { element: "funcref", min: 1, initial: 5 })).to.throw(TypeError);
    expect(() => allocateGlobal(store, { type: "i33" }, 1)).to.throw(TypeError);
    expect(() => allocateGlobal(store, { type: "i32" }, 1n)).to.throw(TypeError);
    expect(() => {
      allocateGlobal(store, { type: "i32" }, 1).value = 2;
    }).to.throw(TypeError, "immutable");
  });
});
