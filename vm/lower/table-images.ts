/**
 * The initial contents of tables that only active segments of function indices fill: computed once
 * per module and shared by its instances until they write, so starting a process does not copy
 * its function table.
 */

import { Reader } from "../binary/reader.ts";
import { ITEM_BYTES, type Footprint } from "../footprint.ts";
import { MAX_TABLE_ELEMENTS } from "../limits.ts";
import type { Expr, Module } from "../module.ts";
import { Op } from "../opcodes.ts";

/**
 * An image has at most so many elements for each one that its first segment gives, or so many in all: it is made when
 * the module is compiled, so the module's bytes have to bound it.
 */
const SPARSENESS = 4;
const SMALL = 4_096;
/** Elements copied between two chances to give way. */
const CHUNK = 4_096;

export class TableImages {
  readonly #module: Module;
  readonly #footprint: Footprint;
  readonly #images = new Map<number, Int32Array>();

  /** Empty until {@link make} has come to its end. */
  constructor(module: Module, footprint: Footprint) {
    this.#module = module;
    this.#footprint = footprint;
  }

  /** Whether a table has an image: then no segment of it is executed. */
  has(tableIndex: number): boolean {
    return this.#images.has(tableIndex);
  }

  /** Function index plus one for each element, 0 for null; undefined if the table has no image. */
  of(tableIndex: number): Int32Array | undefined {
    return this.#images.get(tableIndex);
  }

  /** Makes the images, giving way now and then; what it yields is how many elements it has looked at since. */
  *make(): Generator<number> {
    const module = this.#module;
    const images = this.#images;
    const excluded = new Set<number>();
    for (const { mode, items } of module.elements) {
      yield 1;
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
      const { indices } = items;
      const image = images.get(mode.index) ?? this.#empty(mode.index, Number(size));
      for (let i = 0; i < indices.length; ) {
        const [start, end] = [i, Math.min(indices.length, i + CHUNK)];
        for (; i < end; i++) image[offset + i] = indices[i]! + 1;
        yield end - start;
      }
    }
  }

  #empty(tableIndex: number, size: number): Int32Array {
    this.#footprint.addItem(ITEM_BYTES.tableImage + size * ITEM_BYTES.tableImageElement);
    const image = new Int32Array(size);
    this.#images.set(tableIndex, image);
    return image;
  }
}

/** The value of an expression that is one i32.const, as an unsigned number. */
function constantOffset(module: Module, expr: Expr): number | null {
  const reader = new Reader(module.bytes, expr.start, expr.end);
  if (reader.u8() !== Op.I32Const) return null;
  const offset = reader.s32() >>> 0;
  return reader.u8() === Op.End ? offset : null;
}
