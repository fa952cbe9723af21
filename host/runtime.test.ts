import { expect } from "chai";
import { CompileError, compileSync, eventLoopTurn, Termination } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import { Executor, PLATFORM_TURNS } from "./executor.ts";
import { Account } from "./group.ts";
import { FakeClock } from "./fakes.ts";
import { MemoryDirectory } from "./memory-files.ts";
import { MAX_SHAPE } from "./module-shape.ts";
import type { NativeContext } from "./native.ts";
import { Runtime } from "./runtime.ts";
import { SpawnError } from "./spawn-error.ts";
import type { TraceEvent } from "./runtime-core.ts";
import { reasonText } from "./signal.ts";
import type { Cancel } from "./system.ts";
import { guest, testFunctions, testRuntime } from "./testing.ts";

const LETTER = (letter: string): string => `(i32.const ${letter.charCodeAt(0)})`;
const HOG = compileSync(guest(`(func (export "a") (param i64) (loop $again (br $again)))`));

/** On the real clock, with the functions of tests. */
function live(notes: number[] = [], executor = new Executor()): Runtime {
  const functions = testFunctions(notes);
  return new Runtime({
    executor,
    functions: [(module, name) => (module === "test" ? functions[name] : undefined)],
  });
}

describe("Runtime", () => {
  it("runs guests beside the event loop, which goes on after each budget of time", async () => {
    let nowMs = 0;
    const turns: number[] = [];
    const executor: Executor = new Executor({
      source: {
        ...PLATFORM_TURNS,
        nowMs: () => {
          nowMs += 0.25;
          return nowMs;
        },
        nextTurn(run) {
          turns.push(executor.stats.turns);
          PLATFORM_TURNS.nextTurn(run);
        },
      },
    });
    const runtime = live([], executor);
    const hogs = Array.from({ length: 20 }, () => runtime.spawn(HOG, { entry: "a", args: [0n] }));
    for (let i = 0; i < 40; i++) await eventLoopTurn();
    const fuel = hogs.map(({ stats }) => stats.fuel);
    expect(Math.min(...fuel)).to.be.above(0);
    // Four milliseconds are 16 looks at this clock, and a turn takes one at least.
    const each = turns.map((count, i) => count - (turns[i - 1] ?? 0));
    expect(each.length).to.be.above(20);
    expect(Math.max(...each)).to.be.within(4, 17);
    await runtime.dispose();
    for (const hog of hogs) expect(await hog.exited).to.deep.equal({ kind: "killed", by: null });
    expect(runtime.group.used(Account.Memory)).to.equal(0);
  });

  it("gives several runtimes of one executor equal shares", async () => {
    const executor = new Executor({
      seed: 3,
      source: { nowMs: () => 0, nextTurn: () => {}, wakeAfter: () => () => {} },
    });
    const functions = testFunctions([]);
    const runtimes = Array.from(
      { length: 20 },
      () => new Runtime({ executor, functions: [(_module, name) => functions[name]] }),
    );
    runtimes.forEach((runtime, i) => {
      for (let hog = 0; hog <= i % 3; hog++) runtime.spawn(HOG, { entry: "a", args: [0n] });
    });
    executor.runUntilIdle(3_000);
    const fuel = runtimes.map(({ group }) => group.used(Account.Fuel));
    expect(Math.max(...fuel) - Math.min(...fuel)).to.be.at.most(250_000);
  });

  it("kills, pauses and resumes from outside, and by a signal", async () => {
    const runtime = live();
    const controller = new AbortController();
    const hog = runtime.spawn(HOG, { entry: "a", args: [0n], signal: controller.signal });
    const turn = () => new Promise((resolve) => setTimeout(resolve, 10));
    await turn();
    hog.pause();
    await turn();
    const { fuel } = hog.stats;
    await turn();
    expect(hog.stats.state).to.equal("paused");
    expect(hog.stats.fuel).to.equal(fuel);
    hog.resume();
    await turn();
    expect(hog.stats.fuel).to.be.above(fuel);
    controller.abort();
    expect(await hog.exited).to.deep.include({ kind: "killed", by: null });
    await using late = runtime.spawn(HOG, { entry: "a", args: [0n], signal: controller.signal });
    expect((await late.exited).kind).to.equal("killed");
    await runtime.dispose();
  });

  it("wakes guests by timers, which it asks the platform for, and not before their time", async () => {
    const notes: number[] = [];
    const delays: number[] = [];
    const wakeAfter = (delayMs: number, wake: () => void): Cancel => {
      delays.push(delayMs);
      return PLATFORM_TURNS.wakeAfter(delayMs, wake);
    };
    const runtime = live(notes, new Executor({ source: { ...PLATFORM_TURNS, wakeAfter } }));
    const module = compileSync(
      guest(`(func (export "a") (param i64) (call $sleep (i64.const 20)) (call $note (i32.const 1)))`),
    );
    const before = performance.now();
    const reason = await runtime.spawn(module, { entry: "a", args: [0n] }).exited;
    expect(reason).to.deep.equal({ kind: "normal" });
    expect(performance.now() - before).to.be.at.least(19.9);
    // Rounded up to a sixteenth, and to a whole one. It may sleep again if the platform wakes it early.
    expect(delays[0]).to.be.within(1, 21);
    expect(notes).to.deep.equal([1]);
    await runtime.dispose();
  });

  it("grants, redirects and denies imports, and a denial cannot be survived", () => {
    const { runtime, executor, notes } = testRuntime();
    const module = compileSync(
      guest(`(func (export "a") (param i64) (call $note (i32.const 1)) (call $sleep (i64.const 1)))`),
    );
    const redirected: number[] = [];
    const note = {
      params: ["i32"],
      results: [],
      call: (_caller: unknown, value: number) => {
        redirected.push(value);
        return [];
      },
    };
    const spawn = (imports: object, rest: object = {}) =>
      runtime.spawn(module, { entry: "a", args: [0n], config: { imports, ...rest } });
    const granted = spawn({ allow: ["test::*"] });
    const elsewhere = spawn({ redirect: { "test::note": note } });
    const refused = spawn({ deny: ["test::s*p"] });
    const rejected = spawn({ allow: ["test::no*"] }, { denied: "reject" });
    executor.runUntilIdle();
    expect(granted.process.exitReason).to.deep.equal({ kind: "normal" });
    expect(elsewhere.process.exitReason).to.deep.equal({ kind: "normal" });
    expect(redirected).to.deep.equal([1]);
    expect(refused.process.exitReason).to.include({ kind: "limit", limit: "import denied" });
    expect((refused.process.exitReason as { error: Termination }).error.message).to.include(
      "test::sleep is not permitted",
    );
    expect(notes).to.deep.equal([1, 1]);
    expect(rejected.process.exitReason?.kind).to.equal("error");
  });

  it("has the same trace for the same seed, and other orders for others", () => {
    const traceOf = (seed: number): string => {
      const events: TraceEvent[] = [];
      const { start, executor } = testRuntime({ trace: (event) => events.push(event) }, seed);
      start(`
        (func (export "a") (param i64)
          (drop (call $spawn ${LETTER("b")} (call $self) (i64.const -1)))
          (drop (call $spawn ${LETTER("b")} (call $self) (i64.const -1)))
          (drop (call $spawn ${LETTER("b")} (call $self) (i64.const -1)))
          (drop (call $receive (i64.const 0) (i64.const -1)))
          (drop (call $receive (i64.const 0) (i64.const -1))))
        (func (export "b") (param $p i64) (local $i i32)
          (loop $again
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $i) (i32.const 60000))))
          (drop (call $send (local.get $p) (i64.const 0) (call $self))))`);
      executor.runUntilIdle();
      return JSON.stringify(events, (_key, value) => (typeof value === "bigint" ? `${value}` : value));
    };
    expect(traceOf(11)).to.equal(traceOf(11));
    expect(new Set(Array.from({ length: 100 }, (_, seed) => traceOf(seed))).size).to.be.at.least(50);
  });

  it("refuses processes over the group's limit, and after its end", async () => {
    const { runtime, executor } = testRuntime({ maxProcesses: 1 });
    runtime.spawn(HOG, { entry: "a", args: [0n] });
    expect(() => runtime.spawn(HOG, { entry: "a", args: [0n] })).to.throw(SpawnError);
    const disposed = runtime.dispose();
    executor.runUntilIdle();
    await disposed;
    expect(() => runtime.spawn(HOG, { entry: "a", args: [0n] })).to.throw(SpawnError);
  });

  it("opens a process's directories before it starts and closes them when it ends", async () => {
    const runtime = live();
    const module = compileSync(guest(`(func (export "a") (param i64))`));
    let open = 0;
    const grant = {
      name: "/data",
      readOnly: true,
      open: async () => {
        open++;
        const directory = MemoryDirectory.create(new FakeClock());
        const close = directory.close.bind(directory);
        directory.close = async () => {
          open--;
          await close();
        };
        return directory;
      },
    };
    const failing = { ...grant, open: () => Promise.reject(new Error("no such directory")) };
    const handle = runtime.spawn(module, { entry: "a", args: [0n], config: { preopens: [grant] } });
    expect(await handle.exited).to.deep.equal({ kind: "normal" });
    expect(open).to.equal(0);
    const failed = runtime.spawn(module, { entry: "a", args: [0n], config: { preopens: [grant, failing] } });
    expect((await failed.exited).kind).to.equal("error");
    expect(open).to.equal(0);
    await runtime.dispose();
  });
});

