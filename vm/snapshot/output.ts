/** What a snapshot is written with: numbers of variable length, texts, and bytes of which zeros cost nothing. */

import { SnapshotError } from "../errors.ts";
import type { MemoryImage } from "./memory-image.ts";

const utf8 = new TextEncoder();
const INITIAL_BYTES = 1_024;
/** Room in a piece for the counts before a run that fills it. */
const COUNTS_BYTES = 64;
const NO_BYTES = new Uint8Array(0);

/** Buffers of outputs that are done: short-lived ones between snapshots that stay would leave gaps in the host's memory. */
const spare: Uint8Array[] = [];
const MAX_SPARE = 16;
const MAX_SPARE_BYTES = 262_144;

/** Who answers for the memory that writing takes. */
export interface OutputAccount {
  /** False refuses. */
  reserve(byteLength: number): boolean;
  release(byteLength: number): void;
}

/** What the buffers of one snapshot take, until it is done or given up. */
export class OutputMemory {
  readonly #account: OutputAccount | null;
  #byteLength = 0;

  constructor(account: OutputAccount | null) {
    this.#account = account;
  }

  /** Throws `SnapshotError` of kind `unsavable` when there is no memory for so much more. */
  reserve(byteLength: number): void {
    if (this.#account === null) return;
    if (!this.#account.reserve(byteLength)) throw new SnapshotError("unsavable", "no memory to write it");
    this.#byteLength += byteLength;
  }

  release(byteLength: number): void {
    if (this.#account === null) return;
    this.#account.release(byteLength);
    this.#byteLength -= byteLength;
  }

  /** Nothing of it is kept. Harmless when repeated. */
  end(): void {
    this.release(this.#byteLength);
  }
}

export class Output {
  readonly #memory: OutputMemory | null;
  /** Bytes that its buffers have. */
  #capacity = 0;
  /** What comes before `#bytes`, so that growing does not copy all of it again. */
  #pieces: Uint8Array[] = [];
  #piecesLength = 0;
  #bytes = spare.pop() ?? new Uint8Array(INITIAL_BYTES);
  #length = 0;

  /** Without `memory` nobody pays. */
  constructor(memory: OutputMemory | null = null) {
    this.#memory = memory;
    this.#pay(this.#bytes.length);
  }

  #pay(byteLength: number): void {
    this.#memory?.reserve(byteLength);
    this.#capacity += byteLength;
  }

  get length(): number {
    return this.#piecesLength + this.#length;
  }

  /** What was written, in order; valid until more is. */
  get pieces(): readonly Uint8Array[] {
    return [...this.#pieces, this.#bytes.subarray(0, this.#length)];
  }

  /** Nothing more is written or read: gives the buffer to others. */
  end(): void {
    if (spare.length < MAX_SPARE && this.#bytes.length <= MAX_SPARE_BYTES) spare.push(this.#bytes);
    this.#memory?.release(this.#capacity);
    this.#clear();
  }

  #clear(): void {
    this.#pieces = [];
    this.#piecesLength = 0;
    this.#bytes = NO_BYTES;
    this.#length = 0;
    this.#capacity = 0;
  }

  /** Takes over all of another one, which ends. */
  take(other: Output): void {
    const { pieces } = other;
    if (other.length <= MAX_SPARE_BYTES) {
      for (const piece of pieces) this.raw(piece);
      other.end();
      return;
    }
    this.#startPiece(INITIAL_BYTES);
    this.#pieces = this.#pieces.concat(pieces);
    this.#piecesLength += other.length;
    this.#capacity += other.#capacity;
    other.#clear();
  }

  #startPiece(byteLength: number): void {
    this.#pay(byteLength);
    this.#pieces.push(this.#bytes.subarray(0, this.#length));
    this.#piecesLength += this.#length;
    this.#bytes = new Uint8Array(byteLength);
    this.#length = 0;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    if (this.#length >= STEP_BYTES / 2) {
      this.#startPiece(Math.max(count, STEP_BYTES) + COUNTS_BYTES);
      return;
    }
    const capacity = Math.max(needed, this.#bytes.length * 2);
    this.#pay(capacity - this.#bytes.length);
    const larger = new Uint8Array(capacity);
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  flag(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  /** A whole number from 0 to 2^53 - 1: seven bits a byte, the lowest first. */
  count(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  /** 32 bits. */
  word(value: number): void {
    this.#reserve(4);
    new DataView(this.#bytes.buffer).setInt32(this.#length, value, true);
    this.#length += 4;
  }

  words(words: Int32Array, at: number, count: number): void {
    for (let i = 0; i < count; i++) this.word(words[at + i]!);
  }

  f64(value: number): void {
    this.#reserve(8);
    new DataView(this.#bytes.buffer).setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  text(value: string): void {
    const bytes = utf8.encode(value);
    this.count(bytes.length);
    this.raw(bytes);
  }

  /**
   * Bytes whose number the reader knows, in runs: how many blocks of zeros, how many others, and those. The last
   * block may be incomplete.
   */
  sparse(bytes: Uint8Array, blockBytes: number): void {
    for (const _ of this.sparseSteps(() => bytes, blockBytes));
  }

  /**
   * As {@link sparse}, in steps of about a megabyte; `bytesNow` gives the same bytes, wherever they lie then. Blocks as in
   * `image` count as zeros.
   */
  *sparseSteps(bytesNow: () => Uint8Array, blockBytes: number, image: MemoryImage | null = null): Generator<void> {
    let bytes = bytesNow();
    let known = new Known(bytes, image);
    const blocks = Math.ceil(bytes.length / blockBytes);
    const stepBlocks = Math.ceil(STEP_BYTES / blockBytes);
    let pauseAt = stepBlocks;
    for (let block = 0; block < blocks; ) {
      const first = block;
      while (block < blocks && known.has(block * blockBytes, blockBytes)) {
        if (++block < pauseAt) continue;
        pauseAt = block + stepBlocks;
        yield;
        bytes = bytesNow();
        known = new Known(bytes, image);
      }
      this.count(block - first);
      const from = block;
      // A run that is too long for one step is written as several.
      const end = Math.min(blocks, from + stepBlocks);
      while (block < end && !known.has(block * blockBytes, blockBytes)) block++;
      this.count(block - from);
      this.raw(bytes.subarray(from * blockBytes, block * blockBytes));
      if (block < pauseAt) continue;
      pauseAt = block + stepBlocks;
      yield;
      bytes = bytesNow();
      known = new Known(bytes, image);
    }
  }

  sparseWords(words: Int32Array): void {
    for (const _ of this.sparseWordsSteps(words));
  }

  /** In steps, as {@link sparseSteps}; the words stay where they lie. */
  sparseWordsSteps(words: Int32Array): Generator<void> {
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    return this.sparseSteps(() => bytes, WORDS_BLOCK_BYTES);
  }
}

/** Blocks of handles, and of heap objects. */
export const WORDS_BLOCK_BYTES = 16;
/** Fewer bytes are not worth a view of words. */
const MIN_WORDS_BYTES = 64;
/** Bytes of one step of saving or restoring: below a millisecond. */
export const STEP_BYTES = 1_048_576;

/** Bytes, and the same as words where they can be: a view for each block would take longer than its look. */
class Zeros {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array | null;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    const isAligned = bytes.length >= MIN_WORDS_BYTES && bytes.byteOffset % 4 === 0;
    this.#words = isAligned ? new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2) : null;
  }

  /** Whether `count` bytes from `from` on, a multiple of four, are zeros as far as they are there. */
  has(from: number, count: number): boolean {
    const bytes = this.#bytes;
    const words = this.#words;
    const end = Math.min(bytes.length, from + count);
    let at = from;
    if (words !== null) {
      const wordEnd = end >> 2;
      for (let i = at >> 2; i < wordEnd; i++) if (words[i] !== 0) return false;
      at = wordEnd << 2;
    }
    for (; at < end; at++) if (bytes[at] !== 0) return false;
    return true;
  }
}

/** Blocks that need not be written: zeros, and what is as in an image. */
class Known {
  readonly #bytes: Uint8Array;
  readonly #zeros: Zeros;
  readonly #image: MemoryImage | null;

  constructor(bytes: Uint8Array, image: MemoryImage | null) {
    this.#bytes = bytes;
    this.#zeros = new Zeros(bytes);
    this.#image = image;
  }

  has(from: number, count: number): boolean {
    const image = this.#image;
    if (image === null || from < image.start || from >= image.start + image.bytes.length) {
      return this.#zeros.has(from, count);
    }
    const bytes = this.#bytes;
    const end = Math.min(bytes.length, from + count);
    for (let at = from; at < end; at++) if (bytes[at] !== image.bytes[at - image.start]) return false;
    return true;
  }
}
