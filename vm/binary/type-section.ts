/** The type section (spec: binary-types): recursion groups, sub types and composite types, read one type at a time. */

import { limitExceeded } from "../errors.ts";
import { ITEM_BYTES, type Footprint } from "../footprint.ts";
import { MAX_FIELDS, MAX_PARAMS, MAX_REC_GROUPS, MAX_REC_GROUP_TYPES, MAX_RESULTS, MAX_TYPES } from "../limits.ts";
import type { CompType, FieldType, SubType, ValType } from "../types.ts";
import { readMutability, readStorageType, readValType } from "./read-types.ts";
import type { Reader } from "./reader.ts";

/** The bytes that open a type. */
const enum Form {
  Rec = 0x4e,
  SubFinal = 0x4f,
  Sub = 0x50,
  Array = 0x5e,
  Struct = 0x5f,
  Func = 0x60,
}

const NO_TYPES: readonly ValType[] = [];
const NO_SUPERS: readonly number[] = [];

/** Lists are copied when they are complete: a list that has grown keeps room for a dozen more items. */
export class TypeSection {
  readonly types: SubType[] = [];
  readonly recGroups: number[] = [];
  readonly #reader: Reader;
  /** Recursion groups of the section, then types of the present group, that are still to read. */
  #groupsLeft = 0;
  #typesLeft = 0;

  readonly #footprint: Footprint;

  constructor(reader: Reader, footprint: Footprint) {
    this.#reader = reader;
    this.#footprint = footprint;
  }

  begin(): void {
    this.#groupsLeft = this.#reader.countUpTo(MAX_REC_GROUPS, "recursion groups");
  }

  hasMore(): boolean {
    return this.#typesLeft > 0 || this.#groupsLeft > 0;
  }

  /** Whether {@link next} will read a type, not the head of a group. */
  get isAtType(): boolean {
    return this.#typesLeft > 0;
  }

  /** Reads one type, or the head of a group. */
  next(): void {
    const reader = this.#reader;
    if (this.#typesLeft > 0) {
      this.#typesLeft--;
      this.#footprint.addItem(ITEM_BYTES.type);
      this.types.push(this.#subType());
      return;
    }
    this.#groupsLeft--;
    if (reader.bytes[reader.position] === Form.Rec) {
      reader.skip(1);
      this.#typesLeft = reader.countUpTo(MAX_REC_GROUP_TYPES, "types in a recursion group");
    } else this.#typesLeft = 1;
    this.#footprint.addItem(ITEM_BYTES.recGroup);
    this.recGroups.push(this.#typesLeft);
    const total = this.types.length + this.#typesLeft;
    if (total > MAX_TYPES) throw limitExceeded(`more than ${MAX_TYPES} types`, reader.placeAt(reader.position));
  }

  #subType(): SubType {
    const reader = this.#reader;
    const form = reader.u8();
    if (form !== Form.Sub && form !== Form.SubFinal)
      return { final: true, supers: NO_SUPERS, comp: this.#compType(form) };
    let supers: readonly number[] = NO_SUPERS;
    const count = reader.count();
    if (count > 0) supers = this.#indices(count);
    return { final: form === Form.SubFinal, supers, comp: this.#compType(reader.u8()) };
  }

  #indices(count: number): number[] {
    this.#footprint.addItem(count * ITEM_BYTES.typeValue);
    const indices: number[] = [];
    for (let i = 0; i < count; i++) indices.push(this.#reader.u32());
    return indices.slice();
  }

  #compType(form: number): CompType {
    const reader = this.#reader;
    switch (form) {
      case Form.Func: {
        const params = this.#valTypes(reader.countUpTo(MAX_PARAMS, "parameters"));
        return { kind: "func", params, results: this.#valTypes(reader.countUpTo(MAX_RESULTS, "results")) };
      }
      case Form.Struct: {
        const count = reader.countUpTo(MAX_FIELDS, "fields");
        this.#footprint.addItem(count * ITEM_BYTES.field);
        const fields: FieldType[] = [];
        for (let i = 0; i < count; i++) fields.push(this.#fieldType());
        return { kind: "struct", fields: fields.slice() };
      }
      case Form.Array:
        this.#footprint.addItem(ITEM_BYTES.field);
        return { kind: "array", field: this.#fieldType() };
      default:
        if (form >= 0x80) throw reader.malformed("integer representation too long");
        throw reader.malformed("malformed definition type", reader.position - 1);
    }
  }

  #valTypes(count: number): readonly ValType[] {
    if (count === 0) return NO_TYPES;
    this.#footprint.addItem(count * ITEM_BYTES.typeValue);
    const types: ValType[] = [];
    for (let i = 0; i < count; i++) types.push(readValType(this.#reader));
    return types.slice();
  }

  #fieldType(): FieldType {
    const storage = readStorageType(this.#reader);
    return { storage, mutable: readMutability(this.#reader) };
  }
}
