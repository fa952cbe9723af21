import { expect } from "chai";
import { Executor, type TurnSource } from "./executor.ts";
import { PROCESS_BYTES } from "./basic-process.ts";
import { Account } from "./group.ts";
import type { NativeContext, NativeFunction } from "./native.ts";
import type { ProcessHandle } from "./process-handle.ts";
import { Runtime } from "./runtime.ts";
import { Task, TurnEnd } from "./task.ts";
import type { Cancel } from "./system.ts";
import { uncaughtOf } from "./testing.ts";

/** An event loop whose rounds the test counts, and whose time passes only by what processes do and by waiting. */
class TestLoop implements TurnSource {
  ms = 0;
  rounds = 0;
  readonly #next: (() => void)[] = [];
  readonly #alarms = new Set<{ readonly atMs: number; readonly wake: () => void }>();

  nowMs(): number {
    return this.ms;
  }

  nextTurn(run: () => void): void {
    this.#next.push(run);
  }

  wakeAfter(delayMs: number, wake: () => void): Cancel {
    const alarm = { atMs: this.ms + delayMs, wake };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  /** Lets all promises go on, then gives everybody who wants one a turn. False when nobody does. */
  async round(): Promise<boolean> {
    this.rounds++;
    await new Promise((resolve) => setImmediate(resolve));
    const runs = this.#next.splice(0);
    for (const run of runs) run();
    if (runs.length > 0) return true;
    const [alarm] = [...this.#alarms].sort((a, b) => a.atMs - b.atMs);
    if (alarm === undefined) return false;
    this.#alarms.delete(alarm);
    this.ms = Math.max(this.ms, alarm.atMs);
    alarm.wake();
    return true;
  }

  async untilIdle(maxRounds = 1_000): Promise<void> {
    for (let i = 0; i < maxRounds && (await this.round()); i++);
  }

  async pass(ms: number): Promise<void> {
    const end = this.ms + ms;
    while (this.ms < end) if (!(await this.round())) throw new Error("time stands still");
  }
}

/** Uses whole slices, a nanosecond for each fuel. */
class Hog extends Task {
  readonly #loop: TestLoop;
  ms = 0;

  constructor(loop: TestLoop) {
    super();
    this.#loop = loop;
  }

  override run(fuel: number): TurnEnd {
    this.#loop.ms += fuel / 1e6;
    this.ms += fuel / 1e6;
    this.turnFuel = fuel;
    this.turnCharge = fuel;
    return TurnEnd.Runnable;
  }
}

interface Setting {
  readonly loop: TestLoop;
  readonly runtime: Runtime;
  readonly hogs: readonly Hog[];
}

function setting(hogCount = 0): Setting {
  const loop = new TestLoop();
  const executor = new Executor({ source: loop });
  const runtime = new Runtime({ executor });
  const hogs = Array.from({ length: hogCount }, () => new Hog(loop));
  for (const hog of hogs) executor.scheduler.start(hog, runtime.group.share, null);
  return { loop, runtime, hogs };
}

const BYTE = new Uint8Array(1);
const never = (): Promise<never> => new Promise(() => {});

describe("a native process", () => {
  /** What it does again and again, with so many milliseconds of work each time. */
  const loops: readonly (readonly [string, (self: NativeContext, work: () => void) => Promise<void>])[] = [
    [
      "receives and sends to itself",
      async (self, work) => {
        await self.receive();
        work();
        await self.send(self.pid, BYTE);
      },
    ],
    [
      "sleeps",
      async (self, work) => {
        await self.sleep(1);
        work();
      },
    ],
    [
      "sends",
      async (self, work) => {
        await self.send(999, new Uint8Array(20_000));
        work();
      },
    ],
  ];
  for (const [what, once] of loops) {
    for (const [count, workMs] of [
      [3, 8],
      [30, 8],
      [30, 0.5],
    ] as const) {
      it(`that ${what} and works ${workMs} ms each time has its share beside ${count} others`, async () => {
        const { loop, runtime, hogs } = setting(count);
        let busyMs = 0;
        const work = (): void => {
          loop.ms += workMs;
          busyMs += workMs;
        };
        runtime.spawnNative(async (self) => {
          await self.send(self.pid, BYTE);
          for (;;) await once(self, work);
        });
        await loop.pass(4_000);
        const fair = loop.ms / (count + 1);
        expect(busyMs / fair).to.be.above(0.5);
        // One percent of all for waking early, a fiftieth in pardons, and those that there are at first.
        expect(busyMs).to.be.below(fair + loop.ms * 0.03 + 30);
        expect(Math.min(...hogs.map(({ ms }) => ms)) / fair).to.be.above(0.8);
      });
    }
  }

  it("is not charged for what the event loop does between its work and the next turns", async () => {
    const { loop, runtime, hogs } = setting(1);
    let busyMs = 0;
    runtime.spawnNative(async (self) => {
      for (;;) {
        await self.sleep(0);
        loop.ms += 0.5;
        busyMs += 0.5;
      }
    });
    // The embedder works after each round's promises.
    const nextTurn = loop.nextTurn.bind(loop);
    let embeddersMs = 0;
    loop.nextTurn = (run) =>
      nextTurn(() => {
        loop.ms += 3;
        embeddersMs += 3;
        run();
      });
    await loop.pass(3_000);
    const ours = loop.ms - embeddersMs;
    expect(busyMs / ours).to.be.within(0.4, 0.6);
    expect(hogs[0]!.ms / ours).to.be.within(0.4, 0.6);
  });

  it("gives back what was paid for the notices that it has read", async () => {
    const { loop, runtime } = setting();
    const group = runtime.createGroup();
    let heard = 0;
    const watcher = runtime.spawnNative(
      async (self) => {
        self.dieWhenLinkDies(false);
        for (let i = 0; i < 20; i++) {
          self.link(9_000 + i, 5n);
          self.monitor(9_000 + i);
          await self.receive();
          await self.receive();
          heard += 2;
        }
        expect(group.used("memory")).to.equal(PROCESS_BYTES);
      },
      { group },
    );
    await loop.untilIdle();
    expect(heard).to.equal(40);
    expect(await watcher.exited).to.deep.equal({ kind: "normal" });
    expect(group.used("memory")).to.equal(0);
  });

  /** Each would never let the event loop go on if it settled at once. */
  const endless: readonly (readonly [string, (self: NativeContext, full: ProcessHandle) => Promise<unknown>])[] = [
    ["sends to nobody", (self) => self.send(999, BYTE)],
    ["sends to somebody", (self, full) => self.send(full.pid, BYTE)],
    ["sleeps for no time", (self) => self.sleep(0)],
    ["receives what it sent", (self) => self.send(self.pid, BYTE).then(() => self.receive())],
    ["receives for no time", (self) => self.receive({ timeoutMs: 0 })],
    ["receives twice at once", (self) => Promise.all([self.receive({ timeoutMs: 0 }), self.receive()])],
    ["sends what is no data", (self) => self.send(1, 7 as never)],
  ];
  for (const [what, once] of endless) {
    it(`that ${what} again and again lets the event loop go on, alive or not`, async () => {
      const { loop, runtime } = setting();
      const full = runtime.spawnNative(never, { config: { mailbox: { maxMessages: 2 } } });
      let count = 0;
      const run: NativeFunction = async (self) => {
        // Far more than anybody gets in so many rounds, so that the test ends even if it starves the loop.
        while (count < 1_000_000) {
          count++;
          await once(self, full).catch(() => {});
        }
      };
      const handle = runtime.spawnNative(run);
      await loop.untilIdle(20);
      expect(count).to.be.within(1, 20 * 300);
      handle.kill();
      await loop.untilIdle(20);
      expect(handle.process.hasEnded).to.equal(true);
      expect(count).to.be.within(2, 40 * 300);
      // It would go on for ever.
      count = 1_000_000;
      await loop.untilIdle();
    });
  }

  it("goes on in one turn for each thing that it has awaited, in their order", async () => {
    const { loop, runtime } = setting();
    const order: string[] = [];
    const handle = runtime.spawnNative(async (self) => {
      const note = (what: string) => () => order.push(`${what}@${handle.stats.turns}`);
      await Promise.all([
        self.sleep(2).then(note("late")),
        self.sleep(1).then(note("soon")),
        self.receive().then(note("message")),
        self.send(self.pid, BYTE).then(note("small")),
        self.send(self.pid, new Uint8Array(20_000)).then(note("large")),
      ]);
    });
    await loop.untilIdle();
    expect(order).to.deep.equal(["small@1", "message@2", "large@3", "soon@4", "late@5"]);
    expect(handle.process.exitReason?.kind).to.equal("normal");
  });

  it("lets virtual time pass while it awaits something of its context, and no longer", async () => {
    const loop = new TestLoop();
    const executor = new Executor({ source: loop, virtualTime: true });
    const runtime = new Runtime({ executor });
    let open = (): void => {};
    const handle = runtime.spawnNative(async (self) => {
      await Promise.all([self.sleep(1_000), self.sleep(50_000)]);
      await new Promise<void>((resolve) => {
        open = resolve;
      });
    });
    const other = runtime.spawnNative((self) => self.sleep(60_000));
    await loop.untilIdle();
    expect(executor.nowMs()).to.be.within(50_000, 59_999);
    expect(other.process.hasEnded).to.equal(false);
    open();
    await loop.untilIdle();
    expect(handle.process.hasEnded && other.process.hasEnded).to.equal(true);
    expect(loop.ms).to.equal(0);
  });

  it("that is killed while its send waits takes its message with it, and its function hears of it", async () => {
    const { loop, runtime } = setting();
    const group = runtime.createGroup();
    const receiver = runtime.spawnNative(never, { config: { mailbox: { maxMessages: 1 } } });
    let heard = "";
    const sender = runtime.spawnNative(
      async (self) => {
        await self.send(receiver.pid, BYTE);
        await self.send(receiver.pid, new Uint8Array(1_000)).catch((error: Error) => {
          heard = error.message;
        });
      },
      { group },
    );
    await loop.untilIdle(10);
    expect([receiver.stats.mailbox, heard]).to.deep.equal([2, ""]);
    // A message is 512 bytes, a process 1,024.
    expect(group.used(Account.Memory)).to.be.within(PROCESS_BYTES + 512 + 1_512, PROCESS_BYTES + 3_072);
    sender.kill();
    await loop.untilIdle(10);
    expect([receiver.stats.mailbox, heard]).to.deep.equal([1, "the process has ended"]);
    // What was sent is the receiver's to read, and its own group's to pay.
    expect(group.used(Account.Memory)).to.be.within(512, 600);
    receiver.kill();
    await loop.untilIdle(10);
    expect(group.used(Account.Memory)).to.equal(0);
  });

  it("goes on when there is room for what it sends", async () => {
    const { loop, runtime } = setting();
    const got: number[] = [];
    const receiver = runtime.spawnNative(
      async (self) => {
        await self.sleep(10);
        for (;;) {
          const message = await self.receive();
          if (message.kind === "data") got.push(message.bytes.length);
        }
      },
      { config: { mailbox: { maxMessages: 1 } } },
    );
    const sender = runtime.spawnNative(async (self) => {
      for (let length = 0; length < 5; length++) await self.send(receiver.pid, new Uint8Array(length));
    });
    await loop.untilIdle();
    expect(got).to.deep.equal([0, 1, 2, 3, 4]);
    expect(sender.process.exitReason?.kind).to.equal("normal");
  });

  it("heeds what a full mailbox is to do", async () => {
    const { loop, runtime } = setting();
    const mailbox = { maxMessages: 1 };
    const dropping = runtime.spawnNative(never, { config: { mailbox, onFullMailbox: "drop-newest" } });
    const ending = runtime.spawnNative(never, { config: { mailbox, onFullMailbox: "end-receiver" } });
    const sender = runtime.spawnNative(async (self) => {
      for (const { pid } of [dropping, ending, dropping, ending]) await self.send(pid, BYTE);
    });
    await loop.untilIdle();
    expect(sender.process.exitReason?.kind).to.equal("normal");
    expect(dropping.stats.mailbox).to.equal(1);
    expect(ending.process.exitReason).to.include({ kind: "limit" });
  });

  it("cannot send more than its group may have", async () => {
    const { loop, runtime } = setting();
    const group = runtime.createGroup({ maxMemory: 100_000 });
    const receiver = runtime.spawnNative(never);
    let sent = 0;
    const sender = runtime.spawnNative(
      async (self) => {
        for (; ; sent++) await self.send(receiver.pid, new Uint8Array(10_000));
      },
      { group },
    );
    await loop.untilIdle();
    expect(sent).to.be.within(3, 9);
    expect(sender.process.exitReason).to.have.nested.property("error.reason", "memory limit");
    receiver.kill();
    await loop.untilIdle();
    expect(group.used(Account.Memory)).to.equal(0);
  });

  it("makes no uncaught error of what its function does not await when it is killed", async () => {
    const { loop, runtime } = setting();
    const handle = runtime.spawnNative(async (self) => {
      void self.sleep(1_000);
      void self.receive();
      void self.send(self.pid, 7 as never);
      await never();
    });
    const uncaught = await uncaughtOf(async () => {
      await loop.untilIdle(2);
      handle.kill();
      await loop.untilIdle();
    });
    expect(uncaught).to.deep.equal([]);
    expect(loop.ms).to.be.below(1_000);
  });

  it("kills, links and monitors only whom it may see, and nothing after its end", async () => {
    const { loop, runtime } = setting();
    const group = runtime.createGroup();
    const outside = runtime.spawnNative(never);
    const inside = runtime.spawnNative(never, { group });
    const heard: unknown[] = [];
    let context: NativeContext | null = null;
    const handle = runtime.spawnNative(
      async (self) => {
        context = self;
        self.kill(outside.pid);
        self.kill(inside.pid);
        self.monitor(outside.pid);
        heard.push(await self.receive());
        self.dieWhenLinkDies(false);
        self.link(outside.pid, 5n);
        heard.push(await self.receive());
      },
      { group },
    );
    await loop.untilIdle();
    expect(handle.process.exitReason?.kind).to.equal("normal");
    expect(outside.process.hasEnded).to.equal(false);
    expect(inside.process.exitReason).to.deep.equal({ kind: "killed", by: handle.pid });
    expect(heard).to.deep.equal([
      { kind: "process-died", pid: outside.pid },
      { kind: "link-died", tag: 5n },
    ]);
    const self = context! as NativeContext;
    for (const late of [
      () => self.kill(outside.pid),
      () => self.link(outside.pid),
      () => self.unlink(outside.pid),
      () => self.monitor(outside.pid),
      () => self.stopMonitoring(outside.pid),
      () => self.dieWhenLinkDies(true),
    ]) {
      expect(late).to.throw("the process has ended");
    }
  });

  it("gets no turn while it is paused, and has no fuel to add to", async () => {
    const { loop, runtime } = setting();
    let count = 0;
    const handle = runtime.spawnNative(
      async (self) => {
        for (;;) {
          await self.sleep(1);
          count++;
        }
      },
      { name: "ticker" },
    );
    await loop.untilIdle(10);
    handle.pause();
    const before = count;
    await loop.untilIdle(10);
    expect(before).to.be.above(0);
    expect([count, handle.stats.state]).to.deep.equal([before, "paused"]);
    handle.resume();
    await loop.untilIdle(10);
    expect(count).to.be.above(before);
    expect(() => handle.addFuel(1)).to.throw(TypeError, "ticker has no fuel");
    handle.pause();
    handle.kill();
    await loop.untilIdle();
    expect(handle.stats.state).to.equal("exited");
  });

  it("has ended when it is killed, whatever its function does then", async () => {
    const { loop, runtime } = setting();
    const order: string[] = [];
    const handle = runtime.spawnNative(async (self) => {
      try {
        await self.receive();
      } finally {
        await self.sleep(5).catch(() => {});
        order.push("cleaned up");
      }
    });
    await loop.untilIdle(5);
    handle.process.onExit(() => order.push("exited"));
    handle.kill();
    await loop.untilIdle();
    expect(order).to.deep.equal(["exited", "cleaned up"]);
  });
});
