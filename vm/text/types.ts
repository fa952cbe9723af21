/** Types in the text format (spec: text-types), and the uses of function types (spec: text-typeuse). */

import { MAX_TYPES } from "../limits.ts";
import {
  type AddressType,
  type CompType,
  type ExternKind,
  type FieldType,
  type GlobalType,
  HEAP_TYPE_NAMES,
  type HeapType,
  isRefType,
  type Limits,
  type MemType,
  Num,
  refType,
  type SubType,
  type TableType,
  VAL_TYPE_NAMES,
  type ValType,
} from "../types.ts";
import { type Context, isIndex, nat, Space } from "./context.ts";
import type { Cursor } from "./cursor.ts";
import { Kind } from "./lexer.ts";
import { u64Value } from "./numbers.ts";

export function parseHeapType(context: Context): HeapType {
  const { cursor } = context;
  // Past the limit on types all indices are equally unknown, and a packed type must hold them.
  if (isIndex(cursor)) return Math.min(context.typeSpace.index(cursor), MAX_TYPES);
  const heap = cursor.kind() === Kind.Keyword ? HEAP_TYPE_NAMES.get(cursor.word()) : undefined;
  if (heap === undefined) throw cursor.unexpected();
  cursor.at++;
  return heap;
}

/** The type at the cursor, or null if none stands there. */
export function takeValType(context: Context): ValType | null {
  const { cursor } = context;
  if (cursor.kind() === Kind.Keyword) {
    const type = VAL_TYPE_NAMES.get(cursor.word());
    if (type === undefined) return null;
    cursor.at++;
    return type;
  }
  if (!cursor.takeForm("ref")) return null;
  const nullable = cursor.takeKeyword("null");
  const type = refType(parseHeapType(context), nullable);
  cursor.expectClose();
  return type;
}

export function parseValType(context: Context): ValType {
  const type = takeValType(context);
  if (type === null) throw context.cursor.unexpected();
  return type;
}

/** Whether a reference type stands here: it starts an element list. */
export function isRefTypeNext(context: Context): boolean {
  const { cursor } = context;
  if (cursor.isForm("ref")) return true;
  const type = cursor.kind() === Kind.Keyword ? VAL_TYPE_NAMES.get(cursor.word()) : undefined;
  return type !== undefined && isRefType(type);
}

export function parseRefType(context: Context): ValType {
  if (!isRefTypeNext(context)) throw context.cursor.unexpected();
  return parseValType(context);
}

function parseStorageType(context: Context): ValType {
  if (context.cursor.takeKeyword("i8")) return Num.I8;
  if (context.cursor.takeKeyword("i16")) return Num.I16;
  return parseValType(context);
}

function parseFieldType(context: Context): FieldType {
  const { cursor } = context;
  if (!cursor.takeForm("mut")) return { storage: parseStorageType(context), mutable: false };
  const storage = parseStorageType(context);
  cursor.expectClose();
  return { storage, mutable: true };
}

export function parseGlobalType(context: Context): GlobalType {
  const { cursor } = context;
  if (!cursor.takeForm("mut")) return { type: parseValType(context), mutable: false };
  const type = parseValType(context);
  cursor.expectClose();
  return { type, mutable: true };
}

/** `(param $x i32)* ` or `(param i32 i64)*`; identifiers go into `locals`, without it they are an error. */
function parseParams(context: Context, locals: Space | null): ValType[] {
  const { cursor } = context;
  const params: ValType[] = [];
  while (cursor.takeForm("param")) parseBoundTypes(context, params, locals);
  return params;
}

/** One identifier and its type, or any number of types, then the closing parenthesis. */
export function parseBoundTypes(context: Context, types: ValType[], space: Space | null): void {
  const { cursor } = context;
  if (space !== null && cursor.kind() === Kind.Id) {
    space.bind(context);
    types.push(parseValType(context));
  } else {
    while (cursor.kind() !== Kind.Close) {
      space?.bind(context);
      types.push(parseValType(context));
    }
  }
  cursor.expectClose();
}

function parseResults(context: Context): ValType[] {
  const { cursor } = context;
  const results: ValType[] = [];
  while (cursor.takeForm("result")) parseBoundTypes(context, results, null);
  return results;
}

export interface TypeUse {
  /** The index after `(type`, or null. */
  readonly index: number | null;
  readonly params: readonly ValType[];
  readonly results: readonly ValType[];
}

/** A type use, read but not resolved: blocks have a short form of their own. */
export function parseTypeUse(context: Context, locals: Space | null = null): TypeUse {
  const { cursor } = context;
  let index: number | null = null;
  if (cursor.takeForm("type")) {
    index = context.typeSpace.index(cursor);
    cursor.expectClose();
  }
  const at = cursor.at;
  const params = parseParams(context, locals);
  const results = parseResults(context);
  for (const word of ["type", "param", "result"]) {
    // Out of order. Said here, where the types given so far might not fit either.
    if (cursor.takeForm(word)) {
      cursor.at--;
      throw cursor.unexpected();
    }
  }
  if (index !== null && cursor.at !== at) checkInlineType(context, index, params, results, at);
  return { index, params, results };
}

function checkInlineType(
  context: Context,
  index: number,
  params: readonly ValType[],
  results: readonly ValType[],
  at: number,
): void {
  const comp = context.types[index]?.comp;
  if (comp === undefined) throw context.cursor.fail("unknown type", String(index), at);
  const fits = comp.kind === "func" && isSame(comp.params, params) && isSame(comp.results, results);
  if (!fits) throw context.cursor.fail("inline function type", `differs from type ${index}`, at);
}

