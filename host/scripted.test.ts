import { expect } from "chai";
import { compileSync, type HostDefinition } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import type { DirectoryGrant } from "./directory-grants.ts";
import { Executor, type TurnSource } from "./executor.ts";
import { CollectedOutput, FakeClock, QueuedInput } from "./fakes.ts";
import { guestFunctions } from "./functions/host-definition.ts";
import { guestText } from "./functions/testing.ts";
import { LineOutput } from "./line-output.ts";
import { MemoryDirectory } from "./memory-files.ts";
import { NodeClock, NodeInput, NodeOutput, NodeRandom } from "./node/index.ts";
import { Runtime, type RuntimeOptions } from "./runtime.ts";
import type { Services } from "./runtime-core.ts";
import { reasonText } from "./signal.ts";

/** Rounds of the event loop are the test's. */
class Rounds implements TurnSource {
  readonly #next: (() => void)[] = [];
  nowMs(): number {
    return 0;
  }
  nextTurn(run: () => void): void {
    this.#next.push(run);
  }
  wakeAfter(): () => void {
    return () => {};
  }
  async untilIdle(): Promise<void> {
    for (;;) {
      // Promises come first.
      await new Promise((resolve) => setImmediate(resolve));
      const runs = this.#next.splice(0);
      if (runs.length === 0) return;
      for (const run of runs) run();
    }
  }
}

function seeded(options: RuntimeOptions = {}): { runtime: Runtime; rounds: Rounds } {
  const rounds = new Rounds();
  const executor = new Executor({ seed: 1, source: rounds });
  return { runtime: new Runtime({ executor, functions: [guestFunctions], ...options }), rounds };
}

const directory = async (): Promise<MemoryDirectory> => MemoryDirectory.create(new FakeClock());
const REAL: DirectoryGrant = { name: "/data", readOnly: false, open: directory };
const SCRIPTED: DirectoryGrant = { ...REAL, isScripted: true };

/** Waits in an async function, reads the clock, makes a directory and polls its input; tells what it got. */
const BUSY = compileSync(
  textToBinary(
    guestText(`(import "my" "later" (func $later (result i32))) (memory (export "memory") 1) (data (i32.const 0) "d")
      (func (export "main") (param i64)
        (drop (call $later))
        (drop (call $wasi_snapshot_preview1::clock_time_get (i32.const 1) (i64.const 1) (i32.const 64)))
        (drop (call $wasi_snapshot_preview1::path_create_directory (i32.const 3) (i32.const 0) (i32.const 1)))
        (drop (call $wasi_snapshot_preview1::random_get (i32.const 72) (i32.const 8)))
        (drop (call $wasi_snapshot_preview1::fd_write (i32.const 1) (i32.const 80) (i32.const 1) (i32.const 96))))`),
  ),
);
const later = (isScripted?: boolean): HostDefinition => ({
  kind: "async",
  params: [],
  results: ["i32"],
  call: async () => {
    await null;
    return 7;
  },
  ...(isScripted === undefined ? {} : { isScripted }),
});

describe("a run by a seed", () => {
  const real: readonly Partial<Services>[] = [
    { clock: new NodeClock() },
    { random: new NodeRandom() },
    { stdin: new NodeInput(() => process.stdin) },
    { stdout: new NodeOutput(process.stdout) },
    { stderr: new NodeOutput(process.stderr) },
  ];
  for (const services of real) {
    const [name] = Object.keys(services);
    it(`refuses a real ${name}, of the runtime and of one process`, async () => {
      expect(() => seeded({ services })).to.throw(TypeError, `${name} is real: a run by a seed takes`);
      const { runtime, rounds } = seeded({ servicesOf: () => services });
      const module = compileSync(
        textToBinary(
          guestText(`(memory (export "memory") 1) (func (export "main")
            (drop (call $wasi_snapshot_preview1::random_get (i32.const 72) (i32.const 8))))`),
        ),
      );
      const handle = runtime.spawn(module, { entry: "main" });
      await rounds.untilIdle();
      expect(reasonText(handle.process.exitReason!)).to.include(`${name} is real`);
    });
  }

  it("refuses a real directory, also inside one that is given", () => {
    const { runtime } = seeded();
    for (const preopens of [[REAL], [SCRIPTED, { ...REAL, name: "/more", isScripted: false }]]) {
      expect(() => runtime.spawn(BUSY, { config: { preopens } })).to.throw(TypeError, /the directory "\/.*" is real/);
    }
    const live = new Runtime({ executor: new Executor({ source: new Rounds() }) });
    expect(live.spawn(BUSY, { config: { preopens: [REAL] } }).process.hasEnded).to.equal(false);
  });

  it("refuses a real async function, whoever provides it", async () => {
    for (const isScripted of [undefined, false]) {
      const definition = later(isScripted);
      const provided = seeded({ functions: [(from) => (from === "my" ? definition : undefined)] });
      const redirected = seeded();
      const ends = [
        provided.runtime.spawn(BUSY, { entry: "main", args: [0n] }),
        redirected.runtime.spawn(BUSY, {
          entry: "main",
          args: [0n],
          config: { imports: { redirect: { "my::*": definition } } },
        }),
      ];
      await provided.rounds.untilIdle();
      await redirected.rounds.untilIdle();
      for (const { process } of ends) {
        expect(reasonText(process.exitReason!)).to.include("the async function my::later is real");
      }
    }
  });

  it("takes what says that it is scripted, and has the same trace each time", async () => {
    const traceOf = async (): Promise<string> => {
      const events: unknown[] = [];
      const { runtime, rounds } = seeded({
        services: {
          clock: new FakeClock(),
          stdin: new QueuedInput("input"),
          stdout: new LineOutput(() => {}),
          stderr: new CollectedOutput(),
        },
        functions: [(from, name, type) => (from === "my" ? later(true) : guestFunctions(from, name, type))],
        trace: (event) => events.push(event),
      });
      const handles = Array.from({ length: 3 }, () =>
        runtime.spawn(BUSY, { entry: "main", args: [0n], config: { preopens: [{ ...SCRIPTED }] } }),
      );
      await rounds.untilIdle();
      expect(handles.map(({ process }) => reasonText(process.exitReason!))).to.deep.equal([
        "normal",
        "normal",
        "normal",
      ]);
      return JSON.stringify(events, (_key, value) => (typeof value === "bigint" ? `${value}` : value));
    };
    const trace = await traceOf();
    expect(trace).to.include("path_create_directory").and.to.include("my::later");
    for (let i = 0; i < 3; i++) expect(await traceOf()).to.equal(trace);
  });

  it("has services of its own that are scripted", async () => {
    const { runtime } = seeded();
    const { clock, random } = runtime.services;
    expect([clock.isScripted, random.isScripted]).to.deep.equal([true, true]);
    // Nothing of the input and the outputs waits for time.
    const woken: string[] = [];
    runtime.services.stdin.onReadable(() => woken.push("in"));
    runtime.services.stdout.onWritable(() => woken.push("out"));
    runtime.services.stderr.onWritable(() => woken.push("never"))();
    expect(woken).to.deep.equal([]);
    await null;
    expect(woken).to.deep.equal(["in", "out"]);
  });
});
