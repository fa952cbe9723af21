/** Attacks 6, 7, 9 and 10: messages and timers without end. */

import { expect } from "chai";
import { Account } from "../group.ts";
import { Arena, expectUnharmed } from "./arena.ts";
import { ATTACKS, LIMITS, MIB } from "./attacks.ts";

const MAILBOX_BYTES = 16 * MIB;

describe("the adversary set: messages and timers", () => {
  it("6 endless sending to a child that never receives: the sender waits when the mailbox is full", async () => {
    const outcome = await new Arena(ATTACKS["6 messages to a child that never receives"]).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.equal("alive");
    expect(outcome.notes.length).to.be.within(500, Math.ceil(MAILBOX_BYTES / 32_000));
    expect(outcome.bytes).to.be.at.most(MAILBOX_BYTES * 1.1);
  });

  it("6 endless sending of empty messages to one that loops, of another group: at the attacker's cost", async () => {
    const arena = new Arena(ATTACKS["6 messages to a neighbour that never receives"]);
    const outcome = await arena.run();
    expectUnharmed(outcome);
    expect(outcome.end).to.include("memory limit");
    expect(outcome.bytes).to.be.at.most(2 * MIB);
    expect(arena.neighbours.used(Account.Memory)).to.be.below(400_000);
  });

  it("6 endless sending to itself: traps when its mailbox is full", async () => {
    const outcome = await new Arena(ATTACKS["6 messages to itself"]).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.include("mailbox full");
  });

  it("6 two that fill each other's mailboxes: the first that waits traps when the other waits too", async () => {
    const outcome = await new Arena(ATTACKS["6 two full mailboxes"]).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.include("senders wait for each other");
    expect(outcome.bytes).to.be.at.most(2.2 * MAILBOX_BYTES);
    // The other one goes on, and sends to nobody.
    expect(outcome.share).to.be.above(0.45);
  });

  it("7 timers of ten years with resources inside, then the end: counted, and gone with the group", async () => {
    const arena = new Arena(ATTACKS["7 timers of ten years"]);
    const outcome = await arena.run(() => {
      expect(arena.group.used(Account.Timers)).to.equal(3_000);
      expect(arena.executor.armedTimers).to.be.at.least(3_000);
    });
    expectUnharmed(outcome);
    expect(outcome.end).to.include("too many timers");
    expect(arena.executor.armedTimers).to.be.below(5);
  });

  it("9 thousands of unread messages and receives that match none of them: each costs what its tags cost", async () => {
    const outcome = await new Arena(ATTACKS["9 receives that match no message"]).run();
    expectUnharmed(outcome);
    expect(outcome.notes).to.deep.equal([1]);
    expect(outcome.end).to.equal("alive");
  });

  it("9 with empty mailboxes and a tag each: the index of tags does not grow", async () => {
    const outcome = await new Arena(ATTACKS["9 a new tag for each message"]).run();
    expectUnharmed(outcome);
    expect(outcome.bytes).to.be.below(200_000);
  });

  it("9 processes that wait for 4,096 tags each: their tags are paid for", async () => {
    const outcome = await new Arena(ATTACKS["9 processes that wait for 4,096 tags"], { forMs: 40 }).run();
    expectUnharmed(outcome, 40);
    expect(outcome.bytes).to.be.within(40 * MIB, LIMITS.maxMemory!);
    expect(outcome.processes).to.be.within(80, 130);
  });

  it("10 a capacity of 2^63, a cursor at 2^63, and four gigabytes of data: hints are not believed, limits hold", async () => {
    const outcome = await new Arena(ATTACKS["10 a message of gigabytes"]).run();
    expectUnharmed(outcome);
    expect(outcome.notes).to.deep.equal([0, ...Array.from({ length: 255 }, () => 1)]);
    expect(outcome.end).to.include("the message is too large");
    expect(outcome.bytes).to.be.below(LIMITS.maxMemory!);
  });

  it("10 the same in a group with little memory: ends by its limit", async () => {
    const outcome = await new Arena(ATTACKS["10 a message beyond the group's memory"]).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.include("memory limit");
    expect(outcome.bytes).to.be.at.most(1_048_576);
  });
});
