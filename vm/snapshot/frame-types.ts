/**
 * What a frame holds at a place: the types of its locals and operands, as the validator's pass finds
 * them (validate/stack-map.ts). Saving writes these slots and no others; restoring checks each value against its type.
 */

import { skipInstruction } from "../binary/instructions.ts";
import { readValType } from "../binary/read-types.ts";
import { Reader } from "../binary/reader.ts";
import type { CompiledModule } from "../compiled-module.ts";
import { InternalError } from "../errors.ts";
import { Reg } from "../lower/code.ts";
import { instantiationIndex } from "../lower/instantiation.ts";
import type { Expr } from "../module.ts";
import { slotCount, slotsOf } from "../runtime/values.ts";
import { isRefType, Num, type ValType } from "../types.ts";
import { FunctionValidator } from "../validate/function.ts";
import { type StackMap, stackMapsInSteps } from "../validate/stack-map.ts";
import { operandsAt, type FrameLayout, type Place, PlaceKind } from "./places.ts";

export interface Slot {
  readonly type: ValType;
  /** Word offset in the frame. */
  readonly at: number;
  /** A local without default that has no value yet may hold null, or what it held in a block before. */
  readonly mayBeNull: boolean;
}

export interface FrameTypes {
  readonly locals: readonly Slot[];
  /** From the bottom; those that a call has left on top are the last {@link Place.results}. */
  readonly operands: readonly Slot[];
  /** Word offset behind the operands that a call leaves alone: where its callee's frame begins. */
  readonly callTop: number;
}

const NO_TYPES: readonly ValType[] = [];
const kept = new WeakMap<CompiledModule, Map<string, FrameTypes>>();
const MAX_KEPT = 1_024;

export function* frameTypesAt(
  module: CompiledModule,
  funcIndex: number,
  place: Place,
  layout: FrameLayout,
): Generator<void, FrameTypes> {
  let known = kept.get(module);
  if (known === undefined) {
    known = new Map();
    kept.set(module, known);
  }
  const key = `${funcIndex} ${place.kind} ${place.byteOffset} ${place.number}`;
  let types = known.get(key);
  if (types === undefined) {
    types = yield* make(module, funcIndex, place, layout);
    if (known.size >= MAX_KEPT) known.delete(known.keys().next().value ?? key);
    known.set(key, types);
  }
  return types;
}

function* make(
  module: CompiledModule,
  funcIndex: number,
  place: Place,
  layout: FrameLayout,
): Generator<void, FrameTypes> {
  if (funcIndex === instantiationIndex(module.data)) {
    return frameTypesOf({ operands: instantiationOperands(module, place), locals: [] }, funcIndex, place, layout);
  }
  const position = textPosition(module, funcIndex, place);
  const { maps } = yield* stackMapsInSteps(module.context, funcIndex, [position], Number.POSITIVE_INFINITY);
  const map = maps.get(position);
  if (map === undefined) throw new InternalError(`no instruction at ${place.byteOffset} of function ${funcIndex}`);
  return frameTypesOf(map, funcIndex, place, layout);
}

/** From the stack map there: see {@link textPosition}. */
export function frameTypesOf(
  map: Pick<StackMap, "operands" | "locals">,
  funcIndex: number,
  place: Place,
  layout: FrameLayout,
): FrameTypes {
  const locals: Slot[] = [];
  let at = 0;
  for (const { type, isSet } of map.locals) {
    locals.push({ type, at, mayBeNull: !isSet });
    at += 2 * slotsOf(type);
  }
  const operands: Slot[] = [];
  at = operandsAt(layout);
  for (const type of map.operands) {
    operands.push({ type, at, mayBeNull: false });
    at += 2 * slotsOf(type);
  }
  if (place.top >= 0 && (place.top !== at || place.height !== operands.length)) {
    throw new InternalError(`the frame of function ${funcIndex} differs from its stack map at ${place.byteOffset}`);
  }
  const below = map.operands.slice(0, operands.length - place.results);
  return { locals, operands, callTop: operandsAt(layout) + 2 * slotCount(below) };
}

/** The instruction of a body before which the frame looks as it does at the place. */
export function textPosition(module: CompiledModule, funcIndex: number, { kind, byteOffset }: Place): number {
  const { bytes, bodyStarts, bodyEnds, importedFuncs } = module.data;
  const body = funcIndex - importedFuncs;
  if (kind === PlaceKind.Before || kind === PlaceKind.Inside) return byteOffset;
  const isEntry = kind === PlaceKind.Entry;
  const reader = new Reader(bytes, isEntry ? bodyStarts[body]! : byteOffset, bodyEnds[body]!);
  // Before the end of the body a frame looks as behind it.
  if (byteOffset === bodyEnds[body]! - 1) return byteOffset;
  if (!isEntry) skipInstruction(reader);
  else {
    for (let runs = reader.u32(); runs > 0; runs--) {
      reader.u32();
      readValType(reader);
    }
  }
  return reader.position;
}

/** Of the synthetic function that instantiates a module: constant expressions, and what is done with their values. */
function instantiationOperands(module: CompiledModule, place: Place): readonly ValType[] {
  if (place.kind === PlaceKind.Entry || place.kind === PlaceKind.AfterCall) return NO_TYPES;
  const part = partAt(module, place.byteOffset);
  switch (place.reg) {
    case Reg.TableFill:
      return [part.below[0]!, part.type, part.below[0]!];
    case Reg.TableInit:
    case Reg.MemoryInit:
      return [part.type, Num.I32, Num.I32];
    default:
  }
  const validator = new FunctionValidator(module.context);
  validator.beginExpr(part.expr, part.type, module.data.globals.length);
  while (validator.reader.position < place.byteOffset) {
    if (validator.step(place.byteOffset - validator.reader.position)) break;
  }
  return [...part.below, ...validator.types.subarray(0, validator.height)];
}

interface Part {
  readonly expr: Expr;
  /** Of the expression's value. */
  readonly type: ValType;
  /** What lies below it. */
  readonly below: readonly ValType[];
}

/** The constant expression that a byte offset lies in. */
function partAt(module: CompiledModule, byteOffset: number): Part {
  const { data } = module;
  const isAt = (expr: Expr | null): expr is Expr => expr !== null && byteOffset >= expr.start && byteOffset < expr.end;
  for (const { init, type } of data.globals) {
    if (isAt(init)) return { expr: init, type: module.canonical(type.type), below: NO_TYPES };
  }
  for (const { init, type } of data.tables) {
    if (isAt(init)) return { expr: init, type: module.canonical(type.element), below: [type.address] };
  }
  for (const { mode, items, type } of data.elements) {
    if (mode.kind === "active" && isAt(mode.offset)) {
      return { expr: mode.offset, type: data.tables[mode.index]!.type.address, below: NO_TYPES };
    }
    const expr = items.kind === "exprs" ? items.exprs.find(isAt) : undefined;
    if (expr !== undefined) return { expr, type: module.canonical(type), below: NO_TYPES };
  }
  for (const { mode } of data.data) {
    if (mode.kind === "active" && isAt(mode.offset)) {
      return { expr: mode.offset, type: data.memories[mode.index]!.address, below: NO_TYPES };
    }
  }
  throw new InternalError(`no constant expression at ${byteOffset}`);
}

/** Words that a value of a type takes in its slot. */
export function valueWords(type: ValType): number {
  if (isRefType(type)) return 1;
  return type === Num.V128 ? 4 : type === Num.I64 || type === Num.F64 ? 2 : 1;
}
