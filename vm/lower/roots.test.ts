/** The slots that the collector follows are those of the validator's stack maps, in every module of the official suite. */

import { expect } from "chai";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Decoding } from "../binary/decode.ts";
import { compileSync, type CompiledModule } from "../compiled-module.ts";
import { CompileError } from "../errors.ts";
import { parseScript } from "../text/script.ts";
import { Num, type ValType } from "../types.ts";
import type { ModuleContext } from "../validate/context.ts";
import { Validation } from "../validate/module.ts";
import { stackMapAt } from "../validate/stack-map.ts";
import { ModuleCode } from "./code.ts";
import { Lowering } from "./lower.ts";
import { NO_ROOT, RootMap } from "./roots.ts";
import { RootKind } from "./source.ts";

const CHECKOUT = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
const SUITE = process.env["SPEC_TESTSUITE"] ?? join(CHECKOUT, "..", "shared", "spec-testsuite");

/** A root map that notes which instruction each operation comes from. */
class Tracked extends RootMap {
  readonly byteOffsets = new Map<number, number>();

  override add(codePosition?: number, byteOffset?: number): void {
    if (codePosition !== undefined && byteOffset !== undefined) this.byteOffsets.set(codePosition, byteOffset);
  }
}

function contextOf(bytes: Uint8Array, module: CompiledModule): ModuleContext {
  const decoding = new Decoding(bytes);
  while (!decoding.step(Number.POSITIVE_INFINITY));
  const validation = new Validation(decoding.module, module.engine.types);
  while (!validation.step(Number.POSITIVE_INFINITY));
  return validation.context;
}

/** Word offsets of the values of traced types, the first at `base`. */
function tracedSlots(module: CompiledModule, types: readonly ValType[], base: number): number[] {
  const slots: number[] = [];
  let at = base;
  for (const type of types) {
    if (module.engine.types.isTraced(type)) slots.push(at);
    at += type === Num.V128 ? 4 : 2;
  }
  return slots;
}

/** Compares all places of a function where exact code may stop; returns how many. */
function compareFunction(module: CompiledModule, context: ModuleContext, funcIndex: number): number {
  const map = new Tracked();
  const code = new ModuleCode(0);
  const lowering = new Lowering(module, code, funcIndex, true, map);
  while (!lowering.step(Number.POSITIVE_INFINITY));
  // The link's offset stands at the head; operands follow it.
  const base = code.words[1]! + 4;
  let count = 0;
  for (const [position, byteOffset] of map.byteOffsets) {
    for (const kind of [RootKind.At, RootKind.Inside]) {
      let operand = map.topAt(kind, position);
      if (operand === undefined) continue;
      const expected = stackMapAt(context, funcIndex, byteOffset);
      if (expected === null || expected.isUnreachable) continue;
      const slots: number[] = [];
      for (; operand !== NO_ROOT; operand = map.below.at(operand)) slots.unshift(map.offsets.at(operand));
      const place = `function ${funcIndex}, byte ${byteOffset}`;
      expect(slots, place).to.deep.equal(tracedSlots(module, expected.operands, base));
      const locals = expected.locals.map(({ type }) => type);
      expect(
        Array.from({ length: map.locals.length }, (_, i) => map.locals.at(i)),
        place,
      ).to.deep.equal(tracedSlots(module, locals, 0));
      count++;
    }
  }
  return count;
}

describe("root maps", () => {
  it("agree with the stack maps of the validator", function () {
    this.timeout(120_000);
    if (!existsSync(SUITE)) {
      console.log("      the official suite was not found: skipped");
      this.skip();
    }
    let count = 0;
    for (const name of readdirSync(SUITE).filter((file) => file.endsWith(".wast"))) {
      if (!/struct|array|ref_|br_on|i31|extern|call_ref|table|local_|try|throw|select|bulk|global|func/.test(name))
        continue;
      for (const command of parseScript(readFileSync(join(SUITE, name))).commands) {
        if (command.kind !== "module") continue;
        let module: CompiledModule;
        let bytes: Uint8Array;
        try {
          bytes = command.source.encode();
          module = compileSync(bytes);
        } catch (error) {
          if (error instanceof CompileError) continue;
          throw error;
        }
        const context = contextOf(bytes, module);
        for (let index = module.data.importedFuncs; index < module.data.funcs.length; index++) {
          count += compareFunction(module, context, index);
        }
      }
    }
    expect(count).to.be.above(3_000);
  });
});
