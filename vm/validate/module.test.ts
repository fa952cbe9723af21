import { expect } from "chai";
import { decodeModule, Section } from "../binary/decode.ts";
import { body, EMPTY_FUNC_TYPE, moduleOf, moduleOfBody, name, concat, section, vector } from "../binary/testing.ts";
import { CompileError } from "../errors.ts";
import { wat } from "../testing.ts";
import { TypeRegistry } from "../type-registry.ts";
import { validateModule, Validation } from "./module.ts";

function validate(bytes: Uint8Array): Validation {
  return validateModule(decodeModule(bytes), new TypeRegistry());
}

function rejects(text: string, message: string): void {
  expect(() => validate(wat`${text}`), text)
    .to.throw(CompileError, message)
    .with.property("kind", "invalid");
}

describe("validateModule", () => {
  it("accepts a module that uses every section", () => {
    const validation = validate(wat`(module
      (rec (type $node (sub (struct (field (mut (ref null $node))) (field i8)))) (type $list (array (mut (ref $node)))))
      (type $f (func (param i32) (result i32)))
      (import "m" "f" (func $imported (type $f)))
      (import "m" "g" (global $base i32))
      (table $t 2 10 (ref null $f))
      (table $init 1 (ref $f) (ref.func $imported))
      (memory $m 1 2) (memory $wide i64 1)
      (tag $tag (param i32))
      (global $g (mut i32) (i32.add (global.get $base) (i32.const 1)))
      (global $h (ref $node) (struct.new $node (ref.null none) (i32.const 7)))
      (global $later (ref null struct) (global.get $h))
      (export "run" (func $run)) (export "memory" (memory $m))
      (start $go)
      (elem (table $t) (i32.const 0) (ref null $f) (item ref.func $imported))
      (elem declare func $run)
      (data (memory $wide) (i64.const 0) "abc") (data "passive")
      (func $go (global.set $g (i32.const 1)))
      (func $run (type $f) (memory.init $m 1 (i32.const 0) (i32.const 0) (i32.const 1)) (call $imported (local.get 0))))`);
    expect(validation.typeIds).to.have.length(5);
    expect(Array.from(validation.maxHeights)).to.deep.equal([1, 3]);
  });

  it("rejects indices that nothing stands behind", () => {
    rejects(`(module (export "f" (func 0)))`, "unknown function 0");
    rejects(`(module (export "t" (table 1)))`, "unknown table 1");
    rejects(`(module (export "m" (memory 0)))`, "unknown memory 0");
    rejects(`(module (export "g" (global 0)))`, "unknown global 0");
    rejects(`(module (export "t" (tag 2)))`, "unknown tag 2");
    rejects(`(module (start 3))`, "unknown function 3");
    rejects(`(module (func (type 1)))`, "unknown type");
    rejects(`(module (elem (i32.const 0) func))`, "unknown table 0");
    rejects(`(module (elem func 5))`, "unknown function 5");
    rejects(`(module (data (i32.const 0) "a"))`, "unknown memory 0");
    rejects(`(module (global i32 (global.get 0)))`, "unknown global 0");
    rejects(`(module (type (struct (field (ref 1)))))`, "unknown type 1");
  });

  it("rejects what the rules of declarations forbid", () => {
    rejects(`(module (func) (export "a" (func 0)) (export "a" (func 0)))`, "duplicate export name");
    rejects(`(module (memory 2 1))`, "size minimum must not be greater than maximum");
    rejects(`(module (memory 65537))`, "memory size must be at most 65536 pages (4GiB)");
    rejects(`(module (memory i64 0x1_0000_0000_0001))`, "memory size");
    rejects(`(module (memory 1 shared))`, "shared memory must have maximum");
    rejects(`(module (table 0x1_0000_0000 funcref))`, "table size");
    rejects(`(module (table 1 (ref func)))`, "type mismatch");
    rejects(`(module (tag (result i32)))`, "non-empty tag result type");
    rejects(`(module (func (param i32)) (start 0))`, "start function");
    rejects(`(module (type $a (struct)) (type (sub $a (struct))))`, "sub type 1 does not match super type 0");
    rejects(
      `(module (type $a (sub (array i32))) (type (sub $a (array i64))))`,
      "sub type 1 does not match super type 0",
    );
  });

  it("rejects constant expressions that are not constant, or of another type", () => {
    rejects(`(module (global i32 (i32.ctz (i32.const 1))))`, "constant expression required");
    rejects(`(module (global i32 (block (result i32) (i32.const 1))))`, "constant expression required");
    rejects(
      `(module (global $g (mut i32) (i32.const 1)) (global i32 (global.get $g)))`,
      "constant expression required",
    );
    rejects(`(module (global i32 (i64.const 1)))`, "type mismatch");
    rejects(`(module (global i32))`, "type mismatch");
    rejects(`(module (global i32 (i32.const 1) (i32.const 2)))`, "type mismatch");
    rejects(`(module (memory i64 1) (data (i32.const 0) "a"))`, "type mismatch");
    rejects(`(module (table 1 externref) (elem (i32.const 0) func))`, "type mismatch");
  });

  it("wants a declaration of what ref.func names in a body, anywhere outside of bodies", () => {
    rejects(`(module (func $f (drop (ref.func $f))))`, "undeclared function reference");
    rejects(`(module (func $f (drop (ref.func $f))) (start $f))`, "undeclared function reference");
    for (const declaration of [`(export "f" (func $f))`, `(elem declare func $f)`, `(global funcref (ref.func $f))`]) {
      validate(wat`(module (func $f (drop (ref.func $f))) ${declaration})`);
    }
  });

  it("wants a data count section where a body uses data", () => {
    const types = vector(Section.Type, EMPTY_FUNC_TYPE);
    const code = vector(Section.Code, body([0], [0xfc, 9, 0, 0x0b]));
    const data = vector(Section.Data, concat([1], name("a")));
    const without = moduleOf(types, vector(Section.Func, [0]), code, data);
    expect(() => validate(without))
      .to.throw(CompileError, "data count section required")
      .with.property("kind", "malformed");
    validate(moduleOf(types, vector(Section.Func, [0]), section(Section.DataCount, [1]), code, data));
  });

  it("tells where: the byte offset of the item, or of the instruction and its function", () => {
    const exports = vector(Section.Export, concat(name("a"), [3, 0]));
    expect(() => validate(moduleOf(exports)))
      .to.throw(CompileError)
      .with.property("position", 8 + 3);
    expect(() => validate(wat`(module (type (func)) (func (type 0)) (func (type 0) nop i32.eqz))`))
      .to.throw(CompileError, "type mismatch: instruction requires [i32] but stack has []")
      .that.includes({ funcIndex: 1, position: 8 + 6 + 5 + 3 + 3 + 2 + 1 });
  });

  it("tells of malformed bodies in the reference implementation's words", () => {
    const cases: readonly [number[], string][] = [
      [[0x01], "unexpected end of section or function"],
      [[0x0b, 0x01, 0x0b], "section size mismatch"],
      [[0x02, 0x40, 0x05, 0x0b, 0x0b], "END opcode expected"],
      [[0xff, 0x0b], "illegal opcode ff"],
      [[0x28, 0x80, 0x01, 0x00, 0x0b], "malformed memop flags"],
      [[0x41, 0x80, 0x80, 0x80, 0x80, 0x70, 0x1a, 0x0b], "integer too large"],
    ];
    for (const [code, message] of cases) {
      expect(() => validate(moduleOfBody([EMPTY_FUNC_TYPE], body([0], code))), message)
        .to.throw(CompileError, message)
        .that.includes({ kind: "malformed", funcIndex: 0 });
    }
  });
});

