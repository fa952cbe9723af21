/** What one row of the instruction table says, and the small notation the rows are written in. */

import type { Proposal } from "./proposals.ts";
import { Heap, Num, refType, VAL_TYPE_NAMES, type FuncType, type ValType } from "./types.ts";

/**
 * The immediates of an instruction in the order of the binary format (spec: binary-instr).
 * `labels` is br_table's vector and default; `valtypes` select's vector; `castop` the flags,
 * label and two heap types of br_on_cast; `catches` the vector of try_table; `order` the zero
 * byte of atomic.fence.
 */
export type Immediate =
  | "blocktype"
  | "castop"
  | "catches"
  | "dataidx"
  | "elemidx"
  | "f32"
  | "f64"
  | "fieldidx"
  | "funcidx"
  | "globalidx"
  | "heaptype"
  | "i32"
  | "i64"
  | "labelidx"
  | "labels"
  | "laneidx"
  | "lanes16"
  | "localidx"
  | "memarg"
  | "memidx"
  | "order"
  | "tableidx"
  | "tagidx"
  | "typeidx"
  | "u32"
  | "v128"
  | "valtypes";

/** What an instruction moves besides its fixed price: fuel grows with the number of these. */
export type PriceUnit = "bytes" | "elements" | "fields" | "pages" | "slots" | "values";

export interface Instruction {
  /** As in the text format. `select`, `ref.test` and `ref.cast` have two numbers each. */
  readonly mnemonic: string;
  readonly immediates: readonly Immediate[];
  /** Operands and results; {@link Num.Address} stands for the memory's address type. Null: depends on context. */
  readonly type: FuncType | null;
  /** Bytes a load or store touches: its natural alignment. 0 for all others. */
  readonly width: number;
  /** Allowed in a constant expression (spec: valid-constant). `global.get` only under a condition. */
  readonly constant: boolean;
  /** Fuel of one execution before {@link priceUnit}. */
  readonly price: number;
  readonly priceUnit: PriceUnit | null;
  /** The proposal that it belongs to, if an engine has to be asked to accept it. */
  readonly proposal: Proposal | null;
}

interface RowOptions {
  readonly width?: number;
  readonly constant?: boolean;
  readonly price?: number;
  readonly priceUnit?: PriceUnit;
  readonly proposal?: Proposal;
}

/** One row: `type` in the notation "i32 i32 -> i32", `at` for the memory's address type, null for "depends on context". */
export function row(mnemonic: string, immediates: string, type: string | null, options: RowOptions = {}): Instruction {
  return {
    mnemonic,
    immediates: immediates === "" ? [] : (immediates.split(" ") as Immediate[]),
    type: type === null ? null : parseType(type),
    width: options.width ?? 0,
    constant: options.constant ?? false,
    price: options.price ?? 1,
    priceUnit: options.priceUnit ?? null,
    proposal: options.proposal ?? null,
  };
}

function parseType(notation: string): FuncType {
  const [params = "", results = ""] = notation.split("->");
  return { params: parseTypes(params), results: parseTypes(results) };
}

function parseTypes(words: string): ValType[] {
  if (words.trim() === "(ref i31)") return [refType(Heap.I31, false)];
  return words
    .split(" ")
    .filter((word) => word !== "")
    .map((word) => {
      const type = word === "at" ? Num.Address : VAL_TYPE_NAMES.get(word);
      if (type === undefined) throw new TypeError(`no such value type in the instruction table: ${word}`);
      return type;
    });
}
