import { expect } from "chai";
import fc from "fast-check";
import { FAR, Timer, TimerWheel } from "./timers.ts";

const ignore = (): void => {};

/** Everything that is due, in the order it comes out. */
function due(wheel: TimerWheel, now: number): Timer[] {
  const timers: Timer[] = [];
  for (let timer = wheel.poll(now); timer !== null; timer = wheel.poll(now)) timers.push(timer);
  return timers;
}

describe("TimerWheel", () => {
  it("behaves as a sorted list, whatever is added, cancelled and however far time jumps", () => {
    const far = fc.oneof(fc.nat(100), fc.nat(10_000), fc.maxSafeNat(), fc.constantFrom(64, 4_096, 2 ** 24, 2 ** 31));
    const command = fc.oneof(
      fc.record({ kind: fc.constant("add" as const), ms: far }),
      fc.record({ kind: fc.constant("cancel" as const), ms: fc.nat() }),
      fc.record({ kind: fc.constant("advance" as const), ms: fc.oneof(far, fc.nat(2 ** 40)) }),
    );
    fc.assert(
      fc.property(fc.nat(2 ** 40), fc.array(command, { maxLength: 60 }), (start, commands) => {
        const wheel = new TimerWheel(start);
        let now = start;
        let list: { timer: Timer; at: number }[] = [];
        for (const { kind, ms } of commands) {
          if (kind === "add") {
            const timer = new Timer(ignore);
            wheel.add(timer, now + ms);
            list.push({ timer, at: now + ms < FAR ? now + ms : Number.POSITIVE_INFINITY });
          } else if (kind === "cancel") {
            const [entry] = list.splice(ms % Math.max(1, list.length), 1);
            if (entry !== undefined) wheel.cancel(entry.timer);
          } else {
            now = Math.min(now + ms, FAR - 2);
            const expected = list.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at);
            list = list.filter(({ at }) => at > now);
            expect(due(wheel, now)).to.deep.equal(expected.map(({ timer }) => timer));
          }
          const coming = list.filter(({ at }) => at < FAR);
          expect(wheel.size).to.equal(coming.length);
          const earliest = Math.min(...list.map(({ at }) => at));
          expect(wheel.next()).to.be.at.most(earliest);
          if (coming.length > 0) expect(wheel.next()).to.be.at.least(now);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("reaches a far deadline in a few looks", () => {
    const wheel = new TimerWheel(12_345);
    wheel.add(new Timer(ignore), 2 ** 40 + 17);
    let looks = 0;
    for (let timer = wheel.poll(wheel.next()); timer === null; timer = wheel.poll(wheel.next())) looks++;
    expect(looks).to.be.at.most(8);
    expect(wheel.now).to.equal(2 ** 40 + 17);
  });

  it("arms a timer again from where it is", () => {
    const wheel = new TimerWheel();
    const timer = new Timer(ignore);
    wheel.add(timer, 10);
    wheel.add(timer, 5);
    expect(wheel.size).to.equal(1);
    expect(due(wheel, 4)).to.deep.equal([]);
    expect(due(wheel, 5)).to.deep.equal([timer]);
    expect(timer.isArmed).to.equal(false);
    wheel.cancel(timer);
    wheel.add(timer, 3);
    expect(due(wheel, 5)).to.deep.equal([timer]);
  });

  it("never gives out a deadline beyond its reach, and forgets it when it is cancelled", () => {
    const wheel = new TimerWheel();
    const timers = [FAR, FAR + 1, Number.MAX_VALUE, Number.POSITIVE_INFINITY].map((deadline) => {
      const timer = new Timer(ignore);
      wheel.add(timer, deadline);
      return timer;
    });
    expect(timers.map(({ isArmed, deadline }) => isArmed && deadline)).to.deep.equal(timers.map(() => Infinity));
    expect([wheel.size, wheel.next()]).to.deep.equal([0, Number.POSITIVE_INFINITY]);
    expect(due(wheel, Number.POSITIVE_INFINITY)).to.deep.equal([]);
    const [first, second] = timers;
    wheel.cancel(first!);
    expect([first!.isArmed, wheel.size]).to.deep.equal([false, 0]);
    const late = new TimerWheel();
    late.add(second!, FAR - 1);
    expect(due(late, FAR)).to.deep.equal([second]);
  });

  it("takes what fires while it is polled", () => {
    const wheel = new TimerWheel();
    const fired: number[] = [];
    const second = new Timer(() => fired.push(2));
    wheel.add(
      new Timer(() => {
        fired.push(1);
        wheel.add(second, 7);
      }),
      7,
    );
    for (let timer = wheel.poll(7); timer !== null; timer = wheel.poll(7)) timer.fire(timer);
    expect(fired).to.deep.equal([1, 2]);
  });
});
