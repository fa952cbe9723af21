import { expect } from "chai";
import { CompileError, Termination, Trap } from "../vm/index.ts";
import { counted, errorLine, errorReport, field } from "./report.ts";

const frame = (funcIndex: number, funcName: string | null) => ({
  funcIndex,
  funcName,
  position: 0x1a2b,
  moduleName: null,
});

describe("reports of errors", () => {
  it("escape what could change the terminal or the reader's mind", () => {
    const cases: [string, string][] = [
      ["plain ä 漢 🙂", "plain ä 漢 🙂"],
      ["a\u001b[31mb", "a\\u{1b}[31mb"],
      ["two\nlines\r\t", "two\\u{a}lines\\u{d}\\u{9}"],
      ["\u202egnp.exe", "\\u{202e}gnp.exe"],
      ["\u0085\u2028\ud800", "\\u{85}\\u{2028}\\u{d800}"],
    ];
    for (const [text, shown] of cases) expect(field(text)).to.equal(shown);
  });

  it("have numbers before their words", () => {
    expect([0, 1, 2_000].map((count) => counted(count, "process", "processes"))).to.deep.equal([
      "0 processes",
      "1 process",
      "2,000 processes",
    ]);
    expect(counted(1, "message")).to.equal("1 message");
  });

  it("bound every field and the whole", () => {
    expect(field("x".repeat(10_000))).to.equal(`${"x".repeat(256)}…`);
    expect(field("漢".repeat(100))).to.equal(`${"漢".repeat(85)}…`);
    expect(field("\u001b".repeat(100))).to.equal(`${"\\u{1b}".repeat(42)}…`);
    expect(field("漢".repeat(85))).to.equal("漢".repeat(85));
    const trap = new Trap("unreachable");
    trap.backtrace = Array.from({ length: 64 }, (_, i) => frame(i, "\u001b".repeat(300)));
    expect(Buffer.byteLength(errorReport("a.wasm", trap))).to.be.within(8_000, 8_192 + 3);
    trap.backtrace = Array.from({ length: 64 }, (_, i) => frame(i, "漢".repeat(300)));
    const report = errorReport("a.wasm", trap);
    expect(Buffer.byteLength(report)).to.be.within(8_000, 8_192 + 3);
    expect(report).to.not.include("\ufffd");
  });

  it("name what happened, then where, innermost first", () => {
    const trap = new Trap("integer divide by zero");
    trap.backtrace = [frame(3, "div"), frame(4, null)];
    trap.omittedFrames = 7;
    expect(errorReport("a.wasm", trap).split("\n")).to.deep.equal([
      "perilune: a.wasm: trap: integer divide by zero",
      "    at div (function 3, offset 0x1a2b)",
      "    at function 4 (offset 0x1a2b)",
      "    … 7 more",
    ]);
    trap.omittedFrames = 9_998;
    expect(errorReport("a.wasm", trap)).to.match(/\n {4}… 9998 or more\n?$/);
  });

  it("are one line for each kind of error", () => {
    expect(errorLine(new CompileError("malformed", "unexpected end", { position: 9 }))).to.match(
      /^malformed: unexpected end.*9/,
    );
    expect(errorLine(new Termination("memory limit", "1 byte"))).to.equal("memory limit: 1 byte");
    expect(errorLine(new RangeError("x\ny"))).to.equal("RangeError: x\\u{a}y");
    expect(errorLine("text")).to.equal("text");
  });
});
