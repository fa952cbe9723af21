#!/usr/bin/env node
/**
 * Where the command line begins. A program without options is run at once: program.ts, which reads
 * all the rest, takes some milliseconds to load. Under the name `lunatic` it is `perilune lunatic`.
 */

import { basename } from "node:path";
import { EXIT_USAGE } from "./exit.ts";

/** The arguments from the file on, if they are `run FILE …`. */
function plainRun(args: readonly string[]): readonly string[] | null {
  const [command, file] = args;
  return command === "run" && file !== undefined && !file.startsWith("-") ? args.slice(1) : null;
}

async function main(args: readonly string[]): Promise<void> {
  const plain = plainRun(args);
  if (plain === null) {
    // Before the rest is loaded, while V8 has little. A plain run has no processes.
    const { keepCollectionsShort } = await import("../host/node/collections.ts");
    keepCollectionsShort();
    const { runProgram } = await import("./program.ts");
    await runProgram(args);
  } else {
    const { runCommand } = await import("./commands/run.ts");
    process.exitCode = await runCommand(plain[0] ?? "", plain.slice(1), {});
  }
}

try {
  const args = process.argv.slice(2);
  await main(basename(process.argv[1] ?? "") === "lunatic" ? ["lunatic", ...args] : args);
} catch (error) {
  const [{ errorReport }, { say }] = await Promise.all([import("./report.ts"), import("./streams.ts")]);
  process.exitCode = EXIT_USAGE;
  say(errorReport(null, error));
}
