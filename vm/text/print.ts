/**
 * Modules as text (spec: text-module), one field to a line. Parsed again, the text gives the same
 * binary: type uses name their type, names stand as identifiers or `@name` annotations, custom
 * sections as `@custom`.
 */

import { Reader } from "../binary/reader.ts";
import { readValType } from "../binary/read-types.ts";
import { assertNever, limitExceeded } from "../errors.ts";
import { MAX_LOCALS } from "../limits.ts";
import type { CustomSection, DataSegment, ElementSegment, Expr, Module, SegmentMode } from "../module.ts";
import {
  type CompType,
  type ExternKind,
  type ExternType,
  type FieldType,
  type FuncType,
  type GlobalType,
  type Limits,
  type MemType,
  Num,
  type SubType,
  type TableType,
  valTypeText,
  type ValType,
} from "../types.ts";
import { placementText } from "./annotations.ts";
import { type Names, noNames } from "./names.ts";
import { InstructionPrinter, type PrintedSpaces } from "./print-instructions.ts";
import { countNames, idText, isAtEnd, PrintedSpace, printableNames } from "./print-names.ts";
import { nameLiteral, stringLiteral } from "./strings.ts";

/** Bytes of a segment on one line. */
const BYTES_PER_LINE = 64;

/**
 * The text of a decoded or parsed module. Throws `CompileError` where a body is malformed: decoding
 * does not look into bodies, validation does.
 */
export function printModule(module: Module): string {
  const named = printableNames(module);
  if (named !== null) {
    const printer = new ModulePrinter(module, named.names, named.section);
    const text = printer.print();
    // A name of something that does not exist has no place in the text.
    if (printer.count.printed === countNames(named.names)) return text;
  }
  return new ModulePrinter(module, noNames(), null).print();
}

class ModulePrinter {
  readonly count = { printed: 0 };
  readonly #module: Module;
  readonly #names: Names;
  readonly #nameSection: CustomSection | null;
  readonly #spaces: PrintedSpaces;
  readonly #instructions: InstructionPrinter;
  readonly #lines: string[] = [];

