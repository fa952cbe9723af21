/** Receives with tags that have more messages to pass over than one step may. */

import { expect } from "chai";
import { compileGuest, mainOf, TestHost } from "./functions/testing.ts";
import { Account } from "./group.ts";
import { Mailbox, SEEN_PER_STEP } from "./mailbox.ts";
import { LinkDied } from "./message.ts";
import type { Process } from "./process.ts";
import { Runtime } from "./runtime.ts";
import { TagSet } from "./tag-table.ts";

const STEPS = 3;
const COUNT = STEPS * SEEN_PER_STEP;
const SELF = "(call $process::process_id)";

/** Puts so many notices into its mailbox, with tags from 100 on, and one with tag 7 behind them. */
const FILL = `(func $fill (param $count i64) (local $i i64)
  (call $process::die_when_link_dies (i32.const 0))
  (loop $l (call $process::link (i64.add (i64.const 100) (local.get $i)) (i64.const 999999))
    (br_if $l (i64.lt_u (local.tee $i (i64.add (local.get $i) (i64.const 1))) (local.get $count)))))`;

/** Receives a message with one of `count` tags that are at address 8: 7, or 8 which nobody has, or others. */
const receive = (count: number, timeoutMs: number) =>
  `(call $test::i32 (call $message::receive (i32.const 8) (i32.const ${count}) (i64.const ${timeoutMs})))`;

const searcher = (calls: string) =>
  mainOf(`(i64.store (i32.const 8) (i64.const 7)) (call $fill (i64.const ${COUNT})) ${calls}`, FILL);
const HEARD = `(call $process::link (i64.const 7) (i64.const 999999))`;

/** How many messages receives have passed over. */
function seenIn(mailbox: Mailbox): number {
  let count = 0;
  for (let message = mailbox.first; message !== null && mailbox.isSeen(message); message = message.next) count++;
  return count;
}

describe("Mailbox.take with a limit", () => {
  it("passes over so many messages, each once, and goes on where it was", () => {
    const mailbox = new Mailbox();
    for (let i = 1n; i <= 10n; i++) mailbox.push(new LinkDied(i % 3n));
    const passed: number[] = [];
    const take = (tag: bigint, limit: number) => {
      const message = mailbox.take(new TagSet([tag]), limit);
      passed.push(mailbox.passed);
      return message?.tag ?? null;
    };
    expect([take(5n, 4), take(2n, 4), take(5n, 4), mailbox.hasUnseen, seenIn(mailbox)]).to.deep.equal([
      null,
      2n,
      null,
      true,
      7,
    ]);
    expect([take(5n, 4), mailbox.hasUnseen, take(5n, 4), take(1n, 4)]).to.deep.equal([null, false, null, 1n]);
    expect(passed).to.deep.equal([4, 0, 4, 2, 0, 0]);
  });

  it("knows after a restore which messages have been passed over", () => {
    const mailbox = new Mailbox();
    for (let i = 1n; i <= 10n; i++) mailbox.push(new LinkDied(i));
    mailbox.see(6);
    expect(seenIn(mailbox)).to.equal(6);
    expect(mailbox.take(new TagSet([11n]))).to.equal(null);
    expect(mailbox.passed).to.equal(4);
    expect(mailbox.take(new TagSet([3n]))?.tag).to.equal(3n);
  });
});

