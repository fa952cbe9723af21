/**
 * The search for who catches an exception (spec: exec-throw), in steps: from clause to clause, handler to handler, frame to frame. It
 * changes nothing outside of itself, so an exception that nobody catches is reported where it was thrown. What it remembers
 * between two steps holds for fused and for exact code: a frame by where its link lies, a handler by its depth.
 */

import { CLAUSES_PER_FUEL, SEARCH_BLOCK_CLAUSES, SEARCH_FRAME_FUEL, SEARCH_HANDLER_FUEL } from "../limits.ts";
import { Head, Link, type Catch, type CodeRange, type Handler } from "../lower/code.ts";
import type { Instance } from "../runtime/instance.ts";
import type { Activation, CallActivation } from "./activations.ts";
import type { Machine } from "./machine.ts";

/** What the next step looks at. */
export const enum Stage {
  /** The activation at `level`. */
  Level,
  /** The frame at `fp`. */
  Frame,
  /** The clauses of `handler` from `clause` on; null: its frame is done. */
  Handler,
}

/** Those of a run, or of one that is being restored. */
interface Activations {
  readonly length: number;
  at(index: number): Activation | undefined;
}

export const enum Found {
  /** The fuel is spent. */
  Nothing,
  /** The clause at `clause` of `handler`, in the frame at `fp` of `instance`. */
  Clause,
  /** Nobody below the activation at `level`, which is that of a frame function or the entry. */
  Level,
}

/** Where a search stands that is saved. */
export interface SearchPlace {
  readonly isInCode: boolean;
  readonly stage: Stage;
  /** Index of the activation whose frames are looked at; the number of activations for those of the machine. */
  readonly level: number;
  /** How many frames of this level it has left behind. */
  readonly frames: number;
  /** Depth of the handler; -1: none. */
  readonly depth: number;
  readonly deepest: number;
  readonly clause: number;
}

/** Of {@link SearchPlace.deepest}: all handlers are looked at. */
export const ANY_DEPTH = Number.POSITIVE_INFINITY;
/** Frames or handlers that a step of {@link HandlerSearch.goTo} passes. */
const STEP_PLACES = 20_000;

export class HandlerSearch implements SearchPlace {
  isInCode = false;
  stage = Stage.Level;
  level = 0;
  frames = 0;
  handler: Handler | null = null;
  /** Handlers deeper than this are passed over (legacy `delegate`). */
  deepest = ANY_DEPTH;
  clause = 0;
  /** Fuel of the last step. */
  spent = 0;
  fp = 0;
  range: CodeRange | null = null;
  /** Where the position at which the frame goes on stands in its callee's link; -1: nowhere, it is the innermost of its level. */
  #returnAt = -1;

  /** `isInCode`: thrown by the operation at the machine's position; else by what the topmost activation has called. */
  begin(x: Machine, activations: Activations, isInCode: boolean): void {
    this.isInCode = isInCode;
    this.level = activations.length - (isInCode ? 0 : 1);
    if (isInCode) this.#enterFrame(x.fp, -1, 0);
    else this.stage = Stage.Level;
  }

  /** It is over: what it has found is of no interest any more. */
  end(): void {
    this.handler = null;
    this.range = null;
  }

  get depth(): number {
    return this.handler?.depth ?? -1;
  }

  /** Looks for a clause that catches exceptions of `word`, for about `fuel`. */
  step(x: Machine, activations: Activations, word: number, fuel: number): Found {
    let spent = 0;
    let found = Found.Nothing;
    while (found === Found.Nothing && (spent < fuel || this.#isFree)) {
      const { handler } = this;
      if (this.stage === Stage.Level) found = this.#enterLevel(activations);
      else if (this.stage === Stage.Frame) {
        spent += SEARCH_FRAME_FUEL;
        const position = this.#position(x, activations);
        this.range = this.instance(x, activations).code.rangeAt(position);
        this.handler = this.range.tries?.innermostAt(position) ?? null;
        this.deepest = ANY_DEPTH;
        this.clause = 0;
        this.stage = Stage.Handler;
      } else if (handler === null) this.#leaveFrame(x, activations);
      else if (handler.depth > this.deepest) {
        spent += SEARCH_HANDLER_FUEL;
        this.handler = handler.parent;
      } else {
        const from = this.clause;
        const { catches } = handler;
        const end = Math.min(from + SEARCH_BLOCK_CLAUSES, catches.length);
        const at = findClause(this.instance(x, activations), catches, from, end, word);
        spent += Math.ceil((Math.min(at + 1, end) - from) / CLAUSES_PER_FUEL);
        this.clause = at;
        if (at < end) found = Found.Clause;
        else if (end === catches.length) {
          spent += SEARCH_HANDLER_FUEL;
          this.deepest = handler.delegate;
          this.handler = handler.parent;
          this.clause = 0;
        }
      }
    }
    this.spent = spent;
    return found;
  }

  /** To the next frame or level: how frames lie in levels depends on whether their code was there when they were called. */
  get #isFree(): boolean {
    return this.stage === Stage.Level || (this.stage === Stage.Handler && this.handler === null);
  }

