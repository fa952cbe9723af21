/**
 * Blocks and branches of bodies (spec: valid-instr-control): their types, what holds at their ends, the deprecated `try`, and
 * tables of labels. Instructions that are no part of a block are the business of function.ts.
 */

import { readLabelCount } from "../binary/instructions.ts";
import { EMPTY_BLOCK, readBlockType } from "../binary/read-types.ts";
import { limitExceeded } from "../errors.ts";
import { CODE_BYTES } from "../footprint.ts";
import { MAX_CATCHES } from "../limits.ts";
import { Op } from "../opcodes.ts";
import { EXNREF, Heap, Num, refType, type ValType } from "../types.ts";
import { Locals } from "./locals.ts";
import { Lookups } from "./lookups.ts";
import { NO_TYPES, type ValTypes } from "./operands.ts";

const NONNULL_EXNREF: ValType = refType(Heap.Exn, false);

export class Blocks extends Lookups {
  protected readonly locals = new Locals();
  readonly #singles = new Map<ValType, ValTypes>();
  /** br_table looks at each block once: the stamp of the instruction that did. */
  #seenBlocks = new Int32Array(16);
  #tableStamp = 0;
  /** Clauses of the legacy `try` of each depth. */
  readonly #legacyCatches: number[] = [];
  /** The rest of an instruction that has too many labels or clauses for one step. */
  #unfinished: Generator<undefined> | null = null;

  override resetStacks(): void {
    super.resetStacks();
    this.#unfinished = null;
  }

  /** Goes on with an instruction that was begun; false when the step is over. */
  protected finishInstruction(): boolean {
    if (this.#unfinished?.next().done === false) return false;
    this.#unfinished = null;
    return true;
  }

  #begin(parts: Generator<undefined>): void {
    this.#unfinished = parts;
    this.finishInstruction();
  }

  protected single(type: ValType): ValTypes {
    let types = this.#singles.get(type);
    if (types === undefined) this.#singles.set(type, (types = [type]));
    return types;
  }

  /** The condition of an `if` lies above the block's parameters. */
  protected enterBlock(op: Op): void {
    const type = readBlockType(this.reader);
    if (type < EMPTY_BLOCK) {
      const { params, results } = this.funcTypeAt(-2 - type);
      if (op === Op.If) this.pop(Num.I32);
      this.popAll(params);
      this.pushBlock(op, params, results, this.locals.setCount);
      return;
    }
    const results = type === EMPTY_BLOCK ? NO_TYPES : this.single(this.context.canonical(type, this.place));
    if (op === Op.If) this.pop(Num.I32);
    this.pushBlock(op, NO_TYPES, results, this.locals.setCount);
  }

  protected elseBranch(): void {
    const block = this.depth - 1;
    if (this.blockOps[block] !== Op.If) throw this.reader.malformed("END opcode expected", this.position);
    const inits = this.blockInits[block]!;
    const params = this.blockParams[block]!;
    const results = this.blockResults[block]!;
    this.popBlock();
    this.locals.forget(inits);
    this.pushBlock(Op.Else, params, results, inits);
  }

  protected endBlock(): void {
    const block = this.depth - 1;
    const results = this.blockResults[block]!;
    if (this.blockOps[block] === Op.If) this.#requireEmptyElse(this.blockParams[block]!, results);
    this.#leaveBlock(block);
    this.pushAll(results);
  }

