/**
 * Node's streams as {@link InputStream} and {@link OutputStream}: back-pressure becomes a promise,
 * `error` events become errors of the operation that meets them, and nothing is touched before it
 * is needed, because making `process.stdin` alone may keep a process alive.
 */

import { isatty } from "node:tty";
import type { Readable, Writable } from "node:stream";
import type { Cancel, InputStream, OutputStream } from "../system.ts";
import { SystemError } from "../system.ts";
import { Waiters } from "../waiters.ts";

/** Output that may wait to be written before its writer has to. */
const MAX_UNWRITTEN_BYTES = 65_536;
const LINE_END = 0x0a;
const NO_BYTES = new Uint8Array(0);

function asSystemError(error: Error): Error {
  return "code" in error && typeof error.code === "string" ? error : new SystemError("EIO", error.message);
}

export class NodeOutput implements OutputStream {
  readonly isTerminal: boolean;
  readonly #stream: Writable;
  readonly #waiters = new Waiters();
  #failure: Error | null = null;
  /** Whether what was written so far ends a line. */
  endsLine = true;

  constructor(stream: Writable, options: { readonly isTerminal?: boolean } = {}) {
    this.#stream = stream;
    this.isTerminal = options.isTerminal ?? false;
    stream.on("drain", () => this.#waiters.wakeAll());
    stream.on("error", (error) => this.#fail(asSystemError(error)));
    stream.on("close", () => this.#fail(new SystemError("EPIPE")));
  }

  get isWritable(): boolean {
    return this.#failure !== null || this.#stream.writableLength <= MAX_UNWRITTEN_BYTES;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== null) throw this.#failure;
    this.#stream.write(bytes);
    if (bytes.length > 0) this.endsLine = bytes.at(-1) === LINE_END;
    return this.isWritable ? undefined : this.#drained();
  }

  onWritable(wake: () => void): Cancel {
    if (!this.isWritable) return this.#waiters.add(wake);
    const immediate = setImmediate(wake);
    return () => clearImmediate(immediate);
  }

  /** Waits until everything is written, or cannot be. Never rejects. */
  async flush(): Promise<void> {
    if (this.#failure !== null || this.#stream.writableLength === 0) return;
    await new Promise<void>((resolve) => {
      this.#waiters.add(resolve);
      this.#stream.write("", () => resolve());
    });
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#waiters.wakeAll();
  }

  async #drained(): Promise<void> {
    await new Promise<void>((resolve) => this.#waiters.add(resolve));
    if (this.#failure !== null) throw this.#failure;
  }
}

export class NodeInput implements InputStream {
  readonly isTerminal: boolean;
  readonly #open: () => Readable;
  readonly #waiters = new Waiters();
  #stream: Readable | null = null;
  /** Taken from the stream and not yet read. */
  #left: Uint8Array = NO_BYTES;
  #ended = false;
  #failure: Error | null = null;

  /** `open` is called at the first use. */
  constructor(open: () => Readable, options: { readonly isTerminal?: boolean } = {}) {
    this.#open = open;
    this.isTerminal = options.isTerminal ?? false;
  }

  get available(): number | null {
    this.#take();
    if (this.#left.length > 0) return this.#left.length;
    return this.#ended || this.#failure !== null ? 0 : null;
  }

  read(maxLength: number): Uint8Array | Promise<Uint8Array> {
    if (this.available === null) {
      return new Promise<void>((resolve) => this.#waiters.add(resolve)).then(() => this.read(maxLength));
    }
    if (this.#left.length === 0 && this.#failure !== null) throw this.#failure;
    const bytes = this.#left.subarray(0, maxLength);
    this.#left = this.#left.subarray(bytes.length);
    return bytes;
  }

  onReadable(wake: () => void): Cancel {
    if (this.available === null) return this.#waiters.add(wake);
    const immediate = setImmediate(wake);
    return () => clearImmediate(immediate);
  }

  /** A copy of what was taken from the platform and nobody has read: a snapshot of its reader may carry it along. */
  get unread(): Uint8Array {
    const chunks = [this.#left];
    if (this.#stream !== null) {
      for (let bytes = this.#next(this.#stream); bytes !== null; bytes = this.#next(this.#stream)) chunks.push(bytes);
    }
    this.#left = Buffer.concat(chunks);
    return Uint8Array.from(this.#left);
  }

  /** Is read before all else. */
  putBack(bytes: Uint8Array): void {
    this.#left = Buffer.concat([bytes, this.#left]);
    if (bytes.length > 0) this.#waiters.wakeAll();
  }

  #take(): void {
    if (this.#left.length > 0 || this.#ended || this.#failure !== null) return;
    const stream = this.#stream ?? this.#start();
    if (stream !== null) this.#left = this.#next(stream) ?? NO_BYTES;
  }

  /** What the stream has, without what is empty. Null for nothing, which it may have later, and the failure kept for what is no data. */
  #next(stream: Readable): Uint8Array | null {
    while (this.#failure === null) {
      const chunk: unknown = stream.read();
      if (chunk === null) return null;
      // Of a stream with an encoding, or of one that is made of texts.
      const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
      if (!(bytes instanceof Uint8Array)) {
        this.#failure = new SystemError("EIO", `the input has neither bytes nor text, but ${typeof chunk}`);
      } else if (bytes.length > 0) {
        return bytes;
      }
    }
    return null;
  }

  /** Null, and the failure kept, where there is no such stream: a closed descriptor. */
  #start(): Readable | null {
    try {
      this.#stream = this.#open();
    } catch (error) {
      this.#failure = asSystemError(error as Error);
      return null;
    }
    this.#stream.on("readable", () => this.#waiters.wakeAll());
    this.#stream.on("end", () => this.#end());
    this.#stream.on("close", () => this.#end());
    this.#stream.on("error", (error) => {
      this.#failure = asSystemError(error);
      this.#waiters.wakeAll();
    });
    return this.#stream;
  }

  #end(): void {
    this.#ended = true;
    this.#waiters.wakeAll();
  }
}

// One for each stream of the process, made when it is first asked for.
let input: NodeInput | null = null;
let output: NodeOutput | null = null;
let errors: NodeOutput | null = null;

export function standardInput(): NodeInput {
  return (input ??= new NodeInput(() => process.stdin, { isTerminal: isatty(0) }));
}

export function standardOutput(): NodeOutput {
  return (output ??= new NodeOutput(process.stdout, { isTerminal: isatty(1) }));
}

export function standardError(): NodeOutput {
  return (errors ??= new NodeOutput(process.stderr, { isTerminal: isatty(2) }));
}