  constructor(module: Module, names: Names, nameSection: CustomSection | null) {
    this.#module = module;
    this.#names = names;
    this.#nameSection = nameSection;
    const space = (map: ReadonlyMap<number, string>) => new PrintedSpace(map, this.count);
    this.#spaces = {
      types: space(names.types),
      funcs: space(names.funcs),
      tables: space(names.tables),
      memories: space(names.memories),
      tags: space(names.tags),
      globals: space(names.globals),
      elems: space(names.elems),
      data: space(names.data),
      fields: new Map([...names.fields].map(([index, map]) => [index, space(map)])),
    };
    this.#instructions = new InstructionPrinter(module, this.#spaces, this.count);
  }

  print(): string {
    const module = this.#module;
    const name = this.#names.module;
    this.#lines.push(`(module${name === null ? "" : name === "" ? ' (@name "")' : ` ${idText(name)}`}`);
    this.#types();
    this.#imports();
    this.#definitions();
    for (const item of module.exports) {
      const index = this.#space(item.kind).reference(item.index);
      this.#line(`(export ${nameLiteral(item.name)} (${item.kind} ${index}))`);
    }
    if (module.start !== null) this.#line(`(start ${this.#spaces.funcs.reference(module.start)})`);
    for (const [index, segment] of module.elements.entries()) this.#elements(segment, index);
    for (const [index, segment] of module.data.entries()) this.#data(segment, index);
    this.#functions();
    if (module.dataCount !== null && !this.#instructions.usesData) this.#line("(@datacount)");
    for (const custom of module.customs) if (custom !== this.#nameSection) this.#custom(custom);
    this.#lines.push(")\n");
    return this.#lines.join("\n");
  }

  #line(text: string): void {
    this.#lines.push(`  ${text}`);
  }

  #space(kind: ExternKind): PrintedSpace {
    switch (kind) {
      case "func":
        return this.#spaces.funcs;
      case "table":
        return this.#spaces.tables;
      case "memory":
        return this.#spaces.memories;
      case "tag":
        return this.#spaces.tags;
      case "global":
        return this.#spaces.globals;
    }
  }

  /** ` $id (;index;)`, as it stands after the keyword of a field. */
  #binding(space: PrintedSpace, index: number): string {
    return `${space.binding(index)} (;${index};)`;
  }

  #types(): void {
    const { recGroups, types } = this.#module;
    let index = 0;
    for (const size of recGroups) {
      const texts: string[] = [];
      for (const end = index + size; index < end; index++) {
        const type = types[index];
        if (type !== undefined)
          texts.push(`(type${this.#binding(this.#spaces.types, index)} ${this.#subType(type, index)})`);
      }
      if (size === 1) this.#line(texts[0] ?? "");
      else this.#line(`(rec${texts.map((text) => `\n    ${text}`).join("")})`);
    }
  }

  #subType(type: SubType, index: number): string {
    const comp = this.#compType(type.comp, index);
    if (type.final && type.supers.length === 0) return comp;
    const supers = type.supers.map((superIndex) => ` ${this.#spaces.types.reference(superIndex)}`).join("");
    return `(sub${type.final ? " final" : ""}${supers} ${comp})`;
  }

  #compType(comp: CompType, index: number): string {
    switch (comp.kind) {
      case "func":
        return `(func${signature(comp)})`;
      case "struct":
        return `(struct${comp.fields.map((field, i) => this.#field(field, index, i)).join("")})`;
      case "array":
        return `(array ${fieldText(comp.field)})`;
      default:
        return assertNever(comp);
    }
  }

  #field(field: FieldType, typeIndex: number, index: number): string {
    return ` (field${this.#spaces.fields.get(typeIndex)?.binding(index) ?? ""} ${fieldText(field)})`;
  }

  #imports(): void {
    const counts: Record<ExternKind, number> = { func: 0, table: 0, memory: 0, tag: 0, global: 0 };
    for (const item of this.#module.imports) {
      const { kind } = item.type;
      const index = counts[kind]++;
      const type = this.#externType(item.type, index);
      const head = `(import ${nameLiteral(item.module)} ${nameLiteral(item.name)}`;
      this.#line(`${head} (${kind}${this.#binding(this.#space(kind), index)} ${type}))`);
    }
  }

  #externType(type: ExternType, index: number): string {
    switch (type.kind) {
      case "func":
        return this.#typeUse(type.typeIndex, this.#locals(index));
      case "tag":
        return this.#typeUse(type.typeIndex);
      case "table":
        return tableText(type.type);
      case "memory":
        return memoryText(type.type);
      case "global":
        return globalText(type.type);
      default:
        return assertNever(type);
    }
  }

  #locals(func: number): PrintedSpace {
    return new PrintedSpace(this.#names.locals.get(func) ?? new Map(), this.count);
  }

  /** `(type n)`, and for reading what it says. */
  #typeUse(typeIndex: number, locals: PrintedSpace | null = null): string {
    const comp = this.#module.types[typeIndex]?.comp;
    const use = `(type ${this.#spaces.types.reference(typeIndex)})`;
    if (comp?.kind !== "func") return use;
    const params = locals === null ? typeList("param", comp.params) : namedTypes("param", comp.params, locals, 0);
    return use + params + typeList("result", comp.results);
  }

  /** Tables, memories, tags and globals that are not imported. */
  #definitions(): void {
    const { module, spaces } = { module: this.#module, spaces: this.#spaces };
    module.tables.slice(module.importedTables).forEach(({ type, init }, i) => {
      const initText = init === null ? "" : ` ${this.#expr(init)}`;
      this.#line(`(table${this.#binding(spaces.tables, module.importedTables + i)} ${tableText(type)}${initText})`);
    });
    module.memories.slice(module.importedMemories).forEach((type, i) => {
      this.#line(`(memory${this.#binding(spaces.memories, module.importedMemories + i)} ${memoryText(type)})`);
    });
    module.tags.slice(module.importedTags).forEach((typeIndex, i) => {
      this.#line(`(tag${this.#binding(spaces.tags, module.importedTags + i)} ${this.#typeUse(typeIndex)})`);
    });
    module.globals.slice(module.importedGlobals).forEach(({ type, init }, i) => {
      const initText = init === null ? "" : ` ${this.#expr(init)}`;
      this.#line(`(global${this.#binding(spaces.globals, module.importedGlobals + i)} ${globalText(type)}${initText})`);
    });
  }

  #expr({ start, end }: Expr): string {
    return this.#instructions.expression(start, end);
  }

  /** Where a segment goes, with a space before each part; table or memory 0 is left out. */
  #mode(mode: SegmentMode, kind: "table" | "memory"): string {
    switch (mode.kind) {
      case "passive":
        return "";
      case "declarative":
        return " declare";
      case "active": {
        const target = mode.index === 0 ? "" : ` (${kind} ${this.#space(kind).reference(mode.index)})`;
        return `${target} (offset ${this.#expr(mode.offset)})`;
      }
      default:
        return assertNever(mode);
    }
  }

  #elements({ mode, type, items }: ElementSegment, index: number): void {
    const head = `(elem${this.#binding(this.#spaces.elems, index)}${this.#mode(mode, "table")}`;
    if (items.kind === "funcs") {
      this.#line(
        `${head} func${Array.from(items.indices, (func) => ` ${this.#spaces.funcs.reference(func)}`).join("")})`,
      );
    } else {
      this.#line(`${head} ${valTypeText(type)}${items.exprs.map((expr) => ` (item ${this.#expr(expr)})`).join("")})`);
    }
  }

  #data({ mode, start, end }: DataSegment, index: number): void {
    const head = `(data${this.#binding(this.#spaces.data, index)}${this.#mode(mode, "memory")}`;
    this.#line(`${head}${this.#bytes(start, end)})`);
  }

  /** Bytes as strings of a bounded length, each with a space before it. */
  #bytes(start: number, end: number): string {
    if (end - start <= BYTES_PER_LINE) return ` ${stringLiteral(this.#module.bytes.subarray(start, end))}`;
    const parts: string[] = [];
    for (let at = start; at < end; at += BYTES_PER_LINE) {
      parts.push(`\n    ${stringLiteral(this.#module.bytes.subarray(at, Math.min(end, at + BYTES_PER_LINE)))}`);
    }
    return parts.join("");
  }

  #functions(): void {
    const module = this.#module;
    for (let i = 0; i < module.bodyStarts.length; i++) {
      const index = module.importedFuncs + i;
      const typeIndex = module.funcs[index] ?? 0;
      const locals = this.#locals(index);
      this.#line(`(func${this.#binding(this.#spaces.funcs, index)} ${this.#typeUse(typeIndex, locals)}`);
      const reader = new Reader(module.bytes, module.bodyStarts[i], module.bodyEnds[i]);
      reader.funcIndex = index;
      this.#declarations(reader, typeIndex, locals);
      this.#instructions.body(reader, { locals, labels: this.#names.labels.get(index) ?? new Map() }, this.#lines);
      this.#line(")");
    }
  }

  /** The local declarations at the start of a body. */
  #declarations(reader: Reader, typeIndex: number, locals: PrintedSpace): void {
    const comp = this.#module.types[typeIndex]?.comp;
    let first = comp?.kind === "func" ? comp.params.length : 0;
    for (let runs = reader.u32(); runs > 0; runs--) {
      const count = reader.u32();
      const type = readValType(reader);
      if (first + count > MAX_LOCALS) {
        throw limitExceeded(`more than ${MAX_LOCALS} locals`, reader.placeAt(reader.position));
      }
      if (count > 0) this.#lines.push(`   ${namedTypes("local", new Array<ValType>(count).fill(type), locals, first)}`);
      first += count;
    }
  }

  #custom(custom: CustomSection): void {
    const placement = isAtEnd(this.#module, custom.place) ? "(after last)" : placementText(custom.place);
    const content = custom.end > custom.start ? this.#bytes(custom.start, custom.end) : "";
    this.#line(`(@custom ${nameLiteral(custom.name)} ${placement}${content})`);
  }
}

