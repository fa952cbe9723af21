/**
 * Lowering of vector instructions. The general case follows the instruction table: operands are
 * read where they are, and the operation is the instruction's own number.
 */

import { INSTRUCTION_BY_NUMBER, Op } from "../opcodes.ts";
import { Reg } from "./code.ts";
import { categoryOf } from "./source.ts";
import { Category } from "./tables.ts";
import { ValueLowering } from "./values.ts";
import { EXCHANGED_VECTOR, SAME_AS, SHIFT_CONSTANT, Vec } from "./vector-code.ts";

export abstract class VectorLowering extends ValueLowering {
  protected vector(op: Op): void {
    const { immediates, type } = INSTRUCTION_BY_NUMBER[op]!;
    if (immediates[0] === "memarg") {
      this.#access(op, type!.results.length === 1, immediates.length === 2);
      return;
    }
    switch (op) {
      case Op.I8x16Shuffle:
        this.#shuffle();
        return;
      case Op.I32x4ExtractLane:
      case Op.F32x4ExtractLane:
        this.#extractWord(Category.I32, 1);
        return;
      case Op.I64x2ExtractLane:
        this.#extractWord(Category.I64, 2);
        return;
      case Op.F64x2ExtractLane:
        this.#extractWord(Category.F64, 2);
        return;
      default:
    }
    const shift = SHIFT_CONSTANT.get(op);
    if (shift !== undefined && !this.isExact && this.isConstant(this.operands.height - 1)) {
      const count = this.operands.value[this.operands.pop()]!;
      const a = this.read(this.operands.pop());
      this.#emitResult(shift, Category.V128, [a, count]);
      return;
    }
    const words = this.#operandWords(type!.params.length);
    if (immediates.length === 1) words.push(this.reader.u8());
    const exchanged = EXCHANGED_VECTOR.get(op);
    if (exchanged !== undefined) words.reverse();
    this.#emitResult(exchanged ?? SAME_AS.get(op) ?? op, categoryOf(type!.results[0]!), words);
  }

  /** Where the topmost operands are, the deepest first; they are popped. */
  #operandWords(count: number): number[] {
    const { operands } = this;
    operands.drop(count);
    const words: number[] = [];
    for (let i = 0; i < count; i++) words.push(this.read(operands.height + i));
    return words;
  }

  /** An operation that writes its first operand, a new one on the stack: the next instruction may change it. */
  #emitResult(op: Op | Vec, result: Category, rest: readonly number[]): void {
    const d = this.operands.pushSlot(result);
    const at = this.emit(2 + rest.length);
    const { words } = this.code;
    words[at] = op;
    words[at + 1] = d;
    words.set(rest, at + 2);
    this.remember(at);
  }

  /** A lane of one or two words is a value as it stands. */
  #extractWord(category: Category, words: number): void {
    const lane = this.reader.u8();
    const a = this.read(this.operands.pop());
    this.move(category, this.operands.pushSlot(category), a + lane * words);
  }

  /** Lanes that stay together in half words or words are moved together. */
  #shuffle(): void {
    const { reader } = this;
    const [a, b] = this.#operandWords(2) as [number, number];
    const from: number[] = [];
    for (let i = 0; i < 16; i++) {
      const lane = reader.u8();
      from.push(lane < 16 ? a * 4 + lane : b * 4 + lane - 16);
    }
    for (const [op, size] of [
      [Vec.Shuffle32, 4],
      [Vec.Shuffle16, 2],
    ] as const) {
      const isTogether = from.every(
        (byte, i) => byte % size === i % size && byte === from[i - (i % size)]! + (i % size),
      );
      if (!isTogether) continue;
      const parts = from.filter((_, i) => i % size === 0).map((byte) => byte / size);
      this.#emitResult(op, Category.V128, parts);
      return;
    }
    this.#emitResult(Vec.Shuffle8, Category.V128, from);
  }

  /**
   * Near: `op d a offset` (load), `op d a b offset lane` (load into a lane), `op a b offset lane` (store);
   * elsewhere than in the first memory with 32-bit addresses `Reg.VectorAccess op d a b lane offset(2) memory`.
   */
  #access(op: Op, isLoad: boolean, hasLane: boolean): void {
    const { operands } = this;
    const { memory, low, high } = this.memArg();
    const lane = hasLane ? this.reader.u8() : 0;
    const [a, b] = this.#operandWords(isLoad && !hasLane ? 1 : 2) as [number, number];
    if (!this.isFirstSmallMemory(memory)) {
      const d = isLoad ? operands.pushSlot(Category.V128) : 0;
      this.emitMany(Reg.VectorAccess, [op, d, a, b ?? 0, lane, low, high, memory]);
      return;
    }
    if (!isLoad) {
      const at = this.emit(5);
      this.code.words.set([op, a, b, low, lane], at);
    } else if (hasLane) this.#emitResult(op, Category.V128, [a, b, low, lane]);
    else this.#emitResult(op, Category.V128, [a, low]);
  }
}
