/**
 * The initial contents of tables that only active segments of function indices fill: computed once
 * per module and shared by its instances until they write, so starting a process does not copy
 * its function table.
 */

import { Reader } from "../binary/reader.ts";
import { MAX_TABLE_ELEMENTS } from "../limits.ts";
import type { Expr, Module } from "../module.ts";
import { Op } from "../opcodes.ts";

export class TableImages {
  /** Indices of the tables that have an image. */
  readonly tables: ReadonlySet<number>;
  readonly #images: ReadonlyMap<number, Int32Array>;

  constructor(module: Module) {
    this.#images = imagesOf(module);
    this.tables = new Set(this.#images.keys());
  }

  /** Function index plus one for each element, 0 for null; undefined if the table has no image. */
  of(tableIndex: number): Int32Array | undefined {
    return this.#images.get(tableIndex);
  }
}

/**
 * An image has at most so many elements for each one that its first segment gives, or so many in all: it is made when
 * the module is compiled, so the module's bytes have to bound it.
 */
const SPARSENESS = 4;
const SMALL = 4_096;

function imagesOf(module: Module): Map<number, Int32Array> {
  const images = new Map<number, Int32Array>();
  const excluded = new Set<number>();
  for (const { mode, items } of module.elements) {
    if (mode.kind !== "active" || excluded.has(mode.index)) continue;
    const table = module.tables[mode.index]!;
    const size = table.type.limits.min;
    const offset = constantOffset(module, mode.offset);
    const isImage =
      items.kind === "funcs" &&
      mode.index >= module.importedTables &&
      table.init === null &&
      offset !== null &&
      size <= BigInt(MAX_TABLE_ELEMENTS) &&
      (images.has(mode.index) || size <= BigInt(SPARSENESS * items.indices.length + SMALL)) &&
      BigInt(offset + items.indices.length) <= size;
    if (!isImage) {
      // Segments are written in order: one that has to be executed needs the table's own items.
      excluded.add(mode.index);
      images.delete(mode.index);
      continue;
    }
    let image = images.get(mode.index);
    if (image === undefined) {
      image = new Int32Array(Number(size));
      images.set(mode.index, image);
    }
    for (let i = 0; i < items.indices.length; i++) image[offset + i] = items.indices[i]! + 1;
  }
  return images;
}

/** The value of an expression that is one i32.const, as an unsigned number. */
function constantOffset(module: Module, expr: Expr): number | null {
  const reader = new Reader(module.bytes, expr.start, expr.end);
  if (reader.u8() !== Op.I32Const) return null;
  const offset = reader.s32() >>> 0;
  return reader.u8() === Op.End ? offset : null;
}
