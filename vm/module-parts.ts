/**
 * What a compiled module knows of its data besides validation's findings, made in steps: types in the engine's numbering,
 * what the collector follows, images of tables.
 */

import { TableImages } from "./lower/table-images.ts";
import type { Module } from "./module.ts";
import { canonicalVal } from "./type-registry.ts";
import { Num, type TableType, type ValType } from "./types.ts";
import type { ModuleContext } from "./validate/context.ts";

export class ModuleParts {
  /** The engine's type of each function. */
  readonly funcTypeIds: Int32Array;
  /** Words of each global's value. */
  readonly globalWords: Uint8Array;
  /** Own globals, and segments given by expressions, that hold references which the collector follows. */
  readonly tracedGlobals: number[] = [];
  readonly tracedElements: number[] = [];
  /** Where the items of each segment given by expressions begin among those of all, and behind the last one. */
  readonly elementItemsAt: Int32Array;
  /** Types of all tables in the engine's types. */
  readonly tableTypes: TableType[] = [];
  readonly images: TableImages;
  readonly #data: Module;
  readonly #context: ModuleContext;
  readonly #run: Generator<undefined>;
  /** Items that the present step may still handle. */
  #budget = 0;
  #isDone = false;

  /** Of a module that is valid. */
  constructor(context: ModuleContext) {
    this.#data = context.module;
    this.#context = context;
    this.funcTypeIds = new Int32Array(this.#data.funcs.length);
    this.globalWords = new Uint8Array(this.#data.globals.length);
    this.elementItemsAt = new Int32Array(this.#data.elements.length + 1);
    this.images = new TableImages(this.#data, context.footprint);
    this.#run = this.#make();
  }

  /** Handles about `budget` items more; true when all are handled. Throws a `CompileError` of kind `limit`. */
  step(budget: number): boolean {
    this.#budget = budget;
    this.#isDone ||= this.#run.next().done === true;
    return this.#isDone;
  }

  /** Charges items and says whether the step's budget is spent. */
  #spend(count = 1): boolean {
    this.#budget -= count;
    return this.#budget <= 0;
  }

  *#make(): Generator<undefined> {
    const { funcs, globals, importedGlobals, elements, tables } = this.#data;
    const { typeIds } = this.#context;
    for (let i = 0; i < funcs.length; i++) {
      this.funcTypeIds[i] = typeIds[funcs[i]!]!;
      if (this.#spend()) yield;
    }
    for (let i = 0; i < globals.length; i++) {
      const { type } = globals[i]!.type;
      this.globalWords[i] = wordsOf(type);
      if (i >= importedGlobals && this.#isTraced(type)) this.tracedGlobals.push(i);
      if (this.#spend()) yield;
    }
    for (let i = 0; i < elements.length; i++) {
      const { type, items } = elements[i]!;
      this.elementItemsAt[i + 1] = this.elementItemsAt[i]! + (items.kind === "exprs" ? items.exprs.length : 0);
      if (items.kind === "exprs" && this.#isTraced(type)) this.tracedElements.push(i);
      if (this.#spend()) yield;
    }
    for (const { type } of tables) {
      this.tableTypes.push({ ...type, element: canonicalVal(type.element, typeIds) });
      if (this.#spend()) yield;
    }
    for (const count of this.images.make()) if (this.#spend(count)) yield;
  }

  #isTraced(type: ValType): boolean {
    return this.#context.registry.isTraced(canonicalVal(type, this.#context.typeIds));
  }
}

function wordsOf(type: ValType): number {
  return type === Num.V128 ? 4 : type === Num.I64 || type === Num.F64 ? 2 : 1;
}
