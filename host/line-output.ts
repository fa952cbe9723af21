/** Output as lines of text, for a log of the embedder. */

import type { Cancel, OutputStream } from "./system.ts";

/** UTF-16 units of a line before it is passed on in pieces: a guest need not end one. */
const MAX_LINE_LENGTH = 8_192;

/** Calls `onLine` for every line that is written, without its end. Lines over 8,192 characters come in pieces. */
export class LineOutput implements OutputStream {
  readonly isTerminal = false;
  readonly isWritable = true;
  readonly #onLine: (line: string) => void;
  readonly #decoder = new TextDecoder();
  #rest = "";

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  write(bytes: Uint8Array): undefined {
    const lines = (this.#rest + this.#decoder.decode(bytes, { stream: true })).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#pass(line);
    while (this.#rest.length > MAX_LINE_LENGTH) {
      this.#onLine(this.#rest.slice(0, MAX_LINE_LENGTH));
      this.#rest = this.#rest.slice(MAX_LINE_LENGTH);
    }
  }

  onWritable(wake: () => void): Cancel {
    const timer = setTimeout(wake);
    return () => clearTimeout(timer);
  }

  /** Passes on what has no end of line yet. */
  flush(): void {
    const rest = this.#rest + this.#decoder.decode();
    this.#rest = "";
    if (rest !== "") this.#pass(rest);
  }

  #pass(line: string): void {
    for (let at = 0; at === 0 || at < line.length; at += MAX_LINE_LENGTH) {
      this.#onLine(line.slice(at, at + MAX_LINE_LENGTH));
    }
  }
}
