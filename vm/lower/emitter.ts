/**
 * The ground of lowering: a function's head and frame, emitting operations, and reading operands
 * from wherever they are.
 */

import { readValType } from "../binary/read-types.ts";
import { Reader } from "../binary/reader.ts";
import { limitExceeded } from "../errors.ts";
import { MAX_BODY_FUEL } from "../limits.ts";
import { funcTypeAt, type Module } from "../module.ts";
import { Op } from "../opcodes.ts";
import { Heap, heapOf, isRefType, type ValType } from "../types.ts";
import { Head, Link, Reg, Tries, type ModuleCode } from "./code.ts";
import { Operands, Where } from "./operands.ts";
import { categoryOf, RootKind, slotsOf, valuesPrice, type LoweringSource, type PositionSink } from "./source.ts";
import { Category } from "./tables.ts";
import { Vec } from "./vector-code.ts";

/** What a function's frame is made of. */
export interface FrameShape {
  /** At the first instruction. */
  readonly reader: Reader;
  /** Runs of one type, parameters first. */
  readonly locals: readonly { readonly count: number; readonly type: ValType }[];
  readonly paramCount: number;
  readonly results: readonly ValType[];
  /** Slots of operands at most. */
  readonly maxHeight: number;
}

export abstract class Emitter {
  readonly funcIndex: number;
  readonly isExact: boolean;
  protected readonly source: LoweringSource;
  protected readonly module: Module;
  protected readonly code: ModuleCode;
  protected readonly reader: Reader;
  protected readonly operands: Operands;
  protected readonly sink: PositionSink | null;
  /** Where the function's head stands. */
  protected readonly codeStart: number;
  protected readonly linkAt: number;
  protected readonly resultTypes: readonly ValType[];
  /** Word offset and category of each local. */
  readonly #localAt: Int32Array;
  readonly #localCategory: Uint8Array;
  /** Position of the last operation if it may still be changed: its destination is its first operand. -1: none. */
  protected last = -1;
  /** The one directly before it, likewise. */
  protected previous = -1;
  /** P of the next instruction. */
  protected fuel = 0;
  /** P of the latest safe point in the text. */
  protected lastCheck = 0;
  protected byteOffset = 0;
  /** Values, labels and branches that the instructions of this step have handled, and how many it may. */
  protected extraWork = 0;
  protected budget = 0;
  /** The rest of an instruction that has too many of them for one step. */
  protected unfinished: Generator<undefined> | null = null;
  #tries: Tries | null = null;
  readonly #settle = (index: number): void => this.moveTo(this.operands.slot[index]!, index);

  constructor(
    source: LoweringSource,
    code: ModuleCode,
    funcIndex: number,
    isExact: boolean,
    sink: PositionSink | null = null,
  ) {
    this.source = source;
    this.code = code;
    this.funcIndex = funcIndex;
    this.isExact = isExact;
    this.sink = sink;
    this.module = source.data;
    this.codeStart = code.length;
    const frame = this.frame();
    this.reader = frame.reader;
    this.resultTypes = frame.results;
    const count = frame.locals.reduce((sum, run) => sum + run.count, 0);
    this.#localAt = new Int32Array(count);
    this.#localCategory = new Uint8Array(count);
    let slots = 0;
    let local = 0;
    let paramSlots = 0;
    for (const run of frame.locals) {
      const category = this.categoryOf(run.type);
      for (let i = 0; i < run.count; i++) {
        this.#localAt[local] = slots * 2;
        this.#localCategory[local] = category;
        if (category === Category.Ref) this.sink?.local?.(slots * 2);
        slots += category === Category.V128 ? 2 : 1;
        local++;
        if (local === frame.paramCount) paramSlots = slots;
      }
    }
    this.linkAt = Math.max(slots, slotsOf(this.resultTypes)) * 2;
    const base = this.linkAt + Link.Length;
    this.operands = new Operands(base, frame.maxHeight);
    this.fuel = valuesPrice(slots);
    this.lastCheck = this.fuel;
    this.emit(Head.Length);
    const head = this.codeStart;
    code.words[head + Head.Link] = this.linkAt;
    code.words[head + Head.FrameWords] = base + 2 * frame.maxHeight;
    code.words[head + Head.ParamWords] = paramSlots * 2;
    code.words[head + Head.EntryFuel] = this.fuel;
    this.safePoint();
  }

