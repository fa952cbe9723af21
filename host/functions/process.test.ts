import { expect } from "chai";
import { Account } from "../group.ts";
import { cells, mainOf, type Note, notesOf, runPrepared, TestHost } from "./testing.ts";

const SELF = "(call $process::process_id)";
const SPAWN = (link = 0) => `(drop (call $process::spawn (i64.const ${link}) (i64.const -1) (i64.const -1)
  (i32.const 0) (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 8)))`;
const CHILD = "(i64.load (i32.const 8))";
const RECEIVE = `(call $test::i32 (call $message::receive (i32.const 0) (i32.const 0) (i64.const 1000)))`;
const TAG = `(call $test::i64 (call $message::get_tag))`;
const SLEEP = (ms: number) => `(call $process::sleep_ms (i64.const ${ms}))`;
const WAIT = SLEEP(-1);
const TRAP_EXITS = `(call $process::die_when_link_dies (i32.const 0))`;
const EXISTS = `(call $test::i32 (call $process::exists ${CHILD}))`;

/** A guest with a main that spawns children, which do `child`. */
function family(main: string, child: string): { notes: Note[]; host: TestHost; end: string } {
  const host = new TestHost();
  const { notes, end } = host.run(
    `(func (export "main") ${main}) (func (export "child") ${child}) (data (i32.const 0) "child")`,
  );
  return { notes, host, end };
}

/** Calls that need memory trap when the group has none left. */
function expectNoMemory(calls: string, child: string): void {
  const { end } = runPrepared(
    ({ group }) => group.setLimit(Account.Memory, group.used(Account.Memory) + 100),
    calls,
    child,
  );
  expect(end).to.include("host function trapped").and.to.include("no memory for another");
}

cells("process::sleep_ms", {
  "success: waits for so long, others go on meanwhile": () => {
    const { notes, host } = family(
      `${SPAWN()} ${SLEEP(500)} (call $test::i32 (i32.const 1))`,
      `${SLEEP(100)} (call $test::i32 (i32.const 2))`,
    );
    expect(notes).to.deep.equal([2, 1]);
    expect(host.executor.nowMs()).to.be.within(500, 510);
  },
  "0 comes back, 2^64 - 1 does not": () => {
    const host = new TestHost();
    expect(host.run(mainOf(`${SLEEP(0)} (call $test::i32 (i32.const 1)) ${WAIT}`)).end).to.equal("waiting");
    expect(host.notes).to.deep.equal([1]);
  },
});

cells("process::die_when_link_dies", {
  "success: 0 turns the deaths of links into messages, anything else turns that off": () => {
    expect(family(`${TRAP_EXITS} ${SPAWN(5)} ${RECEIVE} ${TAG}`, "unreachable").notes).to.deep.equal([1, 5n]);
    const { end, notes } = family(
      `${TRAP_EXITS} (call $process::die_when_link_dies (i32.const 7)) ${SPAWN(5)} ${RECEIVE}`,
      "unreachable",
    );
    expect(end).to.include("process 2 that it is linked to ended: trap: unreachable");
    expect(notes).to.deep.equal([]);
  },
});

cells("process::process_id", {
  "success: the own number, the same in every call": () => {
    expect(
      family(`${SPAWN()} (call $test::i64 ${SELF}) (call $test::i64 ${CHILD}) ${SLEEP(1)}`, `(call $test::i64 ${SELF})`)
        .notes,
    ).to.have.members([1n, 2n, 2n]);
  },
});

cells("process::environment_id", {
  "success: 1 in a runtime's own environment": () => {
    expect(notesOf(`(call $test::i64 (call $process::environment_id))`)).to.deep.equal([1n]);
    const host = new TestHost();
    host.run(mainOf(`(call $test::i64 (call $process::environment_id))`), {
      environment: host.runtime.createEnvironment(9),
    });
    expect(host.notes).to.deep.equal([9n]);
  },
});

const link = (tag: number, pid = CHILD) => `(call $process::link (i64.const ${tag}) ${pid})`;

cells("process::link", {
  "success: both sides are told with the tag when the other fails": () => {
    const parent = family(`${TRAP_EXITS} ${SPAWN()} ${link(7)} ${RECEIVE} ${TAG}`, `${SLEEP(1)} unreachable`);
    expect(parent.notes).to.deep.equal([1, 7n]);
    const child = family(`${SPAWN()} ${link(8)} ${SLEEP(1)} unreachable`, `${TRAP_EXITS} ${RECEIVE} ${TAG}`);
    expect(child.notes).to.deep.equal([1, 8n]);
  },
  "a normal end disturbs nobody": () => {
    expect(family(`${TRAP_EXITS} ${SPAWN()} ${link(7)} ${RECEIVE}`, SLEEP(1)).notes).to.deep.equal([9027]);
  },
  "linking again replaces the tag, and a link with itself is none": () => {
    expect(
      family(
        `${TRAP_EXITS} ${SPAWN()} ${link(7)} ${link(9)} ${link(3, SELF)} ${RECEIVE} ${TAG} ${RECEIVE}`,
        `${SLEEP(1)} unreachable`,
      ).notes,
    ).to.deep.equal([1, 9n, 9027]);
  },
  "both halves are there even if the caller traps at once": () => {
    const { notes } = family(`${SPAWN()} ${link(7)} unreachable`, `${TRAP_EXITS} ${RECEIVE} ${TAG}`);
    expect(notes).to.deep.equal([1, 7n]);
  },
  "trap: no memory for it": () => {
    expectNoMemory(`${TRAP_EXITS} ${link(1, "(i64.const 99)")} ${link(1, "(i64.const 99)")}`, "");
  },
  "bad ID: the caller is told at once, and dies unless it wants messages": () => {
    for (const id of ["0", "99", "-1"]) {
      expect(notesOf(`${TRAP_EXITS} ${link(7, `(i64.const ${id})`)} ${RECEIVE} ${TAG}`)).to.deep.equal([1, 7n]);
    }
    const { end } = new TestHost().run(mainOf(`${link(7, "(i64.const 99)")} ${WAIT}`));
    expect(end).to.equal("process 99 that it is linked to ended: no such process");
  },
});

