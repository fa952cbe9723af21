/**
 * Lowers what instantiation executes (spec: exec-instantiation) as if it were a function without
 * parameters: initial values of globals, tables and segments, active segments, the start function.
 * So it is metered, paused and trapped like any other code.
 */

import { Reader } from "../binary/reader.ts";
import { Num, type ValType } from "../types.ts";
import type { Expr, Module } from "../module.ts";
import { Reg, type ModuleCode } from "./code.ts";
import { Lowering, Part } from "./lower.ts";
import type { LoweringSource, PositionSink } from "./source.ts";
import { Category } from "./tables.ts";

/** The index that the synthetic function has among a module's functions: behind all others. */
export function instantiationIndex(module: Module): number {
  return module.funcs.length;
}

const enum Stage {
  Globals,
  Tables,
  ElementItems,
  Elements,
  Data,
  Start,
  Done,
}

export interface InstantiationSource extends LoweringSource {
  /** Of tables whose active segments are in a shared image: their segments only cost their price. */
  readonly images: { has(tableIndex: number): boolean };
}

const OPERAND_SLOTS_AFTER_EXPRESSION = 3;

export class InstantiationLowering extends Lowering {
  readonly #images: InstantiationSource["images"];
  #stage: Stage = Stage.Globals;
  #index = 0;
  #item = 0;
  /** What to do when the present part, a constant expression, has been lowered. */
  #afterPart: (() => void) | null = null;

  constructor(source: InstantiationSource, code: ModuleCode, isExact: boolean, sink: PositionSink | null = null) {
    super(source, code, instantiationIndex(source.data), isExact, sink);
    this.#images = source.images;
    this.#index = source.data.importedGlobals;
  }

  protected override frame(): {
    reader: Reader;
    locals: { count: number; type: ValType }[];
    paramCount: number;
    results: readonly ValType[];
    maxHeight: number;
  } {
    return { reader: new Reader(this.source.data.bytes, 0, 0), locals: [], paramCount: 0, results: [], maxHeight: 0 };
  }

  /** The end of one part: finishes it and goes on to the next one, which may have no expression. */
  protected override nextPart(): Part {
    this.#afterPart?.();
    this.#afterPart = null;
    if (this.#stage !== Stage.Done) return this.#advance() ? Part.Code : Part.Passed;
    this.finishParts(OPERAND_SLOTS_AFTER_EXPRESSION);
    return Part.None;
  }

  /** Handles the next item of the present stage; true when it has an expression to lower first. */
  #advance(): boolean {
    const module = this.source.data;
    const index = this.#index++;
    switch (this.#stage) {
      case Stage.Globals: {
        const global = module.globals[index];
        if (global === undefined) return this.#begin(Stage.Tables, module.importedTables);
        return this.#expression(global.init!, () => this.consume(Reg.GlobalInit, [index]));
      }
      case Stage.Tables: {
        const table = module.tables[index];
        if (table === undefined) return this.#begin(Stage.ElementItems, 0);
        if (table.init === null) return false;
        this.constant(this.#tableAddress(index), 0, 0);
        return this.#expression(table.init, () => {
          const size = table.type.limits.min;
          this.constant(this.#tableAddress(index), Number(BigInt.asIntN(32, size)), Number(size >> 32n));
          this.inPlace(3, Reg.TableFill, [index]);
        });
      }
      case Stage.ElementItems: {
        const segment = module.elements[index];
        if (segment === undefined) return this.#begin(Stage.Elements, 0);
        if (segment.items.kind === "funcs") return false;
        const item = this.#item++;
        const expr = segment.items.exprs[item];
        if (expr === undefined) {
          this.#item = 0;
          return false;
        }
        this.#index = index;
        return this.#expression(expr, () => this.consume(Reg.ElemInit, [index, item]));
      }
      case Stage.Elements: {
        const segment = module.elements[index];
        if (segment === undefined) return this.#begin(Stage.Data, 0);
        const { mode, items } = segment;
        if (mode.kind === "declarative") this.emit1(Reg.ElemDrop, index);
        if (mode.kind !== "active") return false;
        const count = items.kind === "funcs" ? items.indices.length : items.exprs.length;
        return this.#expression(mode.offset, () => {
          if (this.#images.has(mode.index)) {
            this.operands.pop();
            this.fuel += Math.ceil(count / 8);
          } else this.#initialize(count, Reg.TableInit, index, mode.index);
          this.emit1(Reg.ElemDrop, index);
        });
      }
      case Stage.Data: {
        const segment = module.data[index];
        if (segment === undefined) return this.#begin(Stage.Start, 0);
        const { mode, start, end } = segment;
        if (mode.kind !== "active") return false;
        return this.#expression(mode.offset, () => {
          this.#initialize(end - start, Reg.MemoryInit, index, mode.index);
          this.emit1(Reg.DataDrop, index);
        });
      }
      default:
        if (module.start !== null) this.callFunction(module.start);
        return this.#begin(Stage.Done, 0);
    }
  }

  #begin(stage: Stage, index: number): false {
    this.#stage = stage;
    this.#index = index;
    return false;
  }

  #expression(expr: Expr, after: () => void): true {
    this.reader.position = expr.start;
    // Without the final `end`.
    this.reader.end = expr.end - 1;
    this.#afterPart = after;
    return true;
  }

  #initialize(count: number, reg: Reg, segment: number, target: number): void {
    this.constant(Category.I32, 0, 0);
    this.constant(Category.I32, count, 0);
    this.inPlace(3, reg, [segment, target]);
  }

  #tableAddress(index: number): Category {
    return this.source.data.tables[index]!.type.address === Num.I64 ? Category.I64 : Category.I32;
  }
}
