/** What the command itself says on stderr, where its guest may write too: it always begins a line of its own. */

import { standardError } from "../host/node/stdio.ts";

/** Writes lines; the last one's end is added. */
export function say(text: string): void {
  const stream = standardError();
  process.stderr.write(`${stream.endsLine ? "" : "\n"}${text}\n`);
  stream.endsLine = true;
}
