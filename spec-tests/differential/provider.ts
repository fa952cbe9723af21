/**
 * A module that exports whatever another one imports, so that any module can be instantiated: functions write
 * down what they are called with and return defaults, a few act as binaryen's fuzzer expects of their names.
 */

import type { Module } from "../../vm/module.ts";
import { Op } from "../../vm/opcodes.ts";
import { Heap, heapOf, Num, refType, type FuncType } from "../../vm/types.ts";
import { Describer, pushDefault } from "./describe.ts";
import { Code, emptyModule, Extension } from "./extension.ts";
import { Word } from "./words.ts";

/** The export of the provider that stands for an import. */
export const providedName = (index: number): string => `import ${index}`;

/** The provider's bytes, or null if something cannot be made. */
export function provide(module: Module): Uint8Array | null {
  const extension = new Extension(emptyModule(module));
  const describer = new Describer(extension, { catches: true });
  const tags = new Map<string, number>();
  // Tags first: the function that throws one needs it.
  module.imports.forEach(({ name, type }, index) => {
    if (type.kind !== "tag") return;
    tags.set(name, extension.tag(type.typeIndex));
    extension.export(providedName(index), "tag", tags.get(name)!);
  });
  for (const [index, { name, type }] of module.imports.entries()) {
    let provided: number;
    switch (type.kind) {
      case "func": {
        const code = functionCode(extension, describer, name, index, type.typeIndex, tags);
        if (code === null) return null;
        provided = extension.func(type.typeIndex, code);
        break;
      }
      case "global": {
        const code = new Code();
        if (!pushDefault(code, type.type.type, module.types)) return null;
        provided = extension.global(type.type, code);
        break;
      }
      case "table": {
        const code = new Code();
        if (!pushDefault(code, type.type.element, module.types)) return null;
        provided = extension.table(type.type, code);
        break;
      }
      case "memory":
        provided = extension.memory(type.type);
        break;
      default:
        continue;
    }
    extension.export(providedName(index), type.kind, provided);
  }
  return extension.encode();
}

function functionCode(
  extension: Extension,
  describer: Describer,
  name: string,
  index: number,
  typeIndex: number,
  tags: ReadonlyMap<string, number>,
): Code | null {
  const { types } = extension.module;
  const { params, results } = types[typeIndex]!.comp as { kind: "func" } & FuncType;
  const code = new Code(params.length);
  describer.word(code, Word.Called);
  describer.word(code, index);
  params.forEach((type, i) => {
    code.op(Op.LocalGet, i);
    describer.value(code, type);
  });
  const tag = tags.get("wasmtag");
  if (name === "throw" && tag !== undefined && params[0] === Num.I32) code.op(Op.LocalGet, 0).op(Op.Throw, tag);
  if (name.startsWith("call-ref") && params[0] !== undefined && heapOf(params[0]) === Heap.Func) {
    callIt(extension, describer, code, name.endsWith("catch"));
  }
  for (const type of results) if (!pushDefault(code, type, types)) return null;
  return code;
}

/** Calls parameter 0 if it takes and returns nothing. */
function callIt(extension: Extension, describer: Describer, code: Code, catches: boolean): void {
  const plain = extension.type({ params: [], results: [] });
  code.op(Op.LocalGet, 0).heap(Op.RefTest, plain).block(Op.If);
  const func = code.local(refType(plain, true));
  code.op(Op.LocalGet, 0).heap(Op.RefCast, plain).op(Op.LocalSet, func);
  const call = (): Code => code.op(Op.LocalGet, func).op(Op.CallRef, plain);
  if (catches) describer.catching(code, call);
  else call();
  code.end();
}
