/** Bulk operations and growth: priced by what they move, paused in the middle, the same in all slices. */

import { expect } from "chai";
import { freemem } from "node:os";
import { compileSync } from "../compiled-module.ts";
import { LimitAccountant, type MemoryAllocator, SEPARATE_BUFFERS } from "../runtime/resources.ts";
import { Memory } from "../runtime/memory.ts";
import { Store } from "../runtime/store.ts";
import { Table } from "../runtime/table.ts";
import { instanceOf, randomWords, runToEnd, wat } from "../testing.ts";
import type { TurnOptions } from "./outcome.ts";

const CUTS: readonly (readonly [string, TurnOptions])[] = [
  ["at once", {}],
  ["slices of 1", { fuel: 1 }],
  ["slices of 100", { fuel: 100 }],
  ["exact, 1 at a time", { fuel: 1, exact: true }],
  ["exact, 65 at a time", { fuel: 65, exact: true }],
];

const bytesFuel = (length: number): number => Math.floor(length / 4_096) * 64 + Math.ceil((length % 4_096) / 64);
const elementsFuel = (count: number): number => Math.floor(count / 512) * 64 + Math.ceil((count % 512) / 8);

const SIZE = 3 * 65_536;

function randomBytes(length: number): Uint8Array {
  const next = randomWords(length);
  return Uint8Array.from({ length }, () => next());
}

const MEMORY = wat`(module
  (memory (export "memory") 3)
  (memory $other (export "other") 3)
  (memory $large (export "large") i64 3)
  (func (export "fill") (param i32 i32 i32) local.get 0 local.get 1 local.get 2 memory.fill)
  (func (export "copy") (param i32 i32 i32) local.get 0 local.get 1 local.get 2 memory.copy)
  (func (export "copy other") (param i32 i32 i32) local.get 0 local.get 1 local.get 2 memory.copy 0 $other)
  (func (export "fill large") (param i64 i32 i64) local.get 0 local.get 1 local.get 2 memory.fill $large))`;

function memoryOf(instance: ReturnType<typeof instanceOf>, name = "memory"): Memory {
  const memory = instance.export(name);
  if (!(memory instanceof Memory)) throw new Error("no memory");
  return memory;
}

