/**
 * What a module's text has defined so far (spec: text-context): index spaces with their names, types,
 * the bytes written, and what the generated custom sections need.
 */

import { Writer } from "../binary/writer.ts";
import { type CompileError, malformed, type MalformedMessage } from "../errors.ts";
import type { Proposals } from "../proposals.ts";
import type { ExternKind, FuncType, SubType } from "../types.ts";
import type { Cursor } from "./cursor.ts";
import { type Annotation, Kind } from "./lexer.ts";
import { u32Value } from "./numbers.ts";
import type { TextPlaces } from "./places.ts";
import { stringBytes, utf8Text } from "./strings.ts";

export type SpaceKind =
  | "data segment"
  | "elem segment"
  | "field"
  | "func"
  | "global"
  | "local"
  | "memory"
  | "table"
  | "tag"
  | "type";

/** One index space: how many indices are given, and which identifier stands for which. */
export class Space {
  readonly kind: SpaceKind;
  count = 0;
  readonly #indices = new Map<string, number>();
  /** The names for the name section: identifiers, or what `@name` says. */
  readonly names = new Map<number, string>();

  constructor(kind: SpaceKind) {
    this.kind = kind;
  }

  /** Gives the next index, under the identifier that may stand at the cursor. */
  bind(context: Context): number {
    const { cursor } = context;
    const index = this.count++;
    const at = cursor.at;
    const id = cursor.takeId();
    if (id !== null) {
      if (this.#indices.has(id)) throw cursor.fail(`duplicate ${this.kind}`, `$${id}`, at);
      this.#indices.set(id, index);
      this.names.set(index, id);
    }
    const name = context.takeName();
    if (name !== null) this.names.set(index, name);
    return index;
  }

  /** The index that a number or identifier at the cursor stands for. Numbers are not checked. */
  index(cursor: Cursor): number {
    const at = cursor.at;
    if (cursor.kind() === Kind.Nat) return nat(cursor);
    const id = cursor.takeId();
    if (id === null) throw cursor.unexpected();
    const index = this.#indices.get(id);
    if (index === undefined) throw cursor.fail(`unknown ${this.kind}`, `$${id}`, at);
    return index;
  }
}

/** An unsigned number of 32 bits that must stand here. */
export function nat(cursor: Cursor): number {
  if (cursor.kind() !== Kind.Nat) throw cursor.unexpected();
  const value = u32Value(cursor.word());
  if (value === null) throw cursor.fail("constant out of range");
  cursor.at++;
  return value;
}

/** Whether an index, as number or identifier, stands here. */
export function isIndex(cursor: Cursor, ahead = 0): boolean {
  const kind = cursor.kind(ahead);
  return kind === Kind.Nat || kind === Kind.Id;
}

/** The branch hints of one function, in order: offsets from the start of its body. */
export interface FunctionHints {
  readonly func: number;
  readonly hints: readonly { readonly offset: number; readonly likely: number }[];
}

export class Context {
  readonly cursor: Cursor;
  /** Filled for whoever wants to know where things stand. */
  places: TextPlaces | null = null;
  /** Becomes the module's bytes. */
  readonly out = new Writer(1024);
  readonly types: SubType[] = [];
  readonly recGroups: number[] = [];
  readonly typeSpace = new Space("type");
  readonly funcs = new Space("func");
  readonly tables = new Space("table");
  readonly memories = new Space("memory");
  readonly tags = new Space("tag");
  readonly globals = new Space("global");
  readonly elems = new Space("elem segment");
  readonly data = new Space("data segment");
  /** The field names of struct types, by type index. */
  readonly fields = new Map<number, Space>();
  /** Names inside functions, by function index. */
  readonly localNames = new Map<number, ReadonlyMap<number, string>>();
  readonly labelNames = new Map<number, ReadonlyMap<number, string>>();
  readonly hints: FunctionHints[] = [];
  moduleName: string | null = null;
  /** An instruction names a data segment: the binary must count them first. */
  usesDataCount = false;
  readonly #taken = new Set<Annotation>();
  /** The lowest index of each function type that stands alone in its recursion group. */
  readonly #signatures = new Map<string, number>();

  readonly proposals: Proposals;

  constructor(cursor: Cursor, proposals: Proposals) {
    this.cursor = cursor;
    this.proposals = proposals;
  }

  /** The index space of what can be imported and exported. */
  space(kind: ExternKind): Space {
    switch (kind) {
      case "func":
        return this.funcs;
      case "table":
        return this.tables;
      case "memory":
        return this.memories;
      case "tag":
        return this.tags;
      case "global":
        return this.globals;
    }
  }

  /** Makes the explicit types known as what inline types may stand for. */
  indexSignatures(): void {
    let index = 0;
    for (const size of this.recGroups) {
      const type = this.types[index];
      if (size === 1 && type?.comp.kind === "func" && type.final && type.supers.length === 0) {
        const key = signatureKey(type.comp);
        if (!this.#signatures.has(key)) this.#signatures.set(key, index);
      }
      index += size;
    }
  }

  /** The type that an inline function type stands for; a new one if there is none (spec: text-typeuse). */
  implicitType(type: FuncType): number {
    const key = signatureKey(type);
    const known = this.#signatures.get(key);
    if (known !== undefined) return known;
    const index = this.types.length;
    this.types.push({ final: true, supers: [], comp: { kind: "func", params: type.params, results: type.results } });
    this.recGroups.push(1);
    this.#signatures.set(key, index);
    return index;
  }

  /** The annotations of that kind just before the current token; each is taken once. */
  takeAnnotations(id: string): readonly Annotation[] {
    const found = this.cursor.annotations(id);
    for (const annotation of found) this.#taken.add(annotation);
    return found;
  }

  /** The name that a `@name` annotation here gives to what has just been bound. */
  takeName(): string | null {
    const [annotation, second] = this.takeAnnotations("name");
    if (annotation === undefined) return null;
    if (second !== undefined) throw this.annotationError("@name annotation: unexpected token", second);
    return this.annotationName(annotation);
  }

  annotationName(annotation: Annotation): string {
    const [token, more] = annotation.tokens;
    if (token?.kind !== Kind.String || more !== undefined) {
      throw this.annotationError("@name annotation: unexpected token", annotation);
    }
    const name = utf8Text(stringBytes(this.cursor.text, token.start, token.end));
    if (name === null) throw this.annotationError("@name annotation: malformed UTF-8 encoding", annotation);
    return name;
  }

  /** Annotations from token `first` to token `last` that nothing has taken stand at a wrong place. */
  checkAnnotations(first: number, last: number): void {
    for (const annotation of this.cursor.annotationsBetween(first, last)) {
      if (this.#taken.has(annotation)) continue;
      throw this.annotationError(MISPLACED[annotation.id] ?? "unexpected token", annotation);
    }
  }

  annotationError(message: MalformedMessage, annotation: Annotation): CompileError {
    return malformed(message, this.cursor.tokens.place(annotation.start));
  }
}

const MISPLACED: Readonly<Record<string, MalformedMessage>> = {
  name: "misplaced @name annotation",
  custom: "misplaced @custom annotation",
  "metadata.code.branch_hint": "@metadata.code.branch_hint annotation: not in a function",
};

function signatureKey(type: FuncType): string {
  return `${type.params.join(",")}:${type.results.join(",")}`;
}
