/**
 * Decodes a module (spec: binary-module): sections become the data of module.ts, bodies and
 * constant expressions stay ranges of the bytes. The grammar of bodies is checked by the
 * validator, which reads them anyway. As in the reference implementation a section is read
 * against the end of the module and its size is compared afterwards.
 *
 * Decoding can be cut into steps: it is a generator that gives way between items, when a step has
 * read its budget of bytes.
 */

import { limitExceeded } from "../errors.ts";
import { CODE_BYTES_PER_BODY_BYTE, Footprint, FUNC_CODE_BYTES, ITEM_BYTES } from "../footprint.ts";
import {
  MAX_BODY_BYTES,
  MAX_DATA_SEGMENTS,
  MAX_ELEMENT_SEGMENTS,
  MAX_EXPORTS,
  MAX_FUNCS,
  MAX_GLOBALS,
  MAX_IMPORTS,
  MAX_MEMORIES,
  MAX_MODULE_BYTES,
  MAX_SEGMENT_ELEMENTS,
  MAX_TABLES,
  MAX_TAGS,
} from "../limits.ts";
import type {
  CustomSection,
  DataSegment,
  ElementSegment,
  Export,
  Expr,
  Global,
  Import,
  Module,
  SegmentMode,
  Table,
} from "../module.ts";
import { NO_PROPOSALS, type Proposals } from "../proposals.ts";
import {
  FUNCREF,
  Heap,
  Num,
  refType,
  type ExternKind,
  type GlobalType,
  type MemType,
  type TableType,
} from "../types.ts";
import { readMutability, readRefType, readValType } from "./read-types.ts";
import { Reader } from "./reader.ts";
import { checkBody, ExprSkipper } from "./skip-expr.ts";
import { TypeSection } from "./type-section.ts";

/** Section ids (spec: binary-section). */
export const enum Section {
  Custom = 0,
  Type = 1,
  Import = 2,
  Func = 3,
  Table = 4,
  Memory = 5,
  Global = 6,
  Export = 7,
  Start = 8,
  Element = 9,
  Code = 10,
  Data = 11,
  DataCount = 12,
  Tag = 13,
}

/** The place of each section in a module, by its id: tags stand after memories, the data count before code. */
const SECTION_RANKS: readonly number[] = [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 11, 6];

const MAGIC = [0x00, 0x61, 0x73, 0x6d];
const VERSION = [0x01, 0x00, 0x00, 0x00];

/** The kinds of imports and exports by their byte. */
const EXTERN_KINDS: readonly ExternKind[] = ["func", "table", "memory", "global", "tag"];

/** Function indices of an element segment read without a chance to give way. */
const INDEX_CHUNK = 4_096;

const NO_INDICES = new Uint32Array(0);
const NO_EXPRS: readonly Expr[] = [];
const NO_FUNCS: ElementSegment["items"] = { kind: "funcs", indices: NO_INDICES };
const PASSIVE: SegmentMode = { kind: "passive" };
const DECLARATIVE: SegmentMode = { kind: "declarative" };
const NONNULL_FUNCREF = refType(Heap.Func, false);

/** An item of a section, by its number in the section. */
export interface SectionItem {
  readonly section: Section;
  readonly index: number;
}

/** Items of which somebody may want fewer than the engine allows. */
export type CountedItems = "imports" | "exports" | "tables" | "tags" | "globals" | "elements";

/** Looks at how many a module has, before they are made; what it throws ends decoding. */
export type CountCheck = (items: CountedItems, count: number) => void;

/** A module being decoded. */
export class Decoding {
  /** What the items take. */
  readonly footprint: Footprint;
  readonly #proposals: Proposals;
  readonly #watched: SectionItem | null;
  readonly #checkCount: CountCheck | null;
  #watchedPosition: number | null = null;
  #section: Section = Section.Custom;
  #itemIndex = 0;
  readonly #reader: Reader;
  readonly #run: Generator<undefined, Module>;
  /** Where the present step gives way. */
  #pausePosition = 0;
  #module: Module | null = null;

