/** What saving and restoring take in memory and work stays in proportion to what is charged, and to the snapshot. */

import { expect } from "chai";
import { type CompiledModule, compileSync } from "../compiled-module.ts";
import { SnapshotError, Termination } from "../errors.ts";
import type { HostDefinition } from "../runtime/func.ts";
import { type Accountant, LimitAccountant } from "../runtime/resources.ts";
import { Store } from "../runtime/store.ts";
import { wat } from "../testing.ts";
import { stackMapsAt } from "../validate/stack-map.ts";
import { FrameMaps } from "./frame-maps.ts";
import { frameTypesAt, textPosition } from "./frame-types.ts";
import { MemoryImages } from "./memory-image.ts";
import type { Place } from "./places.ts";
import { Restoration } from "./restore.ts";
import { Saving } from "./save.ts";
import { atOnce } from "./testing.ts";

const LIMIT_BYTES = 16_777_216;
const forever: HostDefinition = {
  kind: "async",
  name: "s",
  saved: "resumable",
  params: [],
  results: [],
  call: () => new Promise(() => {}),
};
const imports = { h: { s: forever } };

function saved(store: Store): Uint8Array {
  const saving = new Saving(store, [...store.invocations], { withoutHash: true });
  while (!saving.step());
  return saving.bytes;
}

function restore(bytes: Uint8Array, modules: CompiledModule[], accountant: Accountant): Store {
  const restoration = new Restoration(bytes, { withoutHash: true });
  restoration.begin({ modules, accountant, imports });
  while (!restoration.step());
  return restoration.restored.store;
}

function encoded(count: number): number[] {
  const bytes: number[] = [];
  for (; count > 0x7f; count = Math.floor(count / 0x80)) bytes.push((count % 0x80) | 0x80);
  return [...bytes, count];
}

