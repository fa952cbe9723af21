import { expect } from "chai";
import { compileSync } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import { guestFunctions } from "./functions/host-definition.ts";
import { guestText } from "./functions/testing.ts";
import { Account } from "./group.ts";
import type { DirectoryGrant } from "./directory-grants.ts";
import type { Directory } from "./system.ts";
import type { ExitReason } from "./signal.ts";
import { LOOK_CHARGE } from "./send-circle.ts";
import { reasonText } from "./signal.ts";
import { countReachable } from "./node/testing.ts";
import { guest, testRuntime, uncaughtOf } from "./testing.ts";
import type { ProcessHandle } from "./process-handle.ts";
import { Timer } from "./timers.ts";

/** How it has ended by now. */
function endOf(handle: ProcessHandle): ExitReason | null {
  return handle.process.exitReason;
}

const LETTER = (letter: string): string => `(i32.const ${letter.charCodeAt(0)})`;

describe("a guest process", () => {
  it("runs its entry and ends normally, with nothing left", () => {
    const { start, executor, notes, runtime } = testRuntime();
    const handle = start(`(func (export "a") (param i64) (call $note (i32.const 7)))`);
    expect(endOf(handle)).to.equal(null);
    executor.runUntilIdle();
    expect(endOf(handle)).to.deep.equal({ kind: "normal" });
    expect(notes).to.deep.equal([7]);
    expect(runtime.processCount).to.equal(0);
    expect(runtime.group.used(Account.Memory)).to.equal(0);
    expect(runtime.group.used(Account.Processes)).to.equal(0);
  });

  it("does not keep those that made it, however long the chain, nor those that it made", async () => {
    const { start, executor, runtime, notes } = testRuntime();
    const all: WeakRef<object>[] = [];
    const { environment } = runtime;
    const add = environment.add.bind(environment);
    environment.add = (process) => {
      all.push(new WeakRef(process));
      add(process);
    };
    // 3,000 of which each makes the next and ends; then 300 that live together and end from the last to the first but one.
    start(`
      (func (export "a") (param $n i64)
        (drop (call $spawn ${LETTER("b")} (i64.const 3000) (i64.const -1)))
        (call $sleep (i64.const 100000)))
      (func (export "b") (param $n i64)
        (if (i64.eqz (local.get $n)) (then (drop (call $spawn ${LETTER("c")} (i64.const 300) (i64.const -1))) (return)))
        (drop (call $spawn ${LETTER("b")} (i64.sub (local.get $n) (i64.const 1)) (i64.const -1))))
      (func (export "c") (param $n i64)
        (if (i64.eqz (local.get $n)) (then (call $note (i32.const 1)) (call $sleep (i64.const 100000)) (return)))
        (drop (call $spawn ${LETTER("c")} (i64.sub (local.get $n) (i64.const 1)) (i64.const -1)))
        (call $sleep (i64.sub (i64.const 1000) (local.get $n))))`);
    while (notes.length === 0 || runtime.processCount > 2) executor.runUntilIdle(1);
    expect(runtime.processes.map(({ pid }) => pid)).to.deep.equal([1, 3303]);
    expect(all.length).to.equal(3_303);
    expect(await countReachable(all)).to.equal(2);
  });

  it("is kept by none of its timers, nor is their receiver", async () => {
    const { executor, runtime } = testRuntime({ functions: [guestFunctions] });
    const all: WeakRef<object>[] = [];
    const module = compileSync(
      textToBinary(
        guestText(`(memory (export "memory") 1)
          (func (export "receiver"))
          (func (export "main") (param $receiver i64)
            (call $message::create_data (i64.const 1) (i64.const 0))
            (drop (call $timer::send_after (local.get $receiver) (i64.const -1))))`),
      ),
    );
    for (let i = 0; i < 50; i++) {
      const receiver = runtime.spawn(module, { entry: "receiver" });
      const sender = runtime.spawn(module, { entry: "main", args: [BigInt(receiver.pid)] });
      all.push(new WeakRef(receiver.process), new WeakRef(sender.process));
      executor.runUntilIdle(4);
      expect(endOf(sender)).to.deep.equal({ kind: "normal" });
    }
    expect(runtime.group.used(Account.Timers)).to.equal(50);
    expect(await countReachable(all)).to.be.at.most(2);
  });

  for (const [name, body, kind, text] of [
    ["traps", `(func (export "a") (param i64) unreachable)`, "trap", "trap: unreachable"],
    ["has no such entry", `(func (export "b"))`, "error", 'no function is exported as "a"'],
    ["has an entry with results", `(func (export "a") (param i64) (result i32) (i32.const 1))`, "error", "results"],
    ["has an entry with other parameters", `(func (export "a"))`, "error", "expected 0 arguments"],
    ["traps in its start function", `(start $s) (func $s unreachable) (func (export "a"))`, "trap", "unreachable"],
  ] as const) {
    it(`that ${name} ends with a reason, and its links and monitors hear of it`, () => {
      const { start, executor, runtime } = testRuntime();
      const handle = start(body);
      executor.runUntilIdle();
      expect(endOf(handle)?.kind).to.equal(kind);
      expect(reasonText(endOf(handle)!)).to.include(text);
      expect(runtime.group.used(Account.Memory)).to.equal(0);
    });
  }

  it("exchanges messages in the order they are sent", () => {
    const { start, executor, notes } = testRuntime();
    start(`
      (func (export "a") (param i64) (local $p i64)
        (local.set $p (call $spawn ${LETTER("b")} (call $self) (i64.const -1)))
        (drop (call $send (local.get $p) (i64.const 1) (i64.const 10)))
        (drop (call $send (local.get $p) (i64.const 2) (i64.const 20)))
        (drop (call $send (local.get $p) (i64.const 1) (i64.const 30)))
        (drop (call $receive (i64.const 0) (i64.const -1)))
        (call $note (i32.wrap_i64 (call $value))))
      (func (export "b") (param $parent i64) (local $i i32)
        (drop (call $receive (i64.const 2) (i64.const -1)))
        (call $note (i32.wrap_i64 (call $value)))
        (drop (call $receive (i64.const 0) (i64.const -1)))
        (call $note (i32.wrap_i64 (call $value)))
        (drop (call $receive (i64.const 1) (i64.const -1)))
        (call $note (i32.wrap_i64 (call $value)))
        (drop (call $send (local.get $parent) (i64.const 0) (i64.const 40))))`);
    executor.runUntilIdle();
    expect(notes).to.deep.equal([20, 10, 30, 40]);
  });

  it("receives with a timeout that runs on guest time", () => {
    const { start, executor, notes } = testRuntime();
    start(`(func (export "a") (param i64)
      (call $note (call $receive (i64.const 0) (i64.const 0)))
      (call $note (call $receive (i64.const 5) (i64.const 300000)))
      (call $sleep (i64.const 1000))
      (drop (call $send (call $self) (i64.const 5) (i64.const 9)))
      (call $note (call $receive (i64.const 5) (i64.const 0))))`);
    executor.runUntilIdle();
    expect(notes).to.deep.equal([9027, 9027, 0]);
    expect(executor.nowMs()).to.be.within(301_000, 301_010);
    expect(executor.armedTimers).to.equal(0);
  });

  it("asks for an answer with its tag without looking at what waits already", () => {
    const { start, executor, notes } = testRuntime();
    start(`
      (func (export "a") (param i64) (local $p i64)
        (local.set $p (call $spawn ${LETTER("b")} (call $self) (i64.const -1)))
        (call $sleep (i64.const 5))
        (call $note (call $ask (local.get $p) (i64.const 77) (i64.const -1)))
        (call $note (i32.wrap_i64 (call $value)))
        (drop (call $receive (i64.const 0) (i64.const -1)))
        (call $note (i32.wrap_i64 (call $value))))
      (func (export "b") (param $parent i64)
        (drop (call $send (local.get $parent) (i64.const 77) (i64.const 1)))
        (drop (call $receive (i64.const 0) (i64.const -1)))
        (drop (call $send (local.get $parent) (i64.const 77) (i64.const 2))))`);
    executor.runUntilIdle();
    expect(notes).to.deep.equal([0, 2, 1]);
  });

  it("ends with its links when they fail, and only then", () => {
    const { start, executor, notes } = testRuntime();
    const handle = start(`
      (func (export "a") (param i64)
        (drop (call $spawn ${LETTER("n")} (i64.const 0) (i64.const 5)))
        (call $sleep (i64.const 5))
        (call $note (i32.const 1))
        (drop (call $spawn ${LETTER("t")} (i64.const 0) (i64.const 5)))
        (call $sleep (i64.const 5))
        (call $note (i32.const 2)))
      (func (export "n") (param i64))
      (func (export "t") (param i64) unreachable)`);
    executor.runUntilIdle();
    expect(notes).to.deep.equal([1]);
    expect(reasonText(endOf(handle)!)).to.equal("process 3 that it is linked to ended: trap: unreachable");
  });

  it("hears of a link's failure with the tag it gave at spawn, if it asks to", () => {
    const { start, executor, notes } = testRuntime();
    start(`
      (func (export "a") (param i64)
        (call $trapLinks (i32.const 0))
        (drop (call $spawn ${LETTER("t")} (i64.const 0) (i64.const 42)))
        (call $note (call $receive (i64.const 42) (i64.const -1)))
        (call $note (i32.wrap_i64 (call $value)))
        (call $link (i64.const 999) (i64.const 43))
        (call $note (call $receive (i64.const 0) (i64.const -1)))
        (call $note (i32.wrap_i64 (call $value))))
      (func (export "t") (param i64) unreachable)`);
    executor.runUntilIdle();
    expect(notes).to.deep.equal([1, 42, 1, 43]);
  });

  it("hears at once of the end of one that has ended, when the embedder links them", () => {
    const { start, executor, runtime, notes } = testRuntime();
    const gone = start(`(func (export "a") (param i64))`);
    executor.runUntilIdle();
    const linked = start(`(func (export "a") (param i64) (call $note (i32.const 1)) (call $sleep (i64.const 50)))`, {
      link: gone,
    });
    const unlinked = start(`(func (export "a") (param i64) (call $trapLinks (i32.const 0))
      (call $note (call $receive (i64.const 0) (i64.const -1))) (call $note (i32.wrap_i64 (call $value))))`);
    executor.runUntilIdle();
    expect(endOf(linked)).to.deep.equal({ kind: "link", pid: gone.pid, reason: { kind: "noproc" } });
    expect(linked.process.relations.link(unlinked.process, 5n, 6n)).to.equal(true);
    executor.runUntilIdle();
    expect(notes).to.deep.equal([1, 6]);
    for (const { process } of [gone, linked, unlinked]) {
      expect(process.relations.monitor(gone.process)).to.equal(true);
      expect(process.linkCount).to.equal(0);
    }
    expect(runtime.group.used(Account.Memory)).to.equal(0);
  });

  it("hears of any end of those it monitors, also if they are gone already", () => {
    const { start, executor, notes } = testRuntime();
    start(`
      (func (export "a") (param i64)
        (call $monitor (call $spawn ${LETTER("n")} (i64.const 0) (i64.const -1)))
        (call $note (call $receive (i64.const 0) (i64.const -1)))
        (call $monitor (i64.const 12345))
        (call $note (call $receive (i64.const 0) (i64.const -1))))
      (func (export "n") (param i64) (call $sleep (i64.const 3)))`);
    executor.runUntilIdle();
    expect(notes).to.deep.equal([2, 2]);
  });

  it("is killed wherever it is: running, waiting, sleeping, starting", () => {
    const { start, executor, notes, runtime } = testRuntime();
    start(`
      (func (export "a") (param i64) (local $l i64) (local $s i64) (local $w i64)
        (local.set $l (call $spawn ${LETTER("l")} (i64.const 0) (i64.const -1)))
        (local.set $s (call $spawn ${LETTER("s")} (i64.const 0) (i64.const -1)))
        (local.set $w (call $spawn ${LETTER("w")} (i64.const 0) (i64.const -1)))
        (call $sleep (i64.const 10))
        (call $kill (local.get $l))
        (call $kill (local.get $s))
        (call $kill (local.get $w))
        (call $kill (i64.const 4711))
        (call $sleep (i64.const 10))
        (call $note (i32.const 1)))
      (func (export "l") (param i64) (loop $again (br $again)))
      (func (export "s") (param i64) (call $sleep (i64.const 1000000)) (call $note (i32.const 2)))
      (func (export "w") (param i64) (drop (call $receive (i64.const 0) (i64.const -1))) (call $note (i32.const 3)))`);
    executor.runUntilIdle();
    expect(notes).to.deep.equal([1]);
    expect(runtime.processCount).to.equal(0);
    expect(executor.armedTimers).to.equal(0);
    expect(runtime.group.used(Account.Memory)).to.equal(0);
  });

  it("waits in send while the receiver's mailbox is full, and goes on when it has room or has ended", () => {
    const { start, executor, notes, runtime } = testRuntime();
    start(
      `
      (func (export "a") (param i64) (local $p i64) (local $i i32)
        (local.set $p (call $spawn ${LETTER("b")} (call $self) (i64.const -1)))
        (loop $again
          (drop (call $send (local.get $p) (i64.const 0) (i64.const 1)))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (call $note (local.get $i))
          (br_if $again (i32.lt_u (local.get $i) (i32.const 10)))))
      (func (export "b") (param i64) (local $i i32)
        (call $sleep (i64.const 10))
        (call $note (i32.const 100))
        (drop (call $receive (i64.const 0) (i64.const -1)))
        (drop (call $receive (i64.const 0) (i64.const -1)))
        (call $sleep (i64.const 10))
        (call $note (i32.const 200)))`,
      { config: { mailbox: { maxMessages: 3 } } },
    );
    executor.runUntilIdle();
    expect(notes).to.deep.equal([1, 2, 3, 100, 4, 5, 200, 6, 7, 8, 9, 10]);
    expect(runtime.group.used(Account.Memory)).to.equal(0);
  });

  it("takes back what it sends when it ends before there is room, so that the bound holds", () => {
    const { start, executor, runtime } = testRuntime();
    const handle = start(
      `
      (func (export "a") (param i64) (local $i i32) (local $p i64)
        (loop $again
          (local.set $p (call $spawn ${LETTER("b")} (call $self) (i64.const -1)))
          (call $sleep (i64.const 10))
          (call $kill (local.get $p))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $i) (i32.const 20))))
        (call $sleep (i64.const 10))
        (call $note (i32.const 1))
        (call $sleep (i64.const 1000)))
      (func (export "b") (param $p i64)
        (loop $again (drop (call $send (local.get $p) (i64.const 0) (i64.const 1))) (br $again)))`,
      { config: { mailbox: { maxMessages: 3 } } },
    );
    const sizes = new Set<number>();
    for (let i = 0; i < 2_000 && !handle.process.hasEnded; i++) {
      executor.runUntilIdle(1);
      sizes.add(handle.process.mailbox.size);
    }
    expect(Math.max(...sizes)).to.equal(4);
    executor.runUntilIdle();
    expect(runtime.group.used(Account.Memory)).to.equal(0);
  });

  it("opens so many directories as its group may have, and 64 at most", async () => {
    for (const [count, maxDescriptors, kind] of [
      [64, 64, "normal"],
      [3, 2, "error"],
      [65, 1_000, "error"],
    ] as const) {
      const { start, executor, runtime } = testRuntime();
      const group = runtime.group.child(executor.scheduler, { maxDescriptors });
      let open = 0;
      let most = 0;
      const directory = { close: async () => void open-- } as unknown as Directory;
      const grant = {
        name: "d",
        readOnly: false,
        isScripted: true,
        open: async () => {
          most = Math.max(most, ++open);
          return directory;
        },
      };
      const config = { preopens: Array.from({ length: count }, (): DirectoryGrant => ({ ...grant })) };
      const handle = start(`(func (export "a") (param i64))`, { config, group });
      executor.runUntilIdle();
      while (executor.isHeld) {
        await new Promise(setImmediate);
        executor.runUntilIdle();
      }
      expect(endOf(handle)?.kind).to.equal(kind);
      expect([open, most]).to.deep.equal([0, kind === "normal" ? count : 0]);
      expect(group.used(Account.Descriptors)).to.equal(0);
    }
  });

  it("traps when it sends to itself over the bound, and when senders wait for each other", () => {
    for (const [body, ends] of [
      [
        `(func (export "a") (param i64)
          (loop $again (drop (call $send (call $self) (i64.const 0) (i64.const 1))) (br $again)))`,
        1,
      ],
      [
        `(func (export "a") (param i64) (local $p i64)
          (local.set $p (call $spawn ${LETTER("b")} (call $self) (i64.const 1)))
          (loop $again (drop (call $send (local.get $p) (i64.const 0) (i64.const 1))) (br $again)))
        (func (export "b") (param $p i64)
          (loop $again (drop (call $send (local.get $p) (i64.const 0) (i64.const 1))) (br $again)))`,
        2,
      ],
    ] as const) {
      const { start, executor, runtime } = testRuntime();
      const handle = start(body, { config: { mailbox: { maxMessages: 5 } } });
      executor.runUntilIdle();
      expect(reasonText(endOf(handle)!)).to.include("mailbox full");
      expect([runtime.processCount, ends > 0]).to.deep.equal([0, true]);
    }
  });

  /** Processes 1 to `count`, of which each sends to the next one until there is no room, and their ends. */
  const ring = (count: number, config: { onFullMailbox?: "drop-newest" } = {}) => {
    const test = testRuntime();
    const all = Array.from({ length: count }, (_, i) =>
      test.start(
        `(func (export "a") (param i64)
          (call $sleep (i64.const ${i + 1}))
          (loop $again (drop (call $send (i64.const ${((i + 1) % count) + 1}) (i64.const 0) (i64.const 1))) (br $again)))`,
        { config: { mailbox: { maxMessages: 1 }, ...config } },
      ),
    );
    return { ...test, all };
  };

  it("traps when it closes a circle of senders: the one that has waited longest does, while others run too", () => {
    const { executor, all, start } = ring(4);
    const hog = start(`(func (export "a") (param i64) (loop $l (br $l)))`);
    executor.runUntilIdle(100);
    expect(hog.process.isRunnable).to.equal(true);
    const [first, second] = all.map(endOf);
    expect(reasonText(first!)).to.include("senders wait for each other");
    expect(second).to.equal(null);
    expect(all[1]!.stats.state, "it sends on to those that have room again").to.equal("waiting");
  });

  it("is looked at as a sender that waits only when somebody begins to wait, who pays for that", () => {
    const test = testRuntime();
    const { executor } = test;
    const receiver = test.start(`(func (export "a") (param i64) (drop (call $receive (i64.const 5) (i64.const -1))))`, {
      config: { mailbox: { maxMessages: 1 } },
    });
    const send = (to: number) =>
      test.start(
        `(func (export "a") (param i64)
          (loop $again (drop (call $send (i64.const ${to}) (i64.const 0) (i64.const 1))) (br $again)))`,
        { config: { mailbox: { maxMessages: 1 } } },
      );
    const charges: number[] = [];
    const senders: ProcessHandle[] = [];
    for (let i = 0; i < 50; i++) {
      const sender = send(i + 1);
      senders.push(sender);
      executor.runUntilIdle(1);
      executor.runUntilIdle(1);
      charges.push(sender.process.turnCharge);
      expect(sender.stats.state).to.equal("waiting");
    }
    expect(receiver.stats.mailbox).to.equal(2);
    expect(charges.map((charge) => charge - charges[0]!)).to.deep.equal(charges.map((_, i) => i * LOOK_CHARGE));
    let looks = 0;
    for (const { process } of senders) {
      const { blockedSends } = process;
      Object.defineProperty(process, "blockedSends", {
        get() {
          looks++;
          return blockedSends;
        },
      });
    }
    test.start(`(func (export "a") (param i64) (local $i i32)
      (loop $l (call $sleep (i64.const 1)) (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100)))))`);
    executor.runUntilIdle(300);
    expect(executor.nowMs()).to.be.within(100, 50_000);
    expect(looks).to.equal(0);
    send(51);
    executor.runUntilIdle(2);
    expect(looks).to.be.within(50, 200);
  });

  it("leaves nothing that waits when a request to itself traps and it goes on", () => {
    const { executor, runtime } = testRuntime({ functions: [guestFunctions] });
    const handle = runtime.spawn(
      compileSync(
        textToBinary(
          guestText(`(memory (export "memory") 1)
            (func (export "_lunatic_catch_trap") (param i32 i32) (result i32)
              (call $message::create_data (i64.const 1) (i64.const 0))
              (drop (call $message::send_receive_skip_search (call $process::process_id) (i64.const 7) (i64.const 20)))
              (i32.const 5))
            (func (export "main") (local $i i32)
              (call $message::create_data (i64.const 1) (i64.const 0))
              (drop (call $message::send (call $process::process_id)))
              (drop (call $trap::catch (i32.const 0) (i32.const 0)))
              (loop $l (br_if $l (i32.ne (i32.const 10_000_000)
                (local.tee $i (i32.add (local.get $i) (i32.const 1)))))))`),
        ),
      ),
      { entry: "main", config: { mailbox: { maxMessages: 1 } } },
    );
    executor.runUntilIdle();
    expect(endOf(handle)).to.deep.equal({ kind: "normal" });
    expect(executor.armedTimers).to.equal(0);
  });

  it("ends once when a listener of its end throws, and the others hear of it with everything given back", async () => {
    const { start, executor, runtime } = testRuntime();
    const handle = start(`(func (export "a") (param i64))`);
    const heard: unknown[] = [];
    handle.process.onExit(() => {
      throw new Error("broken");
    });
    handle.process.onExit(({ kind }) => heard.push(kind, runtime.group.used(Account.Memory)));
    expect(await uncaughtOf(() => executor.runUntilIdle())).to.deep.equal(["broken"]);
    expect(heard).to.deep.equal(["normal", 0]);
    expect(endOf(handle)).to.deep.equal({ kind: "normal" });
    expect(runtime.group.used(Account.Processes)).to.equal(0);
  });

  it("that is killed ends, whoever pauses it then", () => {
    const { start, executor } = testRuntime();
    const forever = start(`(func (export "a") (param i64) (loop $again (br $again)))`);
    executor.runUntilIdle(5);
    forever.kill();
    forever.pause();
    const suicide = `(func (export "a") (param i64) (call $kill (call $self)) (loop $again (br $again)))`;
    const exhausted = start(suicide, { config: { maxFuel: 1_000, onFuelExhausted: "pause" } });
    executor.runUntilIdle(100);
    expect([endOf(forever)?.kind, endOf(exhausted)?.kind]).to.deep.equal(["killed", "killed"]);
  });

  it("ends alone when its timer fails", () => {
    const { executor } = testRuntime();
    const failures: unknown[] = [];
    const fail = (): never => {
      throw new Error("broken");
    };
    executor.arm(new Timer(fail, null, (error) => failures.push(error)), 1);
    executor.runUntilIdle();
    expect(failures).to.have.length(1);
  });

  it("stops at its limits of fuel and memory", () => {
    const loop = `(func (export "a") (param i64) (loop $again (br $again)))`;
    const { start, executor, runtime } = testRuntime();
    const ended = start(loop, { config: { maxFuel: 1_000_000 } });
    const grouped = start(loop, { group: runtime.createGroup({ maxFuel: 500_000 }) });
    const grown = start(`(func (export "a") (param i64) (call $note (memory.grow (i32.const 1))))`, {
      config: { maxMemory: 65_536 },
    });
    const paused = start(loop, { config: { maxFuel: 1_000_000, onFuelExhausted: "pause" } });
    executor.runUntilIdle();
    expect(endOf(ended)).to.include({ kind: "limit", limit: "fuel exhausted" });
    expect(ended.stats.fuel).to.be.within(1_000_000, 1_000_100);
    expect(endOf(grouped)).to.include({ kind: "limit", limit: "fuel exhausted" });
    expect(grouped.stats.fuel).to.be.within(500_000, 500_100);
    expect(endOf(grown)).to.deep.equal({ kind: "normal" });
    expect(paused.stats.state).to.equal("paused");
    paused.addFuel(500_000);
    executor.runUntilIdle();
    expect(paused.stats.fuel).to.be.within(1_500_000, 1_500_100);
    paused.kill();
    executor.runUntilIdle();
    expect(endOf(paused)).to.deep.equal({ kind: "killed", by: null });
  });

  it("says where it stood when its fuel was gone, its own or its group's", () => {
    const { start, executor, runtime } = testRuntime();
    const loop = `(func $loop (loop $again (br $again))) (func (export "a") (param i64) (call $loop))`;
    const group = runtime.createGroup({ maxFuel: 500_000 });
    const waiter = `(func (export "a") (param i64) (drop (call $receive (i64.const 0) (i64.const -1))))`;
    const ended = [start(loop, { config: { maxFuel: 1_000_000 } }), start(loop, { group }), start(waiter, { group })];
    executor.runUntilIdle();
    // It would go on, and its group has nothing left.
    void ended[2]!.send(new Uint8Array(1));
    executor.runUntilIdle();
    const frames = ended.map((handle) => {
      const reason = endOf(handle);
      return reason?.kind === "limit" ? reason.error.backtrace.length : reason;
    });
    expect(frames).to.deep.equal([2, 2, 1]);
  });

  it("stops where a limit of fuel has a fraction, which is rounded down", () => {
    const loop = `(func (export "a") (param i64) (loop $again (br $again)))`;
    const { start, executor, runtime } = testRuntime();
    const ended = start(loop, { config: { maxFuel: 1_000.5 } });
    const group = runtime.createGroup({ maxFuel: 1_000.5 });
    const grouped = start(loop, { group });
    const paused = start(loop, { config: { maxFuel: 1_000, onFuelExhausted: "pause" } });
    executor.runUntilIdle();
    expect(endOf(ended)).to.include({ kind: "limit", limit: "fuel exhausted" });
    expect(endOf(grouped)).to.include({ kind: "limit", limit: "fuel exhausted" });
    group.setLimit(Account.Fuel, group.used(Account.Fuel) + 100.5);
    const second = start(loop, { group });
    paused.addFuel(50.5);
    executor.runUntilIdle();
    expect(second.stats.fuel).to.be.within(100, 200);
    expect(paused.stats).to.include({ state: "paused" });
    for (const [fuel, kind] of [
      [Number.NaN, RangeError],
      [-1e6, RangeError],
      ["1000", TypeError],
    ] as const) {
      expect(() => paused.addFuel(fuel as number)).to.throw(kind, "fuel that is added: expected fuel");
    }
    paused.addFuel(0.5);
    executor.runUntilIdle();
    expect(paused.stats.fuel).to.be.within(1_050, 1_150);
    paused.kill();
    executor.runUntilIdle();
  });

  it("that has paused goes on when it has fuel and is not paused by the embedder: its own, and its group's", () => {
    const loop = `(func (export "a") (param i64) (loop $again (br $again)))`;
    const { start, executor, runtime } = testRuntime();
    const outer = runtime.createGroup({ name: "outer", maxFuel: 10_000 });
    const inner = runtime.createGroup({ name: "inner" }, outer);
    const pausing = { config: { onFuelExhausted: "pause" }, group: inner } as const;
    const [first, second] = [start(loop, pausing), start(loop, pausing)];
    const state = (): string[] => {
      executor.runUntilIdle();
      return [first, second].map(({ stats }) => stats.state);
    };
    expect(state()).to.deep.equal(["paused", "paused"]);
    first.addFuel(1_000);
    const before = outer.used("fuel");
    expect(state()).to.deep.equal(["paused", "paused"]);
    expect(outer.used("fuel")).to.equal(before);
    second.pause();
    outer.addFuel(5_000.5);
    expect(state()).to.deep.equal(["paused", "paused"]);
    // One of them stood still: the other has used all.
    expect(first.stats.fuel + second.stats.fuel).to.be.within(15_000, 15_200);
    const stood = second.stats.fuel;
    second.addFuel(5);
    outer.setLimit("fuel", 20_000);
    expect(state()).to.deep.equal(["paused", "paused"]);
    expect([second.stats.fuel, outer.limit("fuel")]).to.deep.equal([stood, 20_000]);
    outer.addFuel(3_000);
    second.resume();
    first.kill();
    expect(state()).to.deep.equal(["exited", "paused"]);
    expect(second.stats.fuel).to.be.above(stood);
    expect(inner.starved.size).to.equal(1);
    second.kill();
    expect(state()).to.deep.equal(["exited", "exited"]);
    expect(inner.starved.size).to.equal(0);
    const over = start(loop, { group: inner });
    executor.runUntilIdle();
    expect(reasonText(endOf(over)!)).to.match(/^fuel exhausted: 230\d\d used by group "outer", 23000 allowed$/);
    expect(() => outer.addFuel(Number.NaN)).to.throw(RangeError);
  });

  it("uses the same fuel with every slice and beside any neighbour", () => {
    const totals = new Set<number>();
    for (const seed of [1, 2, 3]) {
      const { start, executor } = testRuntime({}, seed);
      const handle = start(`
        (func (export "a") (param i64) (local $i i32)
          (drop (call $spawn ${LETTER("b")} (call $self) (i64.const -1)))
          (loop $again
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 100000)))))
        (func (export "b") (param i64) (call $sleep (i64.const 1)))`);
      executor.runUntilIdle();
      totals.add(handle.stats.fuel);
    }
    expect(totals.size).to.equal(1);
  });

  it("ends a chain of 5,000 links without recursion", () => {
    const { start, executor, notes, runtime } = testRuntime();
    start(`
      (func (export "a") (param i64) (local $i i32)
        (call $trapLinks (i32.const 0))
        (drop (call $spawn ${LETTER("c")} (i64.const 5000) (i64.const 1)))
        (call $note (call $receive (i64.const 1) (i64.const -1))))
      (func (export "c") (param $left i64)
        (if (i64.eqz (local.get $left)) (then unreachable))
        (drop (call $spawn ${LETTER("c")} (i64.sub (local.get $left) (i64.const 1)) (i64.const 0)))
        (drop (call $receive (i64.const 0) (i64.const -1))))`);
    executor.runUntilIdle();
    expect(notes).to.deep.equal([1]);
    expect(runtime.processCount).to.equal(0);
  });

  it("fails to spawn with an error when the group has no room, and lives on", () => {
    const { start, executor, notes, runtime } = testRuntime();
    start(
      `(func (export "a") (param i64)
        (call $note (i32.wrap_i64 (call $spawn ${LETTER("s")} (i64.const 0) (i64.const -1))))
        (call $note (i32.wrap_i64 (call $spawn ${LETTER("s")} (i64.const 0) (i64.const -1)))))
      (func (export "s") (param i64) (call $sleep (i64.const 100)))`,
      { group: runtime.createGroup({ maxProcesses: 2 }) },
    );
    executor.runUntilIdle();
    expect(notes).to.deep.equal([2, -1]);
  });

  it("is not started any more when its maker is killed while its start function runs", () => {
    const { start, executor, notes, runtime } = testRuntime();
    const module = compileSync(
      guest(`
        (start $s)
        (func $s (if (i64.ge_u (call $self) (i64.const 2)) (then (loop $again (br $again)))))
        (func (export "a") (param i64)
          (call $note (i32.const 1))
          (drop (call $spawn ${LETTER("a")} (i64.const 0) (i64.const -1)))
          (call $note (i32.const 2)))`),
    );
    const handle = runtime.spawn(module, { entry: "a", args: [0n] });
    executor.runUntilIdle(50);
    expect(runtime.processCount).to.equal(2);
    handle.kill();
    executor.runUntilIdle();
    expect(notes).to.deep.equal([1]);
    expect(runtime.processCount).to.equal(0);
    void start;
  });

  it("that has used WASI and holds nothing of the host ends in its last turn", () => {
    const { runtime, executor } = testRuntime();
    const module = compileSync(
      textToBinary(`(module
        (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "a") (drop (call $random_get (i32.const 0) (i32.const 8)))))`),
    );
    const handle = runtime.spawn(module, { entry: "a" });
    executor.runUntilIdle();
    expect(endOf(handle)).to.deep.equal({ kind: "normal" });
    expect(runtime.processCount).to.equal(0);
  });
});
