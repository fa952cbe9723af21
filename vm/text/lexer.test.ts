import { expect } from "chai";
import { CompileError } from "../errors.ts";
import { Kind, tokenize } from "./lexer.ts";

function kinds(text: string): Kind[] {
  const tokens = tokenize(text);
  return [...tokens.kinds.subarray(0, tokens.count - 1)];
}

function fault(source: string | Uint8Array): CompileError {
  try {
    tokenize(source);
  } catch (error) {
    if (error instanceof CompileError) return error;
    throw error;
  }
  throw new Error("no error");
}

describe("lexer", () => {
  it("cuts text into tokens and pairs parentheses", () => {
    const tokens = tokenize('(func $f "a" 1 -1 1.5) ;; end');
    expect([...tokens.kinds.subarray(0, tokens.count)]).to.deep.equal([
      Kind.Open,
      Kind.Keyword,
      Kind.Id,
      Kind.String,
      Kind.Nat,
      Kind.Int,
      Kind.Float,
      Kind.Close,
      Kind.End,
    ]);
    expect(tokens.partners[0]).to.equal(7);
    expect(tokens.partners[7]).to.equal(0);
  });

  it("takes strings, identifiers and words without a space between them for one reserved token", () => {
    for (const text of ['"a""b"', '"a"b', 'a"b"', "0$l", '$"l"0', '$"a"$b', ",", "[", "0x", "@a", "1x"]) {
      expect(kinds(text), text).to.deep.equal([Kind.Reserved]);
    }
    expect(kinds('$"a b"')).to.deep.equal([Kind.Id]);
    expect(kinds("(a(b))")).to.deep.equal([Kind.Open, Kind.Keyword, Kind.Open, Kind.Keyword, Kind.Close, Kind.Close]);
  });

  it("leaves out comments, nested ones too, and unknown annotations", () => {
    expect(kinds('(; (; a ;) \0 ;) a ;; b\r c (@x (y) $ "(" ,;) d')).to.deep.equal([
      Kind.Keyword,
      Kind.Keyword,
      Kind.Keyword,
    ]);
  });

  it("keeps known annotations apart, with the token they stand before", () => {
    const tokens = tokenize('(module (@name "m") (func))');
    expect(tokens.annotations).to.have.length(1);
    expect(tokens.annotations[0]).to.include({ id: "name", at: 2 });
    expect(tokens.count).to.equal(7);
  });

  it("says what is wrong, and where", () => {
    const faults: [string | Uint8Array, string, number, number][] = [
      ["a\n  \u00e9", "illegal character", 2, 3],
      ["\x01", "illegal character", 1, 1],
      ['"a\n"', "unclosed string", 1, 1],
      ['"\t"', "illegal character", 1, 2],
      ['"\\q"', "illegal escape", 1, 2],
      ['"\\u{d800}"', "illegal escape", 1, 2],
      ['"\\u{110000}"', "illegal escape", 1, 2],
      ["\r\n\r(;", "unclosed comment", 3, 1],
      ["(@x (", "unclosed annotation", 1, 1],
      ["(@ x)", "empty annotation id", 1, 3],
      ["$", "empty identifier", 1, 1],
      ['$""', "empty identifier", 1, 1],
      ['$"a\tb"', "empty identifier", 1, 1],
      ['$"\\ef"', "malformed UTF-8 encoding", 1, 1],
      ["\ud800", "malformed UTF-8 encoding", 1, 1],
      [Uint8Array.of(0x61, 0x0a, 0x80), "malformed UTF-8 encoding", 2, 1],
    ];
    for (const [source, reason, line, column] of faults) {
      const error = fault(source);
      expect(error.reason.split(":")[0], String(source)).to.equal(reason);
      expect([error.line, error.column], String(source)).to.deep.equal([line, column]);
    }
  });

  it("does not recurse on comments, parentheses or annotations", () => {
    const deep = 1_000_000;
    expect(kinds("(;".repeat(deep) + ";)".repeat(deep))).to.deep.equal([]);
    expect(kinds("(".repeat(deep) + ")".repeat(deep))).to.have.length(2 * deep);
    expect(kinds(`(@x ${"(".repeat(deep)}${")".repeat(deep)})`)).to.deep.equal([]);
  });
});
