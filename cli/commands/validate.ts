/** `perilune validate`: one line per module. */

import { EXIT_USAGE } from "../exit.ts";
import { compileModule, displayName, readModule } from "../input.ts";
import { engineWith } from "../options.ts";
import { errorReport, field } from "../report.ts";
import { guardOutput, say } from "../streams.ts";

export interface ValidateOptions {
  readonly proposal?: readonly string[];
}

export async function validateCommand(files: readonly string[], options: ValidateOptions): Promise<number> {
  guardOutput();
  let exitCode = 0;
  for (const file of files) {
    const name = displayName(file);
    try {
      const engine = engineWith(options.proposal);
      await compileModule(await readModule(file, engine.proposals), { engine });
      process.stdout.write(`${field(name)}: valid\n`);
    } catch (error) {
      say(errorReport(name, error));
      exitCode = EXIT_USAGE;
    }
  }
  return exitCode;
}
