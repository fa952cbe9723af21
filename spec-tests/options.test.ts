import { expect } from "chai";
import { parseOptions } from "./options.ts";
import { selectFiles } from "./suite.ts";

describe("options of the suite's runner", () => {
  it("without arguments everything runs unlimited", () => {
    const { words, mode, lowering, validateOnly, compare } = parseOptions([]);
    expect({ words, mode, lowering, validateOnly, compare }).to.deep.equal({
      words: [],
      mode: { kind: "unlimited" },
      lowering: "lazy",
      validateOnly: false,
      compare: false,
    });
  });

  it("folders come by option and as words", () => {
    expect(parseOptions(["--folder", "core,gc", "simd"]).words).to.deep.equal(["core", "gc", "simd"]);
  });

  it("slices and exact stops name their fuel", () => {
    expect(parseOptions(["--slice", "1000"]).mode).to.deep.equal({ kind: "slice", fuel: 1000 });
    expect(parseOptions(["--exact", "1", "--eager"]).mode).to.deep.equal({ kind: "exact", fuel: 1 });
  });

  it("what makes no sense is refused with the option's name", () => {
    const cases = [
      [["--slice", "0"], "--slice"],
      [["--exact", "many"], "--exact"],
      [["--slice", "1", "--exact", "1"], "exclude each other"],
      [["--eager", "--lazy"], "exclude each other"],
      [["--fast"], "--fast"],
    ] as const;
    for (const [args, words] of cases) expect(() => parseOptions(args)).to.throw(words);
  });

  it("a word that is neither folder nor file is refused", () => {
    expect(() => selectFiles(null, ["no-such-folder"])).to.throw(RangeError, "no-such-folder");
  });
});
