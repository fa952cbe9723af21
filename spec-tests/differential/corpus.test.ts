/** Our engine against what a newer V8 made of the modules of the corpus, and the parts that comparing is made of. */

import { expect } from "chai";
import { decodeModule } from "../../vm/binary/decode.ts";
import { wat } from "../../vm/testing.ts";
import { MODES, outcomeOf } from "./campaign.ts";
import { compareOutcomes } from "./compare.ts";
import { planOf, readCorpus } from "./corpus.ts";
import { observe } from "./observed.ts";
import type { Plan } from "./plan.ts";
import { randomPlan } from "./random-plan.ts";

const LEAST_MODULES = 60;

function planFor(bytes: Uint8Array): Plan {
  const plan = randomPlan("a module", bytes, 1);
  if (plan === null) throw new Error("no plan");
  return plan;
}

function linesOf(bytes: Uint8Array): readonly string[] {
  return outcomeOf(planFor(bytes), {}).lines;
}

describe("corpus of random modules", () => {
  it("does what V8 did, with the same fuel in all turns", function () {
    this.timeout(60_000);
    const corpus = readCorpus();
    expect(corpus.length).to.be.at.least(LEAST_MODULES);
    corpus.forEach((recorded, index) => {
      const plan = planOf(recorded);
      const outcome = outcomeOf(plan, {});
      const { mismatch, stopped } = compareOutcomes(outcome.lines, recorded.lines);
      expect({ mismatch, stopped }, plan.id).to.deep.equal({ mismatch: null, stopped: null });
      expect(outcomeOf(plan, MODES[1 + (index % 2)]!), plan.id).to.deep.equal(outcome);
    });
  });
});

describe("observed modules", () => {
  it("show numbers by their bits, references by their types and contents, exceptions with their payload", () => {
    const lines = linesOf(wat`(module
      (type $pair (sub (struct (field f32) (field (mut i8)) (field (ref null $pair)))))
      (type $triple (sub $pair (struct (field f32) (field (mut i8)) (field (ref null $pair)) (field v128))))
      (type $list (array (mut i16)))
      (import "m" "log" (func $log (param i64)))
      (import "m" "global" (global externref))
      (tag $t (param f64 i31ref))
      (memory 1) (table 2 funcref) (elem (i32.const 1) $log)
      (global $g (mut anyref) (ref.null any))
      (func (export "values") (param $e externref) (result f32 f64 v128 externref)
        (call $log (i64.const -2)) (i32.store8 (i32.const 70) (i32.const 1))
        (f32.const -nan:0x200001) (f64.const 1) (v128.const i64x2 1 2) (local.get $e))
      (func (export "object") (result anyref)
        (struct.new $triple (f32.const 1) (i32.const -1) (struct.new $pair (f32.const 2) (i32.const 3) (ref.null $pair))
          (v128.const i64x2 0 9)))
      (func (export "list") (global.set $g (array.new $list (i32.const -1) (i32.const 5))))
      (func (export "throw") (throw $t (f64.const -0) (ref.i31 (i32.const -3))))
      (func (export "trap") (result i32) (i32.load (i32.const -1)))
    )`);
    const end = (label: string): string =>
      lines.find((line) => line.startsWith(`${label}, round 0`))?.replace(/.*?: /, "") ?? "";
    expect(end("values")).to.match(
      /^host:\d v128:00000000000000020000000000000001 f64:3ff0000000000000 f32:ffa00001 returned after called:0 i64:fffffffffffffffe$/,
    );
    expect(end("object")).to.equal(
      "object type:0 f32:3f800000 i32:000000ff object type:0 f32:40000000 i32:00000003 null " +
        "type:1 f32:3f800000 i32:000000ff object type:0 f32:40000000 i32:00000003 null v128:00000000000000090000000000000000 returned",
    );
    expect(end("throw")).to.equal("i31:-3 f64:8000000000000000 exception:0");
    expect(end("trap")).to.equal("trap (out of bounds memory access)");
    const state = lines.findLast((line) => line.startsWith("state")) ?? "";
    expect(state).to.match(
      /^state after round 1: global:0 null global:1 object type:2 length:5 i32:0000ffff i32:0000ffff i32:0000ffff /,
    );
    expect(state).to.match(/ table:0 size:2 null func type:3 memory 0: 65536 bytes [0-9a-f]{16}$/);
  });

  it("keep every index of the module", () => {
    const module = decodeModule(
      wat`(module (func (export "f") (result i32) i32.const 1) (memory 1) (global i32 (i32.const 5)))`,
    );
    const observed = decodeModule(observe(module, { catches: true }).bytes);
    expect(observed.exports.slice(0, 1)).to.deep.equal(module.exports);
    expect(observed.types.slice(0, module.types.length)).to.deep.equal(module.types);
    expect(observed.memories.slice(0, 1)).to.deep.equal(module.memories);
  });

  it("tell apart modules that differ in one instruction", () => {
    const text = (op: string): Uint8Array =>
      wat`(module (memory 1) (func (export "f") (i64.store8 (i32.const 999) (i64.${op} (i64.const 6) (i64.const 2)))))`;
    const { mismatch } = compareOutcomes(linesOf(text("add")), linesOf(text("sub")));
    expect(mismatch).to.match(/^ours: state after round 1: memory 0: .*\n {4}V8: state after round 1: memory 0: /);
  });
});

