/** `perilune resume`: goes on with a run that `--snapshot-at` or `--snapshot-on-timeout` has saved. */

import { EXIT_USAGE } from "../exit.ts";
import { displayName } from "../input.ts";
import { errorReport } from "../report.ts";
import { leave, say } from "../streams.ts";
import { readRun, type SavedRun } from "../saved-run.ts";
import { type RunOptions, runCommand } from "./run.ts";

export async function resumeCommand(path: string, options: RunOptions): Promise<number> {
  let saved: SavedRun;
  try {
    saved = await readRun(path);
  } catch (error) {
    say(errorReport(displayName(path), error));
    return leave(EXIT_USAGE);
  }
  const invoke = saved.invoke === null ? {} : { invoke: saved.invoke };
  return runCommand(
    saved.file,
    saved.args,
    { ...options, ...invoke, proposal: saved.proposals },
    {
      saved,
      path,
    },
  );
}
