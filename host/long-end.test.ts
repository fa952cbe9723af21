/** Ends of processes that have much to drop and many to tell: in turns of bounded charge, others' between. */

import { expect } from "chai";
import { eventLoopTurn } from "../vm/index.ts";
import type { BasicProcess } from "./basic-process.ts";
import { mainOf, TestHost } from "./functions/testing.ts";
import { Account } from "./group.ts";
import { DataMessage, LinkDied, type Resource } from "./message.ts";
import type { Process } from "./process.ts";

/** Waits for a tag that nobody has. */
const WAIT = mainOf(
  `(i64.store (i32.const 8) (i64.const 77)) (drop (call $message::receive (i32.const 8) (i32.const 1) (i64.const -1)))`,
);
/** Of one turn, for what it drops and for the end itself. */
const MAX_CHARGE = 1_024 * 300 + 1_000;

/** Kills a process and runs until it has ended. Its turns until then, each with the charge. */
function turnsOfEnd(host: TestHost, process: BasicProcess): number[] {
  const charges: number[] = [];
  const run = process.run.bind(process);
  process.run = (fuel) => {
    const end = run(fuel);
    charges.push(process.turnCharge);
    return end;
  };
  process.kill({ kind: "killed", by: null });
  host.executor.runUntilIdle();
  expect(process.exitReason).to.deep.equal({ kind: "killed", by: null });
  return charges;
}

function started(host: TestHost, guest = WAIT): Process {
  const { process } = host.start(guest);
  host.executor.runUntilIdle(3);
  return process as Process;
}

const cases: Readonly<Record<string, (process: Process, host: TestHost) => void>> = {
  "messages of data": ({ mailbox, group }) => {
    for (let i = 0; i < 6_000; i++) mailbox.push(DataMessage.begin(BigInt(i), 10, group));
  },
  notices: ({ mailbox }) => {
    for (let i = 0; i < 6_000; i++) mailbox.push(new LinkDied(BigInt(i)));
  },
  "texts of errors": ({ resources }) => {
    for (let i = 0; i < 6_000; i++) resources.errors.add(new Uint8Array(10), 10);
  },
  "links and monitors": (process, host) => {
    for (let i = 0; i < 500; i++) {
      const other = host.start(WAIT).process;
      other.diesWithLinks = false;
      process.relations.link(other, 1n);
      process.relations.monitor(other);
      other.relations.monitor(process);
    }
    host.executor.runUntilIdle(2_000);
  },
};

describe("the end of a process", () => {
  for (const [what, fill] of Object.entries(cases)) {
    it(`goes in turns of bounded charge: ${what}`, async () => {
      const host = new TestHost();
      const process = started(host);
      fill(process, host);
      const charges = turnsOfEnd(host, process);
      expect(charges.length).to.be.at.least(3);
      expect(Math.max(...charges)).to.be.below(MAX_CHARGE);
      const all = charges.reduce((sum, charge) => sum + charge, 0);
      expect(all).to.be.within(1_500 * 200, 6_001 * 300 + 20_000);
      const disposed = host.runtime.dispose();
      while (host.runtime.processCount > 0) {
        host.executor.runUntilIdle();
        await eventLoopTurn();
      }
      await disposed;
      expect(host.runtime.group.used(Account.Memory)).to.equal(0);
    });
  }

  it("lets others have their turns, and is heard of when everything is dropped", () => {
    const host = new TestHost();
    const process = started(host);
    const other = started(host, mainOf("(loop $l (br $l))"));
    const closed: number[] = [];
    const resource = (i: number): Resource => ({ kind: "socket", close: () => closed.push(i) });
    for (let i = 0; i < 6_000; i++) {
      const message = new DataMessage(0n, 0, process.group);
      message.pushResource(resource(i));
      process.mailbox.push(message);
    }
    let closedAtEnd = -1;
    process.onExit(() => {
      closedAtEnd = closed.length;
    });
    process.kill({ kind: "killed", by: null });
    const { turns } = other;
    while (closedAtEnd < 0) host.executor.runUntilIdle(1);
    expect(closed).to.deep.equal(Array.from({ length: 6_000 }, (_, i) => i));
    expect(closedAtEnd).to.equal(6_000);
    // Soon, whoever else can run.
    expect(other.turns - turns).to.be.below(15);
    expect(other.turns - turns).to.be.at.least(4);
    other.kill({ kind: "killed", by: null });
    host.executor.runUntilIdle();
  });

  it("goes on when something cannot be closed, which is an uncaught error", async () => {
    const host = new TestHost();
    const process = started(host);
    const uncaught: unknown[] = [];
    const listeners = globalThis.process.listeners("uncaughtException");
    globalThis.process.removeAllListeners("uncaughtException");
    globalThis.process.on("uncaughtException", (error) => uncaught.push(error.message));
    try {
      for (let i = 0; i < 3; i++) {
        const message = new DataMessage(0n, 0, process.group);
        message.pushResource({
          kind: "socket",
          close() {
            throw new Error(`socket ${i}`);
          },
        });
        process.mailbox.push(message);
      }
      turnsOfEnd(host, process);
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      globalThis.process.removeAllListeners("uncaughtException");
      for (const listener of listeners) globalThis.process.on("uncaughtException", listener);
    }
    expect(uncaught).to.deep.equal(["socket 0", "socket 1", "socket 2"]);
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
  });

  it("lets senders that wait for room go on as their messages are dropped", () => {
    const host = new TestHost();
    const { process } = host.start(WAIT, { config: { mailbox: { maxMessages: 2 } } });
    host.executor.runUntilIdle(3);
    const send = mainOf(`(call $message::create_data (i64.const 1) (i64.const 0))
      (call $test::i32 (call $message::send (i64.const ${process.pid})))`);
    const senders = Array.from({ length: 600 }, () => host.start(send).process);
    host.executor.runUntilIdle();
    expect(process.mailbox.waitingSenders).to.equal(598);
    process.kill({ kind: "killed", by: null });
    host.executor.runUntilIdle();
    expect(senders.every(({ exitReason }) => exitReason?.kind === "normal")).to.equal(true);
    expect(host.notes).to.deep.equal(Array.from({ length: 600 }, () => 0));
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
  });
});
