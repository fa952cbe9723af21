import { expect } from "chai";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { decodeModule } from "./binary/decode.ts";
import { Compilation, compileSync } from "./compiled-module.ts";
import { Engine } from "./engine.ts";
import { CompileError } from "./errors.ts";
import { eventLoopTurn } from "./event-loop.ts";
import { wat } from "./testing.ts";
import { TypeRegistry } from "./type-registry.ts";
import { TypeUses } from "./type-uses.ts";
import { Heap, HEAP_TYPE_NAMES, Num, refType } from "./types.ts";

function idsOf(registry: TypeRegistry, bytes: Uint8Array): number[] {
  return Array.from(registry.canonicalize(decodeModule(bytes)).ids);
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

/** A struct type and `count` subtypes below each other. */
function chain(count: number): Uint8Array {
  let text = "(type (sub (struct)))";
  for (let i = 0; i < count; i++) text += ` (type (sub ${i} (struct)))`;
  return wat`(module ${text})`;
}

describe("TypeRegistry", () => {
  it("gives equal groups of any module equal ids, and different groups different ones", () => {
    const registry = new TypeRegistry();
    const [a, b, c, d] = idsOf(
      registry,
      wat`(module (type (func (param i32))) (type (func (param i32))) (type (func (param i64)))
                  (rec (type (func (param i32))) (type (struct))))`,
    );
    expect(b).to.equal(a);
    expect(c).to.not.equal(a);
    expect(d, "another group").to.not.equal(a);
    expect(idsOf(registry, wat`(module (type (struct)) (type (func (param i64))))`)[1]).to.equal(c);
  });

  it("compares references by what they lead to: inside the group by place, outside by id", () => {
    const registry = new TypeRegistry();
    const first = idsOf(
      registry,
      wat`(module (rec (type $a (struct (field (ref $b)))) (type $b (struct (field (ref $a)))))
                  (type (func (param (ref $a)))))`,
    );
    const second = idsOf(
      registry,
      wat`(module (type (func)) (rec (type $x (struct (field (ref $y)))) (type $y (struct (field (ref $x)))))
                  (type (func (param (ref $x)))) (type (func (param (ref $y)))))`,
    );
    expect(second.slice(1, 4)).to.deep.equal(first);
    expect(second[4]).to.not.equal(first[2]);
    // A type that names itself differs from one that names an equal type before it.
    const [self, other] = idsOf(
      registry,
      wat`(module (type $a (struct (field (ref null $a)))) (type (struct (field (ref null $a)))))`,
    );
    expect(other).to.not.equal(self);
  });

  it("keeps finality, supertypes and mutability apart", () => {
    const registry = new TypeRegistry();
    const ids = idsOf(
      registry,
      wat`(module (type (struct (field i32))) (type $open (sub (struct (field i32)))) (type (struct (field (mut i32))))
                  (type (sub $open (struct (field i32)))) (type (struct (field i8))) (type (array i32)))`,
    );
    expect(new Set(ids).size).to.equal(ids.length);
  });

  it("forgets a group with the last module that uses it, and gives its ids again", () => {
    const registry = new TypeRegistry();
    const module = decodeModule(wat`(module (type (func)) (type (struct)) (type (func)))`);
    const first = registry.canonicalize(module);
    const second = registry.canonicalize(module);
    expect(Array.from(second.ids)).to.deep.equal(Array.from(first.ids));
    expect(registry.size).to.equal(2);
    registry.release(first);
    expect(registry.size).to.equal(2);
    expect(registry.funcType(second.ids[0]!)).to.deep.equal({ kind: "func", params: [], results: [] });
    registry.release(second);
    expect(registry.size).to.equal(0);
    expect(() => registry.comp(second.ids[0]!)).to.throw(TypeError);
    expect(Math.max(...idsOf(registry, wat`(module (type (struct)) (type (array i8)))`))).to.equal(1);
  });

  it("forgets what a module used that was dropped, entered or not, beside the event loop", async () => {
    const engine = new Engine();
    const layouts: object[] = [];
    const drop = (fields: string): void => {
      const module = compileSync(
        wat`(module (type $s (struct ${fields})) (func (export "f") (drop (struct.new_default $s))))`,
        {
          engine,
        },
      );
      layouts.push(engine.layouts.of(module.typeIds[0]!));
    };
    drop("(field i32)");
    // Dropped while it is in the middle of a group.
    const types = "(type (struct (field i64)))".repeat(300);
    const unfinished = (): void => {
      const compilation = new Compilation(wat`(module (rec ${types}))`, { engine });
      while (engine.types.size < 200) compilation.step();
    };
    unfinished();
    expect(engine.types.size).to.be.greaterThan(200);
    for (let i = 0; i < 50 && engine.types.size > 0; i++) {
      collectGarbage();
      await eventLoopTurn();
    }
    expect(engine.types.size).to.equal(0);
    // The id goes to another type: nothing of the former one is left.
    drop("(field i64) (field i64)");
    expect(layouts[1]).to.not.deep.equal(layouts[0]);
  });

  it("gives the ids of an unfinished group back", () => {
    const registry = new TypeRegistry();
    const fields = Array.from({ length: 300 }, (_, i) => `(type (struct (field (ref ${i}))))`).join("");
    const { types } = decodeModule(wat`(module (rec ${fields}))`);
    const entering = registry.enterGroup(types, types.length, new TypeUses(types.length));
    while (registry.size === 0) entering.next();
    entering.return(undefined);
    expect(registry.size).to.equal(0);
  });

  it("enters a group once when two modules enter it at the same time", () => {
    const registry = new TypeRegistry();
    const fields = Array.from({ length: 300 }, (_, i) => `(type (struct (field (ref ${i}))))`).join("");
    const { types } = decodeModule(wat`(module (rec ${fields}))`);
    const uses = [new TypeUses(300), new TypeUses(300)] as const;
    const running = uses.map((each) => registry.enterGroup(types, 300, each));
    while (running.map((each) => each.next().done).includes(false));
    expect(uses[0].ids).to.deep.equal(uses[1].ids);
    expect(registry.size).to.equal(300);
    for (const each of uses) registry.release(each);
    expect(registry.size).to.equal(0);
  });

  it("matches abstract heap types as the specification's lattice", () => {
    const registry = new TypeRegistry();
    const supers: Readonly<Record<string, string>> = {
      any: "any",
      eq: "eq any",
      i31: "i31 eq any",
      struct: "struct eq any",
      array: "array eq any",
      none: "none i31 struct array eq any",
      func: "func",
      nofunc: "nofunc func",
      extern: "extern",
      noextern: "noextern extern",
      exn: "exn",
      noexn: "noexn exn",
    };
    for (const [sub, subHeap] of HEAP_TYPE_NAMES) {
      for (const [sup, supHeap] of HEAP_TYPE_NAMES) {
        const expected = supers[sub]!.split(" ").includes(sup);
        expect(registry.matchesHeap(subHeap, supHeap), `${sub} <: ${sup}`).to.equal(expected);
      }
    }
  });

  it("matches defined types with their declared supertypes and with abstract types", () => {
    const registry = new TypeRegistry();
    const [a, b, c, f, array] = idsOf(
      registry,
      wat`(module (type $a (sub (struct))) (type $b (sub $a (struct (field i32)))) (type $c (sub $b (struct (field i32 i32))))
                  (type (func)) (type (array i8)))`,
    ) as [number, number, number, number, number];
    expect([registry.isSubtype(c, a), registry.isSubtype(c, b), registry.isSubtype(c, c)]).to.deep.equal([
      true,
      true,
      true,
    ]);
    expect([registry.isSubtype(a, c), registry.isSubtype(a, f)]).to.deep.equal([false, false]);
    expect(registry.superOf(c)).to.equal(b);
    expect(registry.superOf(a)).to.equal(-1);
    const yes: readonly [number, number][] = [
      [a, Heap.Struct],
      [a, Heap.Eq],
      [a, Heap.Any],
      [array, Heap.Array],
      [f, Heap.Func],
      [Heap.None, a],
      [Heap.NoFunc, f],
      [Heap.Bottom, f],
      [Heap.Bottom, Heap.Exn],
    ];
    for (const [sub, sup] of yes) expect(registry.matchesHeap(sub, sup), `${sub} <: ${sup}`).to.equal(true);
    const no: readonly [number, number][] = [
      [a, Heap.Array],
      [f, Heap.Any],
      [Heap.Struct, a],
      [Heap.NoFunc, a],
      [Heap.None, f],
      [Heap.NoExtern, a],
    ];
    for (const [sub, sup] of no) expect(registry.matchesHeap(sub, sup), `${sub} <: ${sup}`).to.equal(false);
  });

  it("lets a non-null reference stand for a nullable one, not the other way round", () => {
    const registry = new TypeRegistry();
    expect(registry.matchesVal(refType(Heap.I31, false), refType(Heap.Any, true))).to.equal(true);
    expect(registry.matchesVal(refType(Heap.I31, true), refType(Heap.Any, false))).to.equal(false);
    expect(registry.matchesVal(Num.Bottom, refType(Heap.Any, false))).to.equal(true);
    expect(registry.matchesVal(Num.I32, Num.I64)).to.equal(false);
    expect(registry.matchesVal(Num.I32, refType(Heap.Any, true))).to.equal(false);
  });

  it("limits the depth of supertypes and holds nothing of a module that exceeds it", () => {
    const registry = new TypeRegistry();
    const deepest = registry.canonicalize(decodeModule(chain(63)));
    expect(registry.isSubtype(deepest.ids[63]!, deepest.ids[0]!)).to.equal(true);
    registry.release(deepest);
    expect(() => registry.canonicalize(decodeModule(chain(64)))).to.throw(CompileError, "limit exceeded");
    expect(registry.size).to.equal(0);
  });
});
