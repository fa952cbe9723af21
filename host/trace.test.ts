import { expect } from "chai";
import { callGuest, compileSync, SUSPEND, type Caller, type Func, type HostDefinition } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import { Executor, type TurnSource } from "./executor.ts";
import { guestFunctions } from "./functions/host-definition.ts";
import { guestText } from "./functions/testing.ts";
import { processOf } from "./process.ts";
import { Runtime, type RuntimeOptions } from "./runtime.ts";
import type { TraceEvent } from "./runtime-core.ts";

const SOURCE: TurnSource = { nowMs: () => 0, nextTurn: () => {}, wakeAfter: () => () => {} };

interface Traced {
  readonly runtime: Runtime;
  readonly executor: Executor;
  readonly events: TraceEvent[];
}

function tracing(options: RuntimeOptions = {}): Traced {
  const events: TraceEvent[] = [];
  const executor = new Executor({ seed: 1, source: SOURCE });
  const runtime = new Runtime({
    executor,
    functions: [guestFunctions],
    trace: (event) => events.push(event),
    ...options,
  });
  return { runtime, executor, events };
}

/** "1>2 kind tag" of every signal. */
const signalsOf = (events: readonly TraceEvent[]): string[] =>
  events.flatMap((event) => {
    if (event.kind !== "signal") return [];
    const { signal, from, to } = event;
    return [`${from ?? "-"}>${to} ${signal.kind}${"tag" in signal ? ` ${signal.tag}` : ""}`];
  });

/** Calls of functions that are the embedder's, with the hashes of their effects. */
const callsOf = (events: readonly TraceEvent[]): { name: string; effects: number }[] =>
  events.flatMap((event) => (event.kind === "call" ? [{ name: event.name, effects: event.effects }] : []));

const RECEIVE = "(drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)))";

