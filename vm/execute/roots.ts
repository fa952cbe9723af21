/**
 * What keeps the heap objects of a store alive: its globals, tables and element segments, and what
 * its invocations hold in frames, precisely: the slots that lower/roots.ts names for the place where each
 * frame stands. Everything is visited in steps.
 */

import { InternalError } from "../errors.ts";
import { COLLECTION_STEP_INSTRUCTIONS } from "../limits.ts";
import { Head, Link } from "../lower/code.ts";
import { NO_ROOT, type RootMap } from "../lower/roots.ts";
import { RootKind } from "../lower/source.ts";
import type { Collection } from "../runtime/collector.ts";
import type { HeapObject } from "../runtime/heap-object.ts";
import type { Instance } from "../runtime/instance.ts";
import type { Store } from "../runtime/store.ts";
import { slotsOf } from "../runtime/values.ts";
import type { ValType } from "../types.ts";
import type { ActivationStack } from "./activations.ts";
import type { Machine } from "./machine.ts";

/** Reading an instruction for a stack map takes as long as moving so many words. */
const WORDS_PER_INSTRUCTION = 50;

/** Where an invocation stands. */
export interface InvocationState {
  readonly machine: Machine;
  readonly stack: ActivationStack;
  /** How the innermost frame stands; null: the machine is not in guest code. */
  readonly inCode: RootKind | null;
  /** How the code of the topmost activation stands: its callee may have returned. */
  readonly top: RootKind;
  /** Canonical types of values at `machine.argsAt`, which belong to no frame: arguments or results. */
  readonly values: readonly ValType[];
  /** Exceptions that host functions hold. */
  readonly pinned: readonly HeapObject[];
}

export function* traceRoots(store: Store, collection: Collection): Generator<undefined, void> {
  for (const instance of store.tracedInstances) {
    const { tracedGlobals, tracedElements } = instance.module;
    for (const index of tracedGlobals) {
      collection.visit(store.globalWords, instance.globalsAt[index]!);
      if (collection.spend(1)) yield;
    }
    for (const index of tracedElements) {
      const items = instance.segments.itemsOf(index);
      if (items !== null) yield* collection.visitRange(items, 0, items.length);
      if (collection.spend(1)) yield;
    }
  }
  for (const at of store.tracedGlobals) {
    collection.visit(store.globalWords, at);
    if (collection.spend(1)) yield;
  }
  for (const table of store.tracedTables) {
    yield* collection.visitRange(table.items, 0, table.length);
    if (collection.spend(1)) yield;
  }
  for (const invocation of store.invocations) yield* traceInvocation(store, collection, invocation.state);
}

function* traceInvocation(store: Store, c: Collection, state: InvocationState): Generator<undefined, void> {
  const { machine: x, stack, inCode, top, values } = state;
  for (const object of state.pinned) c.forward(object.handle);
  if (x.object !== 0) x.object = c.forward(x.object);
  if (x.exception !== 0) x.exception = c.forward(x.exception);
  let at = x.argsAt;
  for (const type of values) {
    if (store.engine.types.isTraced(type)) c.visit(x.words, at);
    at += 2 * slotsOf(type);
    if (c.spend(1)) yield;
  }
  if (inCode !== null) yield* traceFrames(c, x, x.instance!, x.fp, x.pc, inCode);
  for (let i = stack.length - 1; i >= 0; i--) {
    const activation = stack.at(i);
    if (activation.kind !== "call") continue;
    const kind = i === stack.length - 1 ? top : RootKind.During;
    yield* traceFrames(c, x, activation.instance, activation.fp, activation.pc, kind);
  }
}

/** Visits the frame at `fp`, which stands at `pc`, and those of its callers in the same instance. */
function* traceFrames(
  c: Collection,
  x: Machine,
  instance: Instance,
  fp: number,
  pc: number,
  kind: RootKind,
): Generator<undefined, void> {
  const { code, module } = instance;
  const { words } = x;
  while (pc !== 0) {
    const { start, funcIndex, isExact } = code.rangeAt(pc);
    let map: RootMap | null;
    while ((map = module.roots.of(funcIndex, isExact, COLLECTION_STEP_INSTRUCTIONS)) === null) {
      if (c.spend(COLLECTION_STEP_INSTRUCTIONS * WORDS_PER_INSTRUCTION)) yield;
    }
    const { locals, offsets, below } = map;
    for (let i = 0; i < locals.length; i++) c.visit(words, fp + locals.at(i));
    let operand = map.topAt(kind, pc - start);
    if (operand === undefined) throw new InternalError(`no stack map at ${pc - start} of function ${funcIndex}`);
    let count = locals.length;
    for (; operand !== NO_ROOT; operand = below.at(operand)) {
      c.visit(words, fp + offsets.at(operand));
      count++;
    }
    if (c.spend(8 + count)) yield;
    const link = fp + code.words[start + Head.Link]!;
    pc = words[link + Link.ReturnPosition]!;
    fp -= words[link + Link.CallerDistance]!;
    kind = RootKind.During;
  }
}