describe("compareOutcomes", () => {
  const compare = (ours: string, theirs: string): { mismatch: boolean; stopped: string | null } => {
    const { mismatch, stopped } = compareOutcomes([ours], [theirs]);
    return { mismatch: mismatch !== null, stopped };
  };
  const SAME = { mismatch: false, stopped: null };
  const DIFFERENT = { mismatch: true, stopped: null };

  it("leaves the bits of quiet NaNs open, and nothing else about values", () => {
    expect(compare("f: f32:7fc00000 returned", "f: f32:ffc00001 returned")).to.deep.equal(SAME);
    expect(compare("f: f32:7fa00000 returned", "f: f32:7fc00000 returned")).to.deep.equal(DIFFERENT);
    expect(compare("f: i32:7fc00000 returned", "f: i32:ffc00001 returned")).to.deep.equal(DIFFERENT);
    expect(compare("f: f64:0000000000000000 returned", "f: f64:8000000000000000 returned")).to.deep.equal(DIFFERENT);
    const vector = (lane: string): string => `f: v128:${lane}00000000000000010000000f returned`;
    expect(compare(vector("7fc00000"), vector("ffc00001"))).to.deep.equal(SAME);
    expect(compare(vector("7fc00000"), vector("00000000"))).to.deep.equal(DIFFERENT);
  });

  it("compares the classes of traps, and that modules are refused but not with which words", () => {
    expect(
      compare("f: trap (uninitialized element)", "f: trap (uninitialized element|indirect call type mismatch)"),
    ).to.deep.equal(SAME);
    expect(compare("f: trap (unreachable)", "f: trap (integer divide by zero)")).to.deep.equal(DIFFERENT);
    expect(compare("f: trap (unreachable)", "f: returned")).to.deep.equal(DIFFERENT);
    expect(compare("m: invalid (one)", "m: invalid (two (three))")).to.deep.equal(SAME);
    expect(compare("m: invalid (one)", "m: ")).to.deep.equal(DIFFERENT);
    expect(compare("m: ", "m: invalid (an initial size larger than implementation limit)")).to.deep.equal(SAME);
    expect(compare("m: ", "m: invalid (type error)")).to.deep.equal(DIFFERENT);
    expect(compare("m: invalid (type mismatch: instruction requires [i32] but stack has [i64])", "m: ")).to.deep.equal(
      DIFFERENT,
    );
    const refused = "m: invalid (type mismatch: the label takes no reference (at byte 28, function 0))";
    expect(compare(refused, "m: ")).to.deep.equal(SAME);
  });

  it("ends where one of them could not go on", () => {
    expect(compare("f: stop (fuel)", "f: returned")).to.deep.equal({ mismatch: false, stopped: "fuel" });
    expect(compare("f: returned", "stop (too slow)")).to.deep.equal({ mismatch: false, stopped: "too slow" });
  });
});
