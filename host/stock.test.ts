/** What waits to be used again: that it is, that it is bounded, and that it goes when nobody needs it. */

import { expect } from "chai";
import { Executor } from "./executor.ts";
import { compileGuest, TestHost } from "./functions/testing.ts";
import type { ProcessHandle } from "./process-handle.ts";
import { Runtime } from "./runtime.ts";
import { reasonText } from "./signal.ts";
import { Stock, stockedBytes, trimStocks, trimStocksBy } from "./stock.ts";
import { Timer } from "./timers.ts";

const MIB = 1_048_576;

function empty(): void {
  trimStocks();
  trimStocks();
}

/** Sends itself messages until its mailbox is full, which traps. */
const FILLING = compileGuest(`(memory (export "memory") 1)
  (func (export "main") (loop $again
    (call $message::create_data (i64.const 1) (i64.const 0))
    (drop (call $message::write_data (i32.const 0) (i32.const 32000)))
    (drop (call $message::send (call $process::process_id))) (br $again)))`);

/**
 * Sends messages of one byte again and again, of many lengths, to those that were made shortly before or after it, some by timers;
 * reads what comes, some of it by tags, and traps where the bytes of a message differ.
 */
const GOSSIP = compileGuest(`(memory (export "memory") 1)
  (global $i (mut i32) (i32.const 0))
  (func $bits (param $from i32) (param $mask i32) (result i32)
    (i32.and (i32.shr_u (global.get $i) (local.get $from)) (local.get $mask)))
  (func (export "main") (param $n i32) (local $length i32)
    (loop $again
      (global.set $i (i32.add (i32.mul (global.get $i) (i32.const 1664525)) (i32.add (local.get $n) (i32.const 1013904223))))
      (local.set $length (call $bits (i32.const 9)
        (select (i32.const 0x7fff) (i32.const 0x7f) (i32.eqz (call $bits (i32.const 3) (i32.const 15))))))
      (memory.fill (i32.const 64) (local.get $n) (local.get $length))
      (call $message::create_data (i64.extend_i32_u (call $bits (i32.const 24) (i32.const 3))) (i64.const 0))
      (drop (call $message::write_data (i32.const 64) (local.get $length)))
      (i64.store (i32.const 8) (i64.add (call $process::process_id)
        (i64.sub (i64.extend_i32_u (call $bits (i32.const 5) (i32.const 15))) (i64.const 8))))
      (if (i32.eqz (call $bits (i32.const 20) (i32.const 15)))
        (then (drop (call $timer::send_after (i64.load (i32.const 8)) (i64.const 1))))
        (else (drop (call $message::send (i64.load (i32.const 8))))))
      (i64.store (i32.const 0) (i64.extend_i32_u (call $bits (i32.const 12) (i32.const 3))))
      (if (i32.ne (i32.const 9027)
        (call $message::receive (i32.const 0) (call $bits (i32.const 15) (i32.const 1)) (i64.const 0))) (then (call $check)))
      (br $again)))
  (func $check (local $n i32) (local $k i32)
    (local.set $n (call $message::read_data (i32.const 64) (i32.const 60000)))
    (if (i32.eqz (local.get $n)) (then (return)))
    (loop $l
      (if (i32.ne (i32.load8_u (i32.const 64)) (i32.load8_u offset=64 (local.get $k))) (then (unreachable)))
      (br_if $l (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (local.get $n)))))`);

