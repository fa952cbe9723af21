import { expect } from "chai";
import { NODE_EVENT_LOOP, NodeClock, NodeRandom } from "./clock.ts";

describe("the clock of Node", () => {
  it("tells the time of day to better than a millisecond", () => {
    const clock = new NodeClock();
    const [before, now, after] = [Date.now(), clock.realtime(), Date.now()];
    expect(Number(now / 1_000_000n)).to.be.within(before - 6, after + 6);
    const times = new Set(Array.from({ length: 50 }, () => clock.realtime()));
    expect(times.size).to.be.greaterThan(40);
  });

  it("never wakes before the time, nor after it was told not to", async () => {
    const clock = new NodeClock();
    const early: bigint[] = [];
    const waits = [0n, 300_000n, 1_000_000n, 2_500_000n].map((delay) => {
      const deadline = clock.monotonic() + delay;
      return new Promise<void>((resolve) => {
        clock.wakeAt(deadline, () => {
          if (clock.monotonic() < deadline) early.push(delay);
          resolve();
        });
      });
    });
    let cancelled = true;
    clock.wakeAt(clock.monotonic(), () => {
      cancelled = false;
    })();
    await Promise.all(waits);
    expect([early, cancelled]).to.deep.equal([[], true]);
  });

  it("takes times further away than a timer of Node can count", async () => {
    const clock = new NodeClock();
    let woken = false;
    const cancel = clock.wakeAt(clock.monotonic() + (1n << 62n), () => {
      woken = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 10));
    cancel();
    expect(woken).to.equal(false);
  });
});

describe("randomness and turns of Node", () => {
  it("fills ordinary and shared bytes", () => {
    for (const buffer of [new ArrayBuffer(64), new SharedArrayBuffer(64)]) {
      const bytes = new Uint8Array(buffer);
      new NodeRandom().fill(bytes);
      expect(bytes.some((byte) => byte !== 0)).to.equal(true);
    }
  });

  it("a turn lets a timer fire that is due", async () => {
    let fired = false;
    setTimeout(() => {
      fired = true;
    }, 0);
    const started = performance.now();
    while (performance.now() - started < 3);
    await NODE_EVENT_LOOP.nextTurn();
    await NODE_EVENT_LOOP.nextTurn();
    expect(fired).to.equal(true);
  });
});
