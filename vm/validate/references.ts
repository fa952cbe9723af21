/**
 * The typing rules of reference and aggregate instructions that depend on context (spec:
 * valid-instr-ref, valid-instr-struct, valid-instr-array).
 */

import { limitExceeded } from "../errors.ts";
import { readCastFlags } from "../binary/instructions.ts";
import { MAX_ARRAY_FIXED } from "../limits.ts";
import { Op } from "../opcodes.ts";
import {
  Heap,
  heapOf,
  isDefaultable,
  isNullable,
  isRefType,
  Num,
  refType,
  type FieldType,
  type ValType,
} from "../types.ts";
import { isPacked, nonNull, unpacked, type Lookups } from "./lookups.ts";
import type { ValTypes } from "./operands.ts";

/** Validates `op`, whose number the reader has passed. The caller gives only instructions that have a case here. */
export function validateReference(v: Lookups, op: Op): void {
  const { reader } = v;
  switch (op) {
    case Op.RefNull:
      v.push(v.readHeapTypeAs(true));
      return;
    case Op.RefIsNull:
      v.popRef();
      v.push(Num.I32);
      return;
    case Op.RefFunc:
      refFunc(v, reader.u32());
      return;
    case Op.RefAsNonNull:
      v.push(nonNull(v.popRef()));
      return;
    case Op.BrOnNull: {
      const types = v.labelTypes(reader.u32());
      const type = v.popRef();
      v.popAll(types);
      v.pushAll(types);
      v.push(nonNull(type));
      return;
    }
    case Op.BrOnNonNull: {
      const types = v.labelTypes(reader.u32());
      branchWithRef(v, types, nonNull(v.popRef()));
      return;
    }
    case Op.RefTest:
    case Op.RefTestNull:
      v.pop(refType(v.context.registry.topOf(heapOf(v.readHeapTypeAs(op === Op.RefTestNull))), true));
      v.push(Num.I32);
      return;
    case Op.RefCast:
    case Op.RefCastNull: {
      const target = v.readHeapTypeAs(op === Op.RefCastNull);
      v.pop(refType(v.context.registry.topOf(heapOf(target)), true));
      v.push(target);
      return;
    }
    case Op.BrOnCast:
    case Op.BrOnCastFail:
      branchOnCast(v, op);
      return;
    case Op.AnyConvertExtern: {
      const type = v.popRefBelow(Heap.Extern);
      v.push(refType(Heap.Any, isNullable(type)));
      return;
    }
    case Op.ExternConvertAny: {
      const type = v.popRefBelow(Heap.Any);
      v.push(refType(Heap.Extern, isNullable(type)));
      return;
    }
    case Op.StructNew:
    case Op.StructNewDefault:
      structNew(v, op, reader.u32());
      return;
    case Op.StructGet:
    case Op.StructGetS:
    case Op.StructGetU:
    case Op.StructSet:
      structAccess(v, op, reader.u32(), reader.u32());
      return;
    default:
      validateArray(v, op, reader.u32());
  }
}

function refFunc(v: Lookups, funcIndex: number): void {
  const { module, declaredFuncs, typeIds } = v.context;
  if (funcIndex >= module.funcs.length) throw v.unknown("function", funcIndex);
  if (v.isConstant) declaredFuncs[funcIndex] = 1;
  else if (declaredFuncs[funcIndex] === 0) throw v.invalid("undeclared function reference", String(funcIndex));
  v.push(refType(typeIds[module.funcs[funcIndex]!]!, false));
}

/** The branch of br_on_non_null: the label takes `ref` last; the rest stays where it is. */
function branchWithRef(v: Lookups, types: ValTypes, ref: ValType): void {
  v.push(ref);
  popLabelRef(v, types);
  const rest = types.slice(0, -1);
  v.popAll(rest);
  v.pushAll(rest);
}

/** Pops the last type that a label takes, which must be a reference. */
function popLabelRef(v: Lookups, types: ValTypes): void {
  const last = types[types.length - 1];
  if (last === undefined || !isRefType(last)) throw v.invalid("type mismatch", "the label takes no reference");
  v.pop(last);
}

/** br_on_cast branches with the type cast to, br_on_cast_fail with what is left of the source (spec: aux-difftype). */
function branchOnCast(v: Lookups, op: Op): void {
  const flags = readCastFlags(v.reader);
  const types = v.labelTypes(v.reader.u32());
  const source = v.readHeapTypeAs((flags & 1) !== 0);
  const target = v.readHeapTypeAs((flags & 2) !== 0);
  v.require(target, source);
  const rest = isNullable(target) ? nonNull(source) : source;
  v.pop(source);
  branchWithRef(v, types, op === Op.BrOnCast ? target : rest);
  v.push(op === Op.BrOnCast ? rest : target);
}

