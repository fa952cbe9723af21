/**
 * Which identifiers a printed module may have. A name section whose content the parser would
 * generate again from identifiers is printed as identifiers; any other stays a `@custom` annotation.
 */

import { isAbsent, SECTION_ORDER } from "../binary/encode.ts";
import { Writer } from "../binary/writer.ts";
import type { CustomSection, Module } from "../module.ts";
import { type Names, readNames, writeNames } from "./names.ts";
import { nameLiteral } from "./strings.ts";

const ID_CHARS = /^[0-9A-Za-z!#$%&'*+\-./:<=>?@\\^_`|~]+$/;

/** The identifier of a name, which must not be empty. */
export function idText(name: string): string {
  return ID_CHARS.test(name) ? `$${name}` : `$${nameLiteral(name)}`;
}

/** The names of one index space, and which of them can be identifiers: none twice, none empty. */
export class PrintedSpace {
  readonly #names: ReadonlyMap<number, string>;
  readonly #ids = new Map<number, string>();
  readonly #count: { printed: number };

  /** `count.printed` grows with every name that is printed where it is bound. */
  constructor(names: ReadonlyMap<number, string>, count: { printed: number }) {
    this.#names = names;
    this.#count = count;
    const used = new Set<string>();
    for (const [index, name] of names) {
      if (name === "" || used.has(name)) continue;
      used.add(name);
      this.#ids.set(index, idText(name));
    }
  }

  /** What stands where `index` is bound, with a space before it: identifier, annotation or nothing. */
  binding(index: number): string {
    const name = this.#names.get(index);
    if (name === undefined) return "";
    this.#count.printed++;
    const id = this.#ids.get(index);
    return id === undefined ? ` (@name ${nameLiteral(name)})` : ` ${id}`;
  }

  hasName(index: number): boolean {
    return this.#names.has(index);
  }

  /** How `index` is written where it is used. */
  reference(index: number): string {
    return this.#ids.get(index) ?? String(index);
  }
}

/** How many names there are, that of the module left out. */
export function countNames(names: Names): number {
  let count = 0;
  for (const [key, map] of Object.entries(names)) {
    if (key === "module" || map === null) continue;
    for (const value of (map as Names["funcs"] | Names["locals"]).values()) {
      count += typeof value === "string" ? 1 : value.size;
    }
  }
  return count;
}

/** The name section that can be printed as identifiers, with its names; null if there is none such. */
export function printableNames(module: Module): { section: CustomSection; names: Names } | null {
  const sections = module.customs.filter((custom) => custom.name === "name");
  const [section] = sections;
  if (section === undefined || sections.length > 1 || !isFirstAtEnd(module, section)) return null;
  const content = module.bytes.subarray(section.start, section.end);
  const names = readNames(content);
  if (names === null) return null;
  const again = new Writer(content.length + 16);
  writeNames(again, names);
  const bytes = again.toBytes();
  const isSame = bytes.length === content.length && bytes.every((byte, i) => byte === content[i]);
  return isSame ? { section, names } : null;
}

/** Whether no other section stands behind a custom section at `place`. */
export function isAtEnd(module: Module, place: number): boolean {
  return SECTION_ORDER.indexOf(place) >= SECTION_ORDER.findLastIndex((id) => !isAbsent(module, id));
}

/** The parser puts its name section behind all others and before the custom sections at the end. */
function isFirstAtEnd(module: Module, section: CustomSection): boolean {
  if (!isAtEnd(module, section.place)) return false;
  const before = module.customs.slice(0, module.customs.indexOf(section));
  return before.every((custom) => !isAtEnd(module, custom.place));
}
