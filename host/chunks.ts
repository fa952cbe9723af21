/**
 * Where the bytes of messages lie: chunks that are used again and again, since making an array for each message would
 * cost more than delivering it. Small ones are pieces of larger buffers.
 */

/** `bytes[at, at + length)`; `view` is of the same buffer. */
export interface Chunk {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly at: number;
  readonly length: number;
  /** A piece of a buffer that is never given back. */
  readonly isPiece: boolean;
}

/** Chunks of 64 B to 64 KiB by their power of two; the rest have buffers of their own size. */
const MIN_CLASS = 6;
const MAX_CLASS = 16;
/** Chunks up to this class are cut from buffers of 64 KiB. */
const MAX_PIECE_CLASS = 12;
const CUT_BYTES = 65_536;
/** The most that is cut for a class, and of the other chunks of a class that wait to be used again. */
const KEPT_BYTES_PER_CLASS = 4_194_304;

class ChunkClass {
  readonly #byteLength: number;
  /** Bytes that may still be cut. */
  #uncut: number;
  readonly #pieces: Chunk[] = [];
  readonly #whole: Chunk[] = [];

  constructor(size: number) {
    this.#byteLength = 1 << size;
    this.#uncut = size <= MAX_PIECE_CLASS ? KEPT_BYTES_PER_CLASS : 0;
  }

  take(): Chunk {
    return this.#pieces.pop() ?? this.#whole.pop() ?? (this.#uncut > 0 ? this.#cut() : chunkOf(this.#byteLength));
  }

  #cut(): Chunk {
    this.#uncut -= CUT_BYTES;
    const { bytes, view } = chunkOf(CUT_BYTES);
    const length = this.#byteLength;
    for (let at = CUT_BYTES - length; at >= 0; at -= length) {
      this.#pieces.push({ bytes, view, at, length, isPiece: true });
    }
    return this.#pieces.pop()!;
  }

  give(chunk: Chunk): void {
    if (chunk.isPiece) this.#pieces.push(chunk);
    else if (this.#whole.length * this.#byteLength < KEPT_BYTES_PER_CLASS) this.#whole.push(chunk);
  }
}

const classes = Array.from({ length: MAX_CLASS + 1 }, (_, size) => new ChunkClass(size));

function chunkOf(length: number): Chunk {
  const bytes = new Uint8Array(length);
  return { bytes, view: new DataView(bytes.buffer), at: 0, length, isPiece: false };
}

export const NO_CHUNK = chunkOf(0);

/** A chunk of at least so many bytes, with whatever was in it before. */
export function takeChunk(byteLength: number): Chunk {
  const size = Math.max(MIN_CLASS, 32 - Math.clz32(byteLength - 1));
  return size > MAX_CLASS ? chunkOf(byteLength) : classes[size]!.take();
}

/** Nobody has it any more. */
export function giveChunk(chunk: Chunk): void {
  if (chunk.length === 0) return;
  const size = 31 - Math.clz32(chunk.length);
  if (size <= MAX_CLASS && 1 << size === chunk.length) classes[size]!.give(chunk);
}
