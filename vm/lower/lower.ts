/**
 * Turns one validated body into register code, in one forward pass. The body is known to be valid,
 * so only what execution needs is tracked: where operands are, and where control goes. Code that
 * cannot be reached is passed over. `exact` code neither delays nor fuses, and may stop before
 * every instruction; frames look the same in both at every safe point.
 */

import { EMPTY_BLOCK, readBlockType, readHeapType, readValType } from "../binary/read-types.ts";
import { skipInstruction } from "../binary/instructions.ts";
import { Reader } from "../binary/reader.ts";
import { InternalError, limitExceeded } from "../errors.ts";
import { MAX_BODY_FUEL, STRAIGHT_LINE_FUEL } from "../limits.ts";
import { funcTypeAt, type Module } from "../module.ts";
import { INSTRUCTION_BY_NUMBER, Op } from "../opcodes.ts";
import { Num, type ValType } from "../types.ts";
import { Head, Link, Reg, type ModuleCode } from "./code.ts";
import { ADDRESS, AT, CONSTANT, COUNTED, LEFT, RIGHT, STORE_CONSTANT } from "./fuse.ts";
import { Operands, Where } from "./operands.ts";
import {
  BINARY,
  BINARY_CONSTANT,
  BRANCH_ON,
  Category,
  EXCHANGED,
  IS_REVERSED,
  MEMORY_ACCESS,
  OPPOSITE,
  OPPOSITE_IS_EXCHANGED,
  UNARY,
} from "./tables.ts";

/** What lowering reads of a compiled module. */
export interface LoweringSource {
  readonly data: Module;
  /** Engine-wide id of each type index. */
  readonly typeIds: Int32Array;
  /** Maximal operand height of each body, in slots. */
  readonly maxHeights: Int32Array;
  /** Fuel of each instruction by its number. */
  readonly prices: Int32Array;
}

/** Where each piece of code comes from: filled by a second lowering when a position is asked for. */
export interface PositionSink {
  /** Code position relative to the function's start, byte offset in the module, P after the instruction. */
  add(codePosition: number, byteOffset: number, fuelAfter: number): void;
  /** Code is taken back to this position. */
  rewind(codePosition: number): void;
  /** A safe point; the same in fused and exact code, in the same order. */
  safePoint(codePosition: number): void;
}

/** Values that a branch, return or call moves for its fixed price; each further sixteen cost one more. */
const FREE_VALUES = 16;

/** The limit of a branch that is no safe point: fuel is never below. */
const NO_CHECK = -0x8000_0000;

const enum BlockKind {
  Body,
  Block,
  Loop,
  If,
  Else,
}

interface Block {
  kind: BlockKind;
  /** Operands below the block. */
  readonly height: number;
  /** Word offset of the block's first parameter or result. */
  readonly slot: number;
  readonly params: readonly ValType[];
  readonly results: readonly ValType[];
  /** A loop's first instruction, and P there. */
  readonly start: number;
  readonly startP: number;
  /** The last branch to the end that has to be told its target; earlier ones hang on it. 0: none. */
  fixups: number;
  /** The branch of `if` to its `else`. 0: none. */
  elseFixup: number;
}

const NO_TYPES: readonly ValType[] = [];

export function categoryOf(type: ValType): Category {
  switch (type) {
    case Num.I64:
      return Category.I64;
    case Num.F64:
      return Category.F64;
    case Num.V128:
      return Category.V128;
    default:
      return Category.I32;
  }
}

function slotsOf(types: readonly ValType[]): number {
  let slots = 0;
  for (const type of types) slots += type === Num.V128 ? 2 : 1;
  return slots;
}

function valuesPrice(count: number): number {
  return count > FREE_VALUES ? Math.ceil((count - FREE_VALUES) / 16) : 0;
}

export class Lowering {
  readonly funcIndex: number;
  readonly isExact: boolean;
  protected readonly source: LoweringSource;
  protected readonly code: ModuleCode;
  protected readonly reader: Reader;
  protected readonly operands: Operands;
  readonly #sink: PositionSink | null;
  readonly #module: Module;
  readonly #start: number;
  /** Word offset and category of each local. */
  readonly #localAt: Int32Array;
  readonly #localCategory: Uint8Array;
  readonly #linkAt: number;
  readonly #results: readonly ValType[];
  readonly #blocks: Block[] = [];
  /** Blocks opened in code that is passed over. */
  #deadBlocks = 0;
  #isDead = false;
  /** Position of the last operation if it may still be changed: its destination is its first operand. -1: none. */
  #last = -1;
  /** The one directly before it, likewise. */
  #previous = -1;
  /** P of the next instruction. */
  protected fuel = 0;
  #lastCheck = 0;
  #byteOffset = 0;
  /** The condition taken by {@link #takeCondition}: a branch operation and its two operands. */
  #conditionReg = Reg.BrIf;
  #conditionA = 0;
  #conditionB = 0;
  readonly #settle = (index: number): void => this.#moveTo(this.operands.slot[index]!, index);

  constructor(source: LoweringSource, code: ModuleCode, funcIndex: number, isExact: boolean, sink: PositionSink | null = null) {
    this.source = source;
    this.code = code;
    this.funcIndex = funcIndex;
    this.isExact = isExact;
    this.#sink = sink;
    this.#module = source.data;
    this.#start = code.length;
    const frame = this.frame();
    this.reader = frame.reader;
    this.#results = frame.results;
    const count = frame.locals.reduce((sum, run) => sum + run.count, 0);
    this.#localAt = new Int32Array(count);
    this.#localCategory = new Uint8Array(count);
    let slots = 0;
    let local = 0;
    let paramSlots = 0;
    for (const run of frame.locals) {
      const category = categoryOf(run.type);
      for (let i = 0; i < run.count; i++) {
        this.#localAt[local] = slots * 2;
        this.#localCategory[local] = category;
        slots += category === Category.V128 ? 2 : 1;
        local++;
        if (local === frame.paramCount) paramSlots = slots;
      }
    }
    this.#linkAt = Math.max(slots, slotsOf(this.#results)) * 2;
    const base = this.#linkAt + Link.Length;
    this.operands = new Operands(base);
    this.fuel = valuesPrice(slots);
    this.#lastCheck = this.fuel;
    this.emit(Head.Length);
    const head = this.#start;
    code.words[head + Head.Link] = this.#linkAt;
    code.words[head + Head.FrameWords] = base + 2 * frame.maxHeight;
    code.words[head + Head.ParamWords] = paramSlots * 2;
    code.words[head + Head.EntryFuel] = this.fuel;
    this.#sink?.safePoint(code.length - this.#start);
    this.#blocks.push(this.#block(BlockKind.Body, NO_TYPES, this.#results));
  }

