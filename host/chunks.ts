/**
 * Where the bytes of messages lie: chunks that are used again and again, since making an array for each message would
 * cost more than delivering it (stock.ts). Small ones are pieces of larger buffers.
 */

import { MemberList, type Member } from "./member-list.ts";
import { Stock } from "./stock.ts";

/** `bytes[at, at + length)`; `view` is of the same buffer. */
export interface Chunk {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly at: number;
  readonly length: number;
  /** The buffer that it is a piece of; null for one of its own. */
  readonly cut: Cut | null;
}

/** A buffer cut into chunks of one size. */
interface Cut extends Member<Cut> {
  readonly pieces: number;
  /** Its pieces that nobody has. */
  readonly free: Chunk[];
}

/** Chunks of 64 B to 1 MiB by their power of two; the rest have buffers of their own size. */
const MIN_CLASS = 6;
const MAX_CLASS = 20;
/** Chunks up to this class are pieces. */
const MAX_PIECE_CLASS = 12;
const CUT_BYTES = 65_536;
/** What a piece takes of V8's heap besides its bytes. */
const PIECE_BYTES = 64;

/** Chunks with buffers of their own. */
class WholeChunks {
  readonly #byteLength: number;
  readonly #free: Stock<Chunk>;

  constructor(size: number) {
    this.#byteLength = 1 << size;
    this.#free = new Stock(this.#byteLength);
  }

  take(): Chunk {
    return this.#free.take() ?? chunkOf(this.#byteLength);
  }

  give(chunk: Chunk): void {
    this.#free.give(chunk);
  }
}

class Pieces {
  readonly #byteLength: number;
  /** Those of which somebody may have a piece, and some are free. */
  readonly #open = new MemberList<Cut>();
  /** Those of which nobody has one. */
  readonly #whole: Stock<Cut>;

  constructor(size: number) {
    this.#byteLength = 1 << size;
    this.#whole = new Stock(CUT_BYTES + (CUT_BYTES >> size) * PIECE_BYTES);
  }

  take(): Chunk {
    const cut = this.#open.first ?? this.#begin();
    const piece = cut.free.pop()!;
    if (cut.free.length === 0) this.#open.delete(cut);
    return piece;
  }

  #begin(): Cut {
    const cut = this.#whole.take() ?? this.#cut();
    this.#open.add(cut);
    return cut;
  }

  #cut(): Cut {
    const { bytes, view } = chunkOf(CUT_BYTES);
    const length = this.#byteLength;
    const free: Chunk[] = [];
    const cut: Cut = { pieces: CUT_BYTES / length, free, earlier: null, later: null };
    for (let at = CUT_BYTES - length; at >= 0; at -= length) free.push({ bytes, view, at, length, cut });
    return cut;
  }

  give(piece: Chunk): void {
    const cut = piece.cut!;
    if (cut.free.length === 0) this.#open.add(cut);
    cut.free.push(piece);
    // The last one stays open, or each single message would open one and close it again.
    if (cut.free.length < cut.pieces || this.#open.size === 1) return;
    this.#open.delete(cut);
    this.#whole.give(cut);
  }
}

const classes = Array.from({ length: MAX_CLASS + 1 }, (_, size) =>
  size <= MAX_PIECE_CLASS ? new Pieces(size) : new WholeChunks(size),
);

function chunkOf(length: number): Chunk {
  const bytes = new Uint8Array(length);
  return { bytes, view: new DataView(bytes.buffer), at: 0, length, cut: null };
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
