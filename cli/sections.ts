/** The sections of a binary as they lie in the file, without looking inside. */

import { UsageError } from "./exit.ts";

export interface SectionHeader {
  readonly id: number;
  /** "type", "code", …; for a custom section its own name. */
  readonly name: string;
  /** Where its id stands. */
  readonly offset: number;
  /** Bytes of its content. */
  readonly byteLength: number;
  /** How many things it has; null for custom sections and the start section. */
  readonly count: number | null;
}

const NAMES = [
  "custom",
  "type",
  "import",
  "function",
  "table",
  "memory",
  "global",
  "export",
  "start",
  "element",
  "code",
  "data",
  "data count",
  "tag",
];
const HEADER_BYTES = 8;
const START_SECTION = 8;

/** Of a module that has been decoded, so that every length is known to be right. */
export function sectionsOf(bytes: Uint8Array): SectionHeader[] {
  const sections: SectionHeader[] = [];
  let position = HEADER_BYTES;
  const u32 = (): number => {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = bytes[position++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new UsageError("a section's length is malformed");
  };
  while (position < bytes.length) {
    const offset = position;
    const id = bytes[position++] ?? 0;
    const byteLength = u32();
    const start = position;
    let name = NAMES[id] ?? `section ${id}`;
    let count: number | null = null;
    if (id === 0) {
      const nameLength = u32();
      name = new TextDecoder().decode(bytes.subarray(position, position + nameLength));
    } else if (id !== START_SECTION) count = u32();
    sections.push({ id, name, offset, byteLength, count });
    position = start + byteLength;
  }
  return sections;
}
