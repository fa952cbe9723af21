import { expect } from "chai";
import { malformed } from "../vm/errors.ts";
import { judgeCompileError, messageFits } from "./verdict.ts";

describe("verdict", () => {
  it("a message fits if the expected text begins it, ours being free to add detail", () => {
    const fitting = [
      ["unexpected end", "unexpected end"],
      ["unexpected end of section or function", "unexpected end"],
      ["unknown memory: 1 of 1", "unknown memory"],
      ["unknown memory: index 1", "unknown memory 1"],
      ["type mismatch: i32 wanted", "type mismatch: instruction requires [i32] but stack has []"],
      ["uninitialized element", "uninitialized element 2"],
    ] as const;
    for (const [actual, expected] of fitting) expect(messageFits(actual, expected), actual).to.equal(true);
  });

  it("other words do not fit", () => {
    const others = [
      ["unexpected end", "unexpected end of section or function"],
      ["unknown memory", "unknown table"],
      ["unknown memory: 1", "unknown table 1"],
      ["type mismatch", "type mismatches"],
    ] as const;
    for (const [actual, expected] of others) expect(messageFits(actual, expected), actual).to.equal(false);
  });

  it("the kind of error has to fit too", () => {
    const error = malformed("unexpected end", { position: 3 });
    expect(judgeCompileError(error, "malformed", "unexpected end").kind).to.equal("passed");
    expect(judgeCompileError(error, "invalid", "unexpected end").kind).to.equal("failed");
    expect(judgeCompileError(new RangeError("unexpected end"), "malformed", "unexpected end").kind).to.equal("failed");
  });
});