describe("bulk operations on memories", () => {
  for (const [cut, options] of CUTS) {
    it(`fill, ${cut}`, () => {
      for (const length of [0, 1, 64, 65, 4_096, 4_097, 100_000]) {
        const instance = instanceOf(MEMORY);
        const end = runToEnd(instance.invoke("fill", [77, 0x1ab, length]), options);
        expect(end.fuelUsed, `${length}`).to.equal(4 + bytesFuel(length));
        const expected = new Uint8Array(SIZE).fill(0xab, 77, 77 + length);
        expect(Buffer.compare(memoryOf(instance).read(0, SIZE), expected)).to.equal(0);
        const large = runToEnd(instance.invoke("fill large", [77n, 0x1ab, BigInt(length)]), options);
        expect(large.fuelUsed).to.equal(4 + bytesFuel(length));
        expect(Buffer.compare(memoryOf(instance, "large").read(0, SIZE), expected)).to.equal(0);
      }
    });

    it(`in a window of a shared buffer, ${cut}`, () => {
      const buffer = new SharedArrayBuffer(2 * SIZE);
      const bytes = new Uint8Array(buffer);
      const base = 65_536;
      const allocator: MemoryAllocator = {
        allocate: (byteLength) => ({ buffer, base, capacity: byteLength, lanes: new Int32Array(buffer) }),
        free() {},
      };
      const data = randomBytes(12_000);
      const text = [...data].map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("");
      const module = wat`(module (memory (export "memory") 3) (data $d "${text}")
        (func (export "fill") (param i32 i32 i32) local.get 0 local.get 1 local.get 2 memory.fill)
        (func (export "copy") (param i32 i32 i32) local.get 0 local.get 1 local.get 2 memory.copy)
        (func (export "init") (param i32 i32 i32) local.get 0 local.get 1 local.get 2 memory.init $d))`;
      const instance = instanceOf(module, {}, new Store({ allocator }));
      const contents = randomBytes(2 * SIZE);
      const does = (name: string, args: [number, number, number], expected: (all: Uint8Array) => void): void => {
        bytes.set(contents);
        const all = contents.slice();
        expected(all);
        const end = runToEnd(instance.invoke(name, args), options);
        expect(end.fuelUsed, `${args}`).to.equal(4 + bytesFuel(args[2]));
        expect(Buffer.compare(bytes, all), `${name} ${args}`).to.equal(0);
      };
      for (const [at, length] of [
        [0, 512],
        [1, 511],
        [3, 512],
        [2, 4_099],
        [77, 10_001],
        [SIZE - 513, 513],
      ] as const) {
        does("fill", [at, 0x1fe, length], (all) => all.fill(0xfe, base + at, base + at + length));
        for (const from of [0, 5, 600, 7_001].filter((start) => start + length <= SIZE)) {
          does("copy", [at, from, length], (all) => all.copyWithin(base + at, base + from, base + from + length));
        }
        does("init", [at, 9, length], (all) => all.set(data.subarray(9, 9 + length), base + at));
      }
    });

    it(`copies of overlapping ranges in both directions, ${cut}`, () => {
      for (const [to, from, length] of [
        [1, 0, 100_000],
        [0, 1, 100_000],
        [5_000, 0, 50_001],
        [0, 5_000, 50_001],
        [4_096, 0, 8_192],
        [7, 7, 20_000],
        [100_000, 0, 90_000],
        [SIZE, SIZE, 0],
      ] as const) {
        const instance = instanceOf(MEMORY);
        const contents = randomBytes(SIZE);
        memoryOf(instance).write(0, contents);
        const end = runToEnd(instance.invoke("copy", [to, from, length]), options);
        expect(end.fuelUsed).to.equal(4 + bytesFuel(length));
        contents.copyWithin(to, from, from + length);
        expect(Buffer.compare(memoryOf(instance).read(0, SIZE), contents), `${to} ${from}`).to.equal(0);
      }
    });

    it(`copies between memories, ${cut}`, () => {
      const instance = instanceOf(MEMORY);
      const contents = randomBytes(SIZE);
      memoryOf(instance, "other").write(0, contents);
      const end = runToEnd(instance.invoke("copy other", [10, 3, 70_000]), options);
      expect(end.fuelUsed).to.equal(4 + bytesFuel(70_000));
      expect(memoryOf(instance).read(10, 70_000)).to.deep.equal(contents.slice(3, 70_003));
      expect(memoryOf(instance).readU8(9)).to.equal(0);
    });

    it(`nothing is written when a part is out of bounds, ${cut}`, () => {
      for (const [name, args] of [
        ["fill", [65_536, 1, 2 * 65_536 + 1]],
        ["fill", [-1, 1, 2]],
        ["fill", [SIZE + 1, 1, 0]],
        ["copy", [65_536, 0, 2 * 65_536 + 1]],
        ["copy", [0, -1, 1]],
        ["copy", [0, 1, -1]],
        ["fill large", [-1n, 1, 1n]],
        ["fill large", [0n, 1, 1n << 32n]],
        ["fill large", [0n, 1, 1n << 63n]],
      ] as const) {
        const instance = instanceOf(MEMORY);
        memoryOf(instance).write(0, new Uint8Array(1_000).fill(5));
        const before = memoryOf(instance).read(0, SIZE);
        const end = runToEnd(instance.invoke(name, args), options);
        expect(end.trap, `${name} ${args}`).to.match(/^out of bounds memory access/);
        expect(end.fuelUsed).to.equal(4);
        expect(Buffer.compare(memoryOf(instance).read(0, SIZE), before)).to.equal(0);
      }
    });
  }

  it("a paused fill has done a part, and goes on where it was", () => {
    const instance = instanceOf(MEMORY);
    const invocation = instance.invoke("fill", [0, 1, 16_384]);
    expect(invocation.run({ fuel: 70 })).to.deep.include({ kind: "yielded", reason: "fuel" });
    const memory = memoryOf(instance);
    expect([memory.readU8(4_095), memory.readU8(16_383)]).to.deep.equal([1, 0]);
    memory.writeU8(0, 9);
    expect(runToEnd(invocation).fuelUsed).to.equal(4 + 256);
    expect([memory.readU8(0), memory.readU8(16_383)]).to.deep.equal([9, 1]);
  });

  it("a large memory can be filled in turns", function () {
    this.timeout(120_000);
    // 4 GiB, the largest memory, when asked for: it takes some ten seconds and all that memory.
    const most = process.env["PERILUNE_LARGE_TESTS"] === undefined ? 4_096 : 65_536;
    const pages = Math.min(most, 2 ** Math.floor(Math.log2(freemem() / 2 / 65_536)));
    const instance = instanceOf(wat`(module (memory (export "memory") ${pages})
      (func (export "f") (param i32 i32) i32.const 0 i32.const 0x5a local.get 0 memory.fill
        local.get 0 i32.const 0x5a local.get 1 memory.fill))`);
    const size = pages * 65_536;
    const whole = size - 2 ** 16;
    const invocation = instance.invoke("f", [whole | 0, 2 ** 16]);
    const slice = 10_000_000;
    let turns = 0;
    for (let last = 0; ; turns++) {
      const outcome = invocation.run({ fuel: slice });
      expect(outcome.fuelUsed - last).to.be.at.most(slice + 64);
      last = outcome.fuelUsed;
      if (outcome.kind === "returned") break;
    }
    expect(invocation.fuelUsed).to.equal(8 + size / 64);
    expect(turns).to.equal(Math.floor((8 + size / 64 - 1) / slice));
    const memory = memoryOf(instance);
    for (const address of [0, 4_095, 65_536, size / 2, whole - 1, size - 1])
      expect(memory.readU8(address)).to.equal(0x5a);
  });
});

