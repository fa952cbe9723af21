/** Lowering of control (spec: exec-instr-control): blocks, branches with the values they carry, calls. */

import { EMPTY_BLOCK, readBlockType } from "../binary/read-types.ts";
import { funcTypeAt } from "../module.ts";
import { Num, type ValType } from "../types.ts";
import { Reg, type Handler, type ModuleCode } from "./code.ts";
import { Emitter } from "./emitter.ts";
import { COUNTED } from "./fuse.ts";
import { Where } from "./operands.ts";
import { categoryOf, RootKind, slotsOf, valuesPrice, type LoweringSource, type PositionSink } from "./source.ts";
import { BRANCH_ON, Category, OPPOSITE, OPPOSITE_IS_EXCHANGED } from "./tables.ts";

/** The limit of a branch that is no safe point: fuel is never below. */
export const NO_CHECK = -0x8000_0000;

export const enum BlockKind {
  Body,
  Block,
  Loop,
  If,
  Else,
  /** Legacy `try` before its first clause, and one of its clauses. */
  Try,
  Catch,
}

export interface Block {
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
  /** Of a `try_table` or legacy `try`. */
  handler: Handler | null;
  /** Word offset of what a legacy `catch` has caught. */
  caughtAt: number;
  /** Exceptions that are caught go on at its end, which is a safe point then. */
  isLanding: boolean;
}

const NO_TYPES: readonly ValType[] = [];

export abstract class ControlLowering extends Emitter {
  readonly #blocks: Block[] = [];
  /** Blocks opened in code that is passed over. */
  protected deadBlocks = 0;
  protected isDead = false;
  /** The condition taken by {@link takeCondition}: a branch operation and its two operands. */
  #conditionReg = Reg.BrIf;
  #conditionA = 0;
  #conditionB = 0;

  constructor(
    source: LoweringSource,
    code: ModuleCode,
    funcIndex: number,
    isExact: boolean,
    sink: PositionSink | null,
  ) {
    super(source, code, funcIndex, isExact, sink);
    this.#blocks.push(this.newBlock(BlockKind.Body, NO_TYPES, this.resultTypes));
  }

