/**
 * Long lists of 32-bit numbers that are made once, by pushing, and kept: four bytes a number, with no room for more. They grow
 * in pieces, since copying a long one would take milliseconds at once.
 */

/** Numbers of a piece: a multiple of what any entry has. */
const PIECE = 12_288;
/** Pieces shorter than this are smaller as an array of JavaScript's. */
const SHORT = 64;
const NONE: readonly never[] = [];

export class IntList {
  #pieces: Int32Array[] = NONE as unknown as Int32Array[];
  #last: number[] | Int32Array = NONE as unknown as number[];
  #isFinished = true;

  get length(): number {
    return this.#pieces.length * PIECE + this.#last.length;
  }

  at(index: number): number {
    const piece = Math.trunc(index / PIECE);
    return piece < this.#pieces.length ? this.#pieces[piece]![index % PIECE]! : this.#last[index - piece * PIECE]!;
  }

  /** Returns its index. */
  push(number: number): number {
    const last = this.#growing();
    last.push(number);
    const index = this.length - 1;
    if (last.length === PIECE) {
      if (this.#pieces.length === 0) this.#pieces = [];
      this.#pieces.push(Int32Array.from(last));
      this.#last = [];
    }
    return index;
  }

  /** Takes the last numbers away. */
  truncate(length: number): void {
    while (length < this.#pieces.length * PIECE) this.#last = Array.from(this.#pieces.pop()!);
    const last = this.#growing();
    last.length = length - this.#pieces.length * PIECE;
  }

  #growing(): number[] {
    if (this.#isFinished) {
      this.#last = Array.from(this.#last);
      this.#isFinished = false;
    }
    return this.#last as number[];
  }

  set(index: number, number: number): void {
    const piece = Math.trunc(index / PIECE);
    if (piece < this.#pieces.length) this.#pieces[piece]![index % PIECE] = number;
    else this.#last[index - piece * PIECE] = number;
  }

  /** It will not grow for now. */
  finish(): void {
    const last = this.#last;
    if (last.length === 0) this.#last = NONE as unknown as number[];
    // A copy of an array has no room for more.
    else this.#last = last.length < SHORT ? last.slice() : Int32Array.from(last);
    this.#isFinished = true;
  }
}