const TABLES = wat`(module
  (table $t (export "t") 5000 funcref)
  (table $u (export "u") 5000 20000 funcref)
  (func $a (export "a")) (func $b (export "b"))
  (elem $funcs func ${"$a $b $b ".repeat(1_000)})
  (elem $exprs funcref ${"(ref.func $a) (ref.null func) ".repeat(1_000)})
  (func (export "fill") (param i32 i32) local.get 0 ref.func $b local.get 1 table.fill $t)
  (func (export "copy") (param i32 i32 i32) local.get 0 local.get 1 local.get 2 table.copy $t $t)
  (func (export "copy u") (param i32 i32 i32) local.get 0 local.get 1 local.get 2 table.copy $t $u)
  (func (export "init") (param i32 i32 i32) local.get 0 local.get 1 local.get 2 table.init $t $funcs)
  (func (export "init exprs") (param i32 i32 i32) local.get 0 local.get 1 local.get 2 table.init $t $exprs)
  (func (export "grow") (param i32) (result i32) ref.func $a local.get 0 table.grow $u))`;

function tableOf(instance: ReturnType<typeof instanceOf>, name = "t"): Table {
  const table = instance.export(name);
  if (!(table instanceof Table)) throw new Error("no table");
  return table;
}

function elements(instance: ReturnType<typeof instanceOf>, name = "t"): unknown[] {
  const table = tableOf(instance, name);
  const names = new Map<unknown, string | null>([[null, null]]);
  for (const func of ["a", "b"]) names.set(instance.export(func), func);
  return Array.from({ length: table.length }, (_, i) => names.get(table.get(i)));
}

