/** Where in the module a fault happened: fuel at the trap, and a bounded backtrace of guest frames. */

import type { BacktraceFrame, TracedError } from "../errors.ts";
import { MAX_BACKTRACE_FRAMES, MAX_COUNTED_FRAMES } from "../limits.ts";
import { Head, Link, type CodeRange } from "../lower/code.ts";
import { instantiationIndex } from "../lower/instantiation.ts";
import type { Instance } from "../runtime/instance.ts";
import type { ActivationStack } from "./activations.ts";
import type { Machine } from "./machine.ts";

/** What remains of the turn's fuel after the instruction that trapped at the machine's position. */
export function fuelAtTrap(x: Machine): number {
  const { start, funcIndex, isExact } = x.module.rangeAt(x.pc);
  return x.fuel - x.instance!.module.positions.of(funcIndex, isExact).fuelAfter(x.pc - start);
}

/** Where a frame stands: `back` is 1 behind a call, since the call itself is the operation before. */
interface FramePlace {
  readonly instance: Instance;
  readonly range: CodeRange;
  readonly pc: number;
  readonly back: number;
}

/**
 * Adds the guest's frames, innermost first, unless the error has them already. Their places alone are noted here. Frames that are
 * left out are counted, up to a limit, if the error ends the run; a guest that contains one trap after the other at a great depth must
 * not pay for that with time.
 */
export function addBacktrace(
  error: TracedError,
  x: Machine,
  stack: ActivationStack,
  isInCode: boolean,
  isEnd = true,
): void {
  if (error.isTraced) return;
  const places: FramePlace[] = [];
  const most = isEnd ? MAX_COUNTED_FRAMES : MAX_BACKTRACE_FRAMES;
  let count = isInCode && x.instance !== null ? walk(x, x.instance, x.fp, x.pc, 0, 0, most, places) : 0;
  // Host frames have no place, so they are limited apart.
  const lowest = Math.max(0, stack.length - most);
  for (let i = stack.length - 1; i >= lowest && count < most; i--) {
    const activation = stack.at(i);
    if (activation.kind !== "call") continue;
    count = walk(x, activation.instance, activation.fp, activation.pc, 1, count, most, places);
  }
  error.omittedFrames = count - places.length;
  if (places.length > 0) error.traceLater(() => places.map(frameAt));
}

/** Notes or counts the frame at `fp` and those of its callers in the same instance, after `count` others; returns how many there are. */
function walk(
  x: Machine,
  instance: Instance,
  fp: number,
  pc: number,
  back: number,
  count: number,
  most: number,
  places: FramePlace[],
): number {
  const { code } = instance;
  for (; pc !== 0 && count < most; count++) {
    const range = code.rangeAt(pc);
    if (count < MAX_BACKTRACE_FRAMES) places.push({ instance, range, pc, back });
    back = 1;
    const link = fp + code.words[range.start + Head.Link]!;
    pc = x.words[link + Link.ReturnPosition]!;
    fp -= x.words[link + Link.CallerDistance]!;
  }
  return count;
}

function frameAt({ instance, range, pc, back }: FramePlace): BacktraceFrame {
  const { module } = instance;
  const { start, funcIndex, isExact } = range;
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
