/**
 * Types in a snapshot. An engine numbers its types as it meets them, so those that modules define are named by
 * a module of the snapshot and its type index.
 */

import type { CompiledModule } from "../compiled-module.ts";
import { SnapshotError } from "../errors.ts";
import {
  Heap,
  heapOf,
  isNullable,
  isRefType,
  Num,
  refType,
  valTypeText,
  type FuncType,
  type ValType,
} from "../types.ts";
import type { Input } from "./input.ts";
import type { Output } from "./output.ts";

/** After a reference type's nullability: a type index of a module follows. */
const DEFINED = 0;
const NON_NULL = 1;
const NULLABLE = 2;
const NUMBERS: ReadonlySet<number> = new Set([Num.I32, Num.I64, Num.F32, Num.F64, Num.V128]);

export class TypeNames {
  readonly #modules: readonly CompiledModule[];
  /** Where each canonical type is defined first: module and type index. Made when it is needed. */
  #places: Map<number, readonly [number, number]> | null = null;

  constructor(modules: readonly CompiledModule[]) {
    this.#modules = modules;
  }

  #placeOf(typeId: number): readonly [number, number] {
    if (this.#places === null) {
      this.#places = new Map();
      for (const [index, { typeIds }] of this.#modules.entries()) {
        for (let i = 0; i < typeIds.length; i++) {
          if (!this.#places.has(typeIds[i]!)) this.#places.set(typeIds[i]!, [index, i]);
        }
      }
    }
    const place = this.#places.get(typeId);
    if (place === undefined) throw new SnapshotError("unsavable", `type ${typeId} belongs to no instance's module`);
    return place;
  }

  writeId(out: Output, typeId: number): void {
    const [module, index] = this.#placeOf(typeId);
    out.count(module);
    out.count(index);
  }

  /** The canonical id. */
  readId(input: Input): number {
    const module = this.#modules[input.index(this.#modules.length, "module")]!;
    return module.typeIds[input.index(module.typeIds.length, "type")]!;
  }

  write(out: Output, type: ValType): void {
    if (!isRefType(type)) {
      out.u8(type);
      return;
    }
    const heap = heapOf(type);
    out.u8(isNullable(type) ? NULLABLE : NON_NULL);
    out.u8(heap < 0 ? -heap : DEFINED);
    if (heap >= 0) this.writeId(out, heap);
  }

  read(input: Input): ValType {
    const first = input.u8();
    if (first !== NON_NULL && first !== NULLABLE) {
      if (!NUMBERS.has(first)) throw input.invalid(`type ${first}`);
      return first;
    }
    const heap = input.u8();
    if (heap !== DEFINED && (heap < -Heap.NoExn || heap > -Heap.Exn)) throw input.invalid(`heap type ${heap}`);
    return refType(heap === DEFINED ? this.readId(input) : -heap, first === NULLABLE);
  }

  /** A reference type: throws for any other. */
  readRef(input: Input): ValType {
    const type = this.read(input);
    if (!isRefType(type)) throw input.invalid(`a table of ${valTypeText(type)}`);
    return type;
  }

  writeList(out: Output, types: readonly ValType[]): void {
    out.count(types.length);
    for (const type of types) this.write(out, type);
  }

  readList(input: Input): ValType[] {
    return Array.from({ length: input.items() }, () => this.read(input));
  }

  writeFunc(out: Output, { params, results }: FuncType): void {
    this.writeList(out, params);
    this.writeList(out, results);
  }

  readFunc(input: Input): FuncType {
    return { params: this.readList(input), results: this.readList(input) };
  }
}
