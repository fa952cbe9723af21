/**
 * Where the frames of invocations lie while they have their initial size: many in one buffer, since a buffer of its own costs
 * the host's heap more than they do. What ends gives its place back, so that there are never more places than were used at
 * once; a buffer without any goes, unless it is the next that is needed. Those that nobody gives back (an invocation that
 * is forgotten, not ended) are collected when no other place of their buffer is used or free.
 */

import { INITIAL_FRAME_SLOTS } from "../limits.ts";

/** One place under three views: slots of 8 bytes, addressed by word. */
export interface Frames {
  readonly words: Int32Array;
  readonly doubles: Float64Array;
  readonly floats: Float32Array;
}

const PLACE_BYTES = INITIAL_FRAME_SLOTS * 8;
const FEW_PLACES = 256;
/** Chunks of few places; later ones are so large that allocators of C libraries map each by itself, and give it back. */
const SMALL_CHUNKS = 16;
const LARGE_CHUNK_BYTES = 33 * 1_048_576;
/** Places of a chunk that keep their views: making them takes longer than a short run. */
const MAX_IDLE = 256;
/** A large chunk goes when this part of its places is free elsewhere: until it is needed again as many have to begin. */
const SPARE_PART = 1 / 16;

class Chunk {
  readonly buffer: ArrayBuffer;
  readonly places: number;
  /** Places that were taken and not given back. */
  live = 0;
  /** Places from here on were never taken. */
  fresh = 0;
  /** Free places, zeroed: with their views, and without. */
  readonly idle: Frames[] = [];
  readonly free: number[] = [];

  constructor(places: number) {
    this.places = places;
    this.buffer = new ArrayBuffer(places * PLACE_BYTES);
  }
}

export class FramePool {
  /** Those that have room, the one to use last. */
  #roomy: Chunk[] = [];
  readonly #chunks = new WeakMap<ArrayBufferLike, Chunk>();
  #chunkCount = 0;
  /** Free places of all chunks. */
  #spare = 0;

  /** Bytes of all buffers. Those that were forgotten count still. */
  get byteLength(): number {
    return this.#byteLength;
  }

  #byteLength = 0;

  /** Zeroed frames of the initial size. */
  take(): Frames {
    const roomy = this.#roomy;
    const chunk = roomy[roomy.length - 1] ?? this.#add();
    this.#spare--;
    if (++chunk.live === chunk.places) roomy.pop();
    return chunk.idle.pop() ?? framesAt(chunk.buffer, (chunk.free.pop() ?? chunk.fresh++) * PLACE_BYTES);
  }

  /** Nobody uses these frames any more. Harmless for those that are not of the pool. */
  give({ words, doubles, floats }: Frames): void {
    const chunk = this.#chunks.get(words.buffer);
    if (chunk === undefined) return;
    words.fill(0);
    this.#spare++;
    if (chunk.live-- === chunk.places) this.#roomy.unshift(chunk);
    if (chunk.idle.length < MAX_IDLE) chunk.idle.push({ words, doubles, floats });
    else chunk.free.push(words.byteOffset / PLACE_BYTES);
    if (chunk.live === 0) this.#dropEmpty();
  }

  #add(): Chunk {
    const chunk = new Chunk(this.#chunkCount < SMALL_CHUNKS ? FEW_PLACES : Math.floor(LARGE_CHUNK_BYTES / PLACE_BYTES));
    this.#chunkCount++;
    this.#byteLength += chunk.buffer.byteLength;
    this.#spare += chunk.places;
    this.#chunks.set(chunk.buffer, chunk);
    this.#roomy.push(chunk);
    return chunk;
  }

  /** Small ones only when there are no others: those stay as long as nothing else is free. */
  #dropEmpty(): void {
    const isLarge = this.#chunkCount > SMALL_CHUNKS;
    this.#roomy = this.#roomy.filter(({ live, places, buffer }) => {
      if (live > 0 || isLarge !== places > FEW_PLACES) return true;
      if (this.#spare - places < Math.max(FEW_PLACES, places * SPARE_PART)) return true;
      this.#spare -= places;
      this.#chunkCount--;
      this.#byteLength -= buffer.byteLength;
      return false;
    });
  }
}

/** Frames of any size in a buffer of their own. */
export function newFrames(slots: number): Frames {
  return framesAt(new ArrayBuffer(slots * 8), 0, slots);
}

function framesAt(buffer: ArrayBuffer, at: number, slots = INITIAL_FRAME_SLOTS): Frames {
  return {
    words: new Int32Array(buffer, at, slots * 2),
    doubles: new Float64Array(buffer, at, slots),
    floats: new Float32Array(buffer, at, slots * 2),
  };
}
