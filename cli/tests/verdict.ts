/** Whether a test passed, from how its process ended, what was expected, and the panic in its output. */

import type { TestCase } from "./cases.ts";
import { panicMessage } from "./panics.ts";

export interface Verdict {
  readonly passed: boolean;
  /** Lines for the test's output that say what is not seen in it. */
  readonly note: string | null;
}

const PASSED: Verdict = { passed: true, note: null };

/**
 * `reason` says in words why the process failed; null: it ended normally. `isEnded`: by a limit, by its timeout, or because
 * nothing could wake it, which nobody expects. `output` is of its own process.
 */
export function verdict({ panic }: TestCase, reason: string | null, output: string, isEnded = false): Verdict {
  if (reason === null) {
    return panic === null ? PASSED : { passed: false, note: "note: test did not panic as expected" };
  }
  const message = panicMessage(output);
  const failed = `note: the test's process failed: ${reason}`;
  if (isEnded) return { passed: false, note: failed };
  if (panic === null) return { passed: false, note: message === null ? failed : null };
  if (message === null) {
    return panic === "" ? PASSED : { passed: false, note: `note: the test failed without a panic message: ${reason}` };
  }
  if (message.includes(panic)) return PASSED;
  const lines = ["note: panic did not contain expected string", `      panic message: \`${JSON.stringify(message)}\`,`];
  return { passed: false, note: [...lines, ` expected substring: \`${JSON.stringify(panic)}\``].join("\n") };
}
