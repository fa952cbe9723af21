/**
 * The bytes of a file in memory, in chunks: nothing is copied when it grows, and what was never written takes no
 * memory. It says what it needs before it takes it; who counts that is the caller's business.
 */

const CHUNK_BYTES = 65_536;
/** Counted for a chunk besides its bytes. */
const CHUNK_OVERHEAD = 160;

export class SparseBytes {
  readonly #chunks = new Map<number, Uint8Array>();
  /** Bytes after the last chunk are zero, too. */
  size = 0;
  /** What it takes of the host. */
  countedBytes = 0;

  /** What {@link write} adds to the counted bytes. */
  growthOf(position: number, length: number): number {
    let growth = 0;
    for (const { index, end } of partsOf(position, length)) growth += this.#growthOfChunk(index, end);
    return growth;
  }

  #growthOfChunk(index: number, end: number): number {
    const chunk = this.#chunks.get(index);
    if (chunk === undefined) return CHUNK_OVERHEAD + end;
    return chunk.length >= end ? 0 : capacityFor(chunk, end) - chunk.length;
  }

  write(bytes: Uint8Array, position: number): void {
    let done = 0;
    for (const { index, start, end } of partsOf(position, bytes.length)) {
      this.#chunk(index, end).set(bytes.subarray(done, done + end - start), start);
      done += end - start;
    }
    this.size = Math.max(this.size, position + bytes.length);
  }

  /** The chunk, with room for `end` bytes. */
  #chunk(index: number, end: number): Uint8Array {
    const known = this.#chunks.get(index);
    if (known !== undefined && known.length >= end) return known;
    this.countedBytes += this.#growthOfChunk(index, end);
    const chunk = new Uint8Array(known === undefined ? end : capacityFor(known, end));
    if (known !== undefined) chunk.set(known);
    this.#chunks.set(index, chunk);
    return chunk;
  }

  /** Fills the beginning of `bytes` and returns how many there are. */
  read(bytes: Uint8Array, position: number): number {
    const length = Math.max(0, Math.min(bytes.length, this.size - position));
    let done = 0;
    for (const { index, start, end } of partsOf(position, length)) {
      const part = this.#chunks.get(index)?.subarray(start, end) ?? new Uint8Array(0);
      bytes.set(part, done);
      bytes.fill(0, done + part.length, done + end - start);
      done += end - start;
    }
    return length;
  }

  /** What is new is zero; what is cut off is free. */
  resize(size: number): void {
    if (size < this.size) {
      const last = Math.floor(size / CHUNK_BYTES);
      for (const [index, chunk] of this.#chunks) {
        if (index * CHUNK_BYTES >= size) {
          this.#chunks.delete(index);
          this.countedBytes -= CHUNK_OVERHEAD + chunk.length;
        } else if (index === last) chunk.fill(0, size - index * CHUNK_BYTES);
      }
    }
    this.size = size;
  }
}

/** By doubling, so that a file which is written byte by byte is copied as often as its length has digits. */
function capacityFor(chunk: Uint8Array, end: number): number {
  return Math.min(CHUNK_BYTES, Math.max(end, chunk.length * 2));
}

/** The parts of a range in each chunk, relative to its beginning. */
function* partsOf(position: number, length: number): Generator<{ index: number; start: number; end: number }, void> {
  for (let at = position; at < position + length; ) {
    const index = Math.floor(at / CHUNK_BYTES);
    const start = at - index * CHUNK_BYTES;
    const end = Math.min(CHUNK_BYTES, start + position + length - at);
    yield { index, start, end };
    at += end - start;
  }
}
