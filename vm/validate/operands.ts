/**
 * The operand stack and the control stack of the validation algorithm (spec: algo-valid). Types
 * are canonical, so that nearly every comparison is one of integers. Both stacks live in typed
 * arrays that are kept from body to body.
 *
 * Besides types the height is counted in slots of 8 bytes (a v128 takes two): its maximum is the
 * operand area of the function's frame.
 */

import { Reader } from "../binary/reader.ts";
import { nestingExceeded } from "../binary/skip-expr.ts";
import {
  invalid,
  invalidIndex,
  limitExceeded,
  type CompileError,
  type IndexSpace,
  type InvalidMessage,
} from "../errors.ts";
import { DEPTH_BYTES } from "../footprint.ts";
import { MAX_NESTING, MAX_OPERAND_SLOTS } from "../limits.ts";
import { Op } from "../opcodes.ts";
import { heapOf, Heap, isRefType, Num, refType, type ValType } from "../types.ts";
import type { ModuleContext } from "./context.ts";

export type ValTypes = readonly ValType[];

export const NO_TYPES: ValTypes = [];
/** Operands that an error message names at most. */
const NAMED_OPERANDS = 16;
const NO_BYTES = new Uint8Array(0);

/** What a reference popped from unreachable code is: below every reference type. */
export const BOTTOM_REF: ValType = refType(Heap.Bottom, false);

export class Operands {
  readonly context: ModuleContext;
  /** Reads the present body; errors take their place from it. */
  reader = new Reader(NO_BYTES);
  /** Of the present instruction's opcode. */
  position = 0;
  /**
   * The pass gives way when the reader has come this far. Instructions that handle many values
   * move it back, so that a step's work is bounded by its budget.
   */
  pausePosition = 0;

  types = new Int32Array(64);
  height = 0;
  slots = 0;
  maxSlots = 0;
  /** The innermost block: the height below which it may not pop, and whether its code is unreachable. */
  base = 0;
  isUnreachable = false;

  /** Blocks around the present instruction, the function's own included. */
  depth = 0;
  blockOps = new Uint8Array(16);
  blockHeights = new Int32Array(16);
  blockSlots = new Int32Array(16);
  /** Whether the code of the block was unreachable when an inner block began. */
  blockUnreachable = new Uint8Array(16);
  /** How many locals had been initialised when the block began. */
  blockInits = new Int32Array(16);
  readonly blockParams: ValTypes[] = [];
  readonly blockResults: ValTypes[] = [];

  constructor(context: ModuleContext) {
    this.context = context;
  }

  resetStacks(): void {
    this.height = 0;
    this.slots = 0;
    this.maxSlots = 0;
    this.base = 0;
    this.isUnreachable = false;
    this.depth = 0;
  }

  invalid(message: InvalidMessage, detail?: string): CompileError {
    return invalid(message, this.reader.placeAt(this.position), detail);
  }

  unknown(space: IndexSpace, index: number): CompileError {
    return invalidIndex(space, index, this.reader.placeAt(this.position));
  }

  mismatch(required: string, actual: string): CompileError {
    return this.invalid("type mismatch", `instruction requires [${required}] but stack has [${actual}]`);
  }

  text(...types: ValTypes): string {
    return types.map((type) => this.context.typeText(type)).join(" ");
  }

  push(type: ValType): void {
    if (this.height === this.types.length) this.#growTypes();
    this.types[this.height++] = type;
    this.slots += type === Num.V128 ? 2 : 1;
    if (this.slots > this.maxSlots) this.#rise();
  }

