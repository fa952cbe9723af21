import { expect } from "chai";
import { compileSync, FuelExhausted, type Instance, Store, Trap } from "../vm/index.ts";
import { wat } from "../vm/testing.ts";
import { drive, newProgress } from "./drive.ts";
import { FakeClock } from "./fakes.ts";
import { NODE_EVENT_LOOP, NodeClock } from "./node/index.ts";

const services = { clock: new NodeClock(), eventLoop: NODE_EVENT_LOOP };

const COUNT = wat`(module
  (func (export "count") (param i32) (result i32) (local i32)
    (loop $again
      (local.set 1 (i32.add (local.get 1) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get 1) (local.get 0))))
    (local.get 1))
  (func (export "endless") (loop $again (br $again)))
  (func (export "trap") (unreachable)))`;

const instance = (): Instance => new Store().instantiateSync(compileSync(COUNT), {});

describe("drive", () => {
  it("runs in slices to the results, with the same fuel for every slice", async () => {
    const totals = new Set<number>();
    for (const slice of [10, 1_000, 1_000_000]) {
      const progress = newProgress();
      expect(await drive(instance().invoke("count", [5_000]), { ...services, slice }, progress)).to.deep.equal([5_000]);
      totals.add(progress.fuel);
      expect(progress.slices).to.be.within(
        Math.floor(progress.fuel / (slice + 1_000)),
        Math.ceil(progress.fuel / slice) + 1,
      );
    }
    expect(totals.size).to.equal(1);
  });

  it("ends with FuelExhausted when the budget is used up", async () => {
    const progress = newProgress();
    const error = await drive(instance().invoke("endless", []), { ...services, maxFuel: 50_000 }, progress).catch(
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(FuelExhausted);
    expect(progress.fuel).to.be.within(50_000, 51_000);
  });

  it("rounds fuel down, and wants numbers", async () => {
    for (const limits of [{ maxFuel: 1_000.5 }, { maxFuel: 1_000, slice: 10.5 }]) {
      const progress = newProgress();
      const end = drive(instance().invoke("endless", []), { ...services, ...limits }, progress);
      expect(await end.catch((reason: unknown) => reason)).to.be.instanceOf(FuelExhausted);
      expect(progress.fuel).to.be.within(1_000, 1_100);
    }
    for (const limits of [{ maxFuel: Number.NaN }, { slice: 0 }, { slice: 0.5 }, { slice: -1 }]) {
      const end = drive(instance().invoke("endless", []), { ...services, ...limits });
      expect(await end.catch((reason: unknown) => reason)).to.be.instanceOf(RangeError);
    }
  });

  it("passes a trap on", async () => {
    const error = await drive(instance().invoke("trap", []), services).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(Trap);
  });

  it("lets timers fire while a guest runs, and ends for the signal", async () => {
    const abort = new AbortController();
    let ticks = 0;
    const timer = setInterval(() => {
      if (++ticks === 3) abort.abort(new Error("enough"));
    }, 5);
    const ending = drive(instance().invoke("endless", []), { ...services, signal: abort.signal });
    expect(await ending.catch((reason: unknown) => reason)).to.have.property("message", "enough");
    clearInterval(timer);
  });

  const WAITING = wat`(module
    (import "host" "wait" (func $wait (param i32) (result i32)))
    (func (export "twice") (result i32) (i32.add (call $wait (i32.const 1)) (call $wait (i32.const 2))))
    (func (export "forever") (loop $again (drop (call $wait (i32.const 0))) (br $again))))`;
  const waiting = (call: (value: number) => Promise<number>): Instance =>
    new Store().instantiateSync(compileSync(WAITING), {
      host: {
        wait: { kind: "async", params: ["i32"], results: ["i32"], call: (_caller, value: number) => call(value) },
      },
    });

  it("waits for host functions and counts the waits", async () => {
    const progress = newProgress();
    const guest = waiting(async (value) => {
      await new Promise(setImmediate);
      return value * 10;
    });
    expect(await drive(guest.invoke("twice", []), services, progress)).to.deep.equal([30]);
    expect(progress.waits).to.equal(2);
  });

  it("1,000 guests wait at once while a timer fires", async () => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    const module = compileSync(WAITING);
    const guests = Array.from({ length: 1_000 }, (_, i) => {
      const call = (_caller: unknown, value: number) =>
        new Promise<number>((resolve) => setTimeout(() => resolve(value * i), 100));
      const wait = { kind: "async", params: ["i32"], results: ["i32"], call } as const;
      return new Store().instantiateSync(module, { host: { wait } });
    });
    ticks = 0;
    const results = await Promise.all(guests.map((guest) => drive(guest.invoke("twice", []), services)));
    clearInterval(timer);
    expect(results.every(([value], i) => value === 3 * i)).to.equal(true);
    // The guests wait twice for 100 ms: a loop that they held up would have let no timer of 5 ms fire.
    expect(ticks).to.be.at.least(3);
  });

  it("ends with the error of a host function", async () => {
    const guest = waiting(() => Promise.reject(new Error("refused")));
    const error = await drive(guest.invoke("twice", []), services).catch((reason: unknown) => reason);
    expect(String(error)).to.contain("refused");
  });

  it("ends for the signal while the guest waits", async () => {
    const abort = new AbortController();
    const ending = drive(waiting(() => new Promise(() => {})).invoke("twice", []), {
      ...services,
      signal: abort.signal,
    });
    setImmediate(() => abort.abort(new Error("enough")));
    expect(await ending.catch((reason: unknown) => reason)).to.have.property("message", "enough");
  });

  it("lets the event loop go on beside host functions that settle at once", async () => {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(new Error("enough")), 5);
    const ending = drive(waiting(async (value) => value).invoke("forever", []), { ...services, signal: abort.signal });
    expect(await ending.catch((reason: unknown) => reason)).to.have.property("message", "enough");
    clearTimeout(timer);
  });

  it("takes its turns by the clock it is given", async () => {
    let turns = 0;
    const eventLoop = {
      nextTurn: async () => {
        turns++;
      },
    };
    await drive(instance().invoke("count", [5_000]), { clock: new FakeClock(), eventLoop, slice: 100 });
    expect(turns).to.equal(0);
    // Every look at this clock takes 4 ms, the length of a turn.
    class SlowClock extends FakeClock {
      override monotonic(): bigint {
        this.advance(4_000_000n);
        return super.monotonic();
      }
    }
    const progress = newProgress();
    await drive(instance().invoke("count", [5_000]), { clock: new SlowClock(), eventLoop, slice: 100 }, progress);
    expect(turns).to.equal(progress.slices - 1);
  });
});
