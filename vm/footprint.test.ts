import { expect } from "chai";
import { Section } from "./binary/decode.ts";
import { concat, EMPTY_FUNC_TYPE, moduleOf, repeat, section, uleb, vector, type Bytes } from "./binary/testing.ts";
import { Compilation, compileSync, type CompileOptions } from "./compiled-module.ts";
import { Engine } from "./engine.ts";
import { CompileError } from "./errors.ts";
import { ITEM_BYTES } from "./footprint.ts";
import { Op } from "./opcodes.ts";
import { LimitAccountant, type Accountant } from "./runtime/resources.ts";
import { wat } from "./testing.ts";

const FUNC_TYPE = vector(Section.Type, EMPTY_FUNC_TYPE);
const many = (id: Section, count: number, ...item: readonly number[]): Uint8Array =>
  section(id, uleb(count), repeat(count, ...item));

/** A function of these instructions. */
function funcOf(...code: readonly Bytes[]): Uint8Array {
  const content = concat([0], ...code, [Op.End]);
  return moduleOf(FUNC_TYPE, vector(Section.Func, [0]), vector(Section.Code, concat(uleb(content.length), content)));
}

/** What each further one of `count` items adds, its bytes included. */
function bytesOfItem(of: (count: number) => Uint8Array): number {
  const sizeOf = (count: number): number => compileSync(of(count), { engine: new Engine() }).byteLength;
  return (sizeOf(300) - sizeOf(100)) / 200;
}

function stepsOf(bytes: Uint8Array, options: CompileOptions = {}): number {
  const compilation = new Compilation(bytes, options);
  let steps = 1;
  while (!compilation.step()) steps++;
  return steps;
}

class Peak extends LimitAccountant {
  peakBytes = 0;
  asked = 0;

  override reserve(...args: Parameters<Accountant["reserve"]>): boolean {
    this.asked++;
    const isGranted = super.reserve(...args);
    this.peakBytes = Math.max(this.peakBytes, this.usedBytes);
    return isGranted;
  }
}