  /** Below what a legacy `catch` block holds lies the exception that it has caught, which `rethrow` throws. */
  #leaveBlock(block: number): void {
    this.popBlock();
    if (this.blockOps[block] === Op.Catch || this.blockOps[block] === Op.CatchAll) this.pop(EXNREF);
    this.locals.forget(this.blockInits[block]!);
  }

  /** The deprecated `try` and what belongs to it (legacy-exceptions proposal). */
  protected legacy(op: Op): void {
    const { reader } = this;
    if (op === Op.Try) {
      this.countCode(CODE_BYTES.handler);
      this.enterBlock(op);
      this.#legacyCatches[this.depth - 1] = 0;
      return;
    }
    if (op === Op.Rethrow) {
      const label = reader.u32();
      this.labelTypes(label);
      const block = this.blockOps[this.depth - 1 - label];
      if (block !== Op.Catch && block !== Op.CatchAll) throw this.invalid("invalid rethrow label", String(label));
      this.setUnreachable();
      return;
    }
    const block = this.depth - 1;
    const isTry = this.blockOps[block] === Op.Try;
    if (!isTry && (this.blockOps[block] !== Op.Catch || op === Op.Delegate)) {
      throw reader.malformed("END opcode expected", this.position);
    }
    const inits = this.blockInits[block]!;
    const results = this.blockResults[block]!;
    this.#leaveBlock(block);
    if (op === Op.Delegate) {
      // Labels count from outside the block.
      this.labelTypes(reader.u32());
      this.pushAll(results);
      return;
    }
    const count = this.#legacyCatches[block]! + 1;
    if (count > MAX_CATCHES) throw limitExceeded(`${count} catch clauses, at most ${MAX_CATCHES}`, this.place);
    this.#legacyCatches[block] = count;
    this.countCode(CODE_BYTES.clause);
    const params = op === Op.Catch ? this.tagParams(reader.u32()) : NO_TYPES;
    this.push(NONNULL_EXNREF);
    this.pushBlock(op, params, results, inits);
  }

  /** An `if` without `else` passes its parameters on. */
  #requireEmptyElse(params: ValTypes, results: ValTypes): void {
    if (params === results) return;
    const { registry } = this.context;
    if (params.length !== results.length || !params.every((param, i) => registry.matchesVal(param, results[i]!))) {
      throw this.mismatch(this.text(...results), this.text(...params));
    }
  }

  protected tryTable(): void {
    this.#begin(this.#tryTable());
  }

  *#tryTable(): Generator<undefined> {
    const { reader } = this;
    const type = readBlockType(reader);
    const single = type >= 0 ? this.single(this.context.canonical(type, this.place)) : NO_TYPES;
    const { params, results } = type < EMPTY_BLOCK ? this.funcTypeAt(-2 - type) : { params: NO_TYPES, results: single };
    const count = reader.count();
    if (count > MAX_CATCHES) throw limitExceeded(`${count} catch clauses, at most ${MAX_CATCHES}`, this.place);
    this.countCode(CODE_BYTES.handler + count * CODE_BYTES.clause);
    // Labels of the clauses count from outside the block.
    for (let i = 0; i < count; i++) {
      if (reader.position >= this.pausePosition) yield;
      this.#catchClause();
    }
    this.popAll(params);
    this.pushBlock(Op.TryTable, params, results, this.locals.setCount);
  }

  /** A clause passes the exception's values, and with `_ref` the exception itself, to its label. */
  #catchClause(): void {
    const { reader } = this;
    const kind = reader.u8();
    if (kind > 3) throw reader.malformed("malformed catch kind", reader.position - 1);
    const params = kind < 2 ? this.tagParams(reader.u32()) : NO_TYPES;
    const types = this.labelTypes(reader.u32());
    const hasRef = (kind & 1) !== 0;
    this.pausePosition -= types.length;
    if (types.length !== params.length + (hasRef ? 1 : 0)) throw this.mismatch(this.text(...types), "");
    for (let i = 0; i < params.length; i++) this.require(params[i]!, types[i]!);
    if (hasRef) this.require(NONNULL_EXNREF, types[params.length]!);
  }

  /** Every label must take what the stack has; blocks that were looked at are not looked at again. */
  protected branchTable(): void {
    this.#begin(this.#branchTable());
  }

  *#branchTable(): Generator<undefined> {
    const { reader } = this;
    const stamp = ++this.#tableStamp;
    if (this.#seenBlocks.length < this.depth) this.#seenBlocks = new Int32Array(this.blockOps.length);
    const count = readLabelCount(reader);
    this.pop(Num.I32);
    this.countCode(count * CODE_BYTES.target);
    let arity = -1;
    for (let i = 0; i < count; i++) {
      if (reader.position >= this.pausePosition) yield;
      const label = reader.u32();
      if (label < this.depth && this.#seenBlocks[label] === stamp) continue;
      const types = this.labelTypes(label);
      this.#seenBlocks[label] = stamp;
      if (arity === -1) arity = types.length;
      if (types.length !== arity) throw this.invalid("type mismatch", "labels of br_table differ in length");
      this.#requireOnStack(types);
    }
    this.setUnreachable();
  }

  /** Compares the operands with `types` and leaves them as they are. */
  #requireOnStack(types: ValTypes): void {
    this.pausePosition -= types.length;
    const { registry } = this.context;
    let height = this.height;
    for (let i = types.length - 1; i >= 0; i--) {
      const expected = types[i]!;
      if (height === this.base) {
        if (this.isUnreachable) return;
        throw this.mismatch(this.text(expected), "");
      }
      const actual = this.types[--height]!;
      if (actual !== expected && !registry.matchesVal(actual, expected)) {
        throw this.mismatch(this.text(expected), this.text(actual));
      }
    }
  }
}
