/**
 * The stack map of any instruction of a valid body: what the operand stack and the locals hold
 * there. It is not stored but reproduced by running the validator's pass up to that place, which
 * is what saving and restoring a paused invocation needs.
 */

import type { ValType } from "../types.ts";
import type { ModuleContext } from "./context.ts";
import { FunctionValidator } from "./function.ts";

/** Types are canonical. */
export interface StackMap {
  /** From the bottom of the stack. `Num.Bottom` only in unreachable code. */
  readonly operands: readonly ValType[];
  /** Parameters first. `isSet`: it surely has a value; only locals without default may be unset. */
  readonly locals: readonly { readonly type: ValType; readonly isSet: boolean }[];
  /** The control of the program can never come here. */
  readonly isUnreachable: boolean;
}

/**
 * The stack map before the instruction at `position` of a function that is not imported. Null when
 * no instruction of its body begins there. `context` is that of the finished validation; the time
 * is linear in the distance from the body's start.
 */
export function stackMapAt(context: ModuleContext, funcIndex: number, position: number): StackMap | null {
  return stackMapsAt(context, funcIndex, [position], Number.POSITIVE_INFINITY).maps.get(position) ?? null;
}

export interface StackMaps {
  readonly maps: ReadonlyMap<number, StackMap>;
  /** How many types they hold. */
  readonly typeCount: number;
}

/** Bytes validated and types copied in one step. */
const STEP = 16_384;

/** {@link stackMapsInSteps} at once. */
export function stackMapsAt(...of: Parameters<typeof stackMapsInSteps>): StackMaps {
  const steps = stackMapsInSteps(...of);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/**
 * As {@link stackMapAt}, of several positions in ascending order, in one pass. It ends early when the maps hold about
 * `maxTypes` types, which they may have in common.
 */
export function* stackMapsInSteps(
  context: ModuleContext,
  funcIndex: number,
  positions: readonly number[],
  maxTypes: number,
): Generator<void, StackMaps> {
  const { module } = context;
  const body = funcIndex - module.importedFuncs;
  const start = module.bodyStarts[body];
  const end = module.bodyEnds[body];
  const maps = new Map<number, StackMap>();
  let typeCount = 0;
  if (start === undefined || end === undefined) return { maps, typeCount };
  const validator = new FunctionValidator(context);
  validator.beginBody(funcIndex);
  let locals: StackMap["locals"] | null = null;
  let pauseAt = start + STEP;
  for (const position of positions) {
    if (position < start || position >= end || maps.has(position)) continue;
    if (typeCount >= maxTypes) break;
    let isEnd = false;
    while (!isEnd && validator.reader.position < position) {
      const { reader } = validator;
      isEnd = validator.step(Math.max(1, Math.min(position, pauseAt) - reader.position));
      if (reader.position + typeCount < pauseAt) continue;
      yield;
      pauseAt = reader.position + typeCount + STEP;
    }
    if (isEnd || validator.depth === 0) break;
    if (validator.reader.position !== position) continue;
    // All locals with a default are the same everywhere.
    if (locals === null || validator.mayHaveUnsetLocals) {
      locals = validator.localsHere();
      typeCount += locals.length;
    }
    const operands = Array.from(validator.types.subarray(0, validator.height));
    typeCount += operands.length + 1;
    maps.set(position, { operands, locals, isUnreachable: validator.isUnreachable });
  }
  return { maps, typeCount };
}