describe("stocks", () => {
  beforeEach(empty);
  after(empty);

  it("give what was given last, and nothing twice", () => {
    const stock = new Stock<string>(1);
    for (const thing of ["a", "b", "c"]) stock.give(thing);
    expect([stock.take(), stock.take()]).to.deep.equal(["c", "b"]);
    stock.give("d");
    expect([stock.take(), stock.take(), stock.take()]).to.deep.equal(["d", "a", undefined]);
    expect(stockedBytes()).to.equal(0);
  });

  it("drop what nobody has needed since the last look, and keep what goes to and fro", () => {
    const stock = new Stock<number>(10);
    for (let i = 0; i < 100; i++) stock.give(i);
    trimStocks();
    expect(stock.size).to.equal(100);
    const taken = Array.from({ length: 30 }, () => stock.take()!);
    for (const each of taken) stock.give(each);
    trimStocks();
    expect(stock.size).to.equal(30);
    expect(stockedBytes()).to.equal(300);
    trimStocks();
    expect(stock.size).to.equal(0);
    expect(stockedBytes()).to.equal(0);
  });

  it("keep so many bytes together and no more", () => {
    const few = new Stock<number>(32 * MIB);
    const many = new Stock<number>(MIB);
    few.give(1);
    for (let i = 0; i < 100; i++) many.give(i);
    few.give(2);
    expect([few.size, many.size]).to.deep.equal([1, 32]);
    expect(stockedBytes()).to.equal(64 * MIB);
  });

  it("have what a process leaves whose mailbox was full, and the next one like it needs nothing new", () => {
    const runs = Array.from({ length: 3 }, () => {
      const { end } = new TestHost().run(FILLING);
      expect(end).to.include("mailbox full");
      return stockedBytes();
    });
    expect(runs[0]).to.be.within(16 * MIB, 20 * MIB);
    expect(runs).to.deep.equal([runs[0], runs[0], runs[0]]);
  });

  it("have what was sent to somebody who has ended, and to nobody", () => {
    const toNobody = compileGuest(`(func (export "main") (local $n i32) (loop $again
      (call $message::create_data (i64.const 1) (i64.const 0))
      (drop (call $message::write_data (i32.const 0) (i32.const 32000)))
      (drop (call $message::send (i64.const 99)))
      (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 200)))))`);
    expect(new TestHost().run(toNobody).end).to.equal("normal");
    expect(stockedBytes()).to.be.below(100_000);
  });

  it("give each message and buffer one owner, whoever is killed while it sends, waits for room, or has timers", () => {
    const host = new TestHost();
    const ends = new Set<string>();
    const config = { mailbox: { maxMessages: 20, maxBytes: 100_000 } };
    const living: ProcessHandle[] = [];
    let received = 0;
    for (let step = 0; step < 700; step++) {
      const place = step % 8;
      const handle = living[place];
      received = Math.max(received, handle?.stats.mailbox ?? 0);
      if (step % 5 === 0) handle?.kill();
      if (handle?.process.hasEnded !== false) {
        living[place] = host.start(GOSSIP, { config, args: [1 + (step % 250)] });
        living[place].process.onExit((reason) => ends.add(reasonText(reason).split("\n")[0]!));
      }
      host.executor.runUntilIdle(1 + (step % 7));
    }
    expect(received).to.be.above(20);
    for (const handle of living) handle.kill();
    host.executor.runUntilIdle();
    expect([...ends].filter((end) => end.includes("unreachable"))).to.deep.equal([]);
    expect(ends.size).to.be.above(1);
    expect([host.runtime.processCount, host.runtime.group.used("memory")]).to.deep.equal([0, 0]);
    expect(stockedBytes()).to.be.above(100_000);
  });

  it("are trimmed by the time of an executor that gives turns, for which nothing is woken", () => {
    const executor = new Executor({ seed: 1, source: { nowMs: () => 0, nextTurn() {}, wakeAfter: () => () => {} } });
    void new Runtime({ executor });
    trimStocksBy(executor);
    const stock = new Stock<number>(1);
    stock.give(1);
    executor.runUntilIdle();
    expect(stock.size).to.equal(1);
    expect(executor.armedTimers).to.equal(0);
    const sizes = [500, 1_000, 1_000].map((delayMs) => {
      executor.arm(new Timer(() => {}), delayMs);
      executor.runUntilIdle();
      return stock.size;
    });
    expect(sizes).to.deep.equal([1, 1, 0]);
  });
});
