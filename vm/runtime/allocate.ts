/** Memories, tables and globals that the embedder makes itself, to give them to instances (spec: embed-mem-alloc and its like). */

import { isRefType, Num, VAL_TYPE_NAMES, type AddressType, type Limits, type ValType } from "../types.ts";
import { Global } from "./global.ts";
import { added } from "./lists.ts";
import { Memory } from "./memory.ts";
import type { Store } from "./store.ts";
import { Table } from "./table.ts";
import { encodeValue, type Value } from "./values.ts";

/** What a memory is made of. */
export interface MemoryOptions {
  /** Pages of 64 KiB. */
  readonly minPages: number;
  /** Default: as many as the engine allows. */
  readonly maxPages?: number;
  /** Addresses of 64 bits. Default: false. */
  readonly is64?: boolean;
  /** For threads; needs `maxPages`. Default: false. */
  readonly shared?: boolean;
}

/** What a table is made of. */
export interface TableOptions {
  /** A reference type as the text format names it: "funcref", "externref". */
  readonly element: string;
  /** Elements. */
  readonly min: number;
  /** Default: as many as the engine allows. */
  readonly max?: number;
  /** What the elements are at first. Default: null. */
  readonly initial?: Value;
}

/** What a global is made of, besides its value. */
export interface GlobalOptions {
  /** A value type as the text format names it: "i32", "externref". */
  readonly type: string;
  /** Default: false. */
  readonly mutable?: boolean;
}

/** Throws `RangeError` for sizes that are none, `Termination` when a limit refuses. (spec: embed-mem-alloc) */
export function allocateMemory(store: Store, options: MemoryOptions): Memory {
  const { minPages, maxPages, is64 = false, shared = false } = options;
  if (shared && maxPages === undefined) throw new RangeError("a shared memory needs maxPages");
  const address: AddressType = is64 ? Num.I64 : Num.I32;
  return new Memory(store, { limits: limitsOf(minPages, maxPages), address, shared });
}

/** Throws `RangeError`, `TypeError` for an initial value of another type, `Termination`. (spec: embed-table-alloc) */
export function allocateTable(store: Store, { element, min, max, initial = null }: TableOptions): Table {
  const type = typeOf(element);
  if (!isRefType(type)) throw new TypeError(`${element} is no reference type`);
  const handle = store.toHandle(initial, type);
  const table = new Table(store, { limits: limitsOf(min, max), address: Num.I32, element: type });
  table.items.fill(handle, 0, table.length);
  return table;
}

/** Throws `TypeError` for a value of another type, `Termination`. (spec: embed-global-alloc) */
export function allocateGlobal(store: Store, { type, mutable = false }: GlobalOptions, value: Value): Global {
  const global = new Global(store, { type: typeOf(type), mutable }, store.addGlobals(1));
  encodeValue(store, global.type.type, value, store.globalWords, global.at);
  if (store.engine.types.isTraced(global.type.type)) {
    store.tracedGlobals = added(store.tracedGlobals, global.at);
  }
  return global;
}

function typeOf(name: string): ValType {
  const type = VAL_TYPE_NAMES.get(name);
  if (type === undefined) throw new TypeError(`no such value type: ${name}`);
  return type;
}

function limitsOf(min: number, max: number | undefined): Limits {
  const isSize = (size: number): boolean => Number.isSafeInteger(size) && size >= 0;
  if (!isSize(min) || (max !== undefined && (!isSize(max) || max < min))) {
    throw new RangeError(`sizes from ${min} to ${max} are no limits`);
  }
  return { min: BigInt(min), max: max === undefined ? null : BigInt(max) };
}
