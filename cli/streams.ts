/** How the command itself uses the standard streams that it shares with its guest. */

import { standardError, standardOutput } from "../host/node/stdio.ts";
import { EXIT_FAILURE, EXIT_SIGPIPE } from "./exit.ts";

/** How long the reader of our output may take, once a timeout has ended the run. */
const LATE_MS = 2_000;

/** Writes lines to stderr, where the guest may write too: they begin a line of their own. The last one's end is added. */
export function say(text: string): void {
  const stream = standardError();
  process.stderr.write(`${stream.endsLine ? "" : "\n"}${text}\n`);
  stream.endsLine = true;
}

function endUnwritten(error: NodeJS.ErrnoException): never {
  if (error.code === "EPIPE") process.exit(EXIT_SIGPIPE);
  say(`perilune: stdout: ${error.message}`);
  process.exit(EXIT_FAILURE);
}

/** For output that is the command's own: without a reader it ends quietly, and with a line where it cannot be written. */
export function guardOutput(): void {
  if (!process.stdout.listeners("error").includes(endUnwritten)) process.stdout.on("error", endUnwritten);
}

/** Writes text of the command's own beside a guest's, which stdout is left to otherwise. Ends the command as {@link guardOutput} does. */
export async function print(text: string): Promise<void> {
  const error = await new Promise<Error | null | undefined>((resolve) => process.stdout.write(text, resolve));
  if (error) endUnwritten(error);
}

/**
 * Ends the process when everything is written; standard input may still be open and would keep it waiting. After a
 * timeout a reader that has stalled does not hold it for ever.
 */
export async function leave(exitCode: number, isLate = false): Promise<never> {
  const written = Promise.all([standardOutput().flush(), standardError().flush()]);
  const late = new Promise((resolve) => isLate && setTimeout(resolve, LATE_MS));
  await Promise.race([written, late]);
  process.exit(exitCode);
}
