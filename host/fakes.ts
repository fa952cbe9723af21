/**
 * Platform services under a test's control: a clock that moves when told, a seeded generator,
 * streams that are arrays. They also serve runs that must be repeatable.
 */

import type { Cancel, Clock, InputStream, OutputStream, Random } from "./system.ts";

/** Stands still until {@link advance}. Both clocks move together. */
export class FakeClock implements Clock {
  readonly isScripted = true;
  readonly resolution = 1n;
  #monotonic = 0n;
  readonly #start: bigint;
  readonly #waiting = new Set<{ readonly deadline: bigint; readonly wake: () => void }>();

  constructor(realtime = 1_000_000_000_000_000_000n) {
    this.#start = realtime;
  }

  realtime(): bigint {
    return this.#start + this.#monotonic;
  }

  monotonic(): bigint {
    return this.#monotonic;
  }

  wakeAt(deadline: bigint, wake: () => void): Cancel {
    const entry = { deadline, wake };
    this.#waiting.add(entry);
    return () => {
      this.#waiting.delete(entry);
    };
  }

  /** How many callbacks wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Moves on, and calls what is due in the order of the deadlines. */
  advance(nanoseconds: bigint): void {
    this.#monotonic += nanoseconds;
    const due = [...this.#waiting].filter((entry) => entry.deadline <= this.#monotonic);
    due.sort((a, b) => (a.deadline < b.deadline ? -1 : a.deadline > b.deadline ? 1 : 0));
    for (const entry of due) {
      if (this.#waiting.delete(entry)) entry.wake();
    }
  }
}

/** The same bytes for the same seed (xorshift32). Not for secrets. */
export class SeededRandom implements Random {
  readonly isScripted = true;
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 0x9e3779b9;
  }

  fill(bytes: Uint8Array): void {
    let state = this.#state;
    for (let i = 0; i < bytes.length; i++) {
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      bytes[i] = state;
    }
    this.#state = state;
  }
}

/** Keeps what is written. While {@link stalled}, writes have to wait for {@link drain}. */
export class CollectedOutput implements OutputStream {
  readonly isScripted = true;
  readonly isTerminal = false;
  readonly chunks: Uint8Array[] = [];
  stalled = false;
  readonly #waiting = new Set<() => void>();

  get isWritable(): boolean {
    return !this.stalled;
  }

  write(bytes: Uint8Array): Promise<void> | undefined {
    this.chunks.push(bytes);
    return this.stalled ? new Promise((resolve) => this.#waiting.add(resolve)) : undefined;
  }

  onWritable(wake: () => void): Cancel {
    if (this.stalled) this.#waiting.add(wake);
    else queueMicrotask(wake);
    return () => {
      this.#waiting.delete(wake);
    };
  }

  drain(): void {
    this.stalled = false;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  get bytes(): Uint8Array {
    const all = new Uint8Array(this.chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let end = 0;
    for (const chunk of this.chunks) {
      all.set(chunk, end);
      end += chunk.length;
    }
    return all;
  }

  get text(): string {
    return new TextDecoder().decode(this.bytes);
  }
}

/** Gives what {@link push} put in; reads wait for more until {@link end}. */
export class QueuedInput implements InputStream {
  readonly isScripted = true;
  readonly isTerminal = false;
  readonly #chunks: Uint8Array[] = [];
  #ended = false;
  readonly #waiting = new Set<() => void>();

  /** An input with this content and then its end; without content one that waits for {@link push}. */
  constructor(content?: string) {
    if (content !== undefined) {
      this.push(content);
      this.end();
    }
  }

  push(content: string | Uint8Array): void {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    if (bytes.length > 0) this.#chunks.push(bytes);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  get available(): number | null {
    if (this.#chunks.length > 0) return this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    return this.#ended ? 0 : null;
  }

  read(maxLength: number): Uint8Array | Promise<Uint8Array> {
    const first = this.#chunks[0];
    if (first === undefined) {
      if (this.#ended) return new Uint8Array(0);
      return new Promise<void>((resolve) => this.#waiting.add(resolve)).then(() => this.read(maxLength));
    }
    if (first.length > maxLength) this.#chunks[0] = first.subarray(maxLength);
    else this.#chunks.shift();
    return first.slice(0, maxLength);
  }

  onReadable(wake: () => void): Cancel {
    if (this.available === null) this.#waiting.add(wake);
    else queueMicrotask(wake);
    return () => {
      this.#waiting.delete(wake);
    };
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }
}
