/**
 * Text to tokens (spec: text-lexical), all at once, into flat arrays: the parser makes two passes
 * over a module and steps over what it reads later, so each "(" knows its ")".
 * Comments and unknown annotations are left out; known annotations stand in a list of their own.
 */

import { CompileError, limitExceeded, malformed, type MalformedMessage } from "../errors.ts";
import { MAX_TEXT_BYTES } from "../limits.ts";
import { numberKind } from "./numbers.ts";
import { stringBytes, utf8Text } from "./strings.ts";

export const enum Kind {
  Open,
  Close,
  /** `$name` or `$"name"`. */
  Id,
  String,
  /** An integer without sign. */
  Nat,
  /** An integer with sign. */
  Int,
  Float,
  Keyword,
  /** Looks like a token, but is none: an error where it stands, unless in an annotation. */
  Reserved,
  End,
}

export interface Token {
  readonly kind: Kind;
  readonly start: number;
  readonly end: number;
}

/** A known annotation. `at` is the index of the token that follows it. */
export interface Annotation {
  readonly id: string;
  readonly at: number;
  readonly start: number;
  /** What stands between its id and its closing parenthesis. */
  readonly tokens: readonly Token[];
}

const KNOWN_ANNOTATIONS: ReadonlySet<string> = new Set([
  "custom",
  "name",
  "metadata.code.branch_hint",
  // Our own: the printer's note of a data count section that no instruction calls for.
  "datacount",
]);

const enum Class {
  Illegal,
  Space,
  Open,
  Close,
  Quote,
  IdChar,
  /** Characters that only reserved tokens have. */
  Other,
}

const CLASSES: Uint8Array = (() => {
  const classes = new Uint8Array(128);
  const assign = (chars: string, to: Class): void => {
    for (const char of chars) classes[char.charCodeAt(0)] = to;
  };
  assign(" \t\n\r", Class.Space);
  assign("(", Class.Open);
  assign(")", Class.Close);
  assign('"', Class.Quote);
  assign("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&'*+-./:<=>?@\\^_`|~", Class.IdChar);
  assign(",;[]{}", Class.Other);
  return classes;
})();

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const QUOTE = 0x22;
const DOLLAR = 0x24;
const SEMICOLON = 0x3b;
const AT = 0x40;
const BACKSLASH = 0x5c;
const OPEN = 0x28;
const CLOSE = 0x29;

/** A text cut into tokens. The last token is of kind `End`. */
export class Tokens {
  readonly text: string;
  readonly annotations: Annotation[] = [];
  count = 0;
  kinds = new Uint8Array(256);
  starts = new Int32Array(256);
  ends = new Int32Array(256);
  /** Of a parenthesis the index of its partner, else (and if it has none) -1. */
  partners = new Int32Array(256);
  #lineStarts: number[] | null = null;

  constructor(text: string) {
    this.text = text;
    if (text.length > MAX_TEXT_BYTES) throw limitExceeded(`text of more than ${MAX_TEXT_BYTES} characters`);
  }

  add(kind: Kind, start: number, end: number): void {
    if (this.count === this.kinds.length) this.#grow();
    const index = this.count++;
    this.kinds[index] = kind;
    this.starts[index] = start;
    this.ends[index] = end;
    this.partners[index] = -1;
  }

  #grow(): void {
    const capacity = this.kinds.length * 2;
    const kinds = new Uint8Array(capacity);
    kinds.set(this.kinds);
    this.kinds = kinds;
    const [starts, ends, partners] = [this.starts, this.ends, this.partners].map((old) => {
      const grown = new Int32Array(capacity);
      grown.set(old);
      return grown;
    });
    this.starts = starts!;
    this.ends = ends!;
    this.partners = partners!;
  }

  word(index: number): string {
    return this.text.slice(this.starts[index], this.ends[index]);
  }

  /** Line and column, from 1, of an offset in the text. */
  place(offset: number): { line: number; column: number } {
    this.#lineStarts ??= lineStarts(this.text);
    const starts = this.#lineStarts;
    let low = 0;
    for (let high = starts.length; high - low > 1; ) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - starts[low]! + 1 };
  }

  fail(message: MalformedMessage, offset: number, detail?: string): CompileError {
    return malformed(message, this.place(offset), detail);
  }

  /** The error for a word that means nothing. The suite's message goes on with the word itself. */
  unknownOperator(start: number, end: number): CompileError {
    const word = this.text.slice(start, Math.min(end, start + 80));
    return new CompileError("malformed", `unknown operator ${word}`, this.place(start));
  }
}

