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
  const { module } = context;
  const body = funcIndex - module.importedFuncs;
  const start = module.bodyStarts[body];
  const end = module.bodyEnds[body];
  if (start === undefined || end === undefined || position < start || position >= end) return null;
  const validator = new FunctionValidator(context);
  validator.beginBody(funcIndex);
  while (validator.reader.position < position) {
    if (validator.step(position - validator.reader.position)) return null;
  }
  if (validator.reader.position !== position || validator.depth === 0) return null;
  return {
    operands: Array.from(validator.types.subarray(0, validator.height)),
    locals: validator.localsHere(),
    isUnreachable: validator.isUnreachable,
  };
}
