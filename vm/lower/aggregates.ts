/** Lowering of structures and arrays. Where a field lies is known here, so no operation looks at types but those that allocate. */

import { InternalError } from "../errors.ts";
import { Op } from "../opcodes.ts";
import { arrayWords, Storage, storageOf } from "../layouts.ts";
import type { CompType } from "../types.ts";
import { Reg } from "./code.ts";
import { ReferenceLowering } from "./references.ts";
import { Category } from "./tables.ts";

/** Words of a new object that one fuel pays for: 16 bytes. Collecting it is contained in that. */
export const WORDS_PER_FUEL = 4;

/** Whether {@link AggregateLowering.aggregate} lowers the instruction. */
export function isAggregateOp(op: Op): boolean {
  return op >= Op.StructNew && op <= Op.ArrayInitElem;
}

/** Accesses that the hot loop does: packed fields are whole words without a sign. */
const STRUCT_GET: ReadonlyMap<Storage, Reg> = new Map([
  [Storage.Word, Reg.StructGet32],
  [Storage.I8U, Reg.StructGet32],
  [Storage.I16U, Reg.StructGet32],
  [Storage.Double, Reg.StructGet64],
]);
const STRUCT_SET: ReadonlyMap<Storage, Reg> = new Map([
  [Storage.Word, Reg.StructSet32],
  [Storage.Double, Reg.StructSet64],
]);
const ARRAY_GET: ReadonlyMap<Storage, Reg> = new Map([
  [Storage.I8U, Reg.ArrayGet8U],
  [Storage.I16U, Reg.ArrayGet16U],
  [Storage.Word, Reg.ArrayGet32],
  [Storage.Double, Reg.ArrayGet64],
]);
const ARRAY_SET: ReadonlyMap<Storage, Reg> = new Map([
  [Storage.Word, Reg.ArraySet32],
  [Storage.Double, Reg.ArraySet64],
]);

type StructType = CompType & { readonly kind: "struct" };
type ArrayType = CompType & { readonly kind: "array" };

export abstract class AggregateLowering extends ReferenceLowering {
  protected aggregate(op: Op): void {
    const { operands, reader } = this;
    // P before the instruction.
    const position = this.fuel - this.source.prices[op]!;
    if (op === Op.ArrayLen) {
      const a = this.read(operands.pop());
      this.emit2(Reg.ArrayLen, operands.pushSlot(Category.I32), a);
      return;
    }
    const typeIndex = reader.u32();
    const typeId = this.source.typeIds[typeIndex]!;
    switch (op) {
      case Op.StructNew:
      case Op.StructNewDefault: {
        const layout = this.source.layouts.of(typeId);
        this.#pay(layout.words);
        const isDefault = op === Op.StructNewDefault;
        const at = this.beginInside(isDefault ? 0 : layout.offsets.length);
        this.emitMany(isDefault ? Reg.StructNewDefault : Reg.StructNew, [at, typeId, position]);
        operands.pushSlot(Category.Ref);
        return;
      }
      case Op.StructGet:
      case Op.StructGetS:
      case Op.StructGetU: {
        const field = reader.u32();
        const { storage } = this.#structType(typeIndex).fields[field]!;
        const offset = this.source.layouts.of(typeId).offsets[field]!;
        const a = this.read(operands.pop());
        const d = operands.pushSlot(this.categoryOf(storage));
        const kind = storageOf(storage, op === Op.StructGetS);
        const reg = STRUCT_GET.get(kind);
        if (reg !== undefined) this.emit3(reg, d, a, offset);
        else this.emitMany(Reg.StructGet, [d, a, offset, kind]);
        return;
      }
      case Op.StructSet: {
        const field = reader.u32();
        const { storage } = this.#structType(typeIndex).fields[field]!;
        const offset = this.source.layouts.of(typeId).offsets[field]!;
        const b = operands.pop();
        const a = operands.pop();
        const kind = storageOf(storage, false);
        const [object, value] = [this.read(a), this.read(b)];
        const reg = STRUCT_SET.get(kind);
        if (reg !== undefined) this.emitMany(reg, [object, value, offset]);
        else this.emitMany(Reg.StructSet, [object, value, offset, kind]);
        return;
      }
      case Op.ArrayNew:
        this.#newArray(Reg.ArrayNew, 2, [typeId, position]);
        return;
      case Op.ArrayNewDefault:
        this.#newArray(Reg.ArrayNewDefault, 1, [typeId, position]);
        return;
      case Op.ArrayNewFixed: {
        const count = reader.u32();
        this.#pay(arrayWords(this.source.layouts.of(typeId), count));
        this.#newArray(Reg.ArrayNewFixed, count, [typeId, count, position]);
        return;
      }
      case Op.ArrayNewData:
        this.#newArray(Reg.ArrayNewData, 2, [typeId, reader.u32(), position]);
        return;
      case Op.ArrayNewElem:
        this.#newArray(Reg.ArrayNewElem, 2, [typeId, reader.u32(), position]);
        return;
      case Op.ArrayGet:
      case Op.ArrayGetS:
      case Op.ArrayGetU: {
        const { storage } = this.#arrayType(typeIndex).field;
        const b = operands.pop();
        const a = operands.pop();
        const [array, index] = [this.read(a), this.read(b)];
        const d = operands.pushSlot(this.categoryOf(storage));
        const kind = storageOf(storage, op === Op.ArrayGetS);
        const reg = ARRAY_GET.get(kind);
        if (reg !== undefined) this.emit3(reg, d, array, index);
        else this.emitMany(Reg.ArrayGet, [d, array, index, kind]);
        return;
      }
      case Op.ArraySet: {
        const { storage } = this.#arrayType(typeIndex).field;
        const c = operands.pop();
        const b = operands.pop();
        const a = operands.pop();
        const kind = storageOf(storage, false);
        const words = [this.read(a), this.read(b), this.read(c)];
        const reg = ARRAY_SET.get(kind);
        if (reg !== undefined) this.emitMany(reg, words);
        else this.emitMany(Reg.ArraySet, [...words, kind]);
        return;
      }
      case Op.ArrayFill:
        this.emitMany(Reg.ArrayFill, [this.beginInside(4), typeId, position]);
        return;
      case Op.ArrayCopy:
        reader.u32();
        this.emitMany(Reg.ArrayCopy, [this.beginInside(5), typeId, position]);
        return;
      case Op.ArrayInitData:
        this.emitMany(Reg.ArrayInitData, [this.beginInside(4), typeId, reader.u32(), position]);
        return;
      case Op.ArrayInitElem:
        this.emitMany(Reg.ArrayInitElem, [this.beginInside(4), typeId, reader.u32(), position]);
        return;
      default:
        throw new InternalError(`no lowering for instruction 0x${op.toString(16)}`);
    }
  }

  #pay(words: number): void {
    this.fuel += Math.ceil(words / WORDS_PER_FUEL);
  }

  #newArray(reg: Reg, operandCount: number, immediates: readonly number[]): void {
    this.emitMany(reg, [this.beginInside(operandCount), ...immediates]);
    this.operands.pushSlot(Category.Ref);
  }

  #structType(typeIndex: number): StructType {
    return this.module.types[typeIndex]!.comp as StructType;
  }

  #arrayType(typeIndex: number): ArrayType {
    return this.module.types[typeIndex]!.comp as ArrayType;
  }
}