  /** In the module's types. */
  protected categoryOf(type: ValType): Category {
    if (!isRefType(type)) return categoryOf(type);
    const heap = heapOf(type);
    const isFunc =
      heap >= 0 ? this.module.types[heap]!.comp.kind === "func" : heap === Heap.Func || heap === Heap.NoFunc;
    return isFunc ? Category.I32 : Category.Ref;
  }

  /** The function may pause at the present position, and is the same there in fused and exact code. */
  protected safePoint(): void {
    this.sink?.safePoint(this.code.length - this.codeStart, this.byteOffset, this.fuel);
    this.roots(RootKind.At);
  }

  protected roots(kind: RootKind): void {
    this.sink?.roots?.(kind, this.code.length - this.codeStart, this.operands);
  }

  /** Locals as runs of one type (parameters first), results, the reader at the first instruction. */
  protected frame(): FrameShape {
    const module = this.source.data;
    const body = this.funcIndex - module.importedFuncs;
    const type = funcTypeAt(module, module.funcs[this.funcIndex]!);
    const reader = new Reader(module.bytes, module.bodyStarts[body]!, module.bodyEnds[body]!);
    const locals = type.params.map((param) => ({ count: 1, type: param }));
    for (let runs = reader.u32(); runs > 0; runs--) locals.push({ count: reader.u32(), type: readValType(reader) });
    return {
      reader,
      locals,
      paramCount: type.params.length,
      results: type.results,
      maxHeight: this.source.maxHeights[body]!,
    };
  }

