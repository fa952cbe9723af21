/** Attacks 1, 2, 3, 14 and 15: more of the CPU than a share, and ways not to be stopped. */

import { expect } from "chai";
import { Arena, expectUnharmed } from "./arena.ts";
import { ATTACKS, LIMITS, THROW_CLAUSES, THROW_FRAMES } from "./attacks.ts";

describe("the adversary set: CPU", () => {
  it("1 trap::catch exported again as its own callback: the recursion is paid for, and killed like any loop", async () => {
    const outcome = await new Arena(ATTACKS["1 catch as its own callback"]).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.equal("alive");
    // It has used its share of the time: nothing of it was free.
    expect(outcome.fuel).to.be.at.least(8_000_000);
  });

  it("1 trap::catch as the entry itself", async () => {
    const outcome = await new Arena(ATTACKS["1 catch as the callback, once"], { forMs: 40 }).run();
    expectUnharmed(outcome, 40);
    expect(outcome.end).to.equal("normal");
  });

  it("2 a chain that burns a slice, spawns itself and ends: one share for all of it", async () => {
    const outcome = await new Arena(ATTACKS["2 spawn chain"]).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.equal("normal");
    expect(outcome.processes).to.be.within(1, 2);
  });

  it("2 a fork bomb: as many processes as its group may have, then errors", async () => {
    const outcome = await new Arena(ATTACKS["2 fork bomb"]).run();
    expectUnharmed(outcome);
    expect(outcome.processes).to.equal(300);
    expect(outcome.end).to.equal("alive");
  });

  it("2 processes too large for the memory of their group: errors, too", async () => {
    const outcome = await new Arena(ATTACKS["2 fork bomb of large processes"], { forMs: 10 }).run();
    expectUnharmed(outcome, 10);
    // Ten have their memory; others are about to be refused theirs.
    expect(outcome.processes).to.be.within(10, 40);
    expect(outcome.bytes).to.be.at.most(LIMITS.maxMemory!);
    expect(new Set(outcome.notes)).to.deep.equal(new Set([1, 0]));
  });

  it("3 fifty that burn nearly a slice and sleep as short as they can: no more than their group's share", async () => {
    const outcome = await new Arena(ATTACKS["3 fifty that sleep after each slice"], { forMs: 40 }).run();
    expectUnharmed(outcome, 40);
    expect(outcome.processes).to.equal(51);
  });

  it("14 traps caught in a loop as deep as the stack goes: each has its price", async () => {
    const outcome = await new Arena(ATTACKS["14 traps caught deep in the stack"]).run();
    expectUnharmed(outcome);
    expect(outcome.notes).to.deep.equal([1]);
    expect(outcome.end).to.equal("alive");
  });

  it("14 exceptions through many frames with many clauses: the search has its price, and others run meanwhile", async () => {
    const outcome = await new Arena(ATTACKS["14 exceptions through many frames with many clauses"]).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.equal("alive");
    const { notes, fuel } = outcome;
    expect(notes.length).to.be.greaterThan(5);
    expect(fuel / (notes.length + 1)).to.be.greaterThan((THROW_FRAMES * THROW_CLAUSES) / 8);
  });

  for (const [what, name] of [
    ["an endless start function", "15 an endless start function"],
    ["a start function that waits for ever", "15 a start function that waits"],
  ] as const) {
    it(`15 ${what}: the child runs as itself, and goes with the parent that waits for it`, async () => {
      const outcome = await new Arena(ATTACKS[name]).run((first) => first.kill({ kind: "killed", by: null }));
      expectUnharmed(outcome);
      expect(outcome.notes).to.deep.equal([]);
      expect(outcome.processes).to.equal(2);
    });
  }
});
