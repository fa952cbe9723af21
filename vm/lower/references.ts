/** Lowering of references: null checks and branches on them. */

import { InternalError } from "../errors.ts";
import { Op } from "../opcodes.ts";
import { Reg } from "./code.ts";
import { NO_CHECK } from "./control.ts";
import { valuesPrice } from "./source.ts";
import { VectorLowering } from "./vectors.ts";

/** Whether {@link ReferenceLowering.reference} lowers the instruction. */
export function isReferenceOp(op: Op): boolean {
  return op >= Op.RefAsNonNull && op <= Op.BrOnNonNull;
}

export abstract class ReferenceLowering extends VectorLowering {
  protected reference(op: Op): void {
    const { operands } = this;
    switch (op) {
      case Op.RefAsNonNull:
        this.#trapIfNull(operands.height - 1);
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
      case Op.BrOnNonNull: {
        const block = this.blockAt(this.reader.u32());
        const types = this.labelTypes(block);
        this.fuel += valuesPrice(types.length);
        this.setCondition(Reg.BrI32NeK, this.read(operands.height - 1), 0);
        this.branchOnCondition(block, types);
        operands.pop();
        return;
      }
      default:
        throw new InternalError(`no lowering for instruction 0x${op.toString(16)}`);
    }
  }

  /** The operand stays where it is. */
  #trapIfNull(index: number): void {
    const at = this.emitBranch(Reg.BrI32NeK, this.read(index), 0);
    const trap = this.emit(1);
    const { words } = this.code;
    words[trap] = Reg.TrapNull;
    words[at + 3] = this.code.length;
    words[at + 4] = 0;
    words[at + 5] = NO_CHECK;
  }
}
