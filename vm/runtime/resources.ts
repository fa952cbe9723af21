/**
 * The two interfaces through which an embedder decides about memory: an accountant that is asked
 * before anything grows, and an allocator that provides the bytes of linear memories.
 */

import { amountFrom, check } from "../options.ts";

/** What is going to take memory. */
export type ResourceKind =
  | "activations"
  | "code"
  | "externs"
  | "frames"
  | "functions"
  | "globals"
  | "heap"
  | "instance"
  | "memory"
  | "module"
  | "table";

/** Asked before each growth. */
export interface Accountant {
  /** Whether `byteLength` more bytes may be taken. A refusal is -1 for `memory.grow`, a `Termination` elsewhere. */
  reserve(kind: ResourceKind, byteLength: number): boolean;
  /** Bytes that were granted are free again. */
  release(kind: ResourceKind, byteLength: number): void;
}

/** Grants everything. */
export const UNLIMITED: Accountant = { reserve: () => true, release: () => undefined };

const BYTES = amountFrom(0, "bytes");

/** Grants until a total is reached, over all kinds. */
export class LimitAccountant implements Accountant {
  readonly #limitBytes: number;
  #usedBytes = 0;

  /** Throws `TypeError` or `RangeError` for what is no limit. */
  constructor(limitBytes: number) {
    check("limitBytes of LimitAccountant", limitBytes, BYTES);
    this.#limitBytes = limitBytes;
  }

  /** Bytes that are granted now. */
  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Whether the bytes fit under the limit; they count from then on. */
  reserve(_kind: ResourceKind, byteLength: number): boolean {
    if (byteLength > this.#limitBytes - this.#usedBytes) return false;
    this.#usedBytes += byteLength;
    return true;
  }

  /** The bytes do not count any more. */
  release(_kind: ResourceKind, byteLength: number): void {
    this.#usedBytes -= byteLength;
  }
}

/** `buffer[base, base + capacity)`, zeroed. Several blocks may lie in one buffer, which may be a shared one. */
export interface MemoryBlock {
  readonly buffer: ArrayBufferLike;
  readonly base: number;
  readonly capacity: number;
  /** Views of all of `buffer`, if the allocator has them: making two for each memory takes time. */
  readonly bytes?: Uint8Array;
  readonly view?: DataView;
  /** The same of a shared buffer, which V8 fills lane by lane: wide ones take less time. */
  readonly lanes?: Int32Array | null;
}

/** Provides the bytes of linear memories. */
export interface MemoryAllocator {
  /** A block of at least `byteLength` bytes, or null when the host has none. */
  allocate(byteLength: number): MemoryBlock | null;
  /**
   * Makes a block larger where it lies, of at least `byteLength` bytes: its capacity and views are others then. Where it cannot, or
   * an allocator has no such method, the memory moves to another block.
   */
  extend?(block: MemoryBlock, byteLength: number): boolean;
  /** The block is no longer used. From `usedBytes` on it is zero still, as it was given. */
  free(block: MemoryBlock, usedBytes: number): void;
}

/** Gives every memory a buffer of its own. */
export const SEPARATE_BUFFERS: MemoryAllocator = {
  allocate(byteLength) {
    try {
      return { buffer: new ArrayBuffer(byteLength), base: 0, capacity: byteLength };
    } catch {
      return null;
    }
  },
  free() {},
};
