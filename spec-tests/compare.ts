/**
 * Runs the same scripts in several modes and compares them action by action: results, errors and
 * fuel may not depend on where a run was paused, nor on when bodies were lowered.
 */

import { engineFor } from "./engine.ts";
import { COMPARED_MODES, type Mode, modeText, type Options } from "./options.ts";
import { columns, lastLine, totalsOf } from "./report.ts";
import type { FileResult } from "./result.ts";
import { type RunOptions, runScript } from "./runner.ts";
import { readScript, type SuiteFile } from "./suite.ts";

interface Variant {
  readonly name: string;
  readonly run: RunOptions;
  readonly results: FileResult[];
}

function variants(): [Variant, ...Variant[]] {
  const variant = (name: string, mode: Mode, lowering: Options["lowering"]): Variant => ({
    name,
    run: { mode, engine: engineFor(lowering), trace: true },
    results: [],
  });
  const unlimited: Mode = { kind: "unlimited" };
  return [
    variant("unlimited, lazy", unlimited, "lazy"),
    variant("unlimited, eager", unlimited, "eager"),
    ...COMPARED_MODES.filter(({ kind }) => kind !== "unlimited").map((mode) => variant(modeText(mode), mode, null)),
  ];
}

/** Resolves to the exit code: 0 if all variants agree and the first has no failure. */
export async function compareModes(
  files: readonly SuiteFile[],
  options: Options,
  print: (text: string) => void,
): Promise<number> {
  const all = variants();
  const [first, ...others] = all;
  const differences: string[] = [];
  for (const file of files) {
    const script = readScript(file);
    for (const variant of all) variant.results.push(await runScript(file, script, variant.run));
    const expected = first.results.at(-1);
    for (const { name, results } of others) {
      const difference = firstDifference(expected, results.at(-1));
      if (difference !== null) differences.push(`${file.name}, ${name}: ${difference}`);
    }
    // A trace has a line per action; only the counts are needed once its file is compared.
    for (const { results } of all) results.at(-1)?.trace.splice(0);
  }
  const rows = all.map(({ name, results }) => {
    const { passed, failed, skipped, pauses, fuel, seconds } = totalsOf(name, results);
    return [name, ...[passed, failed, skipped, pauses, fuel].map(String), seconds.toFixed(1)];
  });
  print(columns([["mode", "passed", "failed", "skipped", "pauses", "fuel", "seconds"], ...rows]));
  print(differences.length === 0 ? "\nall modes agree\n" : `\n${differences.slice(0, options.failures).join("\n")}\n`);
  print(lastLine(first.results));
  return differences.length === 0 && totalsOf("all", first.results).failed === 0 ? 0 : 1;
}

/** The first action that two runs of a script disagree about, or null. */
function firstDifference(expected: FileResult | undefined, actual: FileResult | undefined): string | null {
  if (expected === undefined || actual === undefined) return "was not run";
  const length = Math.max(expected.trace.length, actual.trace.length);
  for (let index = 0; index < length; index++) {
    const one = expected.trace[index];
    const other = actual.trace[index];
    if (one !== other) return `${one ?? "nothing"} became ${other ?? "nothing"}`;
  }
  const counts = ({ passed, failures, skips }: FileResult): string => `${passed}, ${failures.length}, ${skips.length}`;
  return counts(expected) === counts(actual)
    ? null
    : `${counts(expected)} became ${counts(actual)} (passed, failed, skipped)`;
}
