/** The accountant is asked about everything that takes memory, its refusals are told, and an idle instance is small. */

import { expect } from "chai";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { compileSync, type CompiledModule } from "../compiled-module.ts";
import { Termination } from "../errors.ts";
import { LinkPlan } from "../execute/link-plan.ts";
import { instanceOf, runToEnd, wat } from "../testing.ts";
import type { DirectCaller } from "../execute/caller.ts";
import type { Invocation } from "../execute/invocation.ts";
import { ACTIVATION_BYTES } from "../limits.ts";
import { callGuest, type Func, type HostDefinition } from "./func.ts";
import type { Global } from "./global.ts";
import type { Extern } from "./instance.ts";
import { Memory } from "./memory.ts";
import {
  LimitAccountant,
  SEPARATE_BUFFERS,
  type Accountant,
  type MemoryBlock,
  type ResourceKind,
} from "./resources.ts";
import { Store } from "./store.ts";
import { Table } from "./table.ts";

/** Grants all but some kinds, and adds up what it grants. */
class Ledger implements Accountant {
  readonly bytes = new Map<ResourceKind, number>();
  readonly #refused: ReadonlySet<ResourceKind>;
  readonly #most: number;

  constructor(refused: readonly ResourceKind[] = [], most = 0) {
    this.#refused = new Set(refused);
    this.#most = most;
  }

