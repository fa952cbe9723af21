/** The failures that are accepted: known-failures.json names each by `file:line`, with its reason. */

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FileResult, Finding } from "./result.ts";

const LIST = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "spec-tests", "known-failures.json");

export type KnownFailures = Readonly<Record<string, string>>;

/** The name under which a failure stands in the list. */
export function failureKey(result: FileResult, finding: Finding): string {
  return `${result.file.name}:${finding.line}`;
}

/** The published package has no list: nothing is accepted there. */
export function readKnownFailures(): KnownFailures {
  return existsSync(LIST) ? (JSON.parse(readFileSync(LIST, "utf8")) as KnownFailures) : {};
}

export interface Comparison {
  /** Failures that the list does not name. */
  readonly fresh: readonly string[];
  /** Failures that it names. */
  readonly known: readonly string[];
  /** What it names in scripts that ran, but does not fail: to be taken off the list. */
  readonly mended: readonly string[];
}

export function compareWithKnown(results: readonly FileResult[], list: KnownFailures): Comparison {
  const failures = new Set(results.flatMap((result) => result.failures.map((failure) => failureKey(result, failure))));
  const ran = new Set(results.map(({ file }) => file.name));
  return {
    fresh: [...failures].filter((key) => !(key in list)),
    known: [...failures].filter((key) => key in list),
    mended: Object.keys(list).filter((key) => ran.has(key.replace(/:\d+$/, "")) && !failures.has(key)),
  };
}
