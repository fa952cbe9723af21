/** Decoder and validator on modules from npm packages, beside other implementations that read the same bytes. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { expect } from "chai";
import fc from "fast-check";
import { decodeModule, Decoding } from "../binary/decode.ts";
import { readInstruction, type DecodedInstruction } from "../binary/instructions.ts";
import { readValType } from "../binary/read-types.ts";
import { Reader } from "../binary/reader.ts";
import { skipLocals } from "../binary/skip-expr.ts";
import { CompileError } from "../errors.ts";
import type { Module } from "../module.ts";
import { Op } from "../opcodes.ts";
import { TypeRegistry } from "../type-registry.ts";
import { EXTERNREF, FUNCREF, Heap, isRefType, Num, valTypeText, type ValType } from "../types.ts";
import { validateModule, Validation } from "./module.ts";

const require = createRequire(import.meta.url);

function fileModule(specifier: string): Uint8Array {
  return new Uint8Array(readFileSync(require.resolve(specifier)));
}

/** The modules that a package carries as base64 in its source. */
function embeddedModules(specifier: string): Uint8Array[] {
  const text = readFileSync(require.resolve(specifier), "utf8");
  return (text.match(/AGFzbQ[A-Za-z0-9+/]+=*/g) ?? []).map((base64) => new Uint8Array(Buffer.from(base64, "base64")));
}

const SOURCE_MAP = fileModule("source-map/lib/mappings.wasm");
const LLHTTP = embeddedModules("undici/lib/llhttp/llhttp-wasm.js")[0]!;

const MODULES: readonly (readonly [name: string, bytes: Uint8Array])[] = [
  ["quickjs-wasi", fileModule("quickjs-wasi/quickjs.wasm")],
  ["source-map", SOURCE_MAP],
  ["undici's llhttp", LLHTTP],
  ["undici's llhttp with SIMD", embeddedModules("undici/lib/llhttp/llhttp_simd-wasm.js")[0]!],
  ...embeddedModules("hash-wasm").map((bytes, i) => [`hash-wasm ${i}`, bytes] as const),
];

function validate(bytes: Uint8Array, registry = new TypeRegistry()): void {
  validateModule(decodeModule(bytes), registry).release();
}

describe("real modules", () => {
  it("are there", () => {
    expect(MODULES.length).to.be.greaterThan(15);
  });

  it("are valid, and have the imports and exports that the host's engine sees", () => {
    for (const [name, bytes] of MODULES) {
      validate(bytes);
      const module = decodeModule(bytes);
      const host = new WebAssembly.Module(bytes);
      const ours = module.imports.map(({ module, name, type }) => `${module} ${name} ${hostKind(type.kind)}`);
      expect(ours, name).to.deep.equal(
        WebAssembly.Module.imports(host).map(({ module, name, kind }) => `${module} ${name} ${kind}`),
      );
      const exports = module.exports.map(({ name, kind }) => ({ name, kind: hostKind(kind) }));
      expect(exports, name).to.deep.equal(WebAssembly.Module.exports(host).map(({ name, kind }) => ({ name, kind })));
    }
  });

  it("give the same result in steps of any size", () => {
    for (const budget of [1, 100, 10_000]) {
      const registry = new TypeRegistry();
      const decoding = new Decoding(SOURCE_MAP);
      while (!decoding.step(budget));
      const validation = new Validation(decoding.module, registry);
      while (!validation.step(budget));
      expect(decoding.module).to.deep.equal(decodeModule(SOURCE_MAP));
      expect(validation.maxHeights).to.deep.equal(validateModule(decoding.module, registry).maxHeights);
    }
  });

  it("with bytes changed end in a CompileError, or are valid and then valid for the host's engine too", () => {
    const registry = new TypeRegistry();
    const small = MODULES.filter(([, bytes]) => bytes.length < 60_000);
    const change = fc.record({
      at: fc.nat(),
      to: fc.oneof(fc.nat(255), fc.constantFrom(0, 0x0b, 0x40, 0x7f, 0x80, 0xff)),
    });
    fc.assert(
      fc.property(fc.nat(small.length - 1), fc.array(change, { minLength: 1, maxLength: 4 }), (which, changes) => {
        const bytes = small[which]![1].slice();
        for (const { at, to } of changes) bytes[at % bytes.length] = to;
        let isValid = true;
        try {
          validate(bytes, registry);
        } catch (error) {
          if (!(error instanceof CompileError)) throw error;
          isValid = false;
          expect(error.position).to.be.a("number");
        }
        // What we find invalid the host may accept: it is laxer in unreachable code, and its proposals differ.
        if (isValid) expect(WebAssembly.validate(bytes) || usesNewerFeatures(bytes)).to.equal(true);
        expect(registry.size).to.equal(0);
      }),
      { numRuns: 300 },
    );
  });

  it("cut off anywhere are malformed", () => {
    for (let length = 0; length < SOURCE_MAP.length; length += 487) {
      expect(() => validate(SOURCE_MAP.slice(0, length)), String(length))
        .to.throw(CompileError)
        .with.property("kind", "malformed");
    }
  });

  it("have the types, imports, exports and instructions that @webassemblyjs/wasm-parser reads", () => {
    for (const bytes of [SOURCE_MAP, LLHTTP]) compareWithWasmParser(bytes);
  }).timeout(60_000);
});

