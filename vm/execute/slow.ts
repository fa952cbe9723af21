/**
 * The rare operations of register code, one call each. Returns the next position, or the
 * complement of an {@link Exit}; position, frame and fuel stand in the machine. Traps are thrown.
 */

import { InternalError, Trap } from "../errors.ts";
import { Head, Link, NullTrap, Reg } from "../lower/code.ts";
import { INSTRUCTION_BY_NUMBER, Op } from "../opcodes.ts";
import type { Memory } from "../runtime/memory.ts";
import type { Table } from "../runtime/table.ts";
import { effectiveAddress, within } from "./access.ts";
import { atomic, atomicWait } from "./atomics.ts";
import {
  addressAt,
  memoryCopy,
  memoryFill,
  memoryGrow,
  memoryInit,
  setAddress,
  tableCopy,
  tableFill,
  tableGrow,
  tableInit,
} from "./bulk.ts";
import { Exit, type Machine } from "./machine.ts";
import { accessVector } from "./simd-memory.ts";
import { numeric1, numeric2 } from "./slow-numeric.ts";
import { wide } from "./wide.ts";

/** Bytes that each load and store touches, by instruction. */
const WIDTHS = Uint8Array.from(INSTRUCTION_BY_NUMBER, (instruction) => instruction?.width ?? 0);

const PAUSED_INSIDE = ~Exit.PausedInside;

