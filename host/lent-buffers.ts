/** Large buffers that are needed for a while, and then by the next who needs one. */

import type { BufferViews } from "../vm/index.ts";
import { Stock } from "./stock.ts";

/** Smaller ones are not worth it; larger ones would be all that is kept. */
export const MIN_LENT_BYTES = 65_537;
export const MAX_LENT_BYTES = 33_554_432;

/** By powers of two. */
const stocks = new Map<number, Stock<BufferViews>>();
for (let size = sizeOf(MIN_LENT_BYTES); size <= MAX_LENT_BYTES; size *= 2) stocks.set(size, new Stock(size));

function sizeOf(byteLength: number): number {
  return 2 ** (32 - Math.clz32(byteLength - 1));
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
  return stocks.get(size)!.take() ?? newBuffer(size);
}

/** Nobody uses it any more. */
export function returnBuffer(buffer: BufferViews): void {
  stocks.get(buffer.bytes.length)!.give(buffer);
}
