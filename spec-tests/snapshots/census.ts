/**
 * Counts where programs were saved: pairs of a function and the byte offset at which its innermost frame stood,
 * told apart by what lived there: references by kind, host frames below, waits.
 */

import { Next } from "../../vm/execute/record.ts";
import type { CompiledModule, Instance, Invocation, Store } from "../../vm/index.ts";
import { ARRAY_HEADER_WORDS } from "../../vm/layouts.ts";
import { isExtern, isI31, isObject, NULL } from "../../vm/runtime/reference.ts";
import { frameTypesAt } from "../../vm/snapshot/frame-types.ts";
import { type Place, PlaceKind, placesOf } from "../../vm/snapshot/places.ts";
import { atOnce } from "../../vm/snapshot/testing.ts";
import { moduleHash } from "../../vm/internal.ts";
import { Heap, heapOf, isRefType } from "../../vm/types.ts";

/** What a pair may be counted for. */
export const CLASSES = [
  "at safe points",
  "at other instructions, in exact mode",
  "inside instructions that take several turns",
  "with live references",
  "with cyclic graphs",
  "with i31",
  "with host values",
  "with functions",
  "with exceptions",
  "with host frames below",
  "in host frames that an exception or trap passes",
  "in calls of the host that wait",
  "in atomic waits",
  "in searches for who catches an exception",
  "inside host frames and waits",
] as const;
export type Class = (typeof CLASSES)[number];

const bit = (name: Class): number => 1 << CLASSES.indexOf(name);
const HOST_FRAMES_AND_WAITS =
  bit("with host frames below") | bit("in calls of the host that wait") | bit("in atomic waits");
const REFERENCES = bit("with cyclic graphs") | bit("with i31") | bit("with host values") | bit("with functions");

/** The innermost frame of a paused invocation. */
interface Standing {
  readonly instance: Instance;
  readonly funcIndex: number;
  readonly isExact: boolean;
  /** Relative to its function's head. */
  readonly codePosition: number;
  readonly fp: number;
  /** In its code; otherwise behind a call whose results are not there yet. */
  readonly isRunning: boolean;
  /** Which of two places at one position: what waits or passes there. */
  readonly situation: number;
}

/** Null where no guest function has been entered. */
export function standing({ record }: Invocation): Standing | null {
  if (record === null) return null;
  const { machine, activations, next, isInside, outcome, search } = record;
  const hasHostFrames = activations.some(({ kind }) => kind === "host");
  const isThrowing = next === Next.Throw && search?.isInCode === true;
  const isRunning = next === Next.Run || next === Next.Wait || isThrowing;
  const flags = [isRunning && isInside, hasHostFrames, outcome !== null];
  const situation = flags.reduce((number, flag) => number * 2 + (flag ? 1 : 0), next);
  if (isRunning) {
    const instance = machine.instance!;
    const { start, funcIndex, isExact } = instance.code.rangeAt(machine.pc);
    const codePosition = machine.pc - start;
    return { instance, funcIndex, isExact, codePosition, fp: machine.fp, isRunning, situation };
  }
  const caller = activations.findLast(({ kind }) => kind === "call");
  if (caller?.kind !== "call" || caller.pc === 0) return null;
  const { instance, pc, fp } = caller;
  const { start, funcIndex, isExact } = instance.code.rangeAt(pc);
  return { instance, funcIndex, isExact, codePosition: pc - start, fp, isRunning, situation };
}

export class Census {
  /** Classes of each pair, by module, function and byte offset. */
  readonly #pairs = new Map<string, number>();
  readonly #visits = new Map<string, Map<number, number>>();
  snapshots = 0;

  /** How often a standing of this kind was counted, this time included. Cheap: asked at every pause. */
  visit(invocation: Invocation): number {
    const found = standing(invocation);
    if (found === null) return 1;
    const { instance, funcIndex, codePosition, isExact, situation } = found;
    const module = nameOf(instance.module);
    let visits = this.#visits.get(module);
    if (visits === undefined) {
      visits = new Map();
      this.#visits.set(module, visits);
    }
    const key = ((funcIndex * 0x80_0000 + codePosition) * 2 + (isExact ? 1 : 0)) * 128 + situation;
    const count = (visits.get(key) ?? 0) + 1;
    visits.set(key, count);
    return count;
  }

