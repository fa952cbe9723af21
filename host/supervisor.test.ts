import { expect } from "chai";
import { compileSync } from "../vm/index.ts";
import { Executor } from "./executor.ts";
import type { NativeContext } from "./native.ts";
import { Runtime } from "./runtime.ts";
import { guest, testFunctions, uncaughtOf } from "./testing.ts";
import { Timer } from "./timers.ts";
import { Supervisor, type ChildSpec, type Restart, type RestartStrategy, type WorkerSpec } from "./supervisor.ts";

/** Children that end when they are told, and a log of what happened to them. */
class Nursery {
  readonly executor = new Executor({ virtualTime: true });
  readonly runtime = new Runtime({ executor: this.executor });
  readonly log: string[] = [];
  readonly failingStarts = new Map<string, number>();

  spec(id: string, restart?: Restart, extra: Partial<WorkerSpec> = {}): WorkerSpec {
    const start = () => {
      const failures = this.failingStarts.get(id) ?? 0;
      if (failures > 0) {
        this.failingStarts.set(id, failures - 1);
        this.log.push(`!${id}`);
        throw new Error(`${id} does not start`);
      }
      this.log.push(`+${id}`);
      const handle = this.runtime.spawnNative(async (self: NativeContext) => {
        const message = await self.receive();
        if (message?.kind === "data" && message.tag === 1n) throw new Error("failed");
      });
      void handle.exited.then((reason) => this.log.push(`-${id} ${reason.kind}`));
      return handle;
    };
    return { id, start, ...(restart === undefined ? {} : { restart }), ...extra };
  }

  /** Ends a child with a failure (tag 1) or normally. */
  async tell(supervisor: Supervisor, id: string, tag: bigint): Promise<void> {
    const child = supervisor.child(id)!;
    await child.send(new Uint8Array(0), tag);
    await child.exited;
    await this.settled();
  }

  async settled(): Promise<void> {
    for (let i = 0; i < 30; i++) await new Promise(setImmediate);
  }

  take(): string {
    return this.log.splice(0).join(", ");
  }
}

