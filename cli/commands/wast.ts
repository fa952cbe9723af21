/** `perilune wast`: the runner of the official suite, on any scripts. */

import { stat } from "node:fs/promises";
import { EXIT_USAGE, OptionError, UsageError } from "../exit.ts";
import { parseCount } from "../options.ts";
import { errorReport } from "../report.ts";
import { guardOutput, say } from "../streams.ts";
import { systemText } from "../system-text.ts";

export interface WastOptions {
  readonly slice?: string;
  readonly exact?: string;
}

export async function wastCommand(paths: readonly string[], options: WastOptions): Promise<number> {
  guardOutput();
  try {
    const args = [];
    if (options.slice !== undefined) args.push(`--slice=${parseCount("--slice", options.slice)}`);
    if (options.exact !== undefined) args.push(`--exact=${parseCount("--exact", options.exact)}`);
    if (args.length > 1) throw new OptionError("--slice and --exact exclude each other");
    const [{ specCommand }, { filesAt }] = await Promise.all([
      import("../../spec-tests/command.ts"),
      import("../../spec-tests/suite.ts"),
    ]);
    for (const path of paths) {
      await stat(path).catch((error: unknown) => {
        throw new UsageError(`${path}: ${systemText(error, "file or folder")}`);
      });
      if (filesAt(path).length === 0) throw new UsageError(`${path}: there is no script (.wast) in this folder`);
    }
    // Nobody means a folder of the suite.
    const files = paths.map((path) => (/\/|\.wast$/.test(path) ? path : `./${path}`));
    return await specCommand([...args, "--", ...files], (text) => process.stdout.write(`${text}\n`));
  } catch (error) {
    say(errorReport(null, error));
    return EXIT_USAGE;
  }
}
