/**
 * What a memory holds when its instance is made: most of it is never written again, so snapshots hold what differs from it.
 * It follows from the module alone, whatever has become of the segments since.
 */

import { Reader } from "../binary/reader.ts";
import type { CompiledModule } from "../compiled-module.ts";
import type { Expr, Module } from "../module.ts";
import { Op } from "../opcodes.ts";
import { MEMORY_BLOCK_BYTES } from "./format.ts";

/** Zero outside of its bytes. They begin where a block does, and end where one or the memory does. */
export interface MemoryImage {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** An image has at most so many bytes for each one in segments, or so many in all: the module's bytes have to bound it. */
const SPARSENESS = 4;
const SMALL_BYTES = 65_536;

/** What the segments of a module put into one of its memories. */
interface Filling {
  readonly parts: { readonly offset: number; readonly bytes: Uint8Array }[];
  first: number;
  last: number;
  sum: number;
  /** As far as it was made: memories of instances may be smaller. */
  image: MemoryImage | null;
}

/**
 * Those of operations before, until they are collected: where many processes of one module hibernate and wake up, an image for each
 * would be more than all of their memories.
 */
const recent = new WeakMap<CompiledModule, WeakRef<Map<number, Filling>>>();

/** The images of one operation: instances of one module share them, and they take no more than their memories do. */
export class MemoryImages {
  readonly #fillings = new Map<CompiledModule, Map<number, Filling>>();

  /** Of a memory of `byteLength` bytes. Null when no segment with a constant offset fills it, or few that lie far apart. */
  of(module: CompiledModule, memoryIndex: number, byteLength: number): MemoryImage | null {
    let fillings = this.#fillings.get(module);
    if (fillings === undefined) {
      fillings = recent.get(module)?.deref();
      if (fillings === undefined) {
        fillings = fillingsOf(module);
        recent.set(module, new WeakRef(fillings));
      }
      this.#fillings.set(module, fillings);
    }
    const filling = fillings.get(memoryIndex);
    if (filling === undefined || filling.last - filling.first > SPARSENESS * filling.sum + SMALL_BYTES) return null;
    const start = Math.floor(filling.first / MEMORY_BLOCK_BYTES) * MEMORY_BLOCK_BYTES;
    if (start >= byteLength) return null;
    const end = Math.ceil(filling.last / MEMORY_BLOCK_BYTES) * MEMORY_BLOCK_BYTES;
    const known = filling.image?.bytes.length ?? 0;
    if (filling.image === null || known < Math.min(end, byteLength) - start) {
      // Twice as long as before, so that memories of all sizes do not make as many images.
      const bytes = new Uint8Array(Math.min(end - start, Math.max(byteLength - start, known * 2)));
      for (const part of filling.parts) {
        const at = part.offset - start;
        if (at < bytes.length) bytes.set(part.bytes.subarray(0, bytes.length - at), at);
      }
      filling.image = { start, bytes };
    }
    return filling.image;
  }
}

function fillingsOf({ data }: CompiledModule): Map<number, Filling> {
  const fillings = new Map<number, Filling>();
  for (const { mode, start, end } of data.data) {
    if (mode.kind !== "active" || start === end) continue;
    const offset = constantOffset(data, mode.offset);
    if (offset === null) continue;
    let filling = fillings.get(mode.index);
    if (filling === undefined) {
      filling = { parts: [], first: offset, last: 0, sum: 0, image: null };
      fillings.set(mode.index, filling);
    }
    filling.parts.push({ offset, bytes: data.bytes.subarray(start, end) });
    filling.first = Math.min(filling.first, offset);
    filling.last = Math.max(filling.last, offset + end - start);
    filling.sum += end - start;
  }
  return fillings;
}

/** Of an expression that is one constant of 32 bits, or a small one of 64. */
function constantOffset({ bytes }: Module, expr: Expr): number | null {
  const reader = new Reader(bytes, expr.start, expr.end);
  const op = reader.u8();
  if (op !== Op.I32Const) return null;
  const offset = reader.s32() >>> 0;
  return reader.u8() === Op.End ? offset : null;
}
