/** Senders that wait for room, guests and native ones: in circles one of them gives up, and crowds go on some at a time. */

import { expect } from "chai";
import { compileSync } from "../vm/index.ts";
import type { NativeContext } from "./native.ts";
import type { ProcessHandle } from "./process-handle.ts";
import type { Runtime } from "./runtime.ts";
import { reasonText } from "./signal.ts";
import { guest, testRuntime } from "./testing.ts";

const BYTE = new Uint8Array(1);
const FULL = "mailbox full: senders wait for each other";
const ONE = { config: { mailbox: { maxMessages: 1 } } };

/** Rounds of promises and turns until nothing happens any more: the test's functions wait for nothing outside. */
async function settle({ executor }: Runtime, rounds = 30): Promise<void> {
  for (let i = 0; i < rounds; i++) {
    executor.runUntilIdle();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Native processes that know each other by their places, and what happened to them. */
function natives(runtime: Runtime, ...runs: ((self: NativeContext, pids: readonly number[]) => Promise<unknown>)[]) {
  const pids: number[] = [];
  const heard: string[] = [];
  const all = runs.map((run, i) =>
    runtime.spawnNative(async (self) => {
      await self.sleep(1 + i);
      await run(self, pids).then(
        () => heard.push(`${i} ok`),
        (error: Error) => heard.push(`${i} ${error.message}`),
      );
      await self.receive({ tags: [-1n] });
    }, ONE),
  );
  pids.push(...all.map(({ pid }) => pid));
  return { all, pids, heard };
}

const fill = async (self: NativeContext, pid: number): Promise<void> => {
  await self.send(pid, BYTE);
  await self.send(pid, BYTE);
};

describe("native processes that wait for room in each other's mailboxes", () => {
  const runtimeOf = (): Runtime => testRuntime({}, null).runtime;

  it("two of them: the send that has waited longer rejects, and the other waits on", async () => {
    const runtime = runtimeOf();
    const { all, heard } = natives(
      runtime,
      (self, pids) => fill(self, pids[1]!),
      (self, pids) => fill(self, pids[0]!),
    );
    await settle(runtime);
    expect(heard).to.deep.equal([`0 ${FULL}`]);
    // What had no room is gone.
    expect(all.map(({ stats }) => stats.mailbox)).to.deep.equal([2, 1]);
  });

  it("one that sends to itself, unless it receives beside that", async () => {
    const runtime = runtimeOf();
    const { heard } = natives(
      runtime,
      (self) => fill(self, self.pid),
      (self) => Promise.all([fill(self, self.pid), self.sleep(5).then(() => self.receive())]),
    );
    await settle(runtime);
    expect(heard).to.have.members([`0 ${FULL}`, "1 ok"]);
  });

  it("a native one and a guest: the guest traps, since a native one may serve others", async () => {
    const { runtime, start } = testRuntime({}, null);
    const { all, heard } = natives(runtime, (self) => fill(self, 2));
    const handle = start(
      `(func (export "a") (param i64) (call $sleep (i64.const 5))
        (loop $again (drop (call $send (i64.const 1) (i64.const 0) (i64.const 1))) (br $again)))`,
      ONE,
    );
    expect([all[0]!.pid, handle.pid]).to.deep.equal([1, 2]);
    await settle(runtime);
    expect(reasonText(handle.process.exitReason!)).to.include(FULL);
    expect(heard).to.deep.equal(["0 ok"]);
  });

  it("one that waits for several at once: only when none of them can go on", async () => {
    const several = (self: NativeContext, pids: readonly number[]) =>
      Promise.all([1, 2].map((at) => fill(self, pids[at]!)));
    const toFirst = (self: NativeContext, pids: readonly number[]) => fill(self, pids[0]!);
    const closed = runtimeOf();
    const { heard } = natives(closed, several, toFirst, toFirst);
    await settle(closed);
    expect(heard[0]).to.equal(`0 ${FULL}`);
    const open = runtimeOf();
    const { heard: others } = natives(open, several, toFirst, (self) => self.receive({ tags: [9n] }));
    await settle(open);
    expect(others).to.deep.equal([]);
  });

  it("one whose sends wait beside something that settles, or one of which fails: the others are looked at then", async () => {
    const runtime = runtimeOf();
    const { heard } = natives(runtime, async (self) => {
      const sends = Array.from({ length: 20 }, () => self.send(self.pid, BYTE));
      await self.sleep(10);
      const all = await Promise.allSettled(sends);
      throw new Error(all.map(({ status }) => status[0]).join(""));
    });
    await settle(runtime, 200);
    expect(heard).to.deep.equal([`0 f${"r".repeat(19)}`]);
  });
});

describe("senders for whom one large message makes room", () => {
  const COUNT = 1_500;
  /** One receives a large message after a while, behind which many senders wait. */
  function crowd(after: string) {
    const test = testRuntime();
    const { runtime, executor } = test;
    const receiver = test.start(
      `(func (export "a") (param i64) (call $sleep (i64.const 50)) (drop (call $receive (i64.const 0) (i64.const -1))) ${after})`,
      { config: { mailbox: { maxMessages: 65_536, maxBytes: 1_000_000 } } },
    );
    test.start(`(func (export "a") (param i64) (drop (call $fill (i64.const 1) (i32.const 999900))))`);
    const module = compileSync(
      guest(`(func (export "a") (param i64) (call $sleep (i64.const 1))
        (drop (call $send (i64.const 1) (i64.const 0) (i64.const 1))))`),
    );
    const senders: ProcessHandle[] = [];
    for (let i = 0; i < COUNT; i++) senders.push(runtime.spawn(module, { entry: "a", args: [0n] }));
    const { mailbox } = receiver.process;
    while (executor.nowMs() < 40 && mailbox.waitingSenders < COUNT) executor.runUntilIdle(1);
    expect(mailbox.waitingSenders).to.equal(COUNT);
    return { ...test, receiver, senders, mailbox };
  }

  it("go on in several turns, all of them, also when the receiver reads no more", () => {
    const { executor, senders, mailbox, receiver } = crowd(`(call $sleep (i64.const 1000))`);
    const steps: number[] = [];
    for (let before = COUNT; before > 0; ) {
      executor.runUntilIdle(1);
      const left = mailbox.waitingSenders;
      if (left < before) steps.push(before - left);
      before = left;
    }
    expect(steps.length).to.be.at.least(6);
    expect(Math.max(...steps)).to.be.at.most(256);
    while (executor.nowMs() < 500) executor.runUntilIdle(1);
    expect(senders.every(({ process }) => process.exitReason?.kind === "normal")).to.equal(true);
    expect(receiver.stats.mailbox).to.equal(COUNT);
  });

  it("go on while the receiver ends, at once or when it is killed", () => {
    for (const [after, kills] of [
      ["", false],
      ["(loop $l (br $l))", true],
    ] as const) {
      const { executor, senders, mailbox, receiver, runtime } = crowd(after);
      while (mailbox.waitingSenders === COUNT) executor.runUntilIdle(1);
      if (kills) receiver.kill();
      executor.runUntilIdle();
      expect(reasonText(receiver.process.exitReason!)).to.equal(kills ? "killed" : "normal");
      expect(senders.filter(({ process }) => process.exitReason?.kind !== "normal")).to.have.length(0);
      expect([runtime.processCount, runtime.group.used("memory")]).to.deep.equal([0, 0]);
    }
  });
});
