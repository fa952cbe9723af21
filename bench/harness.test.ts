import { expect } from "chai";
import { geomean, median, percentile, sample, short, tableText } from "./harness.ts";

describe("bench harness", () => {
  it("takes samples of every contender", () => {
    let first = 0;
    let second = 0;
    const samples = sample(
      [
        { name: "first", run: () => void first++ },
        { name: "second", run: () => void second++ },
      ],
      { rounds: 2, turnMs: 10 },
    );
    expect(samples.map(({ name }) => name)).to.deep.equal(["first", "second"]);
    for (const { sortedNs } of samples) {
      expect(sortedNs.length).to.be.at.least(6);
      expect(sortedNs).to.deep.equal([...sortedNs].sort((a, b) => a - b));
    }
    expect(Math.min(first, second)).to.be.above(10);
  });

  it("passes on what a contender throws", () => {
    let runs = 0;
    const run = (): void => {
      if (++runs > 1) throw new Error("wrong checksum");
    };
    expect(() => sample([{ name: "wrong", run }], { rounds: 1, turnMs: 10 })).to.throw("wrong checksum");
  });

  it("reports medians, percentiles and geometric means", () => {
    expect(median([5, 1, 9])).to.equal(5);
    expect(percentile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.9)).to.equal(9);
    expect(geomean([2, 8])).to.be.closeTo(4, 1e-12);
  });

  it("aligns tables and shortens numbers", () => {
    expect(tableText(["a", "ns"], [["long name", "1"]])).to.equal("a          ns\n---------  --\nlong name   1");
    expect([0.1234, 1.234, 12.34, 1234, Number.NaN].map(short)).to.deep.equal(["0.123", "1.23", "12.3", "1234", "-"]);
  });
});
