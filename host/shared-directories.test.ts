import { expect } from "chai";
import { eventLoopTurn } from "../vm/index.ts";
import type { DirectoryGrant } from "./directory-grants.ts";
import { grantThrough } from "./directory-grants.ts";
import { FakeClock } from "./fakes.ts";
import { compileGuest, mainOf, TestHost } from "./functions/testing.ts";
import { Account, type Group } from "./group.ts";
import { MemoryDirectory } from "./memory-files.ts";
import { openDirectories, type SharedDirectory } from "./shared-directories.ts";
import type { Directory } from "./system.ts";
import { WASI_MODULE } from "./wasi/functions.ts";
import { TestGuest } from "./wasi/testing.ts";

/** A directory that counts how often it is opened and closed, and whose operations can be held back. */
class Root {
  opened = 0;
  closed = 0;
  held: (() => void)[] | null = null;
  readonly files = MemoryDirectory.create(new FakeClock());
  readonly grant: DirectoryGrant = { name: ".", readOnly: false, isScripted: true, open: async () => this.#open() };

  readonly #proxies = new Set<unknown>();

  #open(): Directory {
    this.opened++;
    const proxy = new Proxy<Directory>(this.files, {
      get: (target, name) => {
        if (name === "close") return async () => void this.closed++;
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== "function") return value;
        return async (...args: unknown[]) => {
          if (this.held !== null) await new Promise<void>((resolve) => this.held!.push(resolve));
          const targets = args.map((arg) => (this.#proxies.has(arg) ? this.files : arg));
          return value.apply(target, targets) as unknown;
        };
      },
    });
    this.#proxies.add(proxy);
    return proxy;
  }

  release(): void {
    const held = this.held ?? [];
    this.held = null;
    for (const go of held) go();
  }
}

async function shared(grants: readonly DirectoryGrant[], group: Group): Promise<SharedDirectory[]> {
  return openDirectories(grants, group);
}

const WAIT = "(drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)))";
/** Makes the directory "d" in the first one it was given. */
const MAKE = `(i32.store8 (i32.const 0) (i32.const 100))
  (drop (call $${WASI_MODULE}::path_create_directory (i32.const 3) (i32.const 0) (i32.const 1)))`;

describe("directories of processes", () => {
  it("are open once for all that have them, counted once in a group, and closed when nobody has them", async () => {
    const root = new Root();
    const host = new TestHost({ maxDescriptors: 2 });
    const { group } = host.runtime;
    const module = compileGuest(mainOf(WAIT));
    const options = { entry: "main", config: { preopens: [root.grant] } };
    const handles = Array.from({ length: 100 }, () => host.runtime.spawn(module, options));
    await host.settle();
    handles.push(...Array.from({ length: 100 }, () => host.runtime.spawn(module, options)));
    host.executor.runUntilIdle();
    expect(
      handles.filter(({ stats }) => stats.state === "waiting"),
      "those that come later need no turn of the event loop",
    ).to.have.length(200);
    expect([root.opened, root.closed, group.used(Account.Descriptors)]).to.deep.equal([1, 0, 1]);
    const inside = group.child(host.runtime.scheduler);
    const more = host.runtime.spawn(module, { ...options, group: inside });
    const tooMany = host.runtime.spawn(module, { ...options, group: group.child(host.runtime.scheduler) });
    host.executor.runUntilIdle();
    expect([root.opened, inside.used(Account.Descriptors), group.used(Account.Descriptors)]).to.deep.equal([1, 1, 2]);
    expect(tooMany.process.exitReason).to.have.property("kind", "error");
    for (const handle of [...handles.slice(1), more]) handle.kill();
    host.executor.runUntilIdle();
    expect([host.runtime.processCount, root.closed, group.used(Account.Descriptors)]).to.deep.equal([1, 0, 1]);
    handles[0]!.kill();
    await host.settle();
    expect([host.runtime.processCount, root.closed, group.used(Account.Descriptors)]).to.deep.equal([0, 1, 0]);
    const again = host.runtime.spawn(module, options);
    await host.settle();
    expect([root.opened, again.stats.state]).to.deep.equal([2, "waiting"]);
    again.kill();
    await host.settle();
    expect([root.closed, group.used(Account.Memory)]).to.deep.equal([2, 0]);
  });

  it("do nothing for a process that has ended, whose end waits for what is under way, though others have them", async () => {
    const root = new Root();
    const host = new TestHost();
    const options = { entry: "main", config: { preopens: [root.grant] } };
    const other = host.runtime.spawn(compileGuest(mainOf(WAIT)), options);
    await host.settle();
    const maker = host.runtime.spawn(compileGuest(mainOf(MAKE)), options);
    root.held = [];
    host.executor.runUntilIdle();
    await eventLoopTurn();
    expect(root.held).to.have.length(1);
    let hasExited = false;
    maker.process.onExit(() => {
      hasExited = true;
    });
    maker.kill();
    host.executor.runUntilIdle();
    await eventLoopTurn();
    host.executor.runUntilIdle();
    expect([maker.process.hasEnded, hasExited]).to.deep.equal([true, false]);
    root.release();
    await host.settle();
    expect(hasExited).to.equal(true);
    expect([root.opened, root.closed]).to.deep.equal([1, 0]);
    other.kill();
    await host.settle();
    expect(root.closed).to.equal(1);
  });

  it("refuse what begins in them once they are closed, and know each other for what takes two", async () => {
    const root = new Root();
    const { group } = new TestHost().runtime;
    await root.files.createDirectory("sub");
    const inside = grantThrough([root.grant], "./sub");
    const [a, sub] = await shared([root.grant, inside], group);
    const [b] = await shared([root.grant], group);
    expect([root.opened, group.used(Account.Descriptors)]).to.deep.equal([1, 2]);
    await a!.createDirectory("x");
    await a!.rename("x", sub!, "y");
    const opened = (await b!.open("sub", { read: true, write: false, directory: true })) as Directory;
    await b!.createDirectory("v");
    await b!.rename("v", opened, "z");
    const names: string[] = [];
    await opened.list(async (some) => void names.push(...some.map(({ name }) => name)));
    expect(names).to.deep.equal(["y", "z"]);
    await a!.close();
    let code: unknown;
    await a!.createDirectory("w").catch((error: { code: unknown }) => {
      code = error.code;
    });
    expect(code).to.equal("EBADF");
    expect((await b!.statEntry("sub")).kind).to.equal("directory");
    for (const each of [opened, sub!, b!, b!]) await each.close();
    expect([root.opened - root.closed, group.used(Account.Descriptors)]).to.deep.equal([0, 0]);
  });

  it("close what was opened when another cannot be, and try again", async () => {
    const root = new Root();
    const { group } = new TestHost().runtime;
    let fails = true;
    const failing: DirectoryGrant = {
      ...root.grant,
      open: async () => {
        if (fails) throw new Error("not there");
        return root.files;
      },
    };
    const failure = await shared([root.grant, failing], group).catch((error: Error) => error);
    expect(failure).to.have.property("message", "not there");
    await eventLoopTurn();
    expect([root.opened, root.closed, group.used(Account.Descriptors)]).to.deep.equal([1, 1, 0]);
    fails = false;
    const both = await shared([root.grant, failing], group);
    expect(both).to.have.length(2);
    for (const each of both) await each.close();
    expect([root.opened, root.closed, group.used(Account.Descriptors)]).to.deep.equal([2, 2, 0]);
  });

  it("that an embedder's function refuses at once hold nothing", async () => {
    const host = new TestHost();
    const refusing: DirectoryGrant = {
      name: ".",
      readOnly: false,
      isScripted: true,
      open: () => {
        throw new Error("not now");
      },
    };
    const { process } = host.start(`(func (export "main"))`, { config: { preopens: [new Root().grant, refusing] } });
    await host.settle();
    expect(process.exitReason).to.have.nested.property("error.message", "not now");
    expect(host.executor.isHeld).to.equal(false);
    expect(host.runtime.group.used(Account.Descriptors)).to.equal(0);
  });

  it("that a guest had closed before it was saved are not open after it is restored", async () => {
    const root = new Root();
    const { group } = new TestHost().runtime;
    const directories = await shared([root.grant, { ...root.grant }], group);
    const input = { fd: 0, source: 0, flags: 0, rights: 0n, inheritingRights: 0n };
    const guest = new TestGuest({
      preopens: directories.map((directory, i) => ({ name: `${i}`, directory })),
      opened: [input, { ...input, fd: 5, source: 4 }],
    });
    await eventLoopTurn();
    expect([root.opened, root.closed, group.used(Account.Descriptors)]).to.deep.equal([2, 1, 1]);
    await guest.state.dispose();
    expect([root.opened, root.closed, group.used(Account.Descriptors)]).to.deep.equal([2, 2, 0]);
  });
});
