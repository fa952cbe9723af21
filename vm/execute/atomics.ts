/**
 * Atomic instructions (threads proposal). All threads of a memory take turns in one event loop and
 * no instruction is interrupted, so atomic accesses are plain ones that also check alignment; what
 * is left is waiting, which suspends the invocation, and waking.
 */

import { InternalError, Trap } from "../errors.ts";
import { INSTRUCTION_BY_NUMBER, Op } from "../opcodes.ts";
import type { Memory } from "../runtime/memory.ts";
import { WaitResult } from "../runtime/waiters.ts";
import { effectiveAddress, within } from "./access.ts";
import { Exit, type Machine } from "./machine.ts";

const WIDTHS = Uint8Array.from(INSTRUCTION_BY_NUMBER, (instruction) => instruction?.width ?? 0);

/** The accesses stand in groups of seven, one for each type and width in the same order. */
const GROUP = 7;
const enum Group {
  Load,
  Store,
  Add,
  Sub,
  And,
  Or,
  Xor,
  Xchg,
  Cmpxchg,
}

/** `Reg.Atomic`: everything but waiting. */
export function atomic(x: Machine): number {
  const { words, fp, pc } = x;
  const code = x.module.words;
  const memory = x.instance!.memories[code[pc + 7]!]!;
  const op = code[pc + 8]! as Op;
  const address = effectiveAddress(x, code[pc + 2]!, code[pc + 5]!, code[pc + 6]!, memory);
  const at = aligned(memory, address, WIDTHS[op]!);
  const d = fp + code[pc + 1]!;
  const b = fp + code[pc + 3]!;
  if (op === Op.MemoryAtomicNotify) {
    const woken = memory.waiters.wake(address, words[b]! >>> 0);
    words[d] = woken;
    // Each is paid for: there may be many.
    x.fuel = (x.fuel - woken) | 0;
  } else access(words, op, memory.view, at, d, b, fp + code[pc + 4]!);
  return pc + 9;
}

/**
 * `Reg.AtomicWait`: the first time it may suspend the invocation; then the same position goes on
 * with the result that the waiter has got.
 */
export function atomicWait(x: Machine): number {
  const { words, pc } = x;
  const code = x.module.words;
  const a = x.fp + code[pc + 1]!;
  const next = pc + 7;
  if (x.waiter !== null) {
    words[a] = x.waiter.result ?? WaitResult.Woken;
    x.waiter = null;
    return next;
  }
  const memory = x.instance!.memories[code[pc + 4]!]!;
  const op = code[pc + 5]! as Op;
  const address = effectiveAddress(x, code[pc + 1]!, code[pc + 2]!, code[pc + 3]!, memory);
  checkAlignment(address, WIDTHS[op]!);
  if (!memory.isShared) throw new Trap("expected shared memory");
  const at = within(memory, address, WIDTHS[op]!);
  const { view } = memory;
  const isLow = view.getInt32(at, true) === words[a + 2]!;
  if (!isLow || (op === Op.MemoryAtomicWait64 && view.getInt32(at + 4, true) !== words[a + 3]!)) {
    words[a] = WaitResult.NotEqual;
    return next;
  }
  const timeoutNs = (BigInt(words[a + 5]!) << 32n) | BigInt(words[a + 4]! >>> 0);
  if (timeoutNs === 0n) {
    words[a] = WaitResult.TimedOut;
    return next;
  }
  x.waiter = memory.waiters.add(address, timeoutNs < 0n ? null : timeoutNs);
  x.position = code[pc + 6]!;
  return ~Exit.AtomicWait;
}

function checkAlignment(address: number, width: number): void {
  // Past 2^53 an address is rounded to an aligned one, and out of bounds.
  if (address % width !== 0) throw new Trap("unaligned atomic", `address ${address}`);
}

function aligned(memory: Memory, address: number, width: number): number {
  checkAlignment(address, width);
  return within(memory, address, width);
}

/** Reads the value at `at` into the slot at `d`, and writes what the instruction makes of it and its operands. */
function access(words: Int32Array, op: Op, view: DataView, at: number, d: number, b: number, c: number): void {
  const group: Group = ((op - Op.I32AtomicLoad) / GROUP) | 0;
  const width = WIDTHS[op]!;
  const b0 = words[b]!;
  const b1 = words[b + 1]!;
  if (group === Group.Store) {
    write(view, at, width, b0, b1);
    return;
  }
  const c0 = words[c]!;
  const c1 = words[c + 1]!;
  const low = readLow(view, at, width);
  const high = width === 8 ? view.getInt32(at + 4, true) : 0;
  const is64 = isResult64(op);
  words[d] = low;
  if (is64) words[d + 1] = high;
  switch (group) {
    case Group.Load:
      return;
    case Group.Add: {
      const sum = (low + b0) | 0;
      write(view, at, width, sum, high + b1 + (sum >>> 0 < low >>> 0 ? 1 : 0));
      return;
    }
    case Group.Sub:
      write(view, at, width, low - b0, high - b1 - (low >>> 0 < b0 >>> 0 ? 1 : 0));
      return;
    case Group.And:
      write(view, at, width, low & b0, high & b1);
      return;
    case Group.Or:
      write(view, at, width, low | b0, high | b1);
      return;
    case Group.Xor:
      write(view, at, width, low ^ b0, high ^ b1);
      return;
    case Group.Xchg:
      write(view, at, width, b0, b1);
      return;
    case Group.Cmpxchg:
      // What is expected is as narrow as the access.
      if ((low ^ b0) << (width < 4 ? 32 - 8 * width : 0) !== 0 || (width === 8 && high !== b1)) return;
      write(view, at, width, c0, c1);
      return;
    default:
      throw new InternalError(`no atomic access 0x${(op as number).toString(16)}`);
  }
}

function isResult64(op: Op): boolean {
  const kind = (op - Op.I32AtomicLoad) % GROUP;
  return kind === 1 || kind >= 4;
}

function readLow(view: DataView, at: number, width: number): number {
  if (width === 1) return view.getUint8(at);
  return width === 2 ? view.getUint16(at, true) : view.getInt32(at, true);
}

function write(view: DataView, at: number, width: number, low: number, high: number): void {
  if (width === 1) view.setInt8(at, low);
  else if (width === 2) view.setInt16(at, low, true);
  else {
    view.setInt32(at, low, true);
    if (width === 8) view.setInt32(at + 4, high, true);
  }
}
