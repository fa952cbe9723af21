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

export interface Comparison {
  /** Of the unlimited mode. */
  readonly results: readonly FileResult[];
  readonly agree: boolean;
}

/** Prints a row per mode and every difference. */
export async function compareModes(
  files: readonly SuiteFile[],
  options: Options,
  print: (text: string) => void,
): Promise<Comparison> {
  const others = [
    variant("unlimited, eager", UNLIMITED, "eager"),
    ...COMPARED_MODES.filter(({ kind }) => kind !== "unlimited").map((mode) => variant(modeText(mode), mode, "lazy")),
  ];
  // The same runs at two prices: the difference of their fuel is the number of instructions executed.
  const priced = [1, 2].map((price) => variant(`price ${price}`, UNLIMITED, "lazy", enginePriced(price)));
  const compared = await compare(files, others, priced, options, print);
  const [single = 0, double = 0] = priced.map(({ name, results }) => totalsOf(name, results).fuel);
  print(`instructions executed, those without a price left out: ${double - single}\n`);
  return compared;
}

/** Prints how a mode that saves and restores compares with the unlimited one, and what was not saved. */
export async function compareSnapshots(
  files: readonly SuiteFile[],
  options: Options,
  print: (text: string) => void,
): Promise<Comparison> {
  const saving = variant(modeText(options.mode), options.mode, options.lowering);
  const compared = await compare(files, [saving], [], options, print);
  const reasons = new Map<string, number>();
  for (const reason of saving.results.flatMap(({ unsaved }) => unsaved)) {
    const kind = reason.replaceAll(/\d+/g, "…");
    reasons.set(kind, (reasons.get(kind) ?? 0) + 1);
  }
  for (const [reason, count] of reasons) print(`${count} times: ${reason}`);
  return compared;
}

async function compare(
  files: readonly SuiteFile[],
  others: readonly Variant[],
  priced: readonly Variant[],
  options: Options,
  print: (text: string) => void,
): Promise<Comparison> {
  const first = variant("unlimited, lazy", UNLIMITED, "lazy");
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
    const { passed, failed, runs, pauses, snapshots, fuel, seconds } = totalsOf(name, results);
    return [name, ...[passed, failed, runs, pauses, snapshots, fuel].map(String), seconds.toFixed(1)];
  });
  print(columns([["mode", "passed", "failed", "runs", "pauses", "snapshots", "fuel", "seconds"], ...rows]));
  print(differences.length === 0 ? "\nall modes agree\n" : `${differences.slice(0, options.failures).join("\n")}\n`);
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
export function firstDifference(expected: FileResult | undefined, actual: FileResult): string | null {
  if (expected === undefined) return "was not run";
  const length = Math.max(expected.trace.length, actual.trace.length);
  for (let index = 0; index < length; index++) {
    const one = expected.trace[index];
    const other = actual.trace[index];
    if (one !== other) return `${one ?? "nothing"} became ${other ?? "nothing"}`;
  }
  const counts = ({ passed, failures }: FileResult): string => `${passed} passed, ${failures.length} failed`;
  return counts(expected) === counts(actual) ? null : `${counts(expected)} became ${counts(actual)}`;
}
