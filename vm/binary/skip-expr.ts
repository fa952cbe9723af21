/**
 * Passes over instruction sequences, checking their grammar only: it finds the end of constant
 * expressions, and says what is wrong in a malformed body with the reference implementation's
 * words. Iterative, and cut into parts of a bounded number of instructions.
 */

import { limitExceeded, type CompileError } from "../errors.ts";
import { MAX_LOCALS, MAX_NESTING } from "../limits.ts";
import { INSTRUCTION_BY_NUMBER, Op } from "../opcodes.ts";
import type { Proposals } from "../proposals.ts";
import { illegalOpcode, skipInstruction } from "./instructions.ts";
import { readValType } from "./read-types.ts";
import { Reader } from "./reader.ts";

/** Instructions between two chances to give way. */
const CHUNK_INSTRUCTIONS = 64;

/** One expression at a time: `begin`, then `skip` until it returns true. */
export class ExprSkipper {
  readonly #reader: Reader;
  /** The instructions that opened the blocks around the present one. */
  readonly #blocks: Op[] = [];

  readonly #hasLegacy: boolean;

  constructor(reader: Reader, proposals: Proposals) {
    this.#reader = reader;
    this.#hasLegacy = proposals.has("legacy-exceptions");
  }

  begin(): void {
    this.#blocks.length = 0;
  }

  /** Passes over some instructions; true when the expression's own `end` was among them. */
  skip(): boolean {
    const reader = this.#reader;
    const blocks = this.#blocks;
    for (let i = 0; i < CHUNK_INSTRUCTIONS; i++) {
      if (!this.#hasLegacy) this.#refuseLegacy();
      const op = skipInstruction(reader);
      switch (op) {
        case Op.Block:
        case Op.Loop:
        case Op.If:
        case Op.Try:
        case Op.TryTable:
          if (blocks.length >= MAX_NESTING) throw nestingExceeded(reader);
          blocks.push(op);
          break;
        case Op.Else:
          if (blocks[blocks.length - 1] !== Op.If) throw reader.malformed("END opcode expected", reader.position - 1);
          blocks[blocks.length - 1] = Op.Else;
          break;
        case Op.Catch:
        case Op.CatchAll:
          this.#requireTry(op);
          blocks[blocks.length - 1] = op;
          break;
        case Op.Delegate:
          this.#requireTry(op);
          blocks.pop();
          break;
        case Op.End:
          if (blocks.pop() === undefined) return true;
          break;
        default:
          break;
      }
    }
    return false;
  }

  #refuseLegacy(): void {
    const { bytes, position } = this.#reader;
    const op = bytes[position];
    if (op !== undefined && INSTRUCTION_BY_NUMBER[op]?.proposal === "legacy-exceptions") {
      throw illegalOpcode(this.#reader, op, null, position);
    }
  }

  /** What may stand before a clause of a legacy `try`: its body, or before `catch` and `catch_all` another `catch`. */
  #requireTry(op: Op): void {
    const top = this.#blocks[this.#blocks.length - 1];
    if (top === Op.Try || (top === Op.Catch && op !== Op.Delegate)) return;
    throw this.#reader.malformed("END opcode expected", this.#reader.position - 1);
  }
}

export function nestingExceeded(reader: Reader): CompileError {
  return limitExceeded(`more than ${MAX_NESTING} blocks inside each other`, reader.placeAt(reader.position));
}

/** How many locals a body declares. Throws when they are too many; none is expanded. */
export function skipLocals(reader: Reader): void {
  const start = reader.position;
  let total = 0;
  for (let groups = reader.u32(); groups > 0; groups--) {
    total += reader.u32();
    if (total > 0xffff_ffff) throw reader.malformed("too many locals");
    readValType(reader);
  }
  checkLocalCount(reader, total, start);
}

/** `position` is where the declarations start. */
export function checkLocalCount(reader: Reader, count: number, position: number): void {
  if (count > MAX_LOCALS) throw limitExceeded(`${count} locals, at most ${MAX_LOCALS}`, reader.placeAt(position));
}

/**
 * Throws if the body `bytes[start, end)` breaks the grammar. Like the reference implementation it
 * reads on past `end` and compares the size afterwards, so that the words are the same.
 */
export function* checkBody(
  bytes: Uint8Array,
  start: number,
  end: number,
  funcIndex: number,
  proposals: Proposals,
): Generator<undefined> {
  const reader = new Reader(bytes, start);
  reader.funcIndex = funcIndex;
  skipLocals(reader);
  const expr = new ExprSkipper(reader, proposals);
  expr.begin();
  while (!expr.skip()) yield;
  if (reader.position !== end) throw reader.malformed("section size mismatch", start);
}