describe("modules of processes", () => {
  it("have only so many imports, exports, tables, tags, globals and element segments", async () => {
    const texts: Readonly<Record<keyof typeof MAX_SHAPE, (count: number) => string>> = {
      imports: (count) => `(import "test" "self" (func (result i64)))`.repeat(count) + `(func (export "a"))`,
      exports: (count) => Array.from({ length: count }, (_, i) => `(func (export "${i === 0 ? "a" : i}"))`).join(""),
      tables: (count) => `${"(table 0 funcref)".repeat(count)}(func (export "a"))`,
      tags: (count) => `${"(tag)".repeat(count)}(func (export "a"))`,
      globals: (count) => `${"(global i32 (i32.const 0))".repeat(count)}(func (export "a"))`,
      elements: (count) => `${"(elem func)".repeat(count)}(func (export "a"))`,
    };
    const { runtime, executor } = testRuntime();
    const endOf = (text: string): string => {
      const handle = runtime.spawn(compileSync(textToBinary(`(module ${text})`)), { entry: "a" });
      executor.runUntilIdle();
      return reasonText(handle.process.exitReason!);
    };
    for (const [what, limit] of Object.entries(MAX_SHAPE)) {
      const text = texts[what as keyof typeof MAX_SHAPE];
      expect(endOf(text(limit)), what).to.equal("normal");
      expect(endOf(text(limit + 1)), what).to.include(`too many ${what} of a process`);
    }
  });
});

