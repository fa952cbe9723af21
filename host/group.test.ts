import { expect } from "chai";
import { compileSync } from "../vm/index.ts";
import { Account, Group, MAX_GROUP_DEPTH } from "./group.ts";
import { Runtime, SpawnError } from "./runtime.ts";
import { Scheduler } from "./scheduler.ts";
import { guest, testRuntime } from "./testing.ts";

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

  it("limits what is in the host's heap apart from what is outside", () => {
    const scheduler = new Scheduler();
    const top = new Group(scheduler, null, null, { maxMemory: 1_000, maxHostMemory: 100 });
    const low = top.child(scheduler);
    expect(low.reserveOutside(800)).to.equal(true);
    expect([low.reserve(Account.Memory, 100), low.reserve(Account.Memory, 1)]).to.deep.equal([true, false]);
    expect([low.reserveOutside(101), low.reserveOutside(100)]).to.deep.equal([false, true]);
    low.releaseOutside(900);
    expect([low.reserve(Account.Memory, 1), top.used("memory"), top.used("outsideMemory")]).to.deep.equal([
      false,
      100,
      0,
    ]);
    low.release(Account.Memory, 1);
    expect(low.reserve(Account.Memory, 1)).to.equal(true);
  });

  it("is asked by the words of embedders, and says which there are", () => {
    const group = root({ maxMemory: 100, maxLogBytes: 7, maxSeries: 3 });
    group.reserve(Account.Memory, 60);
    group.release(Account.Memory, 50);
    expect([group.used("memory"), group.peak("memory"), group.limit("memory")]).to.deep.equal([10, 60, 100]);
    expect([group.limit("logBytes"), group.limit("series"), group.limit("fuel")]).to.deep.equal([7, 3, Infinity]);
    group.setLimit("processes", 5);
    expect(group.limit(Account.Processes)).to.equal(5);
    for (const name of ["Memory", "", 9, undefined]) {
      expect(() => group.setLimit(name as "memory", 5)).to.throw(
        TypeError,
        "but fuel, memory, processes, timers, names",
      );
    }
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

  it("forgets a group by name that has ended, and gives back what it cost", () => {
    const top = root();
    const named = top.named(scheduler, { name: "tenant" })!;
    expect(top.named(scheduler, { name: "tenant" })).to.equal(named);
    named.named(scheduler, { name: "inside" });
    named.dispose();
    expect(top.used(Account.Memory)).to.equal(0);
    const next = top.named(scheduler, { name: "tenant" })!;
    expect([next === named, named.isClosed, next.isClosed]).to.deep.equal([false, true, false]);
    // One of the same name that the embedder has made is none of those.
    top.child(scheduler, { name: "tenant" }).dispose();
    expect(top.named(scheduler, { name: "tenant" })).to.equal(next);
    top.dispose();
    expect(top.used(Account.Memory)).to.equal(0);
  });

  it("ends while others try to enter it", async () => {
    const { runtime, executor } = testRuntime();
    const group = runtime.createGroup();
    const inside = group.named(runtime.scheduler, { name: "inside" })!;
    const module = compileSync(
      guest(`(func (export "a") (param i64) (drop (call $receive (i64.const 0) (i64.const -1))))`),
    );
    const options = { entry: "a", args: [0n] };
    const handle = runtime.spawn(module, { ...options, group: inside });
    executor.runUntilIdle();
    const ended = runtime.endGroup(group);
    for (const each of [group, inside]) {
      expect(() => runtime.spawn(module, { ...options, group: each })).to.throw(SpawnError);
    }
    expect(group.named(runtime.scheduler, { name: "another" })).to.equal(null);
    executor.runUntilIdle();
    expect((await handle.exited).kind).to.equal("killed");
    expect(() => runtime.spawn(module, { ...options, group })).to.throw(SpawnError);
    await ended;
    expect(runtime.group.used(Account.Memory)).to.equal(0);
    expect([...runtime.group.children]).to.deep.equal([]);
  });
});
