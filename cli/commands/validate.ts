/** `perilune validate`: one line per module. */

import { compile } from "../../vm/index.ts";
import { EXIT_USAGE } from "../exit.ts";
import { displayName, readModule } from "../input.ts";
import { errorReport, field } from "../report.ts";

export async function validateCommand(files: readonly string[]): Promise<number> {
  let exitCode = 0;
  for (const file of files) {
    const name = displayName(file);
    try {
      await compile(await readModule(file));
      process.stdout.write(`${field(name)}: valid\n`);
    } catch (error) {
      process.stderr.write(`${errorReport(name, error)}\n`);
      exitCode = EXIT_USAGE;
    }
  }
  return exitCode;
}
