/** Attacks 6, 7, 9 and 10: messages and timers without end. */

import { expect } from "chai";
import { Account } from "../group.ts";
import { Arena, attacker, expectUnharmed, LIMITS } from "./arena.ts";

const i = (...numbers: number[]): string => numbers.map((number) => `(i32.const ${number})`).join(" ");
const send = (pid: string, byteLength: number, tag = 1): string =>
  `(call $message::create_data (i64.const ${tag}) (i64.const ${byteLength}))
   (drop (call $message::write_data (i32.const 0) (i32.const ${byteLength})))
   (drop (call $message::send ${pid}))`;
const SPAWN_CHILD = `(drop (call $process::spawn (i64.const 0) (i64.const -1) (i64.const -1) ${i(40_000, 5, 0, 0, 40_008)}))`;
const CHILD = "(i64.load (i32.const 40008))";
const ITSELF = "(call $process::process_id)";
const times = (count: number, body: string): string =>
  `(local.set $n (i32.const ${count})) (loop $next ${body} (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))`;
const MAILBOX_BYTES = 16 * 1_048_576;

describe("the adversary set: messages and timers", () => {
  it("6 endless sending to a child that never receives: the sender waits when the mailbox is full", async () => {
    const guest = attacker(
      `${SPAWN_CHILD} (loop $again ${send(CHILD, 32_000)} (call $note (i64.const 1)) (br $again))`,
      `(data (i32.const 40000) "child") (func (export "child") (call $process::sleep_ms (i64.const -1)))`,
    );
    const outcome = await new Arena({ guest }).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.equal("alive");
    expect(outcome.notes.length).to.be.within(500, Math.ceil(MAILBOX_BYTES / 32_000));
    expect(outcome.bytes).to.be.at.most(MAILBOX_BYTES * 1.1);
  });

  it("6 endless sending of empty messages to one that loops, of another group: at the attacker's cost", async () => {
    const guest = attacker(`(loop $again ${send("(i64.const 3)", 0)} (br $again))`);
    const arena = new Arena({ guest, limits: { maxMemory: 2 * 1_048_576 } });
    const outcome = await arena.run();
    expectUnharmed(outcome);
    expect(outcome.end).to.include("memory limit");
    expect(outcome.bytes).to.be.at.most(2 * 1_048_576);
    expect(arena.neighbours.used(Account.Memory)).to.be.below(400_000);
  });

  it("6 endless sending to itself: traps when its mailbox is full", async () => {
    const guest = attacker(`(loop $again ${send(ITSELF, 32_000)} (br $again))`);
    const outcome = await new Arena({ guest }).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.include("mailbox full");
  });

  it("6 two that fill each other's mailboxes: both wait, at no cost to anybody", async () => {
    const guest = attacker(
      `${SPAWN_CHILD} (loop $again ${send(CHILD, 32_000)} (br $again))`,
      `(data (i32.const 40000) "child")
       (func (export "child") (loop $again ${send("(i64.const 4)", 32_000)} (br $again)))`,
    );
    const outcome = await new Arena({ guest }).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.equal("alive");
    expect(outcome.bytes).to.be.at.most(2.2 * MAILBOX_BYTES);
    // They stand still long before the time is over.
    expect(outcome.share).to.be.above(0.6);
  });

  it("7 timers of ten years with resources inside, then the end: counted, and gone with the group", async () => {
    // Sockets do not exist: each message holds a module.
    const module = "\\00asm\\01\\00\\00\\00";
    const guest = attacker(
      `(drop (call $process::compile_module ${i(0, 8, 16)}))
       (loop $again
         (call $message::create_data (i64.const 1) (i64.const 0))
         (drop (call $message::push_module (i64.load (i32.const 16))))
         (drop (call $timer::send_after (call $process::process_id) (i64.const 315360000000)))
         (br $again))`,
      `(data (i32.const 0) "${module}")`,
    );
    const arena = new Arena({ guest, limits: { maxTimers: 3_000 } });
    const outcome = await arena.run(() => {
      expect(arena.group.used(Account.Timers)).to.equal(3_000);
      expect(arena.executor.armedTimers).to.be.at.least(3_000);
    });
    expectUnharmed(outcome);
    expect(outcome.end).to.include("too many timers");
    expect(arena.executor.armedTimers).to.be.below(5);
  });

  it("9 thousands of unread messages and receives that match none of them: each costs what its tags cost", async () => {
    const guest = attacker(
      `(local $n i32) ${times(3_000, send(ITSELF, 0))}
       (memory.fill ${i(0, 255, 16_000)})
       (call $note (i64.const 1))
       (loop $again (drop (call $message::receive ${i(0, 2_000)} (i64.const 0))) (br $again))`,
    );
    const outcome = await new Arena({ guest }).run();
    expectUnharmed(outcome);
    expect(outcome.notes).to.deep.equal([1]);
    expect(outcome.end).to.equal("alive");
  });

  it("9 with empty mailboxes and a tag each: the index of tags does not grow", async () => {
    const guest = attacker(
      `(local $tag i64) (loop $again (local.set $tag (i64.add (local.get $tag) (i64.const 1)))
         (call $message::create_data (local.get $tag) (i64.const 0)) (drop (call $message::send ${ITSELF}))
         (i64.store (i32.const 0) (local.get $tag))
         (drop (call $message::receive ${i(0, 1)} (i64.const 0))) (br $again))`,
    );
    const outcome = await new Arena({ guest }).run();
    expectUnharmed(outcome);
    expect(outcome.bytes).to.be.below(200_000);
  });

  it("10 a capacity of 2^63, a cursor at 2^63, and four gigabytes of data: hints are not believed, limits hold", async () => {
    const guest = attacker(
      `(call $message::create_data (i64.const 1) (i64.const 0x8000000000000000))
       (drop (call $message::write_data ${i(0, 8)}))
       (call $message::seek_data (i64.const 0x8000000000000000))
       (call $note (i64.extend_i32_u (call $trap::catch ${i(0, 0)})))
       (call $message::seek_data (i64.const 0))
       (loop $again (drop (call $message::write_data ${i(0, 65_536)})) (call $note (i64.const 1)) (br $again))`,
      `(func (export "_lunatic_catch_trap") (param i32 i32) (result i32) (drop (call $message::read_data ${i(0, 8)})) (i32.const 5))`,
    );
    const outcome = await new Arena({ guest }).run();
    expectUnharmed(outcome);
    expect(outcome.notes).to.deep.equal([0, ...Array.from({ length: 255 }, () => 1)]);
    expect(outcome.end).to.include("the message is too large");
    expect(outcome.bytes).to.be.below(LIMITS.maxMemory!);
  });

  it("10 the same in a group with little memory: ends by its limit", async () => {
    const guest = attacker(
      `(call $message::create_data (i64.const 1) (i64.const -1))
       (loop $again (drop (call $message::write_data ${i(0, 65_536)})) (br $again))`,
    );
    const outcome = await new Arena({ guest, limits: { maxMemory: 1_048_576 } }).run();
    expectUnharmed(outcome);
    expect(outcome.end).to.include("memory limit");
    expect(outcome.bytes).to.be.at.most(1_048_576);
  });
});
