/** The traps that the hot loop leaves with, and how they are told. */

import type { TrapMessage } from "../errors.ts";
import { Exit } from "./machine.ts";

export const TRAPS: Readonly<Partial<Record<Exit, TrapMessage>>> = {
  [Exit.TrapUnreachable]: "unreachable",
  [Exit.TrapOutOfBounds]: "out of bounds memory access",
  [Exit.TrapDivideByZero]: "integer divide by zero",
  [Exit.TrapOverflow]: "integer overflow",
  [Exit.TrapUndefinedElement]: "undefined element",
  [Exit.TrapInvalidConversion]: "invalid conversion to integer",
  [Exit.TrapNullStructure]: "null structure reference",
  [Exit.TrapNullArray]: "null array reference",
  [Exit.TrapArrayBounds]: "out of bounds array access",
};
