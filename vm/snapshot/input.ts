/** Reads what output.ts writes. Nothing that is read sizes an allocation before it is known to be there. */

import { SnapshotError, Termination } from "../errors.ts";
import { STEP_BYTES, WORDS_BLOCK_BYTES } from "./output.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Throws `Termination` for more bytes than one view of the host can have. */
function bytesOf(words: Int32Array): Uint8Array {
  try {
    return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  } catch {
    throw new Termination("host out of memory", `a view of ${words.byteLength} bytes`);
  }
}

export class Input {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get remaining(): number {
    return this.#bytes.length - this.position;
  }

  /** Throws `SnapshotError` when so many bytes are not there. */
  #take(count: number): number {
    if (count > this.remaining) throw new SnapshotError("damaged", `it ends too early, at byte ${this.#bytes.length}`);
    const at = this.position;
    this.position += count;
    return at;
  }

  u8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  flag(): boolean {
    const byte = this.u8();
    if (byte > 1) throw this.invalid(`flag ${byte}`);
    return byte === 1;
  }

  /** A whole number up to `max`. */
  count(max = Number.MAX_SAFE_INTEGER): number {
    let value = 0;
    for (let factor = 1; factor < 2 ** 53; factor *= 0x80) {
      const byte = this.u8();
      value += (byte & 0x7f) * factor;
      if (byte > 0x7f) continue;
      if (value > max) throw this.invalid(`${value}, at most ${max} expected`);
      return value;
    }
    throw this.invalid("a number of more than 53 bits");
  }

  /** How many items follow, of which each takes a byte or more. */
  items(max = Number.MAX_SAFE_INTEGER): number {
    const count = this.count(max);
    if (count > this.remaining) throw this.invalid(`${count} items in ${this.remaining} bytes`);
    return count;
  }

  /** A number below `end`. */
  index(end: number, what: string): number {
    const index = this.count();
    if (index >= end) throw this.invalid(`${what} ${index} of ${end}`);
    return index;
  }

  word(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  words(words: Int32Array, at: number, count: number): void {
    for (let i = 0; i < count; i++) words[at + i] = this.word();
  }

  f64(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }

  /** A view of the snapshot. */
  raw(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  text(): string {
    const bytes = this.raw(this.count());
    try {
      return utf8.decode(bytes);
    } catch {
      throw this.invalid("a text that is not UTF-8");
    }
  }

  /** Gives the runs of bytes that are not zero, with the offset of each. */
  sparse(byteLength: number, blockBytes: number, write: (offset: number, bytes: Uint8Array) => void): void {
    for (const _ of this.sparseSteps(byteLength, blockBytes, write));
  }

  /** As {@link sparse}, in steps of about a megabyte. */
  *sparseSteps(
    byteLength: number,
    blockBytes: number,
    write: (offset: number, bytes: Uint8Array) => void,
  ): Generator<void> {
    const blocks = Math.ceil(byteLength / blockBytes);
    let written = 0;
    for (let block = 0; block < blocks; ) {
      block += this.count(blocks - block);
      const others = this.count(blocks - block);
      let offset = block * blockBytes;
      block += others;
      if (others === 0 && block < blocks) throw this.invalid("an empty run");
      const end = Math.min(byteLength, block * blockBytes);
      while (offset < end) {
        const bytes = this.raw(Math.min(end - offset, STEP_BYTES));
        write(offset, bytes);
        offset += bytes.length;
        written += bytes.length;
        if (written < STEP_BYTES) continue;
        written = 0;
        yield;
      }
    }
  }

  sparseWords(words: Int32Array): void {
    for (const _ of this.sparseWordsSteps(words));
  }

  /** In steps, as {@link sparseSteps}. */
  sparseWordsSteps(words: Int32Array): Generator<void> {
    const target = bytesOf(words);
    return this.sparseSteps(target.length, WORDS_BLOCK_BYTES, (offset, bytes) => target.set(bytes, offset));
  }

  invalid(detail: string): SnapshotError {
    return new SnapshotError("invalid", `at byte ${this.position}: ${detail}`);
  }
}