  /** Counts a place where the invocation is saved. */
  count(invocation: Invocation): void {
    this.snapshots++;
    const found = standing(invocation);
    if (found === null) return;
    const { instance, funcIndex, isExact, codePosition, isRunning } = found;
    const { machine, isInside, next } = invocation.record!;
    const places = atOnce(placesOf(instance.module, funcIndex, isExact));
    const place = isRunning
      ? (places.safePointAt(codePosition, isInside, machine.position) ?? places.boundaryAt(codePosition))
      : places.returnAt(codePosition);
    if (place === null) return;
    let mask = references(invocation, found, place);
    if (place.number < 0) mask |= bit("at other instructions, in exact mode");
    else mask |= bit("at safe points");
    if (place.kind === PlaceKind.Inside) mask |= bit("inside instructions that take several turns");
    const { activations, outcome, answer } = invocation.record!;
    if (activations.some(({ kind }) => kind === "host")) mask |= bit("with host frames below");
    if (outcome !== null) mask |= bit("in host frames that an exception or trap passes");
    if (next === Next.Answer && answer === null) mask |= bit("in calls of the host that wait");
    if (next === Next.Wait) mask |= bit("in atomic waits");
    if (next === Next.Throw) mask |= bit("in searches for who catches an exception");
    if ((mask & HOST_FRAMES_AND_WAITS) !== 0) mask |= bit("inside host frames and waits");
    const pair = `${nameOf(instance.module)} ${funcIndex} ${place.byteOffset}`;
    this.#pairs.set(pair, (this.#pairs.get(pair) ?? 0) | mask);
  }

  get pairs(): number {
    return this.#pairs.size;
  }

  of(name: Class): number {
    let count = 0;
    for (const mask of this.#pairs.values()) if ((mask & bit(name)) !== 0) count++;
    return count;
  }
}

const names = new WeakMap<CompiledModule, string>();

/** The same for copies of a module. */
function nameOf(module: CompiledModule): string {
  let name = names.get(module);
  if (name === undefined) {
    name = Buffer.from(moduleHash(module)).toString("base64");
    names.set(module, name);
  }
  return name;
}

/** The classes of the references that live in the frame. */
function references(invocation: Invocation, { instance, funcIndex, fp, isRunning }: Standing, place: Place): number {
  const { store } = invocation;
  const { words } = invocation.record!.machine;
  const layout = atOnce(placesOf(instance.module, funcIndex, false)).frame;
  const { locals, operands } = atOnce(frameTypesAt(instance.module, funcIndex, place, layout));
  const own = isRunning ? operands : operands.slice(0, operands.length - place.results);
  let mask = 0;
  for (const { type, at } of [...locals, ...own]) {
    const handle = words[fp + at]!;
    if (!isRefType(type) || handle === NULL) continue;
    mask |= bit("with live references") | referenceClass(store, handle, store.engine.types.topOf(heapOf(type)));
    if ((mask & REFERENCES) === REFERENCES) break;
  }
  return mask;
}

function referenceClass(store: Store, handle: number, top: number): number {
  if (top === Heap.Func) return bit("with functions");
  if (top === Heap.Exn) return bit("with exceptions");
  if (isI31(handle)) return bit("with i31");
  if (isExtern(handle)) return bit("with host values");
  return reachesCycle(store, handle) ? bit("with cyclic graphs") : 0;
}

const MAX_OBJECTS = 300;

/** Whether an object leads to one that leads to itself, as far as a short walk sees. */
function reachesCycle({ heap }: Store, root: number): boolean {
  const open = new Set<number>();
  const known = new Set<number>();
  const path: { readonly handle: number; readonly next: number[] }[] = [];
  const enter = (handle: number): void => {
    const { references, hasTracedElements } = heap.layoutOf(heap.word(handle, 0));
    const next = references.map((offset) => heap.word(handle, offset));
    const length = hasTracedElements ? Math.min(heap.arrayLength(handle), MAX_OBJECTS) : 0;
    for (let i = 0; i < length; i++) next.push(heap.word(handle, ARRAY_HEADER_WORDS + i));
    open.add(handle);
    known.add(handle);
    path.push({ handle, next });
  };
  enter(root);
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const child = top.next.pop();
    if (child === undefined) {
      open.delete(top.handle);
      path.pop();
    } else if (isObject(child)) {
      if (open.has(child)) return true;
      if (!known.has(child) && known.size < MAX_OBJECTS) enter(child);
    }
  }
  return false;
}