function structNew(v: Lookups, op: Op, typeIndex: number): void {
  const { fields } = v.structType(typeIndex);
  v.pausePosition -= fields.length;
  for (let i = fields.length - 1; i >= 0; i--) {
    if (op === Op.StructNew) v.pop(unpacked(fields[i]!));
    else requireDefault(v, fields[i]!);
  }
  v.pushDefined(typeIndex);
}

function requireDefault(v: Lookups, field: FieldType): void {
  if (!isDefaultable(field.storage)) throw v.invalid("type mismatch", `${v.text(field.storage)} has no default`);
}

function structAccess(v: Lookups, op: Op, typeIndex: number, fieldIndex: number): void {
  const field = v.structType(typeIndex).fields[fieldIndex];
  if (field === undefined) throw v.unknown("field", fieldIndex);
  if (op === Op.StructSet) {
    if (!field.mutable) throw v.invalid("immutable field", String(fieldIndex));
    v.pop(unpacked(field));
    v.popDefined(typeIndex);
    return;
  }
  requirePacking(v, field, op !== Op.StructGet);
  v.popDefined(typeIndex);
  v.push(unpacked(field));
}

/** Packed fields are read with an extension, the others without. */
function requirePacking(v: Lookups, field: FieldType, packed: boolean): void {
  if (isPacked(field) !== packed) throw v.invalid("type mismatch", `field is ${packed ? "not " : ""}packed`);
}

function validateArray(v: Lookups, op: Op, typeIndex: number): void {
  const { reader } = v;
  const { field } = v.arrayType(typeIndex);
  switch (op) {
    case Op.ArrayNew:
      v.pop(Num.I32);
      v.pop(unpacked(field));
      v.pushDefined(typeIndex);
      return;
    case Op.ArrayNewDefault:
      requireDefault(v, field);
      v.pop(Num.I32);
      v.pushDefined(typeIndex);
      return;
    case Op.ArrayNewFixed: {
      const count = reader.u32();
      if (count > MAX_ARRAY_FIXED)
        throw limitExceeded(`${count} operands of array.new_fixed, at most ${MAX_ARRAY_FIXED}`, v.place);
      v.pausePosition -= count;
      for (let i = 0; i < count; i++) v.pop(unpacked(field));
      v.pushDefined(typeIndex);
      return;
    }
    case Op.ArrayNewData:
      requireBytes(v, field);
      v.checkData(reader.u32());
      popAll(v, Num.I32, Num.I32);
      v.pushDefined(typeIndex);
      return;
    case Op.ArrayNewElem:
      v.require(v.elementType(reader.u32()), field.storage);
      popAll(v, Num.I32, Num.I32);
      v.pushDefined(typeIndex);
      return;
    case Op.ArrayGet:
    case Op.ArrayGetS:
    case Op.ArrayGetU:
      requirePacking(v, field, op !== Op.ArrayGet);
      v.pop(Num.I32);
      v.popDefined(typeIndex);
      v.push(unpacked(field));
      return;
    case Op.ArraySet:
      requireMutable(v, field);
      popAll(v, Num.I32, unpacked(field));
      v.popDefined(typeIndex);
      return;
    case Op.ArrayFill:
      requireMutable(v, field);
      popAll(v, Num.I32, unpacked(field), Num.I32);
      v.popDefined(typeIndex);
      return;
    case Op.ArrayCopy:
      arrayCopy(v, typeIndex, field);
      return;
    case Op.ArrayInitData:
      requireMutable(v, field);
      requireBytes(v, field);
      v.checkData(reader.u32());
      popAll(v, Num.I32, Num.I32, Num.I32);
      v.popDefined(typeIndex);
      return;
    default: // array.init_elem
      requireMutable(v, field);
      v.require(v.elementType(reader.u32()), field.storage);
      popAll(v, Num.I32, Num.I32, Num.I32);
      v.popDefined(typeIndex);
  }
}

function arrayCopy(v: Lookups, targetIndex: number, target: FieldType): void {
  requireMutable(v, target);
  const sourceIndex = v.reader.u32();
  const source = v.arrayType(sourceIndex).field;
  if (!v.context.registry.matchesVal(source.storage, target.storage)) throw v.invalid("array types do not match");
  popAll(v, Num.I32, Num.I32);
  v.popDefined(sourceIndex);
  v.pop(Num.I32);
  v.popDefined(targetIndex);
}

function requireMutable(v: Lookups, field: FieldType): void {
  if (!field.mutable) throw v.invalid("immutable array");
}

/** Only numbers and vectors can be made of bytes. */
function requireBytes(v: Lookups, field: FieldType): void {
  if (isRefType(field.storage)) throw v.invalid("array type is not numeric or vector");
}

/** Pops the operands named in the order of the instruction's type: the last one first. */
function popAll(v: Lookups, ...types: ValType[]): void {
  for (let i = types.length - 1; i >= 0; i--) v.pop(types[i]!);
}
