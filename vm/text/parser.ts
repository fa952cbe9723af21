/**
 * Modules in the text format (spec: text-module). Two passes over the tokens: the first gives every
 * field its index and name and reads the types, the second reads the fields in order, so that
 * anything may be named before it stands in the text. Expressions and bodies are written as binary.
 */

import { Section } from "../binary/decode.ts";
import { writeValType } from "../binary/encode.ts";
import type { MalformedMessage } from "../errors.ts";
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
import { Op } from "../opcodes.ts";
import { type ExternKind, type ExternType, FUNCREF, Heap, type MemType, Num, refType, type ValType } from "../types.ts";
import { branchHintSection, parseCustom } from "./annotations.ts";
import { Context, isIndex, Space } from "./context.ts";
import { Cursor } from "./cursor.ts";
import { InstructionParser } from "./instructions.ts";
import { Kind, tokenize, type Tokens } from "./lexer.ts";
import { writeNames } from "./names.ts";
import {
  isRefTypeNext,
  parseAddressType,
  parseGlobalType,
  parseLimits,
  parseLocals,
  parseMemType,
  parseRefType,
  parseSubType,
  parseTableType,
  parseTypeIndex,
} from "./types.ts";

export interface ParseOptions {
  /** Keep identifiers in a generated name section, for backtraces and printing. Default true. */
  readonly names?: boolean;
}

/**
 * The module that a text describes: `(module ...)`, or its fields alone. Feed it to `encodeModule` for
 * the binary. Throws `CompileError` with line and column.
 */
export function parseModule(source: string | Uint8Array, options: ParseOptions = {}): Module {
  const cursor = new Cursor(tokenize(source));
  const hasModule = cursor.takeForm("module");
  const module = new ModuleParser(cursor, options).parse(hasModule);
  if (cursor.kind() !== Kind.End) throw cursor.unexpected();
  return module;
}

/** The module inside a script whose identifier, or first field, is token `at`. */
export function parseModuleAt(tokens: Tokens, at: number, options: ParseOptions = {}): Module {
  const cursor = new Cursor(tokens);
  cursor.at = at;
  return new ModuleParser(cursor, options).parse(true);
}

type FieldKind = "func" | "table" | "memory" | "tag" | "global" | "export" | "start" | "elem" | "data" | "import";

interface Field {
  readonly kind: FieldKind;
  /** The token after the keyword. */
  readonly at: number;
}

const IMPORT_AFTER: Readonly<Record<ExternKind, MalformedMessage>> = {
  func: "import after function",
  table: "import after table",
  memory: "import after memory",
  tag: "import after tag",
  global: "import after global",
};

const FUNC_ITEMS: ValType = refType(Heap.Func, false);

class ModuleParser {
  readonly #cursor: Cursor;
  readonly #context: Context;
  readonly #instructions: InstructionParser;
  readonly #withNames: boolean;
  readonly #fields: Field[] = [];
  /** Tokens after `(type`, by type index. */
  readonly #typeFields: number[] = [];
  readonly #customs: CustomSection[] = [];
  /** The first definition that is no import: none may follow it. */
  #defined: ExternKind | null = null;

  readonly #imports: Import[] = [];
  readonly #exports: Export[] = [];
  readonly #funcs: number[] = [];
  readonly #tables: Table[] = [];
  readonly #memories: MemType[] = [];
  readonly #tags: number[] = [];
  readonly #globals: Global[] = [];
  readonly #elements: ElementSegment[] = [];
  readonly #data: DataSegment[] = [];
  readonly #bodyStarts: number[] = [];
  readonly #bodyEnds: number[] = [];
  readonly #imported: Record<ExternKind, number> = { func: 0, table: 0, memory: 0, tag: 0, global: 0 };
  #start: number | null = null;
  #forcesDataCount = false;

  constructor(cursor: Cursor, options: ParseOptions) {
    this.#cursor = cursor;
    this.#context = new Context(cursor);
    this.#instructions = new InstructionParser(this.#context);
    this.#withNames = options.names ?? true;
  }

