/**
 * Lowering of exceptions. A `try_table` executes nothing but a jump over the targets of its clauses: which handler an
 * exception meets is looked up by the position where it was thrown (engine: "handler tables").
 */

import { readCatch } from "../binary/instructions.ts";
import { exceptionWords } from "../layouts.ts";
import { funcTypeAt } from "../module.ts";
import { Op } from "../opcodes.ts";
import { AggregateLowering, WORDS_PER_FUEL } from "./aggregates.ts";
import { Reg, type Catch } from "./code.ts";
import { BlockKind, NO_CHECK } from "./control.ts";

export abstract class ExceptionLowering extends AggregateLowering {
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
    this.emitMany(Reg.ThrowRef, [this.read(this.operands.pop()), this.fuel]);
    this.die();
  }

  protected tryTable(): void {
    const { params, results } = this.blockType();
    this.settleAll();
    const skip = this.emit(6);
    this.code.words[skip] = Reg.Br;
    const catches: Catch[] = [];
    // Labels of the clauses count from outside the block.
    for (let count = this.reader.count(); count > 0; count--) catches.push(this.#catchClause());
    const { words, length } = this.code;
    words[skip + 3] = length;
    words[skip + 4] = 0;
    words[skip + 5] = NO_CHECK;
    this.last = -1;
    const block = this.newBlock(BlockKind.Block, params, results);
    block.handler = { start: length, end: length, position: this.fuel, catches };
    this.pushBlock(block);
  }

  /** The words of a clause's target, as a branch has them; a clause that leaves the function has none. */
  #catchClause(): Catch {
    const { kind, tagIndex, label } = readCatch(this.reader);
    const block = this.blockAt(label);
    const hasReference = kind === "catch_ref" || kind === "catch_all_ref";
    if (block.kind === BlockKind.Body) return { tagIndex, hasReference, slot: 0, target: 0 };
    const target = this.emit(3);
    this.writeTarget(block, target);
    block.isLanding = true;
    return { tagIndex, hasReference, slot: block.slot, target };
  }
}
