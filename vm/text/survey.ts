/**
 * The first pass over a module's text: every field gets its index and binds its identifier, types are
 * read, custom annotations collected. After it anything can be named wherever it stands.
 */

import type { MalformedMessage } from "../errors.ts";
import type { CustomSection } from "../module.ts";
import type { ExternKind } from "../types.ts";
import { parseCustom } from "./annotations.ts";
import type { Context } from "./context.ts";
import type { Cursor } from "./cursor.ts";
import { Kind } from "./lexer.ts";
import { parseAddressType, parseExternKind, parseSubType } from "./types.ts";

export type FieldKind = ExternKind | "export" | "start" | "elem" | "data" | "import";

export interface Field {
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

export class Survey {
  readonly #cursor: Cursor;
  readonly #context: Context;
  /** The fields that the second pass reads, in order. */
  readonly fields: Field[] = [];
  readonly customs: CustomSection[] = [];
  readonly imported: Record<ExternKind, number> = { func: 0, table: 0, memory: 0, tag: 0, global: 0 };
  /** The printer noted a data count section that no instruction calls for. */
  forcesDataCount = false;
  /** Tokens after `(type`, by type index. */
  readonly #typeFields: number[] = [];
  /** The first definition that is no import: none may follow it. */
  #defined: ExternKind | null = null;

  constructor(context: Context) {
    this.#context = context;
    this.#cursor = context.cursor;
  }

  /** Walks over the fields: gives indices, binds identifiers, notes where each field stands. */
  run(): void {
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
      this.customs.push(parseCustom(context, annotation));
    }
    if (context.takeAnnotations("datacount").length > 0) this.forcesDataCount = true;
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
        if (this.fields.some((field) => field.kind === "start")) {
          throw cursor.fail("multiple start sections", undefined, at - 1);
        }
        break;
      case "export":
        break;
      default:
        cursor.at = at - 1;
        throw cursor.unexpected();
    }
    this.fields.push({ kind, at });
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
    const kind = parseExternKind(cursor);
    this.#noteImport(kind, cursor.at);
    this.#context.space(kind).bind(this.#context);
  }

  #noteImport(kind: ExternKind, at: number): void {
    if (this.#defined !== null) throw this.#cursor.fail(IMPORT_AFTER[this.#defined], undefined, at);
    this.imported[kind]++;
  }

  #surveyDefinition(kind: ExternKind): void {
    const cursor = this.#cursor;
    this.#context.space(kind).bind(this.#context);
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

  /** Reads the types, once all have their names. */
  parseTypes(): void {
    const context = this.#context;
    this.#typeFields.forEach((at, index) => {
      this.#cursor.at = at;
      context.types.push(parseSubType(context, index));
      this.#cursor.expectClose();
    });
    context.indexSignatures();
  }
}
