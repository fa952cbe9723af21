import { expect } from "chai";
import { validate } from "../../vm/index.ts";
import { HOGS, idler, megabyte, messenger, periodic, rustShaped, spawner } from "./guests.ts";
import { pictureHtml } from "./picture.ts";
import { restartCost } from "./restarts.ts";
import { deterministicShares, deterministicWeights } from "./shares.ts";
import { distribution, jain } from "./statistics.ts";
import { study } from "./study.ts";
import { verdictText } from "./verdicts.ts";

describe("the fairness bench", () => {
  it("Jain's index is 1 for equal shares and 1/n when one has everything", () => {
    expect(jain([3, 3, 3])).to.equal(1);
    expect(jain([0, 0, 5, 0])).to.equal(0.25);
  });

  it("distributions are those of the sorted samples", () => {
    const samples = Array.from({ length: 1_000 }, (_, i) => (i * 7) % 1_000);
    expect(distribution(samples)).to.deep.equal({ count: 1_000, p50: 499, p99: 989, p999: 998, max: 999 });
  });

  for (const [name, make] of Object.entries({
    ...HOGS,
    periodic,
    spawner,
    messenger,
    rustShaped: () => rustShaped(),
    megabyte,
    idler: () => idler(17),
  })) {
    it(`the guest '${name}' is valid`, () => {
      expect(validate(make())).to.equal(null);
    });
  }

  it("a picture stands for itself and its texts are harmless", () => {
    const html = pictureHtml("a <b>", [
      { title: "p", lengthMs: 10, lanes: [{ name: "<x>", group: 1, turns: [[1, 2]] }] },
    ]);
    expect(html)
      .to.include("a &#60;b&#62;")
      .and.to.include("&#60;x&#62;")
      .and.to.not.match(/(?:src|href)=/);
  });

  it("1,000 loops have equal shares after 40 rounds: Jain at least 0.9995, at most one slice apart", function () {
    this.timeout(30_000);
    const { jain, spread, sliceFuel } = deterministicShares(5_000);
    expect(jain).to.be.at.least(0.9995);
    expect(spread).to.be.at.most(sliceFuel + 1_000);
  });

  it("a module of a megabyte is spawned, traps and is started again in few turns, for what its data costs", async () => {
    const costs = await restartCost(rustShaped('(func (export "fails") (unreachable))'), 3);
    const large = await restartCost(megabyte(), 3);
    expect(large.bytes).to.be.above(2 ** 20);
    // The code is compiled once, and what does not run costs nothing: a restart is as dear as one of the small module.
    expect(large.fuel).to.deep.equal(costs.fuel);
    expect(large.turns).to.deep.equal(costs.turns);
    for (const fuel of large.fuel) expect(fuel).to.be.within(20_000, 200_000);
    for (const turns of large.turns) expect(turns).to.be.at.most(8);
  });

  it("a verdict names what is missed, and on a busy machine judges only what the machine does not change", () => {
    const bar = (text: string, isMet: boolean, isTimed: boolean) => ({ text, isMet, isTimed });
    const bars = [bar("a", true, false), bar("b", false, true)];
    expect(verdictText("x", [bars[0]!], false)).to.equal("Verdict, x: met");
    expect(verdictText("x", bars, false)).to.equal("Verdict, x: missed: b");
    expect(verdictText("x", bars, true)).to.equal("Verdict, x: met; machine busy: 1 of 2 not judged");
    expect(verdictText("x", [bars[1]!], true)).to.equal("Verdict, x: machine busy: not judged");
    expect(verdictText("x", [bar("c", false, false), bars[1]!], true)).to.equal(
      "Verdict, x: missed: c; machine busy: 1 of 2 not judged",
    );
  });

  it("the study of the scheduler that docs/fairness.md shows gives everybody the same", () => {
    const { hogs, cheater, chain } = study();
    for (const part of [...hogs, cheater, chain]) expect(part).to.be.closeTo(1 / 11, 0.001);
  });

  it("groups get the shares of their weights", () => {
    const { used } = deterministicWeights(2_000);
    const sum = used.reduce((total, each) => total + each, 0);
    for (const [i, each] of used.entries()) expect(each / sum).to.be.closeTo((i + 1) / 10, 0.003);
  });
});
