/** Large instructions and large code are made in steps, and come out the same whatever the steps. */

import { expect } from "chai";
import { Section } from "../binary/decode.ts";
import { concat, EMPTY_FUNC_TYPE, moduleOf, repeat, uleb, vector, type Bytes } from "../binary/testing.ts";
import { Compilation, compileSync, type CompiledModule } from "../compiled-module.ts";
import { CompileError } from "../errors.ts";
import { Op } from "../opcodes.ts";
import { wat } from "../testing.ts";

/** Takes 500 values. */
const LONG_TYPE = concat([0x60, 0], uleb(500), repeat(500, 0x7f));
const LONG_TAG = concat([0x60], uleb(500), repeat(500, 0x7f), [0]);
const LABELS = 2_000;

function funcOf(...code: readonly Bytes[]): Uint8Array {
  const content = concat([0], ...code, [Op.End]);
  return moduleOf(
    vector(Section.Type, EMPTY_FUNC_TYPE, LONG_TYPE, LONG_TAG),
    vector(Section.Func, [0]),
    vector(Section.Tag, [0, 2]),
    vector(Section.Code, concat(uleb(content.length), content)),
  );
}

const numbers = (count: number): Uint8Array => concat(...Array.from({ length: count }, (_, i) => uleb(i)));

/** A table of labels, each of a block of its own with many results, of which the last is `label`. */
const tableOf = (label: number): Uint8Array =>
  funcOf(
    repeat(LABELS, Op.Block, 1),
    repeat(500, Op.I32Const, 0),
    [Op.I32Const, 0, Op.BrTable],
    uleb(LABELS),
    numbers(LABELS),
    uleb(label),
    repeat(LABELS, Op.End),
    [Op.Unreachable],
  );

/** Clauses for exceptions with many values, of which the last goes to `label`. */
const clausesOf = (label: number): Uint8Array =>
  funcOf(
    [Op.Block, 1, Op.TryTable, 0x40],
    uleb(LABELS),
    repeat(LABELS - 1, 0, 0, 0),
    [0, 0, label],
    [Op.End, Op.Unreachable, Op.End, Op.Unreachable],
  );

function stepsOf(bytes: Uint8Array): number {
  const compilation = new Compilation(bytes);
  let steps = 1;
  while (!compilation.step()) steps++;
  return steps;
}

/** The function's code, lowered so many instructions at a time, and in how many steps. */
function codeOf(module: CompiledModule, isExact: boolean, budget: number): { words: number[]; steps: number } {
  let steps = 1;
  while (!module.lower(module.data.importedFuncs, isExact, budget)) steps++;
  return { words: Array.from(module.code.words.subarray(0, module.code.length)), steps };
}

describe("large instructions", () => {
  it("are validated in steps: labels and clauses with many values", () => {
    for (const bytes of [tableOf(0), clausesOf(0)]) {
      expect(stepsOf(bytes)).to.be.greaterThan((LABELS * 500) / 2_000);
    }
    expect(() => compileSync(tableOf(LABELS + 1))).to.throw(CompileError, "unknown label");
    expect(() => compileSync(clausesOf(1))).to.throw(CompileError, "type mismatch");
  });

  it("are lowered in steps, and to the same code", () => {
    const modules: Readonly<Record<string, Uint8Array>> = {
      "a table whose labels need code of their own": funcOf(
        [Op.Block, 0x7f, Op.I32Const, 1, Op.Block, 0x7f, Op.I32Const, 0, Op.I32Const, 0, Op.I32Const, 0, Op.BrTable],
        uleb(3_000),
        repeat(1_500, 0, 1),
        [1, Op.End, Op.Drop, Op.End, Op.Drop],
      ),
      "branches to one end": funcOf([Op.Block, 0x40], repeat(3_000, Op.I32Const, 0, Op.BrIf, 0), [Op.End, Op.Nop]),
      "an exit and an else": funcOf(
        [Op.I32Const, 1, Op.If, 0x40],
        repeat(1_000, Op.I32Const, 0, Op.BrIf, 0),
        [Op.Else],
        repeat(1_000, Op.I32Const, 0, Op.BrIf, 0),
        [Op.End],
      ),
      clauses: clausesOf(0),
      "more than one array of code": funcOf(repeat(60_000, Op.I32Const, 1, Op.I32Const, 2, Op.I32Add, Op.Drop)),
    };
    for (const [name, bytes] of Object.entries(modules)) {
      for (const isExact of [false, true]) {
        const whole = codeOf(compileSync(bytes), isExact, Number.POSITIVE_INFINITY);
        expect(whole.steps, name).to.equal(1);
        for (const budget of [100, 5_000]) {
          const stepped = codeOf(compileSync(bytes), isExact, budget);
          expect(stepped.words.length, name).to.equal(whole.words.length);
          expect(
            stepped.words.every((word, i) => word === whole.words[i]),
            name,
          ).to.equal(true);
          if (budget === 100) expect(stepped.steps, name).to.be.greaterThan(8);
        }
      }
    }
  });

  it("code moves to a larger array in steps", () => {
    const module = compileSync(funcOf(repeat(200_000, Op.I32Const, 1, Op.I32Const, 2, Op.I32Add, Op.Drop)));
    const { code } = module;
    const lengths: number[] = [];
    let waits = 0;
    for (let last = -1; !module.lower(0, true, 1_000); last = code.length) {
      if (code.length === last) waits++;
      lengths.push(code.words.length);
    }
    expect(waits, "nothing is lowered while code is moved").to.be.greaterThan(10);
    expect(new Set(lengths).size).to.be.greaterThan(8);
    for (let i = 1; i < lengths.length; i++) expect(lengths[i]! / lengths[i - 1]!).to.be.at.most(2);
  });

  it("segments that instantiation passes over are passed in steps", () => {
    const module = compileSync(moduleOf(vector(Section.Element, ...Array<Bytes>(20_000).fill([1, 0, 0]))));
    let steps = 1;
    while (!module.lower(module.data.funcs.length, false, 1_000)) steps++;
    // Once for what they hold, and once for where it goes.
    expect(steps).to.be.within(40, 42);
  });

  it("constants of 128 bits and operands beyond the usual are what they were", () => {
    const deep = compileSync(wat`(module (func (export "f") (result i32) (local $i i32)
      ${"(i32.const 3) (local.get $i) ".repeat(3_000)} (i32.const 7) ${"(i32.add) ".repeat(6_000)}))`);
    const again = compileSync(wat`(module (func (result v128)
      (i8x16.add (v128.const i32x4 1 2 3 4) (v128.const i32x4 5 5 5 5))))`);
    const [first, second] = [codeOf(deep, false, 50), codeOf(compileSync(deep.data.bytes), false, 1e9)];
    expect(first.words).to.deep.equal(second.words);
    expect(codeOf(again, false, 1).words).to.include.members([1, 2, 3, 4]);
  });
});
