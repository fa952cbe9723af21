/**
 * Turns one validated body into register code, in one forward pass. The body is known to be valid,
 * so only what execution needs is tracked: where operands are, and where control goes. Code that
 * cannot be reached is passed over. `exact` code neither delays nor fuses, and may stop before
 * every instruction; frames look the same in both at every safe point.
 */

import { skipInstruction } from "../binary/instructions.ts";
import { readHeapType, readValType } from "../binary/read-types.ts";
import { STRAIGHT_LINE_FUEL } from "../limits.ts";
import { Op } from "../opcodes.ts";
import { refType } from "../types.ts";
import { isAggregateOp } from "./aggregates.ts";
import { isAtomicOp } from "./atomics.ts";
import { isReferenceOp } from "./references.ts";
import { Head, Reg, type ModuleCode } from "./code.ts";
import { BlockKind } from "./control.ts";
import { ExceptionLowering } from "./exceptions.ts";
import { RootKind, valuesPrice, type LoweringSource, type PositionSink } from "./source.ts";
import { Category } from "./tables.ts";
import { Vec } from "./vector-code.ts";

/** Instructions that end a block or a part of it: what follows may be reachable again. */
const IS_DELIMITER = new Uint8Array(0x100);
for (const op of [Op.End, Op.Else, Op.Catch, Op.CatchAll, Op.Delegate]) IS_DELIMITER[op] = 1;

/** What comes after a part of the code. */
export const enum Part {
  /** There is more to read. */
  Code,
  /** Something that has no code: ask again. */
  Passed,
  None,
}

export class Lowering extends ExceptionLowering {
  constructor(
    source: LoweringSource,
    code: ModuleCode,
    funcIndex: number,
    isExact: boolean,
    sink: PositionSink | null = null,
  ) {
    super(source, code, funcIndex, isExact, sink);
  }

  /**
   * Lowers at most `budget` instructions, of which those that handle many values or labels count for
   * several; true when the function is finished and may be entered.
   */
  step(budget: number): boolean {
    const { code } = this;
    const isAll = budget === Number.POSITIVE_INFINITY;
    this.extraWork = 0;
    this.budget = budget;
    for (let i = 0; i + this.extraWork < budget; i++) {
      if (this.unfinished !== null) {
        if (this.unfinished.next().done === false) {
          if (isAll) continue;
          return false;
        }
        this.unfinished = null;
      }
      if (!code.hasRoom && !code.makeRoom()) {
        if (isAll) continue;
        return false;
      }
      if (this.reader.position >= this.reader.end) {
        const part = this.nextPart();
        if (part === Part.Passed) continue;
        if (part === Part.None) {
          this.finish();
          return true;
        }
      }
      this.instruction();
    }
    return false;
  }

  /** At the end of the code to read. A body has one part. */
  protected nextPart(): Part {
    return Part.None;
  }

  /** After the last part of a synthetic function: returns, and makes the frame as high as it turned out. */
  protected finishParts(spareSlots: number): void {
    this.returnResults();
    this.code.words[this.codeStart + Head.FrameWords] = this.operands.maxSlot + 2 * (1 + spareSlots);
  }

  protected instruction(): void {
    const { reader } = this;
    this.byteOffset = reader.position;
    if (this.isDead) {
      this.passOver();
      return;
    }
    let op: number = reader.u8();
    if (op >= 0xfb) op = (op === 0xfc ? 0x100 : op === 0xfd ? 0x400 : op === 0xfb ? 0x200 : 0x300) + reader.u32();
    if (this.fuel - this.lastCheck >= STRAIGHT_LINE_FUEL) this.checkpoint();
    const price = this.source.prices[op]!;
    if (this.isExact && price > 0) {
      const before = this.fuel;
      this.roots(RootKind.At);
      const check = this.emit(3);
      this.fuel += price;
      this.lowerInstruction(op);
      const { words } = this.code;
      words[check] = Reg.CheckExact;
      words[check + 1] = this.fuel;
      words[check + 2] = this.fuel - before;
      return;
    }
    this.fuel += price;
    this.lowerInstruction(op);
  }

  /** Unreachable code leaves no trace: only its blocks are counted. */
  protected passOver(): void {
    const { reader } = this;
    const byte = reader.bytes[reader.position]!;
    if (IS_DELIMITER[byte] === 1) {
      if (this.deadBlocks === 0) {
        reader.position++;
        this.lowerInstruction(byte);
        return;
      }
      if (byte === Op.End || byte === Op.Delegate) this.deadBlocks--;
    }
    const op = skipInstruction(reader);
    if (op === Op.Block || op === Op.Loop || op === Op.If || op === Op.TryTable || op === Op.Try) this.deadBlocks++;
  }

  protected checkpoint(): void {
    this.settleAll();
    this.emit1(Reg.Check, this.fuel);
    this.lastCheck = this.fuel;
    this.safePoint();
  }