describe("Supervisor", () => {
  const strategies: readonly (readonly [RestartStrategy, string])[] = [
    ["one-for-one", "-b error, +b"],
    ["rest-for-one", "-b error, -c killed, +b, +c"],
    ["one-for-all", "-b error, -c killed, -a killed, +a, +b, +c"],
  ];
  for (const [strategy, expected] of strategies) {
    it(`restarts ${strategy}: stops in reverse, starts in order`, async () => {
      const nursery = new Nursery();
      const specs = ["a", "b", "c"].map((id) => nursery.spec(id));
      const supervisor = await Supervisor.start(specs, { strategy, executor: nursery.executor });
      expect(nursery.take()).to.equal("+a, +b, +c");
      await nursery.tell(supervisor, "b", 1n);
      expect(nursery.take()).to.equal(expected);
      await supervisor.stop();
      await nursery.settled();
      expect(nursery.take()).to.equal("-c killed, -b killed, -a killed");
      expect(await supervisor.ended).to.deep.equal({ kind: "stopped" });
    });
  }

  const cases: readonly (readonly [Restart, bigint, string])[] = [
    ["permanent", 0n, "-a normal, +a"],
    ["permanent", 1n, "-a error, +a"],
    ["transient", 0n, "-a normal"],
    ["transient", 1n, "-a error, +a"],
    ["temporary", 0n, "-a normal"],
    ["temporary", 1n, "-a error"],
  ];
  for (const [restart, tag, expected] of cases) {
    it(`a ${restart} child that ends ${tag === 0n ? "normally" : "with a failure"}: ${expected}`, async () => {
      const nursery = new Nursery();
      const supervisor = await Supervisor.start([nursery.spec("a", restart)], { executor: nursery.executor });
      nursery.take();
      await nursery.tell(supervisor, "a", tag);
      expect(nursery.take()).to.equal(expected);
      await supervisor.stop();
    });
  }

  it("ends with a failure after more restarts than its intensity, and stops all children", async () => {
    const nursery = new Nursery();
    const specs = ["a", "b"].map((id) => nursery.spec(id));
    const supervisor = await Supervisor.start(specs, { intensity: 2, executor: nursery.executor });
    for (let i = 0; i < 3; i++) await nursery.tell(supervisor, "b", 1n);
    expect(await supervisor.ended).to.deep.include({ kind: "failed", id: "b" });
    expect(nursery.runtime.processCount).to.equal(0);
  });

  it("forgets restarts that are older than the period", async () => {
    const nursery = new Nursery();
    const supervisor = await Supervisor.start([nursery.spec("a")], {
      intensity: 1,
      periodMs: 1_000,
      executor: nursery.executor,
    });
    for (let i = 0; i < 5; i++) {
      await nursery.tell(supervisor, "a", 1n);
      const waiter = nursery.runtime.spawnNative((self) => self.sleep(2_000));
      await waiter.exited;
    }
    expect(supervisor.child("a")).to.not.equal(null);
    await supervisor.stop();
  });

  it("counts failed starts, waits before restarts, and gives up a first start that fails", async () => {
    const nursery = new Nursery();
    const delays: number[] = [];
    const supervisor = await Supervisor.start([nursery.spec("a")], {
      intensity: 5,
      backOffMs: (restart) => delays.push(restart) * 10,
      executor: nursery.executor,
    });
    nursery.failingStarts.set("a", 2);
    await nursery.tell(supervisor, "a", 1n);
    expect(nursery.take()).to.equal("+a, -a error, !a, !a, +a");
    expect(delays).to.deep.equal([1, 2, 3]);
    await supervisor.stop();
    nursery.failingStarts.set("c", 1);
    nursery.take();
    const start = Supervisor.start([nursery.spec("b"), nursery.spec("c")], { executor: nursery.executor });
    expect(await start.then(() => null, String)).to.include("c does not start");
    expect(nursery.take()).to.equal("+b, !c, -b killed");
  });

  it("asks a child to end, and kills it when its time is over", async () => {
    const nursery = new Nursery();
    const polite = nursery.spec("a", "permanent", {
      shutdown: 1_000,
      stop: (child) => void child.send(new Uint8Array(0)),
    });
    const deaf = nursery.spec("b", "permanent", { shutdown: 1_000, stop: () => {} });
    const supervisor = await Supervisor.start([polite, deaf], { executor: nursery.executor });
    nursery.take();
    const before = nursery.executor.nowMs();
    await supervisor.stop();
    expect(nursery.take()).to.equal("-b killed, -a normal");
    expect(nursery.executor.nowMs() - before).to.be.at.least(1_000);
  });

  it("registers a child's names before the next child starts, also after a restart, and removes them in the end", async () => {
    const nursery = new Nursery();
    const { registry } = nursery.runtime.environment;
    const seen: (bigint | undefined)[] = [];
    const server = nursery.spec("server", "permanent", { names: ["server", "server@1.0.0"] });
    const client = nursery.spec("client", "permanent");
    const start = () => {
      seen.push(registry.get("server@1.0.0")?.processId);
      return client.start();
    };
    const supervisor = await Supervisor.start([server, { ...client, start }], {
      strategy: "rest-for-one",
      executor: nursery.executor,
    });
    const pids = [BigInt(supervisor.child("server")!.pid)];
    await nursery.tell(supervisor, "server", 1n);
    pids.push(BigInt(supervisor.child("server")!.pid));
    expect(seen).to.deep.equal(pids);
    await supervisor.stop();
    expect(registry.size).to.equal(0);
  });

  it("waits until a guest is instantiated; one that cannot be is a failed start", async () => {
    const executor = new Executor({ virtualTime: true });
    const notes: number[] = [];
    const functions = testFunctions(notes);
    const runtime = new Runtime({ executor, functions: [(_module, name) => functions[name]] });
    const slow = compileSync(
      guest(`(func $init (call $sleep (i64.const 50)) (call $note (i32.const 1))) (start $init)
        (func (export "a") (drop (call $receive (i64.const 0) (i64.const -1))))`),
    );
    const failing = compileSync(guest(`(func $init unreachable) (start $init) (func (export "a"))`));
    const supervisor = await Supervisor.start(
      [
        { id: "slow", names: ["slow"], start: () => runtime.spawn(slow, { entry: "a" }) },
        {
          id: "next",
          start: () => {
            notes.push(2, Number(runtime.environment.registry.get("slow")?.processId));
            return runtime.spawnNative((self) => self.receive());
          },
        },
      ],
      { executor },
    );
    expect(notes).to.deep.equal([1, 2, supervisor.child("slow")!.pid]);
    await supervisor.stop();
    const start = Supervisor.start([{ id: "bad", start: () => runtime.spawn(failing, { entry: "a" }) }], { executor });
    expect(await start.then(() => null, String))
      .to.include("bad did not start")
      .and.to.include("unreachable");
    const full = runtime.createGroup({ maxNames: 1 });
    const greedy = Supervisor.start(
      [
        {
          id: "greedy",
          names: ["x", "y"],
          start: () => runtime.spawnNative((self) => self.receive(), { group: full }),
        },
      ],
      { executor },
    );
    expect(await greedy.then(() => null, String)).to.include("too many registered names");
    expect(runtime.environment.registry.size).to.equal(0);
    expect(runtime.processCount).to.equal(0);
  });

  it("leaves no timer when a child has ended in time, or when it is stopped while it waits to restart", async () => {
    const nursery = new Nursery();
    const polite = nursery.spec("a", "permanent", {
      shutdown: 4_000,
      stop: (child) => child.send(new Uint8Array(0)),
    });
    const executor = new Executor();
    const runtime = new Runtime({ executor });
    const failing: WorkerSpec = {
      id: "b",
      start: () => runtime.spawnNative(() => Promise.reject(new Error("failed"))),
    };
    const first = await Supervisor.start([polite], { executor: nursery.executor });
    const second = await Supervisor.start([failing], { executor, intensity: 3, backOffMs: () => 5_000 });
    await nursery.settled();
    expect(executor.armedTimers).to.equal(1);
    await Promise.all([first.stop(), second.stop()]);
    expect([nursery.executor.armedTimers, executor.armedTimers]).to.deep.equal([0, 0]);
    expect(nursery.executor.nowMs()).to.be.below(4_000);
    await nursery.settled();
    expect(runtime.processCount).to.equal(0);
  });

  for (const [what, stop] of [
    [
      "throws",
      () => {
        throw new Error("from stop");
      },
    ],
    ["rejects", () => Promise.reject(new Error("from stop"))],
  ] as const) {
    it(`kills a child whose stop ${what}, at once, and stops the others`, async () => {
      const nursery = new Nursery();
      const specs = [nursery.spec("a"), nursery.spec("b", "permanent", { shutdown: Number.POSITIVE_INFINITY, stop })];
      const supervisor = await Supervisor.start(specs, { executor: nursery.executor });
      nursery.take();
      expect(await uncaughtOf(() => supervisor.stop())).to.deep.equal(["from stop"]);
      expect(await supervisor.ended).to.deep.equal({ kind: "stopped" });
      expect(nursery.take()).to.equal("-b killed, -a killed");
    });
  }

  it("fails with what its back-off throws, or returns that is no time", async () => {
    for (const [backOffMs, message] of [
      [
        () => {
          throw new Error("from backOffMs");
        },
        "from backOffMs",
      ],
      [() => Number.NaN, "what backOffMs returns: expected milliseconds"],
    ] as const) {
      const nursery = new Nursery();
      const options = { executor: nursery.executor, intensity: 5, backOffMs };
      const supervisor = await Supervisor.start([nursery.spec("a"), nursery.spec("b")], options);
      await nursery.tell(supervisor, "a", 1n);
      const end = await supervisor.ended;
      expect(end).to.deep.include({ kind: "failed", id: "a" });
      expect(end).to.have.nested.property("reason.error.message").that.includes(message);
      expect(nursery.runtime.processCount).to.equal(0);
    }
  });

  it("refuses options and specs that it cannot heed", async () => {
    const nursery = new Nursery();
    const { executor } = nursery;
    const good = nursery.spec("a");
    const wrong: readonly (readonly [object, object, string])[] = [
      [{}, { intensity: Number.NaN }, "intensity of Supervisor"],
      [{}, { intensity: -1 }, "intensity of Supervisor"],
      [{}, { periodMs: "5s" }, "periodMs of Supervisor"],
      [{}, { strategy: "one_for_one" }, "strategy of Supervisor"],
      [{}, { backOffMs: 5 }, "backOffMs of Supervisor"],
      [{}, { executor: {} }, "executor of Supervisor"],
      [{ restart: "always" }, {}, "restart of a child"],
      [{ shutdown: Number.NaN }, {}, "shutdown of a child"],
      [{ shutdown: "infinity" }, {}, "shutdown of a child"],
      [{ id: 7 }, {}, "id of a child"],
      [{ start: undefined }, {}, "start of a child"],
      [{ shutdwon: 5 }, {}, 'a child has no option "shutdwon"'],
      [{ type: "supervisor", names: ["x"] }, {}, 'a child has no option "names"'],
      [{ type: "supervisor" }, {}, "start of a gave no supervisor"],
      [{ start: () => Supervisor.start([], { executor }) }, {}, "start of a gave no process"],
    ];
    for (const [spec, options, message] of wrong) {
      const start = Supervisor.start([{ ...good, ...spec } as ChildSpec], { executor, ...options } as never);
      expect(await start.then(() => "started", String)).to.include(message);
    }
    await nursery.settled();
    expect(nursery.runtime.processCount).to.equal(0);
  });

  describe("of supervisors", () => {
    const nested = (nursery: Nursery, extra: Partial<WorkerSpec> = {}, intensity = 1): ChildSpec => ({
      id: "inner",
      type: "supervisor",
      start: () =>
        Supervisor.start([nursery.spec("a", "permanent", extra), nursery.spec("b")], {
          executor: nursery.executor,
          intensity,
        }),
    });

    it("starts and stops them in their place, with all their time", async () => {
      const nursery = new Nursery();
      const slow: Partial<WorkerSpec> = {
        shutdown: 60_000,
        stop: (child) => nursery.executor.arm(new Timer(() => void child.send(new Uint8Array(0))), 50_000),
      };
      const specs = [nursery.spec("before"), nested(nursery, slow), nursery.spec("after")];
      const supervisor = await Supervisor.start(specs, { executor: nursery.executor });
      expect(nursery.take()).to.equal("+before, +a, +b, +after");
      expect(supervisor.child("inner")).to.equal(null);
      expect(supervisor.supervisor("inner")?.child("a")?.stats.state).to.not.equal("exited");
      await supervisor.stop();
      expect(nursery.take()).to.equal("-after killed, -b killed, -a normal, -before killed");
      expect(supervisor.supervisor("inner")).to.equal(null);
      expect(nursery.executor.armedTimers).to.equal(0);
    });

    it("kills them with all that they have when their time is over", async () => {
      const nursery = new Nursery();
      const deaf: Partial<WorkerSpec> = { shutdown: Number.POSITIVE_INFINITY, stop: () => {} };
      const spec = { ...nested(nursery, deaf), shutdown: 1_000 } as ChildSpec;
      const supervisor = await Supervisor.start([spec], { executor: nursery.executor });
      const inner = supervisor.supervisor("inner")!;
      nursery.take();
      await supervisor.stop();
      expect(nursery.take()).to.equal("-b killed, -a killed");
      expect(await inner.ended).to.deep.equal({ kind: "stopped" });
      expect(nursery.executor.nowMs()).to.be.within(1_000, 1_100);
    });

    it("restarts one that gave up, and gives up itself when that happens too often", async () => {
      const nursery = new Nursery();
      const supervisor = await Supervisor.start([nursery.spec("x"), { ...nested(nursery), restart: "transient" }], {
        strategy: "one-for-all",
        executor: nursery.executor,
      });
      nursery.take();
      await nursery.tell(supervisor.supervisor("inner")!, "a", 1n);
      expect(nursery.take()).to.equal("-a error, +a");
      await nursery.tell(supervisor.supervisor("inner")!, "a", 1n);
      expect(nursery.take()).to.equal("-a error, -b killed, -x killed, +x, +a, +b");
      for (let i = 0; i < 2; i++) await nursery.tell(supervisor.supervisor("inner")!, "a", 0n);
      const end = await supervisor.ended;
      expect(end).to.deep.include({ kind: "failed", id: "inner" });
      expect(end).to.have.nested.property("reason.error.message", "its child a ended too often: normal");
      expect(nursery.runtime.processCount).to.equal(0);
    });

    it("takes one that was stopped for a normal end, and the failed start of one for its own", async () => {
      const nursery = new Nursery();
      const spec = { ...nested(nursery), restart: "transient" } as ChildSpec;
      const supervisor = await Supervisor.start([spec], { executor: nursery.executor });
      nursery.take();
      await supervisor.supervisor("inner")!.stop();
      await nursery.settled();
      expect(nursery.take()).to.equal("-b killed, -a killed");
      await supervisor.stop();
      nursery.failingStarts.set("b", 1);
      const start = Supervisor.start([nursery.spec("x"), nested(nursery)], { executor: nursery.executor });
      expect(await start.then(() => "started", String)).to.include("b does not start");
      expect(nursery.take()).to.equal("+x, +a, !b, -a killed, -x killed");
    });

    it("kills one that starts after it was stopped", async () => {
      const nursery = new Nursery();
      let open = (): void => {};
      const opened = new Promise<void>((resolve) => {
        open = resolve;
      });
      let starts = 0;
      const late: ChildSpec = {
        id: "late",
        type: "supervisor",
        start: async () => {
          if (starts++ > 0) await opened;
          return Supervisor.start([nursery.spec("a")], { executor: nursery.executor, intensity: 0 });
        },
      };
      const supervisor = await Supervisor.start([late], { executor: nursery.executor });
      await nursery.tell(supervisor.supervisor("late")!, "a", 1n);
      expect(starts).to.equal(2);
      let hasStopped = false;
      const stopped = supervisor.stop().then(() => {
        hasStopped = true;
      });
      await nursery.settled();
      expect(hasStopped).to.equal(false);
      open();
      await stopped;
      expect(nursery.take()).to.equal("+a, -a error, +a, -a killed");
      expect(nursery.runtime.processCount).to.equal(0);
    });
  });

  it("lets the event loop go on between starts that fail, however many may, until the runtime is disposed of", async () => {
    const nursery = new Nursery();
    const supervisor = await Supervisor.start([nursery.spec("a")], { executor: nursery.executor, intensity: Infinity });
    nursery.failingStarts.set("a", Infinity);
    await nursery.tell(supervisor, "a", 1n);
    const few = nursery.log.length;
    expect(few).to.be.above(3);
    await nursery.settled();
    expect(nursery.log.length).to.be.within(few + 10, few + 40);
    nursery.failingStarts.clear();
    await nursery.runtime.dispose();
    const end = await supervisor.ended;
    expect(end.kind === "failed" && end.reason.kind === "error" && String(end.reason.error)).to.equal(
      "SpawnError: the runtime is disposed",
    );
  });

  it("makes no more of a restart when it is stopped between two starts that fail", async () => {
    const nursery = new Nursery();
    let waits = 0;
    const backOffMs = (): number => {
      waits++;
      return 0;
    };
    const options = { executor: nursery.executor, intensity: Infinity, backOffMs };
    const supervisor = await Supervisor.start([nursery.spec("a")], options);
    nursery.failingStarts.set("a", Infinity);
    await supervisor.child("a")!.send(new Uint8Array(0), 1n);
    while (!nursery.log.includes("!a")) await new Promise(setImmediate);
    const before = waits;
    await supervisor.stop();
    await nursery.settled();
    expect(waits).to.equal(before);
  });

  it("has the executor of the isolate unless told otherwise, and refuses what is no list of children and no period", async () => {
    const supervisor = await Supervisor.start([]);
    await supervisor.stop();
    for (const [specs, options, message] of [
      [undefined, {}, "children of Supervisor: expected an array, got undefined"],
      [[], { periodMs: 0 }, "periodMs of Supervisor"],
    ] as const) {
      const error = await Supervisor.start(specs as unknown as ChildSpec[], options).catch((reason: unknown) => reason);
      expect(String(error)).to.include(message);
    }
  });
});
