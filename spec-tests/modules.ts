/**
 * What a script says about modules without running them: which are malformed or invalid, and that
 * all the others are accepted by `validate`.
 */

import { decodeModule } from "../vm/binary/decode.ts";
import type { Command, ModuleSource } from "../vm/text/commands.ts";
import { parseScript } from "../vm/text/script.ts";
import type { Proposals } from "../vm/proposals.ts";
import { TypeRegistry } from "../vm/type-registry.ts";
import { validateModule } from "../vm/validate/module.ts";
import { FileResult } from "./result.ts";
import { proposalsOf, type SuiteFile } from "./suite.ts";
import { errorText, failed, judgeCompileError, type Verdict } from "./verdict.ts";

const registry = new TypeRegistry();

/** Decodes and validates. Throws a CompileError. */
function requireValid(bytes: Uint8Array, proposals: Proposals): void {
  validateModule(decodeModule(bytes, proposals), registry, proposals);
}

/** Runs an assertion that a module is rejected; false if the command is none. */
export function judgeRejection(command: Command, result: FileResult, proposals: Proposals): boolean {
  switch (command.kind) {
    case "assert_malformed":
    case "assert_malformed_custom": {
      const verdict = rejection(command.source, "malformed", command.message, proposals);
      result.assertion(command.line, command.kind, verdict, "malformed");
      return true;
    }
    case "assert_invalid":
    case "assert_invalid_custom": {
      const verdict = rejection(command.source, "invalid", command.message, proposals);
      result.assertion(command.line, command.kind, verdict, "invalid");
      return true;
    }
    default:
      return false;
  }
}

function rejection(
  source: ModuleSource,
  kind: "malformed" | "invalid",
  expected: string,
  proposals: Proposals,
): Verdict {
  try {
    requireValid(source.encode(), proposals);
  } catch (error) {
    return judgeCompileError(error, kind, expected);
  }
  return failed(`expected ${kind} "${expected}", but the module was accepted`);
}

/**
 * Records whether a module that the script takes for valid is accepted, and gives what `compile`
 * makes of its bytes, or null.
 */
export function judgeAcceptance<T>(
  command: { readonly line: number; readonly kind: string },
  source: ModuleSource,
  result: FileResult,
  compile: (bytes: Uint8Array) => T,
): T | null {
  const column = source.format === "binary" ? "binaries" : "texts";
  try {
    const compiled = compile(source.encode());
    result.count(column, true);
    return compiled;
  } catch (error) {
    result.count(column, false);
    result.commandFailed(command.line, command.kind, `a valid module was refused: ${errorText(error)}`);
    return null;
  }
}

/** Judges a script's modules without executing anything; assertions about runs are left out of the counts. */
export function validateScript(file: SuiteFile, script: string | Uint8Array): FileResult {
  const result = new FileResult(file);
  const start = performance.now();
  try {
    const proposals = proposalsOf(file);
    judgeModules(parseScript(script, { proposals }).commands, result, proposals);
  } catch (error) {
    result.commandFailed(0, "script", errorText(error));
  }
  result.seconds = (performance.now() - start) / 1000;
  return result;
}

function judgeModules(commands: readonly Command[], result: FileResult, proposals: Proposals): void {
  for (const command of commands) {
    if (command.kind === "thread") judgeModules(command.commands, result, proposals);
    else if (isAboutValidModule(command)) {
      judgeAcceptance(command, command.source, result, (bytes) => requireValid(bytes, proposals));
    } else judgeRejection(command, result, proposals);
  }
}

function isAboutValidModule(
  command: Command,
): command is Command & { kind: "module" | "assert_unlinkable" | "assert_module_trap" } {
  return command.kind === "module" || command.kind === "assert_unlinkable" || command.kind === "assert_module_trap";
}
