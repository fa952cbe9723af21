/**
 * How errors look on the terminal. Names and messages may be a guest's words: control characters,
 * marks that change the direction of writing and line ends are escaped, every field and the whole
 * are bounded.
 */

import { CompileError, type BacktraceFrame, LinkError, MAX_COUNTED_FRAMES, Termination, Trap } from "../vm/index.ts";
import { Interrupted, OptionError, UsageError } from "./exit.ts";

const MAX_FIELD_BYTES = 256;
const MAX_REPORT_BYTES = 8_192;
const MAX_FRAMES = 32;

/** C0 and C1 controls, line and paragraph separators, bidirectional marks, and what cannot be encoded. */
const UNSAFE = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

/** Text from a guest or a file as one harmless field: escaped, and cut where it would take more bytes of UTF-8. */
export function field(text: string, maxBytes = MAX_FIELD_BYTES): string {
  let shown = "";
  let byteLength = 0;
  for (const char of text) {
    const piece = UNSAFE.test(char) ? `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}` : char;
    byteLength += Buffer.byteLength(piece);
    if (byteLength > maxBytes) return `${shown}…`;
    shown += piece;
  }
  return shown;
}

/** "1 process", "1,000 processes". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

function frameLine(frame: BacktraceFrame): string {
  const name = frame.funcName === null ? `function ${frame.funcIndex}` : field(frame.funcName);
  const number = frame.funcName === null ? "" : `function ${frame.funcIndex}, `;
  return `    at ${name} (${number}offset 0x${frame.position.toString(16)})`;
}

/** One line per frame, innermost first. */
export function backtraceLines(frames: readonly BacktraceFrame[], omitted: number): string[] {
  const lines = frames.slice(0, MAX_FRAMES).map(frameLine);
  const left = omitted + Math.max(0, frames.length - MAX_FRAMES);
  const isAll = omitted + frames.length < MAX_COUNTED_FRAMES;
  if (left > 0) lines.push(`    … ${left} ${isAll ? "more" : "or more"}`);
  return lines;
}

/** What happened, in one line without the program's name. */
export function errorLine(error: unknown): string {
  if (error instanceof Trap) return `trap: ${field(error.message)}`;
  if (error instanceof CompileError) return `${error.kind}: ${field(error.message)}`;
  if (
    error instanceof LinkError ||
    error instanceof Termination ||
    error instanceof UsageError ||
    error instanceof Interrupted
  ) {
    return field(error.message);
  }
  if (error instanceof Error) return `${error.name}: ${field(error.message)}`;
  return field(String(error));
}

/** The lines for an error in `file`, if it is about one: the first says all, a guest's backtrace may follow. */
export function errorReport(file: string | null, error: unknown): string {
  const where = file === null || error instanceof OptionError ? "" : `${field(file)}: `;
  const lines = [`perilune: ${where}${errorLine(error)}`];
  if (error instanceof Trap || error instanceof Termination) {
    lines.push(...backtraceLines(error.backtrace, error.omittedFrames));
  }
  return bounded(lines);
}

/** The lines as one text, cut where a report ends. */
export function bounded(lines: readonly string[]): string {
  const report = lines.join("\n");
  const bytes = Buffer.from(report);
  if (bytes.length <= MAX_REPORT_BYTES) return report;
  // Characters are not cut in the middle.
  const end = bytes.subarray(0, MAX_REPORT_BYTES).findLastIndex((byte) => byte < 0x80 || byte >= 0xc0);
  return `${bytes.toString("utf8", 0, end)}…`;
}
