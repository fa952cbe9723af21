/**
 * Module to bytes: the standard binary of any module, decoded or parsed (spec: binary-module).
 * Types, imports and headers are written anew in their shortest form; bodies, expressions and
 * segments are copied from `module.bytes`.
 */

import { assertNever } from "../errors.ts";
import type { DataSegment, ElementSegment, Expr, Module, SegmentMode } from "../module.ts";
import {
  type CompType,
  type ExternKind,
  type ExternType,
  type FieldType,
  FUNCREF,
  type GlobalType,
  type HeapType,
  heapOf,
  isNullable,
  isRefType,
  type Limits,
  type MemType,
  Num,
  type SubType,
  type TableType,
  type ValType,
} from "../types.ts";
import { Section } from "./decode.ts";
import { Writer } from "./writer.ts";

/** The order of the sections in a module, which is not that of their ids. */
export const SECTION_ORDER: readonly Section[] = [
  Section.Type,
  Section.Import,
  Section.Func,
  Section.Table,
  Section.Memory,
  Section.Tag,
  Section.Global,
  Section.Export,
  Section.Start,
  Section.Element,
  Section.DataCount,
  Section.Code,
  Section.Data,
];

const EXTERN_KINDS: Readonly<Record<ExternKind, number>> = { func: 0, table: 1, memory: 2, global: 3, tag: 4 };

/** The binary format of `module`. Linear in the size of the result. */
export function encodeModule(module: Module): Uint8Array<ArrayBuffer> {
  const out = new Writer(module.bytes.length + 1024);
  out.bytes(Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00));
  writeCustoms(out, module, Section.Custom);
  for (const section of SECTION_ORDER) {
    writeSection(out, module, section);
    writeCustoms(out, module, section);
  }
  return out.toBytes();
}

/** The custom sections that stand after section `place`. */
function writeCustoms(out: Writer, module: Module, place: Section): void {
  for (const custom of module.customs) {
    if (custom.place !== place) continue;
    out.u8(Section.Custom);
    const start = out.length;
    out.name(custom.name);
    out.bytes(module.bytes.subarray(custom.start, custom.end));
    out.insertSize(start);
  }
}

function writeSection(out: Writer, module: Module, section: Section): void {
  if (isAbsent(module, section)) return;
  out.u8(section);
  const start = out.length;
  writeContent(out, module, section);
  out.insertSize(start);
}

/** Whether the binary has no such section. Custom sections are not asked for here. */
export function isAbsent(module: Module, section: Section): boolean {
  switch (section) {
    case Section.Type:
      return module.recGroups.length === 0;
    case Section.Import:
      return module.imports.length === 0;
    case Section.Func:
    case Section.Code:
      return module.bodyStarts.length === 0;
    case Section.Table:
      return module.tables.length === module.importedTables;
    case Section.Memory:
      return module.memories.length === module.importedMemories;
    case Section.Tag:
      return module.tags.length === module.importedTags;
    case Section.Global:
      return module.globals.length === module.importedGlobals;
    case Section.Export:
      return module.exports.length === 0;
    case Section.Start:
      return module.start === null;
    case Section.Element:
      return module.elements.length === 0;
    case Section.DataCount:
      return module.dataCount === null;
    case Section.Data:
      return module.data.length === 0;
    case Section.Custom:
      return true;
    default:
      return assertNever(section);
  }
}

function writeContent(out: Writer, module: Module, section: Section): void {
  switch (section) {
    case Section.Type:
      writeTypes(out, module);
      return;
    case Section.Import:
      writeVector(out, module.imports, (item) => {
        out.name(item.module);
        out.name(item.name);
        writeExternType(out, item.type);
      });
      return;
    case Section.Func:
      out.u32(module.funcs.length - module.importedFuncs);
      for (let i = module.importedFuncs; i < module.funcs.length; i++) out.u32(module.funcs[i] ?? 0);
      return;
    case Section.Table:
      writeVector(out, module.tables.slice(module.importedTables), (table) => {
        if (table.init !== null) {
          out.u8(0x40);
          out.u8(0x00);
        }
        writeTableType(out, table.type);
        if (table.init !== null) writeExpr(out, module, table.init);
      });
      return;
    case Section.Memory:
      writeVector(out, module.memories.slice(module.importedMemories), (type) => writeMemType(out, type));
      return;
    case Section.Tag:
      writeVector(out, module.tags.slice(module.importedTags), (typeIndex) => writeTagType(out, typeIndex));
      return;
    case Section.Global:
      writeVector(out, module.globals.slice(module.importedGlobals), (global) => {
        writeGlobalType(out, global.type);
        if (global.init !== null) writeExpr(out, module, global.init);
      });
      return;
    case Section.Export:
      writeVector(out, module.exports, (item) => {
        out.name(item.name);
        out.u8(EXTERN_KINDS[item.kind]);
        out.u32(item.index);
      });
      return;
    case Section.Start:
      out.u32(module.start ?? 0);
      return;
    case Section.Element:
      writeVector(out, module.elements, (segment) => writeElements(out, module, segment));
      return;
    case Section.DataCount:
      out.u32(module.dataCount ?? 0);
      return;
    case Section.Code:
      out.u32(module.bodyStarts.length);
      for (let i = 0; i < module.bodyStarts.length; i++) {
        out.sizedBytes(module.bytes.subarray(module.bodyStarts[i], module.bodyEnds[i]));
      }
      return;
    case Section.Data:
      writeVector(out, module.data, (segment) => writeData(out, module, segment));
      return;
    case Section.Custom:
      return;
    default:
      assertNever(section);
  }
}

