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

/** By index, where the name stands. */
type NameMap = ReadonlyMap<number, number>;
/** By outer index, the inner names. */
type IndirectNameMap = ReadonlyMap<number, NameMap>;

const NO_NAMES: NameMap = new Map();

export class ModuleNames {
  readonly #bytes: Uint8Array;
  readonly #section: Range | null;
  #subsections: ReadonlyMap<number, Range> | null = null;
  readonly #maps = new Map<number, NameMap>();
  readonly #indirectMaps = new Map<number, IndirectNameMap>();

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
    const id = NAME_SPACES[space];
    let map = this.#maps.get(id);
    if (map === undefined) {
      const range = this.#subsection(id);
      map = range === null ? NO_NAMES : readAsFarAsPossible(this.#bytes, range, readNameMap, new Map());
      this.#maps.set(id, map);
    }
    return this.#nameOf(map, index);
  }

  /** The name of a local or label of a function, or of a field of a type, or null. */
  indirectName(space: IndirectNameSpace, outer: number, inner: number): string | null {
    const id = INDIRECT_NAME_SPACES[space];
    let map = this.#indirectMaps.get(id);
    if (map === undefined) {
      const range = this.#subsection(id);
      map = range === null ? new Map() : readAsFarAsPossible(this.#bytes, range, readIndirectNameMap, new Map());
      this.#indirectMaps.set(id, map);
    }
    return this.#nameOf(map.get(outer) ?? NO_NAMES, inner);
  }

  #nameOf(map: NameMap, index: number): string | null {
    const position = map.get(index);
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
    this.#subsections ??= readAsFarAsPossible(this.#bytes, this.#section, readSubsections, new Map());
    return this.#subsections.get(id) ?? null;
  }
}

/** Fills `map` with `read` and keeps what was read before an error. */
function readAsFarAsPossible<M>(
  bytes: Uint8Array,
  { start, end }: Range,
  read: (reader: Reader, map: M) => void,
  map: M,
): M {
  try {
    read(new Reader(bytes, start, end), map);
  } catch {
    // The names after a malformed one are lost.
  }
  return map;
}

function readSubsections(reader: Reader, map: Map<number, Range>): void {
  while (reader.position < reader.end) {
    const id = reader.u8();
    const size = reader.length();
    const start = reader.position;
    reader.skip(size);
    if (!map.has(id)) map.set(id, { start, end: reader.position });
  }
}

function readNameMap(reader: Reader, map: Map<number, number>): void {
  for (let count = reader.count(); count > 0; count--) {
    const index = reader.u32();
    const position = reader.position;
    reader.skip(reader.length());
    map.set(index, position);
  }
}

function readIndirectNameMap(reader: Reader, map: Map<number, NameMap>): void {
  for (let count = reader.count(); count > 0; count--) {
    const names = new Map<number, number>();
    map.set(reader.u32(), names);
    readNameMap(reader, names);
  }
}

/** The names of a module; cheap until the first one is asked for. */
export function readNames(module: Module): ModuleNames {
  return new ModuleNames(module);
}
