/**
 * The immediates of instructions (spec: text-instr): read from the text and written in the order of the
 * binary format. Driven by the instruction table; cases exist per kind of immediate, not per instruction.
 */

import { writeHeapType, writeValType } from "../binary/encode.ts";
import type { Writer } from "../binary/writer.ts";
import { InternalError, type MalformedMessage } from "../errors.ts";
import type { Immediate, Instruction } from "../instruction.ts";
import { INSTRUCTION_BY_NUMBER, Op, PREFIX_PAGES } from "../opcodes.ts";
import { heapOf, isNullable, type ValType } from "../types.ts";
import { type Context, isIndex, nat, type Space } from "./context.ts";
import type { Cursor } from "./cursor.ts";
import { Kind } from "./lexer.ts";
import { f32Bits, f64Bits, i32Bits, integerBits, u32Value, u64Value } from "./numbers.ts";
import { parseBoundTypes, parseFieldIndex, parseHeapType, parseRefType, parseTypeIndex } from "./types.ts";

/** What instructions inside a function can see besides the module. */
export interface Scope {
  readonly locals: Space;
  /** The index of the label at the cursor, 0 for the innermost. */
  labelIndex(cursor: Cursor): number;
}

const PREFIX_OF_PAGE: readonly [page: number, prefix: number][] = [...PREFIX_PAGES]
  .map(([prefix, page]): [number, number] => [page, prefix])
  .sort(([left], [right]) => right - left);

export function writeOpcode(out: Writer, op: number): void {
  if (op < 0x100) {
    out.u8(op);
    return;
  }
  for (const [page, prefix] of PREFIX_OF_PAGE) {
    if (op < page) continue;
    out.u8(prefix);
    out.u32(op - page);
    return;
  }
}

/**
 * Writes an instruction whose mnemonic has just been taken: its number and its immediates.
 * Block instructions are not among them. Returns the number, which may depend on the immediates.
 */
export function writeInstruction(context: Context, scope: Scope, op: number, out: Writer): number {
  switch (op) {
    case Op.Select:
      return writeSelect(context, out);
    case Op.RefTest:
    case Op.RefCast:
      return writeCast(context, op, out);
    case Op.CallIndirect:
    case Op.ReturnCallIndirect:
      writeCallIndirect(context, op, out);
      return op;
    case Op.TableInit:
      writeInit(context, op, context.tables, context.elems, out);
      return op;
    case Op.MemoryInit:
      context.usesDataCount = true;
      writeInit(context, op, context.memories, context.data, out);
      return op;
    case Op.MemoryCopy:
      writeCopy(context, op, context.memories, out);
      return op;
    case Op.TableCopy:
      writeCopy(context, op, context.tables, out);
      return op;
    default:
      writeOpcode(out, op);
      writeImmediates(context, scope, INSTRUCTION_BY_NUMBER[op]!, out);
      return op;
  }
}

function writeImmediates(context: Context, scope: Scope, instruction: Instruction, out: Writer): void {
  let typeIndex = 0;
  for (const immediate of instruction.immediates) {
    if (immediate === "typeidx") {
      typeIndex = context.typeSpace.index(context.cursor);
      out.u32(typeIndex);
    } else if (immediate === "fieldidx") {
      out.u32(parseFieldIndex(context, typeIndex));
    } else {
      writeImmediate(context, scope, instruction, immediate, out);
    }
  }
}

function writeImmediate(
  context: Context,
  scope: Scope,
  instruction: Instruction,
  immediate: Exclude<Immediate, "typeidx" | "fieldidx">,
  out: Writer,
): void {
  const { cursor } = context;
  switch (immediate) {
    case "localidx":
      out.u32(scope.locals.index(cursor));
      return;
    case "globalidx":
      out.u32(context.globals.index(cursor));
      return;
    case "funcidx":
      out.u32(context.funcs.index(cursor));
      return;
    case "labelidx":
      out.u32(scope.labelIndex(cursor));
      return;
    case "labels":
      writeLabels(cursor, scope, out);
      return;
    case "tableidx":
      out.u32(optionalIndex(cursor, context.tables));
      return;
    case "memidx":
      out.u32(optionalIndex(cursor, context.memories));
      return;
    case "elemidx":
      out.u32(context.elems.index(cursor));
      return;
    case "dataidx":
      context.usesDataCount = true;
      out.u32(context.data.index(cursor));
      return;
    case "tagidx":
      out.u32(context.tags.index(cursor));
      return;
    case "heaptype":
      writeHeapType(out, parseHeapType(context));
      return;
    case "castop":
      writeCastOperands(context, scope, out);
      return;
    case "memarg":
      writeMemArg(context, instruction, out);
      return;
    case "laneidx":
      out.u8(laneIndex(cursor));
      return;
    case "lanes16":
      writeShuffle(cursor, out);
      return;
    case "u32":
      out.u32(nat(cursor));
      return;
    case "i32":
      out.s32(literal(cursor, i32Bits, Kind.Int));
      return;
    case "i64":
      out.s64(literal(cursor, (word) => integerBits(word, 64), Kind.Int));
      return;
    case "f32":
      out.f32Bits(literal(cursor, f32Bits, Kind.Float));
      return;
    case "f64":
      out.f64Bits(literal(cursor, f64Bits, Kind.Float));
      return;
    case "v128":
      out.bytes(parseVector(cursor));
      return;
    case "order":
      out.u8(0x00);
      return;
    default:
      throw new InternalError(`immediate ${immediate} outside its instruction`);
  }
}

