/** The public API: what it exports, and that each part of it says what it does. */

import { expect } from "chai";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as vm from "./index.ts";

const VM = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "vm");

/** "file: names" of each export line of vm/index.ts. */
function exported(): { file: string; names: string[] }[] {
  const text = readFileSync(join(VM, "index.ts"), "utf8");
  return [...text.matchAll(/export (?:type )?\{([^}]+)\} from "\.\/([^"]+)"/g)].map(([, names = "", file = ""]) => ({
    file,
    names: names
      .split(",")
      .map((name) => name.trim().replace(/^type /, ""))
      .filter((name) => name !== ""),
  }));
}

/** Names for which the line before their declaration does not end a doc comment. */
function undocumented(lines: readonly string[], declarations: readonly { name: string; line: number }[]): string[] {
  return declarations.filter(({ line }) => !lines[line - 1]?.trimEnd().endsWith("*/")).map(({ name }) => name);
}

/** The public methods and accessors of a class or interface whose declaration begins at `start`. */
function methodsOf(lines: readonly string[], start: number): { name: string; line: number }[] {
  const found: { name: string; line: number }[] = [];
  for (let i = start + 1; i < lines.length && !/^\}/.test(lines[i]!); i++) {
    const match = /^ {2}(?:(?:static|async|get|set|override) )*(\w+)(?:<[^>]*>)?\(/.exec(lines[i]!);
    if (match !== null && match[1] !== "constructor") found.push({ name: match[1]!, line: i });
  }
  // A setter is told by its getter.
  return found.filter(
    ({ name, line }) => !lines[line]!.includes(`set ${name}(`) || !found.some((f) => f.name === name && f.line < line),
  );
}

describe("vm/index.ts", () => {
  it("exports the engine's API and nothing else", () => {
    expect(Object.keys(vm).toSorted()).to.include.members([
      "CompileError",
      "CompiledModule",
      "Engine",
      "FuelExhausted",
      "Func",
      "Global",
      "Instance",
      "InternalError",
      "Invocation",
      "LinkError",
      "Memory",
      "SUSPEND",
      "Store",
      "SuspendError",
      "Table",
      "Tag",
      "Termination",
      "Trap",
      "callGuest",
      "compile",
      "compileSync",
      "continueWith",
      "defaultEngine",
      "validate",
    ]);
    for (const internal of [
      "run",
      "slow",
      "Machine",
      "Lowering",
      "ModuleCode",
      "TypeRegistry",
      "Validation",
      "Decoding",
    ]) {
      expect(vm).to.not.have.property(internal);
    }
    const text = readFileSync(join(VM, "index.ts"), "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
    expect(text.replace(/export (?:type )?\{[^}]*\} from "[^"]+";/g, "").trim(), "re-exports alone").to.equal("");
  });

  it("documents every class, interface, function and method that it exports", () => {
    const missing: string[] = [];
    for (const { file, names } of exported()) {
      const lines = readFileSync(join(VM, file), "utf8").split("\n");
      for (const name of names) {
        const line = lines.findIndex((text) =>
          new RegExp(`^export (?:abstract )?(?:async )?(?:class|interface|type|function|const) ${name}\\b`).test(text),
        );
        if (line < 0) continue;
        const isClass = lines[line]!.includes("class ");
        missing.push(...undocumented(lines, [{ name, line }]).map((item) => `${file}: ${item}`));
        if (isClass)
          missing.push(...undocumented(lines, methodsOf(lines, line)).map((item) => `${file}: ${name}.${item}`));
      }
    }
    expect(missing).to.deep.equal([]);
  });
});
