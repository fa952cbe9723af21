/**
 * What a memory holds when its instance is made: most of it is never written again, so snapshots hold what differs from it.
 * It follows from the module alone, whatever has become of the segments since.
 */

import { Reader } from "../binary/reader.ts";
import type { CompiledModule } from "../compiled-module.ts";
import type { Expr, Module } from "../module.ts";
import { Op } from "../opcodes.ts";
import { MEMORY_BLOCK_BYTES } from "./format.ts";

/** Zero outside of its bytes. They begin and end where blocks do. */
export interface MemoryImage {
  readonly start: number;
  readonly bytes: Uint8Array;
}

/** An image has at most so many bytes for each one in segments, or so many in all: the module's bytes have to bound it. */
const SPARSENESS = 4;
const SMALL_BYTES = 65_536;

/** Null when no segment with a constant offset fills the memory, or few that lie far apart. */
export function memoryImage({ data }: CompiledModule, memoryIndex: number): MemoryImage | null {
  const parts: { readonly offset: number; readonly bytes: Uint8Array }[] = [];
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  let sum = 0;
  for (const { mode, start, end } of data.data) {
    if (mode.kind !== "active" || mode.index !== memoryIndex || start === end) continue;
    const offset = constantOffset(data, mode.offset);
    if (offset === null) continue;
    parts.push({ offset, bytes: data.bytes.subarray(start, end) });
    first = Math.min(first, offset);
    last = Math.max(last, offset + end - start);
    sum += end - start;
  }
  if (parts.length === 0 || last - first > SPARSENESS * sum + SMALL_BYTES) return null;
  const start = Math.floor(first / MEMORY_BLOCK_BYTES) * MEMORY_BLOCK_BYTES;
  const end = Math.ceil(last / MEMORY_BLOCK_BYTES) * MEMORY_BLOCK_BYTES;
  const image = new Uint8Array(end - start);
  for (const { offset, bytes } of parts) image.set(bytes, offset - start);
  return { start, bytes: image };
}

/** Of an expression that is one constant of 32 bits, or a small one of 64. */
function constantOffset({ bytes }: Module, expr: Expr): number | null {
  const reader = new Reader(bytes, expr.start, expr.end);
  const op = reader.u8();
  if (op !== Op.I32Const) return null;
  const offset = reader.s32() >>> 0;
  return reader.u8() === Op.End ? offset : null;
}
