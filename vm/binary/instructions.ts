/**
 * Reads one instruction with its immediates, driven by the instruction table: for the printer,
 * for the decoder (which has to find the end of constant expressions) and for tests. The validator
 * and the lowering read the same bytes with code of their own, because they are hot.
 */

import { CompileError, limitExceeded } from "../errors.ts";
import type { Immediate, Instruction } from "../instruction.ts";
import { MAX_BR_TABLE } from "../limits.ts";
import { INSTRUCTION_BY_NUMBER, Op, PAGE_SIZES, PREFIX_PAGES } from "../opcodes.ts";
import type { HeapType, ValType } from "../types.ts";
import { EMPTY_BLOCK, readBlockType, readHeapType, readValType } from "./read-types.ts";
import type { Reader } from "./reader.ts";

/** The type of a block: nothing, one result, or a function type of the module. */
export type BlockType =
  | { readonly kind: "empty" }
  | { readonly kind: "result"; readonly type: ValType }
  | { readonly kind: "index"; readonly typeIndex: number };

/** One clause of try_table. `tagIndex` is null for `catch_all` and `catch_all_ref`. */
export interface CatchClause {
  readonly kind: "catch" | "catch_ref" | "catch_all" | "catch_all_ref";
  readonly tagIndex: number | null;
  readonly label: number;
}

/** The clauses by their byte in the binary format. */
export const CATCH_KINDS = ["catch", "catch_ref", "catch_all", "catch_all_ref"] as const;

/** What is one number below 2^32 in the binary. */
export type IndexImmediate = Extract<Immediate, `${string}idx` | "u32" | "order">;

/** The value of one immediate; `kind` is the immediate's name in the table. */
export type ImmediateValue =
  | { readonly kind: IndexImmediate; readonly value: number }
  | { readonly kind: "i32"; readonly value: number }
  | { readonly kind: "i64"; readonly value: bigint }
  /** Bits, since a number does not keep every NaN. */
  | { readonly kind: "f32"; readonly bits: number }
  | { readonly kind: "f64"; readonly bits: bigint }
  | { readonly kind: "v128" | "lanes16"; readonly bytes: Uint8Array }
  | { readonly kind: "blocktype"; readonly type: BlockType }
  | { readonly kind: "heaptype"; readonly heap: HeapType }
  /** `align` is the exponent of two as in the binary. */
  | { readonly kind: "memarg"; readonly align: number; readonly memIndex: number; readonly offset: bigint }
  | { readonly kind: "castop"; readonly label: number; readonly source: CastTarget; readonly target: CastTarget }
  | { readonly kind: "catches"; readonly clauses: readonly CatchClause[] }
  /** br_table: the default label is the last one. */
  | { readonly kind: "labels"; readonly labels: readonly number[] }
  | { readonly kind: "valtypes"; readonly types: readonly ValType[] };

export interface CastTarget {
  readonly heap: HeapType;
  readonly nullable: boolean;
}

export interface DecodedInstruction {
  readonly op: Op;
  readonly instruction: Instruction;
  /** Byte offset of the opcode. */
  readonly position: number;
  /** One value for each of `instruction.immediates`. */
  readonly immediates: readonly ImmediateValue[];
}

/** Reads the number of an instruction and checks that the table has it. */
export function readOp(reader: Reader): Op {
  const position = reader.position;
  const byte = reader.u8();
  const page = PREFIX_PAGES.get(byte);
  if (page === undefined) {
    if (INSTRUCTION_BY_NUMBER[byte] === undefined) throw illegalOpcode(reader, byte, null, position);
    return byte;
  }
  const second = reader.u32();
  if (second >= PAGE_SIZES.get(byte)! || INSTRUCTION_BY_NUMBER[page + second] === undefined) {
    throw illegalOpcode(reader, byte, second, position);
  }
  return page + second;
}

/** "illegal opcode ff", as the suite spells it; `second` is the number after a prefix. */
export function illegalOpcode(reader: Reader, byte: number, second: number | null, position: number): CompileError {
  const hex = (value: number) => value.toString(16).padStart(2, "0");
  const text = second === null ? hex(byte) : `${hex(byte)} ${hex(second)}`;
  return new CompileError("malformed", `illegal opcode ${text}`, reader.placeAt(position));
}

/** Reads the instruction at the reader's position. Throws a `CompileError` when it is malformed. */
export function readInstruction(reader: Reader): DecodedInstruction {
  const position = reader.position;
  const op = readOp(reader);
  const instruction = INSTRUCTION_BY_NUMBER[op]!;
  const immediates: ImmediateValue[] = [];
  for (const kind of instruction.immediates) immediates.push(readImmediate(reader, kind));
  return { op, instruction, position, immediates };
}

/** Passes over an instruction, checking its grammar, and returns its number. */
export function skipInstruction(reader: Reader): Op {
  const op = readOp(reader);
  for (const kind of INSTRUCTION_BY_NUMBER[op]!.immediates) skipImmediate(reader, kind);
  return op;
}

