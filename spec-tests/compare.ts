/**
 * Runs the same scripts in several modes and compares them action by action: results, errors and
 * fuel may not depend on where a run was paused, nor on when bodies were lowered.
 */

import { Engine } from "../vm/index.ts";
import { INSTRUCTION_BY_NUMBER } from "../vm/opcodes.ts";
import { COMPARED_MODES, type Mode, modeText, type Options } from "./options.ts";
import { columns, totalsOf } from "./report.ts";
import type { FileResult } from "./result.ts";
import { type RunOptions, runScript } from "./runner.ts";
import { readScript, type SuiteFile } from "./suite.ts";

interface Variant {
  readonly name: string;
  readonly run: RunOptions;
  readonly results: FileResult[];
}

const UNLIMITED: Mode = { kind: "unlimited" };

function variant(name: string, mode: Mode, lowering: Options["lowering"], engine = new Engine()): Variant {
  return { name, run: { mode, engine, lowering, trace: true }, results: [] };
}

/** An engine where everything that has a price costs `price`, and what instructions move costs as ever. */
function enginePriced(price: number): Engine {
  const priced = INSTRUCTION_BY_NUMBER.flatMap((row) => (row && row.price > 0 ? [[row.mnemonic, price] as const] : []));
  return new Engine({ prices: Object.fromEntries(priced) });
}

/** Prints a row per mode and every difference. `results` are those of the unlimited mode. */
export async function compareModes(
  files: readonly SuiteFile[],
  options: Options,
  print: (text: string) => void,
): Promise<{ readonly results: readonly FileResult[]; readonly agree: boolean }> {
  const first = variant("unlimited, lazy", UNLIMITED, "lazy");
  const others = [
    variant("unlimited, eager", UNLIMITED, "eager"),
    ...COMPARED_MODES.filter(({ kind }) => kind !== "unlimited").map((mode) => variant(modeText(mode), mode, "lazy")),
  ];
  // The same runs at two prices: the difference of their fuel is the number of instructions executed.
  const priced = [1, 2].map((price) => variant(`price ${price}`, UNLIMITED, "lazy", enginePriced(price)));
  const differences: string[] = [];
  for (const file of files) {
    const script = readScript(file);
    const [expected, ...actual] = await runAll([first, ...others], file, script);
    await runAll(priced, file, script);
    actual.forEach((result, index) => {
      const difference = firstDifference(expected, result);
      if (difference !== null) differences.push(`${file.name}, ${others[index]?.name}: ${difference}`);
    });
    // A trace has a line per action; only the counts are needed once its file is compared.
    for (const { results } of [first, ...others, ...priced]) results.at(-1)?.trace.splice(0);
  }
  const rows = [first, ...others].map(({ name, results }) => {
    const { passed, failed, skipped, runs, pauses, fuel, seconds } = totalsOf(name, results);
    return [name, ...[passed, failed, skipped, runs, pauses, fuel].map(String), seconds.toFixed(1)];
  });
  print(columns([["mode", "passed", "failed", "skipped", "runs", "pauses", "fuel", "seconds"], ...rows]));
  const [single = 0, double = 0] = priced.map(({ name, results }) => totalsOf(name, results).fuel);
  print(`\ninstructions executed, those without a price left out: ${double - single}`);
  print(differences.length === 0 ? "all modes agree\n" : `${differences.slice(0, options.failures).join("\n")}\n`);
  return { results: first.results, agree: differences.length === 0 };
}

async function runAll(variants: readonly Variant[], file: SuiteFile, script: Uint8Array): Promise<FileResult[]> {
  const made: FileResult[] = [];
  for (const { run, results } of variants) {
    const result = await runScript(file, script, run);
    results.push(result);
    made.push(result);
  }
  return made;
}

/** The first action that two runs of a script disagree about, or null. */
function firstDifference(expected: FileResult | undefined, actual: FileResult): string | null {
  if (expected === undefined) return "was not run";
  const length = Math.max(expected.trace.length, actual.trace.length);
  for (let index = 0; index < length; index++) {
    const one = expected.trace[index];
    const other = actual.trace[index];
    if (one !== other) return `${one ?? "nothing"} became ${other ?? "nothing"}`;
  }
  const counts = ({ passed, failures, skips }: FileResult): string =>
    `${passed} passed, ${failures.length} failed, ${skips.length} skipped`;
  return counts(expected) === counts(actual) ? null : `${counts(expected)} became ${counts(actual)}`;
}
