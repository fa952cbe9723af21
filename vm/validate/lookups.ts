/** The index spaces as instructions use them: every lookup checks its index and throws "unknown …". */

import { readHeapType } from "../binary/read-types.ts";
import type { MemType, TableType } from "../types.ts";
import {
  heapOf,
  isNullable,
  Num,
  refType,
  type CompType,
  type FieldType,
  type FuncType,
  type ValType,
} from "../types.ts";
import { Operands } from "./operands.ts";

export type StructType = CompType & { readonly kind: "struct" };
export type ArrayType = CompType & { readonly kind: "array" };

/** What a field holds on the operand stack: packed fields are i32 there. */
export function unpacked(field: FieldType): ValType {
  return isPacked(field) ? Num.I32 : field.storage;
}

export function isPacked(field: FieldType): boolean {
  return field.storage === Num.I8 || field.storage === Num.I16;
}

export class Lookups extends Operands {
  /** A constant expression is validated, not a body. */
  isConstant = false;

  memory(index: number): MemType {
    const type = this.context.module.memories[index];
    if (type === undefined) throw this.unknown("memory", index);
    return type;
  }

  table(index: number): TableType {
    const table = this.context.module.tables[index];
    if (table === undefined) throw this.unknown("table", index);
    return table.type;
  }

  /** The canonical element type of a table that exists. */
  tableElement(index: number): ValType {
    return this.context.tableTypes[index]!;
  }

  func(index: number): FuncType {
    if (index >= this.context.module.funcs.length) throw this.unknown("function", index);
    return this.context.funcType(index);
  }

  /** The parameters that an exception of the tag carries. */
  tagParams(index: number): readonly ValType[] {
    const typeIndex = this.context.module.tags[index];
    if (typeIndex === undefined) throw this.unknown("tag", index);
    return this.context.funcTypeAt(typeIndex, this.place).params;
  }

  /** The canonical element type of an element segment. */
  elementType(index: number): ValType {
    const type = this.context.elementTypes[index];
    if (type === undefined) throw this.unknown("elem segment", index);
    return type;
  }

  /** Data indices need the data count section, since bodies stand before the data (spec: binary-datacountsec). */
  checkData(index: number): void {
    const { dataCount } = this.context.module;
    if (dataCount === null) throw this.reader.malformed("data count section required", this.position);
    if (index >= dataCount) throw this.unknown("data segment", index);
  }

  typeId(typeIndex: number): number {
    if (typeIndex >= this.context.typeIds.length) throw this.unknown("type", typeIndex);
    return this.context.typeIds[typeIndex]!;
  }

  funcTypeAt(typeIndex: number): FuncType {
    return this.context.funcTypeAt(typeIndex, this.place);
  }

  structType(typeIndex: number): StructType {
    const comp = this.context.registry.comp(this.typeId(typeIndex));
    if (comp.kind !== "struct") throw this.invalid("type mismatch", `type ${typeIndex} is no structure type`);
    return comp;
  }

  arrayType(typeIndex: number): ArrayType {
    const comp = this.context.registry.comp(this.typeId(typeIndex));
    if (comp.kind !== "array") throw this.invalid("type mismatch", `type ${typeIndex} is no array type`);
    return comp;
  }

  /** Reads a heap type and gives the reference to it, canonical. */
  readHeapTypeAs(nullable: boolean): ValType {
    return this.context.canonical(refType(readHeapType(this.reader), nullable), this.place);
  }

  /** Pops a reference, null or not, to the defined type of a type index. */
  popDefined(typeIndex: number): void {
    this.pop(refType(this.typeId(typeIndex), true));
  }

  /** Pushes a reference, not null, to the defined type of a type index. */
  pushDefined(typeIndex: number): void {
    this.push(refType(this.typeId(typeIndex), false));
  }

  /** Throws `type mismatch` unless `sub` matches `sup`. */
  require(sub: ValType, sup: ValType): void {
    if (sub !== sup && !this.context.registry.matchesVal(sub, sup)) {
      throw this.invalid("type mismatch", `${this.text(sub)} does not match ${this.text(sup)}`);
    }
  }

  get place(): { position: number; funcIndex?: number } {
    return this.reader.placeAt(this.position);
  }
}

/** `type` without null. */
export function nonNull(type: ValType): ValType {
  return isNullable(type) ? refType(heapOf(type), false) : type;
}