  readonly #skipper: ExprSkipper;
  #exprStart = 0;
  readonly #typeSection: TypeSection;
  readonly #imports: Import[] = [];
  readonly #importedFuncs: number[] = [];
  #definedFuncs: Uint32Array = NO_INDICES;
  readonly #tables: Table[] = [];
  readonly #memories: MemType[] = [];
  readonly #tags: number[] = [];
  readonly #globals: Global[] = [];
  readonly #exports: Export[] = [];
  #start: number | null = null;
  readonly #elements: ElementSegment[] = [];
  #dataCount: number | null = null;
  readonly #data: DataSegment[] = [];
  #bodyStarts: Uint32Array = NO_INDICES;
  #bodyEnds: Uint32Array = NO_INDICES;
  readonly #customs: CustomSection[] = [];
  #importedTables = 0;
  #importedMemories = 0;
  #importedTags = 0;
  #importedGlobals = 0;

  /** A decoded module does not keep where its items stand; `watched` asks for the place of one. */
  constructor(
    bytes: Uint8Array,
    proposals: Proposals = NO_PROPOSALS,
    watched: SectionItem | null = null,
    footprint: Footprint = new Footprint(),
    checkCount: CountCheck | null = null,
  ) {
    this.footprint = footprint;
    this.#checkCount = checkCount;
    this.#proposals = proposals;
    this.#watched = watched;
    this.#reader = new Reader(bytes);
    this.#skipper = new ExprSkipper(this.#reader, proposals);
    this.#typeSection = new TypeSection(this.#reader, footprint);
    this.#run = this.#moduleOrFirstError();
  }

  /**
   * Reads about `budget` bytes more and returns whether the module is complete. Throws a
   * `CompileError` of kind `malformed` or `limit`; a decoding that has thrown must not be continued.
   */
  step(budget: number): boolean {
    if (this.#module !== null) return true;
    this.#pausePosition = this.#reader.position + Math.max(1, budget);
    const { done, value } = this.#run.next();
    if (!done) return false;
    this.#module = value;
    return true;
  }

  /** The decoded module. Throws a `TypeError` before {@link step} has returned true. */
  get module(): Module {
    if (this.#module === null) throw new TypeError("the module is not decoded yet");
    return this.#module;
  }

  /** Byte offset of the watched item, if it has been read. */
  get watchedPosition(): number | null {
    return this.#watchedPosition;
  }

  /** Called where each item of a section begins. */
  #beginItem(): void {
    const index = this.#itemIndex++;
    const watched = this.#watched;
    if (watched !== null && watched.index === index && watched.section === this.#section) {
      this.#watchedPosition = this.#reader.position;
    }
  }

  get #mustYield(): boolean {
    return this.#reader.position >= this.#pausePosition;
  }

  /** An error behind the code section may follow from one inside a body, which then is the one to tell. */
  *#moduleOrFirstError(): Generator<undefined, Module> {
    try {
      return yield* this.#decode();
    } catch (error) {
      if (this.footprint.isRefused) throw error;
      for (let i = 0; i < this.#bodyStarts.length; i++) {
        const start = this.#bodyStarts[i]!;
        if (start === 0) break;
        const funcIndex = this.#importedFuncs.length + i;
        for (const _ of checkBody(this.#reader.bytes, start, this.#bodyEnds[i]!, funcIndex, this.#proposals)) yield;
        yield;
      }
      throw error;
    }
  }

  *#decode(): Generator<undefined, Module> {
    const reader = this.#reader;
    if (reader.bytes.length > MAX_MODULE_BYTES) {
      throw limitExceeded(`${reader.bytes.length} bytes in a module, at most ${MAX_MODULE_BYTES}`, { position: 0 });
    }
    this.#header();
    this.footprint.addItem(ITEM_BYTES.module);
    let place: number = Section.Custom;
    let lastRank = 0;
    while (reader.position < reader.end) {
      if (this.#mustYield) yield;
      const id = reader.u8();
      const rank = SECTION_RANKS[id];
      if (rank === undefined) throw reader.malformed("malformed section id", reader.position - 1);
      if (id !== Section.Custom) {
        if (rank <= lastRank) throw reader.malformed("unexpected content after last section", reader.position - 1);
        place = id;
        lastRank = rank;
      }
      const size = reader.length();
      const end = reader.position + size;
      if (id === Section.Custom) this.#customSection(end, place);
      else yield* this.#readSection(id);
      if (reader.position !== end) throw reader.malformed("section size mismatch", end - size);
    }
    return this.#finish();
  }

  #header(): void {
    const reader = this.#reader;
    const magic = [reader.u8(), reader.u8(), reader.u8(), reader.u8()];
    if (MAGIC.some((byte, i) => byte !== magic[i])) throw reader.malformed("magic header not detected", 0);
    const version = [reader.u8(), reader.u8(), reader.u8(), reader.u8()];
    if (VERSION.some((byte, i) => byte !== version[i])) throw reader.malformed("unknown binary version", 4);
  }

