/** The name section (spec: binary-namesec) as data: written for a parsed text, read for printing. */

import type { Writer } from "../binary/writer.ts";
import { utf8Text } from "./strings.ts";

type NameMap = ReadonlyMap<number, string>;
type IndirectNameMap = ReadonlyMap<number, NameMap>;

/** Every name of a module by the index of what it names. */
export interface Names {
  readonly module: string | null;
  readonly funcs: NameMap;
  readonly locals: IndirectNameMap;
  readonly labels: IndirectNameMap;
  readonly types: NameMap;
  readonly tables: NameMap;
  readonly memories: NameMap;
  readonly globals: NameMap;
  readonly elems: NameMap;
  readonly data: NameMap;
  readonly fields: IndirectNameMap;
  readonly tags: NameMap;
}

type NameKey = Exclude<keyof Names, "module">;

/** Of a module in which nothing has a name. */
export function noNames(): Names {
  return {
    module: null,
    funcs: new Map(),
    locals: new Map(),
    labels: new Map(),
    types: new Map(),
    tables: new Map(),
    memories: new Map(),
    globals: new Map(),
    elems: new Map(),
    data: new Map(),
    fields: new Map(),
    tags: new Map(),
  };
}

/** The subsections after that of the module's own name, by id. */
const SUBSECTIONS: readonly { readonly id: number; readonly key: NameKey; readonly indirect: boolean }[] = [
  { id: 1, key: "funcs", indirect: false },
  { id: 2, key: "locals", indirect: true },
  { id: 3, key: "labels", indirect: true },
  { id: 4, key: "types", indirect: false },
  { id: 5, key: "tables", indirect: false },
  { id: 6, key: "memories", indirect: false },
  { id: 7, key: "globals", indirect: false },
  { id: 8, key: "elems", indirect: false },
  { id: 9, key: "data", indirect: false },
  { id: 10, key: "fields", indirect: true },
  { id: 11, key: "tags", indirect: false },
];

/** Writes the content of a name section: subsections without names are left out. */
export function writeNames(out: Writer, names: Names): void {
  if (names.module !== null) {
    out.u8(0);
    const start = out.length;
    out.name(names.module);
    out.insertSize(start);
  }
  for (const { id, key, indirect } of SUBSECTIONS) {
    const map = names[key];
    if (map.size === 0) continue;
    out.u8(id);
    const start = out.length;
    if (indirect) writeIndirectMap(out, map as IndirectNameMap);
    else writeNameMap(out, map as NameMap);
    out.insertSize(start);
  }
}

/** Names must stand in the order of their indices. */
function sorted<T>(map: ReadonlyMap<number, T>): [number, T][] {
  return [...map].sort(([left], [right]) => left - right);
}

function writeNameMap(out: Writer, map: NameMap): void {
  out.u32(map.size);
  for (const [index, name] of sorted(map)) {
    out.u32(index);
    out.name(name);
  }
}

function writeIndirectMap(out: Writer, map: IndirectNameMap): void {
  out.u32(map.size);
  for (const [index, inner] of sorted(map)) {
    out.u32(index);
    writeNameMap(out, inner);
  }
}

/** The names in the content of a name section, or null if it is not as {@link writeNames} would write it. */
export function readNames(bytes: Uint8Array): Names | null {
  const names: { -readonly [K in keyof Names]: Names[K] } = noNames();
  const reader = new NameReader(bytes);
  while (reader.position < bytes.length && !reader.hasFailed) {
    const id = reader.u8();
    reader.u32();
    const subsection = SUBSECTIONS.find((candidate) => candidate.id === id);
    if (id === 0) names.module = reader.name();
    else if (subsection === undefined) return null;
    else Object.assign(names, { [subsection.key]: subsection.indirect ? reader.indirectMap() : reader.nameMap() });
  }
  return reader.hasFailed ? null : names;
}

/** Reads as far as the bytes make sense; then it has failed, and gives zeros. */
class NameReader {
  readonly #bytes: Uint8Array;
  position = 0;
  hasFailed = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  u8(): number {
    const byte = this.#bytes[this.position++];
    if (byte === undefined) this.hasFailed = true;
    return byte ?? 0;
  }

  u32(): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    this.hasFailed = true;
    return 0;
  }

  name(): string {
    const length = this.u32();
    const end = this.position + length;
    const name = end <= this.#bytes.length ? utf8Text(this.#bytes.subarray(this.position, end)) : null;
    this.position = end;
    if (name === null) this.hasFailed = true;
    return name ?? "";
  }

  nameMap(): Map<number, string> {
    const map = new Map<number, string>();
    for (let count = this.u32(); count > 0 && !this.hasFailed; count--) {
      const index = this.u32();
      if (map.has(index)) this.hasFailed = true;
      map.set(index, this.name());
    }
    return map;
  }

  indirectMap(): Map<number, Map<number, string>> {
    const map = new Map<number, Map<number, string>>();
    for (let count = this.u32(); count > 0 && !this.hasFailed; count--) {
      const index = this.u32();
      if (map.has(index)) this.hasFailed = true;
      map.set(index, this.nameMap());
    }
    return map;
  }
}
