/** How the command itself uses the standard streams that it shares with its guest. */

import { standardError, standardOutput } from "../host/node/stdio.ts";

/** How long the reader of our output may take, once a timeout has ended the run. */
const LATE_MS = 2_000;

/** Writes lines to stderr, where the guest may write too: they begin a line of their own. The last one's end is added. */
export function say(text: string): void {
  const stream = standardError();
  process.stderr.write(`${stream.endsLine ? "" : "\n"}${text}\n`);
  stream.endsLine = true;
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
