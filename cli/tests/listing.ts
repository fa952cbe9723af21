/** What `perilune test` prints, in the words and order of Rust's own test program. */

import { field } from "../report.ts";
import type { TestCase } from "./cases.ts";

const COLOURS = { ok: 92, FAILED: 91, ignored: 93 } as const;

const MAX_NAME_BYTES = 4_096;

export type Word = keyof typeof COLOURS;

export interface Finished {
  readonly test: TestCase;
  readonly passed: boolean;
  readonly output: string;
}

export interface Summary {
  readonly finished: readonly Finished[];
  readonly ignored: number;
  readonly filteredOut: number;
  readonly seconds: number;
}

export class Listing {
  readonly #isColoured: boolean;

  constructor(isColoured: boolean) {
    this.#isColoured = isColoured;
  }

  word(word: Word): string {
    return this.#isColoured ? `\u001b[${COLOURS[word]}m${word}\u001b[0m` : word;
  }

  start(count: number): string {
    return `\nrunning ${count} ${count === 1 ? "test" : "tests"}\n`;
  }

  line({ name, panic }: TestCase, word: Word): string {
    return `test ${nameText(name)}${panic === null ? "" : " - should panic"} ... ${this.word(word)}\n`;
  }

  summary({ finished, ignored, filteredOut, seconds }: Summary, showOutput: boolean): string {
    const passed = finished.filter((each) => each.passed);
    const failed = finished.filter((each) => !each.passed);
    const parts: string[] = [];
    if (showOutput) parts.push(...section("successes", passed));
    if (failed.length > 0) parts.push(...section("failures", failed));
    const counts = [
      `${passed.length} passed`,
      `${failed.length} failed`,
      `${ignored} ignored`,
      "0 measured",
      `${filteredOut} filtered out`,
      `finished in ${seconds.toFixed(2)}s`,
    ];
    parts.push(`\ntest result: ${this.word(failed.length === 0 ? "ok" : "FAILED")}. ${counts.join("; ")}\n\n`);
    return parts.join("");
  }
}

/** Names of tests are names of exports. What Rust may call a function stays as it is. */
export function nameText(name: string): string {
  return field(name, MAX_NAME_BYTES);
}

function section(heading: string, finished: readonly Finished[]): string[] {
  const outputs = finished.filter(({ output }) => output !== "");
  const blocks = outputs.map(({ test, output }) => `\n---- ${nameText(test.name)} stdout ----\n${withLineEnd(output)}`);
  const names = finished.map(({ test }) => `    ${nameText(test.name)}\n`);
  return [`\n${heading}:\n`, ...blocks, `\n${heading}:\n`, ...names];
}

function withLineEnd(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}
