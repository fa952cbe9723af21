/**
 * Values between JavaScript and slots: i32, f32 and f64 are numbers, i64 a bigint, v128 sixteen
 * bytes, references functions, null or what the embedder gave. The bits form replaces every number
 * by its bit pattern as an unsigned bigint, so that NaN payloads survive.
 */

import { isRefType, Num, valTypeText, type ValType } from "../types.ts";
import type { Store } from "./store.ts";

/** What crosses between the embedder and the guest; `unknown` stands for external references. */
export type Value = unknown;

const scratch = new DataView(new ArrayBuffer(8));

/** Writes a value to the slot whose first word is `words[at]`. Throws `TypeError` for a value of another type. */
export function encodeValue(store: Store, type: ValType, value: Value, words: Int32Array, at: number): void {
  switch (type) {
    case Num.I32:
      words[at] = number(value, type);
      return;
    case Num.I64:
      if (typeof value !== "bigint") throw wrongType(value, type);
      setHalves(words, at, value);
      return;
    case Num.F32:
      scratch.setFloat32(0, canonical(number(value, type)), true);
      words[at] = scratch.getInt32(0, true);
      return;
    case Num.F64:
      scratch.setFloat64(0, canonical(number(value, type)), true);
      words[at] = scratch.getInt32(0, true);
      words[at + 1] = scratch.getInt32(4, true);
      return;
    case Num.V128: {
      if (!(value instanceof Uint8Array) || value.length !== 16) throw wrongType(value, type);
      const view = new DataView(value.buffer, value.byteOffset, 16);
      for (let i = 0; i < 4; i++) words[at + i] = view.getInt32(i * 4, true);
      return;
    }
    default:
      words[at] = store.toHandle(value, type);
  }
}

export function decodeValue(store: Store, type: ValType, words: Int32Array, at: number): Value {
  switch (type) {
    case Num.I32:
      return words[at]!;
    case Num.I64:
      return signed64(words, at);
    case Num.F32:
      scratch.setInt32(0, words[at]!, true);
      return canonical(scratch.getFloat32(0, true));
    case Num.F64:
      scratch.setInt32(0, words[at]!, true);
      scratch.setInt32(4, words[at + 1]!, true);
      return canonical(scratch.getFloat64(0, true));
    case Num.V128: {
      const bytes = new Uint8Array(16);
      const view = new DataView(bytes.buffer);
      for (let i = 0; i < 4; i++) view.setInt32(i * 4, words[at + i]!, true);
      return bytes;
    }
    default:
      store.finishCollection();
      return store.fromHandle(words[at]!, type);
  }
}

/** As {@link encodeValue}, but numbers are given by their bits. */
export function encodeBits(store: Store, type: ValType, value: Value, words: Int32Array, at: number): void {
  if (isRefType(type)) {
    words[at] = store.toHandle(value, type);
    return;
  }
  if (typeof value !== "bigint") throw wrongType(value, type);
  switch (type) {
    case Num.V128:
      setHalves(words, at, value);
      setHalves(words, at + 2, value >> 64n);
      return;
    case Num.I64:
    case Num.F64:
      setHalves(words, at, value);
      return;
    default:
      words[at] = Number(BigInt.asIntN(32, value));
  }
}

/** As {@link decodeValue}, but numbers come as their bits. */
export function decodeBits(store: Store, type: ValType, words: Int32Array, at: number): Value {
  if (isRefType(type)) {
    store.finishCollection();
    return store.fromHandle(words[at]!, type);
  }
  switch (type) {
    case Num.V128:
      return (bits64(words, at + 2) << 64n) | bits64(words, at);
    case Num.I64:
    case Num.F64:
      return bits64(words, at);
    default:
      return BigInt(words[at]! >>> 0);
  }
}

/** Halves and wholes of one number: much quicker than arithmetic with bigints. Both halves are in the frames' byte order. */
const halves = new Int32Array(2);
const unsigned = new BigUint64Array(halves.buffer);
const signed = new BigInt64Array(halves.buffer);

function bits64(words: Int32Array, at: number): bigint {
  halves[0] = words[at]!;
  halves[1] = words[at + 1]!;
  return unsigned[0]!;
}

/** Bigints that are not made again and again: flags, tags, file descriptors. */
const SMALL = Array.from({ length: 256 }, (_, i) => BigInt(i));

function signed64(words: Int32Array, at: number): bigint {
  if (words[at + 1] === 0 && words[at]! >>> 0 < SMALL.length) return SMALL[words[at]!]!;
  halves[0] = words[at]!;
  halves[1] = words[at + 1]!;
  return signed[0]!;
}

function setHalves(words: Int32Array, at: number, value: bigint): void {
  signed[0] = value;
  words[at] = halves[0]!;
  words[at + 1] = halves[1]!;
}

/** Which payload a NaN keeps as a JavaScript number depends on what V8 has compiled: so it keeps none. */
function canonical(value: number): number {
  return value !== value ? Number.NaN : value;
}

function number(value: Value, type: ValType): number {
  if (typeof value !== "number") throw wrongType(value, type);
  return value;
}

export function wrongType(value: Value, type: ValType): TypeError {
  const kind = value === null ? "null" : typeof value;
  return new TypeError(`expected a value of type ${valTypeText(type)}, got ${kind}`);
}

/** Slots of 8 bytes that a value takes. */
export function slotsOf(type: ValType): number {
  return type === Num.V128 ? 2 : 1;
}

export function slotCount(types: readonly ValType[]): number {
  return types.reduce((sum, type) => sum + slotsOf(type), 0);
}
