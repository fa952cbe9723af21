/**
 * Lowering of vector instructions. The general case follows the instruction table: operands are
 * read where they are, and the operation is the instruction's own number.
 */

import { INSTRUCTION_BY_NUMBER, Op } from "../opcodes.ts";
import { AtomicLowering } from "./atomics.ts";
import { Reg } from "./code.ts";
import { Where } from "./operands.ts";
import { categoryOf } from "./source.ts";
import { Category } from "./tables.ts";
import { EXCHANGED_VECTOR, REPEATED_CONSTANT, SAME_AS, SHIFT_CONSTANT, Vec, VECTOR_PAIRS } from "./vector-code.ts";

const DOUBLE = new Float64Array(1);
const DOUBLE_BITS = new Int32Array(DOUBLE.buffer);
const FLOAT = new Float32Array(1);
const FLOAT_BITS = new Int32Array(FLOAT.buffer);

export abstract class VectorLowering extends AtomicLowering {
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
    if (!this.isExact && type!.params.length === 2 && (this.#withConstant(op) || this.#fused(op))) return;
    const words = this.operandWords(type!.params.length);
    if (immediates.length === 1) words.push(this.reader.u8());
    const exchanged = EXCHANGED_VECTOR.get(op);
    if (exchanged !== undefined) words.reverse();
    this.#emitResult(exchanged ?? SAME_AS.get(op) ?? op, categoryOf(type!.results[0]!), words);
  }

  /** With a constant of equal words on the right, or on the left if the operands commute: it becomes part of the operation. */
  #withConstant(op: Op): boolean {
    const form = REPEATED_CONSTANT.get(op);
    if (form === undefined) return false;
    const { operands } = this;
    const right = operands.height - 1;
    let constant = right;
    if (!this.#isRepeated(constant) && form.commutes) constant = right - 1;
    if (!this.#isRepeated(constant)) return false;
    const word = operands.value[constant]!;
    operands.drop(2);
    const a = this.read(constant === right ? right - 1 : right);
    this.#emitResult(form.op, Category.V128, [a, form.op >= Vec.F32x4AddK ? this.#float(word) : word]);
    return true;
  }

  #isRepeated(index: number): boolean {
    if (!this.isConstant(index) || this.operands.category[index] !== Category.V128) return false;
    const words = this.operands.vector(index);
    return words.every((word) => word === words[0]);
  }

  /** An f32 given by its bits in the constant pool. A NaN may be any: arithmetic makes it canonical. */
  #float(bits: number): number {
    FLOAT_BITS[0] = bits;
    DOUBLE[0] = FLOAT[0]!;
    return this.code.constant(DOUBLE_BITS[0]!, DOUBLE_BITS[1]!);
  }

  /** Makes one operation of this instruction and the last operations, if they compute its operands. */
  #fused(op: Op): boolean {
    const { operands } = this;
    const { words } = this.code;
    const b = operands.height - 1;
    const a = b - 1;
    const isRight = this.isFresh(b);
    if (!isRight && !this.isFresh(a)) return false;
    if (op === Op.V128Or && isRight) return this.#rotation(a);
    const pair = VECTOR_PAIRS.get(op)?.get(words[this.last]!);
    const fused = isRight ? pair?.right : pair?.left;
    if (fused === undefined || this.isConstant(isRight ? a : b)) return false;
    const first = words[this.last + 2]!;
    const second = words[this.last + 3]!;
    operands.drop(2);
    this.rewind();
    const other = this.read(isRight ? a : b);
    this.#emitResult(fused, Category.V128, [other, first, second]);
    return true;
  }

  /** Of a vector shifted left and the same one shifted right, by bits that are 32 together. */
  #rotation(a: number): boolean {
    const { operands, last, previous } = this;
    const { words } = this.code;
    if (previous < 0 || operands.where[a] !== Where.Slot || words[previous + 1] !== operands.slot[a]) return false;
    const [left, right] = words[last] === Vec.I32x4ShlK ? [last, previous] : [previous, last];
    if (words[left] !== Vec.I32x4ShlK || words[right] !== Vec.I32x4ShrUK || words[left + 2] !== words[right + 2])
      return false;
    const count = words[left + 3]! & 31;
    if (((count + words[right + 3]!) & 31) !== 0 || count === 0) return false;
    // The first shift has not changed what the second one reads.
    if (words[previous + 1] === words[previous + 2]) return false;
    const source = words[left + 2]!;
    operands.drop(2);
    this.rewind();
    this.rewind();
    this.#emitResult(Vec.I32x4RotlK, Category.V128, [source, count]);
    return true;
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
    const [a, b] = this.operandWords(2) as [number, number];
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
    const [a, b] = this.operandWords(isLoad && !hasLane ? 1 : 2) as [number, number];
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
