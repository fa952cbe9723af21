/** Attacks 8, 11, 13 and 16: arrays that are long without bytes, tables, modules and memories without end. */

import { expect } from "chai";
import { Arena, expectUnharmed } from "./arena.ts";
import { ATTACKS, MIB } from "./attacks.ts";

describe("the adversary set: memory", () => {
  it("8 arrays of 2^29 tags and of 2^29 empty buffers, counts that wrap around: refused before anything is read", async () => {
    const outcome = await new Arena(ATTACKS["8 arrays of 2^29"]).run();
    expectUnharmed(outcome);
    expect(outcome.notes).to.deep.equal([28, 28, 28, 0]);
    expect(outcome.end).to.equal("alive");
    const alone = await new Arena(ATTACKS["8 an array of 2^29 tags"]).run();
    expect(alone.end).to.include("too many tags");
  });

  it("11 a flood of failing calls, each of which leaves an error: ends at its limit of memory", async () => {
    const outcome = await new Arena(ATTACKS["11 a flood of errors"]).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.include("too many errors");
    expect(outcome.notes.length).to.be.within(100, 1_000);
    expect(outcome.bytes).to.be.at.most(150_000);
  });

  it("11 a flood of arguments and variables of configurations: ends at its limit of memory", async () => {
    const outcome = await new Arena(ATTACKS["11 a flood of variables"]).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.include("no memory for a text of a configuration");
    expect(outcome.bytes).to.be.within(2 * MIB, 4 * MIB);
  });

  it("11 configurations that only the processes made with them keep: their texts are paid for", async () => {
    const outcome = await new Arena(ATTACKS["11 configurations that only children keep"]).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.equal("alive");
    expect(new Set(outcome.notes)).to.deep.equal(new Set([0, 1]));
    expect(outcome.processes).to.be.within(15, 35);
    expect(outcome.bytes).to.be.within(7 * MIB, 8 * MIB);
  });

  it("11 a flood of configurations: 1,024, then none", async () => {
    const outcome = await new Arena(ATTACKS["11 a flood of configurations"]).run();
    expectUnharmed(outcome);
    expect(outcome.notes).to.deep.equal([1_024]);
  });

  it("13 a module with one body of 7 MB, compiled in a loop: in steps, each of which it pays for", async () => {
    const outcome = await new Arena(ATTACKS["13 a body of 7 MB compiled in a loop"], { forMs: 30 }).run();
    expectUnharmed(outcome, 30);
    expect(outcome.notes).to.deep.equal([1]);
    expect(outcome.end).to.equal("alive");
    expect(outcome.fuel).to.be.at.least(10_000_000);
  });

  it("13 a module of a quarter of a million segments: refused before the first of them is made", async () => {
    const outcome = await new Arena(ATTACKS["13 a module of a quarter of a million segments"], { forMs: 40 }).run();
    expectUnharmed(outcome, 40);
    expect(outcome.notes).to.deep.equal([1, 1, 1]);
    expect(outcome.end).to.equal("normal");
    expect(outcome.bytes).to.be.within(1_700_000, 1_900_000);
  });

  it("13 as many segments as are allowed, 16 MB of the host's heap: refused at the group's 8", async () => {
    const attack = ATTACKS["13 as many segments as are allowed, without the memory for them"];
    const outcome = await new Arena(attack, { forMs: 40 }).run();
    expectUnharmed(outcome, 40);
    expect(outcome.notes).to.deep.equal([1]);
    expect(outcome.end).to.equal("normal");
    expect(outcome.bytes).to.be.within(7_000_000, 8_000_000);
  });

  it("13 modules compiled and dropped in a loop: in steps, and copying them to keep them costs most", async () => {
    for (const name of [
      "13 as many segments as are allowed, compiled and dropped in a loop",
      "13 data of 5 MB compiled and dropped in a loop",
    ] as const) {
      const outcome = await new Arena(ATTACKS[name], { forMs: 40 }).run();
      expectUnharmed(outcome, 40);
      expect([outcome.notes, outcome.end], name).to.deep.equal([[7], "alive"]);
    }
  });

  it("13 modules kept in messages: their bytes and their code are counted until nobody holds them", async () => {
    const outcome = await new Arena(ATTACKS["13 modules kept in messages"], { forMs: 40 }).run();
    expectUnharmed(outcome, 40);
    expect(outcome.end).to.equal("normal");
    expect(outcome.notes.at(-1)).to.equal(0);
    expect(outcome.notes.length).to.be.within(5, 10);
    expect(outcome.bytes).to.be.within(600_000, 800_000);
  });

  it("16 growth by one page up to the limit, each page written, the end, and again: the group has it all back", async () => {
    const outcome = await new Arena(ATTACKS["16 growth by one page"]).run();
    expectUnharmed(outcome);
    expect(new Set(outcome.notes)).to.deep.equal(new Set([256]));
    expect(outcome.notes.length).to.be.at.least(2);
    expect(outcome.bytes).to.be.at.most(40 * MIB);
  });

  it("16 growth beyond the group's limit: -1 at its own, the end at the group's", async () => {
    const outcome = await new Arena(ATTACKS["16 growth beyond the group's memory"]).run();
    expectUnharmed(outcome);
    expect(outcome.notes[0]).to.be.within(100, 128);
    expect(outcome.end).to.equal("normal");
    expect(outcome.bytes).to.be.at.most(8 * MIB);
  });

  it("16 large memories that come and go: each in its turn, two at a time fit", async () => {
    const outcome = await new Arena(ATTACKS["16 large memories that come and go"]).run();
    expectUnharmed(outcome);
    expect(new Set(outcome.notes)).to.deep.equal(new Set([0]));
    expect(outcome.notes.length).to.be.at.least(2);
    expect(outcome.bytes).to.be.within(25 * MIB, 64 * MIB);
  });
});
