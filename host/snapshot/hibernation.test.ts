import { expect } from "chai";
import {
  compileSync,
  eventLoopTurn,
  type HostDefinition,
  Memory,
  type MemoryAllocator,
  Store,
} from "../../vm/index.ts";
import { textToBinary } from "../../vm/text/index.ts";
import type { ConfigOptions } from "../config.ts";
import { Executor, type ExecutorOptions } from "../executor.ts";
import { compileGuest, type Note, TestHost } from "../functions/testing.ts";
import { guestFunctions } from "../functions/host-definition.ts";
import { Account } from "../group.ts";
import { DataMessage } from "../message.ts";
import { collectGarbage } from "../node/testing.ts";
import type { ProcessHandle } from "../process-handle.ts";
import { Process } from "../process.ts";
import { Runtime } from "../runtime.ts";
import type { TraceEvent } from "../runtime-core.ts";
import { reasonText } from "../signal.ts";
import { Timer } from "../timers.ts";

const EXPORTS = `(memory (export "memory") 2) (data (i32.const 100) "hello")`;

/** Answers what it hears, with all that it has heard so far, and says when it heard nothing for a while. */
const SERVER = compileGuest(`${EXPORTS} (global $sum (mut i32) (i32.const 0))
  (table 300 funcref)
  (func (export "main")
    (loop $l
      (if (i32.eqz (call $message::receive (i32.const 0) (i32.const 0) (i64.const 400)))
        (then
          (drop (call $message::read_data (i32.const 0) (i32.const 1)))
          (global.set $sum (i32.add (global.get $sum) (i32.load8_u (i32.const 0))))
          (i32.store8 (i32.add (i32.const 70000) (global.get $sum)) (i32.const 1))
          (call $process::sleep_ms (i64.const 150))
          (call $test::i32 (global.get $sum)))
        (else (call $test::i32 (i32.const -1))))
      (br_if $l (i32.lt_u (global.get $sum) (i32.const 60)))))`);

/** Sends 1 to process 1 at growing intervals. */
const CLIENT = compileGuest(`${EXPORTS} (func (export "main") (local $i i32)
  (i32.store8 (i32.const 0) (i32.const 7))
  (loop $l
    (call $message::create_data (i64.const 1) (i64.const 0))
    (drop (call $message::write_data (i32.const 0) (i32.const 1)))
    (drop (call $message::send (i64.const 1)))
    (call $process::sleep_ms (i64.mul (i64.const 90) (i64.extend_i32_u (local.get $i))))
    (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 10)))))`);

const LARGE_MEMORY = `(memory (export "memory") 400)`;
const FILL = `(memory.fill (i32.const 65536) (i32.const 7) (i32.const 16000000))`;
const LARGE = compileGuest(`${LARGE_MEMORY} (func (export "main") ${FILL}
  (drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)))
  (call $test::i32 (i32.load8_u (i32.const 15999999))))`);

/** All that can be seen of a run. */
function traceOf(config: ConfigOptions): { events: unknown[]; notes: Note[]; hibernations: number; fuel: number } {
  const events: unknown[] = [];
  const host = new TestHost({ trace: (event: TraceEvent) => events.push(event) });
  const server = host.start(SERVER, { config });
  host.start(CLIENT, { config });
  let hibernations = 0;
  let was = false;
  while (host.runtime.processCount > 0) {
    host.executor.runUntilIdle(1);
    const is = server.stats.state === "hibernating";
    if (is && !was) hibernations++;
    was = is;
  }
  return { events, notes: host.notes, hibernations, fuel: server.stats.fuel };
}

