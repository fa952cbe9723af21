/**
 * The functions appended to a module that write values into the observed memory: numbers by their bits,
 * references by every type they have and what is inside, to a small depth.
 */

import { Op } from "../../vm/opcodes.ts";
import { topOfAbstract } from "../../vm/type-registry.ts";
import {
  ANYREF,
  EXNREF,
  EXTERNREF,
  FUNCREF,
  Heap,
  heapOf,
  isNullable,
  isRefType,
  Num,
  refType,
  type CompType,
  type FieldType,
  type ValType,
} from "../../vm/types.ts";
import { Code, type Extension } from "./extension.ts";
import { FIRST_WORD, HOST_VALUES, HOST_VALUES_EXPORT, LAST_WORD, MEMORY_EXPORT, RESET_EXPORT, Word } from "./words.ts";

/** Objects inside of objects that are looked into. */
const DEPTH = 3;
const ELEMENTS = 3;
/** Types and tags that references are compared with. */
const MAX_TYPES = 120;

/** The hierarchy of reference types that a type belongs to, by its top. */
export function topOf(heap: number, types: readonly { readonly comp: CompType }[]): Heap {
  if (heap < 0) return topOfAbstract(heap);
  return types[heap]?.comp.kind === "func" ? Heap.Func : Heap.Any;
}

export interface DescribeOptions {
  /** Exceptions are caught by `try_table`: not in a module that has the older instructions. */
  readonly catches: boolean;
}

export class Describer {
  readonly memory: number;
  readonly #extension: Extension;
  readonly #catches: boolean;
  readonly #hosts: number;
  readonly #emit: number;
  readonly #any: number;
  readonly #func: number;
  readonly #extern: number;
  readonly #exn: number;

