/** The campaign of `npm run snapshots` in a few seconds: fewer programs, the same comparisons. */

import { expect } from "chai";
import { Campaign } from "./campaign.ts";
import { beginOne, crowdedPrograms, randomNumbers, randomReferences, smallPrograms } from "./corpus.ts";

const SEEDS = [1, 2, 3];
/** Pairs that the seeds above reach; the campaign asks for ten times as many. */
const PAIRS = 2_000;
const PAIRS_WITH_REFERENCES = 1_500;
const PAIRS_IN_HOST_FRAMES_AND_WAITS = 500;

describe("programs that are saved and restored", function () {
  this.timeout(120_000);

  it("do the same as those left alone, from every safe point and every instruction", async () => {
    const campaign = new Campaign();
    const programs = smallPrograms().filter(({ name }) => !name.endsWith("of the guests"));
    await campaign.run(programs, { visits: 1, parcels: 1 });
    await campaign.run(SEEDS.map(randomReferences), { visits: 1, parcels: 6 });
    await campaign.run(SEEDS.map(randomNumbers), { visits: 1, parcels: 3 });
    campaign.goOnElsewhere();
    expect(campaign.failures).to.deep.equal([]);
    expect([...campaign.refusals]).to.deep.equal([]);
    const { census } = campaign;
    expect(census.pairs).to.be.greaterThan(PAIRS);
    expect(census.of("with live references")).to.be.greaterThan(PAIRS_WITH_REFERENCES);
    expect(census.of("inside host frames and waits")).to.be.greaterThan(PAIRS_IN_HOST_FRAMES_AND_WAITS);
    for (const name of ["with cyclic graphs", "with i31", "with host values", "with functions"] as const) {
      expect(census.of(name), name).to.be.greaterThan(700);
    }
    expect(census.of("with exceptions")).to.be.greaterThan(200);
    expect(census.of("in host frames that an exception or trap passes")).to.be.greaterThan(2);
    expect(census.of("in calls of the host that wait")).to.be.greaterThan(10);
    expect(census.of("in atomic waits")).to.be.greaterThan(5);
    expect(census.of("in searches for who catches an exception")).to.be.greaterThan(5);
    expect(campaign.elsewhere).to.be.greaterThan(50);
  });

  it("do the same side by side in one store", () => {
    const campaign = new Campaign();
    campaign.runCrowds(crowdedPrograms([1]), beginOne);
    campaign.forge(100);
    expect(campaign.failures).to.deep.equal([]);
    expect(campaign.census.snapshots).to.be.greaterThan(100);
    expect(campaign.forgeries.tried).to.be.greaterThan(99);
  });

  it("find out what is not the same", async () => {
    const campaign = new Campaign();
    const [program] = smallPrograms();
    let lives = 0;
    // A world that remembers, and says something else in the second life.
    const begin: NonNullable<typeof program>["begin"] = (modules, world) => {
      const invocation = program!.begin(modules, world);
      if (lives++ > 0) invocation.charge(1);
      return invocation;
    };
    await campaign.run([{ ...program!, begin }], { visits: 1, turns: [{ fuel: 1 }] });
    expect(campaign.failures.join()).to.match(/pause \d+: fuel \d+ became \d+/);
  });
});