describe("bulk operations on tables", () => {
  for (const [cut, options] of CUTS) {
    it(`fill, copy and init, ${cut}`, () => {
      const instance = instanceOf(TABLES);
      const expected: (string | null)[] = new Array<string | null>(5_000).fill(null);
      const does = (name: string, args: readonly number[], count: number, change: () => unknown): void => {
        const end = runToEnd(instance.invoke(name, args), options);
        expect(end.trap).to.equal(null);
        expect(end.fuelUsed, name).to.equal(4 + elementsFuel(count));
        change();
        expect(elements(instance), name).to.deep.equal(expected);
      };
      const segment = Array.from({ length: 3_000 }, (_, i) => (i % 3 === 0 ? "a" : "b"));
      const exprs = Array.from({ length: 2_000 }, (_, i) => (i % 2 === 0 ? "a" : null));
      does("init", [10, 1, 2_500], 2_500, () => expected.splice(10, 2_500, ...segment.slice(1, 2_501)));
      does("copy", [11, 10, 2_000], 2_000, () => expected.copyWithin(11, 10, 2_010));
      does("copy", [10, 30, 2_000], 2_000, () => expected.copyWithin(10, 30, 2_030));
      does("init exprs", [3_000, 500, 1_500], 1_500, () => expected.splice(3_000, 1_500, ...exprs.slice(500)));
      does("fill", [4_000, 1_000], 1_000, () => expected.fill("b", 4_000, 5_000));
      does("copy u", [0, 100, 600], 600, () => expected.fill(null, 0, 600));
      does("fill", [5_000, 0], 0, () => undefined);
    });

    it(`nothing is written when a part is out of bounds, ${cut}`, () => {
      for (const [name, args] of [
        ["fill", [4_999, 2]],
        ["copy", [4_999, 0, 2]],
        ["copy", [0, 4_999, 2]],
        ["init", [4_999, 0, 2]],
        ["init", [0, 2_999, 2]],
        ["init", [-1, 0, 0]],
      ] as const) {
        const instance = instanceOf(TABLES);
        const end = runToEnd(instance.invoke(name, args), options);
        expect(end.trap, name).to.match(/^out of bounds table access/);
        expect(end.fuelUsed).to.equal(4);
        expect(new Set(elements(instance))).to.deep.equal(new Set([null]));
      }
    });

    it(`grow, ${cut}`, () => {
      const instance = instanceOf(TABLES);
      const end = runToEnd(instance.invoke("grow", [10_000]), options);
      expect(end).to.deep.include({ values: [5_000], fuelUsed: 3 + 10_000 / 8 });
      expect(elements(instance, "u").slice(4_998, 5_002)).to.deep.equal([null, null, "a", "a"]);
      expect(tableOf(instance, "u").length).to.equal(15_000);
      const refused = runToEnd(instance.invoke("grow", [5_001]), options);
      expect(refused).to.deep.include({ values: [-1], fuelUsed: 3 });
    });
  }

  it("growth by one element that moves a long table gives others their turn, and the next has room", () => {
    const instance = instanceOf(wat`(module (table (export "t") 1_000_000 funcref) (elem (i32.const 7) $f)
      (func $f (export "f")) (func (export "grow") (result i32) ref.func $f i32.const 1 table.grow))`);
    const turnsOf = (): { readonly turns: number; readonly fuel: number } => {
      const invocation = instance.invoke("grow", []);
      for (let turns = 1; ; turns++) {
        const outcome = invocation.run();
        if (outcome.kind === "returned") return { turns, fuel: outcome.fuelUsed };
      }
    };
    const first = turnsOf();
    expect(first.turns).to.be.above(2);
    expect(turnsOf()).to.deep.equal({ turns: 1, fuel: first.fuel });
    const table = tableOf(instance);
    const f = instance.export("f");
    expect([6, 7, 999_999, 1_000_000, 1_000_001].map((i) => table.get(i) === f)).to.deep.equal([
      false,
      true,
      false,
      true,
      true,
    ]);
  });
});