export function slow(x: Machine): number {
  const { words, fp, pc } = x;
  const code = x.module.words;
  const instance = x.instance!;
  const a = code[pc + 1]!;
  const b = code[pc + 2]!;
  const c = code[pc + 3]!;
  switch (code[pc]) {
    case Reg.Numeric1:
      numeric1(x, c, fp + a, fp + b);
      return pc + 4;
    case Reg.Numeric2:
      numeric2(x, code[pc + 4]!, fp + a, fp + b, fp + c);
      return pc + 5;

    case Reg.GlobalGet: {
      const at = instance.globalsAt[b]!;
      words.set(instance.store.globalWords.subarray(at, at + valueWords(x, b)), fp + a);
      return pc + 3;
    }
    case Reg.GlobalSet:
    case Reg.GlobalInit: {
      const at = instance.globalsAt[b]!;
      instance.store.globalWords.set(words.subarray(fp + a, fp + a + valueWords(x, b)), at);
      return pc + 3;
    }
    case Reg.MoveSlots:
      words.copyWithin(fp + a, fp + b, fp + b + 2 * c);
      return pc + 4;

    case Reg.Load: {
      const memory = instance.memories[code[pc + 5]!]!;
      load(x, code[pc + 6]!, memory, effectiveAddress(x, b, c, code[pc + 4]!, memory), fp + a);
      return pc + 7;
    }
    case Reg.Store: {
      const memory = instance.memories[code[pc + 5]!]!;
      store(x, code[pc + 6]!, memory, effectiveAddress(x, a, c, code[pc + 4]!, memory), fp + b);
      return pc + 7;
    }
    case Reg.VectorAccess: {
      const memory = instance.memories[code[pc + 8]!]!;
      const address = effectiveAddress(x, c, code[pc + 6]!, code[pc + 7]!, memory);
      const at = within(memory, address, WIDTHS[a]!);
      accessVector(words, a, memory.view, at, fp + b, fp + code[pc + 4]!, code[pc + 5]!);
      return pc + 9;
    }
    case Reg.MemorySize:
      setAddress(x, fp + a, instance.memories[b]!.pages, instance.memories[b]!.isAddressed64);
      return pc + 3;
    case Reg.MemoryGrow:
      return memoryGrow(x, fp + a, instance.memories[b]!, c) ? pc + 4 : PAUSED_INSIDE;
    case Reg.MemoryFill:
      return memoryFill(x, fp + a, instance.memories[b]!, c) ? pc + 4 : PAUSED_INSIDE;
    case Reg.MemoryCopy:
      return memoryCopy(x, fp + a, instance.memories[b]!, instance.memories[c]!, code[pc + 4]!)
        ? pc + 5
        : PAUSED_INSIDE;
    case Reg.MemoryInit:
      return memoryInit(x, fp + a, b, instance.memories[c]!, code[pc + 4]!) ? pc + 5 : PAUSED_INSIDE;
    case Reg.DataDrop:
      instance.segments.dropData(a);
      return pc + 2;

    case Reg.TableGet: {
      const table = instance.tables[c]!;
      words[fp + a] = table.handleAt(addressAt(x, fp + b, table.isAddressed64));
      return pc + 4;
    }
    case Reg.TableSet: {
      const table = instance.tables[c]!;
      table.setHandle(addressAt(x, fp + a, table.isAddressed64), words[fp + b]!);
      return pc + 4;
    }
    case Reg.TableSize:
      setAddress(x, fp + a, instance.tables[b]!.length, instance.tables[b]!.isAddressed64);
      return pc + 3;
    case Reg.TableGrow:
      return tableGrow(x, fp + a, instance.tables[b]!, c) ? pc + 4 : PAUSED_INSIDE;
    case Reg.TableFill:
      return tableFill(x, fp + a, instance.tables[b]!, c) ? pc + 4 : PAUSED_INSIDE;
    case Reg.TableCopy:
      return tableCopy(x, fp + a, instance.tables[b]!, instance.tables[c]!, code[pc + 4]!) ? pc + 5 : PAUSED_INSIDE;
    case Reg.TableInit:
      return tableInit(x, fp + a, b, instance.tables[c]!, code[pc + 4]!) ? pc + 5 : PAUSED_INSIDE;
    case Reg.ElemDrop:
      instance.segments.dropElement(a);
      return pc + 2;
    case Reg.ElemInit:
      instance.segments.setItem(b, c, words[fp + a]!);
      return pc + 4;
    case Reg.RefFunc:
      words[fp + a] = instance.funcAddress(b);
      return pc + 3;

    case Reg.CallTable: {
      const table = instance.tables[code[pc + 5]!]!;
      x.callee = calleeIn(x, table, addressAt(x, fp + a, table.isAddressed64), b);
      x.argsAt = fp + c;
      x.position = code[pc + 4]!;
      x.pc = pc + 6;
      return ~Exit.CallAddress;
    }
    case Reg.ReturnCall:
      return tailCall(x, instance.funcAddress(a), fp + b, c, fp + code[pc + 4]!, code[pc + 5]!);
    case Reg.ReturnCallIndirect: {
      const table = instance.tables[code[pc + 7]!]!;
      const address = calleeIn(x, table, addressAt(x, fp + a, table.isAddressed64), b);
      return tailCall(x, address, fp + c, code[pc + 4]!, fp + code[pc + 5]!, code[pc + 6]!);
    }
    case Reg.ReturnCallRef:
      return tailCall(x, funcReference(words[fp + a]!), fp + b, c, fp + code[pc + 4]!, code[pc + 5]!);
    case Reg.Wide:
      return wide(x);
    case Reg.Atomic:
      return atomic(x);
    case Reg.AtomicWait:
      return atomicWait(x);
    case Reg.TrapNull:
      throw new Trap(a === NullTrap.I31 ? "null i31 reference" : "null reference");
    case Reg.RefTest:
      words[fp + a] = instance.store.matches(words[fp + b]!, c) ? 1 : 0;
      return pc + 4;
    case Reg.RefCast:
      if (!instance.store.matches(words[fp + a]!, b)) throw new Trap("cast failure");
      return pc + 3;
    case Reg.BrOnCast:
      return instance.store.matches(words[fp + a]!, b) ? branch(x) : pc + 6;
    case Reg.BrOnCastFail:
      return instance.store.matches(words[fp + a]!, b) ? pc + 6 : branch(x);
    default:
      throw new InternalError(`no register operation ${code[pc]} at ${pc}`);
  }
}

/** Takes the branch whose target stands at pc + 3. */
function branch(x: Machine): number {
  const code = x.module.words;
  const { pc } = x;
  const target = code[pc + 3]!;
  const position = code[pc + 5]!;
  x.fuel = (x.fuel + code[pc + 4]!) | 0;
  if (x.fuel > position) return target;
  x.pc = target;
  x.position = position;
  return ~Exit.Paused;
}

/** The function at a table's index, checked against the expected type. Throws `Trap`. (spec: exec-call-indirect) */
export function calleeIn(x: Machine, table: Table, index: number, typeId: number): number {
  if (!(index < table.length)) throw new Trap("undefined element", `index ${index}`);
  const address = table.handleAt(index);
  if (address === 0) throw new Trap("uninitialized element", String(index));
  const { store } = x.instance!;
  if (!store.engine.types.isSubtype(store.typeIdOf(address), typeId)) throw new Trap("indirect call type mismatch");
  return address;
}

/** The function that a reference names. Throws `Trap` for null. */
export function funcReference(handle: number): number {
  if (handle === 0) throw new Trap("null function reference");
  return handle;
}

