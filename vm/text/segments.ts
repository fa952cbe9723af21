/** Element and data segments of a text, those inside tables and memories included (spec: text-elem, text-data). */

import type { DataSegment, ElementSegment, Expr, SegmentMode } from "../module.ts";
import { Op } from "../opcodes.ts";
import { type AddressType, FUNCREF, Heap, Num, refType, type ValType } from "../types.ts";
import { type Context, isIndex, type Space } from "./context.ts";
import type { Cursor } from "./cursor.ts";
import type { InstructionParser } from "./instructions.ts";
import { Kind } from "./lexer.ts";
import { isRefTypeNext, parseRefType } from "./types.ts";

type Items = ElementSegment["items"];

const FUNC_ITEMS: ValType = refType(Heap.Func, false);

export class SegmentParser {
  readonly #cursor: Cursor;
  readonly #context: Context;
  readonly #instructions: InstructionParser;
  readonly elements: ElementSegment[] = [];
  readonly data: DataSegment[] = [];

  constructor(context: Context, instructions: InstructionParser) {
    this.#context = context;
    this.#cursor = context.cursor;
    this.#instructions = instructions;
  }

  /** What stands in `(table reftype (elem ...))`, up to its closing parenthesis; gives its length. */
  inlineElements(index: number, address: AddressType, element: ValType): number {
    const cursor = this.#cursor;
    const mode: SegmentMode = { kind: "active", index, offset: this.#zero(address) };
    // Function indices have the type (ref func), which only these two tables are sure to take.
    const takesFuncs = element === FUNC_ITEMS || element === FUNCREF;
    const items = takesFuncs && cursor.kind() !== Kind.Open ? this.#funcItems() : this.#exprItems();
    this.elements.push({ mode, type: items.kind === "funcs" ? FUNC_ITEMS : element, items });
    return items.kind === "funcs" ? items.indices.length : items.exprs.length;
  }

  /** What stands in `(memory (data ...))`, up to its closing parenthesis; gives its length in bytes. */
  inlineData(index: number, address: AddressType): number {
    const offset = this.#zero(address);
    const range = this.#strings();
    this.data.push({ mode: { kind: "active", index, offset }, ...range });
    return range.end - range.start;
  }

  /** The offset of an inline segment. */
  #zero(address: AddressType): Expr {
    const { out } = this.#context;
    const start = out.length;
    out.u8(address === Num.I64 ? Op.I64Const : Op.I32Const);
    out.u8(0);
    out.u8(Op.End);
    return { start, end: out.length };
  }

  /** The strings up to the closing parenthesis, one after the other. */
  #strings(): { start: number; end: number } {
    const { out } = this.#context;
    const start = out.length;
    while (this.#cursor.kind() !== Kind.Close) out.bytes(this.#cursor.string());
    return { start, end: out.length };
  }

  /** A field, from behind `(data`. */
  dataField(): void {
    const cursor = this.#cursor;
    cursor.takeId();
    const mode = this.#segmentTarget("memory", this.#context.memories);
    this.data.push({ mode: mode ?? { kind: "passive" }, ...this.#strings() });
  }

  /** `(memory x)? (offset ...)`, or null if neither stands here. */
  #segmentTarget(kind: "memory" | "table", space: Space): (SegmentMode & { kind: "active" }) | null {
    const cursor = this.#cursor;
    let index = 0;
    if (cursor.takeForm(kind)) {
      index = space.index(cursor);
      cursor.expectClose();
    } else if (cursor.kind() !== Kind.Open || (kind === "table" && isRefTypeNext(this.#context))) {
      return null;
    }
    return { kind: "active", index, offset: this.#offset() };
  }

  /** `(offset instr*)` or one folded instruction. */
  #offset(): Expr {
    const cursor = this.#cursor;
    if (!cursor.takeForm("offset")) return this.#instructions.foldedExpression();
    const offset = this.#instructions.expression();
    cursor.expectClose();
    return offset;
  }

  /** A field, from behind `(elem`. */
  elemField(): void {
    const context = this.#context;
    const cursor = this.#cursor;
    cursor.takeId();
    const isDeclarative = cursor.takeKeyword("declare");
    const hasTable = cursor.isForm("table");
    const active = isDeclarative ? null : this.#segmentTarget("table", context.tables);
    const mode: SegmentMode = active ?? { kind: isDeclarative ? "declarative" : "passive" };
    if (cursor.takeKeyword("func")) {
      this.elements.push({ mode, type: FUNC_ITEMS, items: this.#funcItems() });
    } else if (isRefTypeNext(context)) {
      const type = parseRefType(context);
      this.elements.push({ mode, type, items: this.#exprItems() });
    } else if (active !== null && !hasTable) {
      // Without a table, "func" may be left out.
      this.elements.push({ mode, type: FUNC_ITEMS, items: this.#funcItems() });
    } else {
      throw cursor.unexpected();
    }
  }

  #funcItems(): Items & { kind: "funcs" } {
    const indices: number[] = [];
    while (isIndex(this.#cursor)) indices.push(this.#context.funcs.index(this.#cursor));
    return { kind: "funcs", indices: Uint32Array.from(indices) };
  }

  /** `(item instr*)`, or one folded instruction each; in tables also function indices. */
  #exprItems(): Items & { kind: "exprs" } {
    const cursor = this.#cursor;
    const exprs: Expr[] = [];
    while (isIndex(cursor)) exprs.push(this.#refFunc());
    while (cursor.kind() === Kind.Open) {
      if (cursor.takeForm("item")) {
        exprs.push(this.#instructions.expression());
        cursor.expectClose();
      } else {
        exprs.push(this.#instructions.foldedExpression());
      }
    }
    return { kind: "exprs", exprs };
  }

  #refFunc(): Expr {
    const { out, funcs } = this.#context;
    const start = out.length;
    out.u8(Op.RefFunc);
    out.u32(funcs.index(this.#cursor));
    out.u8(Op.End);
    return { start, end: out.length };
  }
}
