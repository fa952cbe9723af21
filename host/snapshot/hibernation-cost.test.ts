import { expect } from "chai";
import { SNAPSHOT_STEP_BYTES } from "../../vm/internal.ts";
import { Executor } from "../executor.ts";
import { compileGuest } from "../functions/testing.ts";
import { guestFunctions } from "../functions/host-definition.ts";
import { Account } from "../group.ts";
import { DataMessage } from "../message.ts";
import type { ProcessHandle } from "../process-handle.ts";
import { Process } from "../process.ts";
import { Runtime } from "../runtime.ts";

const PAGES = 160;
const STORE_BYTES = PAGES * 65_536;
const LARGE = compileGuest(`(memory (export "memory") ${PAGES}) (func (export "main")
  (memory.fill (i32.const 0) (i32.const 7) (i32.const ${STORE_BYTES}))
  (loop $l (drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1))) (br $l)))`);
const HOG = compileGuest(`(memory (export "memory") 1) (func (export "main") (loop $l (br $l)))`);

/** The clock goes on when somebody looks: every turn takes about as long. */
class Setting {
  #nowMs = 0;
  readonly executor = new Executor({
    source: {
      nowMs: () => {
        this.#nowMs += 0.05;
        return this.#nowMs;
      },
      nextTurn() {},
      wakeAfter: () => () => {},
    },
  });
  readonly runtime: Runtime;

  constructor(maxMemory = 1e9) {
    this.runtime = new Runtime({ executor: this.executor, functions: [guestFunctions], maxMemory });
  }

  /** A process that waits, with a memory of {@link STORE_BYTES}. */
  large(): { handle: ProcessHandle; process: Process } {
    const handle = this.runtime.spawn(LARGE, { entry: "main", config: { maxMemory: 2 * STORE_BYTES } });
    const { process } = handle;
    if (!(process instanceof Process)) throw new TypeError("a guest");
    while (handle.stats.state !== "waiting") this.executor.runUntilIdle(1);
    return { handle, process };
  }

  get memory(): number {
    return this.runtime.group.used(Account.Memory);
  }

  /** Gives turns until the work is done; what it came to, and the turns that it took. */
  async drive(work: Promise<boolean>, each: () => void = () => {}): Promise<{ result: boolean; turns: number }> {
    let result: boolean | null = null;
    void work.then((value) => {
      result = value;
    });
    for (let turns = 0; ; turns++) {
      await Promise.resolve();
      await Promise.resolve();
      if (result !== null) return { result, turns };
      this.executor.runUntilIdle(1);
      each();
    }
  }
}

const STEPS = STORE_BYTES / SNAPSHOT_STEP_BYTES;

describe("what hibernation costs", () => {
  it("saving has turns, each of which is charged, and the process begins behind them", async () => {
    const setting = new Setting();
    const { executor } = setting;
    const { handle, process } = setting.large();
    const chargeBefore = executor.stats.charge;
    const timeBefore = process.virtualTime;
    const fuel = handle.stats.fuel;
    const frozen = await setting.drive(handle.hibernate());
    expect(frozen.result).to.equal(true);
    expect(frozen.turns).to.be.at.least(STEPS);
    const charge = executor.stats.charge - chargeBefore;
    // At least a quarter of what it says, however little time it took.
    expect(charge).to.be.at.least((STEPS * SNAPSHOT_STEP_BYTES) / 16);
    expect(process.virtualTime - timeBefore).to.be.at.least(charge);
    expect(handle.stats.fuel).to.equal(fuel);
    // So has waking.
    const beforeWaking = executor.stats.charge;
    process.wakeUp();
    executor.runUntilIdle();
    expect(handle.stats.state).to.equal("waiting");
    expect(executor.stats.charge - beforeWaking).to.be.at.least(charge / 3);
  });

  it("whoever can run has its share meanwhile", async () => {
    const setting = new Setting();
    const { executor, runtime } = setting;
    const { handle } = setting.large();
    const hog = runtime.spawn(HOG, { entry: "main", group: runtime.createGroup() });
    executor.runUntilIdle(3);
    const before = hog.stats.turns;
    const frozen = await setting.drive(handle.hibernate());
    expect(frozen.result).to.equal(true);
    // A step costs somewhat more than a slice.
    const { turns } = frozen;
    const hogs = hog.stats.turns - before;
    expect(hogs / (turns - hogs)).to.be.within(0.9, 1.8);
  });

  it("its buffers count in the group's memory, as does the snapshot in the end", async () => {
    const setting = new Setting();
    const { runtime, executor } = setting;
    const { handle, process } = setting.large();
    const before = setting.memory;
    const bytesBefore = process.memory.byteLength;
    const seen: number[] = [];
    const frozen = await setting.drive(handle.hibernate(), () => seen.push(setting.memory - before));
    expect(frozen.result).to.equal(true);
    // Nothing of this memory is zero: it is written, and then put together beside what was written.
    expect(Math.max(...seen)).to.be.within(1.9 * STORE_BYTES, 2.3 * STORE_BYTES);
    for (let i = 1; i < STEPS; i++) expect(seen[i]).to.be.at.least(seen[i - 1]!);
    expect(setting.memory - before).to.equal(process.memory.byteLength - bytesBefore);
    handle.kill();
    executor.runUntilIdle();
    expect(runtime.group.used(Account.Memory)).to.equal(0);
  });

  it("without room for them a process keeps its memory, and goes on", async () => {
    const setting = new Setting(1.5 * STORE_BYTES);
    const { executor } = setting;
    const { handle } = setting.large();
    const before = setting.memory;
    expect((await setting.drive(handle.hibernate())).result).to.equal(false);
    expect([handle.stats.state, setting.memory]).to.deep.equal(["waiting", before]);
    const { turns } = handle.stats;
    void handle.send(DataMessage.of(Uint8Array.of(1)));
    executor.runUntilIdle(1);
    expect(handle.stats.turns).to.equal(turns + 1);
  });

  it("whoever is woken or killed meanwhile has the next turn, and the buffers are gone", async () => {
    const setting = new Setting();
    const { executor } = setting;
    for (const kills of [false, true]) {
      const { handle } = setting.large();
      const before = setting.memory;
      const work = handle.hibernate();
      executor.runUntilIdle(5);
      expect(setting.memory).to.be.greaterThan(before + 3 * SNAPSHOT_STEP_BYTES);
      const { turns } = handle.stats;
      if (kills) handle.kill();
      else void handle.send(DataMessage.of(Uint8Array.of(1)));
      executor.runUntilIdle(1);
      expect(await work).to.equal(false);
      // It has ended, and its memory is cleaned before it is the group's again.
      if (kills) executor.runUntilIdle(STORE_BYTES / 524_288);
      expect(setting.memory).to.be.at.most(kills ? 0 : before + 1_024);
      expect(handle.stats.turns).to.equal(kills ? turns : turns + 1);
      expect(handle.stats.state).to.equal(kills ? "exited" : "waiting");
      if (!kills) handle.kill();
      executor.runUntilIdle();
      expect(executor.scheduler.isIdle).to.equal(true);
    }
  });
});