  #rise(): void {
    if (this.slots > MAX_OPERAND_SLOTS) {
      throw limitExceeded(`more than ${MAX_OPERAND_SLOTS} slots of operands`, this.reader.placeAt(this.position));
    }
    this.maxSlots = this.slots;
  }

  pushAll(types: ValTypes): void {
    this.pausePosition -= types.length;
    for (let i = 0; i < types.length; i++) this.push(types[i]!);
  }

  pop(expected: ValType): void {
    if (this.height === this.base) {
      if (this.isUnreachable) return;
      throw this.mismatch(this.text(expected), "");
    }
    const actual = this.types[--this.height]!;
    this.slots -= actual === Num.V128 ? 2 : 1;
    if (actual !== expected && !this.context.registry.matchesVal(actual, expected)) {
      throw this.mismatch(this.text(expected), this.text(actual));
    }
  }

  popAll(types: ValTypes): void {
    this.pausePosition -= types.length;
    for (let i = types.length - 1; i >= 0; i--) this.pop(types[i]!);
  }

  /** Pops an operand of any type; {@link Num.Bottom} from unreachable code. */
  popAny(): ValType {
    if (this.height === this.base) {
      if (this.isUnreachable) return Num.Bottom;
      throw this.mismatch("any", "");
    }
    const actual = this.types[--this.height]!;
    this.slots -= actual === Num.V128 ? 2 : 1;
    return actual;
  }

  popRef(): ValType {
    const actual = this.popAny();
    if (actual === Num.Bottom) return BOTTOM_REF;
    if (!isRefType(actual)) throw this.mismatch("ref", this.text(actual));
    return actual;
  }

  /** Pops a reference as some instructions take it: of any heap type below `heap`, null or not. */
  popRefBelow(heap: Heap): ValType {
    const actual = this.popRef();
    if (!this.context.registry.matchesHeap(heapOf(actual), heap)) {
      throw this.mismatch(this.text(refType(heap, true)), this.text(actual));
    }
    return actual;
  }

  /** The rest of the block cannot be reached: it may pop anything. */
  setUnreachable(): void {
    this.height = this.base;
    this.slots = this.blockSlots[this.depth - 1]!;
    this.isUnreachable = true;
  }

  /** Enters a block whose parameters are popped already. */
  pushBlock(op: Op, params: ValTypes, results: ValTypes, inits: number): void {
    const depth = this.depth;
    if (depth === this.blockOps.length) this.#growBlocks();
    if (depth > 0) this.blockUnreachable[depth - 1] = this.isUnreachable ? 1 : 0;
    this.blockOps[depth] = op;
    this.blockHeights[depth] = this.height;
    this.blockSlots[depth] = this.slots;
    this.blockInits[depth] = inits;
    this.blockParams[depth] = params;
    this.blockResults[depth] = results;
    this.depth = depth + 1;
    this.base = this.height;
    this.isUnreachable = false;
    this.pushAll(params);
  }

  /** Leaves the innermost block, whose results must be all that is left of it. They are not pushed. */
  popBlock(): void {
    const depth = this.depth - 1;
    const results = this.blockResults[depth]!;
    this.popAll(results);
    if (this.height !== this.base) throw this.#leftover(results);
    this.depth = depth;
    if (depth > 0) {
      this.base = this.blockHeights[depth - 1]!;
      this.isUnreachable = this.blockUnreachable[depth - 1] !== 0;
    }
  }

  /** Operands below the results; the first ones are named. */
  #leftover(results: ValTypes): CompileError {
    const left = this.types.subarray(this.base, Math.min(this.height, this.base + NAMED_OPERANDS));
    const [required, actual] = [this.text(...results), this.text(...left)];
    return this.invalid("type mismatch", `block requires [${required}] but stack has [${actual}]`);
  }

  /** The types that a branch to `label` takes, counted from the innermost block. */
  labelTypes(label: number): ValTypes {
    if (label >= this.depth) throw this.unknown("label", label);
    const block = this.depth - 1 - label;
    return this.blockOps[block] === Op.Loop ? this.blockParams[block]! : this.blockResults[block]!;
  }

  /** Counts code that becomes more than its length tells. Throws a `CompileError` of kind `limit`. */
  protected countCode(byteLength: number): void {
    this.context.footprint.addCode(byteLength);
  }

  #growTypes(): void {
    const { footprint } = this.context;
    footprint.addWork(this.height * DEPTH_BYTES.validatedOperand);
    footprint.addCode(this.height * DEPTH_BYTES.loweredOperand);
    this.types = grown(this.types);
  }

  #growBlocks(): void {
    if (this.depth >= MAX_NESTING) throw nestingExceeded(this.reader);
    const { footprint } = this.context;
    footprint.addWork(this.depth * DEPTH_BYTES.validatedBlock);
    footprint.addCode(this.depth * DEPTH_BYTES.loweredBlock);
    this.blockOps = grown(this.blockOps);
    this.blockHeights = grown(this.blockHeights);
    this.blockSlots = grown(this.blockSlots);
    this.blockUnreachable = grown(this.blockUnreachable);
    this.blockInits = grown(this.blockInits);
  }
}

/** A copy of twice the size. */
export function grown<T extends Int32Array | Uint8Array>(array: T): T {
  const copy = new (array.constructor as new (length: number) => T)(array.length * 2);
  copy.set(array);
  return copy;
}