  /** Locals as runs of one type (parameters first), results, the reader at the first instruction. */
  protected frame(): { reader: Reader; locals: { count: number; type: ValType }[]; paramCount: number; results: readonly ValType[]; maxHeight: number } {
    const module = this.source.data;
    const body = this.funcIndex - module.importedFuncs;
    const type = funcTypeAt(module, module.funcs[this.funcIndex]!);
    const reader = new Reader(module.bytes, module.bodyStarts[body]!, module.bodyEnds[body]!);
    const locals = type.params.map((param) => ({ count: 1, type: param }));
    for (let runs = reader.u32(); runs > 0; runs--) locals.push({ count: reader.u32(), type: readValType(reader) });
    return { reader, locals, paramCount: type.params.length, results: type.results, maxHeight: this.source.maxHeights[body]! };
  }

  /** Lowers at most `budget` instructions; true when the function is finished and may be entered. */
  step(budget: number): boolean {
    for (let i = 0; i < budget; i++) {
      if (this.reader.position >= this.reader.end && !this.nextPart()) {
        this.#finish();
        return true;
      }
      this.#instruction();
    }
    return false;
  }

  /** At the end of the code to read: more of it, or false. A body has one part. */
  protected nextPart(): boolean {
    return false;
  }

  /** After the last part of a synthetic function: returns, and makes the frame as high as it turned out. */
  protected finishParts(spareSlots: number): void {
    this.#return();
    this.code.words[this.#start + Head.FrameWords] = this.operands.maxSlot + 2 * (1 + spareSlots);
  }

  #finish(): void {
    if (this.fuel > MAX_BODY_FUEL) {
      throw limitExceeded(`fuel of one body, at most ${MAX_BODY_FUEL}`, { position: this.#byteOffset, funcIndex: this.funcIndex });
    }
    if (this.#sink !== null) return;
    const { code } = this;
    const entries = this.isExact ? code.exactEntries : code.entries;
    entries[this.funcIndex] = this.#start + Head.Length;
    code.ranges.push({ funcIndex: this.funcIndex, start: this.#start, end: code.length, isExact: this.isExact });
  }

  // Emitting.

  /** Makes room for an operation of `words` words and returns its position. */
  protected emit(words: number): number {
    const { code } = this;
    code.reserve(words);
    const at = code.length;
    this.#sink?.add(at - this.#start, this.#byteOffset, this.fuel);
    code.length = at + words;
    this.#previous = this.#last;
    this.#last = -1;
    return at;
  }

  protected emit1(reg: Reg, a: number): void {
    const at = this.emit(2);
    const words = this.code.words;
    words[at] = reg;
    words[at + 1] = a;
  }

  /** Operations with a destination as their first operand may be changed by the next one. */
  #emit2(reg: Reg, d: number, a: number): void {
    const at = this.emit(3);
    const words = this.code.words;
    words[at] = reg;
    words[at + 1] = d;
    words[at + 2] = a;
    this.#remember(at);
  }

  #emit3(reg: Reg, d: number, a: number, b: number): void {
    const at = this.emit(4);
    const words = this.code.words;
    words[at] = reg;
    words[at + 1] = d;
    words[at + 2] = a;
    words[at + 3] = b;
    this.#remember(at);
  }

  #emit4(reg: Reg, d: number, a: number, b: number, c: number): void {
    const at = this.emit(5);
    const words = this.code.words;
    words[at] = reg;
    words[at + 1] = d;
    words[at + 2] = a;
    words[at + 3] = b;
    words[at + 4] = c;
    this.#remember(at);
  }

  #emit5(reg: Reg, d: number, a: number, b: number, c: number, e: number): void {
    const at = this.emit(6);
    const words = this.code.words;
    words[at] = reg;
    words[at + 1] = d;
    words[at + 2] = a;
    words[at + 3] = b;
    words[at + 4] = c;
    words[at + 5] = e;
    this.#remember(at);
  }

  #emitMany(reg: Reg, operands: readonly number[]): void {
    const at = this.emit(1 + operands.length);
    this.code.words[at] = reg;
    this.code.words.set(operands, at + 1);
  }

