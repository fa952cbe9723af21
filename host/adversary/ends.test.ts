/** Attacks 12, 17 and 19: ends that come at the wrong moment, many ends at once, and readers that do not read. */

import { expect } from "chai";
import { CollectedOutput, QueuedInput } from "../fakes.ts";
import { Arena, expectUnharmed } from "./arena.ts";
import { ATTACKS } from "./attacks.ts";

/** Its reader stalls after the first write. */
class StalledOutput extends CollectedOutput {
  override write(bytes: Uint8Array): Promise<void> | undefined {
    this.stalled = true;
    return super.write(bytes);
  }
}

describe("the adversary set: ends and readers", () => {
  it("12 readers that are killed while they read, and others in their places at once: nobody sees their input", async () => {
    const stdin = new QueuedInput();
    let looks = 0;
    const outcome = await new Arena(ATTACKS["12 readers killed while they read"], {
      runtime: { services: { stdin } },
      during: () => {
        if (++looks % 3 === 0) stdin.push("a secret of somebody else");
      },
    }).run();
    expectUnharmed(outcome);
    expect(outcome.notes.length).to.be.at.least(3);
    expect(new Set(outcome.notes)).to.deep.equal(new Set([0]));
  });

  it("17 nine hundred that are linked with one, which traps: all end, and each says why", async () => {
    const arena = new Arena(ATTACKS["17 nine hundred links"], { forMs: 40 });
    const outcome = await arena.run();
    expectUnharmed(outcome, 40);
    expect(outcome.notes).to.deep.equal([1]);
    expect(outcome.end).to.include("unreachable");
    expect(outcome.processes).to.equal(0);
  });

  it("17 a chain of nine hundred links, whose last one traps: it ends link by link, without recursion", async () => {
    const arena = new Arena(ATTACKS["17 a chain of nine hundred links"], { forMs: 40 });
    const outcome = await arena.run();
    expectUnharmed(outcome, 40);
    expect(outcome.notes).to.deep.equal([1]);
    expect(outcome.processes).to.equal(0);
  });

  it("19 output that nobody reads: its writers wait, and the host keeps little of it", async () => {
    const stdout = new StalledOutput();
    const outcome = await new Arena(ATTACKS["19 output that nobody reads"], {
      runtime: { services: { stdout } },
    }).run();
    expectUnharmed(outcome);
    expect(outcome.notes).to.deep.equal([1]);
    expect(outcome.processes).to.equal(101);
    expect(stdout.bytes.length).to.equal(65_536);
  });
});
