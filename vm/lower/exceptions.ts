/**
 * Lowering of exceptions. A `try_table` executes nothing but a jump over the targets of its clauses: which handler an
 * exception meets is looked up by the position where it was thrown. A legacy `try` does the same without the jump.
 */

import { readCatch } from "../binary/instructions.ts";
import { exceptionWords } from "../layouts.ts";
import { funcTypeAt } from "../module.ts";
import { Op } from "../opcodes.ts";
import { AggregateLowering, WORDS_PER_FUEL } from "./aggregates.ts";
import type { ValType } from "../types.ts";
import { Reg, type Catch } from "./code.ts";
import { BlockKind, NO_CHECK, type Block } from "./control.ts";
import { slotsOf } from "./source.ts";
import { Category } from "./tables.ts";

export abstract class ExceptionLowering extends AggregateLowering {
  readonly #tagSlots = new Map<number, number>();

  /** The values of the exception are its arguments, and those what an exception object has for fields. */
  protected throwTag(): void {
    const position = this.fuel - this.source.prices[Op.Throw]!;
    const tagIndex = this.reader.u32();
    const { params } = funcTypeAt(this.module, this.module.tags[tagIndex]!);
    this.fuel += Math.ceil(exceptionWords(params) / WORDS_PER_FUEL);
    this.emitMany(Reg.Throw, [this.beginInside(params.length), tagIndex, position, this.fuel]);
    this.die();
  }

  protected throwRef(): void {
    const position = this.fuel - this.source.prices[Op.ThrowRef]!;
    this.emitMany(Reg.ThrowRef, [this.beginInside(1), position, this.fuel]);
    this.die();
  }

  protected tryTable(): void {
    this.unfinished = this.#tryTable();
  }

  *#tryTable(): Generator<undefined> {
    const { params, results } = this.blockType();
    this.settleAll();
    const skip = this.emit(6);
    this.code.words[skip] = Reg.Br;
    const catches: Catch[] = [];
    // Labels of the clauses count from outside the block.
    const count = this.reader.count();
    for (let i = 0; i < count; i++) {
      if (this.extraWork++ >= this.budget) yield;
      catches.push(this.#catchClause());
    }
    const { words, length } = this.code;
    words[skip + 3] = length;
    words[skip + 4] = 0;
    words[skip + 5] = NO_CHECK;
    this.#beginTry(this.newBlock(BlockKind.Block, params, results), catches);
  }

  #beginTry(block: Block, catches: Catch[]): void {
    this.last = -1;
    const { length } = this.code;
    const depth = this.blockDepth;
    const delegate = Number.POSITIVE_INFINITY;
    block.handler = { parent: this.tries.innermost, position: this.fuel, catches, depth, delegate };
    this.tries.begin(block.handler, length);
    this.pushBlock(block);
  }

  /** The words of a clause's target, as a branch has them; a clause that leaves the function has none. */
  #catchClause(): Catch {
    const { kind, tagIndex, label } = readCatch(this.reader);
    const block = this.blockAt(label);
    const slot = block.kind === BlockKind.Body ? 0 : block.slot;
    const hasReference = kind === "catch_ref" || kind === "catch_all_ref";
    const referenceAt = hasReference ? slot + 2 * this.#slotsOfTag(tagIndex) : -1;
    if (block.kind === BlockKind.Body) return { tagIndex, slot, referenceAt, target: 0 };
    const target = this.emit(3);
    this.writeTarget(block, target);
    block.isLanding = true;
    return { tagIndex, slot, referenceAt, target };
  }

  /** Many clauses may name one tag. */
  #slotsOfTag(tagIndex: number | null): number {
    if (tagIndex === null) return 0;
    let slots = this.#tagSlots.get(tagIndex);
    if (slots === undefined) this.#tagSlots.set(tagIndex, (slots = slotsOf(this.#tagParams(tagIndex))));
    return slots;
  }

  #tagParams(tagIndex: number | null): readonly ValType[] {
    return tagIndex === null ? [] : funcTypeAt(this.module, this.module.tags[tagIndex]!).params;
  }

  // The deprecated instructions.

  protected legacyTry(): void {
    const { params, results } = this.blockType();
    this.settleAll();
    this.#beginTry(this.newBlock(BlockKind.Try, params, results), []);
  }

  /**
   * A clause begins with what it has caught below the arguments of the exception. The words of its target stand before
   * it, as those of `try_table` do.
   */
  protected legacyCatch(tagIndex: number | null): void {
    const { operands } = this;
    const block = this.blockAt(0);
    if (block.kind === BlockKind.Try) this.endHandler(block);
    if (!this.isDead) this.branch(block);
    operands.drop(operands.height - block.height);
    const target = this.emit(3);
    const { words, length } = this.code;
    words[target] = length;
    words[target + 1] = this.fuel - block.handler!.position;
    words[target + 2] = NO_CHECK;
    block.kind = BlockKind.Catch;
    block.caughtAt = operands.pushSlot(Category.Ref);
    block.handler!.catches.push({ tagIndex, slot: operands.nextSlot, referenceAt: block.caughtAt, target });
    this.pushTypes(this.#tagParams(tagIndex));
    operands.settledBelow = operands.height;
    this.isDead = false;
    this.last = -1;
    this.lastCheck = this.fuel;
    this.safePoint();
  }

  /** The end of a `try` whose exceptions the handler of a label meets, or those around it. */
  protected legacyDelegate(): void {
    const label = this.reader.u32();
    // The label counts from outside the block.
    this.blockAt(0).handler!.delegate = this.blockDepth - 2 - label;
    this.endBlock();
  }

  protected legacyRethrow(): void {
    const { caughtAt } = this.blockAt(this.reader.u32());
    const position = this.fuel - this.source.prices[Op.Rethrow]!;
    this.beginInside(0);
    this.emitMany(Reg.ThrowRef, [caughtAt, position, this.fuel]);
    this.die();
  }
}
