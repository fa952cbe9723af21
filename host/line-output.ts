/** Output as lines of text, for a log of the embedder. Guests that share one keep their lines apart. */

import { check, FUNCTION } from "../vm/internal.ts";
import { wakeSoon, type Cancel, type OutputStream } from "./system.ts";

/** UTF-16 units of a line before it is passed on in pieces: a guest need not end one. */
const MAX_LINE_LENGTH = 8_192;
/** UTF-16 units of all lines of one log that have no end yet. */
const MAX_UNFINISHED_LENGTH = 1_048_576;
const NEWLINE = 10;
const NO_BYTES = new Uint8Array(0);
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

/** What a log and the streams of its guests keep together. */
class Unfinished {
  /** Those that keep something, the one that was written last at the end. */
  readonly outputs = new Set<LineOutput>();
  length = 0;
}

/**
 * Calls `onLine` for every line that is written, without its end. Lines over 8,192 characters come in pieces. Each guest
 * has lines of its own: what it has not ended is passed on when the guest ends, or before, the oldest first, when all of
 * them together are over 2^20 characters.
 */
export class LineOutput implements OutputStream {
  readonly isTerminal = false;
  readonly isWritable = true;
  readonly isScripted = true;
  readonly #onLine: (line: string) => void;
  readonly #unfinished: Unfinished;
  #rest = "";
  /** The beginning of a character. */
  #partial: Uint8Array = NO_BYTES;

  constructor(onLine: (line: string) => void, unfinished = new Unfinished()) {
    check("what is called for a line", onLine, FUNCTION);
    this.#onLine = onLine;
    this.#unfinished = unfinished;
  }

  forGuest(): LineOutput {
    return new LineOutput(this.#onLine, this.#unfinished);
  }

  write(bytes: Uint8Array): undefined {
    let rest = this.#rest;
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      // Kept at once: what is passed on here is not passed on again, even when the listener throws.
      const lines = (rest + this.#decode(bytes.subarray(0, end))).split("\n");
      lines.pop();
      rest = "";
      this.#keep(rest);
      for (const line of lines) this.#pass(line);
    }
    // Apart from what was passed on, which it would hold as long as it is kept.
    rest += this.#decode(bytes.subarray(end));
    while (rest.length > MAX_LINE_LENGTH) {
      const end = endOfPiece(rest, 0);
      this.#onLine(rest.slice(0, end));
      rest = rest.slice(end);
    }
    this.#keep(rest);
    const { outputs } = this.#unfinished;
    for (const oldest of outputs) {
      if (this.#unfinished.length <= MAX_UNFINISHED_LENGTH) break;
      oldest.flush();
    }
  }

  onWritable(wake: () => void): Cancel {
    return wakeSoon(wake);
  }

  /** Passes on what has no end of line yet. */
  flush(): void {
    const rest = this.#rest + DECODER.decode(this.#partial);
    this.#partial = NO_BYTES;
    this.#keep("");
    if (rest !== "") this.#pass(rest);
  }

  #keep(rest: string): void {
    const { outputs } = this.#unfinished;
    this.#unfinished.length += rest.length - this.#rest.length;
    this.#rest = rest;
    outputs.delete(this);
    if (rest !== "") outputs.add(this);
  }

  /** All whole characters; the beginning of another is kept. */
  #decode(bytes: Uint8Array): string {
    let all = bytes;
    if (this.#partial.length > 0) {
      all = new Uint8Array(this.#partial.length + bytes.length);
      all.set(this.#partial);
      all.set(bytes, this.#partial.length);
    }
    const end = all.length - partialLength(all);
    this.#partial = end === all.length ? NO_BYTES : all.slice(end);
    return DECODER.decode(all.subarray(0, end));
  }

  #pass(line: string): void {
    let at = 0;
    do {
      const end = endOfPiece(line, at);
      this.#onLine(line.slice(at, end));
      at = end;
    } while (at < line.length);
  }
}

/** Where the piece that begins at `at` ends: no character of two units is cut. */
function endOfPiece(line: string, at: number): number {
  const end = Math.min(line.length, at + MAX_LINE_LENGTH);
  const isCut = end < line.length && (line.charCodeAt(end - 1) & 0xfc00) === 0xd800;
  return isCut ? end - 1 : end;
}

/** Bytes at the end that begin a character of UTF-8 whose others are missing. */
function partialLength(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0;
  }
  return 0;
}