describe("Validation", () => {
  const bytes = wat`(module
    (type $s (struct)) (global i32 (i32.const 1)) (table 3 funcref) (elem (i32.const 0) func 0 0 0)
    (func (result i32) (i32.add (i32.mul (i32.const 1) (i32.const 2)) (block (result i32) (i32.const 3)))))`;

  it("can be cut into steps, also inside one body, with the same result", () => {
    const module = decodeModule(bytes);
    const registry = new TypeRegistry();
    const validation = new Validation(module, registry);
    let steps = 1;
    while (!validation.step(1)) steps++;
    expect(steps).to.be.greaterThan(15);
    expect(validation.maxHeights).to.deep.equal(validateModule(module, registry).maxHeights);
    expect(validation.step(1)).to.equal(true);
  });

  it("holds the module's types until it is released, and nothing after an error or when given up", () => {
    const registry = new TypeRegistry();
    const validation = validateModule(decodeModule(bytes), registry);
    expect(registry.size).to.equal(2);
    validation.release();
    expect(registry.size).to.equal(0);
    expect(() => validateModule(decodeModule(wat`(module (type (struct)) (func (result i32)))`), registry)).to.throw(
      CompileError,
    );
    expect(registry.size).to.equal(0);
    const givenUp = new Validation(decodeModule(bytes), registry);
    while (registry.size === 0) givenUp.step(1);
    givenUp.release();
    expect(registry.size).to.equal(0);
  });
});
