/** Types in the binary format, wherever they stand: type section, declarations, instructions (spec: binary-types). */

import { invalidIndex, type MalformedMessage } from "../errors.ts";
import { MAX_TYPES } from "../limits.ts";
import { Heap, Num, refType, type HeapType, type ValType } from "../types.ts";
import type { Reader } from "./reader.ts";

/** Bytes that open a reference type which names its heap type. */
const REF = 0x64;
const REF_NULL = 0x63;

/** The value of {@link readBlockType} for a block without parameters and results. */
export const EMPTY_BLOCK = -1;

export function readHeapType(reader: Reader): HeapType {
  const position = reader.position;
  const heap = reader.s33();
  if (heap >= 0) return checkTypeIndex(reader, heap, position);
  if (heap < Heap.Exn || heap > Heap.NoExn) throw reader.malformed("malformed heap type", position);
  return heap;
}

/** Packed types hold indices of 30 bits: an index that no module can have ends here, not as another type. */
function checkTypeIndex(reader: Reader, index: number, position: number): number {
  if (index >= MAX_TYPES) throw invalidIndex("type", index, reader.placeAt(position));
  return index;
}

export function readValType(reader: Reader): ValType {
  return valTypeFrom(reader, reader.u8(), "malformed value type");
}

export function readRefType(reader: Reader): ValType {
  const position = reader.position;
  const byte = reader.u8();
  if (byte >= Num.V128 && byte < 0x80) throw reader.malformed("malformed reference type", position);
  return valTypeFrom(reader, byte, "malformed reference type");
}

/** A value type or a packed one (spec: binary-storagetype). */
export function readStorageType(reader: Reader): ValType {
  const byte = reader.u8();
  if (byte === Num.I8 || byte === Num.I16) return byte;
  return valTypeFrom(reader, byte, "malformed storage type");
}

/**
 * A block type (spec: binary-blocktype): {@link EMPTY_BLOCK}, or the type index as `-2 - index`,
 * or a value type, which is positive.
 */
export function readBlockType(reader: Reader): number {
  const position = reader.position;
  const byte = reader.u8();
  if (byte === 0x40) return EMPTY_BLOCK;
  if (byte > 0x40 && byte < 0x80) return valTypeFrom(reader, byte, "malformed block type");
  reader.position = position;
  const index = reader.s33();
  if (index < 0) throw reader.malformed("malformed block type", position);
  return -2 - checkTypeIndex(reader, index, position);
}

function valTypeFrom(reader: Reader, byte: number, message: MalformedMessage): ValType {
  if (byte >= Num.V128 && byte <= Num.I32) return byte;
  if (byte === REF || byte === REF_NULL) return refType(readHeapType(reader), byte === REF_NULL);
  const heap = byte - 0x80;
  if (heap >= Heap.Exn && heap <= Heap.NoExn) return refType(heap, true);
  // Type codes are signed integers of 7 bits.
  if (byte >= 0x80) throw reader.malformed("integer representation too long");
  throw reader.malformed(message, reader.position - 1);
}

export function readMutability(reader: Reader): boolean {
  const byte = reader.u8();
  if (byte > 1) throw reader.malformed("malformed mutability", reader.position - 1);
  return byte === 1;
}
