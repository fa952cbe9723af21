import { expect } from "chai";
import { compileSync } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import { Executor, type TurnSource } from "./executor.ts";
import { ExecutorClock } from "./executor-clock.ts";
import { Runtime } from "./runtime.ts";
import { Task, TurnEnd } from "./task.ts";
import { Timer } from "./timers.ts";

/** Time passes only by what tasks do. */
class ManualTime implements TurnSource {
  ms = 0;
  readingMs = 0;
  nowMs(): number {
    this.ms += this.readingMs;
    return this.ms;
  }
  nextTurn(): void {}
  wakeAfter(): () => void {
    return () => {};
  }
}

/** Uses whole slices, each fuel so many nanoseconds; every so often a turn has a pause besides. */
class Hog extends Task {
  readonly #time: ManualTime;
  nsPerFuel: number;
  readonly #pauses: { readonly every: number; readonly ms: number };
  turns = 0;
  fuel = 0;
  ms = 0;
  longestMs = 0;

  constructor(time: ManualTime, nsPerFuel: number, pauses = { every: Number.POSITIVE_INFINITY, ms: 0 }) {
    super();
    this.#time = time;
    this.nsPerFuel = nsPerFuel;
    this.#pauses = pauses;
  }

  override run(fuel: number): TurnEnd {
    this.turns++;
    this.fuel += fuel;
    const ms = (fuel * this.nsPerFuel) / 1e6 + (this.turns % this.#pauses.every === 0 ? this.#pauses.ms : 0);
    this.#time.ms += ms;
    this.ms += ms;
    this.longestMs = Math.max(this.longestMs, ms);
    this.turnFuel = fuel;
    this.turnCharge = fuel;
    return TurnEnd.Runnable;
  }
}

/** Does little, sleeps for no time, and again. */
class Sleeper extends Task {
  readonly #time: ManualTime;
  readonly #sleep: () => void;
  turns = 0;

  constructor(time: ManualTime, sleep: () => void) {
    super();
    this.#time = time;
    this.#sleep = sleep;
  }

