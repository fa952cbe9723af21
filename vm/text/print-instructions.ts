/** Instructions as text, one to a line, driven by the instruction table (spec: text-instr). */

import { type ImmediateValue, readInstruction } from "../binary/instructions.ts";
import type { BlockType, CastTarget, CatchClause, DecodedInstruction } from "../binary/instructions.ts";
import { Reader } from "../binary/reader.ts";
import { assertNever } from "../errors.ts";
import type { Module } from "../module.ts";
import { Op } from "../opcodes.ts";
import { heapTypeText, type HeapType, valTypeText } from "../types.ts";
import { f32Text, f64Text } from "./numbers.ts";
import { idText, PrintedSpace } from "./print-names.ts";
import { nameLiteral } from "./strings.ts";

/** Deeper blocks are not indented further, so that text stays linear in the binary. */
const MAX_INDENT = 40;

const INDENTS: readonly string[] = Array.from({ length: MAX_INDENT + 1 }, (_, depth) => "  ".repeat(depth));

/** The names instructions refer to. */
export interface PrintedSpaces {
  readonly types: PrintedSpace;
  readonly funcs: PrintedSpace;
  readonly tables: PrintedSpace;
  readonly memories: PrintedSpace;
  readonly tags: PrintedSpace;
  readonly globals: PrintedSpace;
  readonly elems: PrintedSpace;
  readonly data: PrintedSpace;
  readonly fields: ReadonlyMap<number, PrintedSpace>;
}

/** What is named inside one function. */
export interface PrintedFunction {
  readonly locals: PrintedSpace;
  readonly labels: ReadonlyMap<number, string>;
}

export class InstructionPrinter {
  readonly #module: Module;
  readonly #spaces: PrintedSpaces;
  readonly #count: { printed: number };
  /** Some instruction names a data segment. */
  usesData = false;

  #locals: PrintedSpace;
  #labelNames: ReadonlyMap<number, string> = new Map();
  #labelCount = 0;
  /** The identifier of each open block, or null. */
  readonly #labels: (string | null)[] = [];
  /** Where each identifier stands in `#labels`, innermost last. */
  readonly #depths = new Map<string, number[]>();

  constructor(module: Module, spaces: PrintedSpaces, count: { printed: number }) {
    this.#module = module;
    this.#spaces = spaces;
    this.#count = count;
    this.#locals = new PrintedSpace(new Map(), count);
  }

