/**
 * The segments of an instance (spec: syntax-eleminst, syntax-datainst): which are dropped, and the references of those
 * that are given by expressions. Nothing is made before it is needed: most instances drop their first few and no more.
 */

import type { CompiledModule } from "../compiled-module.ts";

/** Segments that are dropped by bits of one number, which V8 keeps in the object. */
const FEW = 31;

/** Numbers of segments of one kind. */
class SegmentSet {
  readonly #count: number;
  #few = 0;
  #others: Int32Array | null = null;

  constructor(count: number) {
    this.#count = count;
  }

  has(index: number): boolean {
    if (index < FEW) return ((this.#few >>> index) & 1) === 1;
    return this.#others !== null && ((this.#others[index >>> 5]! >>> (index & 31)) & 1) === 1;
  }

  add(index: number): void {
    if (index < FEW) this.#few |= 1 << index;
    else {
      this.#others ??= new Int32Array((this.#count + 31) >>> 5);
      this.#others[index >>> 5]! |= 1 << (index & 31);
    }
  }
}

export class Segments {
  readonly #module: CompiledModule;
  #droppedElements: SegmentSet | null = null;
  #droppedData: SegmentSet | null = null;
  /** Handles of all segments given by expressions, where {@link CompiledModule.elementItemsAt} says. */
  #items: Int32Array | null = null;

  constructor(module: CompiledModule) {
    this.#module = module;
  }

  /** (spec: exec-elem.drop) */
  dropElement(index: number): void {
    this.#droppedElements ??= new SegmentSet(this.#module.data.elements.length);
    this.#droppedElements.add(index);
  }

  isElementDropped(index: number): boolean {
    return this.#droppedElements !== null && this.#droppedElements.has(index);
  }

  /** How many elements a segment has: none when it is dropped. */
  elementCount(index: number): number {
    if (this.isElementDropped(index)) return 0;
    const { items } = this.#module.data.elements[index]!;
    return items.kind === "funcs" ? items.indices.length : items.exprs.length;
  }

  /** The handles of a segment that is given by expressions; null while none is set, or when it is dropped. */
  itemsOf(index: number): Int32Array | null {
    if (this.#items === null || this.isElementDropped(index)) return null;
    const { elementItemsAt } = this.#module;
    return this.#items.subarray(elementItemsAt[index], elementItemsAt[index + 1]);
  }

  /** As {@link itemsOf}, made if none is set. */
  ownItemsOf(index: number): Int32Array {
    const { elementItemsAt } = this.#module;
    this.#items ??= new Int32Array(elementItemsAt[elementItemsAt.length - 1]!);
    return this.#items.subarray(elementItemsAt[index], elementItemsAt[index + 1]);
  }

  setItem(index: number, item: number, handle: number): void {
    const { elementItemsAt } = this.#module;
    this.#items ??= new Int32Array(elementItemsAt[elementItemsAt.length - 1]!);
    this.#items[elementItemsAt[index]! + item] = handle;
  }

  /** (spec: exec-data.drop) */
  dropData(index: number): void {
    this.#droppedData ??= new SegmentSet(this.#module.data.data.length);
    this.#droppedData.add(index);
  }

  isDataDropped(index: number): boolean {
    return this.#droppedData !== null && this.#droppedData.has(index);
  }

  /** How many bytes a data segment has: none when it is dropped. */
  dataByteLength(index: number): number {
    const { start, end } = this.#module.data.data[index]!;
    return this.isDataDropped(index) ? 0 : end - start;
  }
}
