/** A growing buffer of bytes in the notation of the binary format (spec: binary-values). */

import { limitExceeded } from "../errors.ts";
import { MAX_MODULE_BYTES } from "../limits.ts";

const utf8 = new TextEncoder();

export class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
  }

  /** The number of bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** A copy of what has been written. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  /** Forgets everything from `length` on. */
  truncate(length: number): void {
    this.#length = length;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    if (needed > MAX_MODULE_BYTES) throw limitExceeded(`module of more than ${MAX_MODULE_BYTES} bytes`);
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  u8(byte: number): void {
    if (this.#length === this.#bytes.length) this.#reserve(1);
    this.#bytes[this.#length++] = byte;
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** The bytes `[start, end)` of another writer. */
  copyFrom(other: Writer, start: number, end: number): void {
    this.bytes(other.#bytes.subarray(start, end));
  }

  /** An unsigned LEB128 number of 32 bits; also for exact integers up to 2^53. */
  u32(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.u8((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.u8(rest);
  }

  u64(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    while (rest > 0x7fn) {
      this.u8(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.u8(Number(rest));
  }

  /** A signed LEB128 number of 32 bits. */
  s32(value: number): void {
    let rest = value | 0;
    while (rest < -0x40 || rest > 0x3f) {
      this.u8((rest & 0x7f) | 0x80);
      rest >>= 7;
    }
    this.u8(rest & 0x7f);
  }

  /** A signed LEB128 number of 33 bits: heap types and block types. */
  s33(value: number): void {
    let rest = value;
    while (rest < -0x40 || rest > 0x3f) {
      this.u8((rest & 0x7f) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.u8(rest & 0x7f);
  }

  s64(value: bigint): void {
    let rest = BigInt.asIntN(64, value);
    while (rest < -0x40n || rest > 0x3fn) {
      this.u8(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.u8(Number(rest & 0x7fn));
  }

  /** The 32 bits of an f32, little-endian. */
  f32Bits(bits: number): void {
    this.u8(bits & 0xff);
    this.u8((bits >>> 8) & 0xff);
    this.u8((bits >>> 16) & 0xff);
    this.u8(bits >>> 24);
  }

  /** The 64 bits of an f64, little-endian. */
  f64Bits(bits: bigint): void {
    this.f32Bits(Number(bits & 0xffff_ffffn));
    this.f32Bits(Number((bits >> 32n) & 0xffff_ffffn));
  }

  /** A vector of bytes: length, then content. */
  sizedBytes(bytes: Uint8Array): void {
    this.u32(bytes.length);
    this.bytes(bytes);
  }

  /** A name: its length in UTF-8, then its bytes (spec: binary-utf8). */
  name(name: string): void {
    this.sizedBytes(utf8.encode(name));
  }

  /** Puts the size of what was written since `start` in front of it. */
  insertSize(start: number): void {
    const size = this.#length - start;
    let width = 1;
    for (let rest = size; rest > 0x7f; rest = Math.floor(rest / 0x80)) width++;
    this.#reserve(width);
    this.#bytes.copyWithin(start + width, start, this.#length);
    this.#length = start;
    this.u32(size);
    this.#length = start + width + size;
  }
}
