import { expect } from "chai";
import { Errno } from "./abi.ts";
import { TestGuest } from "./testing.ts";

const EVENTS = 10_000;
const COUNT = 20_000;

function clockSubscription(guest: TestGuest, index: number, id: number, timeout: bigint, absolute = false): void {
  const at = index * 48;
  guest.memory.writeU64(at, BigInt(100 + index));
  guest.memory.writeU8(at + 8, 0);
  guest.memory.writeU32(at + 16, id);
  guest.memory.writeU64(at + 24, timeout);
  guest.memory.writeU8(at + 40, absolute ? 1 : 0);
}

function fdSubscription(guest: TestGuest, index: number, type: number, fd: number): void {
  const at = index * 48;
  guest.memory.writeU64(at, BigInt(100 + index));
  guest.memory.writeU8(at + 8, type);
  guest.memory.writeU32(at + 16, fd);
}

/** What an answer says: userdata, errno, type and bytes of each event. */
function events(guest: TestGuest): [bigint, number, number, bigint][] {
  return Array.from({ length: guest.memory.readU32(COUNT) }, (_, i) => {
    const at = EVENTS + i * 32;
    const { memory } = guest;
    return [memory.readU64(at), memory.readU8(at + 8), memory.readU8(at + 10), memory.readU64(at + 16)];
  });
}

const poll = (guest: TestGuest, length: number) => guest.call("poll_oneoff", 0, EVENTS, length, COUNT);

describe("poll_oneoff", () => {
  it("suspends until the first clock is due", async () => {
    const guest = new TestGuest();
    clockSubscription(guest, 0, 1, 5_000n);
    clockSubscription(guest, 1, 1, 2_000n);
    const answer = poll(guest, 2);
    expect(answer).to.be.instanceOf(Promise);
    guest.clock.advance(1_999n);
    await new Promise(setImmediate);
    expect(guest.clock.waiting, "for the first alone").to.equal(1);
    guest.clock.advance(1n);
    expect(await answer).to.equal(Errno.Success);
    expect(events(guest)).to.deep.equal([[101n, 0, 0, 0n]]);
    expect(guest.clock.waiting).to.equal(0);
  });

  it("takes absolute times, of both clocks", async () => {
    const guest = new TestGuest();
    guest.clock.advance(100n);
    clockSubscription(guest, 0, 0, 1_000_000_000_000_000_000n, true);
    clockSubscription(guest, 1, 1, 101n, true);
    expect(await poll(guest, 2)).to.equal(Errno.Success);
    expect(events(guest)).to.deep.equal([[100n, 0, 0, 0n]]);
  });

  it("wakes for input, and gives up the clock", async () => {
    const guest = new TestGuest();
    fdSubscription(guest, 0, 1, 0);
    clockSubscription(guest, 1, 1, 1_000n);
    const answer = poll(guest, 2);
    guest.stdin.push("abc");
    expect(await answer).to.equal(Errno.Success);
    expect(events(guest)).to.deep.equal([[100n, 0, 1, 3n]]);
    expect(guest.clock.waiting).to.equal(0);
  });

  it("waits for a stream once, however often it is named", async () => {
    const guest = new TestGuest();
    for (let i = 0; i < 100; i++) fdSubscription(guest, i, 1, 0);
    const answer = poll(guest, 100);
    guest.stdin.push("abc");
    expect(await answer).to.equal(Errno.Success);
    expect(events(guest)).to.have.lengthOf(100);
    expect(events(guest)[99]).to.deep.equal([199n, 0, 1, 3n]);
  });

  it("takes the latest time for one that is later still", async () => {
    const guest = new TestGuest();
    guest.clock.advance(10n);
    clockSubscription(guest, 0, 1, 0xffff_ffff_ffff_ffffn);
    clockSubscription(guest, 1, 1, 1_000n);
    const answer = poll(guest, 2);
    guest.clock.advance(1_000n);
    expect(await answer).to.equal(Errno.Success);
    expect(events(guest)).to.deep.equal([[101n, 0, 0, 0n]]);
  });

  it("answers at once for output, files and errors", async () => {
    const guest = new TestGuest();
    await guest.createFile("a", "A");
    const fd = await guest.open("a");
    fdSubscription(guest, 0, 2, 1);
    fdSubscription(guest, 1, 1, fd);
    fdSubscription(guest, 2, 1, 77);
    clockSubscription(guest, 3, 2, 0n);
    clockSubscription(guest, 4, 1, 9n);
    expect(poll(guest, 5)).to.equal(Errno.Success);
    expect(events(guest)).to.deep.equal([
      [100n, 0, 2, 0n],
      [101n, 0, 1, 0n],
      [102n, Errno.Badf, 1, 0n],
      [103n, Errno.Notsup, 0, 0n],
    ]);
  });

  it("waits for slow output", async () => {
    const guest = new TestGuest();
    guest.stdout.stalled = true;
    fdSubscription(guest, 0, 2, 1);
    const answer = poll(guest, 1);
    guest.stdout.drain();
    expect(await answer).to.equal(Errno.Success);
    expect(events(guest)).to.deep.equal([[100n, 0, 2, 0n]]);
  });

  it("refuses none and too many subscriptions, and addresses outside memory", () => {
    const guest = new TestGuest();
    expect(poll(guest, 0)).to.equal(Errno.Inval);
    expect(poll(guest, 1_025)).to.equal(Errno.Inval);
    expect(guest.call("poll_oneoff", 65_500, 0, 1, 0)).to.equal(Errno.Fault);
    expect(guest.call("poll_oneoff", 0, 65_510, 1, 0)).to.equal(Errno.Fault);
  });

  it("costs as much as there are subscriptions, and again for each look at them", async () => {
    const guest = new TestGuest({}, 2);
    for (let i = 0; i < 1_024; i++) guest.memory.writeU8(i * 48 + 8, 9);
    expect(guest.call("poll_oneoff", 0, 65_536, 1_024, 60_000)).to.equal(Errno.Success);
    expect(guest.memory.readU32(60_000)).to.equal(1_024);
    expect(guest.memory.readU8(65_536 + 1_023 * 32 + 8)).to.equal(Errno.Inval);
    expect(guest.fuel).to.equal(20 + 1_024 * 20);
    const waiting = new TestGuest();
    fdSubscription(waiting, 0, 1, 0);
    clockSubscription(waiting, 1, 1, 1_000n);
    const answer = poll(waiting, 2);
    expect(waiting.fuel).to.equal(20 + 2 * 20);
    waiting.clock.advance(1_000n);
    expect(await answer).to.equal(Errno.Success);
    expect(waiting.fuel).to.equal(20 + 2 * 2 * 20);
  });
});