function hostKind(kind: string): string {
  return kind === "func" ? "function" : kind;
}

/** What the host of Node 20 does not know, or limits more than the specification does. */
function usesNewerFeatures(bytes: Uint8Array): boolean {
  const module = decodeModule(bytes);
  const limits = [...module.memories, ...module.tables.map(({ type }) => type)];
  const values = module.types.flatMap(({ comp }) => (comp.kind === "func" ? [...comp.params, ...comp.results] : []));
  const types = [
    ...values,
    ...module.globals.map(({ type }) => type.type),
    ...module.tables.map(({ type }) => type.element),
  ];
  return (
    module.memories.length > 1 ||
    module.tags.length > 0 ||
    limits.some(({ limits, address }) => address === Num.I64 || limits.min > 10_000n || limits.max !== null) ||
    module.types.some(({ final, comp }) => !final || comp.kind !== "func") ||
    types.some(isNewerType) ||
    Array.from(module.bodyStarts).some(
      (_, body) =>
        localTypesOf(module, body).some(isNewerType) || instructionsOf(module, body).some(isNewerInstruction),
    )
  );
}

function isNewerType(type: ValType): boolean {
  return isRefType(type) && type !== FUNCREF && type !== EXTERNREF;
}

/** Tail calls, typed references, GC, exceptions, atomics and relaxed SIMD; or blocks and operands of such types. */
function isNewerInstruction({ op, immediates }: DecodedInstruction): boolean {
  const isCall = op >= Op.ReturnCall && op <= Op.ReturnCallRef;
  const isReference = op >= Op.RefEq && op <= Op.BrOnNonNull;
  const isGarbageCollected = op >= Op.StructNew && op <= Op.I31GetU;
  const isOther =
    op === Op.TryTable || op === Op.Throw || op === Op.ThrowRef || (op >= 0x300 && op < 0x400) || op >= 0x500;
  return (
    isCall ||
    isReference ||
    isGarbageCollected ||
    isOther ||
    op === Op.CallRef ||
    immediates.some(
      (each) => each.kind === "blocktype" && each.type.kind === "result" && isNewerType(each.type.type),
    ) ||
    immediates.some((each) => each.kind === "valtypes" && each.types.some(isNewerType)) ||
    immediates.some((each) => each.kind === "heaptype" && each.heap !== Heap.Func && each.heap !== Heap.Extern)
  );
}

/** The type of each run of locals. */
function localTypesOf(module: Module, body: number): ValType[] {
  const reader = new Reader(module.bytes, module.bodyStarts[body]!);
  return Array.from({ length: reader.u32() }, () => {
    reader.u32();
    return readValType(reader);
  });
}

function instructionsOf(module: Module, body: number): DecodedInstruction[] {
  const reader = new Reader(module.bytes, module.bodyStarts[body]!, module.bodyEnds[body]!);
  skipLocals(reader);
  const instructions: DecodedInstruction[] = [];
  while (reader.position < reader.end) instructions.push(readInstruction(reader));
  return instructions;
}

// The other decoder's tree, as far as it is compared. Its instructions have names of before 2019.

interface Signature {
  readonly params: readonly { readonly valtype: string }[];
  readonly results: readonly string[];
}