/** Offsets at which lines begin; a line ends with LF, CR or CR LF. */
function lineStarts(text: string): number[] {
  const starts = [0];
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === NEWLINE || (char === RETURN && text.charCodeAt(i + 1) !== NEWLINE)) starts.push(i + 1);
  }
  return starts;
}

/** Cuts `source` into tokens. Throws `CompileError` for what no token can be. */
export function tokenize(source: string | Uint8Array): Tokens {
  const text = typeof source === "string" ? source : sourceText(source);
  return new Lexer(text).run();
}

function sourceText(bytes: Uint8Array): string {
  const text = utf8Text(bytes);
  if (text !== null) return text;
  const readable = new TextDecoder().decode(bytes);
  const tokens = new Tokens(readable);
  throw tokens.fail("malformed UTF-8 encoding", Math.max(0, readable.indexOf("\ufffd")));
}

class Lexer {
  readonly #text: string;
  readonly #tokens: Tokens;
  #position = 0;
  /** Why {@link #stringEnd} found no string, and where. */
  #stringFault: MalformedMessage = "unclosed string";
  #faultOffset = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = new Tokens(text);
  }

  run(): Tokens {
    const text = this.#text;
    const tokens = this.#tokens;
    const open: number[] = [];
    for (;;) {
      this.#skipSpace();
      const start = this.#position;
      if (start >= text.length) break;
      const char = text.charCodeAt(start);
      if (char === OPEN) {
        if (text.charCodeAt(start + 1) === AT) {
          this.#annotation();
          continue;
        }
        open.push(tokens.count);
        tokens.add(Kind.Open, start, start + 1);
        this.#position = start + 1;
      } else if (char === CLOSE) {
        const partner = open.pop();
        tokens.add(Kind.Close, start, start + 1);
        if (partner !== undefined) {
          tokens.partners[partner] = tokens.count - 1;
          tokens.partners[tokens.count - 1] = partner;
        }
        this.#position = start + 1;
      } else {
        const kind = this.#word(false);
        tokens.add(kind, start, this.#position);
      }
    }
    tokens.add(Kind.End, text.length, text.length);
    return tokens;
  }

  /** Steps over white space and comments. */
  #skipSpace(): void {
    const text = this.#text;
    let i = this.#position;
    for (; i < text.length; i++) {
      const char = text.charCodeAt(i);
      if (char === 0x20 || char === NEWLINE || char === 0x09 || char === RETURN) continue;
      if (char === SEMICOLON && text.charCodeAt(i + 1) === SEMICOLON) {
        i = this.#lineCommentEnd(i + 2) - 1;
      } else if (char === OPEN && text.charCodeAt(i + 1) === SEMICOLON) {
        i = this.#blockCommentEnd(i) - 1;
      } else {
        break;
      }
    }
    this.#position = i;
  }

  #lineCommentEnd(from: number): number {
    const text = this.#text;
    let i = from;
    for (; i < text.length; i++) {
      const char = text.charCodeAt(i);
      if (char === NEWLINE || char === RETURN) break;
    }
    return i;
  }

  #blockCommentEnd(start: number): number {
    const text = this.#text;
    let depth = 1;
    for (let i = start + 2; i < text.length; i++) {
      const char = text.charCodeAt(i);
      if (char === SEMICOLON && text.charCodeAt(i + 1) === CLOSE) {
        i++;
        if (--depth === 0) return i + 1;
      } else if (char === OPEN && text.charCodeAt(i + 1) === SEMICOLON) {
        i++;
        depth++;
      }
    }
    throw this.#tokens.fail("unclosed comment", start);
  }

  /** Reads one token that is no parenthesis. In annotations anything made of legal characters is one. */
  #word(inAnnotation: boolean): Kind {
    const text = this.#text;
    const start = this.#position;
    const first = text.charCodeAt(start);
    const firstClass = classOf(first);
    if (firstClass === Class.Illegal) throw this.#illegal(start);
    if (firstClass === Class.Other) {
      this.#position = start + 1;
      return Kind.Reserved;
    }
    let i = start;
    let strings = 0;
    for (; i < text.length; ) {
      const charClass = classOf(text.charCodeAt(i));
      if (charClass === Class.IdChar) {
        i++;
      } else if (charClass === Class.Quote) {
        const end = this.#stringEnd(i);
        if (end < 0) {
          if (first === DOLLAR && i === start + 1 && !inAnnotation) throw this.#tokens.fail("empty identifier", start);
          throw this.#tokens.fail(this.#stringFault, this.#stringFault === "unclosed string" ? i : this.#faultOffset);
        }
        strings++;
        if (strings === 1 && i === start) {
          this.#position = end;
          if (classOf(text.charCodeAt(end)) !== Class.IdChar && text.charCodeAt(end) !== QUOTE) return Kind.String;
        }
        i = end;
      } else {
        break;
      }
    }
    this.#position = i;
    if (first === DOLLAR) return this.#identifier(start, i, strings, inAnnotation);
    if (strings > 0) return Kind.Reserved;
    return this.#classify(start, i, first);
  }

  #identifier(start: number, end: number, strings: number, inAnnotation: boolean): Kind {
    const text = this.#text;
    if (strings === 0) {
      if (end > start + 1) return Kind.Id;
      if (inAnnotation) return Kind.Reserved;
      throw this.#tokens.fail("empty identifier", start);
    }
    const isQuoted = strings === 1 && text.charCodeAt(start + 1) === QUOTE && text.charCodeAt(end - 1) === QUOTE;
    if (!isQuoted) return Kind.Reserved;
    if (inAnnotation) return Kind.Id;
    if (end === start + 3) throw this.#tokens.fail("empty identifier", start);
    if (utf8Text(stringBytes(text, start + 1, end)) === null) {
      throw this.#tokens.fail("malformed UTF-8 encoding", start);
    }
    return Kind.Id;
  }

  #classify(start: number, end: number, first: number): Kind {
    const number = numberKind(this.#text, start, end);
    if (number !== null) return number;
    return first >= 0x61 && first <= 0x7a ? Kind.Keyword : Kind.Reserved;
  }

  /** The end of the string literal at `start`, or -1 with the fault noted. */
  #stringEnd(start: number): number {
    const text = this.#text;
    for (let i = start + 1; i < text.length; i++) {
      const char = text.charCodeAt(i);
      if (char === QUOTE) return i + 1;
      if (char === BACKSLASH) {
        const end = escapeEnd(text, i);
        if (end < 0) return this.#badString("illegal escape", i);
        i = end - 1;
      } else if (char < 0x20 || char === 0x7f) {
        if (char === NEWLINE || char === RETURN) return this.#badString("unclosed string", i);
        return this.#badString("illegal character", i);
      } else if (char >= 0xd800 && char <= 0xdfff) {
        if (!isSurrogatePair(text, i)) return this.#badString("malformed UTF-8 encoding", i);
        i++;
      }
    }
    return this.#badString("unclosed string", text.length);
  }

  #badString(fault: MalformedMessage, offset: number): -1 {
    this.#stringFault = fault;
    this.#faultOffset = offset;
    return -1;
  }

  #illegal(offset: number): CompileError {
    const char = this.#text.charCodeAt(offset);
    const isLone = char >= 0xd800 && char <= 0xdfff && !isSurrogatePair(this.#text, offset);
    if (isLone) return this.#tokens.fail("malformed UTF-8 encoding", offset);
    const code = (this.#text.codePointAt(offset) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    return this.#tokens.fail("illegal character", offset, `U+${code}`);
  }

  /** Reads `(@id ...)` and keeps it if the parser knows it (spec: text-annot). */
  #annotation(): void {
    const text = this.#text;
    const start = this.#position;
    const id = this.#annotationId(start + 2);
    const keep = KNOWN_ANNOTATIONS.has(id);
    const inner: Token[] = [];
    const at = this.#tokens.count;
    for (let depth = 1; depth > 0; ) {
      this.#skipSpace();
      const tokenStart = this.#position;
      if (tokenStart >= text.length) throw this.#tokens.fail("unclosed annotation", start);
      let kind: Kind;
      const char = text.charCodeAt(tokenStart);
      if (char === OPEN) {
        kind = Kind.Open;
        depth++;
        this.#position++;
      } else if (char === CLOSE) {
        kind = Kind.Close;
        depth--;
        this.#position++;
      } else {
        kind = this.#word(true);
      }
      if (keep && depth > 0) inner.push({ kind, start: tokenStart, end: this.#position });
    }
    if (keep) this.#tokens.annotations.push({ id, at, start, tokens: inner });
  }

  #annotationId(start: number): string {
    const text = this.#text;
    let end = start;
    if (text.charCodeAt(start) === QUOTE) {
      end = this.#stringEnd(start);
      if (end < 0 || end === start + 2) throw this.#tokens.fail("empty annotation id", start);
      this.#position = end;
      const id = utf8Text(stringBytes(text, start, end));
      if (id === null) throw this.#tokens.fail("malformed UTF-8 encoding", start);
      return id;
    }
    while (end < text.length && classOf(text.charCodeAt(end)) === Class.IdChar) end++;
    if (end === start) throw this.#tokens.fail("empty annotation id", start);
    this.#position = end;
    return text.slice(start, end);
  }
}

