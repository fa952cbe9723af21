/**
 * What guests print, within the log bytes of their groups: a process that prints more has the rest
 * dropped and counted, goes on as if it had been written, and a line says how much is missing.
 */

import type { Group } from "./group.ts";
import type { Cancel, OutputStream } from "./system.ts";

const NS_PER_MS = 1_000_000;

export class LimitedOutput implements OutputStream {
  readonly #stream: OutputStream;
  readonly #group: Group;
  readonly #monotonic: () => bigint;

  /** `monotonic` gives nanoseconds: seconds of log bytes are counted by it. */
  constructor(stream: OutputStream, group: Group, monotonic: () => bigint) {
    this.#stream = stream;
    this.#group = group;
    this.#monotonic = monotonic;
  }

  get isTerminal(): boolean {
    return this.#stream.isTerminal;
  }

  get isWritable(): boolean {
    return this.#stream.isWritable;
  }

  onWritable(wake: () => void): Cancel {
    return this.#stream.onWritable(wake);
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    const taken = this.#group.takeLogBytes(bytes.length, this.#nowMs());
    if (taken > 0) this.#tell();
    this.#group.suppressedLogBytes += bytes.length - taken;
    return taken === 0 && bytes.length > 0 ? undefined : this.#stream.write(bytes.subarray(0, taken));
  }

  flush(): void {
    this.#stream.flush?.();
  }

  /** At the end of a process: the last of its group says what has been dropped, the others when there is room. */
  end(isLast: boolean): void {
    if (this.#group.suppressedLogBytes === 0) return;
    if (isLast || this.#group.takeLogBytes(1, this.#nowMs()) > 0) this.#tell();
  }

  #nowMs(): number {
    return Number(this.#monotonic()) / NS_PER_MS;
  }

  #tell(): void {
    const bytes = this.#group.suppressedLogBytes;
    if (bytes === 0) return;
    this.#group.suppressedLogBytes = 0;
    const text = `\n[${bytes.toLocaleString("en")} bytes of output suppressed]\n`;
    // Nobody waits for it: it is short, and there is about one a second.
    try {
      this.#stream.write(new TextEncoder().encode(text))?.catch(() => {});
    } catch {
      // Nor does anybody hear of a stream that is broken: whoever writes next does.
    }
  }
}