  /** Prints the instructions at the reader up to the last `end`, which is left out. */
  body(reader: Reader, scope: PrintedFunction, lines: string[]): void {
    this.#locals = scope.locals;
    this.#labelNames = scope.labels;
    this.#labelCount = 0;
    for (;;) {
      const instruction = readInstruction(reader);
      const { op } = instruction;
      if (op === Op.End && this.#labels.length === 0) break;
      if (op === Op.End || op === Op.Delegate) this.#leave();
      const isMiddle = op === Op.Else || op === Op.Catch || op === Op.CatchAll;
      const depth = this.#labels.length - (isMiddle ? 1 : 0);
      const indent = INDENTS[Math.max(0, Math.min(depth + 2, MAX_INDENT))] ?? "";
      lines.push(indent + this.#text(instruction));
    }
  }

  /** A constant expression, each plain instruction in parentheses. */
  expression(start: number, end: number): string {
    const reader = new Reader(this.#module.bytes, start, end);
    const parts: string[] = [];
    this.#labelNames = new Map();
    for (;;) {
      const instruction = readInstruction(reader);
      const { op } = instruction;
      if (op === Op.End && this.#labels.length === 0) return parts.join(" ");
      if (op === Op.End) this.#leave();
      const isBlock = op === Op.End || op === Op.Else || this.#labels.length > 0;
      const text = this.#text(instruction);
      parts.push(isBlock || this.#labels.length > 0 ? text : `(${text})`);
    }
  }

  #text(instruction: DecodedInstruction): string {
    const { op, immediates } = instruction;
    const { mnemonic } = instruction.instruction;
    switch (op) {
      case Op.Block:
      case Op.Loop:
      case Op.If:
      case Op.Try:
      case Op.TryTable: {
        const outside = immediates.slice(1).map((value) => this.#immediate(value, instruction));
        return mnemonic + this.#enter() + this.#immediate(immediates[0]!, instruction) + outside.join("");
      }
      case Op.RefTest:
      case Op.RefTestNull:
      case Op.RefCast:
      case Op.RefCastNull: {
        const [heap] = immediates;
        const nullable = op === Op.RefTestNull || op === Op.RefCastNull;
        return heap?.kind === "heaptype" ? `${mnemonic} ${this.#castTarget({ heap: heap.heap, nullable })}` : mnemonic;
      }
      case Op.CallIndirect:
      case Op.ReturnCallIndirect: {
        const table = indexOf(immediates[1]);
        const where = table === 0 ? "" : ` ${this.#spaces.tables.reference(table)}`;
        return `${mnemonic}${where} (type ${this.#spaces.types.reference(indexOf(immediates[0]))})`;
      }
      case Op.TableInit:
      case Op.MemoryInit: {
        // The text names the memory or table first, and may leave out the first of them.
        const [segment, target] = immediates.map((value) => this.#immediate(value, instruction));
        return mnemonic + (indexOf(immediates[1]) === 0 ? "" : target) + segment;
      }
      case Op.TableCopy:
      case Op.MemoryCopy: {
        if (immediates.every((value) => indexOf(value) === 0)) return mnemonic;
        return mnemonic + immediates.map((value) => this.#immediate(value, instruction)).join("");
      }
      case Op.StructGet:
      case Op.StructGetS:
      case Op.StructGetU:
      case Op.StructSet:
        return mnemonic + this.#field(immediates);
      default: {
        let text = mnemonic;
        for (const value of immediates) text += this.#immediate(value, instruction);
        return text;
      }
    }
  }

  #field(immediates: readonly ImmediateValue[]): string {
    const [type, field] = [indexOf(immediates[0]), indexOf(immediates[1])];
    const fieldText = this.#spaces.fields.get(type)?.reference(field) ?? String(field);
    return ` ${this.#spaces.types.reference(type)} ${fieldText}`;
  }

  /** An immediate with a space before it, or nothing where the text leaves it out. */
  #immediate(value: ImmediateValue, { instruction }: DecodedInstruction): string {
    const spaces = this.#spaces;
    switch (value.kind) {
      case "i32":
      case "i64":
      case "u32":
      case "laneidx":
      case "fieldidx":
        return ` ${value.value}`;
      case "order":
        return "";
      case "f32":
        return ` ${f32Text(value.bits)}`;
      case "f64":
        return ` ${f64Text(value.bits)}`;
      case "v128":
        return ` i32x4${vectorText(value.bytes)}`;
      case "lanes16":
        return ` ${[...value.bytes].join(" ")}`;
      case "localidx":
        return ` ${this.#locals.reference(value.value)}`;
      case "funcidx":
        return ` ${spaces.funcs.reference(value.value)}`;
      case "globalidx":
        return ` ${spaces.globals.reference(value.value)}`;
      case "typeidx":
        return ` ${spaces.types.reference(value.value)}`;
      case "tagidx":
        return ` ${spaces.tags.reference(value.value)}`;
      case "elemidx":
        return ` ${spaces.elems.reference(value.value)}`;
      case "dataidx":
        this.usesData = true;
        return ` ${spaces.data.reference(value.value)}`;
      case "tableidx":
        return isOptional(value.value, instruction.immediates.length) ? "" : ` ${spaces.tables.reference(value.value)}`;
      case "memidx":
        return isOptional(value.value, instruction.immediates.length)
          ? ""
          : ` ${spaces.memories.reference(value.value)}`;
      case "labelidx":
        return ` ${this.#label(value.value)}`;
      case "labels":
        return value.labels.map((label) => ` ${this.#label(label)}`).join("");
      case "heaptype":
        return ` ${this.heapType(value.heap)}`;
      case "castop":
        return ` ${this.#label(value.label)} ${this.#castTarget(value.source)} ${this.#castTarget(value.target)}`;
      case "valtypes":
        return ` (result${value.types.map((type) => ` ${this.valType(type)}`).join("")})`;
      case "blocktype":
        return this.#blockType(value.type);
      case "catches":
        return value.clauses.map((clause) => this.#catch(clause)).join("");
      case "memarg":
        return this.#memArg(value, instruction.width);
      default:
        return assertNever(value);
    }
  }

  #memArg(value: ImmediateValue & { kind: "memarg" }, width: number): string {
    const memory = value.memIndex === 0 ? "" : ` ${this.#spaces.memories.reference(value.memIndex)}`;
    const offset = value.offset === 0n ? "" : ` offset=${value.offset}`;
    const align = 1n << BigInt(value.align);
    return memory + offset + (align === BigInt(width) ? "" : ` align=${align}`);
  }

  #blockType(type: BlockType): string {
    switch (type.kind) {
      case "empty":
        return "";
      case "result":
        return ` (result ${this.valType(type.type)})`;
      case "index":
        return ` (type ${this.#spaces.types.reference(type.typeIndex)})`;
    }
  }

  #catch({ kind, tagIndex, label }: CatchClause): string {
    const tag = tagIndex === null ? "" : ` ${this.#spaces.tags.reference(tagIndex)}`;
    return ` (${kind}${tag} ${this.#label(label)})`;
  }

  #castTarget({ heap, nullable }: CastTarget): string {
    return `(ref ${nullable ? "null " : ""}${this.heapType(heap)})`;
  }

  heapType(heap: HeapType): string {
    return heap >= 0 ? this.#spaces.types.reference(heap) : heapTypeText(heap);
  }

  valType(type: number): string {
    return valTypeText(type);
  }

  /** Opens a block: its label, with a space before it. */
  #enter(): string {
    const name = this.#labelNames.get(this.#labelCount++);
    const id = name === undefined || name === "" ? null : idText(name);
    if (id !== null) {
      const depths = this.#depths.get(id);
      if (depths === undefined) this.#depths.set(id, [this.#labels.length]);
      else depths.push(this.#labels.length);
    }
    this.#labels.push(id);
    if (name === undefined) return "";
    this.#count.printed++;
    return id === null ? ` (@name ${nameLiteral(name)})` : ` ${id}`;
  }

  #leave(): void {
    const id = this.#labels.pop();
    if (id !== null && id !== undefined) this.#depths.get(id)?.pop();
  }

  /** The label by its identifier, unless an inner block has the same. */
  #label(index: number): string {
    const depth = this.#labels.length - 1 - index;
    const id = this.#labels[depth];
    if (id === null || id === undefined) return String(index);
    return this.#depths.get(id)?.at(-1) === depth ? id : String(index);
  }
}

/** The value of an immediate that is an index. */
function indexOf(value: ImmediateValue | undefined): number {
  return value !== undefined && "value" in value ? Number(value.value) : 0;
}

/** Index 0 is left out where it is the instruction's only immediate. */
function isOptional(index: number, immediates: number): boolean {
  return index === 0 && immediates === 1;
}

function vectorText(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = "";
  for (let i = 0; i < 16; i += 4) text += ` 0x${view.getUint32(i, true).toString(16).padStart(8, "0")}`;
  return text;
}