/** A number literal up to that kind, by its reader; null from the reader means out of range. */
function literal<T>(
  cursor: Cursor,
  read: (word: string) => T | null,
  widest: Kind.Int | Kind.Float,
  message: MalformedMessage = "constant out of range",
): T {
  const kind = cursor.kind();
  if (kind < Kind.Nat || kind > widest) throw cursor.unexpected();
  const value = read(cursor.word());
  if (value === null) throw cursor.fail(message, cursor.word().slice(0, 80));
  cursor.at++;
  return value;
}

function optionalIndex(cursor: Cursor, space: Space): number {
  return isIndex(cursor) ? space.index(cursor) : 0;
}

function writeLabels(cursor: Cursor, scope: Scope, out: Writer): void {
  const labels = [scope.labelIndex(cursor)];
  while (isIndex(cursor)) labels.push(scope.labelIndex(cursor));
  out.u32(labels.length - 1);
  for (const label of labels) out.u32(label);
}

function writeSelect(context: Context, out: Writer): number {
  const { cursor } = context;
  if (!cursor.isForm("result")) {
    writeOpcode(out, Op.Select);
    return Op.Select;
  }
  const types: ValType[] = [];
  while (cursor.takeForm("result")) parseBoundTypes(context, types, null);
  writeOpcode(out, Op.SelectTyped);
  out.u32(types.length);
  for (const type of types) writeValType(out, type);
  return Op.SelectTyped;
}

/** The nullability of the type chooses between the two numbers of `ref.test` and `ref.cast`. */
function writeCast(context: Context, op: Op.RefTest | Op.RefCast, out: Writer): number {
  const type = parseRefType(context);
  const nullableOp = op === Op.RefTest ? Op.RefTestNull : Op.RefCastNull;
  const chosen = isNullable(type) ? nullableOp : op;
  writeOpcode(out, chosen);
  writeHeapType(out, heapOf(type));
  return chosen;
}

function writeCastOperands(context: Context, scope: Scope, out: Writer): void {
  const label = scope.labelIndex(context.cursor);
  const from = parseRefType(context);
  const to = parseRefType(context);
  out.u8((isNullable(from) ? 1 : 0) | (isNullable(to) ? 2 : 0));
  out.u32(label);
  writeHeapType(out, heapOf(from));
  writeHeapType(out, heapOf(to));
}

/** The text names the table first, the binary the type. */
function writeCallIndirect(context: Context, op: Op, out: Writer): void {
  const table = optionalIndex(context.cursor, context.tables);
  writeOpcode(out, op);
  out.u32(parseTypeIndex(context));
  out.u32(table);
}

/** `memory.init`, `table.init`: the text names the memory or table first, and may leave it out. */
function writeInit(context: Context, op: Op, targets: Space, segments: Space, out: Writer): void {
  const { cursor } = context;
  const target = isIndex(cursor, 1) ? targets.index(cursor) : 0;
  writeOpcode(out, op);
  out.u32(segments.index(cursor));
  out.u32(target);
}

/** `memory.copy`, `table.copy`: both indices or none. */
function writeCopy(context: Context, op: Op, space: Space, out: Writer): void {
  const { cursor } = context;
  writeOpcode(out, op);
  const hasIndices = isIndex(cursor);
  out.u32(hasIndices ? space.index(cursor) : 0);
  out.u32(hasIndices ? space.index(cursor) : 0);
}