cells("process::unlink", {
  "success: removes the link on both sides": () => {
    expect(
      family(`${TRAP_EXITS} ${SPAWN(5)} (call $process::unlink ${CHILD}) ${RECEIVE}`, `${SLEEP(1)} unreachable`).notes,
    ).to.deep.equal([9027]);
    expect(
      family(`${SPAWN(5)} (call $process::unlink ${CHILD}) unreachable`, `${SLEEP(1)} (call $test::i32 (i32.const 1))`)
        .notes,
    ).to.deep.equal([1]);
  },
  "bad ID: no effect": () => {
    expect(
      notesOf(
        `(call $process::unlink (i64.const 99)) (call $process::unlink (i64.const -1)) (call $process::unlink ${SELF})`,
      ),
    ).to.deep.equal([]);
  },
});

const monitor = (pid = CHILD) => `(call $process::monitor ${pid})`;
const WHO = `(call $test::i64 (call $message::get_process_id))`;

cells("process::monitor", {
  "success: one process-died message for any end, whatever die_when_link_dies says": () => {
    for (const child of ["", "unreachable", `(call $process::kill ${SELF}) ${WAIT}`]) {
      expect(
        family(`${SPAWN()} ${monitor()} ${monitor()} ${RECEIVE} ${WHO} ${RECEIVE}`, `${SLEEP(1)} ${child}`).notes,
      ).to.deep.equal([2, 2n, 9027]);
    }
  },
  "trap: no memory for it": () => {
    expectNoMemory(`${monitor("(i64.const 99)")} ${monitor("(i64.const 99)")}`, "");
  },
  "bad ID: the message comes at once": () => {
    expect(notesOf(`${monitor("(i64.const 99)")} ${RECEIVE} ${WHO}`)).to.deep.equal([2, 99n]);
    expect(notesOf(`${monitor("(i64.const -1)")} ${RECEIVE}`)).to.deep.equal([2]);
  },
});

cells("process::stop_monitoring", {
  "success: no message any more": () => {
    expect(
      family(`${SPAWN()} ${monitor()} (call $process::stop_monitoring ${CHILD}) ${RECEIVE}`, SLEEP(1)).notes,
    ).to.deep.equal([9027]);
  },
  "bad ID: no effect": () => {
    expect(
      notesOf(`(call $process::stop_monitoring (i64.const 99)) (call $process::stop_monitoring ${SELF})`),
    ).to.deep.equal([]);
  },
});

const kill = (pid = CHILD) => `(call $process::kill ${pid})`;

cells("process::kill", {
  "success: nothing else of it runs, whether it waits or not; links hear of a failure": () => {
    expect(
      family(
        `${TRAP_EXITS} ${SPAWN(3)} ${kill()} ${RECEIVE} ${TAG} ${EXISTS}`,
        `${WAIT} (call $test::i32 (i32.const 1))`,
      ).notes,
    ).to.deep.equal([1, 3n, 0]);
    expect(family(`${SPAWN()} ${SLEEP(5)} ${EXISTS} ${kill()} ${SLEEP(5)} ${EXISTS}`, WAIT).notes).to.deep.equal([
      1, 0,
    ]);
    expect(family(`${SPAWN()} ${SLEEP(5)} ${kill()} ${SLEEP(5)} ${EXISTS}`, "(loop $l (br $l))").notes).to.deep.equal([
      0,
    ]);
  },
  "of itself: it does not come back from what suspends it": () => {
    const host = new TestHost();
    const { reason } = host.run(mainOf(`${kill(SELF)} (call $test::i32 (i32.const 1))`));
    expect(reason).to.deep.equal({ kind: "killed", by: 1 });
    expect(host.notes).to.deep.equal([]);
  },
  "not of processes outside the own group, where only those are visible": () => {
    const host = new TestHost();
    host.start(mainOf(WAIT));
    const group = host.runtime.createGroup();
    host.start(mainOf(`${kill("(i64.const 1)")} (call $test::i32 (call $process::exists (i64.const 1)))`), { group });
    host.executor.runUntilIdle();
    expect(host.notes).to.deep.equal([0]);
    expect(host.process(1).hasEnded).to.equal(false);
  },
  "bad ID: no effect": () => {
    expect(notesOf(`${kill("(i64.const 0)")} ${kill("(i64.const 99)")} ${kill("(i64.const -1)")}`)).to.deep.equal([]);
  },
});

cells("process::exists", {
  "success: code 0 for one that has ended": () => {
    expect(family(`${SPAWN()} ${SLEEP(1)} ${EXISTS}`, "").notes).to.deep.equal([0]);
  },
  "code 1: for one that lives, and for itself": () => {
    expect(family(`${SPAWN()} ${EXISTS} (call $test::i32 (call $process::exists ${SELF}))`, WAIT).notes).to.deep.equal([
      1, 1,
    ]);
  },
  "bad ID: 0": () => {
    expect(
      notesOf(
        ["0", "99", "-1", "0x20000000000001"]
          .map((id) => `(call $test::i32 (call $process::exists (i64.const ${id})))`)
          .join(" "),
      ),
    ).to.deep.equal([0, 0, 0, 0]);
  },
});
