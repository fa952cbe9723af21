/** `perilune wast`: the runner of the official suite, on any scripts. */

import { stat } from "node:fs/promises";
import { EXIT_USAGE, OptionError, UsageError } from "../exit.ts";
import { parseCount } from "../options.ts";
import { errorReport } from "../report.ts";
import { guardOutput, say } from "../streams.ts";

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
    for (const path of paths) {
      await stat(path).catch(() => {
        throw new UsageError(`${path}: no such file or folder`);
      });
    }
    const { specCommand } = await import("../../spec-tests/command.ts");
    return await specCommand([...args, "--", ...paths], (text) => process.stdout.write(`${text}\n`));
  } catch (error) {
    say(errorReport(null, error));
    return EXIT_USAGE;
  }
}