describe("memory.grow", () => {
  const GROWING = wat`(module (memory (export "memory") 1 2000) (memory $large i64 0 100000000)
    (func (export "grow") (param i32) (result i32) local.get 0 memory.grow)
    (func (export "size") (result i32) memory.size)
    (func (export "grow large") (param i64) (result i64) local.get 0 memory.grow $large))`;

  for (const [cut, options] of CUTS) {
    it(`costs what the pages cost, ${cut}`, () => {
      const instance = instanceOf(GROWING);
      expect(runToEnd(instance.invoke("grow", [0]), options)).to.deep.include({ values: [1], fuelUsed: 2 });
      expect(runToEnd(instance.invoke("grow", [200]), options)).to.deep.include({
        values: [1],
        fuelUsed: 2 + 200 * 1_024,
      });
      expect(runToEnd(instance.invoke("grow", [1]), options)).to.deep.include({ values: [201], fuelUsed: 2 + 1_024 });
      for (const pages of [1_800, 0x7fff_ffff, -1]) {
        expect(runToEnd(instance.invoke("grow", [pages]), options)).to.deep.include({ values: [-1], fuelUsed: 2 });
      }
      for (const pages of [100_000n, 1n << 32n, -1n, 1n << 63n]) {
        expect(runToEnd(instance.invoke("grow large", [pages]), options)).to.deep.include({
          values: [-1n],
          fuelUsed: 2,
        });
      }
      expect(runToEnd(instance.invoke("grow large", [3n]), options)).to.deep.include({ values: [0n] });
      expect(instance.callSync("size")).to.deep.equal([202]);
    });
  }

  it("keeps contents, page by page", () => {
    const instance = instanceOf(GROWING);
    const memory = memoryOf(instance);
    for (let page = 0; page < 300; page++) {
      memory.writeU32(page * 65_536 + 8, page);
      expect(instance.callSync("grow", [1])).to.deep.equal([page + 1]);
    }
    for (let page = 0; page < 300; page++) expect(memory.readU32(page * 65_536 + 8)).to.equal(page);
    expect(memory.byteLength).to.equal(301 * 65_536);
  });

  it("by one page at a time to 64 MB moves few bytes", () => {
    let allocated = 0;
    const allocator: MemoryAllocator = {
      ...SEPARATE_BUFFERS,
      allocate(byteLength) {
        allocated += byteLength;
        return SEPARATE_BUFFERS.allocate(byteLength);
      },
    };
    const growing = wat`(module (memory 1) (func (export "f") (param i32)
      loop i32.const 1 memory.grow drop local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0 end))`;
    const instance = instanceOf(growing, {}, new Store({ allocator }));
    instance.callSync("f", [1_023]);
    // As many copies as pages would be 32 GB.
    expect(allocated).to.be.within(1_024 * 65_536, 8 * 1_024 * 65_536);
  });

  it("that the accountant refuses is -1, and changes nothing", () => {
    const accountant = new LimitAccountant(1 << 20);
    const instance = instanceOf(GROWING, {}, new Store({ accountant }));
    // The code is counted too, when it is first called.
    instance.callSync("grow", [0]);
    const used = accountant.usedBytes;
    expect(runToEnd(instance.invoke("grow", [100])).values).to.deep.equal([-1]);
    expect(accountant.usedBytes).to.equal(used);
    expect(runToEnd(instance.invoke("grow", [2])).values).to.deep.equal([1]);
    expect(accountant.usedBytes).to.equal(used + 2 * 65_536);
  });

  it("of a memory that another invocation uses meanwhile", () => {
    const instance = instanceOf(wat`(module (memory (export "memory") 600)
      (func (export "grow") (result i32) i32.const 600 memory.grow)
      (func (export "set") (param i32 i32) local.get 0 local.get 1 i32.store)
      (func (export "get") (param i32) (result i32) local.get 0 i32.load))`);
    const growing = instance.invoke("grow");
    let wrote = 0;
    for (
      let outcome = growing.run({ fuel: 1_000 });
      outcome.kind !== "returned";
      outcome = growing.run({ fuel: 1_000 })
    ) {
      instance.callSync("set", [wrote * 60_000, wrote + 1]);
      wrote++;
    }
    expect(wrote).to.be.above(5);
    for (let i = 0; i < wrote; i++) expect(instance.callSync("get", [i * 60_000])).to.deep.equal([i + 1]);
    expect(growing.fuelUsed).to.equal(2 + 600 * 1_024);
  });
});

