/** What waits to be used again: that it is, that it is bounded, and that it goes when nobody needs it. */

import { expect } from "chai";
import { Executor } from "./executor.ts";
import { compileGuest, TestHost } from "./functions/testing.ts";
import { Runtime } from "./runtime.ts";
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