describe("hibernation", () => {
  it("is not seen: the trace with a seed is the same with and without", () => {
    const without = traceOf({});
    const with_ = traceOf({ hibernateAfterMs: 20 });
    expect(without.hibernations).to.equal(0);
    expect(with_.hibernations).to.be.greaterThan(8);
    expect(with_.notes).to.deep.equal(without.notes);
    expect(with_.events).to.deep.equal(without.events);
    expect(with_.fuel).to.equal(without.fuel);
  });

  it("frees the memory until a message comes, and the accounts show it", async () => {
    const host = new TestHost();
    const handle = host.start(SERVER);
    host.executor.runUntilIdle(1);
    const { group } = host.runtime;
    const before = [handle.stats.memory, group.used(Account.Memory)];
    expect(await handle.hibernate()).to.equal(true);
    expect(handle.stats.state).to.equal("hibernating");
    expect(handle.stats.memory).to.be.lessThan(4_000);
    expect(group.used(Account.Memory)).to.equal(before[1]! - before[0]! + handle.stats.memory);
    expect(await handle.hibernate()).to.equal(false);
    await handle.send(Uint8Array.of(5), 9n);
    host.executor.runUntilIdle(1);
    expect([handle.stats.state, handle.stats.memory]).to.deep.equal(["waiting", before[0]]);
    host.executor.runUntilIdle(20);
    expect(host.notes[0]).to.equal(5);
    handle.kill();
    host.executor.runUntilIdle();
    expect(group.used(Account.Memory)).to.equal(0);
  });

  it("gives back what is no larger than before: what instances share stays shared, and no function becomes an object", async () => {
    const host = new TestHost();
    const handle = host.start(SERVER);
    host.executor.runUntilIdle(1);
    const process = handle.process as Process;
    const { globalsAt } = process.instance!;
    const { funcAt } = Store.prototype;
    let objects = 0;
    Store.prototype.funcAt = function (address) {
      objects++;
      return funcAt.call(this, address);
    };
    try {
      expect(await handle.hibernate()).to.equal(true);
      process.wakeUp();
      host.executor.runUntilIdle(1);
    } finally {
      Store.prototype.funcAt = funcAt;
    }
    expect(process.instance!.globalsAt).to.equal(globalsAt);
    expect(objects).to.equal(0);
  });

  it("leaves no buffer of the memory behind, nor does the end of a process whose handle is kept", async () => {
    const buffers: WeakRef<ArrayBufferLike>[] = [];
    const allocator: MemoryAllocator = {
      allocate(byteLength) {
        const buffer = new ArrayBuffer(byteLength);
        buffers.push(new WeakRef(buffer));
        return { buffer, base: 0, capacity: byteLength };
      },
      free() {},
    };
    const kept = async (): Promise<number> => {
      await eventLoopTurn();
      await eventLoopTurn();
      collectGarbage();
      return buffers.filter((each) => each.deref() !== undefined).length;
    };
    const host = new TestHost({ allocator });
    const handle = host.start(SERVER);
    host.executor.runUntilIdle(1);
    const memory = handle.process instanceof Process ? handle.process.instance?.export("memory") : null;
    const keptAtFirst = await kept();
    expect(await handle.hibernate()).to.equal(true);
    const keptFrozen = await kept();
    await handle.send(Uint8Array.of(5), 9n);
    host.executor.runUntilIdle(20);
    const keptAwake = await kept();
    handle.kill();
    host.executor.runUntilIdle();
    expect([keptAtFirst, keptFrozen, keptAwake, await kept()]).to.deep.equal([1, 0, 1, 0]);
    expect([handle.stats.state, memory instanceof Memory && memory.byteLength]).to.deep.equal(["exited", 0]);
  });

  it("keeps many tags paid for while it hibernates, and gives them back once", async () => {
    const host = new TestHost();
    const module = compileGuest(`(memory (export "memory") 2) (func (export "main")
      (i64.store (i32.const 80) (i64.const 7))
      (drop (call $message::receive (i32.const 0) (i32.const 100) (i64.const -1)))
      (drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1))))`);
    const handle = host.start(module);
    host.executor.runUntilIdle(1);
    const before = handle.stats.memory;
    expect(await handle.hibernate()).to.equal(true);
    expect(handle.stats.memory).to.be.greaterThan(100 * 128);
    await handle.send(Uint8Array.of(5), 7n);
    expect(handle.stats.memory).to.be.lessThan(4_000).and.greaterThan(0);
    host.executor.runUntilIdle(1);
    expect([handle.stats.state, handle.stats.memory]).to.deep.equal(["waiting", before - 100 * 128]);
    handle.kill();
    host.executor.runUntilIdle();
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
  });

  it("ends by a kill, and by its own time", async () => {
    const host = new TestHost();
    const killed = host.start(SERVER);
    host.executor.runUntilIdle(1);
    await killed.hibernate();
    killed.kill();
    host.executor.runUntilIdle(1);
    expect(reasonText(await killed.exited)).to.equal("killed");
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
    const module = compileGuest(`(memory $shared 1 1 shared) (memory (export "memory") 1)
      (func (export "main") (call $process::sleep_ms (i64.const 30))
        (call $test::i32 (memory.atomic.wait32 $shared (i32.const 8) (i32.const 0) (i64.const 50000000)))
        (call $test::i32 (call $message::receive (i32.const 0) (i32.const 0) (i64.const 70))))`);
    const handle = host.start(module);
    let count = 0;
    while (!handle.process.hasEnded) {
      host.executor.runUntilIdle(1);
      if (await handle.hibernate()) count++;
    }
    expect([...host.notes, count]).to.deep.equal([2, 9027, 3]);
  });

  it("is saved as any other, and keeps host values, objects and exceptions", async () => {
    const thing = { name: "a thing" };
    const taken: unknown[] = [];
    const own: Readonly<Record<string, HostDefinition>> = {
      give: { params: [], results: ["externref"], name: "give", call: () => thing },
      take: {
        params: ["externref", "i32"],
        results: [],
        call(_caller, ...args: unknown[]) {
          taken.push(args);
          return [];
        },
      },
    };
    const host = new TestHost({
      functions: [(from, name) => (from === "own" ? own[name] : undefined), guestFunctions],
    });
    const module = compileSync(
      textToBinary(`(module (type $s (struct (field externref) (field (mut (ref null $s)))))
        (import "own" "give" (func $give (result externref))) (import "own" "take" (func $take (param externref i32)))
        (import "lunatic::process" "sleep_ms" (func $sleep (param i64))) (memory (export "memory") 1)
        (func (export "main") (local $x (ref null $s))
          (local.set $x (struct.new $s (call $give) (ref.null $s)))
          (struct.set $s 1 (local.get $x) (local.get $x))
          (call $sleep (i64.const 30))
          (call $take (struct.get $s 0 (struct.get $s 1 (local.get $x))) (i32.const 4))))`),
    );
    const handle = host.start(module);
    host.executor.runUntilIdle(1);
    expect(await handle.hibernate()).to.equal(true);
    const work = handle.snapshot({ externName: (value) => (value === thing ? "thing" : undefined) });
    host.executor.runUntilIdle(1);
    expect((await work).length).to.be.greaterThan(100);
    expect(await handle.hibernate()).to.equal(true);
    host.executor.runUntilIdle();
    expect(taken).to.deep.equal([[thing, 4]]);
  });

  it("ends with a clear reason when there is no memory to wake up", async () => {
    const host = new TestHost({ maxMemory: 400_000 });
    const first = host.start(SERVER);
    host.executor.runUntilIdle(1);
    await first.hibernate();
    const second = host.start(SERVER);
    const third = host.start(SERVER);
    host.executor.runUntilIdle(2);
    expect([second, third].map(({ stats }) => stats.state)).to.deep.equal(["waiting", "waiting"]);
    await first.send(Uint8Array.of(1));
    host.executor.runUntilIdle(3);
    expect(reasonText(await first.exited)).to.match(/^memory limit: no room to wake up/);
  });

  it("takes several turns for a large memory, and wakes in several turns", async () => {
    const notes: number[] = [];
    const note: HostDefinition = {
      params: ["i32"],
      results: [],
      call(_caller, value: number) {
        notes.push(value);
        return [];
      },
    };
    await using runtime = new Runtime({
      executor: new Executor(),
      functions: [(from) => (from === "test" ? note : undefined), guestFunctions],
    });
    const module = compileGuest(`(memory (export "memory") 400) (func (export "main")
      (memory.fill (i32.const 0) (i32.const 7) (i32.const 16000000))
      (drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)))
      (call $test::i32 (i32.load8_u (i32.const 15999999)))
      (drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)))
      (call $test::i32 (i32.load8_u (i32.const 15999999))))`);
    const handle = runtime.spawn(module, { entry: "main", config: { hibernateAfterMs: 10_000 } });
    while (handle.stats.state !== "waiting") await eventLoopTurn();
    const { turns } = runtime.executor.stats;
    expect(await handle.hibernate()).to.equal(true);
    expect(runtime.executor.stats.turns - turns).to.be.greaterThan(10);
    const before = handle.stats.turns;
    await handle.send(DataMessage.of(Uint8Array.of(1)));
    while (handle.stats.state !== "waiting") await eventLoopTurn();
    expect(handle.stats.turns - before).to.be.greaterThan(10);
    expect(notes).to.deep.equal([7]);
    // Whoever is woken while it is saved goes on as it was.
    const abandoned = handle.hibernate();
    await handle.send(DataMessage.of(Uint8Array.of(1)));
    expect(await abandoned).to.equal(false);
    await handle.exited;
    expect(notes).to.deep.equal([7, 7]);
  });

  /** A process with so much memory that it is saved in many steps. It waits. */
  async function large(runtime: Runtime, module = LARGE): Promise<ProcessHandle> {
    const handle = runtime.spawn(module, { entry: "main" });
    while (handle.stats.state !== "waiting") await eventLoopTurn();
    return handle;
  }

  function noting(notes: number[], options: ExecutorOptions = {}): Runtime {
    const note: HostDefinition = {
      params: ["i32"],
      results: [],
      call(_caller, value: number) {
        notes.push(value);
        return [];
      },
    };
    return new Runtime({
      executor: new Executor(options),
      functions: [(from) => (from === "test" ? note : undefined), guestFunctions],
    });
  }

  it("is refused while the process is saved in steps, and is waited for by whoever saves it meanwhile", async () => {
    const notes: number[] = [];
    await using runtime = noting(notes);
    const handle = await large(runtime);
    const first = handle.snapshot();
    const second = handle.snapshot();
    expect(await handle.hibernate()).to.equal(false);
    expect(handle.process instanceof Process && handle.process.isHeld).to.equal(true);
    const copies = [await first, await second];
    const freezing = handle.hibernate();
    const third = handle.snapshot();
    const fourth = handle.snapshot();
    expect(await freezing).to.equal(true);
    copies.push(await third, await fourth);
    expect(handle.process instanceof Process && handle.process.isHeld).to.equal(false);
    for (const bytes of copies) {
      const copy = await runtime.restore(bytes, { modules: [LARGE] });
      await copy.send(Uint8Array.of(1));
      await copy.exited;
    }
    await handle.send(Uint8Array.of(1));
    await handle.exited;
    expect(notes).to.deep.equal([7, 7, 7, 7, 7]);
  });

  it("lets no virtual time go by meanwhile", async () => {
    const notes: number[] = [];
    await using runtime = noting(notes, { virtualTime: true });
    const handle = await large(runtime);
    const stateLater = new Promise((resolve) => {
      runtime.executor.arm(new Timer(() => resolve(handle.stats.state)), 1e9);
    });
    const freezing = handle.hibernate();
    expect([await stateLater, await freezing]).to.deep.equal(["hibernating", true]);
    await handle.send(Uint8Array.of(1));
    await handle.exited;
  });

  it("and what arrives, fires or is linked while a process is saved in steps to be stopped is saved, once", async () => {
    const notes: number[] = [];
    await using runtime = noting(notes);
    const module = compileGuest(`${LARGE_MEMORY}
      (func $timer (param i64) (call $message::create_data (i64.const 4) (i64.const 0))
        (drop (call $timer::send_after (call $process::process_id) (local.get 0))))
      (func (export "main") ${FILL}
        (call $timer (i64.const 0)) (call $timer (i64.const 2000))
        (drop (call $message::receive (i32.const 8) (i32.const 1) (i64.const -1)))
        (loop $l
          (call $test::i32 (i32.wrap_i64 (call $message::get_tag)))
          (br_if $l (i32.eqz (call $message::receive (i32.const 0) (i32.const 0) (i64.const 50)))))
        (call $test::i32 (i32.const -1)))
      (data (i32.const 8) "\\05")`);
    for (const hasAnswer of [false, true]) {
      const handle = await large(runtime, module);
      const saving = handle.snapshot({ stop: true });
      await handle.send(DataMessage.of(Uint8Array.of(1), 3n));
      if (hasAnswer) await handle.send(DataMessage.of(Uint8Array.of(1), 5n));
      const bytes = await saving;
      await handle.exited;
      const copy = await runtime.restore(bytes, { modules: [module] });
      if (!hasAnswer) await copy.send(DataMessage.of(Uint8Array.of(1), 5n));
      await copy.exited;
      expect([...notes.splice(0)].sort()).to.deep.equal([-1, 3, 4, 5]);
    }
  });
});
