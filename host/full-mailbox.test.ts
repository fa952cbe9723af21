/** Messages of timers for a mailbox without room, and timers that have not fired. */

import { expect } from "chai";
import type { OnFullMailbox } from "./config.ts";
import { mainOf, TestHost } from "./functions/testing.ts";
import { Account } from "./group.ts";

/** Waits for a tag that nobody has. */
const WAIT = mainOf(
  `(i64.store (i32.const 8) (i64.const 77)) (drop (call $message::receive (i32.const 8) (i32.const 1) (i64.const -1)))`,
);
const CREATE = "(call $message::create_data (i64.const 1) (i64.const 0))";

/** A receiver with room for two, and one that has started five timers for it. */
function withTimers(onFullMailbox: OnFullMailbox, delayMs: number) {
  const host = new TestHost();
  const { process } = host.start(WAIT, { config: { mailbox: { maxMessages: 2 }, onFullMailbox } });
  host.executor.runUntilIdle(3);
  const timer = `${CREATE} (drop (call $timer::send_after (i64.const ${process.pid}) (i64.const ${delayMs})))`;
  host.start(mainOf(timer.repeat(5)));
  return { host, process };
}

describe("a mailbox without room", () => {
  const cases: readonly (readonly [OnFullMailbox, size: number, waiting: number, hasEnded: boolean])[] = [
    ["suspend", 5, 3, false],
    ["drop-newest", 2, 0, false],
    ["end-receiver", 0, 0, true],
  ];
  for (const [policy, size, waiting, hasEnded] of cases) {
    it(`does as the receiver's configuration says with what timers send: ${policy}`, () => {
      const { host, process } = withTimers(policy, 10);
      host.executor.runUntilIdle();
      expect([process.mailbox.size, process.mailbox.waitingSenders, process.hasEnded]).to.deep.equal([
        size,
        waiting,
        hasEnded,
      ]);
      expect(host.runtime.group.used(Account.Timers), "those that wait still count").to.equal(waiting);
      process.kill({ kind: "killed", by: null });
      host.executor.runUntilIdle();
      expect(host.runtime.group.used(Account.Timers)).to.equal(0);
      expect(host.runtime.group.used(Account.Memory)).to.equal(0);
    });
  }

  it("is none because of timers that have not fired: others send meanwhile", () => {
    const { host, process } = withTimers("suspend", 1_000_000);
    const sender = host.start(mainOf(`${CREATE} (call $test::i32 (call $message::send (i64.const ${process.pid})))`));
    while (!sender.process.hasEnded) host.executor.runUntilIdle(1);
    expect(host.notes).to.deep.equal([0]);
    expect(host.executor.nowMs()).to.be.below(100);
    expect([process.mailbox.size, host.runtime.group.used(Account.Timers)]).to.deep.equal([1, 5]);
  });
});
