/** Where in the module a fault happened: fuel at the trap, and a bounded backtrace of guest frames. */

import type { BacktraceFrame } from "../errors.ts";
import { MAX_BACKTRACE_FRAMES } from "../limits.ts";
import { Head, Link } from "../lower/code.ts";
import { instantiationIndex } from "../lower/instantiation.ts";
import type { Instance } from "../runtime/instance.ts";
import type { Activation, Machine } from "./machine.ts";

/** What remains of the turn's fuel after the instruction that trapped at the machine's position. */
export function fuelAtTrap(x: Machine): number {
  const { start, funcIndex, isExact } = x.module.rangeAt(x.pc);
  return x.fuel - x.instance!.module.positions.of(funcIndex, isExact).fuelAfter(x.pc - start);
}

/** An error that says where it happened. */
interface Traced {
  backtrace: readonly BacktraceFrame[];
  omittedFrames: number;
}

/**
 * Adds the guest's frames, innermost first, unless the error has them already. Frames that are left out are
 * counted if the error ends the run; a guest that contains one trap after the other at a great depth must not pay
 * for that with time.
 */
export function addBacktrace(
  error: Traced,
  x: Machine,
  activations: readonly Activation[],
  isInCode: boolean,
  isEnd = true,
): void {
  if (error.backtrace.length > 0) return;
  const frames: BacktraceFrame[] = [];
  let omitted = 0;
  const add = (instance: Instance, position: number, back: number): boolean => {
    if (frames.length < MAX_BACKTRACE_FRAMES) frames.push(frameAt(instance, position, back));
    else omitted++;
    return isEnd || omitted === 0;
  };
  if (isInCode && x.instance !== null) walk(x, x.instance, x.fp, x.pc, 0, add);
  const lowest = isEnd ? 0 : Math.max(0, activations.length - MAX_BACKTRACE_FRAMES);
  for (let i = activations.length - 1; i >= lowest && (isEnd || omitted === 0); i--) {
    const activation = activations[i]!;
    // Behind a call: the call itself is the operation before.
    if (activation.kind === "call") walk(x, activation.instance, activation.fp, activation.pc, 1, add);
  }
  error.backtrace = frames;
  error.omittedFrames = omitted;
}

function walk(
  x: Machine,
  instance: Instance,
  fp: number,
  pc: number,
  back: number,
  /** False when no more frames are wanted. */
  add: (instance: Instance, position: number, back: number) => boolean,
): void {
  const { code } = instance;
  while (pc !== 0) {
    if (!add(instance, pc, back)) return;
    back = 1;
    const link = fp + code.words[code.rangeAt(pc).start + Head.Link]!;
    pc = x.words[link + Link.ReturnPosition]!;
    fp -= x.words[link + Link.CallerDistance]!;
  }
}

function frameAt(instance: Instance, pc: number, back: number): BacktraceFrame {
  const { module, code } = instance;
  const { start, funcIndex, isExact } = code.rangeAt(pc);
  const isSynthetic = funcIndex === instantiationIndex(module.data);
  return {
    funcIndex,
    funcName: isSynthetic ? "(instantiation)" : module.names.funcName(funcIndex),
    // When somebody reads it: for that the function may have to be lowered again.
    get position() {
      return module.positions.of(funcIndex, isExact).byteOffsetAt(pc - start - back);
    },
    moduleName: module.names.moduleName,
  };
}
