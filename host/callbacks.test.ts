import { expect } from "chai";
import { compileSync, type HostDefinition } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import { Executor } from "./executor.ts";
import { Account } from "./group.ts";
import { DataMessage } from "./message.ts";
import { processOf } from "./process.ts";
import type { ProcessHandle } from "./process-handle.ts";
import { Runtime } from "./runtime.ts";
import { Task, TurnEnd } from "./task.ts";
import { guest, testFunctions, testRuntime, uncaughtOf } from "./testing.ts";

const boom = (): never => {
  throw new Error("boom");
};
const SLEEPER = `(func (export "a") (param i64) (call $sleep (i64.const 5)) (call $note (i32.const 1)))`;
const RECEIVER = `(func (export "a") (param i64) (drop (call $receive (i64.const 9) (i64.const -1))))`;

/** Five calls, and then a normal end. */
const CALLING = compileSync(
  textToBinary(`(module (import "app" "f" (func $f)) (func (export "_start") ${"(call $f)".repeat(5)}))`),
);

describe("what the embedder does to a process that calls it", () => {
  const acts: readonly (readonly [string, string, (handle: ProcessHandle, runtime: Runtime) => void])[] = [
    ["kill", "killed", (handle) => handle.kill()],
    ["pause", "paused", (handle) => handle.pause()],
    ["endGroup", "killed", (handle, runtime) => void runtime.endGroup(handle.process.group)],
    ["dispose", "killed", (_handle, runtime) => void runtime.dispose()],
  ];
  for (const [name, expected, act] of acts) {
    for (const direct of [false, true]) {
      it(`takes effect when the call returns: ${name}${direct ? " in a direct one" : ""}`, () => {
        const executor = new Executor({ virtualTime: true });
        let calls = 0;
        const call = (): undefined => {
          if (++calls === 3) act(handle, runtime);
        };
        const definition: HostDefinition = direct
          ? { kind: "direct", params: [], results: [], call }
          : { params: [], results: [], call };
        const functions = [(module: string) => (module === "app" ? definition : undefined)];
        const runtime = new Runtime({ executor, functions });
        const handle = runtime.spawn(CALLING, { group: runtime.createGroup() });
        executor.runUntilIdle();
        expect([calls, handle.process.exitReason?.kind ?? handle.stats.state]).to.deep.equal([3, expected]);
      });
    }
  }
});

describe("what the embedder does to a process that it hears of", () => {
  for (const [name, expected] of [
    ["kill", "killed"],
    ["pause", "paused"],
  ] as const) {
    it(`takes effect before its entry: ${name}`, () => {
      let calls = 0;
      const definition: HostDefinition = { params: [], results: [], call: () => void calls++ };
      const executor = new Executor({ virtualTime: true });
      const runtime = new Runtime({
        executor,
        functions: [(module: string) => (module === "app" ? definition : undefined)],
        trace: ({ kind }) => (kind === "spawn" ? handle[name]() : undefined),
      });
      const handle: ProcessHandle = runtime.spawn(CALLING);
      executor.runUntilIdle();
      expect([calls, handle.process.exitReason?.kind ?? handle.stats.state]).to.deep.equal([0, expected]);
    });
  }
});

describe("what the embedder's callbacks throw", () => {
  it("is an uncaught error once when they trace, and all processes of the isolate go on", async () => {
    const { start, executor, notes } = testRuntime({ trace: boom });
    const functions = testFunctions(notes);
    const neighbours = new Runtime({ executor, functions: [(_module, name) => functions[name]] });
    const neighbour = neighbours.spawn(compileSync(guest(SLEEPER)), { entry: "a", args: [0n] });
    const handles = [start(SLEEPER), start(SLEEPER), neighbour];
    expect(await uncaughtOf(() => executor.runUntilIdle())).to.deep.equal(["boom"]);
    expect(handles.map(({ process }) => process.exitReason?.kind)).to.deep.equal(["normal", "normal", "normal"]);
    expect(notes).to.deep.equal([1, 1, 1]);
  });

  it("does not end the process that becomes visible", async () => {
    const { start, executor } = testRuntime();
    const handle = start(SLEEPER);
    handle.process.onReady(boom);
    expect(await uncaughtOf(() => executor.runUntilIdle())).to.deep.equal(["boom"]);
    expect(handle.process.exitReason?.kind).to.equal("normal");
  });

  it("does not stop the end of a process: links hear of it, and everything is given back", async () => {
    const ends: readonly ((run: ReturnType<typeof testRuntime>) => ReturnType<Runtime["spawn"]>)[] = [
      // A resource in its mailbox, and another one behind it.
      ({ start }) => {
        const handle = start(RECEIVER);
        for (let i = 0; i < 2; i++) {
          const message = new DataMessage(1n);
          message.pushResource({ kind: "test", close: boom });
          void handle.send(message);
        }
        return handle;
      },
      // A call that is given up.
      ({ runtime }) => {
        const later = {
          params: [],
          results: [],
          call: (caller: never) =>
            processOf(caller).hostCall.suspend(
              () => boom,
              () => [],
            ),
        };
        const config = { imports: { redirect: { "test::self": { ...later, results: ["i64"] } } } };
        const module = compileSync(guest(`(func (export "a") (param i64) (drop (call $self)))`));
        return runtime.spawn(module, { entry: "a", args: [0n], config });
      },
      // A fault in the turn itself, before the end and in it.
      ({ start }) => {
        const handle = start(RECEIVER);
        const { process } = handle;
        const run = process.run.bind(process);
        process.run = (fuel) => (process.turnCharge > 0 ? boom() : run(fuel));
        return handle;
      },
    ];
    for (const begin of ends) {
      const run = testRuntime();
      const handle = begin(run);
      const { runtime, executor, start } = run;
      const partner = start(RECEIVER);
      executor.runUntilIdle();
      partner.process.relations.link(handle.process, 0n);
      handle.kill();
      const uncaught = await uncaughtOf(() => executor.runUntilIdle());
      expect(new Set(uncaught)).to.deep.equal(new Set(["boom"]));
      expect(handle.process.exitReason?.kind).to.equal("killed");
      expect(partner.process.exitReason?.kind).to.equal("link");
      expect(runtime.processCount).to.equal(0);
      expect(runtime.group.used(Account.Memory)).to.equal(0);
    }
  });

  it("in a turn ends that task alone", async () => {
    class Broken extends Task {
      override run(): TurnEnd {
        return boom();
      }
    }
    const executor = new Executor({
      seed: 1,
      source: { nowMs: () => 0, nextTurn: () => {}, wakeAfter: () => () => {} },
    });
    const functions = testFunctions([]);
    const runtime = new Runtime({ executor, functions: [(_module, name) => functions[name]] });
    const broken = new Broken();
    executor.scheduler.start(broken, executor.join(), null);
    const handle = runtime.spawn(compileSync(guest(SLEEPER)), { entry: "a", args: [0n] });
    expect(await uncaughtOf(() => executor.runUntilIdle())).to.deep.equal(["boom"]);
    expect(handle.process.exitReason?.kind).to.equal("normal");
    expect(broken.isRunnable).to.equal(false);
  });
});

describe("disposing of a runtime", () => {
  it("resolves for all who ask, before and after", async () => {
    const { start, executor, runtime } = testRuntime();
    start(RECEIVER);
    executor.runUntilIdle();
    const disposals = [runtime.dispose(), runtime.dispose()];
    executor.runUntilIdle();
    await Promise.all([...disposals, runtime.dispose()]);
    expect(runtime.processCount).to.equal(0);
  });
});
