import { expect } from "chai";
import { Account, Group, MAX_GROUP_DEPTH } from "./group.ts";
import { Runtime } from "./runtime.ts";
import { Scheduler } from "./scheduler.ts";

const scheduler = new Scheduler();
const root = (options = {}): Group => new Group(scheduler, null, null, options);

describe("Group", () => {
  it("charges all groups above, or none when one of them refuses", () => {
    const top = root({ maxMemory: 100 });
    const middle = top.child(scheduler, { maxMemory: 1_000 });
    const low = middle.child(scheduler);
    expect(low.reserve(Account.Memory, 60)).to.equal(true);
    expect(low.reserve(Account.Memory, 41)).to.equal(false);
    expect([low, middle, top].map((group) => group.used(Account.Memory))).to.deep.equal([60, 60, 60]);
    expect(low.available(Account.Memory)).to.equal(40);
    low.release(Account.Memory, 60);
    expect(middle.reserve(Account.Memory, 100)).to.equal(true);
  });

  it("nests only so deep and ends only when it is empty", () => {
    let group = root();
    for (let depth = 1; depth < MAX_GROUP_DEPTH; depth++) group = group.child(scheduler);
    expect(() => group.child(scheduler)).to.throw(RangeError);
    expect(() => group.parent!.dispose()).to.throw(TypeError);
    group.reserve(Account.Processes, 1);
    expect(() => group.dispose()).to.throw(TypeError);
    group.release(Account.Processes, 1);
    group.dispose();
    group.parent!.dispose();
  });

  it("cannot use up by default what its siblings need", () => {
    const { group, scheduler } = new Runtime();
    const [greedy, other] = [group.child(scheduler), group.child(scheduler)];
    for (const account of [Account.Timers, Account.Names, Account.Descriptors, Account.Series]) {
      while (greedy.reserve(account, 1));
      expect(greedy.used(account)).to.equal(greedy.limit(account));
      expect(other.reserve(account, greedy.limit(account))).to.equal(true);
    }
  });
});
