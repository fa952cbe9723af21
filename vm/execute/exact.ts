/**
 * Moves a paused stack between fused and exact code. Frames are the same in both at safe points,
 * so only positions change: the innermost one if it is a safe point, and those behind calls,
 * which always are.
 */

import { Head, Link } from "../lower/code.ts";
import type { Instance } from "../runtime/instance.ts";
import type { ActivationStack } from "./activations.ts";
import type { Machine } from "./machine.ts";

/**
 * Makes every frame go on in exact code, or in fused code as far as it stands at a safe point. `isInCode`: the
 * machine stands in guest code, above the frames that the activations hold. `isInside`: in the middle of an operation.
 */
export function switchCode(
  x: Machine,
  stack: ActivationStack,
  exact: boolean,
  isInCode: boolean,
  isInside: boolean,
): void {
  const { instance } = x;
  if (isInCode && instance !== null && x.pc !== 0) {
    x.pc = counterpart(instance, x.pc, exact, isInside);
    switchCallers(x, instance, x.fp, x.pc, exact);
  }
  for (let i = 0; i < stack.length; i++) {
    const activation = stack.at(i);
    if (activation.kind !== "call" || activation.pc === 0) continue;
    activation.pc = counterpart(activation.instance, activation.pc, exact);
    switchCallers(x, activation.instance, activation.fp, activation.pc, exact);
  }
}

/** Changes the return positions from the frame at `fp`, whose code holds `pc`, to its entry frame. */
function switchCallers(x: Machine, instance: Instance, fp: number, pc: number, exact: boolean): void {
  const { code } = instance;
  for (;;) {
    const { start } = code.rangeAt(pc);
    const link = fp + code.words[start + Head.Link]!;
    const returnPosition = x.words[link + Link.ReturnPosition]!;
    if (returnPosition === 0) return;
    pc = counterpart(instance, returnPosition, exact);
    x.words[link + Link.ReturnPosition] = pc;
    fp -= x.words[link + Link.CallerDistance]!;
  }
}

/** The same safe point in the other code; the position itself if it is none. */
function counterpart(instance: Instance, pc: number, exact: boolean, isInside = false): number {
  const { code, module } = instance;
  const range = code.rangeAt(pc);
  if (range.isExact === exact) return pc;
  const { funcIndex } = range;
  const number = module.positions.of(funcIndex, range.isExact).safePointAt(pc - range.start, isInside);
  if (number < 0) return pc;
  module.lower(funcIndex, exact);
  const entry = (exact ? code.exactEntries : code.entries)[funcIndex]!;
  return entry - Head.Length + module.positions.of(funcIndex, exact).safePoints.at(number);
}
