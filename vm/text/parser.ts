/**
 * Modules in the text format (spec: text-module). Two passes over the tokens: the first gives every
 * field its index and name and reads the types, the second reads the fields in order, so that
 * anything may be named before it stands in the text. Expressions and bodies are written as binary.
 */

import { Section } from "../binary/decode.ts";
import { writeValType } from "../binary/encode.ts";
import type { CustomSection, Export, Global, Import, Module, Table } from "../module.ts";
import { check, type Expected } from "../options.ts";
import { NO_PROPOSALS, type Proposals } from "../proposals.ts";
import type { ExternKind, ExternType, MemType, ValType } from "../types.ts";
import { branchHintSection } from "./annotations.ts";
import { Context, Space } from "./context.ts";
import { Cursor } from "./cursor.ts";
import { InstructionParser } from "./instructions.ts";
import { Kind, tokenize, type Tokens } from "./lexer.ts";
import { writeNames } from "./names.ts";
import type { TextPlaces } from "./places.ts";
import { SegmentParser } from "./segments.ts";
import { type FieldKind, Survey } from "./survey.ts";
import {
  isRefTypeNext,
  parseAddressType,
  parseExternKind,
  parseGlobalType,
  parseLimits,
  parseLocals,
  parseMemType,
  parsePageSize,
  parseRefType,
  parseTableType,
  parseTypeIndex,
} from "./types.ts";

export interface ParseOptions {
  /** Keep identifiers in a generated name section, for backtraces and printing. Default true. */
  readonly names?: boolean;
  /** Proposals whose syntax is accepted. Default: none. */
  readonly proposals?: Proposals;
}

const TEXT_SOURCE: Expected = {
  text: "a string or a Uint8Array",
  type: null,
  accepts: (value: unknown) => typeof value === "string" || value instanceof Uint8Array,
};

/**
 * The module that a text describes: `(module ...)`, or its fields alone. Feed it to `encodeModule` for
 * the binary. Throws `CompileError` with line and column. `places` is told where everything stands.
 */
export function parseModule(
  source: string | Uint8Array,
  options: ParseOptions = {},
  places: TextPlaces | null = null,
): Module {
  check("text of a module", source, TEXT_SOURCE);
  const cursor = new Cursor(tokenize(source));
  const hasModule = cursor.takeForm("module");
  if (places !== null) places.placeOf = (token) => cursor.place(token);
  const module = new ModuleParser(cursor, options, places).parse(hasModule);
  if (cursor.kind() !== Kind.End) throw cursor.unexpected();
  return module;
}

/** The module inside a script whose identifier, or first field, is token `at`. */
export function parseModuleAt(tokens: Tokens, at: number, options: ParseOptions = {}): Module {
  const cursor = new Cursor(tokens);
  cursor.at = at;
  return new ModuleParser(cursor, options).parse(true);
}

class ModuleParser {
  readonly #cursor: Cursor;
  readonly #context: Context;
  readonly #instructions: InstructionParser;
  readonly #withNames: boolean;
  readonly #survey: Survey;
  readonly #segments: SegmentParser;

  readonly #imports: Import[] = [];
  readonly #exports: Export[] = [];
  readonly #funcs: number[] = [];
  readonly #tables: Table[] = [];
  readonly #memories: MemType[] = [];
  readonly #tags: number[] = [];
  readonly #globals: Global[] = [];
  readonly #bodyStarts: number[] = [];
  readonly #bodyEnds: number[] = [];
  #start: number | null = null;

  constructor(cursor: Cursor, options: ParseOptions, places: TextPlaces | null = null) {
    this.#cursor = cursor;
    this.#context = new Context(cursor, options.proposals ?? NO_PROPOSALS);
    this.#context.places = places;
    this.#instructions = new InstructionParser(this.#context);
    this.#survey = new Survey(this.#context);
    this.#segments = new SegmentParser(this.#context, this.#instructions);
    this.#withNames = options.names ?? true;
  }

