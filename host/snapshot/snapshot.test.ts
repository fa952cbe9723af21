import { expect } from "chai";
import {
  type CompiledModule,
  compileSync,
  eventLoopTurn,
  type HostDefinition,
  SnapshotError,
  Store,
} from "../../vm/index.ts";
import { Config } from "../config.ts";
import { Executor } from "../executor.ts";
import { FakeClock } from "../fakes.ts";
import { compileGuest, type Note, TestHost } from "../functions/testing.ts";
import { Account } from "../group.ts";
import type { ImportRules } from "../import-policy.ts";
import { MemoryDirectory } from "../memory-files.ts";
import type { ProcessHandle } from "../process-handle.ts";
import { type RestoreProcessOptions, Runtime } from "../runtime.ts";
import { reasonText } from "../signal.ts";
import { Timer } from "../timers.ts";
import type { ProcessSnapshotOptions } from "./save.ts";

const CREATE = `(call $message::create_data (i64.const 5) (i64.const 0))`;
const SELF = "(call $process::process_id)";
const EXPORTS = `(memory (export "memory") 2) (data (i32.const 100) "hello") (data (i32.const 200) "the-name")`;

/** Does a little of everything that a process can wait for. */
const BUSY = compileGuest(`${EXPORTS}
  (func $spin (param i32) (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func $say (param i32) ${CREATE} (i32.store (i32.const 0) (local.get 0))
    (drop (call $message::write_data (i32.const 0) (i32.const 4))))
  (func $hear (param $tags i32) (param $timeout i64) (call $test::i32
      (call $message::receive (i32.const 300) (local.get $tags) (local.get $timeout)))
    (drop (call $message::read_data (i32.const 8) (i32.const 4))) (call $test::i32 (i32.load (i32.const 8))))
  (func (export "main") (local $i i32)
    (i64.store (i32.const 300) (i64.const 5))
    (call $test::i64 ${SELF})
    (loop $l
      (call $spin (i32.const 20000))
      (call $say (local.get $i)) (drop (call $message::send ${SELF}))
      (call $say (i32.add (i32.const 100) (local.get $i))) (drop (call $timer::send_after ${SELF} (i64.const 300)))
      (call $hear (i32.const 1) (i64.const -1))
      (call $process::sleep_ms (i64.const 50))
      (call $test::i32 (call $message::receive (i32.const 300) (i32.const 1) (i64.const 20)))
      (call $hear (i32.const 0) (i64.const 100000))
      (call $spin (i32.const 30000))
      (call $say (i32.const 7)) (drop (call $process::compile_module (i32.const 100) (i32.const 3) (i32.const 400)))
      (call $test::i64 (i64.load (i32.const 400)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4))))
    (drop (call $message::send ${SELF}))
    (call $test::i32 (call $message::receive (i32.const 0) (i32.const 0) (i64.const 0))))`);

/** Saves, and lets the executor go on until that is done. */
async function saved(host: TestHost, handle: ProcessHandle, options: ProcessSnapshotOptions = {}): Promise<Uint8Array> {
  const bytes = handle.snapshot(options);
  host.executor.runUntilIdle(options.stop === true ? 2 : 0);
  return bytes;
}

async function restored(
  host: TestHost,
  bytes: Uint8Array,
  modules: readonly CompiledModule[],
  options: Partial<RestoreProcessOptions> = {},
): Promise<ProcessHandle> {
  const handle = host.runtime.restore(bytes, { modules, ...options });
  host.executor.runUntilIdle(1);
  return handle;
}

/** The message with which something is refused. */
async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof SnapshotError) return `${error.kind}: ${error.message}`;
    throw error;
  }
  return "not refused";
}

/** Starts a guest that waits, or ends, after `setUp`. */
function waiting(setUp: string, more = ""): { host: TestHost; handle: ProcessHandle; module: CompiledModule } {
  const host = new TestHost();
  const module = compileGuest(`${EXPORTS} ${more} (func (export "main") ${setUp}
    (call $test::i32 (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1))))`);
  const handle = host.start(module);
  host.executor.runUntilIdle();
  return { host, handle, module };
}

