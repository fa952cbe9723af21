/**
 * Guest code: entering it, running it in the hot loop, and what the loop leaves with but host functions, faults and pauses: calls that
 * need code or another instance, larger frames, collections.
 */

import { Trap } from "../errors.ts";
import { LOWERING_STEP_INSTRUCTIONS } from "../limits.ts";
import { Head, Link, Reg } from "../lower/code.ts";
import { Op } from "../opcodes.ts";
import type { Instance } from "../runtime/instance.ts";
import { finishDirect } from "./host-calls.ts";
import { run as runLoop } from "./interpreter.ts";
import { fuelBeyondTraining, trainLoop } from "./loop-training.ts";
import { Exit, type Machine } from "./machine.ts";
import { Next } from "./record.ts";
import type { RunState } from "./run-state.ts";
import { calleeIn, funcReference } from "./slow.ts";
import { TRAPS } from "./traps.ts";
import { trapped, trappedInCode, unwind } from "./unwinding.ts";

/** Makes the machine ready to go on where it paused, in the code that fits the turn. */
export function reenterCode(run: RunState, exact: boolean): void {
  const x = run.machine;
  x.enter(x.instance!);
  x.fuel = run.remaining + x.position;
  const { words } = x.module;
  // An instruction dearer than the whole turn runs all the same, else it never would.
  if (exact && words[x.pc] === Reg.CheckExact && x.fuel < words[x.pc + 1]!) x.pc += 3;
}

/** Runs code until something else is next; false when the turn is over. */
export function runCode(run: RunState): boolean {
  const x = run.machine;
  for (;;) {
    let exit: Exit;
    // Until the loop is trained, a long turn is interrupted for that, unseen by the guest.
    const held = x.isExact ? 0 : fuelBeyondTraining(x.fuel - x.position);
    run.heldFuel = held;
    x.fuel -= held;
    try {
      exit = runLoop(x);
    } catch (error) {
      x.fuel += held;
      trappedInCode(run, error);
      return true;
    }
    x.fuel += held;
    if (held > 0 && (exit === Exit.Paused || exit === Exit.PausedInside) && x.fuel > x.position) {
      trainLoop();
      // The rest of the turn would take long now. The end of the entry frame is no place to pause.
      if (x.pc === 0) continue;
    }
    switch (exit) {
      case Exit.Halted:
        run.remaining = x.fuel;
        x.argsAt = x.fp;
        run.next = Next.Return;
        return true;
      case Exit.Paused:
        run.remaining = x.fuel - x.position;
        run.isInside = false;
        // The end of the entry frame is no place to pause.
        if (x.pc === 0) continue;
        // Exact code has its own boundaries between the safe points.
        if (x.isExact && x.module.words[x.pc] !== Reg.CheckExact) continue;
        return false;
      case Exit.PausedInside:
        run.remaining = x.fuel - x.position;
        run.isInside = true;
        return false;
      case Exit.NeedsCollection:
        run.remaining = x.fuel - x.position;
        run.isInside = true;
        if (!run.collect()) return false;
        x.hasCollected = true;
        continue;
      case Exit.Throw:
        run.remaining = x.fuel - x.position;
        unwind(run, x.exception, true);
        return true;
      case Exit.NeedsCode:
        // Entered as a function of another instance is: lowering may take several turns.
        if (x.module.words[x.pc] === Reg.Call) callDirect(run);
        else callIndirect(run);
        return true;
      case Exit.NeedsFrames:
        x.position = positionBeforeCall(x);
        if (x.limitWords >= run.maxWords) {
          trappedInCode(run, new Trap("call stack exhausted"));
          return true;
        }
        try {
          run.ensureWords(Math.min(run.maxWords, x.limitWords * 2));
        } catch (error) {
          trappedInCode(run, error);
          return true;
        }
        continue;
      case Exit.AtomicWait:
        run.remaining = x.fuel - x.position;
        run.isInside = true;
        run.next = Next.Wait;
        return true;
      case Exit.CallImport:
        x.callee = x.instance!.funcAddress(x.callee);
        leaveCode(run);
        return true;
      case Exit.CallAddress:
        leaveCode(run);
        return true;
      case Exit.HostCalled:
        run.remaining = x.fuel - x.position;
        finishDirect(run);
        return true;
      case Exit.Reenter:
        x.enter(x.instance!);
        continue;
      case Exit.IndirectSlow:
        callIndirect(run);
        return true;
      default:
        trappedInCode(run, new Trap(TRAPS[exit] ?? "unreachable"));
        return true;
    }
  }
}

