/** Attacks 4, 5, 18 and 20: other people's rights, processes and names, and texts that do harm where they are read. */

import { expect } from "chai";
import { Account } from "../group.ts";
import { Arena, expectUnharmed } from "./arena.ts";
import { ATTACKS } from "./attacks.ts";

describe("the adversary set: rights and names", () => {
  it("4 a configuration with more memory, and directories outside of its own: nothing is gained", async () => {
    const outcome = await new Arena(ATTACKS["4 wider configurations"]).run();
    expectUnharmed(outcome);
    // Six refusals, then a child that has as much memory as its maker, and no more.
    expect(outcome.notes).to.have.members([1, 1, 1, 1, 1, 1, 0, 1_020]);
    expect(outcome.end).to.equal("normal");
  });

  it("4 configurations with masses of long patterns of imports: each is paid for", async () => {
    const outcome = await new Arena(ATTACKS["4 patterns in masses"]).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.equal("alive");
    expect(outcome.notes.length).to.be.within(5, 60);
  });

  it("5 kill, link, monitor and watch every number: nobody is there for it but itself", async () => {
    const outcome = await new Arena(ATTACKS["5 every number killed, linked, monitored"]).run();
    expectUnharmed(outcome);
    // Not there, three links that have died already, three processes too.
    expect(outcome.notes).to.deep.equal([0, 0, 0, 1, 1, 1, 2, 2, 2]);
  });

  it("5 registry::put and remove of the name of a service: the name stays, and the attacker ends", async () => {
    const arena = new Arena(ATTACKS["5 a service's name"]);
    const outcome = await arena.run();
    expectUnharmed(outcome);
    expect(outcome.notes).to.deep.equal([0]);
    expect(outcome.end).to.include("a group that the caller does not see");
    expect(arena.runtime.environment.registry.get("service")?.processId).to.equal(BigInt(arena.server.pid));
  });

  it("5 a flood of names: as many as its group may have, which go with the group", async () => {
    const arena = new Arena(ATTACKS["5 a flood of names"]);
    const outcome = await arena.run(() => {
      expect(arena.group.used(Account.Names)).to.equal(2_000);
    });
    expectUnharmed(outcome);
    expect(outcome.end).to.include("too many registered names");
    expect(arena.runtime.environment.registry.size).to.equal(1);
  });

  it("18 control characters, a megabyte, `__proto__` as names, variables, exports and metrics: only names", async () => {
    const arena = new Arena(ATTACKS["18 names that do harm where they are read"]);
    const outcome = await arena.run(() => {
      const metrics = [...arena.group.metrics.snapshot().values()];
      expect(metrics.map(({ name, value }) => `${name} ${value}`)).to.deep.equal(["__proto__ 1", "constructor 1"]);
    });
    expectUnharmed(outcome);
    expect(outcome.notes).to.have.members([0, 1, 0, 0, 33]);
    expect(outcome.end).to.include("1000000 bytes, at most 4096 allowed");
    expect(Object.keys(Object.prototype)).to.deep.equal([]);
    expect(({} as Record<string, unknown>)["processId"]).to.equal(undefined);
  });

  it("18 a new metric each time, from groups of its own too: 1,000 series, the rest is dropped", async () => {
    const arena = new Arena(ATTACKS["18 a new metric each time"]);
    const outcome = await arena.run(() => {
      expect(arena.group.metrics.size).to.equal(1_000);
      expect(arena.group.metrics.dropped).to.equal(500);
    });
    expectUnharmed(outcome);
    expect(outcome.end).to.equal("normal");
  });

  it("20 ranges of versions that look as if they had to be tried in many ways: linear, and paid for", async () => {
    const outcome = await new Arena(ATTACKS["20 ranges of versions"]).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.equal("alive");
    expect(outcome.notes).to.deep.equal([1]);
  });
});