describe("the trace", () => {
  it("has every signal that passes between processes, and to them", () => {
    const { runtime, executor, events } = tracing();
    const module = compileSync(
      textToBinary(
        guestText(`(memory (export "memory") 1)
        (func (export "idle") (loop $again ${RECEIVE} (br $again)))
        (func (export "main")
          (call $process::die_when_link_dies (i32.const 0))
          (call $process::link (i64.const 5) (i64.const 1))
          (call $process::unlink (i64.const 1))
          (call $process::link (i64.const 6) (i64.const 1))
          (call $process::monitor (i64.const 1))
          (call $process::stop_monitoring (i64.const 1))
          (call $process::monitor (i64.const 1))
          (call $message::create_data (i64.const 3) (i64.const 0))
          (drop (call $message::send (i64.const 1)))
          (call $message::create_data (i64.const 4) (i64.const 0))
          (drop (call $timer::send_after (i64.const 1) (i64.const 5)))
          (call $process::sleep_ms (i64.const 10))
          (call $process::kill (i64.const 1))
          ${RECEIVE} ${RECEIVE}
          (call $process::link (i64.const 7) (i64.const 99))
          ${RECEIVE})`),
      ),
    );
    runtime.spawn(module, { entry: "idle" });
    const main = runtime.spawn(module, { entry: "main" });
    const other = runtime.spawn(module, { entry: "idle" });
    executor.runUntilIdle();
    void other.send(new Uint8Array(2), 8n);
    other.kill();
    executor.runUntilIdle();
    expect(main.process.exitReason?.kind).to.equal("normal");
    expect(signalsOf(events)).to.deep.equal([
      "2>1 link 5",
      "2>1 unlink",
      "2>1 link 6",
      "2>1 monitor",
      "2>1 stop-monitoring",
      "2>1 monitor",
      "2>1 message 3",
      "2>1 message 4",
      "2>1 kill",
      "1>2 link-died 6",
      "1>2 process-died",
      "99>2 link-died 7",
      "->3 message 8",
      "->3 kill",
    ]);
  });

  it("has every turn, those of an end too", () => {
    const { runtime, executor, events } = tracing();
    const module = compileSync(
      textToBinary(guestText(`(memory (export "memory") 1) (func (export "idle") ${RECEIVE})`)),
    );
    const handle = runtime.spawn(module, { entry: "idle" });
    executor.runUntilIdle();
    handle.kill();
    executor.runUntilIdle();
    const turns = events.filter((event) => event.kind === "turn");
    expect(turns).to.have.length(executor.stats.turns);
    expect(turns.map((event) => (event.kind === "turn" ? event.fuel > 0 : null))).to.deep.equal([true, false]);
  });

  it("has what native processes do", async () => {
    const events: TraceEvent[] = [];
    const runtime = new Runtime({ executor: new Executor(), trace: (event) => events.push(event) });
    const asked = runtime.spawnNative(async (self) => {
      await self.receive();
      await self.receive();
    });
    const asking = runtime.spawnNative(async (self) => {
      self.monitor(asked.pid);
      await self.send(asked.pid, new Uint8Array(1), 5n);
      self.kill(asked.pid);
      await self.receive();
    });
    await asking.exited;
    expect(signalsOf(events)).to.deep.equal(["2>1 monitor", "2>1 message 5", "2>1 kill", "1>2 process-died"]);
    expect(events.some((event) => event.kind === "turn" && event.pid === 2)).to.equal(true);
    await runtime.dispose();
  });

  /** Functions of the embedder that a guest calls with 7 and 1.5; each writes what `word` says to memory and returns it. */
  const forms: Readonly<Record<string, (word: number) => HostDefinition>> = {
    plain: (word) => ({
      params: ["i32", "f64"],
      results: ["i32"],
      call: (caller: Caller) => {
        caller.memory().writeU32(16, word);
        return word;
      },
    }),
    waiting: (word) => ({
      params: ["i32", "f64"],
      results: ["i32"],
      call: (caller: Caller): typeof SUSPEND => {
        caller.memory().write(16, Uint8Array.of(word));
        return processOf(caller).hostCall.suspend(
          (done) => {
            queueMicrotask(() => done(word));
            return () => {};
          },
          (value: number) => [value],
        );
      },
    }),
    async: (word) => ({
      kind: "async",
      isScripted: true,
      params: ["i32", "f64"],
      results: ["i32"],
      call: async (caller: Caller) => {
        caller.memory().fill(16, word, 4);
        return word;
      },
    }),
    direct: (word) => ({
      kind: "direct",
      params: ["i32", "f64"],
      results: ["i32"],
      call: (caller) => {
        const memory = caller.memory();
        memory.writeU8(16, word + caller.i32(0) * 0);
        memory.copyFrom(memory, 32, 16, 4);
        return word;
      },
    }),
  };

  for (const [kind, form] of Object.entries(forms)) {
    for (const way of ["a function of the runtime", "a redirection"]) {
      it(`has calls of ${kind} functions as ${way}, with a hash of arguments, results and writes`, async () => {
        const run = async (
          word: number,
          argument = "7",
          float = "1.5",
        ): Promise<{ name: string; effects: number }[]> => {
          const module = compileSync(
            textToBinary(`(module (import "my" "function" (func $f (param i32 f64) (result i32)))
              (memory (export "memory") 1)
              (func (export "main") (drop (call $f (i32.const ${argument}) (f64.const ${float})))))`),
          );
          const isRedirection = way === "a redirection";
          const provider = (from: string): HostDefinition | undefined => (from === "my" ? form(word) : undefined);
          const { runtime, executor, events } = tracing(isRedirection ? {} : { functions: [provider] });
          const imports = { redirect: { "my::*": form(word) } };
          const handle = runtime.spawn(module, { entry: "main", ...(isRedirection ? { config: { imports } } : {}) });
          for (let i = 0; i < 3; i++) {
            executor.runUntilIdle();
            await new Promise((resolve) => setImmediate(resolve));
          }
          expect(handle.process.exitReason?.kind).to.equal("normal");
          return callsOf(events);
        };
        const calls = await run(3);
        expect(calls.map(({ name }) => name)).to.deep.equal(["my::function"]);
        expect(await run(3)).to.deep.equal(calls);
        for (const other of [await run(4), await run(3, "8"), await run(3, "7", "1.25"), await run(3, "7", "nan")]) {
          expect(other[0]?.effects).to.not.equal(calls[0]?.effects);
        }
      });
    }
  }

  it("has each step of functions that call the guest", () => {
    const frame = (word: number): HostDefinition => ({
      kind: "frame",
      params: [],
      results: ["i32"],
      call: (caller) => {
        caller.memory().writeU64(16, BigInt(word));
        return callGuest(caller.instance!.export("inside") as Func, [], "finish");
      },
      continuations: {
        finish: (caller) => {
          caller.memory().writeU16(16, 5);
          return 6;
        },
      },
    });
    const run = (word: number): { name: string; effects: number }[] => {
      const module = compileSync(
        textToBinary(`(module (import "my" "frame" (func $f (result i32))) (memory (export "memory") 1)
          (func (export "inside")) (func (export "main") (drop (call $f))))`),
      );
      const { runtime, executor, events } = tracing({ functions: [() => frame(word)] });
      const handle = runtime.spawn(module, { entry: "main" });
      executor.runUntilIdle();
      expect(handle.process.exitReason?.kind).to.equal("normal");
      return callsOf(events);
    };
    const [first, second, ...more] = run(1);
    expect([first?.name, second?.name, more.length]).to.deep.equal(["my::frame", "my::frame", 0]);
    expect(run(1)).to.deep.equal([first, second]);
    const [other, same] = run(2);
    expect(other?.effects).to.not.equal(first?.effects);
    expect(same?.effects).to.equal(second?.effects);
  });
});
