/**
 * The bytes of a module and a position in them: integers in LEB128, names in UTF-8, lengths
 * (spec: binary-values, binary-utf8). Every error carries the byte offset and, inside a body, the
 * function index. Nothing here allocates by a number that the input gives without checking first
 * that the bytes are there.
 */

import { limitExceeded, malformed, type CompileError, type MalformedMessage } from "../errors.ts";
import { MAX_NAME_BYTES } from "../limits.ts";

/** Characters given to one String.fromCharCode: few enough for any engine's argument limit. */
const CHUNK_CHARS = 4_096;

export class Reader {
  readonly bytes: Uint8Array;
  /** The next byte to read. */
  position: number;
  /** Reading at or past it is "unexpected end". */
  end: number;
  /** The function whose body is read, for errors. */
  funcIndex: number | undefined;

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
    this.funcIndex = undefined;
  }

  /** The error to throw for broken grammar at `position`, by default where the reader stands. */
  malformed(message: MalformedMessage, position = this.position, detail?: string): CompileError {
    return malformed(message, this.placeAt(position), detail);
  }

  placeAt(position: number): { position: number; funcIndex?: number } {
    return this.funcIndex === undefined ? { position } : { position, funcIndex: this.funcIndex };
  }

  u8(): number {
    if (this.position >= this.end) throw this.#unexpectedEnd();
    return this.bytes[this.position++]!;
  }

  /** Passes over `count` bytes. */
  skip(count: number): void {
    if (count > this.end - this.position) throw this.#unexpectedEnd();
    this.position += count;
  }

  u32(): number {
    const position = this.position;
    if (position < this.end) {
      const byte = this.bytes[position]!;
      if (byte < 0x80) {
        this.position = position + 1;
        return byte;
      }
    }
    return this.#longU32();
  }

  #longU32(): number {
    let result = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8();
      result |= (byte & 0x7f) << shift;
      if (byte < 0x80) return result;
    }
    const byte = this.#lastByte(0x70, 0);
    return (result | (byte << 28)) >>> 0;
  }

  s32(): number {
    const position = this.position;
    if (position < this.end) {
      const byte = this.bytes[position]!;
      if (byte < 0x80) {
        this.position = position + 1;
        return (byte << 25) >> 25;
      }
    }
    let result = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8();
      result |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (result << (25 - shift)) >> (25 - shift);
    }
    return result | (this.#lastByte(0x78, 0x78) << 28);
  }

  /** A signed integer of 33 bits: heap types and block types. */
  s33(): number {
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8();
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (low << (25 - shift)) >> (25 - shift);
    }
    const byte = this.#lastByte(0x70, 0x70) & 0x7f;
    return low + ((byte << 25) >> 25) * 0x1000_0000;
  }

  u64(): bigint {
    const { low, high } = this.#halves(0x7e, 0);
    return (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  }

  s64(): bigint {
    const { low, high } = this.#halves(0x7f, 0x7f);
    return (BigInt(high) << 32n) | BigInt(low >>> 0);
  }

  /**
   * An unsigned 64-bit integer as a number. Above 2^53 the result is rounded; what is at least
   * 2^32 stays so, hence it serves for range checks.
   */
  u64AsNumber(): number {
    const start = this.position;
    let result = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.u8();
      result |= (byte & 0x7f) << shift;
      if (byte < 0x80) return result;
    }
    this.position = start;
    const { low, high } = this.#halves(0x7e, 0);
    return (high >>> 0) * 0x1_0000_0000 + (low >>> 0);
  }

  /** Passes over a signed 64-bit integer, checked like any other. */
  skipS64(): void {
    const { bytes, end } = this;
    let position = this.position;
    const limit = position + 9;
    while (position < limit) {
      if (position >= end) throw this.#unexpectedEnd();
      if (bytes[position++]! < 0x80) {
        this.position = position;
        return;
      }
    }
    this.position = position;
    this.#lastByte(0x7f, 0x7f);
  }

  /** A 64-bit integer in two halves; a signed one (`ones` not 0) is sign-extended. */
  #halves(unused: number, ones: number): { low: number; high: number } {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 63; shift += 7) {
      const byte = this.u8();
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        if (ones !== 0 && (bits & 0x40) !== 0) {
          if (shift < 28) {
            low |= -1 << (shift + 7);
            high = -1;
          } else high |= -1 << (shift - 25);
        }
        return { low, high };
      }
    }
    const byte = this.#lastByte(unused, ones);
    return { low, high: high | (byte << 31) };
  }

  /** The last byte an integer may have: of its bits `unused`, all must be 0, or all equal those of `ones`. */
  #lastByte(unused: number, ones: number): number {
    const byte = this.u8();
    const bits = byte & unused;
    if (bits !== 0 && bits !== ones) throw this.malformed("integer too large", this.position - 1);
    if (byte >= 0x80) throw this.malformed("integer representation too long");
    return byte;
  }

  /** A length in bytes: the bytes must be there. */
  length(): number {
    const position = this.position;
    const length = this.u32();
    if (length > this.end - this.position) throw this.malformed("length out of bounds", position);
    return length;
  }

  /** A count of things of at least one byte each, for which there must be bytes. */
  count(): number {
    const count = this.u32();
    if (count > this.end - this.position) throw this.#unexpectedEnd();
    return count;
  }

  /** A count that also keeps to a limit of limits.ts; `what` is for the message. */
  countUpTo(limit: number, what: string): number {
    const position = this.position;
    const count = this.count();
    if (count > limit) throw limitExceeded(`${count} ${what}, at most ${limit}`, this.placeAt(position));
    return count;
  }

  /** A length in bytes that also keeps to a limit. */
  lengthUpTo(limit: number, what: string): number {
    const position = this.position;
    const length = this.length();
    if (length > limit) throw limitExceeded(`${length} bytes in ${what}, at most ${limit}`, this.placeAt(position));
    return length;
  }

  name(): string {
    const length = this.lengthUpTo(MAX_NAME_BYTES, "a name");
    const start = this.position;
    const end = start + length;
    this.position = end;
    const { bytes } = this;
    let ascii = start;
    while (ascii < end && bytes[ascii]! < 0x80) ascii++;
    if (ascii < end) return this.#unicode(start, end);
    return charsToString(bytes.subarray(start, end));
  }

  #unicode(start: number, end: number): string {
    const { bytes } = this;
    const units = new Uint16Array(end - start);
    let length = 0;
    let position = start;
    while (position < end) {
      const lead = bytes[position]!;
      if (lead < 0x80) {
        units[length++] = lead;
        position++;
        continue;
      }
      const size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
      if (lead < 0xc2 || lead > 0xf4 || position + size > end)
        throw this.malformed("malformed UTF-8 encoding", position);
      let point = lead & (0x7f >> size);
      for (let i = 1; i < size; i++) {
        const byte = bytes[position + i]!;
        if ((byte & 0xc0) !== 0x80) throw this.malformed("malformed UTF-8 encoding", position);
        point = (point << 6) | (byte & 0x3f);
      }
      const smallest = size === 2 ? 0x80 : size === 3 ? 0x800 : 0x1_0000;
      const isSurrogate = point >= 0xd800 && point < 0xe000;
      if (point < smallest || point > 0x10_ffff || isSurrogate)
        throw this.malformed("malformed UTF-8 encoding", position);
      if (point < 0x1_0000) units[length++] = point;
      else {
        units[length++] = 0xd7c0 + (point >> 10);
        units[length++] = 0xdc00 + (point & 0x3ff);
      }
      position += size;
    }
    return charsToString(units.subarray(0, length));
  }

  #unexpectedEnd(): CompileError {
    return this.malformed("unexpected end of section or function", this.end);
  }
}

function charsToString(units: Uint8Array | Uint16Array): string {
  if (units.length <= CHUNK_CHARS) return String.fromCharCode(...units);
  const parts: string[] = [];
  for (let i = 0; i < units.length; i += CHUNK_CHARS) {
    parts.push(String.fromCharCode(...units.subarray(i, i + CHUNK_CHARS)));
  }
  return parts.join("");
}