function isSame(left: readonly ValType[], right: readonly ValType[]): boolean {
  return left.length === right.length && left.every((type, i) => type === right[i]);
}

export function typeUseIndex(context: Context, use: TypeUse): number {
  return use.index ?? context.implicitType(use);
}

/**
 * A type use that must be resolved at once. With `locals`, its parameters get the first local
 * indices, named or not.
 */
export function parseTypeIndex(context: Context, locals: Space | null = null): number {
  const use = parseTypeUse(context, locals);
  const index = typeUseIndex(context, use);
  const comp = context.types[index]?.comp;
  if (locals !== null && comp?.kind === "func") locals.count = comp.params.length;
  return index;
}

function parseU64(context: Context): bigint {
  const { cursor } = context;
  if (cursor.kind() !== Kind.Nat) throw cursor.unexpected();
  const value = u64Value(cursor.word());
  if (value === null) throw cursor.fail("i64 constant out of range");
  cursor.at++;
  return value;
}

export function parseLimits(context: Context): Limits {
  const min = parseU64(context);
  return { min, max: context.cursor.kind() === Kind.Nat ? parseU64(context) : null };
}

/** `i32`, `i64` or nothing, which means i32. */
export function parseAddressType(context: Context): AddressType {
  if (context.cursor.takeKeyword("i64")) return Num.I64;
  context.cursor.takeKeyword("i32");
  return Num.I32;
}

export function parseTableType(context: Context): TableType {
  const address = parseAddressType(context);
  const limits = parseLimits(context);
  return { limits, address, element: parseRefType(context) };
}

export function parseMemType(context: Context): MemType {
  const address = parseAddressType(context);
  const limits = parseLimits(context);
  const shared = context.cursor.takeKeyword("shared");
  return { limits, address, shared, ...parsePageSize(context) };
}

/** `(pagesize 1)` or nothing: the page size as memory types have it. */
export function parsePageSize(context: Context): Pick<MemType, "pageSizeLog2"> {
  const { cursor } = context;
  if (!context.proposals.has("custom-page-sizes") || !cursor.takeForm("pagesize")) return {};
  const at = cursor.at;
  const bytes = parseU64(context);
  const pageSizeLog2 = bytes.toString(2).length - 1;
  if (bytes !== 1n << BigInt(pageSizeLog2)) throw cursor.fail("invalid custom page size", String(bytes), at);
  cursor.expectClose();
  return { pageSizeLog2 };
}

/** What stands after `(type $id`: `(sub final? super* comptype)` or a comptype. */
export function parseSubType(context: Context, typeIndex: number): SubType {
  const { cursor } = context;
  if (!cursor.takeForm("sub")) return { final: true, supers: [], comp: parseCompType(context, typeIndex) };
  const final = cursor.takeKeyword("final");
  const supers: number[] = [];
  while (isIndex(cursor)) supers.push(context.typeSpace.index(cursor));
  const comp = parseCompType(context, typeIndex);
  cursor.expectClose();
  return { final, supers, comp };
}

function parseCompType(context: Context, typeIndex: number): CompType {
  const { cursor } = context;
  let comp: CompType;
  if (cursor.takeForm("func")) {
    // Names of parameters mean nothing here, yet must not repeat.
    const params = parseParams(context, new Space("local"));
    comp = { kind: "func", params, results: parseResults(context) };
  } else if (cursor.takeForm("struct")) {
    comp = { kind: "struct", fields: parseFields(context, typeIndex) };
  } else if (cursor.takeForm("array")) {
    comp = { kind: "array", field: parseFieldType(context) };
  } else {
    if (cursor.kind() === Kind.Open) cursor.at++;
    throw cursor.unexpected();
  }
  cursor.expectClose();
  return comp;
}

function parseFields(context: Context, typeIndex: number): FieldType[] {
  const { cursor } = context;
  const names = new Space("field");
  const fields: FieldType[] = [];
  while (cursor.takeForm("field")) {
    if (cursor.kind() === Kind.Id) {
      names.bind(context);
      fields.push(parseFieldType(context));
    } else {
      while (cursor.kind() !== Kind.Close) {
        names.bind(context);
        fields.push(parseFieldType(context));
      }
    }
    cursor.expectClose();
  }
  if (names.names.size > 0) context.fields.set(typeIndex, names);
  return fields;
}

/** `(local $x i32)*` or `(local i32 i64)*`, after the parameters. */
export function parseLocals(context: Context, locals: Space): ValType[] {
  const types: ValType[] = [];
  while (context.cursor.takeForm("local")) parseBoundTypes(context, types, locals);
  return types;
}

/** The index after a struct type: a number or the name of one of its fields. */
export function parseFieldIndex(context: Context, typeIndex: number): number {
  const { cursor } = context;
  if (cursor.kind() === Kind.Nat) return nat(cursor);
  return (context.fields.get(typeIndex) ?? new Space("field")).index(cursor);
}

export function parseExternKind(cursor: Cursor): ExternKind {
  for (const kind of ["func", "table", "memory", "tag", "global"] as const) {
    if (cursor.takeKeyword(kind)) return kind;
  }
  throw cursor.unexpected();
}