  reserve(kind: ResourceKind, byteLength: number): boolean {
    expect(byteLength, kind).to.be.at.least(0);
    const sum = (this.bytes.get(kind) ?? 0) + byteLength;
    if (this.#refused.has(kind) && sum > this.#most) return false;
    this.bytes.set(kind, sum);
    return true;
  }

  release(kind: ResourceKind, byteLength: number): void {
    const left = (this.bytes.get(kind) ?? 0) - byteLength;
    expect(left, kind).to.be.at.least(0);
    this.bytes.set(kind, left);
  }

  of(kind: ResourceKind): number {
    return this.bytes.get(kind) ?? 0;
  }

  get total(): number {
    return [...this.bytes.values()].reduce((sum, bytes) => sum + bytes, 0);
  }
}

const EVERYTHING = wat`(module
  (import "m" "f" (func $f (param externref)))
  (memory (export "memory") 2) (memory 1)
  (table (export "table") 100 funcref)
  (global i32 (i32.const 1)) (global i64 (i64.const 2)) (global (mut externref) (ref.null extern))
  (elem funcref (ref.func $g) (ref.func $g) (ref.null func))
  (elem func $g $g)
  (data "abc") (data (i32.const 0) "def")
  (func $g (export "g") (param i32) (if (local.get 0) (then (call $g (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "grow") (param i32) (result i32) local.get 0 memory.grow)
  (func (export "grow table") (param i32) (result i32) ref.null func local.get 0 table.grow)
  (func (export "keep") (param externref) local.get 0 global.set 2 local.get 0 call $f))`;

const HOST = { m: { f: { params: ["externref"], results: [], call: () => undefined } } };

function everything(accountant: Accountant): ReturnType<typeof instanceOf> {
  return instanceOf(EVERYTHING, HOST, new Store({ accountant }));
}

describe("the accountant", () => {
  it("is asked before each kind grows, for the bytes that it takes", () => {
    const ledger = new Ledger();
    const instance = everything(ledger);
    expect(ledger.of("memory")).to.equal(3 * 65_536);
    expect(ledger.of("table")).to.equal(100 * 4);
    expect(ledger.of("globals")).to.equal(3 * 16);
    expect(ledger.of("instance"), "segments, a table, memories").to.equal(4 + 3 * 4 + 384 + 2 * 256);
    expect(ledger.of("functions")).to.be.within(64, 200);
    const { byteLength, codeByteLength } = instance.module;
    expect(ledger.of("module")).to.equal(byteLength - codeByteLength);
    expect(ledger.of("code")).to.equal(codeByteLength);
    expect(ledger.of("frames"), "instantiation has ended").to.equal(0);

    const invocation = instance.invoke("g", [2_000]);
    expect(ledger.of("frames")).to.equal(1_024);
    invocation.run({ fuel: 5_000 });
    expect(ledger.of("frames")).to.equal(invocation.frameByteLength);
    expect(ledger.of("frames")).to.be.above(16_000);
    runToEnd(invocation);
    expect(ledger.of("frames")).to.equal(0);

    instance.callSync("grow", [3]);
    expect(ledger.of("memory")).to.equal(6 * 65_536);
    instance.callSync("grow table", [7]);
    expect(ledger.of("table")).to.equal(107 * 4);
    (instance.export("memory") as Memory).grow(1);
    (instance.export("table") as Table).grow(1);
    expect([ledger.of("memory"), ledger.of("table")]).to.deep.equal([7 * 65_536, 108 * 4]);
    const before = ledger.of("externs");
    instance.callSync("keep", [{}]);
    expect(ledger.of("externs") - before).to.equal(64);
    expect(ledger.of("code"), "all in advance").to.equal(codeByteLength);
  });

  it("is asked for tables, memories and tags that hold nothing, but not for those that are imported", () => {
    const ledger = new Ledger();
    const store = new Store({ accountant: ledger });
    let before = 0;
    const added = (bytes: Uint8Array, imports = {}): [Extern[], number] => {
      const { exports } = instanceOf(bytes, imports, store);
      const own = ledger.of("instance") - before;
      before += own;
      return [[...exports.values()], own];
    };
    const [[table, memory, tag], own] = added(wat`(module
      (table (export "table") 0 funcref) (memory (export "memory") 0) (tag (export "tag")))`);
    expect(own).to.equal(384 + 256 + 96);
    const importing = wat`(module
      (import "m" "table" (table 0 funcref)) (import "m" "memory" (memory 0)) (import "m" "tag" (tag)) (table 0 funcref))`;
    expect(added(importing, { m: { table, memory, tag } })[1]).to.equal(384);
    expect(added(wat`(module (memory 0) (memory 0) (tag) (tag) (tag))`)[1]).to.equal(2 * 256 + 3 * 96);
  });

  it("is asked for the same whatever is lowered already", () => {
    const module = compileSync(EVERYTHING);
    const used = (): number[] => {
      const ledger = new Ledger();
      const instance = new Store({ accountant: ledger }).instantiateSync(module, HOST);
      const totals = [ledger.total];
      for (const [name, argument] of [
        ["g", 3],
        ["grow", 1],
        ["keep", null],
      ] as const) {
        instance.callSync(name, [argument]);
        totals.push(ledger.total);
      }
      return totals;
    };
    const cold = used();
    expect(used()).to.deep.equal(cold);
  });

  it("is asked for a module once for each store", () => {
    const ledger = new Ledger();
    const store = new Store({ accountant: ledger });
    const module = compileSync(EVERYTHING);
    for (let i = 0; i < 3; i++) store.instantiateSync(module, HOST);
    const each = module.byteLength - module.codeByteLength;
    expect(each).to.be.greaterThan(EVERYTHING.length);
    expect(ledger.of("module")).to.equal(each);
    store.instantiateSync(compileSync(EVERYTHING), HOST);
    expect(ledger.of("module")).to.equal(2 * each);
  });

  it("that refuses ends the instantiation, and what it had granted for it is free again", () => {
    for (const kind of ["memory", "table", "globals", "instance", "module"] as const) {
      const ledger = new Ledger([kind]);
      const store = new Store({ accountant: ledger });
      expect(() => store.instantiateSync(compileSync(EVERYTHING), HOST), kind)
        .to.throw(Termination, "memory limit")
        .with.property("reason", "memory limit");
      expect(ledger.total - ledger.of("functions"), kind).to.equal(0);
    }
    const second = new Ledger(["memory"], 2 * 65_536);
    expect(() => everything(second)).to.throw(Termination);
    expect(second.of("memory")).to.equal(0);
    for (const kind of ["functions", "frames", "code"] as const) {
      expect(() => everything(new Ledger([kind])), kind).to.throw(Termination, "memory limit");
    }
  });

  it("that refuses growth: -1 for memory and tables, an end for frames and references", () => {
    const growing = (kind: ResourceKind, most: number): ReturnType<typeof instanceOf> =>
      everything(new Ledger([kind], most));
    expect(growing("memory", 3 * 65_536).callSync("grow", [1])).to.deep.equal([-1]);
    expect(growing("table", 400).callSync("grow table", [1])).to.deep.equal([-1]);
    expect(() => growing("frames", 4_096).callSync("g", [2_000])).to.throw(Termination, "memory limit");
    expect(growing("frames", 4_096).callSync("g", [2])).to.deep.equal([]);
    expect(() => growing("externs", 0).callSync("keep", [{}])).to.throw(Termination, "memory limit");
  });

  it("gets back what an invocation had, however it ends", () => {
    const ledger = new Ledger();
    const store = new Store({ accountant: ledger });
    const spin = store.hostFunc({
      params: [],
      results: [],
      call: () => {
        throw new RangeError("host");
      },
    });
    const instance = instanceOf(
      wat`(module (import "m" "f" (func $f)) (func (export "fail") call $f) (func (export "trap") unreachable)
        (func $deep (export "deep") call $deep) (func (export "spin") (loop (br 0))) (func (export "i32") (param i32)))`,
      { m: { f: spin } },
      store,
    );
    for (const name of ["fail", "trap", "deep"]) {
      expect(() => instance.callSync(name)).to.throw();
      expect(ledger.of("frames"), name).to.equal(0);
    }
    const invocation = instance.invoke("spin");
    invocation.run({ fuel: 100 });
    invocation.terminate(new Termination("killed"));
    invocation.terminate(new Termination("killed"));
    expect(ledger.of("frames")).to.equal(0);
    expect(() => instance.invoke("i32", ["no number"])).to.throw(TypeError);
    expect(() => instance.invoke("i32", [])).to.throw(TypeError);
    expect(ledger.of("frames")).to.equal(0);
    let ending: ReturnType<typeof instance.invoke> | null = null;
    const end = store.hostFunc({ params: [], results: [], call: () => ending!.terminate(new Termination("killed")) });
    ending = store.invoke(end);
    expect(() => ending!.run()).to.throw(Termination);
    expect(ledger.of("frames")).to.equal(0);
  });

  it("is asked for activations that nest, in the heap of JavaScript, and gets them back at the end", () => {
    const nest: HostDefinition = {
      kind: "frame",
      name: "nest",
      params: ["i32"],
      results: [],
      call: (caller, left: number) => (left === 0 ? [] : callGuest(caller.func, [left - 1], "end")),
      continuations: { end: () => [] },
    };
    const nesting = (accountant: Accountant): Invocation => {
      const store = new Store({ accountant });
      return store.invoke(store.hostFunc(nest), [5_000]);
    };
    const ledger = new Ledger();
    const invocation = nesting(ledger);
    while (ledger.of("activations") < 2_000 * ACTIVATION_BYTES) {
      expect(invocation.run({ fuel: 1_000 }).kind).to.equal("yielded");
    }
    const bytes = invocation.store.snapshot([invocation]);
    expect(runToEnd(invocation).values).to.deep.equal([]);
    expect(ledger.of("activations")).to.equal(0);

    const other = new Ledger();
    const restored = Store.restore(bytes, { modules: [], hostFunc: () => nest, accountant: other }).invocations[0]!;
    expect(other.of("activations")).to.be.within(2_000 * ACTIVATION_BYTES, 2_500 * ACTIVATION_BYTES);
    restored.terminate(new Termination("killed"));
    expect(other.total).to.equal(other.of("functions"));

    const refusing = new Ledger(["activations"], 1_000 * ACTIVATION_BYTES);
    expect(() => nesting(refusing).run()).to.throw(Termination, "memory limit");
    expect(refusing.of("activations")).to.equal(0);
  });

  it("with a limit over all kinds grants up to it", () => {
    const accountant = new LimitAccountant(100);
    expect(accountant.reserve("memory", 60)).to.equal(true);
    expect(accountant.reserve("table", 41)).to.equal(false);
    expect(accountant.reserve("table", 40)).to.equal(true);
    expect(accountant.usedBytes).to.equal(100);
    accountant.release("memory", 60);
    expect(accountant.reserve("frames", 60)).to.equal(true);
  });
});

describe("the allocator", () => {
  it("provides memories as windows of its buffers, and gets them back when they move", () => {
    const slab = new ArrayBuffer(1 << 20);
    const freed: MemoryBlock[] = [];
    let next = 4_096;
    const allocator = {
      allocate(byteLength: number): MemoryBlock | null {
        if (next + byteLength > slab.byteLength) return null;
        const block = { buffer: slab, base: next, capacity: byteLength };
        next += byteLength;
        return block;
      },
      free: (block: MemoryBlock) => void freed.push(block),
    };
    const store = new Store({ allocator });
    const bytes = wat`(module (memory (export "m") 1)
      (func (export "store") (param i32 i32) local.get 0 local.get 1 i32.store)
      (func (export "load") (param i32) (result i32) local.get 0 i32.load)
      (func (export "grow") (param i32) (result i32) local.get 0 memory.grow))`;
    const [first, second] = [instanceOf(bytes, {}, store), instanceOf(bytes, {}, store)];
    first.callSync("store", [65_532, 1]);
    second.callSync("store", [0, 2]);
    expect([first.callSync("load", [0])[0], second.callSync("load", [0])[0]]).to.deep.equal([0, 2]);
    expect(() => first.callSync("store", [65_533, 1])).to.throw("out of bounds memory access");
    expect(() => second.callSync("load", [-4])).to.throw("out of bounds memory access");
    expect(first.callSync("grow", [1])).to.deep.equal([1]);
    expect(freed).to.have.length(1);
    expect(first.callSync("load", [65_532])).to.deep.equal([1]);
    expect(() => first.callSync("grow", [100])).to.throw(Termination, "host out of memory");
  });

  it("that has nothing left ends the guest, which gets no -1 for it, and nothing stays reserved", () => {
    const ledger = new Ledger();
    const store = new Store({
      accountant: ledger,
      allocator: {
        ...SEPARATE_BUFFERS,
        allocate: (length) => (length > 65_536 ? null : SEPARATE_BUFFERS.allocate(length)),
      },
    });
    const instance = instanceOf(
      wat`(module (memory (export "m") 1) (func (export "f") (result i32) i32.const 1 memory.grow))`,
      {},
      store,
    );
    expect(() => instance.callSync("f")).to.throw(Termination, "host out of memory");
    expect(() => (instance.export("m") as Memory).grow(1)).to.throw(Termination, "host out of memory");
    expect(ledger.of("memory")).to.equal(65_536);
    expect(() => instanceOf(wat`(module (memory 2))`, {}, store)).to.throw(Termination, "host out of memory");
    expect(ledger.of("memory")).to.equal(65_536);
  });

  it("memories of more than the largest buffer are refused at instantiation", () => {
    expect(() => instanceOf(wat`(module (memory i64 65537))`)).to.throw(Termination, "memory limit");
    expect(() => instanceOf(wat`(module (table 10000001 funcref))`)).to.throw(Termination, "memory limit");
  });
});

describe("memories and tables from outside", () => {
  const instance = instanceOf(
    wat`(module (memory (export "m") 1 3) (table (export "t") 2 5 funcref) (func (export "f")))`,
  );
  const memory = instance.export("m") as Memory;
  const table = instance.export("t") as Table;

  it("are bounds-checked, and write nothing when a part is outside", () => {
    memory.write(65_530, Uint8Array.of(1, 2, 3, 4, 5, 6));
    expect(memory.read(65_530, 6)).to.deep.equal(Uint8Array.of(1, 2, 3, 4, 5, 6));
    expect(() => memory.write(65_531, new Uint8Array(6))).to.throw("out of bounds memory access");
    expect(memory.readU8(65_535)).to.equal(6);
    for (const bad of [-1, 65_536, 2 ** 53, Number.POSITIVE_INFINITY]) {
      expect(() => memory.read(bad, 1), `${bad}`).to.throw("out of bounds memory access");
      expect(() => memory.writeU8(bad, 1), `${bad}`).to.throw("out of bounds memory access");
    }
    expect(() => memory.read(0, -1)).to.throw("out of bounds memory access");
    expect(memory.read(65_536, 0)).to.have.length(0);
    memory.writeU64(8, 0xfedc_ba98_7654_3210n);
    expect([memory.readU64(8), memory.readU32(12), memory.readU16(8)]).to.deep.equal([
      0xfedc_ba98_7654_3210n,
      0xfedc_ba98,
      0x3210,
    ]);
    expect(memory.read(8, 2).buffer.byteLength, "a copy").to.equal(2);
    for (const bad of [-1, 2]) expect(() => table.get(bad)).to.throw("out of bounds table access");
    expect(() => table.set(0, {})).to.throw(TypeError);
  });

  it("grow by whole numbers of pages and elements, up to their maximum", () => {
    expect([memory.grow(0), memory.grow(1), memory.grow(2), memory.pages]).to.deep.equal([1, 1, -1, 2]);
    expect([table.grow(2, instance.export("f")), table.grow(2), table.length]).to.deep.equal([2, -1, 4]);
    expect(table.get(3)).to.equal(instance.export("f"));
    for (const bad of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => memory.grow(bad), `${bad}`).to.throw(RangeError);
      expect(() => table.grow(bad), `${bad}`).to.throw(RangeError);
    }
    expect(memory.pages).to.equal(2);
  });

  it("references are the same object for the same function", () => {
    const seen: unknown[] = [];
    const store = new Store();
    const same = store.hostFunc({
      kind: "frame",
      params: ["funcref"],
      results: ["funcref"],
      call: (_: unknown, func: Func) => {
        seen.push(func);
        return callGuest(func, [], "end", null);
      },
      continuations: { end: () => [seen[0]] },
    });
    const user = instanceOf(
      wat`(module (import "m" "f" (func $f (param funcref) (result funcref))) (elem declare func $g)
      (func $g (export "g")) (func (export "run") (result funcref) ref.func $g call $f))`,
      { m: { f: same } },
      store,
    );
    expect(user.callSync("run")[0]).to.equal(user.export("g")).and.to.equal(seen[0]);
  });
});

