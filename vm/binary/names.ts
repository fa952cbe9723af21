/**
 * The name section (spec: binary-namesec): names for backtraces and for printing. Read lazily and
 * in part: only the places of names are kept, a string is made when it is asked for. Nothing here
 * throws, since a malformed custom section never fails a module: what cannot be read has no name.
 */

import type { Module } from "../module.ts";
import { Reader } from "./reader.ts";

/** Subsection ids of things named by one index. */
const NAME_SPACES = {
  func: 1,
  type: 4,
  table: 5,
  memory: 6,
  global: 7,
  elem: 8,
  data: 9,
  tag: 11,
} as const;

/** Subsection ids of things named by two indices: a local of a function, a field of a type. */
const INDIRECT_NAME_SPACES = { local: 2, label: 3, field: 10 } as const;

const MODULE_NAME = 0;

export type NameSpace = keyof typeof NAME_SPACES;
export type IndirectNameSpace = keyof typeof INDIRECT_NAME_SPACES;

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Of an entry of a map: an index and a name or another map, each a byte at least. */
const ENTRY_BYTES = 2;

/** Where something stands for each of many indices, which ascend (spec: binary-namemap). */
class PlaceMap {
  readonly #indices: Uint32Array;
  readonly #places: Uint32Array;
  #length = 0;

  /** For so many entries that they can stand in `byteLength` bytes. */
  constructor(count: number, byteLength: number) {
    const room = Math.min(count, Math.ceil(byteLength / ENTRY_BYTES));
    this.#indices = new Uint32Array(room);
    this.#places = new Uint32Array(room);
  }

  /** False for an index that does not ascend: the map is malformed from there on. */
  add(index: number, place: number): boolean {
    if (this.#length > 0 && index <= this.#indices[this.#length - 1]!) return false;
    this.#indices[this.#length] = index;
    this.#places[this.#length++] = place;
    return true;
  }

  get(index: number): number | undefined {
    let low = 0;
    let high = this.#length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#indices[middle]! < index) low = middle + 1;
      else high = middle;
    }
    return high >= 0 && this.#indices[low] === index ? this.#places[low] : undefined;
  }
}

export class ModuleNames {
  readonly #bytes: Uint8Array;
  readonly #section: Range | null;
  #subsections: ReadonlyMap<number, Range> | null = null;
  readonly #maps = new Map<number, PlaceMap | null>();
  /** The inner map that was asked for last: there may be as many as bytes. */
  #inner: { readonly place: number; readonly map: PlaceMap | null } | null = null;

  constructor(module: Module) {
    this.#bytes = module.bytes;
    this.#section = module.customs.find(({ name }) => name === "name") ?? null;
  }

  get moduleName(): string | null {
    const range = this.#subsection(MODULE_NAME);
    return range === null ? null : this.#nameAt(range.start, range.end);
  }

  funcName(funcIndex: number): string | null {
    return this.name("func", funcIndex);
  }

  /** The name of an index of a space, or null. */
  name(space: NameSpace, index: number): string | null {
    return this.#nameOf(this.#mapOf(NAME_SPACES[space], passName), index);
  }

  /** The name of a local or label of a function, or of a field of a type, or null. */
  indirectName(space: IndirectNameSpace, outer: number, inner: number): string | null {
    const place = this.#mapOf(INDIRECT_NAME_SPACES[space], passNames)?.get(outer);
    if (place === undefined) return null;
    if (this.#inner?.place !== place) {
      this.#inner = { place, map: readMap(this.#bytes, { start: place, end: this.#section!.end }, passName) };
    }
    return this.#nameOf(this.#inner.map, inner);
  }

  #mapOf(id: number, passValue: PassValue): PlaceMap | null {
    let map = this.#maps.get(id);
    if (map === undefined) {
      const range = this.#subsection(id);
      map = range === null ? null : readMap(this.#bytes, range, passValue);
      this.#maps.set(id, map);
    }
    return map;
  }

  #nameOf(map: PlaceMap | null, index: number): string | null {
    const position = map?.get(index);
    return position === undefined ? null : this.#nameAt(position, this.#section!.end);
  }

  #nameAt(position: number, end: number): string | null {
    try {
      return new Reader(this.#bytes, position, end).name();
    } catch {
      return null;
    }
  }

  #subsection(id: number): Range | null {
    if (this.#section === null) return null;
    this.#subsections ??= readSubsections(this.#bytes, this.#section);
    return this.#subsections.get(id) ?? null;
  }
}

/** The first subsection of each id, as far as they can be read. */
function readSubsections(bytes: Uint8Array, { start, end }: Range): Map<number, Range> {
  const reader = new Reader(bytes, start, end);
  const found = new Map<number, Range>();
  try {
    while (reader.position < reader.end) {
      const id = reader.u8();
      const size = reader.length();
      const from = reader.position;
      reader.skip(size);
      if (!found.has(id)) found.set(id, { start: from, end: reader.position });
    }
  } catch {
    // What stands after a malformed one is lost.
  }
  return found;
}

/** Passes over the value of an entry. */
type PassValue = (reader: Reader) => void;

/** A map as far as it can be read; null where it cannot. */
function readMap(bytes: Uint8Array, { start, end }: Range, passValue: PassValue): PlaceMap | null {
  const reader = new Reader(bytes, start, end);
  let map: PlaceMap | null = null;
  try {
    const count = reader.count();
    map = new PlaceMap(count, end - reader.position);
    for (let i = 0; i < count; i++) {
      const index = reader.u32();
      const place = reader.position;
      passValue(reader);
      if (!map.add(index, place)) break;
    }
  } catch {
    // The names after a malformed one are lost.
  }
  return map;
}

function passName(reader: Reader): void {
  reader.skip(reader.length());
}

function passNames(reader: Reader): void {
  for (let count = reader.count(); count > 0; count--) {
    reader.u32();
    passName(reader);
  }
}

/** The names of a module; cheap until the first one is asked for. */
export function readNames(module: Module): ModuleNames {
  return new ModuleNames(module);
}
