/** What a run of one script found: counts, and every failure and skip with its line. */

import type { SuiteFile } from "./suite.ts";
import type { Verdict } from "./verdict.ts";

/** A failure or skip: which command, and why. */
export interface Finding {
  readonly line: number;
  /** The kind of command, such as `assert_trap`. */
  readonly command: string;
  readonly detail: string;
}

export interface Ratio {
  passed: number;
  total: number;
}

const ratio = (): Ratio => ({ passed: 0, total: 0 });

/** The columns of the report that count a part of what there was. */
export const RATIOS = ["malformed", "invalid", "texts", "binaries"] as const;
export type RatioName = (typeof RATIOS)[number];

export class FileResult {
  readonly file: SuiteFile;
  /** Assertions that hold. Other commands count only when they fail. */
  passed = 0;
  readonly failures: Finding[] = [];
  /** Malformed and invalid modules rejected for the expected reason; valid ones accepted by `validate`. */
  readonly ratios: Readonly<Record<RatioName, Ratio>> = {
    malformed: ratio(),
    invalid: ratio(),
    texts: ratio(),
    binaries: ratio(),
  };
  /** Turns that ended because their fuel was used up. */
  pauses = 0;
  fuel = 0;
  /** How often the store was saved and restored, and why it was not. */
  snapshots = 0;
  readonly unsaved: string[] = [];
  /** Invocations that used fuel: each ends once without a pause. */
  runs = 0;
  seconds = 0;
  /** One line per action with its results and fuel; empty unless the run is to be compared. */
  readonly trace: string[] = [];

  constructor(file: SuiteFile) {
    this.file = file;
  }

  /** Records the verdict over an assertion, and in which column of the report it counts besides. */
  assertion(line: number, command: string, verdict: Verdict, column?: RatioName): void {
    if (column !== undefined) this.count(column, verdict.kind === "passed");
    if (verdict.kind === "passed") this.passed++;
    else this.failures.push({ line, command, detail: verdict.detail });
  }

  /** Records the failure of a command that is no assertion. */
  commandFailed(line: number, command: string, detail: string): void {
    this.failures.push({ line, command, detail });
  }

  count(column: RatioName, passed: boolean): void {
    const counted = this.ratios[column];
    counted.total++;
    if (passed) counted.passed++;
  }
}