function readImmediate(reader: Reader, kind: Immediate): ImmediateValue {
  switch (kind) {
    case "i32":
      return { kind, value: reader.s32() };
    case "i64":
      return { kind, value: reader.s64() };
    case "f32":
      return { kind, bits: fixedInteger(reader, 4) };
    case "f64": {
      const low = fixedInteger(reader, 4);
      return { kind, bits: (BigInt(fixedInteger(reader, 4)) << 32n) | BigInt(low) };
    }
    case "v128":
    case "lanes16": {
      const start = reader.position;
      reader.skip(16);
      return { kind, bytes: reader.bytes.slice(start, start + 16) };
    }
    case "blocktype":
      return { kind, type: blockType(readBlockType(reader)) };
    case "heaptype":
      return { kind, heap: readHeapType(reader) };
    case "memarg": {
      const { align, memIndex } = readMemArgFlags(reader);
      return { kind, align, memIndex, offset: reader.u64() };
    }
    case "castop": {
      const flags = readCastFlags(reader);
      const label = reader.u32();
      const source = { heap: readHeapType(reader), nullable: (flags & 1) !== 0 };
      const target = { heap: readHeapType(reader), nullable: (flags & 2) !== 0 };
      return { kind, label, source, target };
    }
    case "catches": {
      const clauses: CatchClause[] = [];
      for (let count = reader.count(); count > 0; count--) clauses.push(readCatch(reader));
      return { kind, clauses };
    }
    case "labels": {
      const labels: number[] = [];
      for (let count = readLabelCount(reader); count > 0; count--) labels.push(reader.u32());
      return { kind, labels };
    }
    case "valtypes": {
      const types: ValType[] = [];
      for (let count = reader.count(); count > 0; count--) types.push(readValType(reader));
      return { kind, types };
    }
    case "laneidx":
      return { kind, value: reader.u8() };
    case "order":
      return { kind, value: readFenceOrder(reader) };
    default:
      return { kind, value: reader.u32() };
  }
}

function skipImmediate(reader: Reader, kind: Immediate): void {
  switch (kind) {
    case "i32":
      reader.s32();
      return;
    case "i64":
      reader.skipS64();
      return;
    case "f32":
      reader.skip(4);
      return;
    case "f64":
      reader.skip(8);
      return;
    case "v128":
    case "lanes16":
      reader.skip(16);
      return;
    case "labels":
      for (let count = readLabelCount(reader); count > 0; count--) reader.u32();
      return;
    case "valtypes":
      for (let count = reader.count(); count > 0; count--) readValType(reader);
      return;
    case "laneidx":
      reader.u8();
      return;
    case "blocktype":
    case "castop":
    case "catches":
    case "heaptype":
    case "memarg":
    case "order":
      readImmediate(reader, kind);
      return;
    default:
      reader.u32();
  }
}

function blockType(packed: number): BlockType {
  if (packed === EMPTY_BLOCK) return { kind: "empty" };
  return packed < 0 ? { kind: "index", typeIndex: -2 - packed } : { kind: "result", type: packed };
}

/** The first part of a memarg: alignment, and the memory's index if a flag says so (spec: binary-memarg). */
export function readMemArgFlags(reader: Reader): { align: number; memIndex: number } {
  const position = reader.position;
  const flags = reader.u32();
  if (flags >= 0x80) throw reader.malformed("malformed memop flags", position);
  return { align: flags & 0x3f, memIndex: (flags & 0x40) === 0 ? 0 : reader.u32() };
}

/** The flags of br_on_cast: bit 0 the source, bit 1 the target is nullable. */
export function readCastFlags(reader: Reader): number {
  const flags = reader.u8();
  if (flags > 3) throw reader.malformed("malformed cast flags", reader.position - 1);
  return flags;
}

/** How many labels a br_table has, the default included. */
export function readLabelCount(reader: Reader): number {
  const position = reader.position;
  const count = reader.count();
  if (count > MAX_BR_TABLE) {
    throw limitExceeded(`${count} targets of br_table, at most ${MAX_BR_TABLE}`, reader.placeAt(position));
  }
  return count + 1;
}

export function readFenceOrder(reader: Reader): number {
  const order = reader.u8();
  if (order !== 0) throw reader.malformed("malformed atomic fence", reader.position - 1);
  return order;
}

export function readCatch(reader: Reader): CatchClause {
  const position = reader.position;
  const kind = CATCH_KINDS[reader.u8()];
  if (kind === undefined) throw reader.malformed("malformed catch kind", position);
  const tagIndex = kind === "catch" || kind === "catch_ref" ? reader.u32() : null;
  return { kind, tagIndex, label: reader.u32() };
}

/** A little-endian integer of fixed width. */
function fixedInteger(reader: Reader, byteLength: number): number {
  const start = reader.position;
  reader.skip(byteLength);
  let value = 0;
  for (let i = byteLength - 1; i >= 0; i--) value = value * 256 + reader.bytes[start + i]!;
  return value;
}