function classOf(char: number): Class {
  return char < 128 ? CLASSES[char]! : Class.Illegal;
}

function isSurrogatePair(text: string, offset: number): boolean {
  const low = text.charCodeAt(offset + 1);
  return text.charCodeAt(offset) < 0xdc00 && low >= 0xdc00 && low <= 0xdfff;
}

function isHexDigit(char: number): boolean {
  return (char >= 0x30 && char <= 0x39) || (char >= 0x41 && char <= 0x46) || (char >= 0x61 && char <= 0x66);
}

/** The end of the escape at `start`, or -1 if there is no such escape. */
function escapeEnd(text: string, start: number): number {
  const char = text.charCodeAt(start + 1);
  if (isHexDigit(char) && isHexDigit(text.charCodeAt(start + 2))) return start + 3;
  if (char !== 0x75) return "tnr\"'\\".includes(text.charAt(start + 1) || "?") ? start + 2 : -1;
  return unicodeEscapeEnd(text, start + 2);
}

/** `{` hexnum `}`, a code point outside the surrogates. */
function unicodeEscapeEnd(text: string, start: number): number {
  if (text.charAt(start) !== "{") return -1;
  let value = 0;
  let i = start + 1;
  for (let isDigitDue = true; ; i++) {
    const char = text.charCodeAt(i);
    if (isHexDigit(char)) {
      value = value * 16 + Number.parseInt(text.charAt(i), 16);
      if (value > 0x10ffff) return -1;
      isDigitDue = false;
    } else if (char === 0x5f && !isDigitDue) {
      isDigitDue = true;
    } else if (text.charAt(i) === "}" && !isDigitDue) {
      return value >= 0xd800 && value <= 0xdfff ? -1 : i + 1;
    } else {
      return -1;
    }
  }
}
