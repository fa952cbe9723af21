/** How a run ended, as an exit code and a word. */

import { ProcessExit } from "../host/single.ts";
import {
  type CompiledModule,
  CompileError,
  FuelExhausted,
  LinkError,
  SnapshotError,
  Termination,
  Trap,
} from "../vm/index.ts";
import { EXIT_FAILURE, EXIT_LIMIT, EXIT_TRAP, EXIT_USAGE, exitCodeOf, Interrupted, UsageError } from "./exit.ts";
import { counted, errorLine, field } from "./report.ts";

export interface End {
  readonly exitCode: number;
  /** "exit", "trap", "fuel", "memory", …; "usage" is an error from before the guest ran. */
  readonly reason: string;
  /** What the guest gave to proc_exit, if that ended it. */
  readonly guestCode?: number;
  /** What went wrong, in one harmless line. */
  readonly message?: string;
}

export function endOf(error: unknown): End {
  if (error instanceof ProcessExit) {
    return { exitCode: exitCodeOf(error.code), reason: "exit", guestCode: error.code };
  }
  return { ...failureOf(error), message: errorLine(error) };
}

function failureOf(error: unknown): End {
  if (error instanceof Trap) return { exitCode: EXIT_TRAP, reason: "trap" };
  if (error instanceof FuelExhausted) return { exitCode: EXIT_LIMIT, reason: "fuel" };
  if (error instanceof Termination) {
    return { exitCode: EXIT_LIMIT, reason: error.reason.includes("memory") ? "memory" : error.reason };
  }
  if (error instanceof Interrupted) return { exitCode: error.exitCode, reason: error.reason };
  if (
    error instanceof UsageError ||
    error instanceof CompileError ||
    error instanceof LinkError ||
    error instanceof SnapshotError
  ) {
    return { exitCode: EXIT_USAGE, reason: "usage" };
  }
  return { exitCode: EXIT_FAILURE, reason: "error" };
}

/** What a program runs has neither parameters nor a need for any: throws for others, by the export's name. */
export function checkEntry(module: CompiledModule, entry: string): void {
  const type = module.exports.find(({ name }) => name === entry)?.type;
  if (type?.kind !== "func" || type.params.length === 0) return;
  const params = `${counted(type.params.length, "parameter")} (${type.params.join(" ")})`;
  throw new UsageError(`'${entry}' has ${params}, a program's has none: call it with perilune run --invoke ${entry}`);
}

/** For a module that is no program. */
export function noStart(module: CompiledModule): UsageError {
  const names = module.exports.filter(({ type }) => type.kind === "func").map(({ name }) => field(name, 40));
  const hint = names.length === 0 ? "it exports no function" : `it exports ${names.slice(0, 8).join(", ")}`;
  return new UsageError(
    `no '_start' to run: call a function with perilune run --invoke NAME (${hint}${names.length > 8 ? ", …" : ""})`,
  );
}