describe("bounds of snapshots", () => {
  const OBJECT = compileSync(wat`(module (type $s (struct (field i32)))
    (global (ref $s) (struct.new $s (i32.const 0x11223344))))`);

  /** A heap of one object, forged: other counters, and other pages of small objects. */
  function forgedHeap(bytes: number, pages: (page: readonly number[]) => number[][]): Uint8Array {
    const store = new Store();
    store.instantiateSync(OBJECT);
    const original = [...saved(store)];
    const field = original.findIndex((_, i) => [0x44, 0x33, 0x22, 0x11].every((byte, k) => original[i + k] === byte));
    // A page is its number, its words, a run of no zeros and one other block: the type word and the field.
    const page = original.slice(field - 8, field + 4);
    const { reservedBytes } = store.heap.counters;
    const counters = [encoded(0), encoded(8), encoded(8), encoded(reservedBytes)].flat();
    const at = original.findIndex((_, i) => counters.every((byte, k) => original[i + k] === byte));
    expect(at, "the counters are where the test takes them to be").to.be.greaterThan(0);
    const made = pages(page);
    return Uint8Array.from([
      ...original.slice(0, at),
      ...[encoded(0), encoded(bytes), encoded(bytes), encoded(bytes)].flat(),
      ...original.slice(at + counters.length, field - 9),
      ...encoded(made.length),
      ...made.flat(),
      ...original.slice(field + 4),
    ]);
  }

  it("one object a page is refused: pages that are not full would not be charged", () => {
    const accountant = new LimitAccountant(LIMIT_BYTES);
    const bytes = forgedHeap(8 * 600, (page) =>
      Array.from({ length: 600 }, (_, i) => [...encoded(i + 1), ...page.slice(1)]),
    );
    expect(() => restore(bytes, [OBJECT], accountant)).to.throw(SnapshotError, "a page of 2 words before another");
    expect(accountant.usedBytes).to.equal(0);
    const one = forgedHeap(8, (page) => [[...page]]);
    expect(restore(one, [OBJECT], accountant).heap.objectBytes).to.equal(8);
  });

  it("a page of more words than a page has is refused before there is room for it", () => {
    const boundless = { reserve: () => true, release: () => {} };
    const bytes = forgedHeap(2 ** 40, (page) => [[...page.slice(0, 1), ...encoded(2 ** 31), ...page.slice(2)]]);
    expect(() => restore(bytes, [OBJECT], boundless)).to.throw(SnapshotError, "2147483648 words of objects");
  });

  it("a large object for which the host has no memory ends in the termination that says so", () => {
    const boundless = { reserve: () => true, release: () => {} };
    const bytes = forgedHeap(2 ** 40, (page) => [[...page]]);
    // In place of the small page: none, and one large object.
    const at = bytes.findIndex((_, i) => [0x44, 0x33, 0x22, 0x11].every((byte, k) => bytes[i + k] === byte));
    const large = Uint8Array.from([
      ...bytes.slice(0, at - 9),
      0,
      1,
      1,
      ...encoded(2 ** 31 - 2),
      ...bytes.slice(at - 6),
    ]);
    expect(() => restore(large, [OBJECT], boundless))
      .to.throw(Error)
      .that.satisfies((error: unknown) => error instanceof Termination || error instanceof SnapshotError);
  });

  it("an image is made once for all instances, and only as far as their memories reach", () => {
    const module = compileSync(wat`(module (memory 0) (data (i32.const 0) "a") (data (i32.const 65535) "b"))`);
    const images = new MemoryImages();
    expect(images.of(module, 0, 0)).to.equal(null);
    expect(images.of(module, 1, 65_536)).to.equal(null);
    const small = images.of(module, 0, 100)!;
    expect([small.start, small.bytes.length, small.bytes[0]]).to.deep.equal([0, 100, 0x61]);
    const whole = images.of(module, 0, 65_536)!;
    expect([whole.start, whole.bytes.length, whole.bytes[65_535]]).to.deep.equal([0, 65_536, 0x62]);
    for (const byteLength of [1, 65_536, 131_072]) expect(images.of(module, 0, byteLength)).to.equal(whole);
    expect(new MemoryImages().of(module, 0, 65_536), "the next operation shares it").to.equal(whole);
  });

  it("the imports of a module are looked through once, not for each function", () => {
    const names = Array.from({ length: 200 }, (_, i) => `f${i}`);
    const module = compileSync(wat`(module ${names.map((name) => `(import "h" "${name}" (func))`).join("")})`);
    const h = Object.fromEntries(names.map((name) => [name, { params: [], results: [], call: () => [] }]));
    const store = new Store();
    store.instantiateSync(module, { h });
    const bytes = store.snapshot();
    let reads = 0;
    Object.defineProperty(module.data.imports[0], "name", {
      get: () => {
        reads++;
        return "f0";
      },
    });
    Store.restore(bytes, { modules: [module], imports: { h } });
    expect(reads).to.be.within(1, 10);
  });

  /** `count` functions that call each other in a circle, each from `sites` places with a local that is set on the way. */
  function circle(count: number, sites: number): CompiledModule {
    const calls = (next: number) =>
      Array.from(
        { length: sites },
        (_, i) => `(if (i32.eq (i32.rem_u (local.get 0) (i32.const ${sites})) (i32.const ${i}))
          (then (i64.const ${i}) (call $f${next} (i32.sub (local.get 0) (i32.const 1))) (drop)))
          ${i === 3 ? "(local.set $r (ref.func $f0))" : ""}`,
      ).join("\n");
    const funcs = Array.from(
      { length: count },
      (_, i) => `(func $f${i} (param i32) (local $r (ref func))
        (if (i32.eqz (local.get 0)) (then (call $s) return)) ${calls((i + 1) % count)})`,
    );
    return compileSync(wat`(module (import "h" "s" (func $s)) (elem declare func $f0) ${funcs.join("\n")}
      (func (export "f") (param i32) (call $f0 (local.get 0))))`);
  }

  it("each function of an operation is lowered once, and its places are validated together", () => {
    const module = circle(100, 12);
    const maps = new FrameMaps();
    const first = Array.from({ length: 100 }, (_, i) => atOnce(maps.placesOf(module, i + 1, false)));
    first.forEach((places, i) => {
      expect(atOnce(maps.placesOf(module, i + 1, false))).to.equal(places);
    });
    const { places, frame } = first[7]!;
    const at = (place: Place) =>
      maps.knownTypes(module, 8, false, place) ?? atOnce(maps.typesAt(module, 8, false, place));
    const types = places.map(at);
    expect(places.length).to.be.greaterThan(12);
    expect(types.map((each) => each.operands.length)).to.include.members([0, 1]);
    expect(types.map((each) => each.locals[1]!.mayBeNull)).to.include.members([false, true]);
    places.forEach((place, i) => {
      expect(types[i]).to.deep.equal(atOnce(frameTypesAt(module, 8, place, frame)));
      expect(at(place)).to.equal(types[i]);
    });
    const positions = places.map((place) => textPosition(module, 8, place)).sort((a, b) => a - b);
    const { maps: few, typeCount } = stackMapsAt(module.context, 8, positions, 10);
    expect(few.size).to.be.within(1, 9);
    expect(typeCount).to.be.within(10, 15);
  });

  it("a large function is lowered and validated in several steps, for saving and restoring", () => {
    const module = compileSync(wat`(module (import "h" "s" (func $s)) (func (export "f") (param i32)
      (if (local.get 0) (then ${"(drop (i32.add (local.get 0) (i32.const 3)))".repeat(12_000)})) (call $s)))`);
    const store = new Store();
    const invocation = store.instantiateSync(module, imports).invoke("f", [0]);
    while (invocation.run().kind !== "waiting");
    const saving = new Saving(store, [invocation], { withoutHash: true });
    let steps = 0;
    while (!saving.step()) steps++;
    // 48,000 instructions by 5,000, of 84 KB by 16.
    expect(steps).to.be.within(14, 24);
    // Another module has neither its code nor its maps.
    const restoration = new Restoration(saving.bytes, { withoutHash: true });
    restoration.begin({ modules: [compileSync(module.data.bytes)], imports });
    for (steps = 0; !restoration.step(); ) steps++;
    expect(steps).to.be.within(23, 34);
  });

  it("many frames are saved and restored in several steps", () => {
    const module = circle(70, 12);
    const store = new Store();
    const invocation = store.instantiateSync(module, imports).invoke("f", [9_000]);
    while (invocation.run().kind !== "waiting");
    const saving = new Saving(store, [invocation], { withoutHash: true });
    let steps = 0;
    while (!saving.step()) steps++;
    expect(steps).to.be.greaterThan(10);
    const restoration = new Restoration(saving.bytes, { withoutHash: true });
    restoration.begin({ modules: [module], imports });
    for (steps = 0; !restoration.step(); ) steps++;
    expect(steps).to.be.greaterThan(10);
    const [other] = restoration.restored.invocations;
    expect(other!.run().kind).to.equal("waiting");
    other!.resume([]);
    expect(other!.run()).to.include({ kind: "returned", fuelUsed: finished(invocation) });
  });

  it("large tables and objects are saved and restored in several steps, as they were", () => {
    const module = compileSync(wat`(module (type $a (array (mut anyref))) (table 1000000 funcref) (memory 40)
      (elem declare func $f) (global (ref $a) (array.new $a (ref.i31 (i32.const 5)) (i32.const 1000000)))
      (func $f (table.fill (i32.const 7) (ref.func $f) (i32.const 990000))
        (memory.fill (i32.const 0) (i32.const 7) (i32.const 2600000))) (start $f))`);
    const store = new Store();
    store.instantiateSync(module);
    const saving = new Saving(store, []);
    let steps = 0;
    while (!saving.step()) steps++;
    expect(steps).to.be.greaterThan(50);
    const restoration = new Restoration(saving.bytes);
    restoration.begin({ modules: [module] });
    for (steps = 0; !restoration.step(); ) steps++;
    expect(steps).to.be.greaterThan(30);
    expect(Buffer.compare(restoration.restored.store.snapshot([]), saving.bytes)).to.equal(0);
  });

  it("a store that runs while it is being saved is refused", () => {
    const module = compileSync(wat`(module (memory 40) (func (export "f")))`);
    const store = new Store();
    const instance = store.instantiateSync(module);
    const saving = new Saving(store, []);
    expect(saving.step()).to.equal(false);
    expect(instance.invoke("f").run().kind).to.equal("returned");
    expect(() => saving.step()).to.throw(TypeError, "has run while it was being saved");
  });

  it("more activations than a call takes arguments are restored", function () {
    this.timeout(20_000);
    const a = compileSync(wat`(module (import "h" "s" (func $s)) (table (export "t") 2 funcref)
      (type $t (func (param i32)))
      (func $a (type $t) (if (i32.eqz (local.get 0)) (then (call $s))
        (else (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 1)))))
      (elem (i32.const 0) $a) (func (export "f") (param i32) (call $a (local.get 0))))`);
    const b = compileSync(wat`(module (import "m" "t" (table 2 funcref)) (type $t (func (param i32)))
      (func $b (type $t) (call_indirect (type $t) (local.get 0) (i32.const 0))) (elem (i32.const 1) $b))`);
    const store = new Store();
    const instance = store.instantiateSync(a, imports);
    store.instantiateSync(b, { m: { t: instance.export("t") as never } });
    const invocation = instance.invoke("f", [80_000]);
    while (invocation.run().kind !== "waiting");
    const restored = restore(saved(store), [a, b], new LimitAccountant(LIMIT_BYTES * 4));
    const [other] = restored.invocations;
    expect(other!.run().kind).to.equal("waiting");
    other!.resume([]);
    expect(other!.run()).to.include({ kind: "returned", fuelUsed: finished(invocation) });
  });

  function finished(invocation: { resume(values: []): void; run(): { kind: string; fuelUsed: number } }): number {
    invocation.resume([]);
    const { kind, fuelUsed } = invocation.run();
    expect(kind).to.equal("returned");
    return fuelUsed;
  }
});
