/** How a run ended, as an exit code and a word. */

import { ProcessExit } from "../host/index.ts";
import { CompileError, FuelExhausted, LinkError, Termination, Trap } from "../vm/index.ts";
import { EXIT_FAILURE, EXIT_LIMIT, EXIT_TRAP, EXIT_USAGE, exitCodeOf, Interrupted, UsageError } from "./exit.ts";

export interface End {
  readonly exitCode: number;
  /** "exit", "trap", "fuel", "memory", …; "usage" is an error from before the guest ran. */
  readonly reason: string;
}

export function endOf(error: unknown): End {
  if (error instanceof ProcessExit) return { exitCode: exitCodeOf(error.code), reason: "exit" };
  if (error instanceof Trap) return { exitCode: EXIT_TRAP, reason: "trap" };
  if (error instanceof FuelExhausted) return { exitCode: EXIT_LIMIT, reason: "fuel" };
  if (error instanceof Termination) {
    return { exitCode: EXIT_LIMIT, reason: error.reason.includes("memory") ? "memory" : error.reason };
  }
  if (error instanceof Interrupted) return { exitCode: error.exitCode, reason: error.reason };
  if (error instanceof UsageError || error instanceof CompileError || error instanceof LinkError) {
    return { exitCode: EXIT_USAGE, reason: "usage" };
  }
  return { exitCode: EXIT_FAILURE, reason: "error" };
}
