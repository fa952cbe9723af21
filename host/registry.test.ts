import { expect } from "chai";
import { Account, Group } from "./group.ts";
import { Registry, type Registered } from "./registry.ts";
import { Scheduler } from "./scheduler.ts";
import { parseVersionRange } from "./versions.ts";

/** A group that may have so many names. */
function namesGroup(maxNames = 1_000): Group {
  return new Group(new Scheduler(), null, null, { maxNames });
}

const process = (processId: number): Registered => ({ nodeId: 0n, processId: BigInt(processId) });

describe("Registry", () => {
  it("finds names byte for byte: a version is part of the name", () => {
    const registry = new Registry();
    const group = namesGroup();
    registry.put("x@1.2.0", process(7), group);
    registry.put("x@1.9.0", process(8), group);
    expect(registry.get("x@1.2.0")).to.include({ processId: 7n });
    expect([registry.get("x"), registry.get("x@1.2"), registry.get("X@1.2.0")]).to.deep.equal([
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("the last put counts, and names are counted once", () => {
    const registry = new Registry();
    const group = namesGroup();
    registry.put("n", process(1), group);
    registry.put("n", process(2), group);
    expect(registry.get("n")).to.include({ processId: 2n });
    expect(group.used(Account.Names)).to.equal(1);
    registry.remove("n");
    registry.remove("n");
    expect([group.used(Account.Names), registry.size]).to.deep.equal([0, 0]);
  });

  it("a group that is full refuses and changes nothing", () => {
    const registry = new Registry();
    const group = namesGroup(1);
    expect(registry.put("a", process(1), group)).to.equal(true);
    expect(registry.put("b", process(2), group)).to.equal(false);
    expect(registry.get("a")).to.include({ processId: 1n });
    expect(registry.get("b")).to.equal(undefined);
    expect(registry.put("a", process(3), group)).to.equal(true);
    expect(registry.get("a")).to.include({ processId: 3n });
    expect(group.used(Account.Names)).to.equal(1);
  });

  it("a group that has come to use more than it may overwrites its names, takes none of others, and pays what it did", () => {
    const registry = new Registry();
    const root = new Group(new Scheduler(), null, null, {});
    const group = new Group(new Scheduler(), root, null, { maxMemory: 10_000, maxNames: 2 });
    expect(registry.put("n", process(1), group)).to.equal(true);
    const other = new Group(new Scheduler(), root, null, {});
    expect(registry.put("o", process(1), other)).to.equal(true);
    const paid = group.used(Account.Memory);
    group.charge(Account.Memory, 100_000);
    other.setLimit(Account.Memory, 1);
    for (let i = 0; i < 100; i++) {
      expect(registry.put("n", process(i), group)).to.equal(true);
      expect(registry.put("o", process(i), group)).to.equal(false);
    }
    expect(registry.get("n")).to.include({ processId: 99n });
    expect(registry.get("o")).to.include({ processId: 1n });
    expect([group.used(Account.Memory), group.used(Account.Names)]).to.deep.equal([paid + 100_000, 1]);
    expect([root.used(Account.Memory), root.used(Account.Names)]).to.deep.equal([2 * paid + 100_000, 2]);
    group.release(Account.Memory, 100_000);
    registry.remove("n");
    registry.remove("o");
    expect([root.used(Account.Memory), root.used(Account.Names)]).to.deep.equal([0, 0]);
  });

  it("a name that is overwritten moves behind the others of its process, and of equal versions", () => {
    const registry = new Registry();
    const group = namesGroup();
    for (const name of ["a", "c@1.0.0+x", "c@1.0.0+y"]) registry.put(name, process(1), group);
    const found = () => registry.lookup("c", parseVersionRange("*")!);
    const first = found();
    registry.put("a", process(1), group);
    registry.put("c@1.0.0+x", process(2), group);
    expect(registry.namesOf(1n)).to.deep.equal(["c@1.0.0+y", "a"]);
    expect(registry.namesOf(2n)).to.deep.equal(["c@1.0.0+x"]);
    expect(found()).to.not.equal(first);
    expect(found()).to.include({ processId: 1n });
    expect(group.used(Account.Names)).to.equal(3);
  });

  it("lookup gives the newest version in the range, of exactly that name", () => {
    const registry = new Registry();
    const group = namesGroup();
    const names = ["c@1.2.0", "c@1.10.0", "c@2.0.0", "c@1.11.0-rc.1", "cc@1.99.0", "c@latest", "c"];
    names.forEach((name, i) => {
      registry.put(name, process(i), group);
    });
    const found = (name: string, range: string) => registry.lookup(name, parseVersionRange(range)!)?.processId;
    expect(found("c", "^1.2")).to.equal(1n);
    expect(found("c", "*")).to.equal(2n);
    expect(found("c", "^3")).to.equal(undefined);
    registry.remove("c@1.10.0");
    expect(found("c", "^1.2")).to.equal(0n);
    expect(found("nobody", "*")).to.equal(undefined);
  });

  it("knows the names of each process in the order of their registration", () => {
    const registry = new Registry();
    const group = namesGroup();
    for (let i = 0; i < 30; i++) registry.put(`n${i}`, process(i % 3), group);
    registry.put("n4", process(2), group);
    registry.put("n2", process(2), group);
    registry.remove("n5");
    registry.remove("n0");
    const names = (pid: number) => registry.namesOf(BigInt(pid)).map((name) => Number(name.slice(1)));
    expect(names(0)).to.deep.equal([3, 6, 9, 12, 15, 18, 21, 24, 27]);
    expect(names(1)).to.deep.equal([1, 7, 10, 13, 16, 19, 22, 25, 28]);
    expect(names(2)).to.deep.equal([8, 11, 14, 17, 20, 23, 26, 29, 4, 2]);
    expect(registry.namesOf(2n, 2)).to.deep.equal(["n8", "n11"]);
    expect(registry.namesOf(3n)).to.deep.equal([]);
    for (const [name] of [...registry.entries()]) registry.remove(name);
    expect([names(0), names(1), names(2), group.used(Account.Memory)]).to.deep.equal([[], [], [], 0]);
  });

  it("knows a process by the names that its group, or one above, has put for it, and by no others", () => {
    const registry = new Registry();
    const above = namesGroup();
    const [own, other] = [above.child(new Scheduler(), {}), above.child(new Scheduler(), {})];
    registry.put("of its own", process(1), own, own);
    registry.put("of one above", process(1), above, own);
    registry.put("of a stranger", process(1), other, own);
    registry.put("of nobody yet", process(1), own, null);
    registry.put("elsewhere", { nodeId: 7n, processId: 1n }, own, own);
    expect(registry.namesOf(1n)).to.deep.equal(["of its own", "of one above"]);
    // Taken over, given back, and given to somebody whom nobody knows.
    registry.put("of its own", process(1), other, own);
    registry.put("of a stranger", process(1), own, own);
    registry.put("of one above", process(1), above, null);
    expect(registry.namesOf(1n)).to.deep.equal(["of a stranger"]);
    for (const [name] of [...registry.entries()]) registry.remove(name);
    expect(registry.namesOf(1n)).to.deep.equal([]);
  });

  it("a reserved name is registered at the end of the reservation, unless somebody came later", () => {
    const registry = new Registry();
    const group = namesGroup();
    const begin = (name: string) => {
      const result = registry.reserve(name);
      if (!("reservation" in result)) throw new Error("pending");
      return result.reservation;
    };
    const first = begin("a");
    let woken = 0;
    const second = registry.reserve("a");
    expect(second).to.have.property("pending", first);
    first.waiters.add(() => woken++);
    first.waiters.add(() => expect.fail("it has given up"))();
    first.waiters.add(() => woken++);
    expect(first.waiters.size).to.equal(2);
    expect(registry.get("a")).to.equal(undefined);
    registry.release(first, process(5), group);
    registry.release(first, process(6), group);
    expect(registry.get("a")).to.include({ processId: 5n });
    expect(woken).to.equal(0);
    expect([first.waiters.wake(1), woken]).to.deep.equal([true, 1]);
    expect([first.waiters.wake(1), woken]).to.deep.equal([false, 2]);

    const overtaken = begin("b");
    registry.put("b", process(9), group);
    registry.release(overtaken, process(8), group);
    expect(registry.get("b")).to.include({ processId: 9n });

    const failed = begin("c");
    registry.release(failed, null, group);
    expect(registry.get("c")).to.equal(undefined);
  });
});