  protected newBlock(kind: BlockKind, params: readonly ValType[], results: readonly ValType[]): Block {
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
      handler: null,
      caughtAt: 0,
      isLanding: false,
    };
  }

  /** How many blocks there are around the present place, the body included. */
  protected get blockDepth(): number {
    return this.#blocks.length;
  }

  protected pushBlock(block: Block): void {
    this.#blocks.push(block);
  }

  protected blockType(): { params: readonly ValType[]; results: readonly ValType[] } {
    const type = readBlockType(this.reader);
    if (type === EMPTY_BLOCK) return { params: NO_TYPES, results: NO_TYPES };
    if (type < 0) return funcTypeAt(this.module, -2 - type);
    return { params: NO_TYPES, results: [type] };
  }

  protected beginBlock(kind: BlockKind): void {
    const { params, results } = this.blockType();
    if (kind === BlockKind.If) this.takeCondition();
    this.settleAll();
    this.last = -1;
    if (kind === BlockKind.Loop) {
      this.lastCheck = this.fuel;
      this.safePoint();
    }
    const block = this.newBlock(kind, params, results);
    this.#blocks.push(block);
    if (kind === BlockKind.If) {
      this.emitOpposite();
      block.elseFixup = this.code.length - 3;
      this.last = -1;
    }
  }

  /** The present position becomes the target of a branch whose target word stands at `at`. */
  protected bind(at: number): void {
    const { words } = this.code;
    words[at] = this.code.length;
    words[at + 1] = (words[at + 1]! + this.fuel) | 0;
    words[at + 2] = NO_CHECK;
  }

  protected beginElse(): void {
    const block = this.#blocks[this.#blocks.length - 1]!;
    if (!this.isDead) {
      this.settleAll();
      const at = this.emit(6);
      this.code.words[at] = Reg.Br;
      this.addFixup(block, at + 3);
    }
    this.bind(block.elseFixup);
    block.elseFixup = 0;
    block.kind = BlockKind.Else;
    this.enterFrom(block, block.params);
  }

  /** Control arrives at the present position with `types` in the block's slots and nowhere else. */
  protected enterFrom(block: Block, types: readonly ValType[]): void {
    this.operands.drop(this.operands.height - block.height);
    this.pushTypes(types);
    this.operands.settledBelow = this.operands.height;
    this.isDead = false;
    this.last = -1;
  }

  protected endBlock(): void {
    const block = this.#blocks.pop()!;
    if (block.kind !== BlockKind.Catch) this.endHandler(block);
    else if (!this.isDead) {
      // Below the results lies what was caught.
      this.moveValues(block.slot, block.results);
      this.finishBlock(block);
      return;
    }
    if (block.kind === BlockKind.Body) {
      if (!this.isDead) this.returnResults();
      return;
    }
    if (block.kind === BlockKind.Loop || (block.fixups === 0 && block.elseFixup === 0)) {
      if (this.isDead) this.leaveDead(block);
      return;
    }
    if (!this.isDead) this.settleAll();
    this.finishBlock(block);
  }

  /** The code that a handler covers ends here. */
  protected endHandler({ handler }: Block): void {
    if (handler === null) return;
    this.tries.end(handler, this.code.length);
    this.last = -1;
  }

  /** All that leads to the end of a block meets here, with the results in its slots. */
  protected finishBlock(block: Block): void {
    if (block.elseFixup !== 0) this.bind(block.elseFixup);
    const left = this.#bindSome(block.fixups);
    if (left === 0) this.#leaveBlock(block);
    else this.unfinished = this.#bindRest(block, left);
  }

  *#bindRest(block: Block, at: number): Generator<undefined> {
    while ((at = this.#bindSome(at)) !== 0) yield;
    this.#leaveBlock(block);
  }

  /** Binds as many branches as the step may; what is left of the chain. */
  #bindSome(at: number): number {
    const { words } = this.code;
    for (; at !== 0 && this.extraWork < this.budget; this.extraWork++) {
      const next = words[at]!;
      this.bind(at);
      at = next;
    }
    return at;
  }

  #leaveBlock(block: Block): void {
    this.enterFrom(block, block.results);
    if (!block.isLanding) return;
    this.lastCheck = this.fuel;
    this.safePoint();
  }

  /** A block without branches to its end, whose end cannot be reached: what follows cannot either. */
  protected leaveDead(block: Block): void {
    this.operands.drop(this.operands.height - block.height);
    this.deadBlocks = 0;
  }

  protected addFixup(block: Block, at: number): void {
    const { words } = this.code;
    words[at] = block.fixups;
    words[at + 1] = -this.fuel;
    block.fixups = at;
  }

  /** Writes the three words of a branch to `block`, whose values are where it wants them. */
  protected writeTarget(block: Block, at: number): void {
    if (block.kind !== BlockKind.Loop) {
      this.addFixup(block, at);
      return;
    }
    const { words } = this.code;
    words[at] = block.start;
    words[at + 1] = (block.startP - this.fuel) | 0;
    words[at + 2] = block.startP;
  }

  protected labelTypes(block: Block): readonly ValType[] {
    return block.kind === BlockKind.Loop ? block.params : block.results;
  }

  protected blockAt(label: number): Block {
    return this.#blocks[this.#blocks.length - 1 - label]!;
  }

  /** Whether the label's values lie in its slots already, once they are settled. */
  protected isInPlace(block: Block, count: number): boolean {
    return count === 0 || this.operands.slot[this.operands.height - count] === block.slot;
  }

  /** Copies the label's values to where it wants them; the operands stay as they are. */
  protected moveValues(d: number, types: readonly ValType[]): void {
    const { operands } = this;
    const first = operands.height - types.length;
    if (types.length === 1) {
      if (operands.where[first] !== Where.Slot || operands.slot[first] !== d) this.moveTo(d, first);
      return;
    }
    this.settleAll();
    if (types.length > 1 && operands.slot[first] !== d)
      this.emit3(Reg.MoveSlots, d, operands.slot[first]!, slotsOf(types));
    this.last = -1;
  }

  protected branch(block: Block): void {
    if (block.kind === BlockKind.Body) {
      this.returnResults();
      return;
    }
    this.moveValues(block.slot, this.labelTypes(block));
    const at = this.emit(6);
    this.code.words[at] = Reg.Br;
    this.writeTarget(block, at + 3);
  }

  protected branchAlways(): void {
    const block = this.blockAt(this.reader.u32());
    this.fuel += valuesPrice(this.labelTypes(block).length);
    this.branch(block);
    this.die();
  }

  protected brIf(): void {
    const block = this.blockAt(this.reader.u32());
    const types = this.labelTypes(block);
    this.fuel += valuesPrice(types.length);
    this.takeCondition();
    this.branchOnCondition(block, types);
  }

  /** Branches to `block` with the values on top of the stack if the condition holds; they stay there otherwise. */
  protected branchOnCondition(block: Block, types: readonly ValType[]): void {
    if (block.kind !== BlockKind.Body && this.isInPlace(block, types.length)) {
      if (types.length > 0) this.settleAll();
      const at = this.emitCondition();
      this.writeTarget(block, at + 3);
      return;
    }
    if (types.length > 1) this.settleAll();
    const at = this.emitOpposite();
    this.branch(block);
    // Not taken: the fuel is the same, since the code between belongs to this instruction.
    this.code.words[at + 3] = this.code.length;
    this.code.words[at + 4] = 0;
    this.code.words[at + 5] = NO_CHECK;
    this.last = -1;
  }

  protected brTable(): void {
    const { operands, reader } = this;
    const index = operands.pop();
    const indexAt = this.read(index);
    const count = reader.u32();
    const labelsAt = reader.position;
    const arity = this.lastLabelArity(count);
    this.fuel += valuesPrice(arity);
    if (arity > 0) this.settleAll();
    reader.position = labelsAt;
    this.unfinished = this.#branchTable(indexAt, count, arity);
  }

  *#branchTable(indexAt: number, count: number, arity: number): Generator<undefined> {
    const { reader } = this;
    const words = 3 + 3 * (count + 1);
    while (!this.code.makeRoom(words)) yield;
    const table = this.emit(words);
    this.code.words[table] = Reg.BrTable;
    this.code.words[table + 1] = indexAt;
    this.code.words[table + 2] = count;
    const stubs = new Map<number, number>();
    for (let i = 0; i <= count; i++) {
      if (this.extraWork++ >= this.budget) yield;
      const label = reader.u32();
      const block = this.blockAt(label);
      const at = table + 3 + 3 * i;
      if (block.kind !== BlockKind.Body && this.isInPlace(block, arity)) {
        this.writeTarget(block, at);
        continue;
      }
      let stub = stubs.get(label);
      if (stub === undefined) {
        stub = this.code.length;
        stubs.set(label, stub);
        this.branch(block);
      }
      this.code.words[at] = stub;
      this.code.words[at + 1] = 0;
      this.code.words[at + 2] = NO_CHECK;
    }
    this.die();
  }

  /** All labels of a br_table take equally many values: the default one, read last, says how many. */
  protected lastLabelArity(count: number): number {
    const { reader } = this;
    for (let i = 0; i < count; i++) reader.u32();
    return this.labelTypes(this.blockAt(reader.u32())).length;
  }

  protected returnResults(): void {
    const { operands } = this;
    const results = this.resultTypes;
    const top = operands.height - 1;
    if (results.length === 1 && results[0] !== Num.V128) {
      const category = categoryOf(results[0]!);
      const reg = category === Category.I32 ? Reg.Return32 : category === Category.I64 ? Reg.Return64 : Reg.ReturnF64;
      const a = this.read(top);
      const at = this.emit(4);
      this.code.words[at] = reg;
      this.code.words[at + 1] = this.linkAt;
      this.code.words[at + 2] = this.fuel;
      this.code.words[at + 3] = a;
      return;
    }
    if (results.length > 0) {
      // Results may overwrite locals that other results are read from.
      this.settleAll();
      this.emit3(Reg.MoveSlots, 0, operands.slot[operands.height - results.length]!, slotsOf(results));
    }
    const at = this.emit(3);
    this.code.words[at] = Reg.Return;
    this.code.words[at + 1] = this.linkAt;
    this.code.words[at + 2] = this.fuel;
  }

  protected die(): void {
    this.isDead = true;
    this.deadBlocks = 0;
    this.last = -1;
  }

  /** Pops an i32 condition and makes it a branch operation with its operands, fused with the comparison before it. */
  protected takeCondition(): void {
    const { operands } = this;
    const index = operands.pop();
    if (this.isFresh(index)) {
      const { words } = this.code;
      const last = this.last;
      const branch = BRANCH_ON[words[last]!]!;
      if (branch !== 0) {
        this.#conditionReg = branch;
        this.#conditionA = words[last + 2]!;
        this.#conditionB = branch === Reg.BrI64Eqz || branch === Reg.BrI64Nez ? 0 : words[last + 3]!;
        this.rewind();
        return;
      }
    }
    this.#conditionA = this.read(index);
    this.#conditionReg = Reg.BrIf;
    this.#conditionB = 0;
  }

  /** Makes a branch operation and its operands the condition. */
  protected setCondition(reg: Reg, a: number, b: number): void {
    this.#conditionReg = reg;
    this.#conditionA = a;
    this.#conditionB = b;
  }

  /** A branch on the taken condition; its target is still to be written. Returns its position. */
  protected emitCondition(): number {
    return this.emitBranch(this.#conditionReg, this.#conditionA, this.#conditionB);
  }

  /** A branch on the opposite of the taken condition. */
  protected emitOpposite(): number {
    const reg = this.#conditionReg;
    const exchanged = OPPOSITE_IS_EXCHANGED[reg] === 1;
    const a = exchanged ? this.#conditionB : this.#conditionA;
    const b = exchanged ? this.#conditionA : this.#conditionB;
    const at = this.emitBranch(OPPOSITE[reg]!, a, b);
    this.code.words[at + 4] = -this.fuel;
    return at;
  }

  protected emitBranch(reg: Reg, a: number, b: number): number {
    const counted = COUNTED.get(reg);
    const last = this.last;
    if (counted !== undefined && last >= 0) {
      const { words } = this.code;
      if (words[last] === Reg.I32AddK && words[last + 1] === a && words[last + 2] === a) {
        const added = words[last + 3]!;
        this.rewind();
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

  protected call(funcIndex: number): void {
    const type = funcTypeAt(this.module, this.module.funcs[funcIndex]!);
    this.settleAll();
    const argsAt = this.dropArguments(type.params);
    const at = this.emit(4);
    const { words } = this.code;
    words[at] = funcIndex < this.module.importedFuncs ? Reg.CallImport : Reg.Call;
    words[at + 1] = funcIndex;
    words[at + 2] = argsAt;
    words[at + 3] = this.fuel;
    this.afterCall(type.results);
  }

  /** Starts the call of a function from outside every body: instantiation's last step. */
  protected callFunction(funcIndex: number): void {
    this.call(funcIndex);
  }

  /** Pops arguments that are settled; the word offset of the first. */
  protected dropArguments(params: readonly ValType[]): number {
    const { operands } = this;
    const first = operands.height - params.length;
    const at = params.length > 0 ? operands.slot[first]! : operands.nextSlot;
    operands.drop(params.length);
    this.extraWork += params.length;
    return at;
  }

  protected afterCall(results: readonly ValType[]): void {
    this.roots(RootKind.During);
    this.pushTypes(results);
    this.operands.settledBelow = this.operands.height;
    this.lastCheck = this.fuel;
    this.safePoint();
  }

  protected callIndirect(): void {
    const typeIndex = this.reader.u32();
    const table = this.reader.u32();
    const type = funcTypeAt(this.module, typeIndex);
    const index = this.operands.pop();
    const indexAt = this.read(index);
    this.settleAll();
    const argsAt = this.dropArguments(type.params);
    const typeId = this.source.typeIds[typeIndex]!;
    if (table === 0 && this.module.tables[0]!.type.address === Num.I32) {
      this.emitMany(Reg.CallIndirect, [indexAt, typeId, argsAt, this.fuel]);
    } else {
      this.emitMany(Reg.CallTable, [indexAt, typeId, argsAt, this.fuel, table]);
    }
    this.afterCall(type.results);
  }

  protected callRef(): void {
    const type = funcTypeAt(this.module, this.reader.u32());
    const funcAt = this.read(this.operands.pop());
    this.settleAll();
    const argsAt = this.dropArguments(type.params);
    this.emitMany(Reg.CallRef, [funcAt, argsAt, this.fuel]);
    this.afterCall(type.results);
  }

  protected returnCallRef(): void {
    const type = funcTypeAt(this.module, this.reader.u32());
    const funcAt = this.read(this.operands.pop());
    this.settleAll();
    const argsAt = this.dropArguments(type.params);
    this.emitMany(Reg.ReturnCallRef, [funcAt, argsAt, slotsOf(type.params) * 2, this.linkAt, this.fuel]);
    this.die();
  }

  protected returnCall(): void {
    const funcIndex = this.reader.u32();
    const type = funcTypeAt(this.module, this.module.funcs[funcIndex]!);
    this.settleAll();
    const argsAt = this.dropArguments(type.params);
    this.emitMany(Reg.ReturnCall, [funcIndex, argsAt, slotsOf(type.params) * 2, this.linkAt, this.fuel]);
    this.die();
  }

  protected returnCallIndirect(): void {
    const typeIndex = this.reader.u32();
    const table = this.reader.u32();
    const type = funcTypeAt(this.module, typeIndex);
    const indexAt = this.read(this.operands.pop());
    this.settleAll();
    const argsAt = this.dropArguments(type.params);
    const words = slotsOf(type.params) * 2;
    this.emitMany(Reg.ReturnCallIndirect, [
      indexAt,
      this.source.typeIds[typeIndex]!,
      argsAt,
      words,
      this.linkAt,
      this.fuel,
      table,
    ]);
    this.die();
  }
}
