/**
 * What a module takes of the host's memory, counted while it is compiled. A byte of a module may become a hundred
 * bytes of objects, so its length says little: each kind of item has a figure, which `bench/module-memory.ts` measures and
 * which is rounded up. It includes what the engine makes of the item later, once for all instances: code, types, names
 * by which it is found. An accountant is asked before the memory is taken.
 */

import { CompileError } from "./errors.ts";
import type { Accountant } from "./runtime/resources.ts";

/** Bytes of the host's memory for one item of a kind. */
export const ITEM_BYTES = {
  /** A module without anything. */
  module: 8_192,
  recGroup: 64,
  type: 360,
  /** A supertype, parameter or result. */
  typeValue: 24,
  field: 100,
  /** Besides what it imports: what is found behind it, and what stands in its place for those to whom it is denied. */
  import: 640,
  /** Its place in the tables by which functions are found. */
  func: 36,
  /** Of an own function, besides. */
  body: 16,
  table: 320,
  memory: 160,
  /** With how exceptions that it is thrown with lie in heaps; and a parameter. */
  tag: 320,
  tagParam: 32,
  global: 256,
  export: 208,
  elementSegment: 240,
  /** Besides the segment, if it has any. */
  elementIndices: 240,
  elementIndex: 4,
  tableImage: 320,
  tableImageElement: 4,
  expr: 96,
  /** An item of a segment given by an expression, besides: what instantiation executes. */
  elementExpr: 112,
  /** A segment that instantiation copies, besides: what it executes. */
  activeSegment: 160,
  dataSegment: 160,
  customSection: 96,
  /** A byte of the name section, of which a name has two at least. */
  namesByte: 5,
  /** A UTF-16 unit of a name, of which there is at most one for each byte. */
  nameByte: 2,
} as const;

/** Bytes of the code of one function: what it has besides its instructions, with its maps for traps and collections. */
export const FUNC_CODE_BYTES = 800;

/** Bytes of the code of what becomes more than its length tells, besides. */
export const CODE_BYTES = {
  call: 40,
  /** A target of `br_table`. */
  target: 12,
  /** `try_table` and the deprecated `try`, and each of their clauses. */
  handler: 120,
  clause: 160,
} as const;

/**
 * Bytes of lowered code for each byte of a body: 2 to 4.6 were measured, and exact code comes besides. Charged in advance
 * and for all bodies, since which of them are lowered, and by whom, must not be seen in what a store may still have.
 */
export const CODE_BYTES_PER_BODY_BYTE = 5;

/**
 * An operand and a block, the deepest of all bodies: what validation keeps for it, twice while it grows, and what lowering
 * keeps, at any time later. A body of some kilobytes may have millions of operands.
 */
export const DEPTH_BYTES = {
  validatedOperand: 8,
  loweredOperand: 96,
  validatedBlock: 72,
  loweredBlock: 200,
} as const;

/** Bytes that are asked for at once, the most that are there: an accountant is asked some hundred times, not a million. */
const PIECES = [65_536, 8_192, 1_024, 0];

/** What one module takes. */
export class Footprint {
  #accountant: Accountant | null;
  #itemBytes = 0;
  #codeBytes = 0;
  #workBytes = 0;
  /** What the accountant has granted, and what is left of it. Without an accountant everything is granted. */
  #grantedBytes = 0;
  #leftBytes: number;
  #isRefused = false;

  constructor(accountant: Accountant | null = null) {
    this.#accountant = accountant;
    this.#leftBytes = accountant === null ? Number.POSITIVE_INFINITY : 0;
  }

  /** What the module keeps besides its bytes and code. */
  get itemBytes(): number {
    return this.#itemBytes;
  }

  /** What its code takes, whether it is lowered or not, and lowering it. */
  get codeBytes(): number {
    return this.#codeBytes;
  }

  /** Whether the accountant has refused: there is no memory either to find out more about an error. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /** Counts what the module will keep. Throws a `CompileError` of kind `limit` when the accountant refuses. */
  addItem(byteLength: number): void {
    this.#itemBytes += byteLength;
    this.#take(byteLength);
  }

  /** Counts code. Throws as {@link addItem}. */
  addCode(byteLength: number): void {
    this.#codeBytes += byteLength;
    this.#take(byteLength);
  }

  /** Counts what is needed until the module is compiled. Throws as {@link addItem}. */
  addWork(byteLength: number): void {
    this.#workBytes += byteLength;
    this.#take(byteLength);
  }

  #take(byteLength: number): void {
    this.#leftBytes -= byteLength;
    if (this.#leftBytes < 0) this.#ask();
  }

  #ask(): void {
    const needed = -this.#leftBytes;
    for (const piece of PIECES) {
      const byteLength = Math.max(needed, piece);
      if (this.#accountant!.reserve("module", byteLength)) {
        this.#grantedBytes += byteLength;
        this.#leftBytes += byteLength;
        return;
      }
    }
    this.#isRefused = true;
    const total = this.#itemBytes + this.#codeBytes + this.#workBytes;
    throw new CompileError("limit", `no memory to compile the module: ${total} bytes besides its own`);
  }

  /** Gives back what was granted, for good: compiling has ended, and whoever keeps the module asks for what it takes. */
  release(): void {
    if (this.#grantedBytes > 0) this.#accountant!.release("module", this.#grantedBytes);
    this.#accountant = null;
    this.#grantedBytes = 0;
    this.#leftBytes = Number.POSITIVE_INFINITY;
  }
}
