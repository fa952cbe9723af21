/** Lowering of atomic instructions: one operation for all accesses, and one for waiting, which is a place to pause. */

import { INSTRUCTION_BY_NUMBER, Op } from "../opcodes.ts";
import { Reg } from "./code.ts";
import { categoryOf } from "./source.ts";
import { Category } from "./tables.ts";
import { ValueLowering } from "./values.ts";

/** Whether {@link AtomicLowering.atomic} lowers the instruction. */
export function isAtomicOp(op: Op): boolean {
  return op >= Op.MemoryAtomicNotify && op <= Op.I64AtomicRmw32CmpxchgU;
}

export abstract class AtomicLowering extends ValueLowering {
  protected atomic(op: Op): void {
    if (op === Op.AtomicFence) {
      // Nothing is ever reordered.
      this.reader.u8();
      return;
    }
    const { operands } = this;
    const { memory, low, high } = this.memArg();
    if (op === Op.MemoryAtomicWait32 || op === Op.MemoryAtomicWait64) {
      this.inPlace(3, Reg.AtomicWait, [low, high, memory, op], this.source.prices[op]!);
      operands.pushSlot(Category.I32);
      return;
    }
    const { params, results } = INSTRUCTION_BY_NUMBER[op]!.type!;
    const [a = 0, b = 0, c = 0] = this.operandWords(params.length);
    const d = results.length === 0 ? 0 : operands.pushSlot(categoryOf(results[0]!));
    this.emitMany(Reg.Atomic, [d, a, b, c, low, high, memory, op]);
  }
}
