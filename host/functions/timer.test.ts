import { expect } from "chai";
import { Account } from "../group.ts";
import { MAX_RESOURCES } from "../resources.ts";
import type { PendingMessage } from "../send-after.ts";
import { cells, expectTrap, mainOf, notesOf, TestHost } from "./testing.ts";

const SELF = "(call $process::process_id)";
const message = (tag: number) => `(call $message::create_data (i64.const ${tag}) (i64.const 0))`;
const after = (pid: string, ms: number | string) => `(call $timer::send_after ${pid} (i64.const ${ms}))`;
const RECEIVE = `(call $test::i32 (call $message::receive (i32.const 0) (i32.const 0) (i64.const 10000)))`;
const TAG = `(call $test::i64 (call $message::get_tag))`;

cells("timer::send_after", {
  "success: sends the message after the delay, empties the slot, numbers timers from 0": () => {
    const host = new TestHost();
    const { notes, end } = host.run(
      mainOf(`${message(1)} (call $test::i64 ${after(SELF, 500)}) ${message(2)} (call $test::i64 ${after(SELF, 300)})
        ${RECEIVE} ${TAG} ${RECEIVE} ${TAG}`),
    );
    expect(end).to.equal("normal");
    expect(notes).to.deep.equal([0n, 1n, 0, 2n, 0, 1n]);
    expect(host.executor.nowMs()).to.be.within(500, 510);
    expect(host.runtime.group.used(Account.Timers)).to.equal(0);
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
  },
  "a timer outlives its creator": () => {
    const host = new TestHost();
    host.run(`
      (func (export "main")
        (drop (call $process::spawn (i64.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 8)))
        ${RECEIVE} ${TAG})
      (func (export "child") ${message(7)} (drop ${after("(i64.const 1)", 1000)}))
      (data (i32.const 0) "child")`);
    expect(host.notes).to.deep.equal([0, 7n]);
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
  },
  "messages of timers wait for room: no mailbox is filled with them": () => {
    const host = new TestHost();
    const many = `(local $i i32) (loop $next ${message(3)} (drop ${after(SELF, 0)})
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100))))
      (call $process::sleep_ms (i64.const 10)) (call $process::sleep_ms (i64.const -1))`;
    host.run(mainOf(many), { config: { mailbox: { maxMessages: 10, maxBytes: 1e6 } } });
    expect(host.runtime.group.used(Account.Timers)).to.equal(90);
    host.process(1).kill({ kind: "killed", by: null });
    host.executor.runUntilIdle();
    expect(host.runtime.group.used(Account.Timers)).to.equal(0);
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
  },
  "timers go with their runtime": async () => {
    const host = new TestHost();
    host.run(
      mainOf(`(local $i i32) (loop $next ${message(3)} (drop ${after(SELF, -1)}) ${message(3)} (drop ${after(SELF, -1)})
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))
      (call $process::kill ${SELF}) (call $process::sleep_ms (i64.const -1))`),
    );
    expect(host.runtime.group.used(Account.Timers)).to.equal(2_000);
    const disposed = host.runtime.dispose();
    await host.settle();
    await disposed;
    expect(host.runtime.group.used(Account.Timers)).to.equal(0);
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
    expect(host.executor.armedTimers).to.equal(0);
  },
  "a delay of 2^64 - 1 never comes": () => {
    const host = new TestHost();
    host.run(mainOf(`${message(1)} (drop ${after(SELF, -1)}) ${RECEIVE}`));
    expect(host.notes).to.deep.equal([9027]);
  },
  "trap: a notice cannot be sent": () => {
    expectTrap(
      "a notice cannot be sent",
      `(call $process::monitor (i64.const 888)) (drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const 0)))
      (drop ${after(SELF, 0)})`,
    );
  },
  "trap: the slot is empty": () => {
    expectTrap("the slot is empty", `(drop ${after(SELF, 0)})`);
    expectTrap("the slot is empty", `${message(1)} (drop ${after(SELF, 0)}) (drop ${after(SELF, 0)})`);
  },
  "trap: too many timers": () => {
    const host = new TestHost({ maxTimers: 3 });
    const { end } = host.run(mainOf(`(loop $next ${message(1)} (call $test::i64 ${after(SELF, 1000)}) (br $next))`));
    expect(end).to.include("too many timers");
    expect(host.notes).to.deep.equal([0n, 1n, 2n]);
    const full = new TestHost();
    full.prepare = ({ resources }) => {
      const timer = { orphan() {} } as unknown as PendingMessage;
      for (let i = 0; i < MAX_RESOURCES; i++) resources.timers.add(timer);
    };
    expect(full.run(mainOf(`(call $test::prepare) ${message(1)} (drop ${after(SELF, 1)})`)).end).to.include(
      "too many timers",
    );
  },
  "bad ID: the timer runs, and nothing is sent": () => {
    const host = new TestHost();
    host.run(
      mainOf(
        `${message(1)} (call $test::i64 ${after("(i64.const 99)", 10)}) ${message(1)} (call $test::i64 ${after("(i64.const -1)", 10)})`,
      ),
    );
    expect(host.notes).to.deep.equal([0n, 1n]);
    expect(host.runtime.group.used(Account.Timers)).to.equal(0);
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
  },
});

const cancel = (id: number) => `(call $test::i32 (call $timer::cancel_timer (i64.const ${id})))`;

cells("timer::cancel_timer", {
  "success: code 0 for a timer that has fired": () => {
    expect(notesOf(`${message(1)} (drop ${after(SELF, 5)}) ${RECEIVE} ${cancel(0)}`)).to.deep.equal([0, 0]);
  },
  "code 1: cancelled, and its message is dropped": () => {
    const host = new TestHost();
    host.run(mainOf(`${message(1)} (drop ${after(SELF, 500)}) ${cancel(0)} ${cancel(0)} ${RECEIVE}`));
    expect(host.notes).to.deep.equal([1, 0, 9027]);
    expect(host.runtime.group.used(Account.Timers)).to.equal(0);
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
  },
  "bad ID: 0": () => {
    expect(notesOf(`${cancel(0)} ${cancel(-1)}`)).to.deep.equal([0, 0]);
  },
});
