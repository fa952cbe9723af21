/** What a snapshot waits for: the end of a call, of another saving, of hibernation; never for a process to be resumed. */

import { expect } from "chai";
import { eventLoopTurn } from "../../vm/index.ts";
import { Executor } from "../executor.ts";
import { compileGuest } from "../functions/testing.ts";
import { guestFunctions } from "../functions/host-definition.ts";
import { DataMessage } from "../message.ts";
import type { ProcessHandle } from "../process-handle.ts";
import { Runtime } from "../runtime.ts";
import { reasonText } from "../signal.ts";

/** Saved in several steps. Ends with the third message. */
const LARGE = compileGuest(`(memory (export "memory") 100) (func (export "main") (local $i i32)
  (memory.fill (i32.const 65536) (i32.const 7) (i32.const 6400000))
  (loop $l (drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)))
    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 3)))))`);

function start(runtime: Runtime): ProcessHandle {
  return runtime.spawn(LARGE, { entry: "main" });
}

async function waiting(runtime: Runtime): Promise<ProcessHandle> {
  const handle = start(runtime);
  while (handle.stats.state !== "waiting") await eventLoopTurn();
  return handle;
}

/** One turn in each of the event loop's. */
function newRuntime(): Runtime {
  return new Runtime({ executor: new Executor({ budgetMs: 0 }), functions: [guestFunctions] });
}

function wake(handle: ProcessHandle): Promise<void> {
  return handle.send(DataMessage.of(Uint8Array.of(1)));
}

/** Whether it is settled after some turns of the event loop. */
async function isSettled(work: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  work.then(settle, settle);
  for (let i = 0; i < 20; i++) await eventLoopTurn();
  return settled;
}

describe("a snapshot", () => {
  it("that settles waits also when something stands in the way that came while it was written", async () => {
    await using runtime = newRuntime();
    for (const settles of [false, true]) {
      const handle = await waiting(runtime);
      const other = await waiting(runtime);
      const work = handle.snapshot({ stop: true, settle: settles });
      handle.process.relations.link(other.process, 1n);
      if (!settles) {
        const error = await work.catch((reason: unknown) => reason);
        expect(String(error)).to.include(`it is linked with process ${other.pid}, which has no registered name`);
        continue;
      }
      expect(await isSettled(work)).to.equal(false);
      handle.process.relations.unlink(other.process);
      await wake(handle);
      const copy = await runtime.restore(await work, { modules: [LARGE] });
      expect(reasonText(await handle.exited)).to.equal("normal");
      for (let i = 0; i < 2; i++) await wake(copy);
      expect(reasonText(await copy.exited)).to.equal("normal");
    }
  });

  it("of a process that hibernates and is paused gives it its memory, and leaves it paused", async () => {
    await using runtime = newRuntime();
    for (const pausesLater of [false, true]) {
      const handle = await waiting(runtime);
      if (!pausesLater) handle.pause();
      expect(await handle.hibernate()).to.equal(true);
      const { fuel } = handle.stats;
      const work = handle.snapshot();
      if (pausesLater) {
        await eventLoopTurn();
        await eventLoopTurn();
        expect(handle.stats.state).to.equal("runnable");
        handle.pause();
      }
      const copy = await runtime.restore(await work, { modules: [LARGE] });
      expect([handle.stats.state, handle.stats.fuel]).to.deep.equal(["paused", fuel]);
      for (const each of [handle, copy]) for (let i = 0; i < 3; i++) await wake(each);
      expect(reasonText(await copy.exited)).to.equal("normal");
      expect(handle.stats.fuel).to.equal(fuel);
      handle.resume();
      expect(reasonText(await handle.exited)).to.equal("normal");
    }
  });

  it("of a process that is paused before it has begun is refused at once, unless it may settle", async () => {
    await using runtime = newRuntime();
    for (const pausesLater of [false, true]) {
      const handle = start(runtime);
      if (!pausesLater) handle.pause();
      const work = handle.snapshot();
      const settling = handle.snapshot({ settle: true });
      if (pausesLater) handle.pause();
      const error = await work.catch((reason: unknown) => reason);
      expect(String(error)).to.include(`process ${handle.pid} is paused, and has not begun`);
      expect(await isSettled(settling)).to.equal(false);
      handle.resume();
      expect((await settling).length).to.be.greaterThan(100);
      handle.kill();
    }
  });
});
