/**
 * Buffers for work that needs many bytes for a while, used again: V8 counts every new one, and after 64 MiB of them it looks
 * through its whole heap, in parts for which everybody waits. Those that nobody uses are V8's to take whenever it collects
 * anyway, so keeping them costs no more than dropping them would.
 */

import type { BufferViews } from "../vm/index.ts";

/** Of each power of two the buffers that nobody uses, or that are gone. */
const free: WeakRef<BufferViews>[][] = Array.from({ length: 33 }, () => []);
/** Of one size: more are only remembered if so many are used at the same time. */
const MAX_FREE = 64;

function sizeOf(byteLength: number): number {
  return 32 - Math.clz32(Math.max(1, byteLength) - 1);
}

/** A buffer of its own; null when the host has no memory for it. */
export function newBuffer(byteLength: number): BufferViews | null {
  try {
    const bytes = new Uint8Array(byteLength);
    return { bytes, view: new DataView(bytes.buffer) };
  } catch {
    return null;
  }
}

/** A buffer of at least so many bytes, with whatever was in it before; null when the host has no memory for it. */
export function borrowBuffer(byteLength: number): BufferViews | null {
  const size = sizeOf(byteLength);
  const buffers = free[size]!;
  for (let reference = buffers.pop(); reference !== undefined; reference = buffers.pop()) {
    const buffer = reference.deref();
    if (buffer !== undefined) return buffer;
  }
  return newBuffer(2 ** size);
}

/** Nobody uses it any more. */
export function returnBuffer(buffer: BufferViews): void {
  const buffers = free[sizeOf(buffer.bytes.length)]!;
  if (buffers.length < MAX_FREE) buffers.push(new WeakRef(buffer));
}