interface OtherNode {
  readonly type: string;
  readonly id?: string;
  readonly object?: string;
  readonly name?: string;
  readonly module?: string;
  readonly functype?: Signature;
  readonly args?: readonly { readonly value?: unknown }[];
  readonly namedArgs?: { readonly offset?: { readonly value: number } };
  readonly index?: { readonly value: number };
  readonly instr?: readonly OtherNode[];
  readonly test?: readonly OtherNode[];
  readonly consequent?: readonly OtherNode[];
  readonly alternate?: readonly OtherNode[];
  readonly body?: readonly OtherNode[];
}

interface OtherParser {
  decode(
    buffer: ArrayBufferLike,
    options: object,
  ): { readonly body: readonly [{ readonly fields: readonly OtherNode[] }] };
}

function compareWithWasmParser(bytes: Uint8Array): void {
  const { decode } = require("@webassemblyjs/wasm-parser") as OtherParser;
  const { fields } = decode(bytes.slice().buffer, {}).body[0];
  const of = (type: string) => fields.filter((field) => field.type === type);
  const module = decodeModule(bytes);
  expect(
    module.types.map(({ comp }) =>
      comp.kind === "func" ? [comp.params, comp.results].map((types) => types.map(valTypeText)) : null,
    ),
  ).to.deep.equal(
    of("TypeInstruction").map(({ functype }) => [functype!.params.map(({ valtype }) => valtype), functype!.results]),
  );
  expect(module.imports.map(({ module, name }) => [module, name])).to.deep.equal(
    of("ModuleImport").map(({ module, name }) => [module, name]),
  );
  expect(module.exports.map(({ name }) => name)).to.deep.equal(of("ModuleExport").map(({ name }) => name));
  const bodies = of("Func");
  expect(module.bodyStarts).to.have.length(bodies.length);
  for (let i = 0; i < bodies.length; i++) {
    expect(ourInstructions(module, i), `body ${i}`).to.deep.equal(otherInstructions(bodies[i]!.body!));
  }
}

/** One text for each instruction: its mnemonic and what the other decoder tells of its immediates. `end` and `else` are left out. */
function ourInstructions(module: Module, body: number): string[] {
  return instructionsOf(module, body)
    .filter(({ op }) => op !== Op.End && op !== Op.Else)
    .map((decoded) => `${decoded.instruction.mnemonic} ${ourImmediate(decoded)}`);
}

function ourImmediate({ immediates }: DecodedInstruction): string {
  const [immediate] = immediates;
  switch (immediate?.kind) {
    case "localidx":
    case "globalidx":
    case "labelidx":
    case "funcidx":
    case "i32":
      return String(immediate.value);
    case "memarg":
      return String(immediate.offset);
    default:
      return "";
  }
}

function otherInstructions(nodes: readonly OtherNode[]): string[] {
  return nodes.flatMap((node) => {
    switch (node.type) {
      case "BlockInstruction":
      case "LoopInstruction":
        return [`${node.id} `, ...otherInstructions(node.instr!)];
      case "IfInstruction":
        return ["if ", ...otherInstructions([...node.test!, ...node.consequent!, ...node.alternate!])];
      case "CallInstruction":
        return [`call ${node.index!.value}`];
      case "CallIndirectInstruction":
        return ["call_indirect "];
      default:
        // Local declarations stand among the instructions.
        return node.id === "local" || node.id === "end" ? [] : [`${presentName(node)} ${otherImmediate(node)}`];
    }
  });
}

const RENAMED: Readonly<Record<string, string>> = {
  get_local: "local.get",
  set_local: "local.set",
  tee_local: "local.tee",
  get_global: "global.get",
  set_global: "global.set",
  grow_memory: "memory.grow",
  current_memory: "memory.size",
};

/** "wrap/i64" is "wrap_i64" today, "extend_u/i32" is "extend_i32_u"; loads of i32 are called u32. */
function presentName({ id, object }: OtherNode): string {
  if (object === undefined) return RENAMED[id!] ?? id!;
  const name = id!.replace(
    /^(\w+?)(_[su])?\/(\w+)$/,
    (_, verb: string, sign: string | undefined, from: string) => `${verb}_${from}${sign ?? ""}`,
  );
  return `${object.replace("u", "i")}.${name}`;
}

function otherImmediate({ id, object, args, namedArgs }: OtherNode): string {
  if (namedArgs?.offset !== undefined) return String(namedArgs.offset.value);
  if (id === "const" && object !== "i32") return "";
  const takesIndex = /^((get|set|tee)_(local|global)|br|br_if|const)$/.test(id!);
  return takesIndex ? String(args![0]!.value) : "";
}