describe("the snapshot of a process", () => {
  it("goes on with the same results and fuel wherever it is taken", async () => {
    const alone = new TestHost();
    const first = alone.start(BUSY);
    alone.executor.runUntilIdle();
    expect(reasonText(first.process.exitReason!)).to.equal("normal");

    const host = new TestHost();
    let handle = host.start(BUSY);
    const ends: Promise<unknown>[] = [];
    let count = 0;
    for (; count < 1_000; count++) {
      // Alone, each would come before a timer that is due.
      host.executor.runUntilIdle(1 + (count % 3));
      if (handle.process.hasEnded) break;
      const bytes = await saved(host, handle, { stop: true });
      ends.push(handle.exited);
      handle = await restored(host, bytes, [BUSY]);
    }
    expect(count).to.be.greaterThan(20);
    expect(host.notes).to.deep.equal(alone.notes);
    expect(handle.stats.fuel).to.equal(first.stats.fuel);
    expect(handle.pid).to.equal(1);
    expect(await Promise.all(ends)).to.deep.equal(ends.map(() => ({ kind: "normal" })));
    expect(host.runtime.processCount).to.equal(0);
  });

  it("leaves the process as it was, and both go on alike", async () => {
    const host = new TestHost();
    const handle = host.start(BUSY);
    host.executor.runUntilIdle(9);
    const before: Note[] = [...host.notes];
    const bytes = await saved(host, handle);
    host.executor.runUntilIdle();
    const elsewhere = new TestHost();
    const copy = await restored(elsewhere, bytes, [BUSY]);
    elsewhere.executor.runUntilIdle();
    expect([...before, ...elsewhere.notes]).to.deep.equal(host.notes);
    expect(copy.stats.fuel).to.equal(handle.stats.fuel);
  });

  it("is taken of one that is paused, and at the end of a turn that goes on", async () => {
    const host = new TestHost();
    const handle = host.start(BUSY);
    host.executor.runUntilIdle(2);
    handle.pause();
    const bytes = await handle.snapshot();
    host.executor.runUntilIdle();
    expect(handle.stats.state).to.equal("paused");
    const elsewhere = new TestHost();
    await restored(elsewhere, bytes, [BUSY]);
    elsewhere.executor.runUntilIdle();
    expect(elsewhere.notes.length).to.be.greaterThan(10);

    let inTurn: Promise<Uint8Array> | null = null;
    const asking = new TestHost();
    asking.prepare = (process) => {
      inTurn ??= handleOf.snapshot();
      expect(process.isRunnable).to.equal(true);
    };
    const module = compileGuest(`(func (export "main") (call $test::prepare) (call $test::i32 (i32.const 1))
      (call $process::sleep_ms (i64.const 5)) (call $test::i32 (i32.const 2)))`);
    const handleOf = asking.start(module);
    asking.executor.runUntilIdle();
    const third = new TestHost();
    await restored(third, await inTurn!, [module]);
    third.executor.runUntilIdle();
    expect([asking.notes, third.notes]).to.deep.equal([[1, 2], [2]]);
  });

  it("is taken while the process is being started", async () => {
    const host = new TestHost();
    const module = compileGuest(`(func $start (call $process::sleep_ms (i64.const 100)) (call $test::i32 (i32.const 1)))
      (start $start) (func (export "main") (param i32 i64) (call $test::i32 (local.get 0)) (call $test::i64 (local.get 1)))`);
    const handle = host.start(module, { args: [7, -8n] });
    host.executor.runUntilIdle(1);
    expect(handle.stats.state).to.equal("initialising");
    const bytes = await saved(host, handle);
    const elsewhere = new TestHost();
    await restored(elsewhere, bytes, [module]);
    elsewhere.executor.runUntilIdle();
    expect(elsewhere.notes).to.deep.equal([1, 7, -8n]);
  });
});

/** A registered name of process `pid`. */
const named = (pid: number) => `(call $registry::put (i32.const 200) (i32.const 8) (i64.const 0) (i64.const ${pid}))`;

