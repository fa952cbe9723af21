/** What became of one assertion, and when an error of ours fits the one a script expects. */

import { CompileError } from "../vm/errors.ts";

export type Verdict = { readonly kind: "passed" } | { readonly kind: "failed"; readonly detail: string };

export const PASSED: Verdict = { kind: "passed" };

export function failed(detail: string): Verdict {
  return { kind: "failed", detail };
}

/**
 * The expected text must begin the actual one. Where the suite's text carries detail of its own, an
 * index or mnemonic (`unknown memory 1`) or what follows a colon, ours must agree with the words before it.
 */
export function messageFits(actual: string, expected: string): boolean {
  if (actual.startsWith(expected)) return true;
  const words = actual.split(": ", 1)[0] ?? actual;
  return expected.startsWith(words) && /^(:.*| \S+)?$/.test(expected.slice(words.length));
}

/** The verdict over an error that was met where `kind` and `expected` were wanted. */
export function judgeCompileError(error: unknown, kind: "malformed" | "invalid", expected: string): Verdict {
  if (!(error instanceof CompileError)) return failed(`expected "${expected}", got ${errorText(error)}`);
  if (error.kind !== kind) return failed(`expected ${kind} "${expected}", got ${error.kind} "${error.message}"`);
  return messageFits(error.reason, expected) ? PASSED : failed(`expected "${expected}", got "${error.message}"`);
}

export function errorText(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