  /** Parses from the cursor to the closing parenthesis, which is taken, or without one to the end. */
  parse(hasParentheses: boolean): Module {
    const cursor = this.#cursor;
    const context = this.#context;
    const first = cursor.at;
    if (hasParentheses) context.moduleName = cursor.takeId();
    this.#moduleName();
    this.#survey.run();
    const end = cursor.at;
    if (hasParentheses) cursor.expectClose();
    const after = cursor.at;
    this.#survey.parseTypes();
    for (const field of this.#survey.fields) {
      cursor.at = field.at;
      this.#field(field.kind);
      if (this.#context.places !== null) this.#notePlaces(this.#context.places, field.at);
      cursor.expectClose();
    }
    cursor.at = after;
    context.checkAnnotations(first, end);
    return this.#module();
  }

  #notePlaces(places: TextPlaces, token: number): void {
    const { imported } = this.#survey;
    places.markField(Section.Import, this.#imports.length, token);
    places.markField(Section.Func, this.#bodyStarts.length, token);
    places.markField(Section.Table, this.#tables.length - imported.table, token);
    places.markField(Section.Memory, this.#memories.length - imported.memory, token);
    places.markField(Section.Tag, this.#tags.length - imported.tag, token);
    places.markField(Section.Global, this.#globals.length - imported.global, token);
    places.markField(Section.Export, this.#exports.length, token);
    places.markField(Section.Start, this.#start === null ? 0 : 1, token);
    places.markField(Section.Element, this.#segments.elements.length, token);
    places.markField(Section.Data, this.#segments.data.length, token);
  }

  #moduleName(): void {
    const context = this.#context;
    const [annotation, second] = context.takeAnnotations("name");
    if (annotation === undefined) return;
    if (second !== undefined) throw context.annotationError("@name annotation: multiple module", second);
    context.moduleName = context.annotationName(annotation);
  }

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
        this.#segments.elemField();
        return;
      case "data":
        this.#segments.dataField();
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
    const kind = parseExternKind(cursor);
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
    const kind = parseExternKind(cursor);
    this.#exports.push({ name, kind, index: this.#context.space(kind).index(cursor) });
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
    const size = BigInt(this.#segments.inlineElements(index, address, element));
    cursor.expectClose();
    this.#tables.push({ type: { limits: { min: size, max: size }, address, element }, init: null });
  }

  #memory(index: number): void {
    const context = this.#context;
    const cursor = this.#cursor;
    const before = cursor.at;
    const address = parseAddressType(context);
    const page = parsePageSize(context);
    if (!cursor.takeForm("data")) {
      cursor.at = before;
      this.#memories.push(parseMemType(context));
      return;
    }
    const byteLength = this.#segments.inlineData(index, address);
    cursor.expectClose();
    const type = { address, shared: cursor.takeKeyword("shared"), ...page };
    const pages = BigInt(Math.ceil(byteLength / 2 ** (page.pageSizeLog2 ?? 16)));
    this.#memories.push({ ...type, limits: { min: pages, max: pages } });
  }

  #module(): Module {
    const context = this.#context;
    const { imported, forcesDataCount } = this.#survey;
    const customs = [...this.#survey.customs];
    const { elements, data } = this.#segments;
    const hints = branchHintSection(context);
    if (hints !== null) customs.push(hints);
    const names = this.#withNames ? this.#nameSection() : null;
    if (names !== null) customs.unshift(names);
    const needsDataCount = context.usesDataCount || forcesDataCount;
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
      elements,
      dataCount: needsDataCount ? data.length : null,
      data,
      bodyStarts: Uint32Array.from(this.#bodyStarts),
      bodyEnds: Uint32Array.from(this.#bodyEnds),
      customs,
      importedFuncs: imported.func,
      importedTables: imported.table,
      importedMemories: imported.memory,
      importedTags: imported.tag,
      importedGlobals: imported.global,
    };
  }

  /** The name section from the identifiers, unless there are none or the text brings one of its own. */
  #nameSection(): CustomSection | null {
    const context = this.#context;
    if (this.#survey.customs.some((custom) => custom.name === "name")) return null;
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
