/** Attack 21: files and directories that cost the host more than the guest. */

import { expect } from "chai";
import { Account } from "../group.ts";
import { Arena, expectUnharmed } from "./arena.ts";
import { ATTACKS } from "./attacks.ts";

describe("the adversary set: files", () => {
  it("21 a path through forty links: it ends after so many steps, and each is paid for", async () => {
    const arena = new Arena(ATTACKS["21 a path through forty links"], { forMs: 60 });
    const outcome = await arena.run();
    expectUnharmed(outcome, 60);
    expect(outcome.end).to.equal("alive");
    expect(outcome.notes).to.deep.equal([32]);
    // Half of five hundred steps lead into a directory, in each call.
    expect(outcome.fuel).to.be.at.least(2 * 250 * 50);
    expect(arena.group.peak(Account.Descriptors)).to.equal(2);
  });

  it("21 a large directory read from its beginning again and again: every entry is paid for", async () => {
    const outcome = await new Arena(ATTACKS["21 a large directory from its beginning"], { forMs: 60 }).run();
    expectUnharmed(outcome, 60);
    expect(outcome.end).to.equal("alive");
    expect(outcome.notes).to.deep.equal([0]);
    expect(outcome.fuel).to.be.at.least(2 * 2_000 * 40);
  });
});