  override run(): TurnEnd {
    this.turns++;
    this.#time.ms += 0.001;
    this.turnFuel = 100;
    this.turnCharge = 100;
    this.#sleep();
    return TurnEnd.Waiting;
  }
}

function start<T extends Task>(executor: Executor, tasks: readonly T[]): readonly T[] {
  const group = executor.join();
  for (const task of tasks) executor.scheduler.start(task, group, null);
  return tasks;
}

const runFor = (executor: Executor, time: ManualTime, ms: number): void => {
  const end = time.ms + ms;
  for (let runs = 0; time.ms < end; runs++) {
    if (runs === 100_000) throw new Error("time stands still");
    executor.runUntilIdle(100);
  }
};

describe("Executor", () => {
  it("with a clock shares time among guests whose fuel takes unlike time, in slices of like length", () => {
    const time = new ManualTime();
    const executor = new Executor({ source: time });
    const hogs = start(
      executor,
      [0.7, 1, 3, 10, 40, 100].map((nsPerFuel) => new Hog(time, nsPerFuel)),
    );
    runFor(executor, time, 4_000);
    const shares = hogs.map(({ ms }) => ms / (time.ms / hogs.length));
    expect(Math.min(...shares)).to.be.above(0.95);
    expect(Math.max(...shares)).to.be.below(1.05);
    for (const hog of hogs) hog.longestMs = 0;
    runFor(executor, time, 400);
    expect(Math.max(...hogs.map(({ longestMs }) => longestMs))).to.be.below(0.41);
  });

  it("gives slices of at least one unit of fuel, rounded down", () => {
    expect(new Executor({ sliceFuel: 1.5 }).sliceFuel).to.equal(1);
    for (const sliceFuel of [0, -5, 0.5, Number.NaN]) expect(() => new Executor({ sliceFuel })).to.throw(RangeError);
    expect(() => new Executor({ sliceFuel: "9" as unknown as number })).to.throw(TypeError, 'got "9"');
  });

  it("gives a task whose fuel nobody knows a short first turn, and one whose fuel became dear at once a short one", () => {
    const time = new ManualTime();
    const executor = new Executor({ source: time });
    const [dear] = start(executor, [new Hog(time, 50)]);
    executor.runUntilIdle(1);
    expect(dear!.fuel).to.equal(16_000);
    executor.runUntilIdle(1);
    expect(dear!.fuel).to.equal(24_000);
    dear!.nsPerFuel = 1;
    executor.runUntilIdle(10);
    expect(dear!.sliceFuel).to.equal(100_000);
    dear!.nsPerFuel = 40;
    executor.runUntilIdle(1);
    dear!.longestMs = 0;
    executor.runUntilIdle(5);
    expect(dear!.longestMs).to.be.at.most(0.4);
  });

  it("charges those who armed timers for their firing, and many short turns for what lies between them", () => {
    const time = new ManualTime();
    // The clock is read before and after everything: each reading stands for what the executor does meanwhile.
    time.readingMs = 0.000_5;
    const executor = new Executor({ source: time });
    const group = executor.join();
    const sleepers = Array.from({ length: 50 }, () => {
      const sleeper: Sleeper = new Sleeper(time, () => executor.arm(timer, 0));
      const timer = new Timer(() => {
        time.ms += 0.01;
        executor.scheduler.wake(sleeper);
      }, sleeper);
      executor.scheduler.start(sleeper, group, null);
      return sleeper;
    });
    const [hog] = start(executor, [new Hog(time, 1)]);
    runFor(executor, time, 200);
    const before = { ms: time.ms, hog: hog!.ms };
    runFor(executor, time, 2_000);
    const share = (hog!.ms - before.hog) / (time.ms - before.ms);
    expect(share).to.be.above(0.47);
    expect(sleepers.every(({ turns }) => turns > 10)).to.equal(true);
  });

  it("with a seed shares fuel, whatever time it takes", () => {
    const time = new ManualTime();
    const executor = new Executor({ seed: 1, source: time });
    const hogs = start(
      executor,
      [1, 10, 100].map((nsPerFuel) => new Hog(time, nsPerFuel)),
    );
    executor.runUntilIdle(3_000);
    const fuel = hogs.map((hog) => hog.fuel);
    expect(Math.max(...fuel) - Math.min(...fuel)).to.be.at.most(executor.sliceFuel);
  });

  it("pardons a pause of the host", () => {
    const time = new ManualTime();
    const executor = new Executor({ source: time });
    const [victim, other] = start(executor, [new Hog(time, 1, { every: 1_000, ms: 10 }), new Hog(time, 1)]);
    runFor(executor, time, 1_000);
    expect(victim!.turns / other!.turns).to.be.within(0.98, 1.02);
  });

  it("gives somebody whose turns are too long again and again a fiftieth of all time at most", () => {
    const time = new ManualTime();
    const executor = new Executor({ source: time });
    const [cheater, ...others] = start(executor, [
      new Hog(time, 1, { every: 4, ms: 5 }),
      ...Array.from({ length: 9 }, () => new Hog(time, 1)),
    ]);
    runFor(executor, time, 10_000);
    const share = others.reduce((sum, { ms }) => sum + ms, 0) / others.length;
    // And the twenty milliseconds that there were at first.
    expect(cheater!.ms - share).to.be.below(0.02 * time.ms + 30);
  });

  it("measures a task again after turns that were much too slow", () => {
    const time = new ManualTime();
    const executor = new Executor({ source: time });
    const [slow] = start(executor, [new Hog(time, 1)]);
    slow!.nanosecondsPerFuel = 10_000;
    executor.runUntilIdle(20);
    expect(slow!.nanosecondsPerFuel).to.be.below(2);
  });

  it("fires timers not before their time and within a sixteenth of a millisecond", () => {
    const time = new ManualTime();
    const executor = new Executor({ source: time });
    start(executor, [new Hog(time, 0.1)]);
    const late: number[] = [];
    for (let delay = 0; delay < 5; delay += 0.37) {
      const due = time.ms + delay;
      executor.arm(new Timer(() => late.push(time.ms - due)), delay);
    }
    runFor(executor, time, 6);
    expect(late).to.have.length(14);
    expect(Math.min(...late)).to.be.at.least(0);
    // A sixteenth, and a slice of ten microseconds.
    expect(Math.max(...late)).to.be.below(0.075);
  });

  it("never fires what is beyond its time, which does not jump there", () => {
    const executor = new Executor({ seed: 1, source: new ManualTime() });
    let fired = 0;
    const timers = [2 ** 48, Number.MAX_VALUE, Number.POSITIVE_INFINITY].map((delayMs) => {
      const timer = new Timer(() => fired++);
      executor.arm(timer, delayMs);
      return timer;
    });
    executor.arm(new Timer(() => fired++), 5);
    expect(executor.armedTimers).to.equal(1);
    executor.runUntilIdle(100);
    expect([fired, executor.nowMs()]).to.deep.equal([1, 5]);
    expect(timers.map((timer) => executor.leftMs(timer))).to.deep.equal(timers.map(() => null));
    for (const timer of timers) executor.disarm(timer);
    expect(timers.some(({ isArmed }) => isArmed)).to.equal(false);
  });

  it("takes a delay that is no number for none", () => {
    const executor = new Executor({ seed: 1, source: new ManualTime() });
    let fired = 0;
    executor.arm(new Timer(() => fired++), Number.NaN);
    executor.armBackground(new Timer(() => fired++), Number.NaN);
    executor.runUntilIdle(100);
    expect([fired, Math.abs(executor.nowMs())]).to.deep.equal([2, 0]);
  });

  it("goes on to tasks when a timer arms itself for now again and again", () => {
    const executor = new Executor({ seed: 1, source: new ManualTime() });
    let fired = 0;
    const again = new Timer(() => {
      if (++fired < 1_000_000) executor.arm(again, 0);
    });
    executor.arm(again, 0);
    executor.runUntilIdle(100);
    expect(fired).to.be.within(50, 100);
  });

  it("ends the waiting for a clock at any deadline, or does not reach it", () => {
    for (const deadlineNs of [2n ** 64n - 1n, 2n ** 63n, 17_000_000_000_000_000_123n, 2n ** 53n + 1n, 0n]) {
      const executor = new Executor({ seed: 1, source: new ManualTime() });
      const clock = new ExecutorClock(executor);
      let isOver = false;
      executor.hold();
      clock.wakeAt(deadlineNs, () => {
        isOver = true;
        executor.unhold();
      });
      executor.runUntilIdle(1_000);
      expect(isOver, String(deadlineNs)).to.equal(deadlineNs < 17_592_186_044_416_000_000n);
      expect(clock.monotonic() >= deadlineNs).to.equal(isOver);
    }
  });

  it("with virtual time lets the event loop go on among timers that wake nobody", () => {
    for (const delayMs of [() => 1, (i: number) => i]) {
      let next: (() => void) | null = null;
      const source = { nowMs: () => 0, nextTurn: (run: () => void) => (next = run), wakeAfter: () => () => {} };
      const executor = new Executor({ seed: 1, source });
      let fired = 0;
      for (let i = 0; i < 10_000; i++) executor.arm(new Timer(() => fired++), delayMs(i));
      let most = 0;
      for (let run = next as (() => void) | null; run !== null; run = next) {
        next = null;
        const before = fired;
        run();
        most = Math.max(most, fired - before);
      }
      expect(fired).to.equal(10_000);
      expect(most).to.be.below(5_000);
    }
  });

  it("with a seed lets the event loop go on after a budget of charge", () => {
    let next: (() => void) | null = null;
    const source = { nowMs: () => 0, nextTurn: (run: () => void) => (next = run), wakeAfter: () => () => {} };
    const executor = new Executor({ seed: 1, source });
    const runtime = new Runtime({ executor });
    const hog = runtime.spawn(compileSync(textToBinary('(func (export "a") (loop (br 0)))')), { entry: "a" });
    expect([hog.stats.fuel, executor.stats.charge].map((zero) => Object.is(zero, 0))).to.deep.equal([true, true]);
    for (let round = 1; round <= 20; round++) {
      next!();
      // Four milliseconds of a nanosecond each, and the rest of a turn.
      expect(hog.stats.fuel / round).to.be.within(4e6, 4.2e6);
    }
  });
});

describe("an executor that sleeps", () => {
  it("sleeps in parts where the platform's timers do not reach", () => {
    let nowMs = 0;
    const wakes: (readonly [number, () => void])[] = [];
    const source: TurnSource = {
      nowMs: () => nowMs,
      nextTurn: (run) => run(),
      wakeAfter(delayMs, wake) {
        wakes.push([delayMs, wake]);
        return () => {};
      },
    };
    const executor = new Executor({ source });
    let firedMs = 0;
    executor.arm(
      new Timer(() => {
        firedMs = nowMs;
      }),
      2 ** 34,
    );
    for (let slept = 0; firedMs === 0; slept++) {
      expect(slept).to.be.below(50);
      const [delayMs, wake] = wakes.at(-1)!;
      expect(delayMs).to.be.within(0, 2 ** 31 - 1);
      nowMs += delayMs;
      wake();
    }
    expect(firedMs).to.be.within(2 ** 34, 2 ** 34 + 1);
  });

  it("lets go of the platform when nobody waits for a time any more, and sleeps again when somebody does", () => {
    const delays: number[] = [];
    let asleep = 0;
    const source: TurnSource = {
      nowMs: () => 0,
      nextTurn: (run) => run(),
      wakeAfter(delayMs) {
        delays.push(delayMs);
        asleep++;
        return () => asleep--;
      },
    };
    const executor = new Executor({ source });
    const [soon, late] = [new Timer(() => {}), new Timer(() => {})];
    executor.arm(soon, 1_000);
    executor.arm(late, 86_400_000);
    executor.disarm(soon);
    expect(asleep).to.equal(1);
    executor.disarm(late);
    expect(asleep).to.equal(0);
    executor.arm(late, 5_000);
    expect(asleep).to.equal(1);
    // The wheel knows distant times roughly: it is asked again when they are near.
    expect(delays).to.have.length(2);
    expect(delays[0]).to.be.within(1, 1_000);
    expect(delays[1]).to.be.within(1, 5_000);
  });
});
