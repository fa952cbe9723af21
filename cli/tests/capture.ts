/** What a test and its children write: a stream for each process, bounded. */

import type { Cancel, OutputStream } from "../../host/index.ts";

/** Of one process; what follows is counted and dropped. */
const MAX_BYTES = 4 * 1_048_576;

/** Of one process: standard output and standard error together. */
export class CapturedStream implements OutputStream {
  readonly isTerminal = false;
  readonly isWritable = true;
  readonly #echo: OutputStream | null;
  #chunks: Uint8Array[] = [];
  #byteLength = 0;
  #omitted = 0;

  /** Everything is written to `echo` too. */
  constructor(echo: OutputStream | null) {
    this.#echo = echo;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    const kept = bytes.subarray(0, Math.max(0, MAX_BYTES - this.#byteLength));
    if (kept.length > 0) this.#chunks.push(kept);
    this.#byteLength += kept.length;
    this.#omitted += bytes.length - kept.length;
    return this.#echo?.write(bytes);
  }

  onWritable(wake: () => void): Cancel {
    const immediate = setImmediate(wake);
    return () => clearImmediate(immediate);
  }

  get text(): string {
    const text = new TextDecoder().decode(Buffer.concat(this.#chunks));
    return this.#omitted === 0 ? text : `${text}\n… ${this.#omitted} bytes more\n`;
  }
}

/** Of one test, in the order in which its processes first wrote. */
export class Capture {
  readonly #streams = new Map<number, CapturedStream>();

  streamOf(pid: number, echo: OutputStream | null): CapturedStream {
    let stream = this.#streams.get(pid);
    if (stream === undefined) {
      stream = new CapturedStream(echo);
      this.#streams.set(pid, stream);
    }
    return stream;
  }

  /** Of one process. */
  textOf(pid: number): string {
    return this.#streams.get(pid)?.text ?? "";
  }

  /** Of all: one text as it is, several each under a line that tells them apart. */
  get text(): string {
    const texts = [...this.#streams.values()].map((stream) => stream.text).filter((text) => text !== "");
    if (texts.length <= 1) return texts[0] ?? "";
    return texts.map((text, i) => ` --- process ${i} stdout ---\n${text}`).join("");
  }
}