describe("what a saved process takes along", () => {
  it("messages with modules, the slot, errors, configurations and the number of the next", async () => {
    const { host, module } = waiting(
      `(drop (call $process::create_config)) (drop (call $process::create_config))
      (call $process::drop_config (i64.const 0))
      (call $process::config_set_max_memory (i64.const 1) (i64.const 12345))
      (call $wasi::config_add_environment_variable (i64.const 1) (i32.const 100) (i32.const 5) (i32.const 100) (i32.const 5))
      (drop (call $process::compile_module (i32.const 100) (i32.const 3) (i32.const 400)))
      (drop (call $process::compile_module (i32.const 64) (i32.const 8) (i32.const 400)))
      ${CREATE} (drop (call $message::push_module (i64.const 0)))
      (drop (call $message::send ${SELF}))
      ${CREATE} (drop (call $message::write_data (i32.const 100) (i32.const 5)))
      (call $message::seek_data (i64.const 2))
      (call $process::sleep_ms (i64.const 100))
      (call $test::i32 (call $message::read_data (i32.const 500) (i32.const 9)))
      (call $test::i32 (i32.load8_u (i32.const 500)))
      (call $test::i64 (call $process::config_get_max_memory (i64.const 1)))
      (call $test::i64 (call $process::create_config))
      (call $test::i32 (call $error::string_size (i64.const 0)))
      (call $test::i32 (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)))
      (call $test::i64 (call $message::take_module (i64.const 0)))`,
      `(data (i32.const 64) "\\00asm\\01\\00\\00\\00")`,
    );
    const again = new TestHost();
    const process = again.start(module);
    while (process.stats.state !== "waiting") again.executor.runUntilIdle(1);
    const bytes = await saved(again, process);
    const other = compileGuest(`(func)`);
    const elsewhere = new TestHost();
    const missing = elsewhere.runtime.restore(bytes, { modules: [module, other] });
    elsewhere.executor.runUntilIdle(1);
    expect(await refusal(missing)).to.match(/^mismatch: .*the module of SHA-256/);
    const empty = compileSync(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    await restored(elsewhere, bytes, [module, empty]);
    elsewhere.executor.runUntilIdle();
    expect(elsewhere.notes).to.deep.equal(host.notes);
    expect(host.notes.slice(0, 4)).to.deep.equal([3, "l".charCodeAt(0), 12_345n, 2n]);
  });

  it("registered names, links and monitors with named processes, both ways", async () => {
    const host = new TestHost();
    const module = compileGuest(`${EXPORTS} (func (export "main")
      (call $registry::put (i32.const 100) (i32.const 5) (i64.const 0) ${SELF})
      (call $process::die_when_link_dies (i32.const 0))
      (call $process::link (i64.const 44) (i64.const 1)) (call $process::monitor (i64.const 1))
      (call $test::i32 (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)))
      (call $test::i64 (call $message::get_tag))
      (call $test::i32 (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1))))`);
    const partner = compileGuest(`${EXPORTS} (func (export "main") ${named(1)}
      (drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1))))`);
    const first = host.start(partner);
    host.executor.runUntilIdle();
    const handle = host.start(module);
    host.executor.runUntilIdle();
    const bytes = await saved(host, handle, { stop: true });
    host.executor.runUntilIdle();
    expect(first.stats.links).to.equal(0);
    const back = await restored(host, bytes, [module]);
    expect([back.pid, back.stats.links, first.stats.links]).to.deep.equal([2, 1, 1]);
    expect(host.runtime.environment.registry.get("hello")).to.include({ processId: 2n });
    first.kill();
    host.executor.runUntilIdle();
    expect(host.notes).to.deep.equal([1, 44n, 2]);
    // Elsewhere there is nobody of that name.
    const elsewhere = new TestHost();
    const alone = elsewhere.runtime.restore(bytes, { modules: [module] });
    elsewhere.executor.runUntilIdle(1);
    expect(await refusal(alone)).to.equal(
      'mismatch: the snapshot needs something else: no process is registered as "the-name"',
    );
    expect(elsewhere.runtime.environment.registry.size).to.equal(0);
    elsewhere.executor.runUntilIdle();
    expect(elsewhere.runtime.processCount).to.equal(0);
    await restored(elsewhere, bytes, [module], { relations: "drop" });
    expect(elsewhere.runtime.environment.registry.get("hello")).to.include({ processId: 3n });
  });

  it("no names that strangers have put for its number, and those that they have taken are refused, or left out", async () => {
    const host = new TestHost();
    const { runtime, executor } = host;
    const [own, other] = [runtime.createGroup(), runtime.createGroup()];
    const put = (node: number, pid: string) =>
      `(call $registry::put (i32.const 100) (i32.const 5) (i64.const ${node}) ${pid})`;
    const module = compileGuest(
      `${EXPORTS} (func (export "main") ${put(0, SELF)} (call $process::sleep_ms (i64.const -1)))`,
    );
    const stranger = compileGuest(
      `${EXPORTS} (data (i32.const 100) "evils") (func (export "main") ${put(0, "(i64.const 1)")} (i32.store8 (i32.const 101) (i32.const 65))
        ${put(7, "(i64.const 1)")} (call $process::sleep_ms (i64.const -1)))`,
    );
    const handle = host.start(module, { group: own });
    executor.runUntilIdle();
    const quiet = await saved(host, handle);
    const shutIn = { visibility: "own" } as const;
    const attacker = host.start(stranger, { group: other, config: shutIn });
    executor.runUntilIdle();
    expect(attacker.stats.state).to.equal("waiting");
    expect((await saved(host, handle, { stop: true })).length).to.equal(quiet.length);
    executor.runUntilIdle();
    // Now it takes the name, which nobody living has.
    const taker = compileGuest(
      `${EXPORTS} (func (export "main") ${put(0, SELF)} (call $process::sleep_ms (i64.const -1)))`,
    );
    host.start(taker, { group: other, config: shutIn });
    executor.runUntilIdle();
    const config = { visibility: "own" } as const;
    const refusedWork = runtime.restore(quiet, { modules: [module], group: own, config });
    executor.runUntilIdle();
    expect(await refusal(refusedWork)).to.include('is registered as "hello"');
    const back = await restored(host, quiet, [module], { relations: "drop", group: own, config });
    expect(back.stats.state).to.equal("waiting");
    expect(runtime.environment.registry.get("hello")).to.not.include({ processId: BigInt(back.pid) });
  });

  it("its limits and rights, as far as the restorer has them", async () => {
    const host = new TestHost();
    const module = compileGuest(`${EXPORTS} (func (export "main") (call $process::sleep_ms (i64.const 10))
      (drop (memory.grow (i32.const 3))) (call $test::i32 (memory.size)) (loop (br 0)))`);
    const config = { maxMemory: 4 * 65_536, maxFuel: 90_000, args: ["a"], imports: { deny: ["x::*"] } };
    const handle = host.start(module, { config });
    host.executor.runUntilIdle(1);
    const bytes = await saved(host, handle);
    const ends: string[] = [];
    for (const own of [{}, { maxMemory: 6 * 65_536, maxFuel: 50_000 }]) {
      const elsewhere = new TestHost();
      const { process } = await restored(elsewhere, bytes, [module], { config: own });
      elsewhere.executor.runUntilIdle();
      ends.push(`${elsewhere.notes} ${reasonText(process.exitReason!)}`);
    }
    expect(ends).to.deep.equal([
      "2 fuel exhausted: 90000 used, 90000 allowed",
      "2 fuel exhausted: 50000 used, 50000 allowed",
    ]);
    const tight = host.runtime.restore(bytes, { modules: [module], config: { maxMemory: 65_536 } });
    host.executor.runUntilIdle(1);
    expect(await tight.catch((error: unknown) => String(error))).to.include("memory limit");
    const denied = host.runtime.restore(bytes, {
      modules: [module],
      config: { imports: { deny: ["lunatic::process::*"] }, denied: "reject" },
    });
    host.executor.runUntilIdle(1);
    expect(await refusal(denied)).to.include("mismatch");
    host.executor.runUntilIdle();
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
  });

  it("what was redirected is the restorer's again, and denied where it redirects nothing", async () => {
    const told: unknown[] = [];
    const tell = (who: string): HostDefinition => ({
      params: ["i32"],
      results: [],
      call(_caller, value: number) {
        told.push([who, value]);
        return [];
      },
    });
    const rules = (who: string) => ({ deny: ["test::*"], redirect: { "test::i32": tell(who) } });
    const module = compileGuest(`${EXPORTS} (func (export "main") (call $test::i32 (i32.const 1))
      (call $process::sleep_ms (i64.const 10)) (call $test::i32 (i32.const 2)))`);
    const host = new TestHost();
    const handle = host.start(module, { config: { imports: rules("first") } });
    host.executor.runUntilIdle(1);
    const bytes = await saved(host, handle);
    const endOf = async (snapshot: Uint8Array, imports?: ImportRules) => {
      const elsewhere = new TestHost();
      const config = imports === undefined ? {} : { imports };
      const copy = await restored(elsewhere, snapshot, [module], { config });
      // Saved once more, as whatever has moved may move on.
      const again = await saved(elsewhere, copy);
      elsewhere.executor.runUntilIdle();
      return { again, end: reasonText(copy.process.exitReason!), notes: elsewhere.notes };
    };
    const second = await endOf(bytes, rules("second"));
    expect([second.end, told]).to.deep.equal([
      "normal",
      [
        ["first", 1],
        ["second", 2],
      ],
    ]);
    const third = await endOf(second.again, { redirect: { "test::*": tell("third") } });
    expect([third.end, told.at(-1)]).to.deep.equal(["normal", ["third", 2]]);
    // What the restorer denies, or does not redirect, is denied: the usual function it never had.
    for (const imports of [undefined, {}, { deny: ["test::i32"] }, { redirect: { "test::i64": tell("nobody") } }]) {
      const { end, notes } = await endOf(second.again, imports);
      expect(end).to.equal("import denied: test::i32 is not permitted");
      expect(notes).to.deep.equal([]);
    }
    // Rules that narrow a child narrow what its creator's redirect.
    const child = new Config({ imports: rules("creator") }).restored({
      ...new Config(),
      rules: [{ deny: ["test::*"], redirected: ["test::i64"] }],
    });
    expect(child.policy?.decide("test::i32")).to.equal("denied");
  });

  it("the time that is left, and no more", async () => {
    const { host, module } = waiting(
      `(call $process::sleep_ms (i64.const 5000)) (drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const 3000)))`,
    );
    const source = new TestHost();
    const first = source.start(module);
    source.executor.runUntilIdle(1);
    let isLater = false;
    const timer = new Timer(() => {
      isLater = true;
    });
    source.executor.arm(timer, 4_000);
    while (!isLater) source.executor.runUntilIdle(1);
    const savedAtMs = source.executor.nowMs();
    const bytes = await saved(source, first);
    const startMs = host.executor.nowMs();
    await restored(host, bytes, [module]);
    host.executor.runUntilIdle();
    const leftMs = 8_000 - savedAtMs;
    expect(leftMs).to.be.within(3_000, 4_100);
    expect(host.executor.nowMs() - startMs).to.be.within(leftMs - 2, leftMs + 4);
  });

  it("standard streams and preopened directories under their numbers, and what remains of a poll", async () => {
    const data = MemoryDirectory.create(new FakeClock());
    const config = {
      preopens: [{ name: "data", readOnly: false, isScripted: true, open: () => Promise.resolve(data) }],
    };
    const module = compileGuest(`${EXPORTS}
      (func (export "main")
        (drop (call $wasi_snapshot_preview1::fd_close (i32.const 0)))
        (drop (call $wasi_snapshot_preview1::fd_renumber (i32.const 3) (i32.const 1)))
        (i32.store (i32.const 616) (i32.const 1)) (i64.store (i32.const 624) (i64.const 2000000000))
        (call $test::i32 (call $wasi_snapshot_preview1::poll_oneoff (i32.const 600) (i32.const 700) (i32.const 1) (i32.const 800)))
        (call $test::i32 (call $wasi_snapshot_preview1::fd_fdstat_get (i32.const 0) (i32.const 900)))
        (call $test::i32 (call $wasi_snapshot_preview1::fd_prestat_dir_name (i32.const 1) (i32.const 900) (i32.const 4)))
        (call $test::bytes (i32.const 900) (i32.const 4))
        (call $test::i32 (call $wasi_snapshot_preview1::fd_fdstat_get (i32.const 3) (i32.const 900))))`);
    const clock = new FakeClock();
    const host = new TestHost({ services: { clock } });
    const handle = host.start(module, { config });
    host.executor.runUntilIdle();
    while (host.runtime.processes[0]?.state !== "waiting" || clock.waiting === 0) {
      await eventLoopTurn();
      host.executor.runUntilIdle();
    }
    clock.advance(1_500_000_000n);
    const bytes = await saved(host, handle);
    const refusing = new TestHost();
    const none = refusing.runtime.restore(bytes, { modules: [module] });
    expect(await refusal(none)).to.equal('mismatch: the snapshot needs something else: no directory "data" to give');
    const clockThere = new FakeClock();
    const elsewhere = new TestHost({ services: { clock: clockThere } });
    const there = elsewhere.runtime.restore(bytes, { modules: [module], config });
    while (clockThere.waiting === 0) {
      await eventLoopTurn();
      elsewhere.executor.runUntilIdle();
    }
    const { process } = await there;
    clockThere.advance(500_000_000n);
    while (!process.hasEnded) {
      await eventLoopTurn();
      elsewhere.executor.runUntilIdle();
    }
    expect(elsewhere.notes).to.deep.equal([0, 8, 0, "data", 8]);
  });
});

describe("a process is not saved", () => {
  const refused = async (setUp: string, options: ProcessSnapshotOptions = {}, more = ""): Promise<string> => {
    const { host, handle } = waiting(setUp, more);
    const work = handle.snapshot(options);
    host.executor.runUntilIdle();
    return refusal(work);
  };

  it("when something of it is no data, which is named", async () => {
    const child = `(drop (call $process::spawn (i64.const 0) (i64.const -1) (i64.const -1) (i32.const 200) (i32.const 4)
      (i32.const 0) (i32.const 0) (i32.const 400)))`;
    expect(
      await refused(`${child} (call $process::link (i64.const 3) (i64.load (i32.const 400)))`, {}, childOf()),
    ).to.match(/linked with process 2, which has no registered name/);
    expect(await refused(`${child} (call $process::monitor (i64.load (i32.const 400)))`, {}, childOf())).to.match(
      /monitors process 2, which has no registered name/,
    );
    expect(
      await refused(
        `${child} ${CREATE} (drop (call $timer::send_after (i64.load (i32.const 400)) (i64.const -1)))`,
        {},
        childOf(),
      ),
    ).to.match(/timer 0 is for process 2/);
    const dropped = `${child} (call $process::link (i64.const 3) (i64.load (i32.const 400)))`;
    expect(await refused(dropped, { relations: "drop" }, childOf())).to.equal("not refused");
  });

  it("while a call waits for something outside, unless it may settle", async () => {
    const host = new TestHost();
    const module = compileGuest(`${EXPORTS} (func $start (call $process::sleep_ms (i64.const 50))) (start $start)
      (func (export "the-")) (func (export "main")
        (if (i64.eq ${SELF} (i64.const 1)) (then
          (drop (call $process::spawn (i64.const 0) (i64.const -1) (i64.const -1) (i32.const 200) (i32.const 4)
            (i32.const 0) (i32.const 0) (i32.const 400)))))
        (call $test::i32 (i32.const 1)))`);
    const handle = host.start(module);
    while (host.runtime.processCount < 2) host.executor.runUntilIdle(1);
    host.executor.runUntilIdle(1);
    expect(await refusal(handle.snapshot())).to.include(
      "the call of host function lunatic::process::spawn waits for something outside",
    );
    const settled = handle.snapshot({ settle: true, stop: true });
    host.executor.runUntilIdle();
    expect(await refusal(settled)).to.match(/has ended/);
  });

  it("when it has ended, and when it is a native one", async () => {
    const { host, handle } = waiting("");
    handle.kill();
    host.executor.runUntilIdle();
    expect(await refusal(handle.snapshot())).to.match(/process 1 has ended/);
    await using runtime = new Runtime({ executor: new Executor() });
    const native = runtime.spawnNative(({ receive }) => receive());
    expect(await refusal(native.snapshot())).to.match(/process 1 is a native one/);
  });

  it("nor is a store taken for one, or one for a store", async () => {
    const { host, handle, module } = waiting("");
    const bytes = await saved(host, handle);
    expect(() => Store.restore(bytes, { modules: [module] })).to.throw(SnapshotError);
    const plain = new Store().instantiateSync(compileGuest("(func)")).store.snapshot();
    expect(await refusal(host.runtime.restore(plain, { modules: [module] }))).to.match(
      /of a store, and not of a process/,
    );
  });
});

function childOf(): string {
  return `(func (export "the-") (drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1))))`;
}