describe("what a module takes", () => {
  it("grows with each item by what the item is measured to take", () => {
    const kinds: Readonly<Record<string, readonly [(count: number) => Uint8Array, number]>> = {
      "element segments": [(n) => moduleOf(FUNC_TYPE, many(Section.Element, n, 1, 0, 0)), ITEM_BYTES.elementSegment],
      "data segments": [(n) => moduleOf(many(Section.Data, n, 1, 0)), ITEM_BYTES.dataSegment],
      tables: [(n) => moduleOf(many(Section.Table, n, 0x70, 0, 0)), ITEM_BYTES.table],
      types: [(n) => moduleOf(many(Section.Type, n, ...EMPTY_FUNC_TYPE)), ITEM_BYTES.type + ITEM_BYTES.recGroup],
      globals: [
        (n) => moduleOf(many(Section.Global, n, 0x7f, 0, Op.I32Const, 0, Op.End)),
        ITEM_BYTES.global + ITEM_BYTES.expr,
      ],
      imports: [
        (n) => moduleOf(FUNC_TYPE, many(Section.Import, n, 1, 97, 1, 98, 0, 0)),
        ITEM_BYTES.import + ITEM_BYTES.func,
      ],
      tags: [(n) => moduleOf(FUNC_TYPE, many(Section.Tag, n, 0, 0)), ITEM_BYTES.tag],
      fields: [(n) => moduleOf(section(Section.Type, [1, 0x5f], uleb(n), repeat(n, 0x7f, 0))), ITEM_BYTES.field],
    };
    for (const [kind, [of, bytes]] of Object.entries(kinds)) {
      expect(bytesOfItem(of), kind).to.be.within(bytes, bytes + 16);
    }
  });

  it("counts what lowering needs for deep operands and blocks, and images of tables", () => {
    const shallow = compileSync(funcOf(repeat(4_000, Op.I32Const, 1, Op.Drop))).byteLength;
    const deep = compileSync(funcOf(repeat(4_000, Op.I32Const, 1), repeat(4_000, Op.Drop))).byteLength;
    expect(deep - shallow).to.be.greaterThan(4_000 * 90);
    const nested = compileSync(funcOf(repeat(4_000, Op.Block, 0x40), repeat(4_000, Op.End))).byteLength;
    expect(nested - shallow).to.be.greaterThan(4_000 * 190);
    const called = compileSync(funcOf(repeat(4_000, Op.Call, 0)));
    expect(called.codeByteLength).to.be.greaterThan(4_000 * (2 * 5 + 40));
    const table = (size: number): number =>
      compileSync(wat`(module (table ${size} funcref) (func $f) (elem (i32.const 0) func $f))`).byteLength;
    expect(table(4_000) - table(0 + 10)).to.be.within(3_990 * 4, 3_990 * 4 + 8);
  });

  it("is asked for before it is taken, and given back when compiling has ended", () => {
    const bytes = moduleOf(FUNC_TYPE, many(Section.Element, 10_000, 1, 0, 0));
    const enough = new Peak(1e9);
    const { byteLength } = compileSync(bytes, { accountant: enough });
    expect(byteLength).to.be.greaterThan(10_000 * 240);
    expect(enough.peakBytes).to.be.within(byteLength - bytes.length, byteLength + 65_536);
    expect(enough.asked, "not for each item").to.be.lessThan(100);
    expect(enough.usedBytes).to.equal(0);

    const little = new Peak(1_000_000);
    const compilation = new Compilation(bytes, { accountant: little });
    let steps = 0;
    const run = (): void => {
      while (!compilation.step()) steps++;
    };
    expect(run).to.throw(CompileError, "no memory to compile the module").with.property("kind", "limit");
    expect(steps, "in the middle of decoding").to.be.lessThan(8);
    expect(little.peakBytes).to.be.within(900_000, 1_000_000);
    expect(little.usedBytes).to.equal(0);

    const exact = new LimitAccountant(byteLength - bytes.length);
    expect(compileSync(bytes, { accountant: exact }).byteLength).to.equal(byteLength);
    expect(() => compileSync(bytes, { accountant: new LimitAccountant(byteLength - bytes.length - 1) })).to.throw(
      CompileError,
      "no memory",
    );
  });

  it("is given back when compiling is ended before its time, and by an error, with the types", () => {
    const engine = new Engine();
    const accountant = new LimitAccountant(1e9);
    const types = many(Section.Type, 1_000, ...EMPTY_FUNC_TYPE);
    const compilation = new Compilation(moduleOf(types), { engine, accountant });
    while (engine.types.size === 0) compilation.step();
    expect(accountant.usedBytes).to.be.greaterThan(300_000);
    compilation.release();
    expect([accountant.usedBytes, engine.types.size]).to.deep.equal([0, 0]);

    const invalid = moduleOf(types, vector(Section.Func, [0]), vector(Section.Code, [3, 0, Op.Drop, Op.End]));
    expect(() => compileSync(invalid, { engine, accountant })).to.throw(CompileError, "type mismatch");
    expect([accountant.usedBytes, engine.types.size]).to.deep.equal([0, 0]);
    // Nothing more is asked for to find the place of an error that is a refusal.
    const refusing = new Peak(100_000);
    expect(() => compileSync(moduleOf(types), { accountant: refusing })).to.throw(CompileError, "no memory");
    expect(refusing.asked).to.be.lessThan(40);
  });

  it("is checked by whoever compiles before items are made, with those that are imported", () => {
    const seen: [string, number][] = [];
    const bytes = moduleOf(
      many(Section.Import, 2, 1, 97, 1, 98, 3, 0x7f, 0),
      many(Section.Global, 3, 0x7f, 0, Op.I32Const, 0, Op.Drop, Op.End),
    );
    const checkCount = (items: string, count: number): void => {
      seen.push([items, count]);
      if (count === 5) throw new CompileError("limit", "five are too many");
    };
    // The expressions are invalid, which nobody has looked at yet.
    expect(() => compileSync(bytes, { checkCount })).to.throw(CompileError, "five are too many");
    expect(seen).to.deep.equal([
      ["imports", 2],
      ["tables", 0],
      ["tags", 0],
      ["globals", 2],
      ["globals", 5],
    ]);
    // Of a million nothing is made.
    const peak = new Peak(1e9);
    const segments = moduleOf(section(Section.Element, uleb(1_000_000), new Uint8Array(1_000_000)));
    const few = (_: string, count: number): void => {
      if (count > 65_536) throw new CompileError("limit", "too many");
    };
    expect(() => compileSync(segments, { accountant: peak, checkCount: few })).to.throw(CompileError, "too many");
    expect(peak.peakBytes).to.be.lessThan(100_000);
  });

  it("has its own bytes where those that were compiled are lent, and pays for both meanwhile", () => {
    const bytes = moduleOf(section(Section.Custom, [1, 97], repeat(100_000, 0, 1)));
    const lent = bytes.slice();
    const peak = new Peak(1e9);
    const module = compileSync(lent, { accountant: peak, isLent: true });
    expect(peak.peakBytes).to.be.greaterThan(bytes.length);
    lent.fill(0);
    expect(module.data.bytes.buffer.byteLength).to.equal(bytes.length);
    expect(module.customSections("a")[0]!.subarray(-2)).to.deep.equal(Uint8Array.of(0, 1));
    const { byteLength } = compileSync(bytes);
    expect(module.byteLength).to.equal(byteLength);
    const little = new LimitAccountant(byteLength);
    expect(() => compileSync(bytes, { accountant: little, isLent: true })).not.to.throw();
    const less = new LimitAccountant(byteLength - 1);
    expect(() => compileSync(bytes, { accountant: less, isLent: true })).to.throw(CompileError, "no memory");
    expect(stepsOf(bytes, { isLent: true }) - stepsOf(bytes)).to.equal(Math.ceil(bytes.length / 2_000) - 1);
  });

  it("a large module becomes ready in many steps, its last work included", () => {
    const globals = (count: number): number =>
      stepsOf(moduleOf(many(Section.Global, count, 0x7f, 0, Op.I32Const, 0, Op.End)));
    // 5 bytes are decoded, 16 are what validating one counts as, and each is looked at once more.
    const perThousand = (globals(60_000) - globals(20_000)) / 40;
    expect(perThousand).to.be.greaterThan(5 / 2 + 16 / 2);
  });
});
