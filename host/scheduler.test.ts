import { expect } from "chai";
import type { GroupShare } from "./group-share.ts";
import { TurnEnd } from "./task.ts";
import { GroupShare as Group } from "./group-share.ts";
import { hog, jain, percentile, Simulation, type Behaviour, type SimulatedTask } from "./simulation.ts";

/** One slice and one overdraft. */
const SLICE = 100_000 + 7;
const MS = 1_000_000;

const usedBy = (tasks: readonly SimulatedTask[]): number[] => tasks.map(({ used }) => used);
const sum = (amounts: readonly number[]): number => amounts.reduce((total, amount) => total + amount, 0);

/** Works 20,000 every 5 ms. */
const worker: Behaviour = (task) => {
  task.use(20_000);
  return task.sleep(5 * MS - 20_000);
};

/** Burns 95 % of each slice and sleeps 1 µs. */
const cheater: Behaviour = (task, fuel) => {
  task.use(Math.floor(fuel * 0.95));
  return task.sleep(1_000);
};

describe("the scheduler", () => {
  it("keeps always-runnable equals within one slice and one overdraft of each other at every moment", () => {
    const simulation = new Simulation();
    const hogs = simulation.hogs(7);
    for (let i = 0; i < 500; i++) {
      simulation.run(1);
      const used = usedBy(hogs);
      expect(Math.max(...used) - Math.min(...used)).to.be.at.most(SLICE);
    }
  });

  it("keeps weighted ones that close to the ideal", () => {
    const simulation = new Simulation();
    const weights = [1, 50, 100, 333, 1_000];
    const tasks = weights.map((weight) => simulation.start(hog, { weight }));
    simulation.run(500 * MS);
    const perWeight = tasks.map(({ used }, i) => used / weights[i]!);
    const ideal = simulation.now / sum(weights);
    perWeight.forEach((amount, i) => {
      expect(Math.abs(amount - ideal) * weights[i]!).to.be.at.most(2 * SLICE);
    });
  });

  it("has a Jain index of at least 0.9995 after 40 rounds of 1,000 hogs", () => {
    const simulation = new Simulation();
    const hogs = simulation.hogs(1_000);
    simulation.run(40 * 1_000 * 62_500);
    expect(jain(usedBy(hogs))).to.be.at.least(0.9995);
  });

  it("is fair between sibling groups first, then inside, whatever their numbers", () => {
    const simulation = new Simulation();
    const { scheduler, group } = simulation;
    const [small, large, heavy] = [100, 100, 200].map((weight) => new Group(scheduler, group, weight)) as [
      GroupShare,
      GroupShare,
      GroupShare,
    ];
    const shares = [simulation.hogs(1, small), simulation.hogs(300, large), simulation.hogs(2, heavy)];
    simulation.run(400 * MS);
    const [one, many, two] = shares.map((hogs) => sum(usedBy(hogs)) / simulation.now) as [number, number, number];
    expect(one).to.be.closeTo(0.25, 0.01);
    expect(many).to.be.closeTo(0.25, 0.01);
    expect(two).to.be.closeTo(0.5, 0.01);
  });

  it("makes groups inside groups share their group's share", () => {
    const simulation = new Simulation();
    const { scheduler, group } = simulation;
    const honest = new Group(scheduler, group);
    const attacker = new Group(scheduler, group);
    const neighbour = simulation.hogs(1, honest);
    for (let i = 0; i < 50; i++) simulation.hogs(1, new Group(scheduler, attacker));
    simulation.run(200 * MS);
    expect(sum(usedBy(neighbour)) / simulation.now).to.be.closeTo(0.5, 0.02);
  });

  it("wakes a small process as soon beside 10,000 hogs as beside 10", () => {
    const p99 = [10, 100, 1_000, 10_000].map((count) => {
      const simulation = new Simulation();
      simulation.hogs(count);
      const task = simulation.start(worker);
      simulation.run(count * SLICE + 200 * MS);
      simulation.run(1_500 * MS);
      return percentile(task.delays.slice(-280), 0.99);
    });
    expect(p99[0]).to.be.at.most(2 * SLICE);
    for (const value of p99) expect(value).to.be.at.most(1.5 * p99[0]!);
  });

  it("lets what a process was woken for take several slices", () => {
    const simulation = new Simulation();
    simulation.hogs(1_000);
    const done: number[] = [];
    let left = 0;
    const task = simulation.start((self) => {
      if (left === 0) left = 4;
      self.use(5_000);
      if (--left > 0) return TurnEnd.Runnable;
      done.push(simulation.now - self.wokenAt);
      return self.sleep(5 * MS);
    });
    simulation.run(1_000 * SLICE + 1_000 * MS);
    expect(percentile(done.slice(-100), 0.99)).to.be.at.most(2 * SLICE);
    expect(task.used / simulation.now).to.be.at.most(0.01);
  });

  it("gives fifty of them no worse a time", () => {
    const simulation = new Simulation();
    simulation.hogs(10_000);
    simulation.run(10_000 * SLICE);
    const tasks = Array.from({ length: 50 }, () => simulation.start(worker));
    simulation.run(2_500 * MS);
    const delays = tasks.flatMap((task) => task.delays.slice(-100));
    expect(percentile(delays, 0.5)).to.be.at.most(50 * 20_000 + 2 * SLICE);
  });

  it("gives a cheater that sleeps 1 µs after each slice at most 1 % above its share", () => {
    for (const count of [10, 100, 1_000]) {
      const simulation = new Simulation();
      simulation.hogs(count);
      const task = simulation.start(cheater);
      simulation.run(3_000 * MS);
      expect(task.used / simulation.now).to.be.at.most(1 / (count + 1) + 0.01);
    }
  });

  it("gives a hundred cheaters at most 25 % together, and at most 5 % above their share in one group", () => {
    const simulation = new Simulation();
    const attackers = new Group(simulation.scheduler, simulation.group);
    const hogs = new Group(simulation.scheduler, simulation.group, 1_000);
    simulation.hogs(1_000, hogs);
    const cheaters = Array.from({ length: 100 }, () => simulation.start(cheater, { group: attackers }));
    simulation.run(3_000 * MS);
    expect(sum(usedBy(cheaters)) / simulation.now).to.be.at.most(100 / 1_100 + 0.05);

    const flat = new Simulation();
    flat.hogs(1_000);
    const others = Array.from({ length: 100 }, () => flat.start(cheater));
    flat.run(3_000 * MS);
    expect(sum(usedBy(others)) / flat.now).to.be.at.most(0.25);
  });

  it("lets those of a group that wake up run ahead for a twentieth of the time, however many they are", () => {
    const simulation = new Simulation();
    const attackers = simulation.executor.join(1);
    // A hundredth each, which the credit of each allows.
    const tasks = Array.from({ length: 100 }, () =>
      simulation.start(
        (task) => {
          task.use(0.06 * MS);
          return task.sleep(11.94 * MS);
        },
        { group: attackers },
      ),
    );
    // All have fallen asleep once before others come, of whom their group would get a thousandth.
    simulation.executor.runUntilIdle(tasks.length);
    simulation.hogs(10, simulation.executor.join(1_000));
    simulation.run(1_000 * MS);
    const [before, from] = [sum(usedBy(tasks)), simulation.now];
    simulation.run(2_000 * MS);
    expect((sum(usedBy(tasks)) - before) / (simulation.now - from)).to.be.within(0.03, 0.052);
  });

  describe("gives one share to", () => {
    const shareBeside = (count: number, begin: (simulation: Simulation, count: (used: number) => void) => void) => {
      const simulation = new Simulation();
      simulation.hogs(count);
      let used = 0;
      begin(simulation, (charge) => {
        used += charge;
      });
      simulation.run(40 * count * 62_500);
      return (used / simulation.now) * (count + 1);
    };

    it("a chain in which each burns a slice, spawns the next and ends", () => {
      for (const hogs of [100, 1_000]) {
        const share = shareBeside(hogs, (simulation, count) => {
          const link: Behaviour = (task, fuel) => {
            task.use(fuel);
            count(fuel);
            simulation.start(link, { creator: task });
            return TurnEnd.Ended;
          };
          simulation.start(link);
        });
        expect(share).to.be.within(0.8, 1.2);
      }
    });

    it("a pair in which one spawns another that burns a slice and ends", () => {
      const share = shareBeside(100, (simulation, count) => {
        const parent: Behaviour = (task) => {
          task.use(100);
          count(100);
          const child: Behaviour = (self, fuel) => {
            self.use(fuel);
            count(fuel);
            task.wake(simulation.now);
            return TurnEnd.Ended;
          };
          simulation.start(child, { creator: task });
          return TurnEnd.Waiting;
        };
        simulation.start(parent);
      });
      expect(share).to.be.within(0.8, 1.3);
    });

    it("a supervisor that starts its worker again and again", () => {
      const share = shareBeside(100, (simulation, count) => {
        const supervisor: Behaviour = (task) => {
          task.use(1_000);
          count(1_000);
          let turns = 0;
          const work: Behaviour = (self, fuel) => {
            self.use(fuel);
            count(fuel);
            if (++turns < 3) return TurnEnd.Runnable;
            task.wake(simulation.now);
            return TurnEnd.Ended;
          };
          simulation.start(work, { creator: task });
          return TurnEnd.Waiting;
        };
        simulation.start(supervisor);
      });
      expect(share).to.be.within(0.8, 1.4);
    });

    it("a process that makes a new group for each of its children", () => {
      const share = shareBeside(100, (simulation, count) => {
        let last: GroupShare | null = null;
        const parent: Behaviour = (task) => {
          task.use(100);
          count(100);
          last?.dispose();
          const group = new Group(simulation.scheduler, simulation.group);
          last = group;
          const child: Behaviour = (self, fuel) => {
            self.use(fuel);
            count(fuel);
            task.wake(simulation.now);
            return TurnEnd.Ended;
          };
          simulation.start(child, { group, creator: task });
          return TurnEnd.Waiting;
        };
        simulation.start(parent);
      });
      // Its groups are siblings of the group's own tasks: together they have half.
      expect(share / 101).to.be.at.most(0.52);
    });
  });

  it("forgives nothing by pausing and resuming", () => {
    const simulation = new Simulation();
    simulation.hogs(100);
    const task = simulation.start((self, fuel) => {
      self.use(fuel);
      simulation.scheduler.suspend(self);
      simulation.wakeAt(self, simulation.now + fuel + 1_000);
      return TurnEnd.Runnable;
    });
    task.wake = () => simulation.scheduler.release(task);
    simulation.run(1_000 * MS);
    expect(task.used / simulation.now).to.be.at.most(1 / 101 + 0.01);
  });

  it("hands the rest of a slice to the task that the running one wakes and waits for", () => {
    const simulation = new Simulation();
    const order: string[] = [];
    let other: SimulatedTask;
    const player =
      (name: string, partner: () => SimulatedTask): Behaviour =>
      (task) => {
        order.push(name);
        task.use(1_000);
        partner().wake(simulation.now);
        return TurnEnd.Waiting;
      };
    const first = simulation.start(player("a", () => other));
    other = simulation.start(player("b", () => first));
    simulation.start(hog);
    simulation.run(3 * SLICE);
    const text = order.join("");
    expect(text).to.match(/(ab){20}/);
    expect(sum(usedBy([first, other])) / simulation.now).to.be.at.most(0.9);
  });

  it("tells small turns apart, however much was used before", () => {
    const simulation = new Simulation();
    const tasks = [100, 200, 300].map((charge) =>
      simulation.start((task) => {
        task.use(charge);
        return TurnEnd.Runnable;
      }),
    );
    simulation.executor.runUntilIdle(30);
    // A double of this size has no room for what a turn adds.
    for (const task of tasks) simulation.scheduler.chargeLate(task, 2 ** 60);
    simulation.executor.runUntilIdle(30);
    for (const task of tasks) task.used = 0;
    simulation.executor.runUntilIdle(180);
    const used = usedBy(tasks);
    expect(Math.min(...used)).to.be.above(9_000);
    expect(Math.max(...used) - Math.min(...used)).to.be.at.most(300);
  });

  it("keeps working after virtual times are brought back to zero", () => {
    const simulation = new Simulation();
    // Large turns at first, so that virtual times come to where they are brought back.
    let turn = 2 ** 34;
    const hogs = Array.from({ length: 3 }, () =>
      simulation.start((task) => {
        task.use(turn);
        return TurnEnd.Runnable;
      }),
    );
    const step = 2 ** 38;
    const giant = simulation.start((task) => {
      task.use(step);
      return TurnEnd.Runnable;
    });
    for (let i = 0; i < 12; i++) {
      simulation.run(step);
      giant.wake(simulation.now);
    }
    turn = SLICE;
    simulation.scheduler.suspend(giant);
    simulation.run(2 ** 36);
    const late = simulation.start(hog);
    const before = usedBy(hogs);
    simulation.run(200 * SLICE);
    const grown = hogs.map(({ used }, i) => used - before[i]!);
    expect(late.used).to.be.at.most(Math.max(...grown) + 2 * SLICE);
  });
});

describe("the executor", () => {
  it("repeats itself with the same seed, and has many orders with different ones", () => {
    const orderOf = (seed: number): string => {
      const simulation = new Simulation(seed);
      const order: string[] = [];
      for (const name of ["a", "b", "c"]) {
        simulation.start((task, fuel) => {
          order.push(name);
          task.use(fuel);
          return task.used > 400_000 ? TurnEnd.Ended : TurnEnd.Runnable;
        });
      }
      simulation.executor.runUntilIdle();
      return order.join("");
    };
    expect(orderOf(5)).to.equal(orderOf(5));
    const orders = new Set(Array.from({ length: 100 }, (_, seed) => orderOf(seed)));
    expect(orders.size).to.be.at.least(50);
  });
});
