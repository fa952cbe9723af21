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
import { errorLine, field } from "./report.ts";

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

/** For a module that is no program. */
export function noStart(module: CompiledModule): UsageError {
  const names = module.exports.filter(({ type }) => type.kind === "func").map(({ name }) => field(name, 40));
  const hint = names.length === 0 ? "it exports no function" : `it exports ${names.slice(0, 8).join(", ")}`;
  return new UsageError(
    `no '_start' to run: call a function with perilune run --invoke NAME (${hint}${names.length > 8 ? ", …" : ""})`,
  );
}
