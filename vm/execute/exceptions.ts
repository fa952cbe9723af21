/**
 * Exceptions (spec: exec-throw): making them, finding who catches them, and landing there. The search follows the
 * frames and changes nothing, so an exception that nobody catches is reported where it was thrown.
 */

import { Trap } from "../errors.ts";
import { Head, Link, type Catch, type CodeRange, type Handler } from "../lower/code.ts";
import { GuestException } from "../runtime/guest-exception.ts";
import type { Instance } from "../runtime/instance.ts";
import type { Store } from "../runtime/store.ts";
import { decodeValue } from "../runtime/values.ts";
import { allocate, needsCollection } from "./arrays.ts";
import { Exit, type Machine } from "./machine.ts";

/** `throw`: an exception of the tag with the operands from `at` on. Returns the complement of an exit. */
export function throwNew(x: Machine, at: number, tagIndex: number, position: number, positionAfter: number): number {
  const instance = x.instance!;
  const { heap } = instance.store;
  const word = instance.tags[tagIndex]!.word;
  const layout = heap.layoutOf(word);
  const handle = allocate(x, heap, layout.words, word);
  if (handle === 0) return needsCollection(x, position);
  const { offsets, sizes } = layout;
  for (let i = 0; i < offsets.length; i++) {
    for (let k = 0; k < sizes[i]!; k++) heap.setWord(handle, offsets[i]! + k, x.words[at + k]!);
    at += sizes[i]! > 2 ? 4 : 2;
  }
  return throwAgain(x, handle, positionAfter);
}

/** `throw_ref`. */
export function throwAgain(x: Machine, handle: number, positionAfter: number): number {
  if (handle === 0) throw new Trap("null exception reference");
  x.exception = handle;
  x.position = positionAfter;
  return ~Exit.Throw;
}

/** A clause that catches, its handler, and the frame and code it belongs to. */
export interface Landing {
  readonly instance: Instance;
  readonly fp: number;
  readonly range: CodeRange;
  readonly handler: Handler;
  readonly clause: Catch;
}

/**
 * Who catches an exception that begins with `word`, in the frame at `fp` whose operation at `position` has thrown or
 * called, or in those of its callers in the same instance; null if none of them does.
 */
export function findHandler(
  x: Machine,
  instance: Instance,
  fp: number,
  position: number,
  word: number,
): Landing | null {
  const { code } = instance;
  for (;;) {
    const range = code.rangeAt(position);
    let deepest = Number.POSITIVE_INFINITY;
    for (let handler = range.tries?.innermostAt(position) ?? null; handler !== null; handler = handler.parent) {
      if (handler.depth > deepest) continue;
      deepest = handler.delegate;
      for (const clause of handler.catches) {
        if (clause.tagIndex !== null && instance.tags[clause.tagIndex]!.word !== word) continue;
        return { instance, fp, range, handler, clause };
      }
    }
    const link = fp + code.words[range.start + Head.Link]!;
    const returnPosition = x.words[link + Link.ReturnPosition]!;
    if (returnPosition === 0) return null;
    fp -= x.words[link + Link.CallerDistance]!;
    // Inside the call that stands before.
    position = returnPosition - 1;
  }
}

/**
 * Makes the machine go on where an exception is caught, with what the clause takes in its label's slots. `remaining` is
 * the fuel left. False when the clause leaves the entry frame: the results stand at `argsAt` then.
 */
export function land(
  x: Machine,
  { instance, fp, range, handler, clause }: Landing,
  exception: number,
  remaining: number,
): boolean {
  const { heap } = instance.store;
  const { words } = x;
  x.enter(instance);
  let at = fp + clause.slot;
  if (clause.tagIndex !== null) {
    const { offsets, sizes } = heap.layoutOf(heap.word(exception, 0));
    for (let i = 0; i < offsets.length; i++) {
      for (let k = 0; k < sizes[i]!; k++) words[at + k] = heap.word(exception, offsets[i]! + k);
      at += sizes[i]! > 2 ? 4 : 2;
    }
  }
  if (clause.referenceAt >= 0) words[fp + clause.referenceAt] = exception;
  const code = instance.code.words;
  x.fp = fp;
  if (clause.target !== 0) {
    x.pc = code[clause.target]!;
    x.position = handler.position + code[clause.target + 1]!;
  } else {
    // The label is the function's own: what is caught are its results.
    const link = fp + code[range.start + Head.Link]!;
    x.argsAt = fp;
    x.pc = words[link + Link.ReturnPosition]!;
    if (x.pc === 0) return false;
    x.position = words[link + Link.ReturnP]!;
    x.fp = fp - words[link + Link.CallerDistance]!;
  }
  x.fuel = remaining + x.position;
  return true;
}

/** The error by which JavaScript knows an exception. */
export function guestException(store: Store, exception: number): GuestException {
  const { heap } = store;
  const word = heap.word(exception, 0);
  const tag = store.tagOf(word);
  const { offsets, sizes } = heap.layoutOf(word);
  const slot = new Int32Array(4);
  const values = tag.params.map((type, i) => {
    for (let k = 0; k < sizes[i]!; k++) slot[k] = heap.word(exception, offsets[i]! + k);
    return decodeValue(store, type, slot, 0);
  });
  return new GuestException(tag, values, heap.wrap(exception));
}
