/**
 * What a decoded module holds: data only (spec: syntax-module). Index spaces put imports first.
 * Expressions and bodies are ranges of `bytes`, read where they are needed, so a decoded module
 * costs little more than its file.
 */

import type { CompType, ExternKind, ExternType, GlobalType, MemType, SubType, TableType, ValType } from "./types.ts";

/** A constant expression: `bytes[start, end)`, its final `end` instruction included. */
export interface Expr {
  readonly start: number;
  readonly end: number;
}

export interface Import {
  readonly module: string;
  readonly name: string;
  readonly type: ExternType;
}

export interface Export {
  readonly name: string;
  readonly kind: ExternKind;
  readonly index: number;
}

/** `init` is null for an import and where the binary gives none (elements start as null). */
export interface Table {
  readonly type: TableType;
  readonly init: Expr | null;
}

/** `init` is null for an import. */
export interface Global {
  readonly type: GlobalType;
  readonly init: Expr | null;
}

export type SegmentMode =
  | { readonly kind: "passive" }
  | { readonly kind: "declarative" }
  | { readonly kind: "active"; readonly index: number; readonly offset: Expr };

/** `items` as function indices, or as one constant expression each. */
export interface ElementSegment {
  readonly mode: SegmentMode;
  readonly type: ValType;
  readonly items:
    | { readonly kind: "funcs"; readonly indices: Uint32Array }
    | { readonly kind: "exprs"; readonly exprs: readonly Expr[] };
}

/** The segment's content is `bytes[start, end)`. */
export interface DataSegment {
  readonly mode: SegmentMode;
  readonly start: number;
  readonly end: number;
}

/**
 * `content` is `bytes[start, end)`. `place` is the id of the last non-custom section before it,
 * 0 if there is none: the encoder and printer put it back there.
 */
export interface CustomSection {
  readonly name: string;
  readonly start: number;
  readonly end: number;
  readonly place: number;
}

export interface Module {
  /** While it is compiled they may be lent: an equal copy takes their place then. */
  bytes: Uint8Array;
  /** Every type by its index; {@link recGroups} says how they are grouped. */
  readonly types: readonly SubType[];
  /** The sizes of the recursion groups, in order; their sum is `types.length`. */
  readonly recGroups: readonly number[];
  readonly imports: readonly Import[];
  /** The type index of every function. */
  readonly funcs: Uint32Array;
  readonly tables: readonly Table[];
  readonly memories: readonly MemType[];
  /** The type index of every tag. */
  readonly tags: readonly number[];
  readonly globals: readonly Global[];
  readonly exports: readonly Export[];
  readonly start: number | null;
  readonly elements: readonly ElementSegment[];
  readonly dataCount: number | null;
  readonly data: readonly DataSegment[];
  /**
   * Bodies of the functions that are not imported: function `importedFuncs + i` is
   * `bytes[bodyStarts[i], bodyEnds[i])`, from its local declarations to its final `end`.
   */
  readonly bodyStarts: Uint32Array;
  readonly bodyEnds: Uint32Array;
  readonly customs: readonly CustomSection[];
  readonly importedFuncs: number;
  readonly importedTables: number;
  readonly importedMemories: number;
  readonly importedTags: number;
  readonly importedGlobals: number;
}

/** The function type at a type index that validation (or the caller) knows to be one. */
export function funcTypeAt(module: Module, typeIndex: number): CompType & { kind: "func" } {
  const comp = module.types[typeIndex]?.comp;
  if (comp?.kind !== "func") throw new TypeError(`bug: type ${typeIndex} is not a function type`);
  return comp;
}