/** Leaves the frame whose link is at `link` and enters the function there, with its arguments moved down. */
function tailCall(
  x: Machine,
  address: number,
  argsAt: number,
  argsWords: number,
  link: number,
  fuelAfter: number,
): number {
  const { words, fp } = x;
  const instance = x.instance!;
  const index = address - instance.funcsAt;
  const isOwn = index >= 0 && index < instance.module.data.funcs.length && !instance.isImported(index);
  // Without code it is entered as a function of another instance is: lowering may take several turns.
  const target = isOwn ? x.entries[index]! : 0;
  const code = x.module.words;
  if (target !== 0 && fp + code[target - Head.Length + Head.FrameWords]! > x.limitWords) {
    x.argsAt = fp;
    return ~Exit.NeedsFrames;
  }
  const returnPosition = words[link]!;
  const distance = words[link + Link.CallerDistance]!;
  const returnP = words[link + Link.ReturnP]!;
  words.copyWithin(fp, argsAt, argsAt + argsWords);
  if (target === 0) {
    // As if the caller of this frame had called: whatever the callee is, this frame is gone.
    x.callee = address;
    x.argsAt = fp;
    x.pc = returnPosition;
    x.fp = fp - distance;
    x.position = returnP;
    x.fuel = (x.fuel - fuelAfter + returnP) | 0;
    return ~Exit.CallAddress;
  }
  const newLink = fp + code[target - Head.Length + Head.Link]!;
  words.fill(0, fp + code[target - Head.Length + Head.ParamWords]!, newLink);
  words[newLink] = returnPosition;
  words[newLink + Link.CallerDistance] = distance;
  words[newLink + Link.ReturnP] = returnP;
  x.fuel = (x.fuel - fuelAfter) | 0;
  const entryP = code[target - Head.Length + Head.EntryFuel]!;
  if (x.fuel > entryP) return target;
  x.pc = target;
  x.position = entryP;
  return ~Exit.Paused;
}

/** Words of the value of a global. */
function valueWords(x: Machine, globalIndex: number): number {
  return x.instance!.module.globalWords[globalIndex]!;
}

function load(x: Machine, op: Op, memory: Memory, address: number, d: number): void {
  const { words } = x;
  const { view } = memory;
  const at = within(memory, address, WIDTHS[op]!);
  switch (op) {
    case Op.I32Load:
    case Op.F32Load:
      words[d] = view.getInt32(at, true);
      return;
    case Op.I32Load8S:
      words[d] = view.getInt8(at);
      return;
    case Op.I32Load8U:
      words[d] = view.getUint8(at);
      return;
    case Op.I32Load16S:
      words[d] = view.getInt16(at, true);
      return;
    case Op.I32Load16U:
      words[d] = view.getUint16(at, true);
      return;
    case Op.I64Load:
    case Op.F64Load:
      words[d] = view.getInt32(at, true);
      words[d + 1] = view.getInt32(at + 4, true);
      return;
    case Op.I64Load8S:
      setSigned(words, d, view.getInt8(at));
      return;
    case Op.I64Load8U:
      words[d] = view.getUint8(at);
      words[d + 1] = 0;
      return;
    case Op.I64Load16S:
      setSigned(words, d, view.getInt16(at, true));
      return;
    case Op.I64Load16U:
      words[d] = view.getUint16(at, true);
      words[d + 1] = 0;
      return;
    case Op.I64Load32S:
      setSigned(words, d, view.getInt32(at, true));
      return;
    case Op.I64Load32U:
      words[d] = view.getInt32(at, true);
      words[d + 1] = 0;
      return;
    default:
      throw new InternalError(`no load 0x${op.toString(16)}`);
  }
}

function setSigned(words: Int32Array, d: number, value: number): void {
  words[d] = value;
  words[d + 1] = value >> 31;
}

function store(x: Machine, op: Op, memory: Memory, address: number, a: number): void {
  const { words } = x;
  const { view } = memory;
  const at = within(memory, address, WIDTHS[op]!);
  switch (op) {
    case Op.I32Store:
    case Op.F32Store:
    case Op.I64Store32:
      view.setInt32(at, words[a]!, true);
      return;
    case Op.I32Store8:
    case Op.I64Store8:
      view.setInt8(at, words[a]!);
      return;
    case Op.I32Store16:
    case Op.I64Store16:
      view.setInt16(at, words[a]!, true);
      return;
    case Op.I64Store:
    case Op.F64Store:
      view.setInt32(at, words[a]!, true);
      view.setInt32(at + 4, words[a + 1]!, true);
      return;
    default:
      throw new InternalError(`no store 0x${op.toString(16)}`);
  }
}