describe("an idle instance", () => {
  it("is small: a page of memory aside, and with a table of 600 functions", async function () {
    this.timeout(60_000);
    const script = `(async () => {
      const { wat } = await import(${JSON.stringify(new URL("../testing.js", import.meta.url).href)});
      const { compileSync } = await import(${JSON.stringify(new URL("../compiled-module.js", import.meta.url).href)});
      const { Store } = await import(${JSON.stringify(new URL("./store.js", import.meta.url).href)});
      const small = compileSync(wat\`(module (memory (export "memory") 1) (global (mut i32) (i32.const 1))
        (func (export "run") (param i32) (result i32) local.get 0) (func (export "other")))\`);
      const table = compileSync(wat\`(module (memory (export "memory") 1) (table 600 funcref)
        (elem (i32.const 0) \${"$f ".repeat(600)}) (func $f (export "run") (param i32) (result i32) local.get 0))\`);
      const measure = (module) => {
        const make = (count) => Array.from({ length: count }, () => {
          const instance = new Store().instantiateSync(module);
          instance.callSync("run", [1]);
          return instance;
        });
        make(50);
        gc(); gc();
        const before = process.memoryUsage();
        const kept = make(2000);
        gc(); gc();
        const after = process.memoryUsage();
        const buffers = (after.arrayBuffers - before.arrayBuffers) / kept.length - 65536;
        return [(after.heapUsed - before.heapUsed) / kept.length, buffers];
      };
      console.log(JSON.stringify([measure(small), measure(table)]));
    })()`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--expose-gc", "-e", script]);
    const [[smallHeap, smallBuffers], [tableHeap, tableBuffers]] = JSON.parse(stdout) as [
      [number, number],
      [number, number],
    ];
    if (process.env["PERILUNE_FIGURES"] !== undefined) console.log(stdout);
    expect(smallHeap, "heap").to.be.below(8_000);
    expect(smallBuffers, "buffers beside the memory").to.be.below(2_000);
    expect(tableHeap, "heap with a table").to.be.below(8_000);
    expect(tableBuffers, "buffers with a table").to.be.below(2_000);
  });
});

