/** `npm run spec`: selects scripts, runs them in one mode or several, reports, and says how to exit. */

import { writeFileSync } from "node:fs";
import { Engine } from "../vm/index.ts";
import { compareModes, compareSnapshots } from "./compare.ts";
import { compareWithKnown, readKnownFailures } from "./known-failures.ts";
import { validateScript } from "./modules.ts";
import { modeText, type Options, parseOptions, USAGE } from "./options.ts";
import { failuresText, lastLine, resultsJson, tableText } from "./report.ts";
import type { FileResult } from "./result.ts";
import { type RunOptions, runScript } from "./runner.ts";
import { DEFAULT_FOLDERS, HOW_TO_GET_THE_SUITE, readScript, selectFiles, type SuiteFile, suiteRoot } from "./suite.ts";

/**
 * Runs the command line and resolves to the exit code: 0, 1 for failures that are not known (or
 * known ones that are gone) and for modes that disagree, 2 for wrong usage. Where the suite's data
 * is absent it says so and resolves to 0.
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
  if (options.compare || options.mode.kind === "snapshots") {
    const run = options.compare ? compareModes : compareSnapshots;
    const { results, agree } = await run(files, options, print);
    const code = report("unlimited", results, options, print);
    return agree ? code : 1;
  }
  const results = options.validateOnly
    ? files.map((file) => validateScript(file, readScript(file)))
    : await runFiles(files, options);
  return report(options.validateOnly ? "validate only" : modeText(options.mode), results, options, print);
}

async function runFiles(files: readonly SuiteFile[], { mode, lowering }: Options): Promise<FileResult[]> {
  const run: RunOptions = { mode, engine: new Engine(), lowering, trace: false };
  const results: FileResult[] = [];
  for (const file of files) results.push(await runScript(file, readScript(file), run));
  return results;
}

/** Prints the results; the exit code. */
function report(mode: string, results: readonly FileResult[], options: Options, print: (text: string) => void): number {
  if (options.json !== null) writeFileSync(options.json, resultsJson(mode, results));
  print(`mode: ${mode}\n\n${tableText(results)}\n`);
  const failures = failuresText(results, options.failures);
  if (failures !== "") print(`${failures}\n`);
  const { fresh, known, mended } = compareWithKnown(results, readKnownFailures());
  if (known.length > 0) print(`${known.length} failures are known: known-failures.json has their reasons`);
  // Without executing anything a failure of execution cannot show.
  const isMended = mended.length > 0 && !options.validateOnly;
  if (isMended) print(`known failures that pass, to be taken off the list: ${mended.join(", ")}`);
  print(lastLine(results));
  return fresh.length > 0 || isMended ? 1 : 0;
}
