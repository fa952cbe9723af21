/** A place in a token list, and the questions a parser asks there. */

import type { CompileError, MalformedMessage } from "../errors.ts";
import { INSTRUCTIONS } from "../opcodes.ts";
import { HEAP_TYPE_NAMES, VAL_TYPE_NAMES } from "../types.ts";
import { type Annotation, Kind, type Tokens } from "./lexer.ts";
import { stringBytes, utf8Text } from "./strings.ts";

const STRUCTURE_WORDS =
  "module type rec sub final func struct array field mut param result local import export global table memory tag " +
  "elem data start offset item declare then else end catch catch_ref catch_all catch_all_ref ref null shared " +
  "i8 i16 i8x16 i16x8 i32x4 i64x2 f32x4 f64x2 " +
  "binary quote definition instance register invoke get script input output either thread wait assert_return assert_trap " +
  "assert_exhaustion assert_exception assert_suspension assert_malformed assert_invalid assert_unlinkable " +
  "assert_malformed_custom assert_invalid_custom nan:canonical nan:arithmetic " +
  "ref.extern ref.host ref.any ref.struct ref.array ref.exn";

/** Every word that means something somewhere; the others are "unknown operator". */
const KEYWORDS: ReadonlySet<string> = new Set([
  ...STRUCTURE_WORDS.split(" "),
  ...HEAP_TYPE_NAMES.keys(),
  ...VAL_TYPE_NAMES.keys(),
  ...Object.values(INSTRUCTIONS).map((instruction) => instruction.mnemonic),
]);

export class Cursor {
  readonly tokens: Tokens;
  readonly text: string;
  /** Index of the current token. */
  at = 0;

  constructor(tokens: Tokens) {
    this.tokens = tokens;
    this.text = tokens.text;
  }

  /** The kind of the current token, or of one further on. */
  kind(ahead = 0): Kind {
    return (this.tokens.kinds[Math.min(this.at + ahead, this.tokens.count - 1)] ?? Kind.End) as Kind;
  }

  /** The current token as it is written. */
  word(): string {
    return this.tokens.word(this.at);
  }

  /** Whether the current token, or one further on, is the keyword `word`. */
  isKeyword(word: string, ahead = 0): boolean {
    const { starts, ends } = this.tokens;
    const index = this.at + ahead;
    const start = starts[index] ?? 0;
    return (
      this.kind(ahead) === Kind.Keyword &&
      (ends[index] ?? 0) - start === word.length &&
      this.text.startsWith(word, start)
    );
  }

  /** Whether the current token, or one further on, is a keyword that begins like this. */
  startsWith(prefix: string, ahead = 0): boolean {
    return this.kind(ahead) === Kind.Keyword && this.text.startsWith(prefix, this.tokens.starts[this.at + ahead]);
  }

  /** Whether `(word` stands here. */
  isForm(word: string): boolean {
    return this.kind() === Kind.Open && this.isKeyword(word, 1);
  }

  /** Takes `(word` if it stands here. */
  takeForm(word: string): boolean {
    if (!this.isForm(word)) return false;
    this.at += 2;
    return true;
  }

  takeKeyword(word: string): boolean {
    if (!this.isKeyword(word)) return false;
    this.at++;
    return true;
  }

  expectForm(word: string): void {
    if (this.kind() !== Kind.Open) throw this.unexpected();
    this.at++;
    if (!this.takeKeyword(word)) throw this.unexpected();
  }

  expectOpen(): void {
    this.#expect(Kind.Open);
  }

  expectClose(): void {
    this.#expect(Kind.Close);
  }

  #expect(kind: Kind): void {
    if (this.kind() !== kind) throw this.unexpected();
    this.at++;
  }

  /** Steps behind the parenthesis that closes the one at `open`. */
  skipForm(open: number): void {
    const close = this.tokens.partners[open] ?? -1;
    this.at = close < 0 ? this.tokens.count - 1 : close + 1;
    if (close < 0) throw this.unexpected();
  }

  /** Takes an identifier if one stands here. Its name is without `$`, quotes and escapes. */
  takeId(): string | null {
    if (this.kind() !== Kind.Id) return null;
    const start = this.tokens.starts[this.at] ?? 0;
    const end = this.tokens.ends[this.at] ?? 0;
    this.at++;
    if (this.text.charCodeAt(start + 1) !== 0x22) return this.text.slice(start + 1, end);
    return utf8Text(stringBytes(this.text, start + 1, end)) ?? "";
  }

  /** The bytes of a string that must stand here. */
  string(): Uint8Array {
    if (this.kind() !== Kind.String) throw this.unexpected();
    const index = this.at++;
    return stringBytes(this.text, this.tokens.starts[index] ?? 0, this.tokens.ends[index] ?? 0);
  }

  /** A string that must be UTF-8. */
  name(): string {
    const index = this.at;
    const name = utf8Text(this.string());
    if (name === null) throw this.fail("malformed UTF-8 encoding", undefined, index);
    return name;
  }

  /** The line of the current token, from 1. */
  line(): number {
    return this.tokens.place(this.tokens.starts[this.at] ?? 0).line;
  }

  place(index = this.at): { line: number; column: number } {
    return this.tokens.place(this.tokens.starts[index] ?? 0);
  }

  fail(message: MalformedMessage, detail?: string, index = this.at): CompileError {
    return this.tokens.fail(message, this.tokens.starts[index] ?? 0, detail);
  }

  /** The error for the current token, which does not belong here. */
  unexpected(): CompileError {
    if (!this.isKnown()) return this.unknownOperator();
    return this.fail("unexpected token", this.kind() === Kind.End ? "end of text" : this.word().slice(0, 80));
  }

  /** Whether the current token, or one further on, means something anywhere. */
  isKnown(ahead = 0): boolean {
    const kind = this.kind(ahead);
    return kind === Kind.Keyword ? isKnownWord(this.tokens.word(this.at + ahead)) : kind !== Kind.Reserved;
  }

  unknownOperator(): CompileError {
    return this.tokens.unknownOperator(this.tokens.starts[this.at] ?? 0, this.tokens.ends[this.at] ?? 0);
  }

  /** The annotations with that id between the token before the current one and it. */
  annotations(id: string): readonly Annotation[] {
    if (this.tokens.annotations.length === 0) return [];
    return this.annotationsBetween(this.at, this.at).filter((annotation) => annotation.id === id);
  }

  /** The annotations before token `first`, before token `last`, and between them. */
  annotationsBetween(first: number, last: number): readonly Annotation[] {
    const all = this.tokens.annotations;
    return all.slice(firstAt(all, first), firstAt(all, last + 1));
  }
}

function isKnownWord(word: string): boolean {
  return KEYWORDS.has(word) || /^(offset|align)=/.test(word);
}

/** The number of annotations before token `index`: they are in order. */
function firstAt(annotations: readonly Annotation[], index: number): number {
  let low = 0;
  for (let high = annotations.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (annotations[middle]!.at < index) low = middle + 1;
    else high = middle;
  }
  return low;
}