  instance(x: Machine, activations: Activations): Instance {
    return callAt(activations, this.level)?.instance ?? x.instance!;
  }

  /** The code of the frames has changed between fused and exact: finds the handler of the other code. */
  changeCode(x: Machine, activations: Activations): void {
    if (this.stage !== Stage.Handler) return;
    const position = this.#position(x, activations);
    this.range = this.instance(x, activations).code.rangeAt(position);
    if (this.handler === null) return;
    const { depth } = this.handler;
    let other = this.range.tries?.innermostAt(position) ?? null;
    while (other !== null && other.depth !== depth) other = other.parent;
    this.handler = other;
  }

  /** Takes the place of a search that was saved, in steps; false if there is no such place. */
  *goTo(x: Machine, activations: Activations, place: SearchPlace): Generator<void, boolean> {
    const { isInCode, stage, level, frames, depth, deepest, clause } = place;
    this.begin(x, activations, isInCode);
    if (level > this.level) return false;
    if (level < this.level) {
      this.level = level;
      this.stage = Stage.Level;
    }
    if (stage === Stage.Level) return this.stage === Stage.Level;
    if (this.stage === Stage.Level && this.#enterLevel(activations) === Found.Level) return false;
    if (this.level !== level) return false;
    for (let left = frames, steps = 0; left > 0; left--) {
      this.range = this.instance(x, activations).code.rangeAt(this.#position(x, activations));
      this.#leaveFrame(x, activations);
      if (this.stage === Stage.Level) return false;
      if (++steps % STEP_PLACES === 0) yield;
    }
    if (stage === Stage.Frame) return true;
    const position = this.#position(x, activations);
    this.range = this.instance(x, activations).code.rangeAt(position);
    let handler = depth < 0 ? null : (this.range.tries?.innermostAt(position) ?? null);
    for (let steps = 0; handler !== null && handler.depth !== depth; handler = handler.parent) {
      if (++steps % STEP_PLACES === 0) yield;
    }
    this.stage = Stage.Handler;
    this.handler = handler;
    this.deepest = deepest;
    this.clause = clause;
    return (handler?.depth ?? -1) === depth && clause <= (handler?.catches.length ?? 0);
  }

  /** Where the frame stands: at what has thrown, or inside the call that stands before where it goes on. */
  #position(x: Machine, activations: Activations): number {
    if (this.#returnAt >= 0) return x.words[this.#returnAt]! - 1;
    const activation = callAt(activations, this.level);
    return activation === null ? x.pc : activation.pc - 1;
  }

  #enterLevel(activations: Activations): Found {
    const activation = callAt(activations, this.level);
    if (activation === null) return Found.Level;
    if (activation.pc === 0) this.level--;
    else this.#enterFrame(activation.fp, -1, 0);
    return Found.Nothing;
  }

  #enterFrame(fp: number, returnAt: number, frames: number): void {
    this.stage = Stage.Frame;
    this.fp = fp;
    this.#returnAt = returnAt;
    this.frames = frames;
  }

  #leaveFrame(x: Machine, activations: Activations): void {
    const { code } = this.instance(x, activations);
    const link = this.fp + code.words[this.range!.start + Head.Link]!;
    if (x.words[link + Link.ReturnPosition] === 0) {
      this.stage = Stage.Level;
      this.level--;
    } else
      this.#enterFrame(this.fp - x.words[link + Link.CallerDistance]!, link + Link.ReturnPosition, this.frames + 1);
  }
}

/** The call at a place; null where there is another activation, or, above all of them, the machine. */
function callAt(activations: Activations, level: number): CallActivation | null {
  if (level >= activations.length) return null;
  const activation = activations.at(level)!;
  return activation.kind === "call" ? activation : null;
}

/** The first clause in [from, end) that catches exceptions of `word`, or `end`. */
function findClause({ tags }: Instance, catches: readonly Catch[], from: number, end: number, word: number): number {
  for (let i = from; i < end; i++) {
    const { tagIndex } = catches[i]!;
    if (tagIndex === null || tags[tagIndex]!.word === word) return i;
  }
  return end;
}
