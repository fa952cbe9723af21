/**
 * Value, reference, function and external types (spec: syntax-types), and how they are packed
 * into integers. Matching between types stands in type-registry.ts.
 *
 * A `ValType` is one small integer, so that the validator compares types without touching objects:
 * numbers and vectors are their byte of the binary format; a reference is
 * `0x100 + (heap + 0x80) * 2 + (nullable ? 1 : 0)`, where `heap` is a {@link HeapType}.
 */

/** A value or storage type, packed as described above. */
export type ValType = number;

/**
 * A heap type: an index into the module's type section (0 and up), or one of {@link Heap}
 * (negative: the s33 of the binary format). After canonicalisation the index is an engine-wide id.
 */
export type HeapType = number;

/** The abstract heap types; the values are the s33 numbers of the binary format. */
export const enum Heap {
  NoExn = -0x0c,
  NoFunc = -0x0d,
  NoExtern = -0x0e,
  None = -0x0f,
  Func = -0x10,
  Extern = -0x11,
  Any = -0x12,
  Eq = -0x13,
  I31 = -0x14,
  Struct = -0x15,
  Array = -0x16,
  Exn = -0x17,
  /** Below every heap type: the validator's type for a reference from unreachable code. */
  Bottom = -0x40,
}

/** The types that are no references, and the two that exist only inside the validator and the table. */
export const enum Num {
  /** Matches everything: an operand from unreachable code. */
  Bottom = 0,
  /** In the instruction table: the address type of the memory named by the immediate. */
  Address = 1,
  I32 = 0x7f,
  I64 = 0x7e,
  F32 = 0x7d,
  F64 = 0x7c,
  V128 = 0x7b,
  /** Storage types of struct and array fields only. */
  I8 = 0x78,
  I16 = 0x77,
}

const REFERENCES = 0x100;
const HEAP_BIAS = 0x80;

export function refType(heap: HeapType, nullable: boolean): ValType {
  return REFERENCES + ((heap + HEAP_BIAS) << 1) + (nullable ? 1 : 0);
}

export function isRefType(type: ValType): boolean {
  return type >= REFERENCES;
}

export function isNullable(type: ValType): boolean {
  return (type & 1) === 1;
}

export function heapOf(type: ValType): HeapType {
  return ((type - REFERENCES) >> 1) - HEAP_BIAS;
}

/** Numbers, vectors and nullable references have a default value (spec: aux-default). */
export function isDefaultable(type: ValType): boolean {
  return type < REFERENCES || isNullable(type);
}

export const FUNCREF: ValType = refType(Heap.Func, true);
export const EXTERNREF: ValType = refType(Heap.Extern, true);
export const ANYREF: ValType = refType(Heap.Any, true);
export const EXNREF: ValType = refType(Heap.Exn, true);

/** The abstract heap types by their name in the text format. */
export const HEAP_TYPE_NAMES: ReadonlyMap<string, HeapType> = new Map<string, HeapType>([
  ["any", Heap.Any],
  ["eq", Heap.Eq],
  ["i31", Heap.I31],
  ["struct", Heap.Struct],
  ["array", Heap.Array],
  ["none", Heap.None],
  ["func", Heap.Func],
  ["nofunc", Heap.NoFunc],
  ["extern", Heap.Extern],
  ["noextern", Heap.NoExtern],
  ["exn", Heap.Exn],
  ["noexn", Heap.NoExn],
]);

/** The one-word value types of the text format, abbreviations of references included. */
export const VAL_TYPE_NAMES: ReadonlyMap<string, ValType> = new Map<string, ValType>([
  ["i32", Num.I32],
  ["i64", Num.I64],
  ["f32", Num.F32],
  ["f64", Num.F64],
  ["v128", Num.V128],
  ...[...HEAP_TYPE_NAMES].map(([name, heap]): [string, ValType] => [shorthand(name), refType(heap, true)]),
]);

function shorthand(heapName: string): string {
  return heapName.startsWith("no") ? `null${heapName === "none" ? "" : heapName.slice(2)}ref` : `${heapName}ref`;
}

const NAMES_OF_HEAP_TYPES: ReadonlyMap<HeapType, string> = new Map(
  [...HEAP_TYPE_NAMES].map(([name, heap]) => [heap, name]),
);

const NAMES_OF_VAL_TYPES: ReadonlyMap<ValType, string> = new Map([
  ...[...VAL_TYPE_NAMES].map(([name, type]): [ValType, string] => [type, name]),
  [Num.I8, "i8"],
  [Num.I16, "i16"],
]);

export function heapTypeText(heap: HeapType): string {
  return NAMES_OF_HEAP_TYPES.get(heap) ?? (heap === Heap.Bottom ? "bot" : String(heap));
}

/** The type as the text format spells it; type indices stay numbers. */
export function valTypeText(type: ValType): string {
  if (type === Num.Bottom) return "bot";
  return NAMES_OF_VAL_TYPES.get(type) ?? `(ref ${isNullable(type) ? "null " : ""}${heapTypeText(heapOf(type))})`;
}

/** (spec: syntax-functype) */
export interface FuncType {
  readonly params: readonly ValType[];
  readonly results: readonly ValType[];
}

/** A function type as in the text format. */
export function funcTypeText(type: FuncType): string {
  return `[${type.params.map(valTypeText).join(" ")}] -> [${type.results.map(valTypeText).join(" ")}]`;
}

/** (spec: syntax-fieldtype) `storage` may be a packed type, {@link Num.I8} or {@link Num.I16}. */
export interface FieldType {
  readonly storage: ValType;
  readonly mutable: boolean;
}

/** (spec: syntax-comptype) */
export type CompType =
  | ({ readonly kind: "func" } & FuncType)
  | { readonly kind: "struct"; readonly fields: readonly FieldType[] }
  | { readonly kind: "array"; readonly field: FieldType };

/** (spec: syntax-subtype) `supers` are type indices; the grammar allows several, validation one. */
export interface SubType {
  readonly final: boolean;
  readonly supers: readonly number[];
  readonly comp: CompType;
}

/** (spec: syntax-limits) Pages for memories, elements for tables; both may use all 64 bits. */
export interface Limits {
  readonly min: bigint;
  readonly max: bigint | null;
}

export type AddressType = Num.I32 | Num.I64;

/** (spec: syntax-memtype) `shared` belongs to the threads proposal. */
export interface MemType {
  readonly limits: Limits;
  readonly address: AddressType;
  readonly shared: boolean;
  /** Binary logarithm of the bytes of a page (custom-page-sizes proposal). Absent: 16. */
  readonly pageSizeLog2?: number;
}

export function pageBytesOf({ pageSizeLog2 = 16 }: MemType): number {
  return 2 ** pageSizeLog2;
}

/** (spec: syntax-tabletype) */
export interface TableType {
  readonly limits: Limits;
  readonly address: AddressType;
  readonly element: ValType;
}

/** (spec: syntax-globaltype) */
export interface GlobalType {
  readonly type: ValType;
  readonly mutable: boolean;
}

export type ExternKind = "func" | "table" | "memory" | "global" | "tag";

/** (spec: syntax-externtype) Functions and tags name their type by index, as in the binary. */
export type ExternType =
  | { readonly kind: "func"; readonly typeIndex: number }
  | { readonly kind: "table"; readonly type: TableType }
  | { readonly kind: "memory"; readonly type: MemType }
  | { readonly kind: "global"; readonly type: GlobalType }
  | { readonly kind: "tag"; readonly typeIndex: number };
