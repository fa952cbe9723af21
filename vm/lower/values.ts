/** Lowering of instructions that compute or move values: numbers, globals, memory accesses, bulk operations. */

import { InternalError } from "../errors.ts";
import { INSTRUCTION_BY_NUMBER, Op } from "../opcodes.ts";
import { Num } from "../types.ts";
import { Reg } from "./code.ts";
import { ControlLowering } from "./control.ts";
import { ADDRESS, AT, CONSTANT, LEFT, RIGHT, STORE_CONSTANT } from "./fuse.ts";
import { Where } from "./operands.ts";
import { categoryOf, GLOBAL_WORDS, RootKind } from "./source.ts";
import {
  BINARY,
  BINARY_CONSTANT,
  Category,
  EXCHANGED,
  IS_REVERSED,
  MEMORY_ACCESS,
  OPPOSITE,
  OPPOSITE_IS_EXCHANGED,
  UNARY,
} from "./tables.ts";
import { Vec } from "./vector-code.ts";

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

export abstract class ValueLowering extends ControlLowering {
  /** Instructions whose operands and results the table gives. */
  protected plain(op: Op): void {
    const instruction = INSTRUCTION_BY_NUMBER[op];
    const type = instruction?.type;
    if (!instruction || !type || op >= 0x200)
      throw new InternalError(`no lowering for instruction 0x${op.toString(16)}`);
    if (instruction.immediates[0] === "memarg") {
      if (type.results.length === 1) this.load(op, categoryOf(type.results[0]!));
      else this.store(op);
      return;
    }
    if (type.results.length === 2) {
      this.wide(op, type.params.length);
      return;
    }
    const result = categoryOf(type.results[0]!);
    if (type.params.length === 2) this.binary(op, result);
    else this.unary(op, result);
  }

  /** Two or four i64 to two: the results stand in adjacent slots. */
  protected wide(op: Op, paramCount: number): void {
    const { operands } = this;
    const [a = 0, b = 0, c = 0, e = 0] = this.operandWords(paramCount);
    const d = operands.pushSlot(Category.I64);
    operands.pushSlot(Category.I64);
    this.emitMany(Reg.Wide, [d, a, b, c, e, op]);
  }

  protected unary(op: Op, result: Category): void {
    const a = this.read(this.operands.pop());
    const d = this.operands.pushSlot(result);
    const reg = UNARY[op]!;
    if (reg !== 0) this.emit2(reg, d, a);
    else {
      this.emit3(Reg.Numeric1, d, a, op);
      this.last = -1;
    }
  }

  protected binary(op: Op, result: Category): void {
    const { operands } = this;
    const b = operands.pop();
    const a = operands.pop();
    let reg = BINARY_CONSTANT[op]!;
    if (reg !== 0 && !this.isExact) {
      if (this.isConstant(b)) {
        this.binaryConstant(op, reg, a, operands.value[b]!, operands.high[b]!, result);
        return;
      }
      const exchanged = EXCHANGED[op]!;
      if (this.isConstant(a) && exchanged !== 0) {
        reg = BINARY_CONSTANT[exchanged]!;
        this.binaryConstant(exchanged, reg, b, operands.value[a]!, operands.high[a]!, result);
        return;
      }
    }
    reg = BINARY[op]!;
    if (reg !== 0 && IS_REVERSED[op] === 0 && this.fuseBinary(reg, a, b, result)) return;
    const left = this.read(a);
    const right = this.read(b);
    const d = operands.pushSlot(result);
    if (reg === 0) {
      this.emit4(Reg.Numeric2, d, left, right, op);
      this.last = -1;
    } else if (IS_REVERSED[op] === 1) this.emit3(reg, d, right, left);
    else this.emit3(reg, d, left, right);
  }

  /** Makes one operation of the last one and this one, if that computes one of its operands. */
  protected fuseBinary(reg: Reg, a: number, b: number, result: Category): boolean {
    const { words } = this.code;
    const last = this.last;
    if (last < 0) return false;
    const isRight = this.isFresh(b);
    if (!isRight && !this.isFresh(a)) return false;
    const other = isRight ? a : b;
    if (this.isConstant(other)) return false;
    const fused = (isRight ? RIGHT : LEFT).get(reg)?.get(words[last]!);
    if (fused === undefined) return false;
    const firstA = words[last + 2]!;
    const firstB = words[last + 3]!;
    const firstC = words[last + 4]!;
    const hasLongConstant = words[last] === Reg.I64MulK;
    this.rewind();
    const left = this.read(other);
    const d = this.operands.pushSlot(result);
    if (hasLongConstant) this.emit5(fused, d, left, firstA, firstB, firstC);
    else this.emit4(fused, d, left, firstA, firstB);
    return true;
  }