function writeVector<T>(out: Writer, items: readonly T[], write: (item: T) => void): void {
  out.u32(items.length);
  for (const item of items) write(item);
}

function writeTypes(out: Writer, module: Module): void {
  out.u32(module.recGroups.length);
  let index = 0;
  for (const size of module.recGroups) {
    if (size !== 1) {
      out.u8(0x4e);
      out.u32(size);
    }
    for (const end = index + size; index < end; index++) {
      const type = module.types[index];
      if (type !== undefined) writeSubType(out, type);
    }
  }
}

function writeSubType(out: Writer, type: SubType): void {
  if (!type.final || type.supers.length > 0) {
    out.u8(type.final ? 0x4f : 0x50);
    writeVector(out, type.supers, (index) => out.u32(index));
  }
  writeCompType(out, type.comp);
}

function writeCompType(out: Writer, comp: CompType): void {
  switch (comp.kind) {
    case "func":
      out.u8(0x60);
      writeVector(out, comp.params, (type) => writeValType(out, type));
      writeVector(out, comp.results, (type) => writeValType(out, type));
      return;
    case "struct":
      out.u8(0x5f);
      writeVector(out, comp.fields, (field) => writeFieldType(out, field));
      return;
    case "array":
      out.u8(0x5e);
      writeFieldType(out, comp.field);
      return;
    default:
      assertNever(comp);
  }
}

function writeFieldType(out: Writer, field: FieldType): void {
  writeValType(out, field.storage);
  out.u8(field.mutable ? 1 : 0);
}

export function writeHeapType(out: Writer, heap: HeapType): void {
  out.s33(heap);
}

/** A value or storage type; nullable abstract references in their one-byte form. */
export function writeValType(out: Writer, type: ValType): void {
  if (!isRefType(type)) {
    out.u8(type);
    return;
  }
  const heap = heapOf(type);
  if (!isNullable(type)) out.u8(0x64);
  else if (heap >= 0) out.u8(0x63);
  writeHeapType(out, heap);
}

function writeExternType(out: Writer, type: ExternType): void {
  out.u8(EXTERN_KINDS[type.kind]);
  switch (type.kind) {
    case "func":
      out.u32(type.typeIndex);
      return;
    case "table":
      writeTableType(out, type.type);
      return;
    case "memory":
      writeMemType(out, type.type);
      return;
    case "global":
      writeGlobalType(out, type.type);
      return;
    case "tag":
      writeTagType(out, type.typeIndex);
      return;
    default:
      assertNever(type);
  }
}

function writeLimits(out: Writer, limits: Limits, address: number, otherFlags: number): void {
  out.u8((limits.max === null ? 0 : 1) | otherFlags | (address === Num.I64 ? 4 : 0));
  out.u64(limits.min);
  if (limits.max !== null) out.u64(limits.max);
}

function writeTableType(out: Writer, type: TableType): void {
  writeValType(out, type.element);
  writeLimits(out, type.limits, type.address, 0);
}

function writeMemType(out: Writer, type: MemType): void {
  const { pageSizeLog2 } = type;
  writeLimits(out, type.limits, type.address, (type.shared ? 2 : 0) | (pageSizeLog2 === undefined ? 0 : 8));
  if (pageSizeLog2 !== undefined) out.u32(pageSizeLog2);
}

function writeGlobalType(out: Writer, type: GlobalType): void {
  writeValType(out, type.type);
  out.u8(type.mutable ? 1 : 0);
}

/** The attribute byte 0 says that the tag is an exception. */
function writeTagType(out: Writer, typeIndex: number): void {
  out.u8(0x00);
  out.u32(typeIndex);
}

function writeExpr(out: Writer, module: Module, expr: Expr): void {
  out.bytes(module.bytes.subarray(expr.start, expr.end));
}

/**
 * The flags of an element segment: bit 0 not active; bit 1 an index (active) or declarative;
 * bit 2 expressions in place of function indices (spec: binary-elem).
 */
function writeElements(out: Writer, module: Module, segment: ElementSegment): void {
  const { mode, type, items } = segment;
  const isShort = mode.kind === "active" && mode.index === 0 && (items.kind === "funcs" || type === FUNCREF);
  out.u8(segmentFlags(mode, isShort) | (items.kind === "exprs" ? 4 : 0));
  writeActive(out, module, mode, isShort);
  if (!isShort) {
    if (items.kind === "exprs") writeValType(out, type);
    else out.u8(0x00);
  }
  if (items.kind === "exprs") {
    writeVector(out, items.exprs, (expr) => writeExpr(out, module, expr));
  } else {
    out.u32(items.indices.length);
    for (const index of items.indices) out.u32(index);
  }
}

function writeData(out: Writer, module: Module, segment: DataSegment): void {
  const isShort = segment.mode.kind === "active" && segment.mode.index === 0;
  out.u8(segmentFlags(segment.mode, isShort));
  writeActive(out, module, segment.mode, isShort);
  out.sizedBytes(module.bytes.subarray(segment.start, segment.end));
}

function segmentFlags(mode: SegmentMode, isShort: boolean): number {
  if (mode.kind === "passive") return 1;
  if (mode.kind === "declarative") return 3;
  return isShort ? 0 : 2;
}

function writeActive(out: Writer, module: Module, mode: SegmentMode, isShort: boolean): void {
  if (mode.kind !== "active") return;
  if (!isShort) out.u32(mode.index);
  writeExpr(out, module, mode.offset);
}