  #customSection(end: number, place: number): void {
    const reader = this.#reader;
    const nameStart = reader.position;
    const name = reader.name();
    if (reader.position > end) throw reader.malformed("unexpected end of section or function", end);
    this.#addNamed(ITEM_BYTES.customSection, nameStart);
    if (name === "name") this.footprint.addItem((end - reader.position) * ITEM_BYTES.namesByte);
    this.#customs.push({ name, start: reader.position, end, place });
    reader.position = end;
  }

  /** Counts an item with names, which begin at `start` and have been read. */
  #addNamed(byteLength: number, start: number): void {
    this.footprint.addItem(byteLength + ITEM_BYTES.nameByte * (this.#reader.position - start));
  }

  #readSection(id: Section): Iterable<undefined> {
    this.#section = id;
    this.#itemIndex = 0;
    switch (id) {
      case Section.Type:
        return this.#types();
      case Section.Import:
        return this.#importSection();
      case Section.Func:
        return this.#funcSection();
      case Section.Table:
        return this.#tableSection();
      case Section.Memory:
        return this.#memorySection();
      case Section.Tag:
        return this.#tagSection();
      case Section.Global:
        return this.#globalSection();
      case Section.Export:
        return this.#exportSection();
      case Section.Start:
        this.#beginItem();
        this.#start = this.#reader.u32();
        return [];
      case Section.Element:
        return this.#elementSection();
      case Section.DataCount:
        this.#dataCount = this.#reader.u32();
        return [];
      case Section.Code:
        return this.#codeSection();
      default:
        return this.#dataSection();
    }
  }

  *#types(): Generator<undefined> {
    const section = this.#typeSection;
    section.begin();
    while (section.hasMore()) {
      if (section.isAtType) this.#beginItem();
      section.next();
      if (this.#mustYield) yield;
    }
  }

  *#importSection(): Generator<undefined> {
    for (let count = this.#count("imports", MAX_IMPORTS); count > 0; count--) {
      this.#beginItem();
      this.#imports.push(this.#import());
      if (this.#mustYield) yield;
    }
    this.#importedTables = this.#tables.length;
    this.#importedMemories = this.#memories.length;
    this.#importedTags = this.#tags.length;
    this.#importedGlobals = this.#globals.length;
    for (const items of ["tables", "tags", "globals"] as const) this.#checkCount?.(items, this.#imported(items));
  }

  /** How many items a section has: within the engine's limit, and with those that are imported within the caller's. */
  #count(items: CountedItems, limit: number): number {
    const count = this.#reader.countUpTo(limit, items === "elements" ? "element segments" : items);
    this.#checkCount?.(items, this.#imported(items) + count);
    return count;
  }

  #imported(items: CountedItems): number {
    if (items === "tables") return this.#importedTables;
    if (items === "tags") return this.#importedTags;
    return items === "globals" ? this.#importedGlobals : 0;
  }

  #import(): Import {
    const reader = this.#reader;
    const start = reader.position;
    const module = reader.name();
    const name = reader.name();
    this.#addNamed(ITEM_BYTES.import, start);
    const kind = EXTERN_KINDS[reader.u8()];
    switch (kind) {
      case "func": {
        const typeIndex = reader.u32();
        this.footprint.addItem(ITEM_BYTES.func);
        this.#importedFuncs.push(typeIndex);
        return { module, name, type: { kind, typeIndex } };
      }
      case "table": {
        const type = this.#tableType();
        this.footprint.addItem(ITEM_BYTES.table);
        this.#tables.push({ type, init: null });
        return { module, name, type: { kind, type } };
      }
      case "memory": {
        const type = this.#memType();
        this.#memories.push(type);
        return { module, name, type: { kind, type } };
      }
      case "global": {
        const type = this.#globalType();
        this.footprint.addItem(ITEM_BYTES.global);
        this.#globals.push({ type, init: null });
        return { module, name, type: { kind, type } };
      }
      case "tag": {
        const typeIndex = this.#tagType();
        this.#tags.push(typeIndex);
        return { module, name, type: { kind, typeIndex } };
      }
      default:
        throw reader.malformed("malformed import kind", reader.position - 1);
    }
  }

  *#funcSection(): Generator<undefined> {
    const reader = this.#reader;
    const count = reader.countUpTo(MAX_FUNCS, "functions");
    this.footprint.addItem(count * ITEM_BYTES.func);
    const indices = new Uint32Array(count);
    this.#definedFuncs = indices;
    for (let i = 0; i < count; i++) {
      this.#beginItem();
      indices[i] = reader.u32();
      if (this.#mustYield) yield;
    }
  }

  *#tableSection(): Generator<undefined> {
    const reader = this.#reader;
    for (let count = this.#count("tables", MAX_TABLES); count > 0; count--) {
      this.#beginItem();
      let init: Expr | null = null;
      let type: TableType;
      if (reader.bytes[reader.position] === 0x40) {
        reader.skip(1);
        if (reader.u8() !== 0) throw reader.malformed("malformed table", reader.position - 1);
        type = this.#tableType();
        init = this.#shortExpr() ?? (yield* this.#longExpr());
      } else type = this.#tableType();
      this.footprint.addItem(ITEM_BYTES.table);
      this.#tables.push({ type, init });
      if (this.#mustYield) yield;
    }
  }

  *#memorySection(): Generator<undefined> {
    const reader = this.#reader;
    for (let count = reader.countUpTo(MAX_MEMORIES, "memories"); count > 0; count--) {
      this.#beginItem();
      this.#memories.push(this.#memType());
    }
  }

  *#tagSection(): Generator<undefined> {
    for (let count = this.#count("tags", MAX_TAGS); count > 0; count--) {
      this.#beginItem();
      this.#tags.push(this.#tagType());
      if (this.#mustYield) yield;
    }
  }

  *#globalSection(): Generator<undefined> {
    for (let count = this.#count("globals", MAX_GLOBALS); count > 0; count--) {
      this.#beginItem();
      const type = this.#globalType();
      const init = this.#shortExpr() ?? (yield* this.#longExpr());
      this.footprint.addItem(ITEM_BYTES.global);
      this.#globals.push({ type, init });
      if (this.#mustYield) yield;
    }
  }

  *#exportSection(): Generator<undefined> {
    const reader = this.#reader;
    for (let count = this.#count("exports", MAX_EXPORTS); count > 0; count--) {
      this.#beginItem();
      const start = reader.position;
      const name = reader.name();
      this.#addNamed(ITEM_BYTES.export, start);
      const kind = EXTERN_KINDS[reader.u8()];
      if (kind === undefined) throw reader.malformed("malformed export kind", reader.position - 1);
      this.#exports.push({ name, kind, index: reader.u32() });
      if (this.#mustYield) yield;
    }
  }

  *#elementSection(): Generator<undefined> {
    for (let count = this.#count("elements", MAX_ELEMENT_SEGMENTS); count > 0; count--) {
      this.#beginItem();
      this.#elements.push(yield* this.#elementSegment());
      if (this.#mustYield) yield;
    }
  }

  /** (spec: binary-elem) Bit 0 of the flags: not active; 1: declarative, or a table index follows; 2: expressions. */
  *#elementSegment(): Generator<undefined, ElementSegment> {
    const reader = this.#reader;
    const position = reader.position;
    const flags = reader.u32();
    if (flags > 7) throw reader.malformed("malformed elements segment kind", position);
    const isActive = (flags & 1) === 0;
    const hasIndexOrIsDeclarative = (flags & 2) !== 0;
    this.footprint.addItem(ITEM_BYTES.elementSegment);
    let mode: SegmentMode;
    if (isActive) {
      this.footprint.addItem(ITEM_BYTES.activeSegment);
      const index = hasIndexOrIsDeclarative ? reader.u32() : 0;
      mode = { kind: "active", index, offset: this.#shortExpr() ?? (yield* this.#longExpr()) };
    } else mode = hasIndexOrIsDeclarative ? DECLARATIVE : PASSIVE;
    const hasType = (flags & 3) !== 0;
    if ((flags & 4) === 0) {
      if (hasType && reader.u8() !== 0) throw reader.malformed("malformed element kind", reader.position - 1);
      return { mode, type: NONNULL_FUNCREF, items: yield* this.#funcIndices() };
    }
    const type = hasType ? readRefType(reader) : FUNCREF;
    return { mode, type, items: { kind: "exprs", exprs: yield* this.#exprs() } };
  }

  *#funcIndices(): Generator<undefined, ElementSegment["items"]> {
    const reader = this.#reader;
    const count = reader.countUpTo(MAX_SEGMENT_ELEMENTS, "elements in a segment");
    if (count === 0) return NO_FUNCS;
    this.footprint.addItem(ITEM_BYTES.elementIndices + count * ITEM_BYTES.elementIndex);
    const indices = new Uint32Array(count);
    for (let i = 0; i < count; ) {
      const end = Math.min(count, i + INDEX_CHUNK);
      for (; i < end; i++) indices[i] = reader.u32();
      if (this.#mustYield) yield;
    }
    return { kind: "funcs", indices };
  }

  *#exprs(): Generator<undefined, readonly Expr[]> {
    const count = this.#reader.countUpTo(MAX_SEGMENT_ELEMENTS, "elements in a segment");
    if (count === 0) return NO_EXPRS;
    const exprs: Expr[] = [];
    for (let left = count; left > 0; left--) {
      this.footprint.addItem(ITEM_BYTES.elementExpr);
      exprs.push(this.#shortExpr() ?? (yield* this.#longExpr()));
      if (this.#mustYield) yield;
    }
    // A copy has no room for more.
    return exprs.slice();
  }

  *#codeSection(): Generator<undefined> {
    const reader = this.#reader;
    const count = reader.countUpTo(MAX_FUNCS, "functions");
    this.footprint.addItem(count * ITEM_BYTES.body);
    this.footprint.addCode(count * FUNC_CODE_BYTES);
    const starts = new Uint32Array(count);
    const ends = new Uint32Array(count);
    this.#bodyStarts = starts;
    this.#bodyEnds = ends;
    let bodyBytes = 0;
    for (let i = 0; i < count; i++) {
      const size = reader.lengthUpTo(MAX_BODY_BYTES, "a function body");
      bodyBytes += size;
      starts[i] = reader.position;
      reader.position += size;
      ends[i] = reader.position;
      if (this.#mustYield) yield;
    }
    this.footprint.addCode(bodyBytes * CODE_BYTES_PER_BODY_BYTE);
  }

  *#dataSection(): Generator<undefined> {
    const reader = this.#reader;
    for (let count = reader.countUpTo(MAX_DATA_SEGMENTS, "data segments"); count > 0; count--) {
      this.#beginItem();
      const position = reader.position;
      const flags = reader.u32();
      if (flags > 2) throw reader.malformed("malformed data segment kind", position);
      this.footprint.addItem(ITEM_BYTES.dataSegment);
      let mode: SegmentMode = PASSIVE;
      if (flags !== 1) {
        this.footprint.addItem(ITEM_BYTES.activeSegment);
        const index = flags === 2 ? reader.u32() : 0;
        mode = { kind: "active", index, offset: this.#shortExpr() ?? (yield* this.#longExpr()) };
      }
      const size = reader.u32();
      const start = reader.position;
      reader.skip(size);
      this.#data.push({ mode, start, end: reader.position });
      if (this.#mustYield) yield;
    }
  }

  #tableType(): TableType {
    const element = readRefType(this.#reader);
    const flags = this.#limitsFlags(0x05);
    return { limits: this.#limits(flags), address: addressType(flags), element };
  }

  #memType(): MemType {
    this.footprint.addItem(ITEM_BYTES.memory);
    const flags = this.#limitsFlags(this.#proposals.has("custom-page-sizes") ? 0x0f : 0x07);
    const type = { limits: this.#limits(flags), address: addressType(flags), shared: (flags & 2) !== 0 };
    if ((flags & 8) === 0) return type;
    const pageSizeLog2 = this.#reader.u32();
    if (pageSizeLog2 >= 64) throw this.#reader.malformed("invalid custom page size");
    return { ...type, pageSizeLog2 };
  }

  /** Bit 0: there is a maximum; 1: shared; 2: 64-bit addresses; 3: there is a page size. */
  #limitsFlags(allowed: number): number {
    const flags = this.#reader.u8();
    if ((flags & ~allowed) !== 0) throw this.#reader.malformed("malformed limits flags", this.#reader.position - 1);
    return flags;
  }

  #limits(flags: number): { min: bigint; max: bigint | null } {
    const min = this.#reader.u64();
    return { min, max: (flags & 1) === 0 ? null : this.#reader.u64() };
  }

  #globalType(): GlobalType {
    const reader = this.#reader;
    return { type: readValType(reader), mutable: readMutability(reader) };
  }

  #tagType(): number {
    const reader = this.#reader;
    this.footprint.addItem(ITEM_BYTES.tag);
    if (reader.u8() !== 0) throw reader.malformed("malformed tag attribute", reader.position - 1);
    const typeIndex = reader.u32();
    const comp = this.#typeSection.types[typeIndex]?.comp;
    if (comp?.kind === "func") this.footprint.addItem(comp.params.length * ITEM_BYTES.tagParam);
    return typeIndex;
  }

  /** Null when the expression goes on past its first instructions: `#longExpr` then reads the rest. */
  #shortExpr(): Expr | null {
    const start = this.#reader.position;
    this.footprint.addItem(ITEM_BYTES.expr);
    this.#exprStart = start;
    this.#skipper.begin();
    return this.#skipper.skip() ? { start, end: this.#reader.position } : null;
  }

  *#longExpr(): Generator<undefined, Expr> {
    do {
      if (this.#mustYield) yield;
    } while (!this.#skipper.skip());
    return { start: this.#exprStart, end: this.#reader.position };
  }

  #finish(): Module {
    const reader = this.#reader;
    if (this.#bodyStarts.length !== this.#definedFuncs.length) {
      throw reader.malformed("function and code section have inconsistent lengths");
    }
    if (this.#dataCount !== null && this.#dataCount !== this.#data.length) {
      throw reader.malformed("data count and data section have inconsistent lengths");
    }
    this.#checkTotal(this.#importedFuncs.length + this.#definedFuncs.length, MAX_FUNCS, "functions");
    this.#checkTotal(this.#tables.length, MAX_TABLES, "tables");
    this.#checkTotal(this.#memories.length, MAX_MEMORIES, "memories");
    this.#checkTotal(this.#globals.length, MAX_GLOBALS, "globals");
    this.#checkTotal(this.#tags.length, MAX_TAGS, "tags");
    const funcs = new Uint32Array(this.#importedFuncs.length + this.#definedFuncs.length);
    funcs.set(this.#importedFuncs);
    funcs.set(this.#definedFuncs, this.#importedFuncs.length);
    return {
      bytes: reader.bytes,
      types: this.#typeSection.types,
      recGroups: this.#typeSection.recGroups,
      imports: this.#imports,
      funcs,
      tables: this.#tables,
      memories: this.#memories,
      tags: this.#tags,
      globals: this.#globals,
      exports: this.#exports,
      start: this.#start,
      elements: this.#elements,
      dataCount: this.#dataCount,
      data: this.#data,
      bodyStarts: this.#bodyStarts,
      bodyEnds: this.#bodyEnds,
      customs: this.#customs,
      importedFuncs: this.#importedFuncs.length,
      importedTables: this.#importedTables,
      importedMemories: this.#importedMemories,
      importedTags: this.#importedTags,
      importedGlobals: this.#importedGlobals,
    };
  }

  /** Each section alone is within its limit; imports and definitions together may not be. */
  #checkTotal(total: number, limit: number, what: string): void {
    if (total > limit) throw limitExceeded(`${total} ${what}, at most ${limit}`, { position: this.#reader.position });
  }
}

function addressType(flags: number): Num.I32 | Num.I64 {
  return (flags & 4) === 0 ? Num.I32 : Num.I64;
}

/** Decodes a whole module. Throws a `CompileError` of kind `malformed` or `limit` with the byte offset. */
export function decodeModule(bytes: Uint8Array, proposals: Proposals = NO_PROPOSALS): Module {
  const decoding = new Decoding(bytes, proposals);
  while (!decoding.step(0x3fff_ffff));
  return decoding.module;
}