  /** The same for an operation with a constant, of two words for i64. */
  protected fuseConstant(reg: Reg, operand: number, constant: number, high: number, result: Category): boolean {
    const last = this.last;
    if (last < 0 || !this.isFresh(operand)) return false;
    const { words } = this.code;
    if (reg === Reg.I32AddK && words[last] === Reg.I32AddK) {
      words[last + 3] = (words[last + 3]! + constant) | 0;
      // A constant on the left leaves the sum in the slot below.
      words[last + 1] = this.operands.pushSlot(Category.I32);
      return true;
    }
    const fused = CONSTANT.get(reg)?.get(words[last]!);
    if (fused === undefined) return false;
    const a = words[last + 2]!;
    const b = words[last + 3]!;
    this.rewind();
    const d = this.operands.pushSlot(result);
    if (result === Category.I64) this.emit5(fused, d, a, b, constant, high);
    else this.emit4(fused, d, a, b, constant);
    return true;
  }

  protected binaryConstant(op: Op, reg: Reg, operand: number, low: number, high: number, result: Category): void {
    if (result === Category.F64) {
      const constant = this.code.constant(low, high);
      const a = this.read(operand);
      this.emit3(reg, this.operands.pushSlot(result), a, constant);
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
    if (this.fuseConstant(reg, operand, low, high, result)) return;
    const a = this.read(operand);
    const d = this.operands.pushSlot(result);
    if (result === Category.I64 && !isShift) this.emit4(reg, d, a, low, high);
    else this.emit3(reg, d, a, low);
  }

  /** A comparison before it is turned round in its place. */
  protected eqz(): void {
    const { operands } = this;
    const index = operands.pop();
    if (this.isFresh(index)) {
      const { words } = this.code;
      const last = this.last;
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
    const a = this.read(index);
    this.emit3(Reg.I32EqK, operands.pushSlot(Category.I32), a, 0);
  }

  /** The same words under another type: nothing is executed. */
  protected recategorize(category: Category): void {
    const { operands } = this;
    const index = operands.pop();
    const value = operands.value[index]!;
    if (operands.where[index] === Where.Local) operands.pushLocal(value, category);
    else if (operands.where[index] === Where.Constant) operands.pushConstant(category, value, operands.high[index]!);
    else operands.pushSlot(category);
  }

  protected select(): void {
    const { operands } = this;
    const c = operands.pop();
    const b = operands.pop();
    const a = operands.pop();
    const category = operands.category[a]!;
    const condition = this.read(c);
    const left = this.read(a);
    const right = this.read(b);
    const d = operands.pushSlot(category);
    const reg =
      category === Category.I64
        ? Reg.Select64
        : category === Category.F64
          ? Reg.SelectF64
          : category === Category.V128
            ? Vec.Select
            : Reg.Select32;
    this.emit4(reg, d, left, right, condition);
  }

  protected globalGet(index: number): void {
    const module = this.module;
    const category = this.categoryOf(module.globals[index]!.type.type);
    const d = this.operands.pushSlot(category);
    const own = index - module.importedGlobals;
    if (own < 0 || category === Category.V128) {
      this.emit2(Reg.GlobalGet, d, index);
      this.last = -1;
      return;
    }
    const isLong = category === Category.I64 || category === Category.F64;
    this.emit2(isLong ? Reg.Global64Get : Reg.Global32Get, d, own * GLOBAL_WORDS);
  }

  /** For instantiation: what a part of the synthetic function does with the operand on top. */
  protected consume(reg: Reg, immediates: readonly number[]): void {
    const a = this.read(this.operands.pop());
    this.emitMany(reg, [a, ...immediates]);
  }

  protected globalSet(index: number): void {
    const module = this.module;
    const category = categoryOf(module.globals[index]!.type.type);
    const a = this.read(this.operands.pop());
    const own = index - module.importedGlobals;
    const reg = category === Category.I32 ? Reg.Global32Set : Reg.Global64Set;
    if (own < 0 || category === Category.V128) this.emitMany(Reg.GlobalSet, [a, index]);
    else this.emitMany(reg, [a, own * GLOBAL_WORDS]);
  }

  /** Alignment is a hint: it is read and forgotten. */
  protected memArg(): { memory: number; low: number; high: number } {
    const { reader } = this;
    const flags = reader.u32();
    const memory = (flags & 0x40) !== 0 ? reader.u32() : 0;
    const offset = reader.u64();
    return { memory, low: Number(BigInt.asIntN(32, offset)), high: Number(BigInt.asIntN(32, offset >> 32n)) };
  }

  protected isFirstSmallMemory(memory: number): boolean {
    return memory === 0 && this.module.memories[0]!.address === Num.I32;
  }

  protected load(op: Op, result: Category): void {
    const { operands } = this;
    const { memory, low, high } = this.memArg();
    const reg = MEMORY_ACCESS[op]!;
    const isHot = reg !== 0 && this.isFirstSmallMemory(memory);
    const index = operands.pop();
    const at = AT.get(reg);
    if (isHot && at !== undefined && this.hasConstantAddress(index, low)) {
      const address = operands.value[index]! + low;
      this.emit2(at, operands.pushSlot(result), address);
      return;
    }
    if (isHot && this.isFresh(index)) {
      const { words } = this.code;
      const last = this.last;
      const first = words[last]! as Reg;
      const fused = ADDRESS.get(reg)?.get(first);
      if (fused !== undefined) {
        const firstA = words[last + 2]!;
        const firstB = words[last + 3]!;
        const shift = words[last + 4]!;
        this.rewind();
        const d = operands.pushSlot(result);
        if (first === Reg.I32AddShl) this.emit5(fused, d, firstA, firstB, shift, low);
        else this.emit4(fused, d, firstA, firstB, low);
        return;
      }
    }
    const a = this.read(index);
    const d = operands.pushSlot(result);
    if (isHot) this.emit3(reg, d, a, low);
    else this.emitMany(Reg.Load, [d, a, low, high, memory, op]);
  }

  protected store(op: Op): void {
    const { operands } = this;
    const { memory, low, high } = this.memArg();
    const b = operands.pop();
    const a = operands.pop();
    const reg = MEMORY_ACCESS[op]!;
    const isHot = reg !== 0 && this.isFirstSmallMemory(memory);
    if (isHot && this.storeShort(reg, a, b, low)) return;
    const address = this.read(a);
    const value = this.read(b);
    if (isHot) this.emitMany(reg, [address, value, low]);
    else this.emitMany(Reg.Store, [address, value, low, high, memory, op]);
  }

  /** Stores of a constant, at a constant address, or at one that the last operation computes. */
  protected storeShort(reg: Reg, a: number, b: number, offset: number): boolean {
    const { operands } = this;
    if (this.isExact) return false;
    const constant = STORE_CONSTANT.get(reg);
    if (constant !== undefined && this.isConstant(b)) {
      this.emitMany(constant, [this.read(a), operands.value[b]!, offset]);
      return true;
    }
    const at = AT.get(reg);
    if (at !== undefined && this.hasConstantAddress(a, offset)) {
      const address = operands.value[a]! + offset;
      this.emitMany(at, [address, this.read(b)]);
      return true;
    }
    const { words } = this.code;
    const last = this.last;
    if (!this.isFresh(a) || this.isConstant(b)) return false;
    const fused = ADDRESS.get(reg)?.get(words[last]!);
    if (fused === undefined) return false;
    const base = words[last + 2]!;
    const added = words[last + 3]!;
    this.rewind();
    this.emitMany(fused, [base, this.read(b), added, offset]);
    return true;
  }

  /** The address is known, and no more than an int32: with its offset it cannot leave 32 bits. */
  protected hasConstantAddress(index: number, offset: number): boolean {
    if (this.isExact || !this.isConstant(index)) return false;
    const address = this.operands.value[index]!;
    return address >= 0 && offset >= 0 && address + offset <= 0x7fff_ffff;
  }

  /** Bulk operations count down in their operands' slots while they go on, so these are settled. */
  protected inPlace(
    operandCount: number,
    reg: Reg,
    immediates: readonly number[],
    price: number = this.source.prices[REG_PRICES.get(reg)!]!,
  ): void {
    const first = this.beginInside(operandCount);
    this.emitMany(reg, [first, ...immediates, this.fuel - price]);
  }

  /**
   * The next operation may pause inside: its operands are settled and popped. Returns the word offset of the first,
   * which is that of the next operand if there are none.
   */
  protected beginInside(operandCount: number): number {
    const { operands } = this;
    this.settleAll();
    this.roots(RootKind.Inside);
    operands.drop(operandCount);
    this.sink?.safePoint(this.code.length - this.codeStart, this.byteOffset, this.fuel);
    return operands.nextSlot;
  }

  protected addressCategory(memory: number): Category {
    return this.module.memories[memory]!.address === Num.I64 ? Category.I64 : Category.I32;
  }

  protected tableCategory(table: number): Category {
    return this.module.tables[table]!.type.address === Num.I64 ? Category.I64 : Category.I32;
  }

  protected word(): number {
    const { reader } = this;
    const { bytes, position } = reader;
    reader.position = position + 4;
    return bytes[position]! | (bytes[position + 1]! << 8) | (bytes[position + 2]! << 16) | (bytes[position + 3]! << 24);
  }
}
