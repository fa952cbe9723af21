/** Lowering of references: null checks, i31, tests and casts, and the branches on them. */

import { readCastFlags } from "../binary/instructions.ts";
import { readHeapType } from "../binary/read-types.ts";
import { InternalError } from "../errors.ts";
import { Op } from "../opcodes.ts";
import { refType, type ValType } from "../types.ts";
import { NullTrap, Reg } from "./code.ts";
import { NO_CHECK } from "./control.ts";
import { valuesPrice } from "./source.ts";
import { Category } from "./tables.ts";
import { VectorLowering } from "./vectors.ts";

/** Whether {@link ReferenceLowering.reference} lowers the instruction. */
export function isReferenceOp(op: Op): boolean {
  return (op >= Op.RefEq && op <= Op.BrOnNonNull) || (op >= Op.RefTest && op <= Op.I31GetU);
}

export abstract class ReferenceLowering extends VectorLowering {
  protected reference(op: Op): void {
    const { operands } = this;
    switch (op) {
      case Op.RefEq: {
        const b = this.read(operands.pop());
        const a = this.read(operands.pop());
        this.emit3(Reg.I32Eq, operands.pushSlot(Category.I32), a, b);
        return;
      }
      case Op.RefAsNonNull:
        this.#trapIfNull(operands.height - 1, NullTrap.Any);
        return;
      case Op.BrOnNull: {
        const block = this.blockAt(this.reader.u32());
        const types = this.labelTypes(block);
        this.fuel += valuesPrice(types.length);
        this.setCondition(Reg.BrI32EqK, this.read(operands.pop()), 0);
        this.branchOnCondition(block, types);
        operands.restore();
        return;
      }
      case Op.BrOnNonNull:
        this.#branchWith(this.reader.u32(), Reg.BrI32NeK, 0);
        operands.pop();
        return;
      case Op.RefTest:
      case Op.RefTestNull: {
        const type = this.#target(op === Op.RefTestNull);
        const a = this.read(operands.pop());
        this.emit3(Reg.RefTest, operands.pushSlot(Category.I32), a, type);
        this.last = -1;
        return;
      }
      case Op.RefCast:
      case Op.RefCastNull: {
        const type = this.#target(op === Op.RefCastNull);
        this.emitMany(Reg.RefCast, [this.read(operands.height - 1), type]);
        return;
      }
      case Op.BrOnCast:
      case Op.BrOnCastFail: {
        const flags = readCastFlags(this.reader);
        const label = this.reader.u32();
        readHeapType(this.reader);
        const type = this.#target((flags & 2) !== 0);
        this.#branchWith(label, op === Op.BrOnCast ? Reg.BrOnCast : Reg.BrOnCastFail, type);
        return;
      }
      case Op.AnyConvertExtern:
      case Op.ExternConvertAny:
        // Handles are the same in both hierarchies.
        return;
      case Op.RefI31:
        this.#refI31();
        return;
      case Op.I31GetS:
      case Op.I31GetU: {
        this.#trapIfNull(operands.height - 1, NullTrap.I31);
        const a = this.read(operands.pop());
        const d = operands.pushSlot(Category.I32);
        this.emit3(op === Op.I31GetS ? Reg.I32ShrSK : Reg.I32ShrUK, d, a, 1);
        return;
      }
      default:
        throw new InternalError(`no lowering for instruction 0x${op.toString(16)}`);
    }
  }

  /** Reads the heap type that is tested for: as a reference type, canonical. */
  #target(nullable: boolean): ValType {
    const heap = readHeapType(this.reader);
    return refType(heap < 0 ? heap : this.source.typeIds[heap]!, nullable);
  }

  /** Branches with the reference on top as the last of the label's values; it stays on the stack. */
  #branchWith(label: number, reg: Reg, operand: number): void {
    const block = this.blockAt(label);
    const types = this.labelTypes(block);
    this.fuel += valuesPrice(types.length);
    this.setCondition(reg, this.read(this.operands.height - 1), operand);
    this.branchOnCondition(block, types);
  }

  /** A handle is the value and a low bit that is set. */
  #refI31(): void {
    const { operands } = this;
    const index = operands.pop();
    if (this.isConstant(index)) {
      this.constant(Category.Ref, (operands.value[index]! << 1) | 1, 0);
      return;
    }
    const a = this.read(index);
    const d = operands.pushSlot(Category.Ref);
    this.emit3(Reg.I32ShlK, d, a, 1);
    this.emit3(Reg.I32OrK, d, d, 1);
  }

  /** The operand stays where it is. */
  #trapIfNull(index: number, message: NullTrap): void {
    const at = this.emitBranch(Reg.BrI32NeK, this.read(index), 0);
    this.emit1(Reg.TrapNull, message);
    const { words } = this.code;
    words[at + 3] = this.code.length;
    words[at + 4] = 0;
    words[at + 5] = NO_CHECK;
  }
}