/** P before the call at `pc`, which waits for its callee's code or frame. */
function positionBeforeCall({ module, pc, instance }: Machine): number {
  const { prices } = instance!.module;
  const { words } = module;
  switch (words[pc]) {
    case Reg.Call:
      return words[pc + 3]! - prices[Op.Call]!;
    case Reg.CallIndirect:
      return words[pc + 4]! - prices[Op.CallIndirect]!;
    case Reg.CallRef:
      return words[pc + 3]! - prices[Op.CallRef]!;
    case Reg.ReturnCallRef:
      return words[pc + 5]! - prices[Op.ReturnCallRef]!;
    case Reg.ReturnCall:
      return words[pc + 5]! - prices[Op.ReturnCall]!;
    default:
      return words[pc + 6]! - prices[Op.ReturnCallIndirect]!;
  }
}

/** The machine stands behind a call: `callee` is entered next, and returns there. */
function leaveCode(run: RunState): void {
  const x = run.machine;
  run.remaining = x.fuel - x.position;
  run.callerInstance = x.instance;
  // A tail call from an entry frame: whoever called this instance gets the results directly.
  const isTail = x.pc === 0 && x.fp === x.argsAt;
  if (!isTail) run.stack.pushCall(x.instance!, x);
  run.next = Next.Call;
}

/** A call in the same instance, made as one of another instance's function. */
function callDirect(run: RunState): void {
  const x = run.machine;
  const { words } = x.module;
  x.callee = x.instance!.funcAddress(words[x.pc + 1]!);
  x.argsAt = x.fp + words[x.pc + 2]!;
  x.position = words[x.pc + 3]!;
  x.pc += 4;
  leaveCode(run);
}

function callIndirect(run: RunState): void {
  const x = run.machine;
  const { words } = x.module;
  const operand = x.words[x.fp + words[x.pc + 1]!]!;
  const isTyped = words[x.pc] === Reg.CallRef;
  try {
    x.callee = isTyped ? funcReference(operand) : calleeIn(x, x.instance!.table0, operand >>> 0, words[x.pc + 2]!);
  } catch (error) {
    trappedInCode(run, error);
    return;
  }
  if (!isTyped) x.pc++;
  x.argsAt = x.fp + words[x.pc + 2]!;
  x.position = words[x.pc + 3]!;
  x.pc += 4;
  leaveCode(run);
}

/** Enters a function of an instance whose arguments stand at `argsAt`; false when its code is not ready yet. */
export function enterCode(run: RunState, instance: Instance, funcIndex: number, argsAt: number): boolean {
  const x = run.machine;
  x.enter(instance);
  // Before lowering, which takes memory and time of the frame's size.
  if (argsAt + leastFrameWords(instance, funcIndex) > run.maxWords) {
    trapped(run, new Trap("call stack exhausted"));
    return true;
  }
  if (!instance.module.lower(funcIndex, x.isExact, LOWERING_STEP_INSTRUCTIONS)) return false;
  const { words } = instance.code;
  const target = x.entries[funcIndex]!;
  const head = target - Head.Length;
  const top = argsAt + words[head + Head.FrameWords]!;
  if (top > run.maxWords) {
    trapped(run, new Trap("call stack exhausted"));
    return true;
  }
  run.ensureWords(top);
  const link = argsAt + words[head + Head.Link]!;
  // The return position 0 is the entry's end.
  x.words.fill(0, argsAt + words[head + Head.ParamWords]!, link + Link.Length);
  x.fp = argsAt;
  x.pc = target;
  x.position = words[head + Head.EntryFuel]!;
  x.fuel = run.remaining;
  run.remaining -= x.position;
  run.next = Next.Run;
  run.isInside = false;
  return true;
}

/** Words that a function's frame has at least: its operands. */
function leastFrameWords({ module }: Instance, funcIndex: number): number {
  const maxHeight = module.maxHeights[funcIndex - module.data.importedFuncs];
  return maxHeight === undefined ? 0 : Link.Length + 2 * maxHeight;
}
