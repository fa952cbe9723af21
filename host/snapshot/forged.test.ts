import { expect } from "chai";
import {
  type CompiledModule,
  type FrameState,
  Restoration,
  SnapshotError,
  Store,
  Termination,
} from "../../vm/index.ts";
import { compileGuest, TestHost } from "../functions/testing.ts";
import { Account } from "../group.ts";
import { LinkDied, ProcessDied } from "../message.ts";
import { SpawnError } from "../spawn-error.ts";
import { ByteSink, ByteSource } from "./byte-stream.ts";
import { Modules, readMessage, writeMessage } from "./messages.ts";

const COUNT = Number(process.env["FORGED_PROCESSES"] ?? 1_500);

const MODULE: CompiledModule = compileGuest(
  `(memory (export "memory") 1) (data (i32.const 100) "hello")
  (func (export "main")
    (call $registry::put (i32.const 100) (i32.const 5) (i64.const 0) (call $process::process_id))
    (drop (call $process::create_config))
    (drop (call $process::compile_module (i32.const 100) (i32.const 3) (i32.const 400)))
    (call $message::create_data (i64.const 3) (i64.const 0))
    (drop (call $message::write_data (i32.const 100) (i32.const 5)))
    (drop (call $timer::send_after (call $process::process_id) (i64.const 800)))
    (call $message::create_data (i64.const 9) (i64.const 0))
    (drop (call $message::send (call $process::process_id)))
    (drop (call $wasi_snapshot_preview1::fd_close (i32.const 0)))
    (i64.store (i32.const 8) (i64.const 3))
    (call $message::create_data (i64.const 9) (i64.const 0))
    (drop (call $message::receive (i32.const 8) (i32.const 1) (i64.const 900)))
    (call $process::sleep_ms (i64.const 50))
    (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 100)))))`.replace(
    '(export "main")',
    '(export "main") (local i32)',
  ),
);

function randomWords(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return state >>> 8;
  };
}

const WRONG: readonly FrameState[] = [
  ...[null, true, -1, 0, 1.5, 7, 2 ** 31, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, 1n, -1n, 1n << 70n, ""],
  ...["hello", "x".repeat(300), new Uint8Array(9), [], [[]], {}, [null], { name: "nobody" }, { self: true }],
];

/** The same data with some part of it replaced. */
function forged(state: FrameState, random: () => number): FrameState {
  if (state instanceof Uint8Array && state.length > 0 && random() % 4 !== 0) {
    const bytes = state.slice(0, random() % 8 === 0 ? random() % state.length : state.length);
    if (bytes.length > 0) bytes[random() % bytes.length] = random() & 0xff;
    return bytes;
  }
  const isInner = typeof state === "object" && state !== null && !(state instanceof Uint8Array);
  if (!isInner || random() % 12 === 0) return WRONG[random() % WRONG.length]!;
  if (Array.isArray(state)) {
    const list = [...(state as FrameState[])];
    if (list.length === 0 || random() % 4 === 0) list.push(...list.slice(0, 1), WRONG[random() % WRONG.length]!);
    else {
      const at = random() % list.length;
      list[at] = forged(list[at]!, random);
    }
    return list;
  }
  const record: Record<string, FrameState> = { ...(state as { readonly [key: string]: FrameState }) };
  const keys = Object.keys(record);
  const key = keys[random() % Math.max(1, keys.length)] ?? "x";
  if (random() % 10 === 0) delete record[key];
  else record[key] = forged(record[key] ?? null, random);
  return record;
}

describe("forged snapshots of processes", () => {
  it("pay for the notices in a mailbox", () => {
    const { group } = new TestHost({ maxMemory: 600 }).runtime;
    const restore = (kind: number) => {
      const sink = new ByteSink();
      writeMessage(sink, kind === 1 ? new LinkDied(1n) : new ProcessDied(3n), () => "it");
      return readMessage(new ByteSource(sink.pieces), new Modules([]), group);
    };
    const notices = [restore(1), restore(2)];
    expect(group.used(Account.Memory)).to.equal(512);
    expect(() => restore(1)).to.throw(Termination, /a notice/);
    for (const notice of notices) notice.drop();
    expect(group.used(Account.Memory)).to.equal(0);
  });

  it("leave no timer armed when they are refused", async () => {
    const host = new TestHost();
    const handle = host.start(MODULE);
    while (handle.stats.state !== "waiting") host.executor.runUntilIdle(1);
    const bytes = await handle.snapshot();
    // The name is the living one's.
    const outcome = await Promise.all([
      host.runtime.restore(bytes, { modules: [MODULE] }).catch((error: unknown) => String(error)),
      Promise.resolve(host.executor.runUntilIdle(1)),
    ]);
    expect(outcome[0]).to.include("is registered as");
    expect([host.runtime.group.used(Account.Timers), host.executor.armedTimers]).to.deep.equal([1, 2]);
  });

  it(`are refused or give a process that runs under its limits: ${COUNT} of them`, async function () {
    this.timeout(120_000 + COUNT * 20);
    const host = new TestHost();
    const handle = host.start(MODULE);
    while (handle.stats.state !== "waiting") host.executor.runUntilIdle(1);
    const first = await handle.snapshot();
    while (handle.process.mailbox.size === 1 && host.executor.nowMs() < 810) host.executor.runUntilIdle(1);
    const second = await handle.snapshot();
    const random = randomWords(Number(process.env["FORGED_SEED"] ?? 5));
    const elsewhere = new TestHost();
    const { runtime, executor } = elsewhere;
    const counts = { refused: 0, run: 0 };
    for (let i = 0; i < COUNT; i++) {
      const original = i % 2 === 0 ? first : second;
      const restoration = new Restoration(original);
      const data = forged(restoration.data, random);
      const { store, invocations } = Store.restore(original, restoreOptions());
      const bytes = store.snapshot(invocations, { data });
      const config = { maxMemory: 1_048_576, maxFuel: 1_000_000 };
      const work = runtime.restore(bytes, { modules: [MODULE], config, ...(i % 3 === 0 ? { relations: "drop" } : {}) });
      const outcome = work.then(
        () => "run" as const,
        (error: unknown) => {
          const isExpected = [SnapshotError, Termination, SpawnError].some((kind) => error instanceof kind);
          if (!isExpected) throw new Error(`forgery ${i}: ${String(error)}`, { cause: error });
          return "refused" as const;
        },
      );
      executor.runUntilIdle(2);
      counts[await outcome]++;
      for (const { pid } of runtime.processes) runtime.environment.getStarted(pid)?.kill({ kind: "killed", by: null });
      executor.runUntilIdle();
    }
    expect(counts.refused).to.be.greaterThan(COUNT / 4);
    expect(counts.run).to.be.greaterThan(COUNT / 20);
    await elsewhere.settle();
    expect(runtime.processCount).to.equal(0);
    for (const item of runtime.group.pending.toArray()) item.cancel();
    for (const name of ["hello", "x".repeat(300), ""]) runtime.environment.registry.remove(name);
    expect([Account.Memory, Account.Timers, Account.Names].map((each) => runtime.group.used(each))).to.deep.equal([
      0, 0, 0,
    ]);
  });
});

/** What the store of the guest needs, without any process. */
function restoreOptions() {
  const { runtime } = new TestHost();
  const hosts = new Map(
    MODULE.data.imports.map((item) => [
      `${item.module} ${item.name}`,
      runtime.find(item.module, item.name, MODULE.describe(item.type))!,
    ]),
  );
  return { modules: [MODULE], imports: (from: string, name: string) => hosts.get(`${from} ${name}`) };
}
