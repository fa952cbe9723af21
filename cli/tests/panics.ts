/**
 * The message of a Rust panic in a test's output. Three forms: `thread 'main' panicked at 'MESSAGE',
 * FILE:1:2` before Rust 1.73; `thread 'main' panicked at FILE:1:2:` with the message on the next
 * lines since; and the same with a thread's number, `thread 'main' (17) panicked at …`.
 * Output is a guest's text: no step here takes more than linear time.
 */

const START = "thread '";
const AFTER_NAME = /^ (?:\(\d{1,20}\) )?panicked at /;
const PLACE = /^[^\n]{0,4096}?:\d{1,10}:\d{1,10}/;
/** What follows a message: the hint of Rust's runtime, or a backtrace. */
const AFTER_MESSAGE = ["\nnote: run with `RUST_BACKTRACE", "\nstack backtrace:"];

/** Null where nothing looks like a panic. */
export function panicMessage(output: string): string | null {
  for (let at = output.indexOf(START); at >= 0; at = output.indexOf(START, at + 1)) {
    if (at > 0 && output[at - 1] !== "\n") continue;
    const lineEnd = lineEndOf(output, at);
    const line = output.slice(at, lineEnd);
    for (let quote = line.indexOf("'", START.length); quote >= 0; quote = line.indexOf("'", quote + 1)) {
      const match = AFTER_NAME.exec(line.slice(quote + 1, quote + 48));
      if (match === null) continue;
      return messageFrom(output, at + quote + 1 + match[0].length, lineEnd);
    }
  }
  return null;
}

/** `at` is where the message or its place begins, in the line that ends at `lineEnd`. */
function messageFrom(output: string, at: number, lineEnd: number): string {
  if (output[at] !== "'") return cut(output.slice(lineEnd + 1));
  // The message may contain what ends it: the last that a place follows does. One look at each line.
  for (let end = output.lastIndexOf("', "); end > at; ) {
    if (PLACE.test(output.slice(end + 3, lineEndOf(output, end)))) return output.slice(at + 1, end);
    const lineStart = output.lastIndexOf("\n", end);
    end = lineStart <= at ? -1 : output.lastIndexOf("', ", lineStart);
  }
  return cut(output.slice(at + 1));
}

function cut(text: string): string {
  const ends = AFTER_MESSAGE.map((marker) => text.indexOf(marker)).filter((end) => end >= 0);
  return text.slice(0, ends.length === 0 ? text.length : Math.min(...ends)).replace(/\n+$/, "");
}

function lineEndOf(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end < 0 ? text.length : end;
}
