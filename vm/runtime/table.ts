/**
 * A table (spec: syntax-tableinst) of reference handles. A table that only active segments have
 * filled is an image shared by all instances of its module; it is copied on the first write.
 */

import { Termination, Trap } from "../errors.ts";
import { MAX_TABLE_ELEMENTS } from "../limits.ts";
import { Num, type TableType, type ValType } from "../types.ts";
import type { Instance } from "./instance.ts";
import { added } from "./lists.ts";
import type { Store } from "./store.ts";

const HANDLE_BYTES = 4;
const NO_ITEMS = new Int32Array(0);
const GROWTH = 1.5;
/** Elements that are written at once while a table is prepared for growth. */
const STEP_ELEMENTS = 262_144;

/** What has been prepared of a growth that is under way, and is reserved for it until the table has it or it is dropped. */
export class TableGrowth {
  readonly #table: Table;
  readonly handle: number;
  readonly items: Int32Array;
  filled = 0;
  #reservedBytes: number;

  /** For `reservedBytes` that the accountant has granted. */
  constructor(table: Table, handle: number, items: Int32Array, reservedBytes: number) {
    this.#table = table;
    this.handle = handle;
    this.items = items;
    this.#reservedBytes = reservedBytes;
  }

  /** The table keeps what is reserved. */
  settle(): void {
    this.#reservedBytes = 0;
  }

  /** Gives back what is reserved still. */
  drop(): void {
    this.#table.store.accountant.release("table", this.#reservedBytes);
    this.#reservedBytes = 0;
  }
}

/** A table of references. Indices are checked: `Trap` "out of bounds table access". (spec: syntax-tableinst) */
export class Table {
  readonly kind = "table";
  readonly store: Store;
  /** The element type in the engine's types. */
  readonly element: ValType;
  readonly #type: TableType;
  readonly #maxElements: number;
  /** Handles; in an image the function index plus one, 0 for null. */
  items: Int32Array;
  length: number;
  /** The instance whose functions an image's indices mean; null: `items` are handles of this table alone. */
  imageOf: Instance | null = null;

  /** `type` in the engine's types. Throws `Termination` when the limits or the accountant do not allow the minimum. */
  constructor(store: Store, type: TableType, image: Int32Array | null = null) {
    this.store = store;
    this.element = type.element;
    this.#type = type;
    const { min, max } = type.limits;
    if (min > BigInt(MAX_TABLE_ELEMENTS)) {
      throw new Termination("memory limit", `a table of ${min} elements, at most ${MAX_TABLE_ELEMENTS}`);
    }
    this.#maxElements = max === null || max > BigInt(MAX_TABLE_ELEMENTS) ? MAX_TABLE_ELEMENTS : Number(max);
    this.length = Number(min);
    if (!store.accountant.reserve("table", this.length * HANDLE_BYTES)) {
      throw new Termination("memory limit", `a table of ${min} elements`);
    }
    this.items = image ?? (this.length === 0 ? NO_ITEMS : new Int32Array(this.length));
    if (store.engine.types.isTraced(this.element)) {
      store.tracedTables = added(store.tracedTables, this);
    }
  }

  /** Says whose function indices the image it was made with holds. */
  share(instance: Instance): void {
    this.imageOf = instance;
  }

  /** Makes the items this table's own, before they are written or seen by another instance. */
  own(): void {
    const owner = this.imageOf;
    if (owner === null) return;
    const items = new Int32Array(this.length);
    for (let i = 0; i < this.length; i++) {
      const index = this.items[i]! - 1;
      if (index >= 0) items[i] = owner.funcAddress(index);
    }
    this.items = items;
    this.imageOf = null;
  }

