/** Vectors of buffers in guest memory: the arguments of reads and writes, checked and bounded. */

import { SystemError } from "../system.ts";
import { IOVEC_BYTES } from "./abi.ts";
import type { Guest, GuestMemory } from "./define.ts";
import { checkRange, fuelOfBytes } from "./define.ts";

/** Buffers in one call, as Linux has it. */
const MAX_IOVECS = 1_024;
/** Of looking at each of them, and copying it by itself. */
const BUFFER_FUEL = 4;
/** Bytes moved by one call; reads and writes may always move less than they are asked to. */
export const MAX_TRANSFER_BYTES = 1_048_576;

interface Buffer {
  readonly address: number;
  readonly length: number;
}

export interface Vector {
  readonly buffers: readonly Buffer[];
  /** Their sum, at most {@link MAX_TRANSFER_BYTES}. */
  readonly byteLength: number;
}

/**
 * Reads and charges the vector at `address`. Every buffer must lie in memory; those past
 * `maxBytes` are left out or shortened. Throws EINVAL for more than 1,024 of them.
 */
export function readVector(guest: Guest, address: number, count: number, maxBytes = MAX_TRANSFER_BYTES): Vector {
  if (count > MAX_IOVECS) throw new SystemError("EINVAL");
  const { memory } = guest;
  checkRange(memory, address, count * IOVEC_BYTES);
  const buffers: Buffer[] = [];
  let byteLength = 0;
  for (let i = 0; i < count; i++) {
    const start = memory.readU32(address + i * IOVEC_BYTES);
    const asked = memory.readU32(address + i * IOVEC_BYTES + 4);
    checkRange(memory, start, asked);
    const length = Math.min(asked, maxBytes - byteLength);
    if (length === 0) continue;
    buffers.push({ address: start, length });
    byteLength += length;
  }
  guest.charge(count * BUFFER_FUEL + fuelOfBytes(byteLength));
  return { buffers, byteLength };
}

/** The first `maxBytes` of it. */
export function shortened({ buffers }: Vector, maxBytes: number): Vector {
  const kept: Buffer[] = [];
  let byteLength = 0;
  for (const { address, length } of buffers) {
    const part = Math.min(length, maxBytes - byteLength);
    if (part > 0) kept.push({ address, length: part });
    byteLength += part;
  }
  return { buffers: kept, byteLength };
}

/** A copy of the bytes of all buffers. */
export function gather(memory: GuestMemory, vector: Vector): Uint8Array {
  const [first] = vector.buffers;
  if (first === undefined) return new Uint8Array(0);
  if (vector.buffers.length === 1) return memory.read(first.address, first.length);
  const bytes = new Uint8Array(vector.byteLength);
  let end = 0;
  for (const { address, length } of vector.buffers) {
    bytes.set(memory.read(address, length), end);
    end += length;
  }
  return bytes;
}

/** Writes `bytes`, at most the vector's length, into the buffers one after the other. */
export function scatter(memory: GuestMemory, vector: Vector, bytes: Uint8Array): void {
  let start = 0;
  for (const { address, length } of vector.buffers) {
    if (start >= bytes.length) return;
    memory.write(address, bytes.subarray(start, start + length));
    start += length;
  }
}
