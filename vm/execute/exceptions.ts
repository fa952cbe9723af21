/** Exceptions (spec: exec-throw): making them, landing where they are caught, and telling JavaScript of them. */

import { Trap } from "../errors.ts";
import { Head, Link } from "../lower/code.ts";
import { GuestException } from "../runtime/guest-exception.ts";
import type { Store } from "../runtime/store.ts";
import { decodeValue } from "../runtime/values.ts";
import { allocate, needsCollection } from "./arrays.ts";
import type { ActivationStack } from "./activations.ts";
import { Exit, type Machine } from "./machine.ts";
import type { HandlerSearch } from "./search.ts";

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

/**
 * Makes the machine go on at the clause that a search has found, with what it takes in its label's slots. `remaining` is
 * the fuel left. False when the clause leaves the entry frame: the results stand at `argsAt` then.
 */
export function land(x: Machine, stack: ActivationStack, search: HandlerSearch, remaining: number): boolean {
  const instance = search.instance(x, stack);
  const { fp } = search;
  const handler = search.handler!;
  const clause = handler.catches[search.clause]!;
  const { heap } = instance.store;
  const { words, exception } = x;
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
    const link = fp + code[search.range!.start + Head.Link]!;
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