  #remember(at: number): void {
    if (this.isExact) return;
    this.#last = at;
  }

  /** Takes the last operation back. */
  #rewind(): void {
    this.#sink?.rewind(this.#last - this.#start);
    this.code.length = this.#last;
    this.#last = this.#previous;
    this.#previous = -1;
  }

  // Operands.

  /** Writes an operand, wherever it is, to a slot. */
  #moveTo(d: number, index: number): void {
    const { operands } = this;
    const value = operands.value[index]!;
    const category = operands.category[index]!;
    if (operands.where[index] === Where.Constant) {
      const high = operands.high[index]!;
      const words = operands.vectors[index]!;
      if (category === Category.V128) this.#emitMany(Reg.ConstV128, [d, words[0]!, words[1]!, words[2]!, words[3]!]);
      else if (category === Category.F64) this.#emit2(Reg.ConstF64, d, this.code.constant(value, high));
      else if (category === Category.I64) this.#emit3(Reg.Const64, d, value, high);
      else this.#emit2(Reg.Const32, d, value);
      return;
    }
    const a = operands.where[index] === Where.Local ? value : operands.slot[index]!;
    if (a !== d) this.#move(category, d, a);
  }

  #move(category: Category, d: number, a: number): void {
    const reg =
      category === Category.I32
        ? Reg.Move32
        : category === Category.I64
          ? Reg.Move64
          : category === Category.F64
            ? Reg.MoveF64
            : Reg.MoveV128;
    const { words } = this.code;
    if (reg === Reg.Move32 && this.#last >= 0 && words[this.#last] === Reg.Move32) {
      const firstD = words[this.#last + 1]!;
      const firstA = words[this.#last + 2]!;
      this.#rewind();
      this.#emit4(Reg.Move32Pair, firstD, firstA, d, a);
      // It has two destinations.
      this.#last = -1;
      return;
    }
    this.#emit2(reg, d, a);
  }

  #settleAll(): void {
    this.operands.takeDelayed(this.#settle);
  }

  /** Where an operation finds an operand: a constant is written to its slot first. */
  #read(index: number): number {
    const { operands } = this;
    if (operands.where[index] === Where.Local) return operands.value[index]!;
    if (operands.where[index] === Where.Constant) this.#moveTo(operands.slot[index]!, index);
    return operands.slot[index]!;
  }

  #isConstant(index: number): boolean {
    return this.operands.where[index] === Where.Constant;
  }

  /** The last operation has just computed this operand, and nobody else reads it. */
  #isFresh(index: number): boolean {
    return this.#last >= 0 && this.operands.where[index] === Where.Slot && this.code.words[this.#last + 1] === this.operands.slot[index];
  }

  #pushTypes(types: readonly ValType[]): void {
    for (const type of types) this.operands.pushSlot(categoryOf(type));
  }

  #local(index: number): void {
    this.operands.pushLocal(this.#localAt[index]!, this.#localCategory[index]!);
    if (this.isExact) this.#settleAll();
  }

  protected constant(category: Category, low: number, high: number): void {
    this.operands.pushConstant(category, low, high);
    if (this.isExact) this.#settleAll();
  }

  #localSet(index: number, keep: boolean): void {
    const { operands } = this;
    const local = this.#localAt[index]!;
    const value = operands.pop();
    const readsItself = operands.where[value] === Where.Local && operands.value[value] === local;
    if (!readsItself) {
      const fresh = this.#isFresh(value);
      const lengthBefore = this.code.length;
      operands.takeReadersOf(local, this.#settle);
      if (fresh && this.code.length === lengthBefore) this.code.words[this.#last + 1] = local;
      else this.#moveTo(local, value);
    }
    if (keep) this.#local(index);
  }

  // Control.

  #block(kind: BlockKind, params: readonly ValType[], results: readonly ValType[]): Block {
    const { operands } = this;
    const height = operands.height - params.length;
    return {
      kind,
      height,
      slot: params.length > 0 ? operands.slot[height]! : operands.nextSlot,
      params,
      results,
      start: this.code.length,
      startP: this.fuel,
      fixups: 0,
      elseFixup: 0,
    };
  }

  #blockType(): { params: readonly ValType[]; results: readonly ValType[] } {
    const type = readBlockType(this.reader);
    if (type === EMPTY_BLOCK) return { params: NO_TYPES, results: NO_TYPES };
    if (type < 0) return funcTypeAt(this.#module, -2 - type);
    return { params: NO_TYPES, results: [type] };
  }

  #begin(kind: BlockKind): void {
    const { params, results } = this.#blockType();
    if (kind === BlockKind.If) this.#takeCondition();
    this.#settleAll();
    this.#last = -1;
    if (kind === BlockKind.Loop) {
      this.#lastCheck = this.fuel;
      this.#sink?.safePoint(this.code.length - this.#start);
    }
    const block = this.#block(kind, params, results);
    this.#blocks.push(block);
    if (kind === BlockKind.If) {
      this.#emitOpposite();
      block.elseFixup = this.code.length - 3;
      this.#last = -1;
    }
  }

  /** The present position becomes the target of a branch whose target word stands at `at`. */
  #bind(at: number): void {
    const { words } = this.code;
    words[at] = this.code.length;
    words[at + 1] = (words[at + 1]! + this.fuel) | 0;
    words[at + 2] = NO_CHECK;
  }

  #else(): void {
    const block = this.#blocks[this.#blocks.length - 1]!;
    if (!this.#isDead) {
      this.#settleAll();
      const at = this.emit(6);
      this.code.words[at] = Reg.Br;
      this.#addFixup(block, at + 3);
    }
    this.#bind(block.elseFixup);
    block.elseFixup = 0;
    block.kind = BlockKind.Else;
    this.#enterFrom(block, block.params);
  }

  /** Control arrives at the present position with `types` in the block's slots and nowhere else. */
  #enterFrom(block: Block, types: readonly ValType[]): void {
    this.operands.drop(this.operands.height - block.height);
    this.#pushTypes(types);
    this.operands.settledBelow = this.operands.height;
    this.#isDead = false;
    this.#last = -1;
  }

  #end(): void {
    const block = this.#blocks.pop()!;
    if (block.kind === BlockKind.Body) {
      if (!this.#isDead) this.#return();
      return;
    }
    if (block.kind === BlockKind.Loop || (block.fixups === 0 && block.elseFixup === 0)) {
      if (this.#isDead) this.#leaveDead(block);
      return;
    }
    if (!this.#isDead) this.#settleAll();
    if (block.elseFixup !== 0) this.#bind(block.elseFixup);
    const { words } = this.code;
    for (let at = block.fixups; at !== 0; ) {
      const next = words[at]!;
      this.#bind(at);
      at = next;
    }
    this.#enterFrom(block, block.results);
  }

  /** A block without branches to its end, whose end cannot be reached: what follows cannot either. */
  #leaveDead(block: Block): void {
    this.operands.drop(this.operands.height - block.height);
    this.#deadBlocks = 0;
  }

  #addFixup(block: Block, at: number): void {
    const { words } = this.code;
    words[at] = block.fixups;
    words[at + 1] = -this.fuel;
    block.fixups = at;
  }

  /** Writes the three words of a branch to `block`, whose values are where it wants them. */
  #writeTarget(block: Block, at: number): void {
    if (block.kind !== BlockKind.Loop) {
      this.#addFixup(block, at);
      return;
    }
    const { words } = this.code;
    words[at] = block.start;
    words[at + 1] = (block.startP - this.fuel) | 0;
    words[at + 2] = block.startP;
  }

  #labelTypes(block: Block): readonly ValType[] {
    return block.kind === BlockKind.Loop ? block.params : block.results;
  }

  #blockAt(label: number): Block {
    return this.#blocks[this.#blocks.length - 1 - label]!;
  }

  /** Whether the label's values lie in its slots already, once they are settled. */
  #isInPlace(block: Block, count: number): boolean {
    return count === 0 || this.operands.slot[this.operands.height - count] === block.slot;
  }

  /** Copies the label's values to where it wants them; the operands stay as they are. */
  #moveValues(d: number, types: readonly ValType[]): void {
    const { operands } = this;
    const first = operands.height - types.length;
    if (types.length === 1) {
      if (operands.where[first] !== Where.Slot || operands.slot[first] !== d) this.#moveTo(d, first);
      return;
    }
    this.#settleAll();
    if (types.length > 1 && operands.slot[first] !== d) this.#emit3(Reg.MoveSlots, d, operands.slot[first]!, slotsOf(types));
    this.#last = -1;
  }

  #branch(block: Block): void {
    if (block.kind === BlockKind.Body) {
      this.#return();
      return;
    }
    this.#moveValues(block.slot, this.#labelTypes(block));
    const at = this.emit(6);
    this.code.words[at] = Reg.Br;
    this.#writeTarget(block, at + 3);
  }

  #br(): void {
    const block = this.#blockAt(this.reader.u32());
    this.fuel += valuesPrice(this.#labelTypes(block).length);
    this.#branch(block);
    this.#die();
  }

  #brIf(): void {
    const block = this.#blockAt(this.reader.u32());
    const types = this.#labelTypes(block);
    this.fuel += valuesPrice(types.length);
    this.#takeCondition();
    if (block.kind !== BlockKind.Body && this.#isInPlace(block, types.length)) {
      if (types.length > 0) this.#settleAll();
      const at = this.#emitCondition();
      this.#writeTarget(block, at + 3);
      return;
    }
    if (types.length > 1) this.#settleAll();
    const at = this.#emitOpposite();
    this.#branch(block);
    // Not taken: the fuel is the same, since the code between belongs to this instruction.
    this.code.words[at + 3] = this.code.length;
    this.code.words[at + 4] = 0;
    this.code.words[at + 5] = NO_CHECK;
    this.#last = -1;
  }

  #brTable(): void {
    const { operands, reader } = this;
    const index = operands.pop();
    const indexAt = this.#read(index);
    const count = reader.u32();
    const labelsAt = reader.position;
    const arity = this.#lastLabelArity(count);
    this.fuel += valuesPrice(arity);
    if (arity > 0) this.#settleAll();
    const table = this.emit(3 + 3 * (count + 1));
    this.code.words[table] = Reg.BrTable;
    this.code.words[table + 1] = indexAt;
    this.code.words[table + 2] = count;
    reader.position = labelsAt;
    const stubs = new Map<number, number>();
    for (let i = 0; i <= count; i++) {
      const label = reader.u32();
      const block = this.#blockAt(label);
      const at = table + 3 + 3 * i;
      if (block.kind !== BlockKind.Body && this.#isInPlace(block, arity)) {
        this.#writeTarget(block, at);
        continue;
      }
      let stub = stubs.get(label);
      if (stub === undefined) {
        stub = this.code.length;
        stubs.set(label, stub);
        this.#branch(block);
      }
      this.code.words[at] = stub;
      this.code.words[at + 1] = 0;
      this.code.words[at + 2] = NO_CHECK;
    }
    this.#die();
  }

  /** All labels of a br_table take equally many values: the default one, read last, says how many. */
  #lastLabelArity(count: number): number {
    const { reader } = this;
    for (let i = 0; i < count; i++) reader.u32();
    return this.#labelTypes(this.#blockAt(reader.u32())).length;
  }

  #return(): void {
    const { operands } = this;
    const results = this.#results;
    const top = operands.height - 1;
    if (results.length === 1 && results[0] !== Num.V128) {
      const category = categoryOf(results[0]!);
      const reg = category === Category.I32 ? Reg.Return32 : category === Category.I64 ? Reg.Return64 : Reg.ReturnF64;
      const a = this.#read(top);
      const at = this.emit(4);
      this.code.words[at] = reg;
      this.code.words[at + 1] = this.#linkAt;
      this.code.words[at + 2] = this.fuel;
      this.code.words[at + 3] = a;
      return;
    }
    if (results.length > 0) {
      // Results may overwrite locals that other results are read from.
      this.#settleAll();
      this.#emit3(Reg.MoveSlots, 0, operands.slot[operands.height - results.length]!, slotsOf(results));
    }
    const at = this.emit(3);
    this.code.words[at] = Reg.Return;
    this.code.words[at + 1] = this.#linkAt;
    this.code.words[at + 2] = this.fuel;
  }

  #die(): void {
    this.#isDead = true;
    this.#deadBlocks = 0;
    this.#last = -1;
  }

  /** Pops an i32 condition and makes it a branch operation with its operands, fused with the comparison before it. */
  #takeCondition(): void {
    const { operands } = this;
    const index = operands.pop();
    if (this.#isFresh(index)) {
      const { words } = this.code;
      const last = this.#last;
      const branch = BRANCH_ON[words[last]!]!;
      if (branch !== 0) {
        this.#conditionReg = branch;
        this.#conditionA = words[last + 2]!;
        this.#conditionB = branch === Reg.BrI64Eqz || branch === Reg.BrI64Nez ? 0 : words[last + 3]!;
        this.#rewind();
        return;
      }
    }
    this.#conditionA = this.#read(index);
    this.#conditionReg = Reg.BrIf;
    this.#conditionB = 0;
  }

  /** A branch on the taken condition; its target is still to be written. Returns its position. */
  #emitCondition(): number {
    return this.#emitBranch(this.#conditionReg, this.#conditionA, this.#conditionB);
  }

  /** A branch on the opposite of the taken condition. */
  #emitOpposite(): number {
    const reg = this.#conditionReg;
    const exchanged = OPPOSITE_IS_EXCHANGED[reg] === 1;
    const a = exchanged ? this.#conditionB : this.#conditionA;
    const b = exchanged ? this.#conditionA : this.#conditionB;
    const at = this.#emitBranch(OPPOSITE[reg]!, a, b);
    this.code.words[at + 4] = -this.fuel;
    return at;
  }

  #emitBranch(reg: Reg, a: number, b: number): number {
    const counted = COUNTED.get(reg);
    const last = this.#last;
    if (counted !== undefined && last >= 0) {
      const { words } = this.code;
      if (words[last] === Reg.I32AddK && words[last + 1] === a && words[last + 2] === a) {
        const added = words[last + 3]!;
        this.#rewind();
        const at = this.emit(7);
        this.code.words.set([counted, a, added, 0, 0, NO_CHECK, b], at);
        return at;
      }
    }
    const at = this.emit(6);
    const { words } = this.code;
    words[at] = reg;
    words[at + 1] = a;
    words[at + 2] = b;
    words[at + 3] = 0;
    words[at + 4] = 0;
    words[at + 5] = NO_CHECK;
    return at;
  }

  // Calls.

  #call(funcIndex: number): void {
    const type = funcTypeAt(this.#module, this.#module.funcs[funcIndex]!);
    this.#settleAll();
    const argsAt = this.#dropArguments(type.params);
    const at = this.emit(4);
    const { words } = this.code;
    words[at] = funcIndex < this.#module.importedFuncs ? Reg.CallImport : Reg.Call;
    words[at + 1] = funcIndex;
    words[at + 2] = argsAt;
    words[at + 3] = this.fuel;
    this.#afterCall(type.results);
  }

  /** Starts the call of a function from outside every body: instantiation's last step. */
  protected callFunction(funcIndex: number): void {
    this.#call(funcIndex);
  }

  /** Pops arguments that are settled; the word offset of the first. */
  #dropArguments(params: readonly ValType[]): number {
    const { operands } = this;
    const first = operands.height - params.length;
    const at = params.length > 0 ? operands.slot[first]! : operands.nextSlot;
    operands.drop(params.length);
    return at;
  }

  #afterCall(results: readonly ValType[]): void {
    this.#pushTypes(results);
    this.operands.settledBelow = this.operands.height;
    this.#lastCheck = this.fuel;
    this.#sink?.safePoint(this.code.length - this.#start);
  }

  #callIndirect(): void {
    const typeIndex = this.reader.u32();
    const table = this.reader.u32();
    const type = funcTypeAt(this.#module, typeIndex);
    const index = this.operands.pop();
    const indexAt = this.#read(index);
    this.#settleAll();
    const argsAt = this.#dropArguments(type.params);
    const typeId = this.source.typeIds[typeIndex]!;
    if (table === 0 && this.#module.tables[0]!.type.address === Num.I32) {
      this.#emitMany(Reg.CallIndirect, [indexAt, typeId, argsAt, this.fuel]);
    } else {
      this.#emitMany(Reg.CallTable, [indexAt, typeId, argsAt, this.fuel, table]);
    }
    this.#afterCall(type.results);
  }

  #returnCall(): void {
    const funcIndex = this.reader.u32();
    const type = funcTypeAt(this.#module, this.#module.funcs[funcIndex]!);
    this.#settleAll();
    const argsAt = this.#dropArguments(type.params);
    this.#emitMany(Reg.ReturnCall, [funcIndex, argsAt, slotsOf(type.params) * 2, this.#linkAt, this.fuel]);
    this.#die();
  }

  #returnCallIndirect(): void {
    const typeIndex = this.reader.u32();
    const table = this.reader.u32();
    const type = funcTypeAt(this.#module, typeIndex);
    const indexAt = this.#read(this.operands.pop());
    this.#settleAll();
    const argsAt = this.#dropArguments(type.params);
    const words = slotsOf(type.params) * 2;
    this.#emitMany(Reg.ReturnCallIndirect, [indexAt, this.source.typeIds[typeIndex]!, argsAt, words, this.#linkAt, this.fuel, table]);
    this.#die();
  }

  // Instructions.

  #instruction(): void {
    const { reader } = this;
    this.#byteOffset = reader.position;
    if (this.#isDead) {
      this.#passOver();
      return;
    }
    let op: number = reader.u8();
    if (op >= 0xfb) op = (op === 0xfc ? 0x100 : op === 0xfd ? 0x400 : op === 0xfb ? 0x200 : 0x300) + reader.u32();
    if (this.fuel - this.#lastCheck >= STRAIGHT_LINE_FUEL) this.#checkpoint();
    const price = this.source.prices[op]!;
    if (this.isExact && price > 0) {
      const before = this.fuel;
      const check = this.emit(3);
      this.fuel += price;
      this.#lower(op);
      const { words } = this.code;
      words[check] = Reg.CheckExact;
      words[check + 1] = this.fuel;
      words[check + 2] = this.fuel - before;
      return;
    }
    this.fuel += price;
    this.#lower(op);
  }

  /** Unreachable code leaves no trace: only its blocks are counted. */
  #passOver(): void {
    const { reader } = this;
    const byte = reader.bytes[reader.position]!;
    if (byte === Op.End || byte === Op.Else) {
      if (this.#deadBlocks === 0) {
        reader.position++;
        if (byte === Op.Else) this.#else();
        else this.#end();
        return;
      }
      if (byte === Op.End) this.#deadBlocks--;
    }
    const op = skipInstruction(reader);
    if (op === Op.Block || op === Op.Loop || op === Op.If || op === Op.TryTable) this.#deadBlocks++;
  }

  #checkpoint(): void {
    this.#settleAll();
    this.emit1(Reg.Check, this.fuel);
    this.#lastCheck = this.fuel;
    this.#sink?.safePoint(this.code.length - this.#start);
  }

  #lower(op: Op): void {
    const { operands, reader } = this;
    switch (op) {
      case Op.Unreachable:
        this.code.words[this.emit(1)] = Reg.Unreachable;
        this.#die();
        return;
      case Op.Nop:
        return;
      case Op.Block:
        this.#begin(BlockKind.Block);
        return;
      case Op.Loop:
        this.#begin(BlockKind.Loop);
        return;
      case Op.If:
        this.#begin(BlockKind.If);
        return;
      case Op.Else:
        this.#else();
        return;
      case Op.End:
        this.#end();
        return;
      case Op.Br:
        this.#br();
        return;
      case Op.BrIf:
        this.#brIf();
        return;
      case Op.BrTable:
        this.#brTable();
        return;
      case Op.Return:
        this.fuel += valuesPrice(this.#results.length);
        this.#return();
        this.#die();
        return;
      case Op.Call:
        this.#call(reader.u32());
        return;
      case Op.CallIndirect:
        this.#callIndirect();
        return;
      case Op.ReturnCall:
        this.#returnCall();
        return;
      case Op.ReturnCallIndirect:
        this.#returnCallIndirect();
        return;
      case Op.Drop:
        operands.pop();
        return;
      case Op.SelectTyped:
        for (let count = reader.u32(); count > 0; count--) readValType(reader);
        this.#select();
        return;
      case Op.Select:
        this.#select();
        return;
      case Op.LocalGet:
        this.#local(reader.u32());
        return;
      case Op.LocalSet:
        this.#localSet(reader.u32(), false);
        return;
      case Op.LocalTee:
        this.#localSet(reader.u32(), true);
        return;
      case Op.GlobalGet:
        this.#globalGet(reader.u32());
        return;
      case Op.GlobalSet:
        this.#globalSet(reader.u32());
        return;
      case Op.I32Const:
        this.constant(Category.I32, reader.s32(), 0);
        return;
      case Op.F32Const:
        this.constant(Category.I32, this.#word(), 0);
        return;
      case Op.I64Const: {
        const value = reader.s64();
        this.constant(Category.I64, Number(BigInt.asIntN(32, value)), Number(value >> 32n));
        return;
      }
      case Op.F64Const: {
        const low = this.#word();
        this.constant(Category.F64, low, this.#word());
        return;
      }
      case Op.V128Const:
        operands.pushVector(Int32Array.of(this.#word(), this.#word(), this.#word(), this.#word()));
        if (this.isExact) this.#settleAll();
        return;
      case Op.RefNull:
        readHeapType(reader);
        this.constant(Category.I32, 0, 0);
        return;
      case Op.RefIsNull: {
        const a = this.#read(operands.pop());
        this.#emit3(Reg.I32EqK, operands.pushSlot(Category.I32), a, 0);
        return;
      }
      case Op.RefFunc:
        this.#emit2(Reg.RefFunc, operands.pushSlot(Category.I32), reader.u32());
        this.#last = -1;
        return;
      case Op.I32Eqz:
        this.#eqz();
        return;
      case Op.I32WrapI64:
      case Op.I32ReinterpretF32:
      case Op.F32ReinterpretI32:
        this.#recategorize(Category.I32);
        return;
      case Op.I64ReinterpretF64:
        this.#recategorize(Category.I64);
        return;
      case Op.F64ReinterpretI64:
        this.#recategorize(Category.F64);
        return;
      case Op.MemorySize:
        this.#emit2(Reg.MemorySize, operands.pushSlot(this.#addressCategory(this.#peekIndex())), reader.u32());
        this.#last = -1;
        return;
      case Op.MemoryGrow: {
        const memory = reader.u32();
        this.inPlace(1, Reg.MemoryGrow, [memory]);
        operands.pushSlot(this.#addressCategory(memory));
        return;
      }
      case Op.MemoryFill:
        this.inPlace(3, Reg.MemoryFill, [reader.u32()]);
        return;
      case Op.MemoryCopy:
        this.inPlace(3, Reg.MemoryCopy, [reader.u32(), reader.u32()]);
        return;
      case Op.MemoryInit:
        this.inPlace(3, Reg.MemoryInit, [reader.u32(), reader.u32()]);
        return;
      case Op.DataDrop:
        this.emit1(Reg.DataDrop, reader.u32());
        return;
      case Op.TableGet: {
        const table = reader.u32();
        const a = this.#read(operands.pop());
        this.#emit3(Reg.TableGet, operands.pushSlot(Category.I32), a, table);
        this.#last = -1;
        return;
      }
      case Op.TableSet: {
        const b = operands.pop();
        const a = operands.pop();
        this.#emitMany(Reg.TableSet, [this.#read(a), this.#read(b), reader.u32()]);
        return;
      }
      case Op.TableSize: {
        const table = reader.u32();
        this.#emit2(Reg.TableSize, operands.pushSlot(this.#tableCategory(table)), table);
        this.#last = -1;
        return;
      }
      case Op.TableGrow: {
        const table = reader.u32();
        this.inPlace(2, Reg.TableGrow, [table]);
        operands.pushSlot(this.#tableCategory(table));
        return;
      }
      case Op.TableFill:
        this.inPlace(3, Reg.TableFill, [reader.u32()]);
        return;
      case Op.TableCopy:
        this.inPlace(3, Reg.TableCopy, [reader.u32(), reader.u32()]);
        return;
      case Op.TableInit:
        this.inPlace(3, Reg.TableInit, [reader.u32(), reader.u32()]);
        return;
      case Op.ElemDrop:
        this.emit1(Reg.ElemDrop, reader.u32());
        return;
      default:
        this.#plain(op);
    }
  }

  /** Instructions whose operands and results the table gives. */
  #plain(op: Op): void {
    const instruction = INSTRUCTION_BY_NUMBER[op];
    const type = instruction?.type;
    if (!instruction || !type || op >= 0x200) throw new InternalError(`no lowering for instruction 0x${op.toString(16)}`);
    if (instruction.immediates[0] === "memarg") {
      if (type.results.length === 1) this.#load(op, categoryOf(type.results[0]!));
      else this.#store(op);
      return;
    }
    const result = categoryOf(type.results[0]!);
    if (type.params.length === 2) this.#binary(op, result);
    else this.#unary(op, result);
  }

  #unary(op: Op, result: Category): void {
    const a = this.#read(this.operands.pop());
    const d = this.operands.pushSlot(result);
    const reg = UNARY[op]!;
    if (reg !== 0) this.#emit2(reg, d, a);
    else {
      this.#emit3(Reg.Numeric1, d, a, op);
      this.#last = -1;
    }
  }

  #binary(op: Op, result: Category): void {
    const { operands } = this;
    const b = operands.pop();
    const a = operands.pop();
    let reg = BINARY_CONSTANT[op]!;
    if (reg !== 0 && !this.isExact) {
      if (this.#isConstant(b)) {
        this.#binaryConstant(op, reg, a, operands.value[b]!, operands.high[b]!, result);
        return;
      }
      const exchanged = EXCHANGED[op]!;
      if (this.#isConstant(a) && exchanged !== 0) {
        reg = BINARY_CONSTANT[exchanged]!;
        this.#binaryConstant(exchanged, reg, b, operands.value[a]!, operands.high[a]!, result);
        return;
      }
    }
    reg = BINARY[op]!;
    if (reg !== 0 && IS_REVERSED[op] === 0 && this.#fuseBinary(reg, a, b, result)) return;
    const left = this.#read(a);
    const right = this.#read(b);
    const d = operands.pushSlot(result);
    if (reg === 0) {
      this.#emit4(Reg.Numeric2, d, left, right, op);
      this.#last = -1;
    } else if (IS_REVERSED[op] === 1) this.#emit3(reg, d, right, left);
    else this.#emit3(reg, d, left, right);
  }

  /** Makes one operation of the last one and this one, if that computes one of its operands. */
  #fuseBinary(reg: Reg, a: number, b: number, result: Category): boolean {
    const { words } = this.code;
    const last = this.#last;
    if (last < 0) return false;
    const isRight = this.#isFresh(b);
    if (!isRight && !this.#isFresh(a)) return false;
    const other = isRight ? a : b;
    if (this.#isConstant(other)) return false;
    const fused = (isRight ? RIGHT : LEFT).get(reg)?.get(words[last]!);
    if (fused === undefined) return false;
    const firstA = words[last + 2]!;
    const firstB = words[last + 3]!;
    this.#rewind();
    const left = this.#read(other);
    this.#emit4(fused, this.operands.pushSlot(result), left, firstA, firstB);
    return true;
  }

  /** The same for an operation with a constant. */
  #fuseConstant(reg: Reg, operand: number, constant: number): boolean {
    const last = this.#last;
    if (last < 0 || !this.#isFresh(operand)) return false;
    const { words } = this.code;
    if (reg === Reg.I32AddK && words[last] === Reg.I32AddK) {
      words[last + 3] = (words[last + 3]! + constant) | 0;
      this.operands.pushSlot(Category.I32);
      return true;
    }
    const fused = CONSTANT.get(reg)?.get(words[last]!);
    if (fused === undefined) return false;
    const a = words[last + 2]!;
    const b = words[last + 3]!;
    this.#rewind();
    this.#emit4(fused, this.operands.pushSlot(Category.I32), a, b, constant);
    return true;
  }

  #binaryConstant(op: Op, reg: Reg, operand: number, low: number, high: number, result: Category): void {
    if (result === Category.F64) {
      const constant = this.code.constant(low, high);
      const a = this.#read(operand);
      this.#emit3(reg, this.operands.pushSlot(result), a, constant);
      return;
    }
    let isShift = false;
    switch (op) {
      case Op.I32Sub:
        low = -low | 0;
        break;
      case Op.I32Shl:
      case Op.I32ShrS:
      case Op.I32ShrU:
      case Op.I32Rotl:
        low &= 31;
        break;
      case Op.I32Rotr:
        low = -low & 31;
        break;
      case Op.I64Shl:
      case Op.I64ShrS:
      case Op.I64ShrU:
      case Op.I64Rotl:
        isShift = true;
        low &= 63;
        break;
      case Op.I64Rotr:
        isShift = true;
        low = -low & 63;
        break;
      case Op.I64Sub:
        high = (low === 0 ? -high : ~high) | 0;
        low = -low | 0;
        break;
      default:
        break;
    }
    if (this.#fuseConstant(reg, operand, low)) return;
    const a = this.#read(operand);
    const d = this.operands.pushSlot(result);
    if (result === Category.I64 && !isShift) this.#emit4(reg, d, a, low, high);
    else this.#emit3(reg, d, a, low);
  }

  /** A comparison before it is turned round in its place. */
  #eqz(): void {
    const { operands } = this;
    const index = operands.pop();
    if (this.#isFresh(index)) {
      const { words } = this.code;
      const last = this.#last;
      const opposite = OPPOSITE[words[last]!]!;
      if (opposite !== 0) {
        if (OPPOSITE_IS_EXCHANGED[words[last]!] === 1) {
          const a = words[last + 2]!;
          words[last + 2] = words[last + 3]!;
          words[last + 3] = a;
        }
        words[last] = opposite;
        operands.pushSlot(Category.I32);
        return;
      }
    }
    const a = this.#read(index);
    this.#emit3(Reg.I32EqK, operands.pushSlot(Category.I32), a, 0);
  }

  /** The same words under another type: nothing is executed. */
  #recategorize(category: Category): void {
    const { operands } = this;
    const index = operands.pop();
    const value = operands.value[index]!;
    if (operands.where[index] === Where.Local) operands.pushLocal(value, category);
    else if (operands.where[index] === Where.Constant) operands.pushConstant(category, value, operands.high[index]!);
    else operands.pushSlot(category);
  }

  #select(): void {
    const { operands } = this;
    const c = operands.pop();
    const b = operands.pop();
    const a = operands.pop();
    const category = operands.category[a]!;
    const condition = this.#read(c);
    const left = this.#read(a);
    const right = this.#read(b);
    const d = operands.pushSlot(category);
    const reg =
      category === Category.I32
        ? Reg.Select32
        : category === Category.I64
          ? Reg.Select64
          : category === Category.F64
            ? Reg.SelectF64
            : Reg.SelectV128;
    this.#emit4(reg, d, left, right, condition);
    if (category === Category.V128) this.#last = -1;
  }

  #globalGet(index: number): void {
    const module = this.#module;
    const category = categoryOf(module.globals[index]!.type.type);
    const d = this.operands.pushSlot(category);
    const own = index - module.importedGlobals;
    if (own < 0 || category === Category.V128) {
      this.#emit2(Reg.GlobalGet, d, index);
      this.#last = -1;
    } else this.#emit2(category === Category.I32 ? Reg.Global32Get : Reg.Global64Get, d, own * GLOBAL_WORDS);
  }

  /** For instantiation: what a part of the synthetic function does with the operand on top. */
  protected consume(reg: Reg, immediates: readonly number[]): void {
    const a = this.#read(this.operands.pop());
    this.#emitMany(reg, [a, ...immediates]);
  }

  #globalSet(index: number): void {
    const module = this.#module;
    const category = categoryOf(module.globals[index]!.type.type);
    const a = this.#read(this.operands.pop());
    const own = index - module.importedGlobals;
    const reg = category === Category.I32 ? Reg.Global32Set : Reg.Global64Set;
    if (own < 0 || category === Category.V128) this.#emitMany(Reg.GlobalSet, [a, index]);
    else this.#emitMany(reg, [a, own * GLOBAL_WORDS]);
  }

  /** Alignment is a hint: it is read and forgotten. */
  #memArg(): { memory: number; low: number; high: number } {
    const { reader } = this;
    const flags = reader.u32();
    const memory = (flags & 0x40) !== 0 ? reader.u32() : 0;
    const offset = reader.u64();
    return { memory, low: Number(BigInt.asIntN(32, offset)), high: Number(BigInt.asIntN(32, offset >> 32n)) };
  }

  #isFirstSmallMemory(memory: number): boolean {
    return memory === 0 && this.#module.memories[0]!.address === Num.I32;
  }

  #load(op: Op, result: Category): void {
    const { operands } = this;
    const { memory, low, high } = this.#memArg();
    const reg = MEMORY_ACCESS[op]!;
    const isHot = reg !== 0 && this.#isFirstSmallMemory(memory);
    const index = operands.pop();
    const at = AT.get(reg);
    if (isHot && at !== undefined && this.#hasConstantAddress(index, low)) {
      const address = operands.value[index]! + low;
      this.#emit2(at, operands.pushSlot(result), address);
      return;
    }
    if (isHot && this.#isFresh(index)) {
      const { words } = this.code;
      const last = this.#last;
      const first = words[last]! as Reg;
      const fused = ADDRESS.get(reg)?.get(first);
      if (fused !== undefined) {
        const firstA = words[last + 2]!;
        const firstB = words[last + 3]!;
        const shift = words[last + 4]!;
        this.#rewind();
        const d = operands.pushSlot(result);
        if (first === Reg.I32AddShl) this.#emit5(fused, d, firstA, firstB, shift, low);
        else this.#emit4(fused, d, firstA, firstB, low);
        return;
      }
    }
    const a = this.#read(index);
    const d = operands.pushSlot(result);
    if (isHot) this.#emit3(reg, d, a, low);
    else this.#emitMany(Reg.Load, [d, a, low, high, memory, op]);
  }

  #store(op: Op): void {
    const { operands } = this;
    const { memory, low, high } = this.#memArg();
    const b = operands.pop();
    const a = operands.pop();
    const reg = MEMORY_ACCESS[op]!;
    const isHot = reg !== 0 && this.#isFirstSmallMemory(memory);
    if (isHot && this.#storeShort(reg, a, b, low)) return;
    const address = this.#read(a);
    const value = this.#read(b);
    if (isHot) this.#emitMany(reg, [address, value, low]);
    else this.#emitMany(Reg.Store, [address, value, low, high, memory, op]);
  }

  /** Stores of a constant, at a constant address, or at one that the last operation computes. */
  #storeShort(reg: Reg, a: number, b: number, offset: number): boolean {
    const { operands } = this;
    if (this.isExact) return false;
    const constant = STORE_CONSTANT.get(reg);
    if (constant !== undefined && this.#isConstant(b)) {
      this.#emitMany(constant, [this.#read(a), operands.value[b]!, offset]);
      return true;
    }
    const at = AT.get(reg);
    if (at !== undefined && this.#hasConstantAddress(a, offset)) {
      const address = operands.value[a]! + offset;
      this.#emitMany(at, [address, this.#read(b)]);
      return true;
    }
    const { words } = this.code;
    const last = this.#last;
    if (!this.#isFresh(a) || this.#isConstant(b)) return false;
    const fused = ADDRESS.get(reg)?.get(words[last]!);
    if (fused === undefined) return false;
    const base = words[last + 2]!;
    const added = words[last + 3]!;
    this.#rewind();
    this.#emitMany(fused, [base, this.#read(b), added, offset]);
    return true;
  }

  /** The address is known, and no more than an int32: with its offset it cannot leave 32 bits. */
  #hasConstantAddress(index: number, offset: number): boolean {
    if (this.isExact || !this.#isConstant(index)) return false;
    const address = this.operands.value[index]!;
    return address >= 0 && offset >= 0 && address + offset <= 0x7fff_ffff;
  }

  /** Bulk operations count down in their operands' slots while they go on, so these are settled. */
  protected inPlace(operandCount: number, reg: Reg, immediates: readonly number[]): void {
    const { operands } = this;
    this.#settleAll();
    const first = operands.slot[operands.height - operandCount]!;
    operands.drop(operandCount);
    const price = this.source.prices[REG_PRICES.get(reg)!]!;
    this.#sink?.safePoint(this.code.length - this.#start);
    this.#emitMany(reg, [first, ...immediates, this.fuel - price]);
  }

  #peekIndex(): number {
    const { reader } = this;
    const position = reader.position;
    const index = reader.u32();
    reader.position = position;
    return index;
  }

  #addressCategory(memory: number): Category {
    return this.#module.memories[memory]!.address === Num.I64 ? Category.I64 : Category.I32;
  }

  #tableCategory(table: number): Category {
    return this.#module.tables[table]!.type.address === Num.I64 ? Category.I64 : Category.I32;
  }

  #word(): number {
    const { reader } = this;
    const { bytes, position } = reader;
    reader.position = position + 4;
    return bytes[position]! | (bytes[position + 1]! << 8) | (bytes[position + 2]! << 16) | (bytes[position + 3]! << 24);
  }
}

/** Words of one global in the store: a vector fits. */
export const GLOBAL_WORDS = 4;

/** The instruction whose price a bulk operation pays when it is done. */
const REG_PRICES: ReadonlyMap<Reg, Op> = new Map([
  [Reg.MemoryGrow, Op.MemoryGrow],
  [Reg.MemoryFill, Op.MemoryFill],
  [Reg.MemoryCopy, Op.MemoryCopy],
  [Reg.MemoryInit, Op.MemoryInit],
  [Reg.TableGrow, Op.TableGrow],
  [Reg.TableFill, Op.TableFill],
  [Reg.TableCopy, Op.TableCopy],
  [Reg.TableInit, Op.TableInit],
]);