/** (spec: text-memarg) Alignment is written as its logarithm; bit 6 of it announces a memory index. */
function writeMemArg(context: Context, instruction: Instruction, out: Writer): void {
  const { cursor } = context;
  const memory = isMemoryNext(cursor, instruction) ? context.memories.index(cursor) : 0;
  const offset = memArgValue(cursor, "offset=", u64Value) ?? 0n;
  const alignAt = cursor.at;
  const align = memArgValue(cursor, "align=", u64Value) ?? BigInt(instruction.width);
  if (align === 0n || (align & (align - 1n)) !== 0n) {
    throw cursor.fail("alignment must be a power of two", undefined, alignAt);
  }
  const logarithm = align.toString(2).length - 1;
  out.u32(memory === 0 ? logarithm : logarithm | 0x40);
  if (memory !== 0) out.u32(memory);
  out.u64(offset);
}

/** Before a lane index, a single number is the lane: the memory then has a second one behind it. */
function isMemoryNext(cursor: Cursor, instruction: Instruction): boolean {
  const kind = cursor.kind();
  if (kind !== Kind.Nat) return kind === Kind.Id;
  if (!instruction.immediates.includes("laneidx")) return true;
  return cursor.kind(1) === Kind.Nat || cursor.startsWith("offset=", 1) || cursor.startsWith("align=", 1);
}

function memArgValue<T>(cursor: Cursor, prefix: string, read: (word: string) => T | null): T | null {
  if (cursor.kind() !== Kind.Keyword) return null;
  const word = cursor.word();
  if (!word.startsWith(prefix)) return null;
  const digits = word.slice(prefix.length);
  if (!/^(0x[0-9a-fA-F]+(_[0-9a-fA-F]+)*|[0-9]+(_[0-9]+)*)$/.test(digits)) throw cursor.unknownOperator();
  const value = read(digits);
  if (value === null) throw cursor.fail("constant out of range", word.slice(0, 80));
  cursor.at++;
  return value;
}

function laneIndex(cursor: Cursor): number {
  if (cursor.kind() !== Kind.Nat) throw cursor.unexpected();
  const value = u32Value(cursor.word());
  if (value === null || value > 0xff) throw cursor.fail("i8 constant out of range");
  cursor.at++;
  return value;
}

function writeShuffle(cursor: Cursor, out: Writer): void {
  let count = 0;
  for (; isNumber(cursor.kind()); count++) {
    if (count === 16) throw cursor.fail("invalid lane length");
    if (cursor.kind() !== Kind.Nat) throw cursor.fail("i8 constant out of range");
    out.u8(laneIndex(cursor));
  }
  if (count !== 16) throw cursor.fail("invalid lane length");
}

function isNumber(kind: Kind): boolean {
  return kind === Kind.Nat || kind === Kind.Int || kind === Kind.Float;
}

/** Number of lanes of each shape; the bits of a lane follow. */
export const SHAPES: ReadonlyMap<string, number> = new Map([
  ["i8x16", 16],
  ["i16x8", 8],
  ["i32x4", 4],
  ["i64x2", 2],
  ["f32x4", 4],
  ["f64x2", 2],
]);

/** The bits of a lane literal of that shape at the cursor. */
export function parseLane(cursor: Cursor, shape: string): bigint {
  switch (shape) {
    case "f32x4":
      return BigInt(literal(cursor, f32Bits, Kind.Float));
    case "f64x2":
      return literal(cursor, f64Bits, Kind.Float);
    default: {
      const bits = laneBits(shape);
      return literal(cursor, (word) => integerBits(word, bits), Kind.Int);
    }
  }
}

export function laneBits(shape: string): 8 | 16 | 32 | 64 {
  return (128 / (SHAPES.get(shape) ?? 2)) as 8 | 16 | 32 | 64;
}

/** The 16 bytes of `shape lane*` at the cursor. */
export function parseVector(cursor: Cursor): Uint8Array {
  const shape = cursor.word();
  const lanes = SHAPES.get(shape);
  if (cursor.kind() !== Kind.Keyword || lanes === undefined) throw cursor.unexpected();
  const at = cursor.at++;
  let given = 0;
  while (isNumber(cursor.kind(given)) && given <= lanes) given++;
  if (given < lanes && !cursor.isKnown(given)) {
    cursor.at += given;
    throw cursor.unexpected();
  }
  if (given !== lanes) throw cursor.fail("wrong number of lane literals", undefined, at);
  const bytes = new Uint8Array(16);
  const laneBytes = 16 / lanes;
  for (let i = 0; i < lanes; i++) {
    let bits = parseLane(cursor, shape);
    for (let j = 0; j < laneBytes; j++, bits >>= 8n) bytes[i * laneBytes + j] = Number(bits & 0xffn);
  }
  return bytes;
}