describe("a receive with tags beside many others", () => {
  it("costs 1 for each message that it passes over, once, and what its steps cost", () => {
    const fuelOf = (calls: string): number => {
      const host = new TestHost();
      const { process } = host.start(searcher(calls));
      host.executor.runUntilIdle();
      return (process as Process).fuelUsed;
    };
    const once = fuelOf(receive(1, 0));
    const twice = fuelOf(`${receive(1, 0)} ${receive(1, 0)}`);
    const none = fuelOf("");
    const again = twice - once;
    expect(again).to.be.below(1_000);
    const first = once - none;
    expect(first - again).to.be.within(COUNT, COUNT + STEPS * 100);
  });

  it("lets others have their turns, finds what is behind them, and keeps their order", () => {
    const host = new TestHost();
    const other = host.start(mainOf("(loop $l (br $l))"));
    const { process } = host.start(
      searcher(`(call $test::i32 (i32.const -1)) ${HEARD} ${receive(1, 0)} (call $test::i64 (call $message::get_tag))
        (call $test::i32 (call $message::receive (i32.const 0) (i32.const 0) (i64.const 0)))
        (call $test::i64 (call $message::get_tag))`),
    );
    const sizes = new Set<number>();
    while (host.notes.length === 0) host.executor.runUntilIdle(1);
    const { turns } = process as Process;
    while (!process.hasEnded) {
      host.executor.runUntilIdle(1);
      sizes.add(seenIn(process.mailbox));
    }
    expect(host.notes).to.deep.equal([-1, 1, 7n, 1, 100n]);
    expect((process as Process).turns - turns).to.be.at.least(STEPS - 1);
    expect([...sizes]).to.include.members(Array.from({ length: STEPS - 1 }, (_, i) => (i + 1) * SEEN_PER_STEP));
    other.kill();
    host.executor.runUntilIdle();
  });

  it("is answered by what comes meanwhile, in its place, and waits no longer than it would", () => {
    const host = new TestHost();
    const { process } = host.start(searcher(`${receive(1, -1)} (call $test::i32 (i32.const 5)) ${receive(1, 300)}`));
    while (seenIn(process.mailbox) === 0) host.executor.runUntilIdle(1);
    process.deliver(new LinkDied(7n));
    expect(process.mailbox.size).to.equal(COUNT + 1);
    host.executor.runUntilIdle();
    expect(host.notes).to.deep.equal([1, 5, 9027]);
    expect(host.executor.nowMs()).to.be.within(300, 310);
  });

  it("has waited during its steps", () => {
    const host = new TestHost();
    const started = host.start(searcher(receive(1, 300)));
    while (seenIn(started.process.mailbox) === 0) host.executor.runUntilIdle(1);
    const hog = host.start(mainOf("(loop $l (br $l))"));
    while (host.notes.length === 0) host.executor.runUntilIdle(1);
    hog.kill();
    host.executor.runUntilIdle();
    expect(host.notes).to.deep.equal([9027]);
    expect(host.executor.nowMs()).to.be.within(300, 302);
  });

  it("ends between two steps when it is killed, and many tags are paid for until then", () => {
    const host = new TestHost();
    const { process } = host.start(searcher(receive(4_096, -1)));
    while (seenIn(process.mailbox) === 0) host.executor.runUntilIdle(1);
    const { group } = host.runtime;
    expect((process as Process).memory.byteLength).to.be.at.least(4_096 * 128);
    process.kill({ kind: "killed", by: null });
    host.executor.runUntilIdle(1);
    expect(process.hasEnded).to.equal(true);
    host.executor.runUntilIdle();
    expect(group.used(Account.Memory)).to.equal(0);
  });

  it("ends at its limit of fuel between two steps", () => {
    const host = new TestHost();
    const { process } = host.start(searcher(receive(1, -1)));
    while (seenIn(process.mailbox) === 0) host.executor.runUntilIdle(1);
    const { fuelUsed } = process as Process;
    const limited = new TestHost();
    const { end } = limited.run(searcher(receive(1, -1)), { config: { maxFuel: fuelUsed + 500 } });
    expect(end).to.include("fuel");
    expect(limited.notes).to.deep.equal([]);
  });

  it("goes on after a restore in the midst of it, with the same fuel", async () => {
    const module = compileGuest(
      searcher(`${HEARD} ${receive(20, 0)} (call $test::i64 (call $message::get_tag))
      ${receive(20, 0)} (call $test::i64 ${SELF})`),
    );
    const alone = new TestHost();
    const first = alone.start(module);
    alone.executor.runUntilIdle();
    const host = new TestHost();
    let handle = host.start(module);
    let moves = 0;
    while (!handle.process.hasEnded) {
      host.executor.runUntilIdle(1);
      if (handle.process.hasEnded || seenIn(handle.process.mailbox) === 0) continue;
      const bytes = handle.snapshot({ stop: true });
      host.executor.runUntilIdle(2);
      const next = host.runtime.restore(await bytes, { modules: [module] });
      host.executor.runUntilIdle(1);
      handle = await next;
      moves++;
    }
    expect(moves).to.be.at.least(2);
    expect(host.notes).to.deep.equal(alone.notes).and.to.deep.equal([1, 7n, 9027, 1n]);
    expect(handle.stats.fuel).to.equal(first.stats.fuel);
  });

  it("goes in steps in a native process too", async () => {
    const runtime = new Runtime();
    const heard: unknown[] = [];
    const handle = runtime.spawnNative(async (self) => {
      const { mailbox } = handle.process;
      const first = self.receive({ tags: [1n] });
      heard.push(seenIn(mailbox));
      handle.process.deliver(new LinkDied(1n));
      heard.push(await first, seenIn(mailbox));
      for (let i = 0; i < COUNT; i++) mailbox.push(new LinkDied(5n));
      heard.push(await self.receive({ tags: [7n], timeoutMs: 0.01 }), seenIn(mailbox));
    });
    for (let i = 0; i < COUNT; i++) handle.process.mailbox.push(new LinkDied(5n));
    expect(await handle.exited).to.deep.equal({ kind: "normal" });
    expect(heard).to.deep.equal([SEEN_PER_STEP, { kind: "link-died", tag: 1n }, COUNT, null, 2 * COUNT]);
    await runtime.dispose();
  });
});