describe("growth of a large table", () => {
  const instance =
    instanceOf(wat`(module (table (export "t") 1000000 funcref) (func $f (export "f")) (func $g (export "g"))
    (func (export "grow") (param i32) (result i32) (table.grow (ref.func $f) (local.get 0)))
    (func (export "set") (param i32) (table.set (local.get 0) (ref.func $g))))`);
  const table = tableOf(instance);

  it("is done in parts that nobody sees, beside others who write", () => {
    const growing = instance.invoke("grow", [2_000_000]);
    let parts = 0;
    for (let outcome = growing.run(); outcome.kind !== "returned"; outcome = growing.run()) {
      expect(outcome).to.include({ kind: "yielded", reason: "preparing" });
      expect(table.length).to.equal(1_000_000);
      instance.callSync("set", [parts++]);
    }
    expect(parts).to.be.within(8, 20);
    expect(table.length).to.equal(3_000_000);
    const g = instance.export("g");
    for (let i = 0; i < parts; i++) expect(table.get(i), `${i}`).to.equal(g);
    expect([table.get(parts), table.get(999_999)]).to.deep.equal([null, null]);
    const f = instance.export("f");
    expect([table.get(1_000_000), table.get(2_999_999)]).to.deep.equal([f, f]);
    expect(growing.fuelUsed).to.equal(3 + 2_000_000 / 8);
  });

  it("begins again when another invocation has grown it meanwhile", () => {
    const growing = instance.invoke("grow", [1_000_000]);
    growing.run();
    expect(instance.callSync("grow", [300_000])).to.deep.equal([3_000_000]);
    expect(runToEnd(growing).values).to.deep.equal([3_300_000]);
    const f = instance.export("f");
    expect([table.length, table.get(3_000_000), table.get(4_299_999)]).to.deep.equal([4_300_000, f, f]);
  });

  it("goes on where it was when collections move the element between its parts", () => {
    const objects = instanceOf(wat`(module (type $s (struct (field i32))) (table (export "t") 1 anyref)
      (func (export "grow") (result i32) (table.grow (struct.new $s (i32.const 9)) (i32.const 1000000)))
      (func (export "at") (param i32) (result i32) (struct.get $s 0 (ref.cast (ref $s) (table.get (local.get 0)))))
      (func (export "waste") (local i32)
        (loop (drop (struct.new $s (i32.const 1)))
          (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 40000))))))`);
    const { heap } = objects.store;
    objects.callSync("waste");
    const growing = objects.invoke("grow");
    let parts = 0;
    for (let outcome = growing.run(); outcome.kind !== "returned"; outcome = growing.run()) {
      expect(++parts).to.be.below(6);
      const { collectionCount } = heap;
      while (heap.collectionCount < collectionCount + 2) objects.callSync("waste");
    }
    expect(parts).to.be.above(2);
    expect([1, 500_000, 1_000_000].map((index) => objects.callSync("at", [index]))).to.deep.equal([[9], [9], [9]]);
  });

  it("keeps what is reserved for it until it is done or ended", () => {
    const accountant = new LimitAccountant(9_000_000);
    const large = wat`(module (table 1 funcref)
      (func (export "grow") (result i32) (table.grow (ref.null func) (i32.const 1000000))))`;
    const grower = instanceOf(large, {}, new Store({ accountant }));
    const invocations = [1, 2, 3].map(() => grower.invoke("grow"));
    const before = accountant.usedBytes;
    const [first, second, third] = invocations.map((invocation) => [invocation, invocation.run()] as const);
    expect([first![1].kind, second![1].kind]).to.deep.equal(["yielded", "yielded"]);
    expect(third![1]).to.deep.include({ kind: "returned", values: [-1] });
    expect(accountant.usedBytes).to.be.within(before + 8_000_000 - 5_000, before + 8_000_000);
    second![0].terminate(new Error("ended"));
    expect(accountant.usedBytes).to.be.below(before + 4_000_000);
    expect(runToEnd(first![0]).values).to.deep.equal([1]);
    expect(accountant.usedBytes).to.be.within(before + 4_000_000 - 20_000, before + 4_000_000);
  });
});