  constructor(extension: Extension, { catches }: DescribeOptions) {
    this.#extension = extension;
    this.#catches = catches;
    const limits = { min: 2n, max: 2n };
    this.memory = extension.memory({ limits, address: Num.I32, shared: false });
    const size = BigInt(HOST_VALUES);
    this.#hosts = extension.table({ element: EXTERNREF, limits: { min: size, max: size }, address: Num.I32 });
    extension.export(MEMORY_EXPORT, "memory", this.memory);
    extension.export(HOST_VALUES_EXPORT, "table", this.#hosts);
    this.#emit = extension.declare(extension.type({ params: [Num.I64], results: [] }));
    this.#any = extension.declare(extension.type({ params: [ANYREF, Num.I32], results: [] }));
    this.#func = extension.declare(extension.type({ params: [FUNCREF], results: [] }));
    this.#extern = extension.declare(extension.type({ params: [EXTERNREF, Num.I32], results: [] }));
    this.#exn = extension.declare(extension.type({ params: [catches ? EXNREF : Num.I32, Num.I32], results: [] }));
    this.#defineEmit();
    this.#defineAny();
    this.#defineFunc();
    this.#defineExtern();
    extension.define(this.#exn, catches ? this.#exnCode() : new Code(2));
    const reset = extension.func(extension.type({ params: [], results: [] }), this.reset(new Code()));
    extension.export(RESET_EXPORT, "func", reset);
  }

  /** Forgets what was written. */
  reset(code: Code): Code {
    code.i32(0).i32(FIRST_WORD).access(Op.I32Store, this.memory);
    return code.i32(4).i32(0).access(Op.I32Store, this.memory);
  }

  word(code: Code, word: number): Code {
    return code.i64(word).op(Op.Call, this.#emit);
  }

  /** Writes the i64 on top of the stack as it is. */
  emitTop(code: Code): Code {
    return code.op(Op.Call, this.#emit);
  }

  /** Writes and drops the value on top of the stack. `depth` is a local, or null for the whole depth. */
  value(code: Code, type: ValType, depth: number | null = null): void {
    const pushDepth = (): Code => {
      if (depth === null) return code.i32(DEPTH);
      return code.op(Op.LocalGet, depth).i32(1).op(Op.I32Sub);
    };
    switch (type) {
      case Num.I32:
        this.#bits(code, Word.I32, () => code.op(Op.I64ExtendI32U));
        return;
      case Num.I64:
        this.#bits(code, Word.I64, () => code);
        return;
      case Num.F32:
        this.#bits(code, Word.F32, () => code.op(Op.I32ReinterpretF32).op(Op.I64ExtendI32U));
        return;
      case Num.F64:
        this.#bits(code, Word.F64, () => code.op(Op.I64ReinterpretF64));
        return;
      case Num.V128: {
        const vector = code.local(Num.V128);
        code.op(Op.LocalSet, vector);
        this.word(code, Word.V128);
        // The high half first, as numbers are written.
        for (const lane of [1, 0]) {
          code.op(Op.LocalGet, vector).op(Op.I64x2ExtractLane, lane).op(Op.Call, this.#emit);
        }
        return;
      }
      default:
    }
    const top = topOf(heapOf(type), this.#extension.module.types);
    if (top === Heap.Func) code.op(Op.Call, this.#func);
    else if (top === Heap.Extern) pushDepth().op(Op.Call, this.#extern);
    else if (top === Heap.Any) pushDepth().op(Op.Call, this.#any);
    else if (this.#catches) pushDepth().op(Op.Call, this.#exn);
    else code.op(Op.Drop);
  }

  /** The value is on top of the stack; the kind is written before it. */
  #bits(code: Code, kind: Word, convert: () => Code): void {
    const bits = code.local(Num.I64);
    convert().op(Op.LocalSet, bits);
    this.word(code, kind);
    code.op(Op.LocalGet, bits).op(Op.Call, this.#emit);
  }

  #defineEmit(): void {
    const code = new Code(1);
    const at = code.local(Num.I32);
    code.i32(0).access(Op.I32Load, this.memory).op(Op.LocalTee, at).i32(LAST_WORD).op(Op.I32GtU);
    code.block(Op.If).op(Op.Return).end();
    code.op(Op.LocalGet, at).op(Op.LocalGet, 0).access(Op.I64Store, this.memory);
    code.i32(0).op(Op.LocalGet, at).i32(8).op(Op.I32Add).access(Op.I32Store, this.memory);
    this.#extension.define(this.#emit, code);
  }

  /** If parameter 0 is null, says so and returns. */
  #null(code: Code): void {
    code.op(Op.LocalGet, 0).op(Op.RefIsNull).block(Op.If);
    this.word(code, Word.Null).op(Op.Return).end();
  }

  #concreteTypes(kinds: readonly CompType["kind"][]): { readonly index: number; readonly comp: CompType }[] {
    return this.#extension.module.types
      .map(({ comp }, index) => ({ index, comp }))
      .filter(({ comp }) => kinds.includes(comp.kind))
      .slice(0, MAX_TYPES);
  }

  #defineAny(): void {
    const code = new Code(2);
    const test = (heap: number): Code => code.op(Op.LocalGet, 0).heap(Op.RefTest, heap).block(Op.If);
    this.#null(code);
    test(Heap.I31);
    this.word(code, Word.I31);
    code.op(Op.LocalGet, 0).heap(Op.RefCast, Heap.I31).op(Op.I31GetS).op(Op.I64ExtendI32S).op(Op.Call, this.#emit);
    code.op(Op.Return).end();
    code.op(Op.LocalGet, 0).heap(Op.RefTest, Heap.Struct).op(Op.LocalGet, 0).heap(Op.RefTest, Heap.Array);
    code.op(Op.I32Or).op(Op.I32Eqz).block(Op.If);
    this.#hostValue(code);
    code.op(Op.Return).end();
    this.word(code, Word.Object);
    for (const { index, comp } of this.#concreteTypes(["struct", "array"])) {
      test(index);
      this.word(code, Word.Type);
      this.word(code, index);
      code.op(Op.LocalGet, 1).block(Op.If);
      const object = code.local(refType(index, true));
      code.op(Op.LocalGet, 0).heap(Op.RefCast, index).op(Op.LocalSet, object);
      if (comp.kind === "struct") {
        comp.fields.forEach((field, i) => {
          code.op(Op.LocalGet, object);
          this.#field(code, field, [Op.StructGet, Op.StructGetU], index, i);
        });
      } else if (comp.kind === "array") {
        this.word(code, Word.Length);
        code.op(Op.LocalGet, object).op(Op.ArrayLen).op(Op.I64ExtendI32U).op(Op.Call, this.#emit);
        for (let i = 0; i < ELEMENTS; i++) {
          code.op(Op.LocalGet, object).op(Op.ArrayLen).i32(i).op(Op.I32GtU).block(Op.If);
          code.op(Op.LocalGet, object).i32(i);
          this.#field(code, comp.field, [Op.ArrayGet, Op.ArrayGetU], index);
          code.end();
        }
      }
      code.end().end();
    }
    this.#extension.define(this.#any, code);
  }

  #field(code: Code, { storage }: FieldType, [plain, packed]: readonly [Op, Op], ...indices: number[]): void {
    const isPacked = storage === Num.I8 || storage === Num.I16;
    code.op(isPacked ? packed : plain, ...indices);
    this.value(code, isPacked ? Num.I32 : storage, 1);
  }

  /** Parameter 0, a value of the host, goes into the table. */
  #hostValue(code: Code): void {
    this.word(code, Word.Host);
    const at = code.local(Num.I32);
    code.i32(4).access(Op.I32Load, this.memory).op(Op.LocalTee, at).i32(HOST_VALUES).op(Op.I32LtU).block(Op.If);
    code.op(Op.LocalGet, at).op(Op.LocalGet, 0).op(Op.ExternConvertAny).op(Op.TableSet, this.#hosts);
    code.i32(4).op(Op.LocalGet, at).i32(1).op(Op.I32Add).access(Op.I32Store, this.memory).end();
  }

  #defineFunc(): void {
    const code = new Code(1);
    this.#null(code);
    this.word(code, Word.Func);
    for (const { index } of this.#concreteTypes(["func"])) {
      code.op(Op.LocalGet, 0).heap(Op.RefTest, index).block(Op.If);
      this.word(code, Word.Type);
      this.word(code, index).end();
    }
    this.#extension.define(this.#func, code);
  }

  #defineExtern(): void {
    const code = new Code(2);
    this.#null(code);
    code.op(Op.LocalGet, 0).op(Op.AnyConvertExtern).op(Op.LocalGet, 1).op(Op.Call, this.#any);
    this.#extension.define(this.#extern, code);
  }

  /** Throws the exception again to see what it is. */
  #exnCode(): Code {
    const code = new Code(2);
    this.#null(code);
    code.op(Op.LocalGet, 1).op(Op.I32Eqz).block(Op.If);
    this.word(code, Word.Exception);
    this.word(code, -1).op(Op.Return).end();
    this.catching(code, () => code.op(Op.LocalGet, 0).op(Op.ThrowRef), 1);
    return code;
  }

  /** `body`, which leaves nothing; an exception that leaves it is written down. `depth` is that of its values. */
  catching(code: Code, body: () => void, depth: number | null = null): void {
    if (!this.#catches) {
      body();
      return;
    }
    const { module } = this.#extension;
    const tags = module.tags.slice(0, MAX_TYPES).map((typeIndex, tag) => {
      const comp = module.types[typeIndex]!.comp;
      const params = comp.kind === "func" ? comp.params : [];
      return { tag, params, type: this.#extension.type({ params: [], results: params }) };
    });
    const outermost = tags.length + 1;
    code.block(Op.Block).block(Op.Block);
    for (const { type } of tags) code.block(Op.Block, type);
    // The last tag's block is the innermost.
    const catches = tags.map(({ tag }, i) => ({ tag, label: tags.length - 1 - i }));
    code.tryTable(catches, tags.length);
    body();
    code.end().op(Op.Br, outermost);
    tags.toReversed().forEach(({ tag, params }, i) => {
      code.end();
      // The payload is on the stack; what says whose it is comes after it.
      for (const type of params.toReversed()) this.value(code, type, depth);
      this.word(code, Word.Exception);
      this.word(code, tag).op(Op.Br, outermost - 1 - i);
    });
    code.end();
    this.word(code, Word.ForeignException).end();
  }
}

/** Instructions that make a value of a type, or false. Of constant instructions only. */
export function pushDefault(code: Code, type: ValType, types: readonly { readonly comp: CompType }[]): boolean {
  switch (type) {
    case Num.I32:
      code.i32(0);
      return true;
    case Num.I64:
      code.i64(0);
      return true;
    case Num.F32:
      code.f32Zero();
      return true;
    case Num.F64:
      code.f64Zero();
      return true;
    case Num.V128:
      code.v128Zero();
      return true;
    default:
  }
  if (!isRefType(type)) return false;
  const heap = heapOf(type);
  if (isNullable(type)) {
    code.heap(Op.RefNull, heap);
    return true;
  }
  if (heap === Heap.Extern || heap === Heap.Any || heap === Heap.Eq || heap === Heap.I31) {
    code.i32(7).op(Op.RefI31);
    if (heap === Heap.Extern) code.op(Op.ExternConvertAny);
    return true;
  }
  const made =
    heap === Heap.Struct || heap === Heap.Array ? types.findIndex(({ comp }) => isMakable(comp, heap)) : heap;
  const comp = types[made]?.comp;
  if (comp === undefined || !isMakable(comp, heap)) return false;
  if (comp.kind === "struct") code.op(Op.StructNewDefault, made);
  else code.i32(ELEMENTS).op(Op.ArrayNewDefault, made);
  return true;
}

/** Whether the default of a structure or array exists, and the abstract type `heap`, if it is one, fits. */
function isMakable(comp: CompType, heap: number): boolean {
  const isDefaultable = ({ storage }: FieldType): boolean => !isRefType(storage) || isNullable(storage);
  if (comp.kind === "struct") return heap !== Heap.Array && comp.fields.every(isDefaultable);
  return comp.kind === "array" && heap !== Heap.Struct && isDefaultable(comp.field);
}
