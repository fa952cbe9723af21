import { expect } from "chai";
import { decodeModule, Section } from "../binary/decode.ts";
import {
  body,
  concat,
  EMPTY_FUNC_TYPE,
  moduleOf,
  moduleOfBody,
  repeat,
  section,
  uleb,
  vector,
  type Bytes,
} from "../binary/testing.ts";
import { CompileError } from "../errors.ts";
import { MAX_BR_TABLE, MAX_LOCALS, MAX_NESTING } from "../limits.ts";
import { wat } from "../testing.ts";
import { TypeRegistry } from "../type-registry.ts";
import { validateModule } from "./module.ts";

function validate(bytes: Uint8Array): Int32Array {
  return validateModule(decodeModule(bytes), new TypeRegistry()).maxHeights;
}

function rejects(bytes: Uint8Array, message: string, kind = "invalid"): void {
  expect(() => validate(bytes), message)
    .to.throw(CompileError, message)
    .with.property("kind", kind);
}

function rejectsBody(text: string, message: string): void {
  rejects(
    wat`(module (type $t (struct (field (mut i8)))) (type $a (array i32)) (memory 1) (global $c i32 (i32.const 0))
    (func (param i32) (local $r (ref $t)) ${text}))`,
    message,
  );
}

describe("FunctionValidator", () => {
  it("counts the greatest height in slots, vectors as two, also of code that cannot be reached", () => {
    const height = (text: string) => validate(wat`(module (memory 1) ${text})`)[0];
    expect(height("(func)")).to.equal(0);
    expect(height("(func (param i32) (result i32) local.get 0)")).to.equal(1);
    expect(height("(func (result i32) i32.const 1 i32.const 2 i32.const 3 i32.add i32.add)")).to.equal(3);
    expect(
      height("(func i32.const 1 v128.const i32x4 1 2 3 4 v128.const i32x4 1 2 3 4 i8x16.add v128.store)"),
    ).to.equal(5);
    expect(
      height("(func (result i32) i32.const 1 return i32.const 1 i32.const 2 i32.const 3 drop drop drop)"),
    ).to.equal(3);
    expect(height("(func i64.const 1 (block (param i64) (result i64) i64.const 1 i64.add) drop)")).to.equal(2);
    expect(height("(func v128.const i64x2 0 0 unreachable drop v128.const i64x2 0 0 drop)")).to.equal(2);
  });

  it("names the operand that does not fit", () => {
    rejectsBody(
      "i32.const 1 i64.const 1 i32.add drop",
      "type mismatch: instruction requires [i32] but stack has [i64]",
    );
    rejectsBody("i32.add drop", "type mismatch: instruction requires [i32] but stack has []");
    rejectsBody("i32.const 1", "type mismatch: block requires [] but stack has [i32]");
    rejectsBody("(block (result i32) nop) drop", "type mismatch: instruction requires [i32] but stack has []");
    rejectsBody("i32.const 1 (block i32.eqz drop) drop", "type mismatch");
    // By the module's own type indices, whatever the registry knew before.
    const registry = new TypeRegistry();
    validateModule(decodeModule(wat`(module (type (struct (field f64))) (type (array i64)))`), registry);
    const module = wat`(module (type (array i32)) (type (struct)) (func (param (ref 1)) (result (ref 0)) local.get 0))`;
    expect(() => validateModule(decodeModule(module), registry)).to.throw(
      "instruction requires [(ref 0)] but stack has [(ref 1)]",
    );
  });

  it("rejects what instructions' own rules forbid", () => {
    const cases: readonly [string, string][] = [
      ["(br 1)", "unknown label 1"],
      ["(local.set 2 (i32.const 1))", "unknown local 2"],
      ["(call 1)", "unknown function 1"],
      ["(global.set $c (i32.const 1))", "immutable global"],
      ["(drop (global.get 1))", "unknown global 1"],
      ["(drop (i32.load align=8 (i32.const 0)))", "alignment must not be larger than natural"],
      ["(drop (i32.atomic.load align=2 (i32.const 0)))", "atomic alignment must be natural"],
      ["(drop (i32.load 1 (i32.const 0)))", "unknown memory 1"],
      ["(drop (table.get 0 (i32.const 0)))", "unknown table 0"],
      ["(elem.drop 0)", "unknown elem segment 0"],
      ["(throw 0)", "unknown tag 0"],
      ["(drop (local.get $r))", "uninitialized local"],
      ["(drop (select (ref.null any) (ref.null any) (i32.const 0)))", "type mismatch"],
      ["(drop (i8x16.extract_lane_s 16 (v128.const i64x2 0 0)))", "invalid lane index"],
      ["(drop (struct.get $t 0 (struct.new_default $t)))", "type mismatch"],
      ["(drop (struct.get_s $t 1 (struct.new_default $t)))", "unknown field 1"],
      ["(array.set $a (ref.null $a) (i32.const 0) (i32.const 0))", "immutable array"],
      ["(drop (ref.cast (ref i31) (ref.null extern)))", "type mismatch"],
      ["(if (i32.const 1) (then (br_table 0 1 2 3 (i32.const 0))))", "unknown label 2"],
      ["(return_call 0)", "type mismatch"],
    ];
    for (const [text, message] of cases) rejectsBody(text, message);
  });

  it("rejects offsets that a 32-bit memory does not have", () => {
    const load = (flags: number) =>
      moduleOf(
        vector(Section.Type, EMPTY_FUNC_TYPE),
        vector(Section.Func, [0]),
        vector(Section.Memory, [flags, 1]),
        vector(Section.Code, body([0], [flags === 0 ? 0x41 : 0x42, 0, 0x28, 2], uleb(2 ** 32), [0x1a, 0x0b])),
      );
    rejects(load(0), "offset out of range");
    validate(load(4));
  });

  it("forgets locals that were set inside a block", () => {
    const text = (code: string) => wat`(module (type $t (struct)) (func (param i32) (local $r (ref $t)) ${code}))`;
    const set = "(local.set $r (struct.new $t))";
    const get = "(drop (local.get $r))";
    validate(text(`${set} (block ${get}) (loop ${get}) ${get}`));
    rejects(text(`(block ${set} ${get}) ${get}`), "uninitialized local");
    rejects(text(`(if (local.get 0) (then ${set}) (else ${get}))`), "uninitialized local");
    validate(text(`(if (local.get 0) (then ${set} ${get}) (else ${set} ${get})) ${set} ${get}`));
  });

  it("finds the type of every local, however many there are", () => {
    const many = MAX_LOCALS - 2;
    const get = (index: number, consumer: number): Bytes => concat([0x20], uleb(index), [consumer, 0x1a]);
    const code = concat(get(0, 0x50), get(1, 0x45), get(many, 0x45), get(many + 1, 0x8b), [0x0b]);
    const locals = concat([3, 0, 0x7b], uleb(many), [0x7f, 1, 0x7d]);
    const type: Bytes = [0x60, 1, 0x7e, 0];
    validate(moduleOfBody([type], body(locals, code)));
    rejects(moduleOfBody([type], body(locals, get(many + 2, 0x45), [0x0b])), `unknown local ${many + 2}`);
  });

  it("refuses too many locals without making them: past 2^32 malformed, past the limit a limit", () => {
    const withLocals = (...groups: number[]) =>
      moduleOfBody(
        [EMPTY_FUNC_TYPE],
        body(concat([groups.length], ...groups.map((count) => concat(uleb(count), [0x7f]))), [0x0b]),
      );
    validate(withLocals(MAX_LOCALS));
    rejects(withLocals(MAX_LOCALS, 1), "limit exceeded", "limit");
    rejects(withLocals(2 ** 32 - 1), "limit exceeded", "limit");
    rejects(withLocals(2 ** 32 - 1, 1), "too many locals", "malformed");
  });

  it("validates 100,000 bodies of 50,000 locals each in time linear in their bytes", () => {
    const count = 100_000;
    validate(
      moduleOf(
        vector(Section.Type, EMPTY_FUNC_TYPE),
        section(Section.Func, uleb(count), repeat(count, 0)),
        section(Section.Code, uleb(count), repeat(count, 6, 1, 0xd0, 0x86, 3, 0x7f, 0x0b)),
      ),
    );
  });

  it("nests blocks as deep as the limit says, without a stack of its own", () => {
    const nested = (depth: number) =>
      moduleOfBody([EMPTY_FUNC_TYPE], body([0], repeat(depth, 0x02, 0x40), repeat(depth, 0x0b), [0x0b]));
    validate(nested(100_000));
    // The function's own block counts.
    validate(nested(MAX_NESTING - 1));
    rejects(nested(MAX_NESTING * 2), "limit exceeded", "limit");
  });

  it("reads br_table in linear time up to its limit, and looks at each block once", () => {
    const table = (count: number, label: number) => concat([0x41, 0, 0x0e], uleb(count), repeat(count + 1, label));
    validate(
      moduleOfBody([EMPTY_FUNC_TYPE], body([0], ...Array.from({ length: 50 }, () => table(MAX_BR_TABLE, 0)), [0x0b])),
    );
    rejects(moduleOfBody([EMPTY_FUNC_TYPE], body([0], table(MAX_BR_TABLE + 1, 0), [0x0b])), "limit exceeded", "limit");
    rejects(moduleOfBody([EMPTY_FUNC_TYPE], body([0], table(10, 1), [0x0b])), "unknown label 1");
    const huge = body([0], [0x41, 0, 0x0e, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x0b]);
    rejects(moduleOfBody([EMPTY_FUNC_TYPE], huge), "unexpected end of section or function", "malformed");
  });
});
