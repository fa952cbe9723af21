/**
 * Where the parts of heap objects lie. An object is a header and its fields or elements, in words of
 * four bytes. Its first word is its canonical type; an array's second is its length. A field takes one word
 * (packed ones too), two for 64 bits, four for a vector; elements lie as densely as in memory. An
 * object of a subtype begins like one of its supertype.
 */

import type { TypeRegistry } from "./type-registry.ts";
import { Num, type ValType } from "./types.ts";

/** First words from here on are exceptions: this plus the tag's number in its store. */
export const EXCEPTIONS = 0x40_0000;

/** Words before an array's elements. */
export const ARRAY_HEADER_WORDS = 2;
/** Words before a structure's first field, and before an exception's first argument. */
export const FIELDS_AT = 1;

/** How a field or an element is read and written. */
export const enum Storage {
  Word,
  /** 64 bits. */
  Double,
  Vector,
  I8S,
  I8U,
  I16S,
  I16U,
}

/** `signed`: how packed values are read; they are written alike. */
export function storageOf(type: ValType, signed: boolean): Storage {
  switch (type) {
    case Num.I8:
      return signed ? Storage.I8S : Storage.I8U;
    case Num.I16:
      return signed ? Storage.I16S : Storage.I16U;
    case Num.I64:
    case Num.F64:
      return Storage.Double;
    case Num.V128:
      return Storage.Vector;
    default:
      return Storage.Word;
  }
}

export type ObjectKind = "struct" | "array" | "exception";

export interface Layout {
  readonly kind: ObjectKind;
  /** Words of the whole object, an even number; of an array's header. */
  readonly words: number;
  /** Of each field or argument: its first word, its words, and which bits of a value it keeps. None for arrays. */
  readonly offsets: readonly number[];
  readonly sizes: readonly number[];
  readonly masks: readonly number[];
  /** Words that hold traced references. */
  readonly references: readonly number[];
  /** Bytes of an element; 0 if it is no array. */
  readonly elementBytes: number;
  readonly elementStorage: Storage;
  readonly hasTracedElements: boolean;
}

/** Words of a field. */
function fieldWords(storage: ValType): number {
  return storage === Num.V128 ? 4 : storage === Num.I64 || storage === Num.F64 ? 2 : 1;
}

/** Bytes of an array's element. */
function elementBytes(storage: ValType): number {
  return storage === Num.I8 ? 1 : storage === Num.I16 ? 2 : 4 * fieldWords(storage);
}

/** So many words as complete units of 8 bytes. */
function evenWords(words: number): number {
  return words + (words & 1);
}

/** Words of an array of so many elements, its last unit complete. May be more than any heap has. */
export function arrayWords({ elementBytes }: Layout, length: number): number {
  return evenWords(ARRAY_HEADER_WORDS + Math.ceil((length * elementBytes) / 4));
}

function layoutOfFields(types: TypeRegistry, kind: ObjectKind, storage: readonly ValType[]): Layout {
  let words = FIELDS_AT;
  const offsets: number[] = [];
  const sizes: number[] = [];
  const masks: number[] = [];
  const references: number[] = [];
  for (const type of storage) {
    offsets.push(words);
    if (types.isTraced(type)) references.push(words);
    sizes.push(fieldWords(type));
    masks.push(type === Num.I8 ? 0xff : type === Num.I16 ? 0xffff : -1);
    words += fieldWords(type);
  }
  return {
    kind,
    words: evenWords(words),
    // Copies have no room for more.
    offsets: offsets.slice(),
    sizes: sizes.slice(),
    masks: masks.slice(),
    references: references.slice(),
    elementBytes: 0,
    elementStorage: Storage.Word,
    hasTracedElements: false,
  };
}

/** Words of an exception that carries `params`, its last unit complete. */
export function exceptionWords(params: readonly ValType[]): number {
  return evenWords(params.reduce((words, type) => words + fieldWords(type), FIELDS_AT));
}

/** The layouts of an engine's structure and array types, and of the exceptions of its function types, made when they are asked for. */
export class Layouts {
  readonly #types: TypeRegistry;
  readonly #layouts: (Layout | undefined)[] = [];

  constructor(types: TypeRegistry) {
    this.#types = types;
    types.freed = (id) => {
      if (id < this.#layouts.length) this.#layouts[id] = undefined;
    };
  }

  /** Of a canonical structure or array type that stays alive. */
  of(typeId: number): Layout {
    return (this.#layouts[typeId] ??= this.#make(typeId));
  }

  /** Of the exceptions with tags of a canonical function type that stays alive: all such tags share it. */
  ofException(typeId: number): Layout {
    return (this.#layouts[typeId] ??= layoutOfFields(this.#types, "exception", this.#types.funcType(typeId).params));
  }

  isSubtype(sub: number, sup: number): boolean {
    return this.#types.isSubtype(sub, sup);
  }

  #make(typeId: number): Layout {
    const comp = this.#types.comp(typeId);
    if (comp.kind === "func") throw new TypeError(`bug: objects of function type ${typeId}`);
    if (comp.kind === "struct") {
      const storage = comp.fields.map((field) => field.storage);
      return layoutOfFields(this.#types, "struct", storage);
    }
    return {
      kind: "array",
      words: ARRAY_HEADER_WORDS,
      offsets: [],
      sizes: [],
      masks: [],
      references: [],
      elementBytes: elementBytes(comp.field.storage),
      elementStorage: storageOf(comp.field.storage, false),
      hasTracedElements: this.#types.isTraced(comp.field.storage),
    };
  }
}