describe("instantiation", () => {
  const data = "\\01".repeat(300_000);
  const SEGMENTS = wat`(module (memory (export "memory") 10)
    (table (export "t") 4000 funcref) (func $f) (global $at i32 (i32.const 100))
    (elem (table 0) (offset (global.get $at)) funcref ${"(ref.func $f) ".repeat(2_000)})
    (data (global.get $at) "${data}")
    (data (i32.const 400000) "${data.slice(0, 60)}"))`;

  it("pays for what its segments move, in turns, with the same total", () => {
    const module = compileSync(SEGMENTS);
    const totals = CUTS.map(([cut, options]) => {
      const { instance, invocation } = new Store().instantiation(module);
      const end = runToEnd(invocation, options);
      expect(end.trap).to.equal(null);
      expect(memoryOf(instance).readU8(300_099), cut).to.equal(1);
      expect(memoryOf(instance).readU8(300_100), cut).to.equal(0);
      expect(tableOf(instance).get(2_099), cut).to.not.equal(null);
      if (options.fuel !== undefined) expect(end.turns, cut).to.be.above(35);
      return end.fuelUsed;
    });
    expect(new Set(totals).size).to.equal(1);
    expect(totals[0]).to.be.within(bytesFuel(300_000) + elementsFuel(2_000), bytesFuel(300_000) + 2_000 + 300);
  });

  it("that traps in a segment leaves what came before it, and costs the same in all slices", () => {
    const module = compileSync(wat`(module (import "m" "memory" (memory 1))
      (data (i32.const 0) "abc") (data (i32.const 65535) "de") (data (i32.const 8) "f"))`);
    const ends = CUTS.map(([, options]) => {
      const store = new Store();
      const memory = memoryOf(instanceOf(wat`(module (memory (export "memory") 1))`, {}, store));
      const { invocation } = store.instantiation(module, { m: { memory } });
      const end = runToEnd(invocation, options);
      expect(memory.read(0, 3)).to.deep.equal(Uint8Array.of(97, 98, 99));
      expect([memory.readU8(65_535), memory.readU8(8)]).to.deep.equal([0, 0]);
      expect(end.error?.backtrace).to.have.length(1);
      expect(end.error?.backtrace[0]).to.include({ funcName: "(instantiation)" });
      return { trap: end.trap, fuelUsed: end.fuelUsed };
    });
    expect(ends[0]!.trap).to.match(/^out of bounds memory access/);
    for (const end of ends) expect(end).to.deep.equal(ends[0]);
  });
});

describe("memory.grow that is refused", () => {
  const GROWING = compileSync(wat`(module (memory (export "memory") 512 1000)
    (func (export "grow and store") (result i32 i32)
      (memory.grow (i32.const 488)) (i32.store (i32.const 0) (i32.const 42)) (i32.load (i32.const 0)))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))`);

  it("while the memory moves for another invocation loses nothing", () => {
    const store = new Store();
    const instance = store.instantiateSync(GROWING);
    const first = instance.invoke("grow and store");
    for (let i = 0; i < 4; i++) first.run({ fuel: 10 });
    expect(instance.callSync("grow", [1])).to.deep.equal([512]);
    const second = instance.invoke("grow", [300]);
    while (store.moving === null) expect(second.run().kind).to.equal("yielded");
    expect(runToEnd(first).values).to.deep.equal([-1, 42]);
    expect(runToEnd(second).values).to.deep.equal([513]);
    expect(memoryOf(instance).readU32(0)).to.equal(42);
  });

  it("takes no larger block from the host", () => {
    const taken: number[] = [];
    const allocator = {
      allocate(byteLength: number) {
        taken.push(byteLength);
        return SEPARATE_BUFFERS.allocate(byteLength);
      },
      free: () => undefined,
    };
    const accountant = new LimitAccountant(520 * 65_536);
    const instance = new Store({ accountant, allocator }).instantiateSync(GROWING);
    expect(runToEnd(instance.invoke("grow", [400])).values).to.deep.equal([-1]);
    expect(taken).to.deep.equal([512 * 65_536]);
    expect(runToEnd(instance.invoke("grow", [2])).values).to.deep.equal([512]);
  });

  it("after the copying has begun leaves the old block", () => {
    const accountant = new LimitAccountant(1_000 * 65_536);
    const store = new Store({ accountant });
    const instance = store.instantiateSync(GROWING);
    const growth = instance.invoke("grow", [400]);
    while (store.moving === null) expect(growth.run().kind).to.equal("yielded");
    expect(accountant.reserve("memory", 300 * 65_536)).to.equal(true);
    expect(runToEnd(growth).values).to.deep.equal([-1]);
    expect([store.moving, memoryOf(instance).pages]).to.deep.equal([null, 512]);
  });
});
