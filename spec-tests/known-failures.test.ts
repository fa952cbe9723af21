import { expect } from "chai";
import { compareWithKnown } from "./known-failures.ts";
import { FileResult } from "./result.ts";

describe("known failures", () => {
  const result = new FileResult({ folder: "core", name: "a.wast", path: "a.wast" });
  result.commandFailed(1, "assert_return", "new");
  result.commandFailed(2, "assert_return", "known");

  it("a new failure, a known one and one that passes are told apart", () => {
    const list = { "a.wast:2": "a reason", "a.wast:3": "passes", "b.wast:1": "was not run" };
    expect(compareWithKnown([result], list)).to.deep.equal({
      fresh: ["a.wast:1"],
      known: ["a.wast:2"],
      mended: ["a.wast:3"],
    });
  });
});
