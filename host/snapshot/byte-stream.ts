/** Numbers and bytes one after the other in pieces of at most a megabyte, none of which takes long to make or to copy. */

import { SNAPSHOT_STEP_BYTES } from "../../vm/internal.ts";
import { invalid } from "./fields.ts";

const FIRST_BYTES = 256;
const GROWTH = 4;

export class ByteSink {
  readonly #full: Uint8Array[] = [];
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Room for so many bytes side by side, less than a piece has at first, in what is the buffer then. */
  #reserve(count: number): number {
    if (this.#length + count > this.#bytes.length) this.#grow();
    const at = this.#length;
    this.#length += count;
    return at;
  }

  #grow(): void {
    const former = this.#bytes.subarray(0, this.#length);
    const isFull = this.#bytes.length === SNAPSHOT_STEP_BYTES;
    this.#bytes = new Uint8Array(Math.min(this.#bytes.length * GROWTH, SNAPSHOT_STEP_BYTES));
    this.#view = new DataView(this.#bytes.buffer);
    if (isFull) {
      this.#full.push(former);
      this.#length = 0;
    } else this.#bytes.set(former);
  }

  u8(value: number): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  u32(value: number): void {
    const at = this.#reserve(4);
    this.#view.setUint32(at, value, true);
  }

  i64(value: bigint): void {
    const at = this.#reserve(8);
    this.#view.setBigInt64(at, value, true);
  }

  f64(value: number): void {
    const at = this.#reserve(8);
    this.#view.setFloat64(at, value, true);
  }

  raw(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      if (this.#length === this.#bytes.length) this.#grow();
      const part = bytes.subarray(done, done + this.#bytes.length - this.#length);
      this.#bytes.set(part, this.#length);
      this.#length += part.length;
      done += part.length;
    }
  }

  /** All that was written. What is written later is not in it. */
  get pieces(): readonly Uint8Array[] {
    return [...this.#full, this.#bytes.subarray(0, this.#length)];
  }
}

/** Reads what a {@link ByteSink} has written, or somebody has forged: every method throws `SnapshotError` where there is nothing like it. */
export class ByteSource {
  readonly #pieces: readonly Uint8Array[];
  /** The piece that is read, and behind it the next one. */
  #piece: Uint8Array = new Uint8Array(0);
  #view = new DataView(this.#piece.buffer);
  #next = 0;
  #at = 0;

  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
  }

  get isAtEnd(): boolean {
    while (this.#at === this.#piece.length) {
      const piece = this.#pieces[this.#next];
      if (piece === undefined) return true;
      this.#next++;
      this.#piece = piece;
      this.#view = new DataView(piece.buffer, piece.byteOffset, piece.length);
      this.#at = 0;
    }
    return false;
  }

  /** Where so many bytes lie side by side: no number lies in two pieces. */
  #take(count: number): number {
    if (this.isAtEnd || this.#piece.length - this.#at < count) throw invalid("messages that end too early");
    const at = this.#at;
    this.#at += count;
    return at;
  }

  u8(): number {
    const at = this.#take(1);
    return this.#piece[at]!;
  }

  u32(): number {
    const at = this.#take(4);
    return this.#view.getUint32(at, true);
  }

  i64(): bigint {
    const at = this.#take(8);
    return this.#view.getBigInt64(at, true);
  }

  f64(): number {
    const at = this.#take(8);
    return this.#view.getFloat64(at, true);
  }

  /** A whole number that is not negative. */
  count(): number {
    const value = this.f64();
    if (!Number.isSafeInteger(value) || value < 0) throw invalid("a number in a message");
    return value;
  }

  /** A copy of the next bytes, a few. */
  raw(count: number): Uint8Array {
    const bytes = new Uint8Array(count);
    for (let done = 0; done < count; ) {
      const part = this.some(count - done);
      bytes.set(part, done);
      done += part.length;
    }
    return bytes;
  }

  /** Some of the next bytes, `most` at most and not none; valid until more is read. */
  some(most: number): Uint8Array {
    this.#take(1);
    const start = this.#at - 1;
    this.#at = Math.min(this.#piece.length, start + most);
    return this.#piece.subarray(start, this.#at);
  }
}