  /** The type with its present length as minimum. */
  get type(): TableType {
    return { ...this.#type, limits: { min: BigInt(this.length), max: this.#type.limits.max } };
  }

  /** Gives its bytes back: for a table that no instance has got. */
  discard(): void {
    this.store.accountant.release("table", this.length * HANDLE_BYTES);
    const { tracedTables } = this.store;
    const at = tracedTables.lastIndexOf(this);
    if (at >= 0) tracedTables.splice(at, 1);
  }

  /** Whether its indices are i64. */
  get isAddressed64(): boolean {
    return this.#type.address === Num.I64;
  }

  /** The handle at an index. Throws `Trap` out of bounds. */
  handleAt(index: number): number {
    if (!(index >= 0 && index < this.length)) throw new Trap("out of bounds table access", `index ${index}`);
    const item = this.items[index]!;
    if (this.imageOf === null || item === 0) return item;
    return this.imageOf.funcAddress(item - 1);
  }

  /** Writes a handle. Throws `Trap` out of bounds. */
  setHandle(index: number, handle: number): void {
    if (!(index >= 0 && index < this.length)) throw new Trap("out of bounds table access", `index ${index}`);
    this.own();
    this.items[index] = handle;
  }

  /** Whether `grow` by so many elements is within the declared and the engine's maximum. */
  mayGrow(delta: number): boolean {
    return delta <= this.#maxElements - this.length;
  }

  /**
   * Does a part of growing by so many elements, which nobody sees, and goes on with what has `begun`; null when there is
   * nothing to prepare. What is left for {@link growHandles} is to copy what the table has had, and to write the handle
   * again if it is another one by then.
   */
  prepareGrowth(delta: number, handle: number, begun: TableGrowth | null): TableGrowth | null {
    const { length } = this;
    const needed = length + delta;
    // A little more of a long table moves all of it, unless there is room.
    const isShort = length < STEP_ELEMENTS || needed <= this.items.length;
    if (delta < STEP_ELEMENTS && isShort && begun === null) return null;
    let growth = begun;
    if (growth === null || growth.items.length < needed) {
      // Somebody else has grown the table: with room, so that this happens a few times at most.
      const capacity = this.#capacityFor(growth === null ? needed : Math.ceil(needed * GROWTH));
      growth?.drop();
      const { accountant } = this.store;
      const addedBytes = delta * HANDLE_BYTES;
      if (!accountant.reserve("table", addedBytes)) return null;
      try {
        growth = new TableGrowth(this, handle, new Int32Array(capacity), addedBytes);
      } catch (error) {
        accountant.release("table", addedBytes);
        throw error;
      }
    }
    const end = Math.min(needed, growth.filled + STEP_ELEMENTS);
    // Zeros are written too: the host gives pages when they are touched, and that is what takes time.
    growth.items.fill(0, growth.filled, Math.min(end, length));
    growth.items.fill(growth.handle, Math.max(growth.filled, length), end);
    growth.filled = end;
    return growth;
  }

  #capacityFor(needed: number): number {
    return Math.min(this.#maxElements, Math.max(needed, Math.ceil(this.length * GROWTH)));
  }

  /** The former length, or -1 if the maximum would be exceeded or the accountant refuses. (spec: exec-table-grow) */
  growHandles(delta: number, handle: number, prepared: TableGrowth | null = null): number {
    if (!this.mayGrow(delta)) return -1;
    if (prepared !== null) prepared.settle();
    else if (!this.store.accountant.reserve("table", delta * HANDLE_BYTES)) return -1;
    this.own();
    const { length } = this;
    if (prepared !== null || length + delta > this.items.length) {
      const items = prepared?.items ?? new Int32Array(this.#capacityFor(length + delta));
      items.set(this.items.subarray(0, length));
      this.items = items;
    }
    // A collection may have moved the object since.
    if (prepared?.handle !== handle) this.items.fill(handle, length, length + delta);
    this.length = length + delta;
    return length;
  }

  /** Throws `Trap` when `[index, index + count)` is not all inside. */
  check(index: number, count: number): void {
    if (!(index >= 0 && count >= 0 && index + count <= this.length)) {
      throw new Trap("out of bounds table access", `${count} elements at index ${index}`);
    }
  }

  /** The element as a JavaScript value. Throws `Trap` out of bounds. */
  get(index: number): unknown {
    this.store.finishCollection();
    return this.store.fromHandle(this.handleAt(index), this.element);
  }

  /** Throws `Trap` out of bounds, `TypeError` for a value of another type or store. */
  set(index: number, value: unknown): void {
    this.setHandle(index, this.store.toHandle(value, this.element));
  }

  /**
   * The former length, or -1 if the maximum would be exceeded or the accountant refuses. Throws `TypeError` for a
   * value of another type or store, `RangeError` for anything but a whole number from 0. (spec: exec-table-grow)
   */
  grow(delta: number, value: unknown = null): number {
    if (!Number.isInteger(delta) || delta < 0) throw new RangeError(`cannot grow by ${delta} elements`);
    return this.growHandles(delta, this.store.toHandle(value, this.element));
  }
}
