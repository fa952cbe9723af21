/** Builds modules byte by byte, for tests of what no encoder would write. */

import { Section } from "./decode.ts";

export type Bytes = readonly number[] | Uint8Array;

export const HEADER: Bytes = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** The type [] -> []. */
export const EMPTY_FUNC_TYPE: Bytes = [0x60, 0, 0];

export function concat(...parts: readonly Bytes[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let position = 0;
  for (const part of parts) {
    bytes.set(part, position);
    position += part.length;
  }
  return bytes;
}

export function repeat(count: number, ...bytes: readonly number[]): Uint8Array {
  const result = new Uint8Array(count * bytes.length);
  for (let i = 0; i < count; i++) result.set(bytes, i * bytes.length);
  return result;
}

/** An unsigned LEB128 number up to 2^53, in at least `length` bytes. */
export function uleb(value: number, length = 1): number[] {
  const bytes: number[] = [];
  do {
    bytes.push((value % 128) | 0x80);
    value = Math.floor(value / 128);
  } while (value > 0 || bytes.length < length);
  bytes[bytes.length - 1]! &= 0x7f;
  return bytes;
}

export function section(id: Section, ...parts: readonly Bytes[]): Uint8Array {
  const content = concat(...parts);
  return concat([id], uleb(content.length), content);
}

/** A section that is a vector of the items. */
export function vector(id: Section, ...items: readonly Bytes[]): Uint8Array {
  return section(id, uleb(items.length), ...items);
}

export function name(text: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  return concat(uleb(bytes.length), bytes);
}

/** An entry of the code section: local declarations with their count, then instructions. */
export function body(locals: Bytes, ...code: readonly Bytes[]): Uint8Array {
  const content = concat(locals, ...code);
  return concat(uleb(content.length), content);
}

export function moduleOf(...sections: readonly Bytes[]): Uint8Array {
  return concat(HEADER, ...sections);
}

/** A module of one function of the first of `types`. */
export function moduleOfBody(types: readonly Bytes[], functionBody: Bytes): Uint8Array {
  return moduleOf(vector(Section.Type, ...types), vector(Section.Func, [0]), vector(Section.Code, functionBody));
}