  /** Parses from the cursor to the closing parenthesis, which is taken, or without one to the end. */
  parse(hasParentheses: boolean): Module {
    const cursor = this.#cursor;
    const context = this.#context;
    const first = cursor.at;
    if (hasParentheses) context.moduleName = cursor.takeId();
    this.#moduleName();
    this.#survey();
    const end = cursor.at;
    if (hasParentheses) cursor.expectClose();
    const after = cursor.at;
    this.#parseTypes();
    for (const field of this.#fields) {
      cursor.at = field.at;
      this.#field(field.kind);
      cursor.expectClose();
    }
    cursor.at = after;
    context.checkAnnotations(first, end);
    return this.#module();
  }

  #moduleName(): void {
    const context = this.#context;
    const [annotation, second] = context.takeAnnotations("name");
    if (annotation === undefined) return;
    if (second !== undefined) throw context.annotationError("@name annotation: multiple module", second);
    context.moduleName = context.annotationName(annotation);
  }

  // First pass.

  /** Walks over the fields: gives indices, binds identifiers, notes where each field stands. */
  #survey(): void {
    const cursor = this.#cursor;
    for (;;) {
      this.#customAnnotations();
      if (cursor.kind() !== Kind.Open) break;
      const open = cursor.at++;
      this.#surveyField();
      cursor.skipForm(open);
    }
  }

  #customAnnotations(): void {
    const context = this.#context;
    for (const annotation of context.takeAnnotations("custom")) {
      this.#customs.push(parseCustom(context, annotation));
    }
    if (context.takeAnnotations("datacount").length > 0) this.#forcesDataCount = true;
  }

  #surveyField(): void {
    const cursor = this.#cursor;
    const context = this.#context;
    const kind = cursor.kind() === Kind.Keyword ? cursor.word() : "";
    cursor.at++;
    const at = cursor.at;
    switch (kind) {
      case "type":
        this.#surveyType();
        context.recGroups.push(1);
        return;
      case "rec":
        this.#surveyGroup();
        return;
      case "import":
        cursor.name();
        cursor.name();
        this.#surveyImport();
        break;
      case "func":
      case "table":
      case "memory":
      case "tag":
      case "global":
        this.#surveyDefinition(kind);
        break;
      case "elem":
        context.elems.bind(context);
        break;
      case "data":
        context.data.bind(context);
        break;
      case "start":
        if (this.#fields.some((field) => field.kind === "start")) {
          throw cursor.fail("multiple start sections", undefined, at - 1);
        }
        break;
      case "export":
        break;
      default:
        cursor.at = at - 1;
        throw cursor.unexpected();
    }
    this.#fields.push({ kind, at });
  }

  #surveyType(): void {
    this.#context.typeSpace.bind(this.#context);
    this.#typeFields.push(this.#cursor.at);
  }

  #surveyGroup(): void {
    const cursor = this.#cursor;
    let size = 0;
    for (; cursor.kind() === Kind.Open; size++) {
      const open = cursor.at;
      cursor.expectForm("type");
      this.#surveyType();
      cursor.skipForm(open);
    }
    if (cursor.kind() !== Kind.Close) throw cursor.unexpected();
    this.#context.recGroups.push(size);
  }

  /** `(import "m" "n" (kind $id ...))`, from the inner parenthesis. */
  #surveyImport(): void {
    const cursor = this.#cursor;
    cursor.expectOpen();
    const kind = this.#externKind();
    this.#noteImport(kind, cursor.at);
    this.#space(kind).bind(this.#context);
  }

  #noteImport(kind: ExternKind, at: number): void {
    if (this.#defined !== null) throw this.#cursor.fail(IMPORT_AFTER[this.#defined], undefined, at);
    this.#imported[kind]++;
  }

  #surveyDefinition(kind: ExternKind): void {
    const cursor = this.#cursor;
    this.#space(kind).bind(this.#context);
    while (cursor.isForm("export")) cursor.skipForm(cursor.at);
    if (cursor.isForm("import")) {
      this.#noteImport(kind, cursor.at);
      return;
    }
    this.#defined ??= kind;
    if (kind === "memory" || kind === "table") this.#surveyInlineSegment(kind);
  }

  /** A segment inside a memory or table takes the next index of its space. */
  #surveyInlineSegment(kind: "memory" | "table"): void {
    const cursor = this.#cursor;
    parseAddressType(this.#context);
    if (kind === "memory") {
      if (cursor.isForm("data")) this.#context.data.count++;
      return;
    }
    if (cursor.kind() === Kind.Open) cursor.skipForm(cursor.at);
    else cursor.at++;
    if (cursor.isForm("elem")) this.#context.elems.count++;
  }

  #externKind(): ExternKind {
    const cursor = this.#cursor;
    for (const kind of ["func", "table", "memory", "tag", "global"] as const) {
      if (cursor.takeKeyword(kind)) return kind;
    }
    throw cursor.unexpected();
  }

  #space(kind: ExternKind): Space {
    const context = this.#context;
    switch (kind) {
      case "func":
        return context.funcs;
      case "table":
        return context.tables;
      case "memory":
        return context.memories;
      case "tag":
        return context.tags;
      case "global":
        return context.globals;
    }
  }

  #parseTypes(): void {
    const context = this.#context;
    this.#typeFields.forEach((at, index) => {
      this.#cursor.at = at;
      context.types.push(parseSubType(context, index));
      this.#cursor.expectClose();
    });
    context.indexSignatures();
  }

  // Second pass.

  #field(kind: FieldKind): void {
    switch (kind) {
      case "import":
        this.#import();
        return;
      case "export":
        this.#export();
        return;
      case "start":
        this.#start = this.#context.funcs.index(this.#cursor);
        return;
      case "elem":
        this.#elem();
        return;
      case "data":
        this.#dataSegment();
        return;
      default:
        this.#definition(kind);
    }
  }

  #import(): void {
    const cursor = this.#cursor;
    const module = cursor.name();
    const name = cursor.name();
    cursor.expectOpen();
    const kind = this.#externKind();
    cursor.takeId();
    this.#importItem(module, name, kind);
    cursor.expectClose();
  }

  /** Reads the type of an import. */
  #importItem(module: string, name: string, kind: ExternKind): void {
    const type = this.#externType(kind);
    this.#imports.push({ module, name, type });
    switch (type.kind) {
      case "func":
        this.#funcs.push(type.typeIndex);
        return;
      case "table":
        this.#tables.push({ type: type.type, init: null });
        return;
      case "memory":
        this.#memories.push(type.type);
        return;
      case "global":
        this.#globals.push({ type: type.type, init: null });
        return;
      case "tag":
        this.#tags.push(type.typeIndex);
    }
  }

  #externType(kind: ExternKind): ExternType {
    const context = this.#context;
    switch (kind) {
      case "func": {
        const locals = new Space("local");
        const typeIndex = parseTypeIndex(context, locals);
        this.#noteLocals(this.#funcs.length, locals);
        return { kind, typeIndex };
      }
      case "tag":
        return { kind, typeIndex: parseTypeIndex(context, new Space("local")) };
      case "table":
        return { kind, type: parseTableType(context) };
      case "memory":
        return { kind, type: parseMemType(context) };
      case "global":
        return { kind, type: parseGlobalType(context) };
    }
  }

  #export(): void {
    const cursor = this.#cursor;
    const name = cursor.name();
    cursor.expectOpen();
    const kind = this.#externKind();
    this.#exports.push({ name, kind, index: this.#space(kind).index(cursor) });
    cursor.expectClose();
  }

  /** A function, table, memory, tag or global, with its inline exports and import. */
  #definition(kind: ExternKind): void {
    const cursor = this.#cursor;
    cursor.takeId();
    const index = this.#count(kind);
    while (cursor.takeForm("export")) {
      this.#exports.push({ name: cursor.name(), kind, index });
      cursor.expectClose();
    }
    if (cursor.takeForm("import")) {
      const module = cursor.name();
      const name = cursor.name();
      cursor.expectClose();
      this.#importItem(module, name, kind);
      return;
    }
    switch (kind) {
      case "func":
        this.#func(index);
        return;
      case "table":
        this.#table(index);
        return;
      case "memory":
        this.#memory(index);
        return;
      case "tag":
        this.#tags.push(parseTypeIndex(this.#context, new Space("local")));
        return;
      case "global": {
        const type = parseGlobalType(this.#context);
        this.#globals.push({ type, init: this.#instructions.expression() });
      }
    }
  }

  #count(kind: ExternKind): number {
    switch (kind) {
      case "func":
        return this.#funcs.length;
      case "table":
        return this.#tables.length;
      case "memory":
        return this.#memories.length;
      case "tag":
        return this.#tags.length;
      case "global":
        return this.#globals.length;
    }
  }

  #func(index: number): void {
    const context = this.#context;
    const locals = new Space("local");
    this.#funcs.push(parseTypeIndex(context, locals));
    const types = parseLocals(context, locals);
    const start = context.out.length;
    this.#writeLocals(types);
    this.#instructions.functionBody(index, locals, start);
    this.#bodyStarts.push(start);
    this.#bodyEnds.push(context.out.length);
    this.#noteLocals(index, locals);
  }

  #noteLocals(func: number, locals: Space): void {
    if (locals.names.size > 0) this.#context.localNames.set(func, locals.names);
  }

  /** Locals as runs of one type (spec: binary-code). */
  #writeLocals(types: readonly ValType[]): void {
    const { out } = this.#context;
    const runs: { type: ValType; count: number }[] = [];
    for (const type of types) {
      const last = runs.at(-1);
      if (last?.type === type) last.count++;
      else runs.push({ type, count: 1 });
    }
    out.u32(runs.length);
    for (const { type, count } of runs) {
      out.u32(count);
      writeValType(out, type);
    }
  }

  #table(index: number): void {
    const context = this.#context;
    const cursor = this.#cursor;
    const address = parseAddressType(context);
    if (!isRefTypeNext(context)) {
      const limits = parseLimits(context);
      const type = { limits, address, element: parseRefType(context) };
      const init = cursor.kind() === Kind.Close ? null : this.#instructions.expression();
      this.#tables.push({ type, init });
      return;
    }
    const element = parseRefType(context);
    if (!cursor.takeForm("elem")) throw cursor.unexpected();
    const mode: SegmentMode = { kind: "active", index, offset: this.#zero(address) };
    // Function indices have the type (ref func), which only these two tables are sure to take.
    const takesFuncs = element === FUNC_ITEMS || element === FUNCREF;
    const items = takesFuncs && cursor.kind() !== Kind.Open ? this.#funcItems() : this.#exprItems();
    this.#elements.push({ mode, type: items.kind === "funcs" ? FUNC_ITEMS : element, items });
    cursor.expectClose();
    const size = BigInt(items.kind === "exprs" ? items.exprs.length : items.indices.length);
    this.#tables.push({ type: { limits: { min: size, max: size }, address, element }, init: null });
  }

  /** The offset of an inline segment. */
  #zero(address: Num.I32 | Num.I64): Expr {
    const { out } = this.#context;
    const start = out.length;
    out.u8(address === Num.I64 ? Op.I64Const : Op.I32Const);
    out.u8(0);
    out.u8(Op.End);
    return { start, end: out.length };
  }

  #memory(index: number): void {
    const context = this.#context;
    const cursor = this.#cursor;
    const before = cursor.at;
    const address = parseAddressType(context);
    if (!cursor.takeForm("data")) {
      cursor.at = before;
      this.#memories.push(parseMemType(context));
      return;
    }
    const offset = this.#zero(address);
    const range = this.#strings();
    cursor.expectClose();
    this.#data.push({ mode: { kind: "active", index, offset }, ...range });
    const pages = BigInt(Math.ceil((range.end - range.start) / 65_536));
    const shared = cursor.takeKeyword("shared");
    this.#memories.push({ limits: { min: pages, max: pages }, address, shared });
  }

  /** The strings up to the closing parenthesis, one after the other. */
  #strings(): { start: number; end: number } {
    const { out } = this.#context;
    const start = out.length;
    while (this.#cursor.kind() !== Kind.Close) out.bytes(this.#cursor.string());
    return { start, end: out.length };
  }

  #dataSegment(): void {
    const cursor = this.#cursor;
    cursor.takeId();
    const mode = this.#segmentTarget("memory", this.#context.memories);
    this.#data.push({ mode: mode ?? { kind: "passive" }, ...this.#strings() });
  }

  /** `(memory x)? (offset ...)`, or null if neither stands here. */
  #segmentTarget(kind: "memory" | "table", space: Space): (SegmentMode & { kind: "active" }) | null {
    const cursor = this.#cursor;
    let index = 0;
    if (cursor.takeForm(kind)) {
      index = space.index(cursor);
      cursor.expectClose();
    } else if (cursor.kind() !== Kind.Open || (kind === "table" && isRefTypeNext(this.#context))) {
      return null;
    }
    return { kind: "active", index, offset: this.#offset() };
  }

  /** `(offset instr*)` or one folded instruction. */
  #offset(): Expr {
    const cursor = this.#cursor;
    if (!cursor.takeForm("offset")) return this.#instructions.foldedExpression();
    const offset = this.#instructions.expression();
    cursor.expectClose();
    return offset;
  }

  #elem(): void {
    const context = this.#context;
    const cursor = this.#cursor;
    cursor.takeId();
    const isDeclarative = cursor.takeKeyword("declare");
    const hasTable = cursor.isForm("table");
    const active = isDeclarative ? null : this.#segmentTarget("table", context.tables);
    const mode: SegmentMode = active ?? { kind: isDeclarative ? "declarative" : "passive" };
    if (cursor.takeKeyword("func")) {
      this.#elements.push({ mode, type: FUNC_ITEMS, items: this.#funcItems() });
    } else if (isRefTypeNext(context)) {
      const type = parseRefType(context);
      this.#elements.push({ mode, type, items: this.#exprItems() });
    } else if (active !== null && !hasTable) {
      // Without a table, "func" may be left out.
      this.#elements.push({ mode, type: FUNC_ITEMS, items: this.#funcItems() });
    } else {
      throw cursor.unexpected();
    }
  }

  #funcItems(): ElementSegment["items"] & { kind: "funcs" } {
    const indices: number[] = [];
    while (isIndex(this.#cursor)) indices.push(this.#context.funcs.index(this.#cursor));
    return { kind: "funcs", indices: Uint32Array.from(indices) };
  }

  /** `(item instr*)`, or one folded instruction each; in tables also function indices. */
  #exprItems(): ElementSegment["items"] & { kind: "exprs" } {
    const cursor = this.#cursor;
    const exprs: Expr[] = [];
    while (isIndex(cursor)) exprs.push(this.#refFunc());
    while (cursor.kind() === Kind.Open) {
      if (cursor.takeForm("item")) {
        exprs.push(this.#instructions.expression());
        cursor.expectClose();
      } else {
        exprs.push(this.#instructions.foldedExpression());
      }
    }
    return { kind: "exprs", exprs };
  }

  #refFunc(): Expr {
    const { out, funcs } = this.#context;
    const start = out.length;
    out.u8(Op.RefFunc);
    out.u32(funcs.index(this.#cursor));
    out.u8(Op.End);
    return { start, end: out.length };
  }

  #module(): Module {
    const context = this.#context;
    const hints = branchHintSection(context);
    if (hints !== null) this.#customs.push(hints);
    const names = this.#withNames ? this.#nameSection() : null;
    const customs = names === null ? this.#customs : [names, ...this.#customs];
    const needsDataCount = context.usesDataCount || this.#forcesDataCount;
    return {
      bytes: context.out.toBytes(),
      types: context.types,
      recGroups: context.recGroups,
      imports: this.#imports,
      funcs: Uint32Array.from(this.#funcs),
      tables: this.#tables,
      memories: this.#memories,
      tags: this.#tags,
      globals: this.#globals,
      exports: this.#exports,
      start: this.#start,
      elements: this.#elements,
      dataCount: needsDataCount ? this.#data.length : null,
      data: this.#data,
      bodyStarts: Uint32Array.from(this.#bodyStarts),
      bodyEnds: Uint32Array.from(this.#bodyEnds),
      customs,
      importedFuncs: this.#imported.func,
      importedTables: this.#imported.table,
      importedMemories: this.#imported.memory,
      importedTags: this.#imported.tag,
      importedGlobals: this.#imported.global,
    };
  }

  /** The name section from the identifiers, unless there are none or the text brings one of its own. */
  #nameSection(): CustomSection | null {
    const context = this.#context;
    if (this.#customs.some((custom) => custom.name === "name")) return null;
    const fields = new Map([...context.fields].map(([index, space]) => [index, space.names]));
    const { out } = context;
    const start = out.length;
    writeNames(out, {
      module: context.moduleName,
      funcs: context.funcs.names,
      locals: context.localNames,
      labels: context.labelNames,
      types: context.typeSpace.names,
      tables: context.tables.names,
      memories: context.memories.names,
      globals: context.globals.names,
      elems: context.elems.names,
      data: context.data.names,
      fields,
      tags: context.tags.names,
    });
    if (out.length === start) return null;
    return { name: "name", start, end: out.length, place: Section.Data };
  }
}
