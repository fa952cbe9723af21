/**
 * What only one may have is free before anybody hears of the end of who had it, so that a supervisor can start the next one at
 * once: a directory stands in for a port or a lock, which can be opened once and takes its time to close.
 */

import { expect } from "chai";
import { compileSync, eventLoopTurn } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import type { DirectoryGrant } from "./directory-grants.ts";
import { FakeClock } from "./fakes.ts";
import { compileGuest, guestText, mainOf, TestHost } from "./functions/testing.ts";
import { Account } from "./group.ts";
import { MemoryDirectory } from "./memory-files.ts";
import type { ProcessHandle } from "./process-handle.ts";
import { isFailure } from "./signal.ts";
import type { Directory } from "./system.ts";
import { WASI_MODULE } from "./wasi/functions.ts";

const ROUNDS = 1_000;

/** Can be opened by one at a time; closing takes up to three turns of the event loop, and fails now and then. */
class Exclusive {
  isTaken = false;
  opened = 0;
  readonly grant: DirectoryGrant = { name: "/", readOnly: false, isScripted: true, open: async () => this.#open() };

  #open(): Directory {
    if (this.isTaken) throw new Error("it is taken");
    this.isTaken = true;
    const turns = this.opened++ % 4;
    const directory = MemoryDirectory.create(new FakeClock());
    directory.close = async () => {
      for (let i = 0; i < turns; i++) await eventLoopTurn();
      this.isTaken = false;
      if (this.opened % 7 === 0) throw new Error("it is closed all the same");
    };
    return directory;
  }
}

describe("an end", () => {
  it("is heard of, by links, monitors and the embedder, when what the process had is free: a thousand times", async () => {
    const exclusive = new Exclusive();
    const host = new TestHost();
    const { runtime } = host;
    const sleep = "(call $process::sleep_ms (i64.const 1000))";
    const look = `(drop (call $${WASI_MODULE}::fd_prestat_get (i32.const 3) (i32.const 0)))`;
    // Ends in several ways, with its directory looked at or not.
    const ends = ["", "unreachable", `${look}`, `${look} unreachable`, sleep, `${look} ${sleep}`].map((body) =>
      compileGuest(mainOf(body)),
    );
    const watcher = host.start(
      compileSync(
        textToBinary(
          guestText(`(memory 1) (func (export "main")
            (call $process::die_when_link_dies (i32.const 0))
            (loop $l (drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)))
              (call $test::prepare) (br $l)))`),
        ),
      ),
    );
    host.executor.runUntilIdle();

    let current: ProcessHandle;
    let left = 0;
    const tooEarly: string[] = [];
    const heard = (by: string): void => {
      if (exclusive.isTaken) tooEarly.push(`${by} of ${current.pid}`);
      if (--left === 0 && exclusive.opened < ROUNDS) start();
    };
    const start = (): void => {
      const round = exclusive.opened;
      const handle = host.start(ends[round % ends.length]!, { link: watcher, config: { preopens: [exclusive.grant] } });
      current = handle;
      watcher.process.relations.monitor(handle.process);
      left = 2;
      handle.process.onExit((reason) => {
        // Links hear of failures alone; the watcher has its turn later.
        if (isFailure(reason)) left++;
        heard("the embedder");
      });
      if (round % 6 > 3) void handle.started.then(() => handle.kill());
    };
    host.prepare = () => heard("the watcher");
    start();
    while (left > 0) await host.settle();
    expect(exclusive.opened).to.equal(ROUNDS);
    expect(tooEarly).to.deep.equal([]);
    watcher.kill();
    await host.settle();
    expect([Account.Memory, Account.Descriptors].map((each) => runtime.group.used(each))).to.deep.equal([0, 0]);
  });
});