  protected lowerInstruction(op: Op): void {
    const { operands, reader } = this;
    switch (op) {
      case Op.Unreachable: {
        // Emitting may give the code another array.
        const at = this.emit(1);
        this.code.words[at] = Reg.Unreachable;
        this.die();
        return;
      }
      case Op.Nop:
        return;
      case Op.Block:
        this.beginBlock(BlockKind.Block);
        return;
      case Op.Loop:
        this.beginBlock(BlockKind.Loop);
        return;
      case Op.If:
        this.beginBlock(BlockKind.If);
        return;
      case Op.Else:
        this.beginElse();
        return;
      case Op.End:
        this.endBlock();
        return;
      case Op.Br:
        this.branchAlways();
        return;
      case Op.BrIf:
        this.brIf();
        return;
      case Op.BrTable:
        this.brTable();
        return;
      case Op.Return:
        this.fuel += valuesPrice(this.resultTypes.length);
        this.returnResults();
        this.die();
        return;
      case Op.Call:
        this.call(reader.u32());
        return;
      case Op.CallIndirect:
        this.callIndirect();
        return;
      case Op.ReturnCall:
        this.returnCall();
        return;
      case Op.ReturnCallIndirect:
        this.returnCallIndirect();
        return;
      case Op.CallRef:
        this.callRef();
        return;
      case Op.ReturnCallRef:
        this.returnCallRef();
        return;
      case Op.Throw:
        this.throwTag();
        return;
      case Op.ThrowRef:
        this.throwRef();
        return;
      case Op.TryTable:
        this.tryTable();
        return;
      case Op.Try:
        this.legacyTry();
        return;
      case Op.Catch:
        this.legacyCatch(reader.u32());
        return;
      case Op.CatchAll:
        this.legacyCatch(null);
        return;
      case Op.Delegate:
        this.legacyDelegate();
        return;
      case Op.Rethrow:
        this.legacyRethrow();
        return;
      case Op.Drop:
        operands.pop();
        return;
      case Op.SelectTyped:
        for (let count = reader.u32(); count > 0; count--) readValType(reader);
        this.select();
        return;
      case Op.Select:
        this.select();
        return;
      case Op.LocalGet:
        this.local(reader.u32());
        return;
      case Op.LocalSet:
        this.localSet(reader.u32(), false);
        return;
      case Op.LocalTee:
        this.localSet(reader.u32(), true);
        return;
      case Op.GlobalGet:
        this.globalGet(reader.u32());
        return;
      case Op.GlobalSet:
        this.globalSet(reader.u32());
        return;
      case Op.I32Const:
        this.constant(Category.I32, reader.s32(), 0);
        return;
      case Op.F32Const:
        this.constant(Category.I32, this.word(), 0);
        return;
      case Op.I64Const: {
        const value = reader.s64();
        this.constant(Category.I64, Number(BigInt.asIntN(32, value)), Number(value >> 32n));
        return;
      }
      case Op.F64Const: {
        const low = this.word();
        this.constant(Category.F64, low, this.word());
        return;
      }
      case Op.V128Const:
        operands.pushVector(this.word(), this.word(), this.word(), this.word());
        if (this.isExact) this.settleAll();
        return;
      case Op.RefNull:
        this.constant(this.categoryOf(refType(readHeapType(reader), true)), 0, 0);
        return;
      case Op.RefIsNull: {
        const a = this.read(operands.pop());
        this.emit3(Reg.I32EqK, operands.pushSlot(Category.I32), a, 0);
        return;
      }
      case Op.RefFunc:
        this.emit2(Reg.RefFunc, operands.pushSlot(Category.I32), reader.u32());
        this.last = -1;
        return;
      case Op.I32Eqz:
        this.eqz();
        return;
      case Op.I32WrapI64:
      case Op.I32ReinterpretF32:
      case Op.F32ReinterpretI32:
        this.recategorize(Category.I32);
        return;
      case Op.I64ReinterpretF64:
        this.recategorize(Category.I64);
        return;
      case Op.F64ReinterpretI64:
        this.recategorize(Category.F64);
        return;
      case Op.MemorySize:
        this.emit2(Reg.MemorySize, operands.pushSlot(this.addressCategory(this.peekIndex())), reader.u32());
        this.last = -1;
        return;
      case Op.MemoryGrow: {
        const memory = reader.u32();
        this.inPlace(1, Reg.MemoryGrow, [memory]);
        operands.pushSlot(this.addressCategory(memory));
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
        const a = this.read(operands.pop());
        const category = this.categoryOf(this.module.tables[table]!.type.element);
        this.emit3(Reg.TableGet, operands.pushSlot(category), a, table);
        this.last = -1;
        return;
      }
      case Op.TableSet: {
        const b = operands.pop();
        const a = operands.pop();
        this.emitMany(Reg.TableSet, [this.read(a), this.read(b), reader.u32()]);
        return;
      }
      case Op.TableSize: {
        const table = reader.u32();
        this.emit2(Reg.TableSize, operands.pushSlot(this.tableCategory(table)), table);
        this.last = -1;
        return;
      }
      case Op.TableGrow: {
        const table = reader.u32();
        this.inPlace(2, Reg.TableGrow, [table]);
        operands.pushSlot(this.tableCategory(table));
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
        if (op >= Vec.First) this.vector(op);
        else if (isAggregateOp(op)) this.aggregate(op);
        else if (isAtomicOp(op)) this.atomic(op);
        else if (isReferenceOp(op)) this.reference(op);
        else this.plain(op);
    }
  }

  protected peekIndex(): number {
    const { reader } = this;
    const position = reader.position;
    const index = reader.u32();
    reader.position = position;
    return index;
  }
}
