import { expect } from "chai";
import { compileSync, eventLoopTurn } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import type { Executor } from "./executor.ts";
import { guestFunctions } from "./functions/host-definition.ts";
import { compileGuest } from "./functions/testing.ts";
import { Account, Group, MAX_GROUP_DEPTH } from "./group.ts";
import { Runtime } from "./runtime.ts";
import { reasonText } from "./signal.ts";
import { SpawnError, type SpawnErrorKind } from "./spawn-error.ts";
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

  it("has at most 1,024 groups that its guests have named", () => {
    const top = root();
    const named = Array.from({ length: 1_025 }, (_, i) => top.named(scheduler, { name: `g${i}` }));
    expect(named.map((group) => group !== null)).to.deep.equal(named.map((_, i) => i < 1_024));
    // Those that there are, are found.
    expect(top.named(scheduler, { name: "g5" })).to.equal(named[5]);
    expect(top.used(Account.Memory)).to.be.above(1_024 * 1_000);
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
    const inside = named.named(scheduler, { name: "inside" })!;
    expect(() => named.dispose()).to.throw(TypeError, "in use");
    inside.dispose();
    named.dispose();
    expect(top.used(Account.Memory)).to.equal(0);
    const next = top.named(scheduler, { name: "tenant" })!;
    expect([next === named, named.isClosed, next.isClosed]).to.deep.equal([false, true, false]);
    // One of the same name that the embedder has made is none of those.
    top.child(scheduler, { name: "tenant" }).dispose();
    expect(top.named(scheduler, { name: "tenant" })).to.equal(next);
    next.dispose();
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

  /** Gives turns until it has settled. */
  const settled = async (promise: Promise<void>, executor: Executor): Promise<void> => {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    while (!isSettled) {
      executor.runUntilIdle();
      await eventLoopTurn();
    }
    await promise;
  };

  const waiting = compileSync(
    guest(`(func (export "a") (param i64) (drop (call $receive (i64.const 0) (i64.const -1))))`),
  );
  const WAITING = { entry: "a", args: [0n] } as const;

  it("ends with the groups inside it, whoever has made them", async () => {
    const { runtime, executor } = testRuntime();
    const group = runtime.createGroup({ name: "outer" });
    const inside = runtime.createGroup({ name: "inner" }, group);
    const named = inside.named(runtime.scheduler, { name: "named" })!;
    const all = [group, inside, named];
    const handles = all.map((each) => runtime.spawn(waiting, { ...WAITING, group: each }));
    for (const [i, handle] of handles.entries()) runtime.register(`name ${i}`, handle);
    executor.runUntilIdle();
    await settled(runtime.endGroup(group), executor);
    expect(handles.map(({ stats }) => stats.state)).to.deep.equal(["exited", "exited", "exited"]);
    expect([...runtime.group.children]).to.deep.equal([]);
    expect(runtime.environment.registry.size).to.equal(0);
    expect([Account.Memory, Account.Names, Account.Processes].map((each) => runtime.group.used(each))).to.deep.equal([
      0, 0, 0,
    ]);
    expect(() => runtime.createGroup({}, inside)).to.throw(TypeError, "ended");
    await runtime.endGroup(group);
  });

  it("does not end by endGroup when it is the runtime's own, or another's: nothing changes", async () => {
    const { runtime, executor } = testRuntime();
    const other = new Runtime({ executor });
    const handle = runtime.spawn(waiting, WAITING);
    const inOther = other.spawn(compileSync(textToBinary(`(module (func (export "a") (loop $l (br $l))))`)), {
      entry: "a",
    });
    for (const group of [runtime.group, other.group, other.createGroup()]) {
      const error = await runtime.endGroup(group).catch((each: unknown) => each);
      expect(error).to.be.instanceOf(TypeError);
      expect(group.isClosed).to.equal(false);
    }
    executor.runUntilIdle(10);
    expect([handle.process.hasEnded, inOther.process.hasEnded]).to.deep.equal([false, false]);
    inOther.kill();
  });

  it("ends in steps, and takes away no name that somebody else has put meanwhile", () => {
    const { runtime } = testRuntime();
    const { registry } = runtime.environment;
    const group = runtime.createGroup();
    const inside = Array.from({ length: 3 }, () => runtime.createGroup({}, group));
    const registered = { nodeId: 0n, processId: 1n };
    const groups = [...inside, group];
    for (const [i, each] of groups.entries()) {
      for (let k = 0; k < 700; k++) registry.put(`${i}:${k}`, registered, each);
    }
    group.close();
    // Nothing of all that is done in one step.
    for (const each of groups) expect(() => each.dispose()).to.throw(TypeError, "in use");
    expect(registry.size).to.equal(2_800);
    const left: number[] = [];
    for (const _ of group.end()) {
      if (left.length === 0) registry.put("0:600", registered, runtime.group);
      left.push(registry.size);
    }
    expect(left).to.deep.equal([2544, 2288, 2101, 1845, 1589, 1401, 1145, 889, 701, 445, 189, 1]);
    expect(registry.get("0:600")).to.include(registered);
    expect(runtime.group.used(Account.Names)).to.equal(1);
  });

  it("takes back messages of timers that found no room with others", async () => {
    const { runtime, executor } = testRuntime({ functions: [guestFunctions] });
    const never = compileGuest(
      `(func (export "main") (drop (call $message::receive (i32.const 0) (i32.const 1) (i64.const -1))))`,
    );
    const mailbox = { maxMessages: 1, maxBytes: 1_000 };
    const receiver = runtime.spawn(never, { entry: "main", config: { mailbox } });
    executor.runUntilIdle();
    const group = runtime.createGroup();
    const sender = compileGuest(
      `(func (export "main") (param $receiver i64) (local $i i32)
        (loop $again
          (call $message::create_data (i64.const 1) (i64.const 0))
          (drop (call $timer::send_after (local.get $receiver) (i64.const 1)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $i) (i32.const 600)))))`,
    );
    runtime.spawn(sender, { entry: "main", args: [BigInt(receiver.pid)], group });
    executor.runUntilIdle();
    expect(receiver.stats.mailbox).to.equal(600);
    expect(group.used(Account.Timers)).to.equal(599);
    await settled(runtime.endGroup(group), executor);
    expect(receiver.stats.mailbox).to.equal(1);
    expect([group.used(Account.Timers), group.used(Account.Memory)]).to.deep.equal([0, 512]);
    expect(runtime.group.used(Account.Timers)).to.equal(0);
    receiver.kill();
    executor.runUntilIdle();
    expect(runtime.group.used(Account.Memory)).to.equal(0);
  });

  it("of many processes ends them some at a time", async () => {
    const { runtime, executor } = testRuntime();
    const group = runtime.createGroup();
    for (let i = 0; i < 600; i++) runtime.spawn(waiting, { ...WAITING, group });
    executor.runUntilIdle();
    const ended = runtime.endGroup(group);
    executor.runUntilIdle();
    expect(runtime.processCount).to.equal(600 - 256);
    await settled(ended, executor);
    expect(runtime.processCount).to.equal(0);
  });

  it("says which limit of which group refuses a process, a name, a link", async () => {
    const { runtime, executor } = testRuntime();
    const errorOf = (make: () => unknown): { kind: SpawnErrorKind; message: string } => {
      try {
        make();
      } catch (error) {
        if (error instanceof SpawnError) return { kind: error.kind, message: error.message };
      }
      throw new Error("no SpawnError");
    };
    const spawnIn = (group: Group) => errorOf(() => runtime.spawn(waiting, { ...WAITING, group }));
    const outer = runtime.createGroup({ name: "outer", maxProcesses: 1 });
    const inner = runtime.createGroup({ name: "inner" }, outer);
    const handle = runtime.spawn(waiting, { ...WAITING, group: inner });
    executor.runUntilIdle();
    expect(spawnIn(inner)).to.deep.equal({
      kind: "processes",
      message: 'no process: the group "outer" has 1 processes of at most 1',
    });
    const small = runtime.createGroup({ maxMemory: 1_000 });
    expect(spawnIn(small)).to.deep.equal({
      kind: "memory",
      message: "no process: it takes 3,072 bytes, the group has 0 of at most 1,000",
    });
    const scarce = testRuntime({ maxHostMemory: 1_000 });
    expect(errorOf(() => scarce.runtime.spawn(waiting, WAITING))).to.deep.equal({
      kind: "memory",
      message: "no process: it takes 3,072 bytes, the runtime's group has 0 of at most 1,000 in the host's heap",
    });
    inner.setLimit("names", 0);
    expect(errorOf(() => runtime.register("n", handle))).to.deep.equal({
      kind: "names",
      message: 'no name: the group "inner" has 0 names of at most 0',
    });
    inner.setLimit("names", 1);
    outer.setLimit("memory", outer.used("memory"));
    expect(errorOf(() => runtime.register("n", handle)).message).to.match(
      /^no name: it takes 322 bytes, the group "outer" has [\d,]+ of at most [\d,]+$/,
    );
    const linked = runtime.spawn(waiting, { ...WAITING, link: handle });
    executor.runUntilIdle();
    expect(reasonText(linked.process.exitReason!)).to.match(/^no link: it takes 256 bytes, the group "outer" has /);
    await settled(runtime.endGroup(outer), executor);
    expect(spawnIn(inner)).to.have.property("kind", "ended");
    expect(spawnIn(outer)).to.deep.equal({
      kind: "ended",
      message: 'no process: the group "outer" is ending or has ended',
    });
    await settled(runtime.dispose(), executor);
    expect(spawnIn(runtime.group)).to.deep.equal({ kind: "disposed", message: "the runtime is disposed" });
  });
});
