/** `npm run spec`: selects scripts, runs them in one mode or several, reports, and says how to exit. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { validateScript } from "./modules.ts";
import { modeText, type Options, parseOptions, USAGE } from "./options.ts";
import { failureKey, failuresText, lastLine, resultsJson, skipsText, tableText } from "./report.ts";
import type { FileResult } from "./result.ts";
import { DEFAULT_FOLDERS, HOW_TO_GET_THE_SUITE, readScript, selectFiles, type SuiteFile, suiteRoot } from "./suite.ts";

const KNOWN_FAILURES = join(dirname(fileURLToPath(import.meta.url)), "..", "..", "spec-tests", "known-failures.json");

/**
 * Runs the command line and resolves to the exit code: 0, 1 for failures that are not known (or
 * known ones that are gone), 2 for wrong usage. Where the suite's data is absent it says so and
 * resolves to 0.
 */
export async function specCommand(args: readonly string[], print: (text: string) => void): Promise<number> {
  let options: Options;
  let files: SuiteFile[];
  try {
    options = parseOptions(args);
    if (options.help) {
      print(USAGE);
      return 0;
    }
    const root = suiteRoot();
    if (root === null && options.words.length === 0) {
      print(`${HOW_TO_GET_THE_SUITE}\n0 passed, 0 failed, 0 skipped`);
      return 0;
    }
    files = selectFiles(root, options.words.length === 0 ? DEFAULT_FOLDERS : options.words);
  } catch (error) {
    print(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    return 2;
  }
  if (options.compare) {
    const { compareModes } = await import("./compare.ts");
    return compareModes(files, options, print);
  }
  const results = await runFiles(files, options);
  return report(results, options, print);
}

async function runFiles(files: readonly SuiteFile[], options: Options): Promise<FileResult[]> {
  if (options.validateOnly) return files.map((file) => validateScript(file, readScript(file)));
  const [{ runScript }, { engineFor }] = await Promise.all([import("./runner.ts"), import("./engine.ts")]);
  const engine = engineFor(options.lowering);
  const results: FileResult[] = [];
  for (const file of files)
    results.push(await runScript(file, readScript(file), { mode: options.mode, engine, trace: false }));
  return results;
}

function report(results: readonly FileResult[], options: Options, print: (text: string) => void): number {
  const mode = options.validateOnly ? "validate only" : modeText(options.mode);
  if (options.json !== null) writeFileSync(options.json, resultsJson(mode, results));
  print(`mode: ${mode}\n\n${tableText(results)}\n`);
  const skips = skipsText(results);
  if (skips !== "") print(`${skips}\n`);
  const known = readKnownFailures();
  const failures = new Set(results.flatMap((result) => result.failures.map((failure) => failureKey(result, failure))));
  const fresh = [...failures].filter((key) => !(key in known));
  const ran = new Set(results.map(({ file }) => file.name));
  const mended = Object.keys(known).filter((key) => ran.has(key.replace(/:\d+$/, "")) && !failures.has(key));
  if (failures.size > 0) print(`${failuresText(results, options.failures)}\n`);
  if (failures.size > fresh.length) print(`${failures.size - fresh.length} failures are known`);
  if (mended.length > 0 && !options.validateOnly) print(`known failures that pass: ${mended.join(", ")}`);
  print(lastLine(results));
  return fresh.length > 0 || (mended.length > 0 && !options.validateOnly) ? 1 : 0;
}

/** The failures that are accepted, `file:line` with the reason of each; the published package has none. */
function readKnownFailures(): Readonly<Record<string, string>> {
  if (!existsSync(KNOWN_FAILURES)) return {};
  return JSON.parse(readFileSync(KNOWN_FAILURES, "utf8")) as Record<string, string>;
}