  protected finish(): void {
    if (this.fuel > MAX_BODY_FUEL) {
      throw limitExceeded(`fuel of one body, at most ${MAX_BODY_FUEL}`, {
        position: this.byteOffset,
        funcIndex: this.funcIndex,
      });
    }
    const { code } = this;
    const entries = this.isExact ? code.exactEntries : code.entries;
    entries[this.funcIndex] = this.codeStart + Head.Length;
    const { funcIndex, isExact } = this;
    this.operands.release();
    code.ranges.push({ funcIndex, start: this.codeStart, end: code.length, isExact, tries: this.#tries });
  }

  protected get tries(): Tries {
    return (this.#tries ??= new Tries());
  }

  /** Makes room for an operation of `words` words and returns its position. */
  protected emit(words: number): number {
    const { code } = this;
    code.reserve(words);
    const at = code.length;
    this.sink?.add(at - this.codeStart, this.byteOffset, this.fuel);
    code.length = at + words;
    this.previous = this.last;
    this.last = -1;
    return at;
  }

  protected emit1(reg: Reg, a: number): void {
    const at = this.emit(2);
    const words = this.code.words;
    words[at] = reg;
    words[at + 1] = a;
  }

  /** Operations with a destination as their first operand may be changed by the next one. */
  protected emit2(reg: Reg | Vec, d: number, a: number): void {
    const at = this.emit(3);
    const words = this.code.words;
    words[at] = reg;
    words[at + 1] = d;
    words[at + 2] = a;
    this.remember(at);
  }

  protected emit3(reg: Reg, d: number, a: number, b: number): void {
    const at = this.emit(4);
    const words = this.code.words;
    words[at] = reg;
    words[at + 1] = d;
    words[at + 2] = a;
    words[at + 3] = b;
    this.remember(at);
  }

  protected emit4(reg: Reg | Vec, d: number, a: number, b: number, c: number): void {
    const at = this.emit(5);
    const words = this.code.words;
    words[at] = reg;
    words[at + 1] = d;
    words[at + 2] = a;
    words[at + 3] = b;
    words[at + 4] = c;
    this.remember(at);
  }

  protected emit5(reg: Reg, d: number, a: number, b: number, c: number, e: number): void {
    const at = this.emit(6);
    const words = this.code.words;
    words[at] = reg;
    words[at + 1] = d;
    words[at + 2] = a;
    words[at + 3] = b;
    words[at + 4] = c;
    words[at + 5] = e;
    this.remember(at);
  }

  protected emitMany(reg: Reg | Op, operands: readonly number[]): void {
    const at = this.emit(1 + operands.length);
    this.code.words[at] = reg;
    this.code.words.set(operands, at + 1);
  }

  protected remember(at: number): void {
    if (this.isExact) return;
    this.last = at;
  }

  /** Takes the last operation back. */
  protected rewind(): void {
    this.sink?.rewind(this.last - this.codeStart);
    this.code.length = this.last;
    this.last = this.previous;
    this.previous = -1;
  }

  /** Writes an operand, wherever it is, to a slot. */
  protected moveTo(d: number, index: number): void {
    const { operands } = this;
    const value = operands.value[index]!;
    const category = operands.category[index]!;
    if (operands.where[index] === Where.Constant) {
      const high = operands.high[index]!;
      if (category === Category.V128) this.emitMany(Op.V128Const, [d, ...operands.vector(index)]);
      else if (category === Category.F64) this.emit2(Reg.ConstF64, d, this.code.constant(value, high));
      else if (category === Category.I64) this.emit3(Reg.Const64, d, value, high);
      else this.emit2(Reg.Const32, d, value);
      return;
    }
    const a = operands.where[index] === Where.Local ? value : operands.slot[index]!;
    if (a !== d) this.move(category, d, a);
  }

  protected move(category: Category, d: number, a: number): void {
    const reg =
      category === Category.I64
        ? Reg.Move64
        : category === Category.F64
          ? Reg.MoveF64
          : category === Category.V128
            ? Vec.Move
            : Reg.Move32;
    const { words } = this.code;
    if (reg === Reg.Move32 && this.last >= 0 && words[this.last] === Reg.Move32) {
      const firstD = words[this.last + 1]!;
      const firstA = words[this.last + 2]!;
      this.rewind();
      this.emit4(Reg.Move32Pair, firstD, firstA, d, a);
      // It has two destinations.
      this.last = -1;
      return;
    }
    this.emit2(reg, d, a);
  }

  protected settleAll(): void {
    this.operands.takeDelayed(this.#settle);
  }

  /** Where an operation finds an operand: a constant is written to its slot first. */
  protected read(index: number): number {
    const { operands } = this;
    if (operands.where[index] === Where.Local) return operands.value[index]!;
    if (operands.where[index] === Where.Constant) this.moveTo(operands.slot[index]!, index);
    return operands.slot[index]!;
  }

  /** Where the topmost operands are, the deepest first; they are popped. */
  protected operandWords(count: number): number[] {
    const { operands } = this;
    operands.drop(count);
    const words: number[] = [];
    for (let i = 0; i < count; i++) words.push(this.read(operands.height + i));
    return words;
  }

  protected isConstant(index: number): boolean {
    return this.operands.where[index] === Where.Constant;
  }

  /** The last operation has just computed this operand, and nobody else reads it. */
  protected isFresh(index: number): boolean {
    return (
      this.last >= 0 &&
      this.operands.where[index] === Where.Slot &&
      this.code.words[this.last + 1] === this.operands.slot[index]
    );
  }

  protected pushTypes(types: readonly ValType[]): void {
    this.extraWork += types.length;
    for (const type of types) this.operands.pushSlot(this.categoryOf(type));
  }

  protected local(index: number): void {
    this.operands.pushLocal(this.#localAt[index]!, this.#localCategory[index]!);
    if (this.isExact) this.settleAll();
  }

  protected constant(category: Category, low: number, high: number): void {
    this.operands.pushConstant(category, low, high);
    if (this.isExact) this.settleAll();
  }

  protected localSet(index: number, keep: boolean): void {
    const { operands } = this;
    const local = this.#localAt[index]!;
    const value = operands.pop();
    const readsItself = operands.where[value] === Where.Local && operands.value[value] === local;
    if (!readsItself) {
      const fresh = this.isFresh(value);
      const lengthBefore = this.code.length;
      operands.takeReadersOf(local, this.#settle);
      if (fresh && this.code.length === lengthBefore) this.code.words[this.last + 1] = local;
      else this.moveTo(local, value);
    }
    if (keep) this.local(index);
  }
}