describe("an instantiation that is refused", () => {
  it("leaves no tables in the store", () => {
    const store = new Store({ accountant: new LimitAccountant(10_000_000) });
    const module = compileSync(wat`(module (table 1000 anyref) (memory 1000))`);
    for (let i = 0; i < 3; i++) expect(() => store.instantiateSync(module)).to.throw(Termination, "memory limit");
    expect(store.tracedTables).to.deep.equal([]);
  });

  it("leaves no host functions that were made for it", () => {
    const ledger = new Ledger(["memory"]);
    const store = new Store({ accountant: ledger });
    const call = (): number => 7;
    const m = { f: { params: [], results: ["i32"], call }, g: { params: [], results: ["i32"], call } };
    const imports = `(import "m" "f" (func $f (result i32))) (import "m" "g" (func $g (result i32)))`;
    const refused = compileSync(wat`(module ${imports} (memory 1))`);
    const unknown = compileSync(wat`(module ${imports} (import "m" "h" (func)))`);
    for (const module of [refused, unknown, refused]) expect(() => store.instantiateSync(module, { m })).to.throw();
    expect([ledger.total, store.nextAddress]).to.deep.equal([0, 1]);
    const fits = compileSync(wat`(module ${imports}
      (func (export "sum") (result i32) (i32.add (call $f) (call $g))))`);
    expect(store.instantiateSync(fits, { m }).callSync("sum")).to.deep.equal([14]);
  });

  describe("of an instance that could not be made", () => {
    const FAILING = wat`(module
      (import "m" "f" (func $f (param i32)))
      (memory 3) (table 50 funcref) (global (mut i32) (i32.const 1)) (global funcref (ref.func $s)) (data "abc")
      (elem funcref (ref.func $s))
      (func $s (call $f (i32.const 1)) unreachable) (start $s))`;
    const definition = { params: ["i32"], results: [], call() {} } as const;

    for (const [name, imports] of [
      ["found by names", () => ({ m: { f: definition } })],
      ["of a plan", (module: CompiledModule) => new LinkPlan(module, () => definition)],
    ] as const) {
      it(`all bytes are free again, its imports ${name}`, () => {
        // Frames come last: everything else is there by then.
        const ledger = new Ledger(["frames"]);
        const store = new Store({ accountant: ledger });
        const module = compileSync(FAILING);
        for (let i = 0; i < 3; i++) {
          expect(() => store.instantiation(module, imports(module))).to.throw(Termination, "frames");
          expect(ledger.total).to.equal(0);
          expect([store.nextAddress, store.globalCount, store.tracedInstances.length]).to.deep.equal([1, 0, 0]);
        }
      });
    }

    it("are free too when a plan's instance is refused", () => {
      const ledger = new Ledger(["memory"]);
      const store = new Store({ accountant: ledger });
      const module = compileSync(FAILING);
      const plan = new LinkPlan(module, () => definition);
      expect(() => store.instantiation(module, plan)).to.throw(Termination);
      expect(ledger.total).to.equal(0);
      // Behind another instance, where the plan's functions get addresses of their own.
      store.instantiateSync(compileSync(wat`(module (func))`));
      const before = ledger.total;
      expect(() => store.instantiation(module, plan)).to.throw(Termination);
      expect(ledger.total).to.equal(before);
    });

    it("leaves the shared memory that it was to import", () => {
      const owner = new Store();
      const memory = new Memory(owner, compileSync(wat`(module (memory 1 1 shared))`).data.memories[0]!);
      const needs = compileSync(wat`(module (import "m" "m" (memory 1 1 shared)) (import "m" "g" (func)))`);
      const store = new Store();
      expect(() => store.instantiateSync(needs, { m: { m: memory } })).to.throw("unknown import");
      expect(memory.isUsedElsewhere).to.equal(false);
      store.dispose();
      expect(memory.byteLength).to.equal(65_536);
    });

    it("leaves the table that it was to import an image", () => {
      const store = new Store();
      const owner = wat`(module (table (export "t") 1 funcref) (elem (i32.const 0) $f) (func $f))`;
      const table = instanceOf(owner, {}, store).export("t") as Table;
      const needs = wat`(module (import "m" "t" (table 1 funcref)) (import "m" "g" (func)))`;
      expect(table.imageOf).to.not.equal(null);
      expect(() => store.instantiateSync(compileSync(needs), { m: { t: table } })).to.throw("unknown import");
      expect(table.imageOf).to.not.equal(null);
    });

    it("stay where a table got its functions", () => {
      const store = new Store();
      const table = instanceOf(
        wat`(module (table (export "t") 1 funcref) (func (export "f") (param i32) (result i32)
        (call_indirect (result i32) (local.get 0))))`,
        {},
        store,
      );
      const failing = wat`(module (import "m" "t" (table 1 funcref)) (elem (i32.const 0) $g)
        (func $g (result i32) (i32.const 9)) (func $s unreachable) (start $s))`;
      const imports = { m: { t: table.export("t")! } };
      expect(() => store.instantiateSync(compileSync(failing), imports)).to.throw("unreachable");
      expect(table.callSync("f", [0])).to.deep.equal([9]);
    });

    it("stay where a host function that the start function called has kept some", () => {
      const store = new Store();
      const module = compileSync(wat`(module (import "m" "keep" (func $keep))
        (global $g (export "g") (mut i64) (i64.const 7)) (func (export "f") (result i64) (global.get $g))
        (func $s (call $keep) unreachable) (start $s))`);
      let func: Extern | undefined;
      let global: Extern | undefined;
      const call = ({ instance }: DirectCaller): undefined => {
        func = instance!.export("f");
        global = instance!.export("g");
      };
      const keep = { kind: "direct", params: [], results: [], call } as const;
      expect(() => store.instantiateSync(module, { m: { keep } })).to.throw("unreachable");
      const other = instanceOf(
        wat`(module (global (mut externref) (ref.null extern)) (func (export "get") (result externref) (global.get 0))
          (func (result i64) (i64.const 42)))`,
        {},
        store,
      );
      expect(store.callSync(func as Func)).to.deep.equal([7n]);
      (global as Global).value = 0x7ffffff8n;
      expect(other.callSync("get")).to.deep.equal([null]);
      expect(store.callSync(func as Func)).to.deep.equal([0x7ffffff8n]);
    });

    it("stay where the heap refers to its types and functions", () => {
      const other = compileSync(wat`(module (func (export "f") (result i32) (i32.const 1)))`);
      for (const source of [
        wat`(module (tag $t) (func $s (block (try_table (catch $t 0) (throw $t))) unreachable) (start $s))`,
        wat`(module (type $s (struct (field funcref))) (func $g) (elem declare func $g)
          (func $s (drop (struct.new $s (ref.func $g))) unreachable) (start $s))`,
      ]) {
        const store = new Store();
        const module = compileSync(source);
        expect(() => store.instantiateSync(module)).to.throw("unreachable");
        store.instantiateSync(other);
        const { instances } = Store.restore(store.snapshot(), { modules: [module, other] });
        expect(instances[1]!.callSync("f")).to.deep.equal([1]);
      }
    });
  });
});