describe("Runtime.compile", () => {
  it("keeps within the runtime's memory while it works, and gives everything back", async () => {
    const bytes = textToBinary(`(module ${"(elem func)".repeat(3_000)} (func (export "a")))`);
    const small = new Runtime({ executor: new Executor({ seed: 1 }), maxMemory: 300_000 });
    const error = await small.compile(bytes).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(CompileError).with.property("kind", "limit");
    expect(small.group.peak(Account.Memory)).to.be.within(290_000, 300_000);
    expect(small.group.used(Account.Memory)).to.equal(0);

    const large = new Runtime({ executor: new Executor({ seed: 1 }), maxMemory: 2_000_000 });
    const { byteLength } = await large.compile(bytes);
    expect(byteLength).to.be.greaterThan(3_000 * 240);
    expect(large.group.peak(Account.Memory)).to.be.greaterThan(byteLength - bytes.length - 1);
    expect(large.group.used(Account.Memory)).to.equal(0);
  });
});

describe("native processes", () => {
  it("talk with guests, end with a reason, and are killed while they wait", async () => {
    const notes: number[] = [];
    const runtime = live(notes);
    const echo = runtime.spawnNative(async (self) => {
      for (;;) {
        const message = await self.receive();
        if (message?.kind !== "data") return;
        const from = new DataView(message.bytes.buffer).getBigInt64(0, true);
        await self.send(Number(from), message.bytes, message.tag);
      }
    });
    const module = compileSync(
      guest(`(func (export "a") (param $echo i64)
        (drop (call $send (local.get $echo) (i64.const 9) (call $self)))
        (call $note (call $receive (i64.const 9) (i64.const 10000)))
        (call $note (i64.eq (call $value) (call $self))))`),
    );
    const client = runtime.spawn(module, { entry: "a", args: [BigInt(echo.pid)] });
    expect(await client.exited).to.deep.equal({ kind: "normal" });
    expect(notes).to.deep.equal([0, 1]);
    echo.kill();
    expect(await echo.exited).to.deep.equal({ kind: "killed", by: null });
    const failing = runtime.spawnNative(async () => {
      throw new Error("oops");
    });
    expect(await failing.exited).to.have.property("kind", "error");
    await runtime.dispose();
  });

  it("do nothing any more after their end, and hear so", async () => {
    const runtime = live();
    let context: NativeContext | null = null;
    const errors: unknown[] = [];
    const handle = runtime.spawnNative(async (self) => {
      context = self;
      await self.receive().catch((error: unknown) => errors.push(error));
      await self.send(1, new Uint8Array(1)).catch((error: unknown) => errors.push(error));
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    handle.kill();
    await handle.exited;
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(errors).to.have.length(2);
    expect(context!.signal.aborted).to.equal(true);
    await runtime.dispose();
  });

  it("see processes that are still being started: to monitor, link with and send to", async () => {
    const notes: number[] = [];
    const runtime = live(notes);
    const module = compileSync(
      guest(`(func $init (call $sleep (i64.const 5))) (start $init) (func (export "a") (param i64)
        (call $note (call $receive (i64.const 3) (i64.const 1000))) unreachable)`),
    );
    const heard: string[] = [];
    const watcher = runtime.spawnNative(async (self) => {
      self.dieWhenLinkDies(false);
      const { pid } = runtime.spawn(module, { entry: "a", args: [0n] });
      self.link(pid, 7n);
      self.monitor(pid);
      await self.send(pid, new Uint8Array(8), 3n);
      for (let i = 0; i < 2; i++) heard.push((await self.receive())!.kind);
    });
    expect(await watcher.exited).to.deep.equal({ kind: "normal" });
    expect(notes).to.deep.equal([0]);
    expect(heard).to.deep.equal(["link-died", "process-died"]);
    await runtime.dispose();
  });

  it("are refused by an executor with a seed", () => {
    const { runtime } = testRuntime();
    expect(() => runtime.spawnNative(async () => {})).to.throw(TypeError, "cannot run by a seed");
  });

  it("cannot starve the event loop by receiving in turns", async () => {
    let runs = 0;
    const nextTurn = (run: () => void): void => {
      runs++;
      PLATFORM_TURNS.nextTurn(run);
    };
    const executor = new Executor({ source: { ...PLATFORM_TURNS, nextTurn } });
    const runtime = live([], executor);
    const players: number[] = [];
    const player = async (self: NativeContext): Promise<void> => {
      players.push(self.pid);
      for (;;) {
        await self.receive();
        await self.send(players.find((pid) => pid !== self.pid)!, new Uint8Array(1));
      }
    };
    const first = runtime.spawnNative(player);
    runtime.spawnNative(player);
    await first.send(new Uint8Array(1));
    await new Promise((resolve) => setTimeout(resolve, 5));
    while (executor.stats.turns < 100) await eventLoopTurn();
    // Promises go on between two turns of native processes, and so does the event loop.
    expect(executor.stats.turns).to.be.at.most(runs);
    await runtime.dispose();
  });

  it("are found by their names, as long as they live", async () => {
    const runtime = live();
    const handle = runtime.spawnNative(async ({ receive }) => receive());
    runtime.register("service", handle);
    expect(runtime.lookup("service")?.pid).to.equal(handle.pid);
    expect(runtime.lookup("other")).to.equal(null);
    await runtime.lookup("service")!.send(new Uint8Array(1));
    expect(await handle.exited).to.deep.equal({ kind: "normal" });
    expect(runtime.lookup("service")).to.equal(null);
    runtime.group.setLimit(Account.Names, 0);
    const unnamed = runtime.spawnNative(async ({ receive }) => receive());
    expect(() => runtime.register("more", unnamed)).to.throw(SpawnError);
    await runtime.dispose();
  });

  it("hear of links and monitors, and of times that are over", async () => {
    const runtime = live();
    const heard: unknown[] = [];
    const handle = runtime.spawnNative(async (self) => {
      self.dieWhenLinkDies(false);
      const failing = runtime.spawnNative(async (other) => {
        await other.receive();
        throw new Error("failed");
      });
      self.link(failing.pid, 7n);
      self.monitor(failing.pid);
      await self.send(failing.pid, new Uint8Array(0));
      heard.push(await self.receive(), await self.receive());
      heard.push(await self.receive({ timeoutMs: 5 }));
      await self.sleep(2);
    });
    expect(await handle.exited).to.deep.equal({ kind: "normal" });
    expect(heard).to.deep.equal([{ kind: "link-died", tag: 7n }, { kind: "process-died", pid: 2 }, null]);
    await runtime.dispose();
  });
});