function typeList(keyword: "param" | "result", types: readonly ValType[]): string {
  return types.length === 0 ? "" : ` (${keyword} ${types.map(valTypeText).join(" ")})`;
}

/** Parameters or locals: those with a name apart, those without together. */
function namedTypes(keyword: "param" | "local", types: readonly ValType[], names: PrintedSpace, first: number): string {
  let text = "";
  let isOpen = false;
  types.forEach((type, i) => {
    const index = first + i;
    if (names.hasName(index)) {
      text += `${isOpen ? ")" : ""} (${keyword}${names.binding(index)} ${valTypeText(type)})`;
      isOpen = false;
    } else {
      text += `${isOpen ? "" : ` (${keyword}`} ${valTypeText(type)}`;
      isOpen = true;
    }
  });
  return isOpen ? `${text})` : text;
}

function signature(type: FuncType): string {
  return typeList("param", type.params) + typeList("result", type.results);
}

function fieldText({ storage, mutable }: FieldType): string {
  return mutable ? `(mut ${valTypeText(storage)})` : valTypeText(storage);
}

function globalText({ type, mutable }: GlobalType): string {
  return mutable ? `(mut ${valTypeText(type)})` : valTypeText(type);
}

function limitsText({ min, max }: Limits, address: number): string {
  return `${address === Num.I64 ? "i64 " : ""}${min}${max === null ? "" : ` ${max}`}`;
}

function tableText({ limits, address, element }: TableType): string {
  return `${limitsText(limits, address)} ${valTypeText(element)}`;
}

function memoryText({ limits, address, shared, pageSizeLog2 }: MemType): string {
  const page = pageSizeLog2 === undefined ? "" : ` (pagesize ${2n ** BigInt(pageSizeLog2)})`;
  return limitsText(limits, address) + (shared ? " shared" : "") + page;
}
