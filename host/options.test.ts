/** What embedders give as options is checked where it comes in: a limit that is not a number would be none. */

import { expect } from "chai";
import { compile, compileSync, Engine, LimitAccountant, Store } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import { wat } from "../vm/testing.ts";
import { drive } from "./drive.ts";
import { CollectedOutput, FakeClock } from "./fakes.ts";
import {
  Config,
  Executor,
  LineOutput,
  MemoryDirectory,
  namesImport,
  reasonText,
  Runtime,
  type RuntimeOptions,
  SlabAllocator,
  SpawnError,
  Wasi,
} from "./index.ts";
import { Account } from "./group.ts";

const runtime = new Runtime();
const LIMITS = [
  ["maxFuel", "fuel"],
  ["maxMemory", "bytes"],
  ["maxProcesses", "a count"],
] as const;
const GROUP_COUNTS = ["maxTimers", "maxNames", "maxDescriptors", "maxSeries"] as const;

const EMPTY = compileSync(wat`(module (func (export "_start")))`);

type Make = (options: object) => unknown;
const MAKERS: Readonly<Record<string, Make>> = {
  Config: (options) => new Config(options),
  Runtime: (options) => new Runtime(options),
  "a group": (options) => runtime.createGroup(options),
  Executor: (options) => new Executor(options),
  Store: (options) => new Store(options),
  Engine: (options) => new Engine(options),
  SlabAllocator: (options) => new SlabAllocator(options),
  spawn: (options) => runtime.spawn(EMPTY, options),
  spawnNative: (options) => runtime.spawnNative(async () => {}, options),
};

function refuses(of: string, options: object, kind: typeof TypeError | typeof RangeError, text: string): void {
  expect(() => MAKERS[of]!(options), `${of} ${text}`).to.throw(kind, text);
}

describe("options", () => {
  for (const of of ["Config", "Runtime", "a group"]) {
    it(`that limit ${of} are numbers from 0 on`, () => {
      for (const [name, what] of of === "Config" ? LIMITS : [...LIMITS, ...GROUP_COUNTS.map((each) => [each, ""])]) {
        const expected = `${name} of ${of}: expected ${what}`;
        for (const value of [Number.NaN, -1, Number.NEGATIVE_INFINITY]) {
          refuses(of, { [name!]: value }, RangeError, expected);
          refuses(of, { [name!]: value }, RangeError, `as a number from 0 on, or Infinity for no limit, got ${value}`);
        }
        for (const [value, text] of [
          ["64M", 'got "64M"'],
          ["1000", 'got "1000"'],
          [null, "got null"],
          [5n, "got 5n"],
          [{}, "got an object"],
        ] as const) {
          refuses(of, { [name!]: value }, TypeError, expected);
          refuses(of, { [name!]: value }, TypeError, text);
        }
        expect(() => MAKERS[of]!({ [name!]: Number.POSITIVE_INFINITY })).to.not.throw();
        expect(() => MAKERS[of]!({ [name!]: undefined })).to.not.throw();
      }
    });
  }

  it("that do not exist are named, with those that do", () => {
    for (const of of Object.keys(MAKERS)) refuses(of, { maxMemmory: 5 }, TypeError, `${of} has no option "maxMemmory"`);
    refuses("Config", { maxMemmory: 5 }, TypeError, "but maxMemory, maxFuel, maxProcesses");
    // A limit beside `config` in place of inside it limits nothing.
    refuses("spawn", { maxFuel: 5 }, TypeError, 'spawn has no option "maxFuel"');
    refuses("Config", { mailbox: { maxMessage: 5 } }, TypeError, 'Config.mailbox has no option "maxMessage"');
    refuses("Config", { imports: { allowed: [] } }, TypeError, 'Config.imports has no option "allowed"');
    refuses("Config", { network: { conect: true } }, TypeError, 'Config.network has no option "conect"');
    expect(() => new Config({ ...new Config() })).to.throw(TypeError, 'Config has no option "policy"');
  });

  it("of Config with words, flags and lists are these", () => {
    refuses("Config", { onFuelExhausted: "stop" }, RangeError, 'expected "end" or "pause", got "stop"');
    refuses("Config", { denied: "throw" }, RangeError, 'denied of Config: expected "reject" or "terminate"');
    refuses("Config", { visibility: "group" }, RangeError, 'expected "own" or "descendants" or "all"');
    refuses("Config", { onFullMailbox: null }, TypeError, "got null");
    refuses("Config", { canSpawnProcesses: "no" }, TypeError, 'expected true or false, got "no"');
    refuses("Config", { imports: ["x"] }, TypeError, "options of Config.imports: expected an object, got an array");
    refuses(
      "Config",
      { imports: { allow: "wasi*" } },
      TypeError,
      "allow of Config.imports: expected an array of strings",
    );
    refuses("Config", { args: "ls" }, TypeError, "expected an array of strings");
    refuses("Config", { env: [["A", "1"]] }, TypeError, "expected an array of strings");
    refuses("Config", { mailbox: { maxBytes: Number.NaN } }, RangeError, "maxBytes of Config.mailbox: expected bytes");
    refuses("Config", { preopens: [{ name: "/", open: 5, readOnly: true }] }, TypeError, "open of Config.preopens");
    refuses("Config", { preopens: [{ name: "/", open() {}, readOnly: "yes" }] }, TypeError, "expected true or false");
    refuses("Config", { hibernateAfterMs: "5s" }, TypeError, "expected milliseconds");
    refuses("Config", { network: "all" }, TypeError, "expected true, false or an object");
    expect(() => new Config(null as never)).to.throw(TypeError, "options of Config: expected an object, got null");
  });

  it("of executors, stores, engines and what counts bytes are checked too", () => {
    for (const budgetMs of [Number.NaN, -1, Number.POSITIVE_INFINITY])
      refuses("Executor", { budgetMs }, RangeError, "budgetMs");
    for (const seed of ["x", null])
      refuses("Executor", { seed }, TypeError, "seed of Executor: expected a whole number");
    refuses("Executor", { seed: 0.5 }, RangeError, "expected a whole number");
    refuses("Executor", { seed: 1, virtualTime: false }, TypeError, "with a seed time is virtual");
    for (const maxFrameSlots of [Number.NaN, 0, 1.5, 2 ** 30])
      refuses("Store", { maxFrameSlots }, RangeError, "a whole number");
    refuses("Store", { accountant: 5 }, TypeError, "expected an Accountant");
    refuses("Engine", { proposals: "wide-arithmetic" }, TypeError, "expected an array or a Set");
    for (const limit of [Number.NaN, "1000"]) expect(() => new LimitAccountant(limit as number)).to.throw("limitBytes");
    const snapshot = new Store().snapshot();
    expect(() => Store.restore(snapshot, { modules: [], maxFrameSlots: Number.NaN })).to.throw(RangeError, "got NaN");
    refuses("SlabAllocator", { maxPages: Number.NaN }, RangeError, "maxPages of SlabAllocator");
  });

  it("of runtimes with services are what guests need", () => {
    for (const [options, text] of [
      [
        { services: { stdout: console.log } },
        "stdout of services of Runtime: expected an OutputStream, as LineOutput is, got a function",
      ],
      [{ services: { stdin: "text" } }, "stdin of services of Runtime: expected an InputStream"],
      [{ services: { out: new CollectedOutput() } }, 'services of Runtime has no option "out"'],
      [{ functions: {} }, "expected an array of functions"],
      [{ executor: {} }, "executor of Runtime: expected an Executor"],
      [{ trace: "yes" }, "expected a function"],
    ] as const) {
      expect(() => new Runtime(options as unknown as RuntimeOptions)).to.throw(TypeError, text);
    }
    expect(() => new Wasi({} as never)).to.throw(TypeError, "clock of Wasi: expected a Clock");
    expect(() => new Wasi(undefined as never)).to.throw(
      TypeError,
      "options of Wasi: expected an object, got undefined",
    );
  });

  it("of one process that servicesOf gives are too: the process ends", async () => {
    const own = new Runtime({ servicesOf: () => ({ stdout: console.log }) as never });
    const module = await own.compile(wat`(module (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
      (memory (export "memory") 0) (func (export "_start") (drop (call 0))))`);
    const reason = await own.spawn(module).exited;
    expect(reason.kind === "error" && String(reason.error)).to.include("TypeError: stdout of what servicesOf returns");
    await own.dispose();
  });

  it("of drive have a clock and an event loop", async () => {
    const error = await drive({} as never, undefined as never).catch((reason: unknown) => reason);
    expect(String(error)).to.equal("TypeError: options of drive: expected an object, got undefined");
    expect(String(await drive({} as never, {} as never).catch((reason: unknown) => reason))).to.include(
      "clock of drive",
    );
  });

  it("are the only way in: a limit that is set later is checked as well", () => {
    const group = runtime.createGroup({ maxFuel: 10.5 });
    expect(group.limit(Account.Fuel)).to.equal(10);
    expect(() => group.setLimit(Account.Fuel, Number.NaN)).to.throw(RangeError, "got NaN");
    expect(() => group.setLimit(Account.Fuel, "5" as never)).to.throw(TypeError, 'got "5"');
    expect(group.limit(Account.Fuel)).to.equal(10);
  });
});

const PRINTS = compileSync(wat`(module
  (import "env" "print" (func $print (param i32) (result i32)))
  (import "env" "done" (func $done))
  (func (export "_start") (drop (call $print (i32.const 1))) (call $done)))`);

describe("arguments", () => {
  after(() => runtime.dispose());
  const done = { params: [], results: [], call() {} };
  const redirected = (print: unknown, key = "env::print"): object => ({
    config: { imports: { redirect: { [key]: print, "env::done": done } } },
  });
  const endOf = async (print: object): Promise<string> => {
    const { exited } = runtime.spawn(PRINTS, redirected({ params: ["i32"], results: ["i32"], ...print }));
    return reasonText(await exited);
  };

  it("that define host functions are checked before anything starts, by the name of the import", () => {
    const [params, results] = [["i32"], ["i32"]];
    const of = 'host function of redirect "env::print"';
    for (const [definition, text] of [
      [() => 0, `${of}: expected a definition with params, results and call, got a function`],
      [undefined, `${of}: expected a definition with params, results and call, got undefined`],
      [{ params, call: () => 0 }, `results of ${of}: expected an array of names of value types, got undefined`],
      [
        { params: ["int"], results, call: () => 0 },
        `${of}: no such value type: "int"; numbers are i32, i64, f32 and f64`,
      ],
      [{ params, results, kind: "promise", call: () => 0 }, `kind of ${of}: expected "plain" or "async"`],
      [{ params, results, call: 5 }, `call of ${of}: expected a function, got 5`],
    ] as const) {
      expect(() => runtime.spawn(PRINTS, redirected(definition))).to.throw(text);
    }
    const good = { params, results, call: () => 0 };
    expect(() => runtime.spawn(PRINTS, redirected(good, "env.print"))).to.throw(RangeError, 'a pattern "module::name"');
    const imports = { env: { print: { ...good, params: ["int"] }, done } };
    expect(() => new Store().instantiateSync(PRINTS, imports)).to.throw(
      TypeError,
      'host function env::print: no such value type: "int"',
    );
    const functions = { env: { print: () => 0, done } } as never;
    expect(() => new Store().instantiateSync(PRINTS, functions)).to.throw(
      TypeError,
      'import "env" "print": expected something of the store',
    );
  });

  it("that host functions return are errors of theirs, by name", async () => {
    expect(await endOf({ call: async () => 0 })).to.equal(
      'host function env::print returned a promise: its definition needs kind "async"',
    );
    expect(await endOf({ call: () => "0" })).to.equal(
      "host function env::print: expected a value of type i32, got string",
    );
    expect(await endOf({ call: () => 0n })).to.equal(
      "host function env::print: expected a value of type i32, got bigint",
    );
    expect(await endOf({ name: "log", call: () => undefined })).to.equal(
      "host function log: expected a value of type i32, got undefined",
    );
    expect(await endOf({ kind: "direct", call: async () => 0 })).to.include("env::print returned a promise");
    expect(await endOf({ kind: "direct", call: () => 2n ** 70n })).to.include(
      "host function env::print: expected a value of type i32",
    );
    expect(await endOf({ kind: "async", call: async () => "0" })).to.include(
      "host function env::print: expected a value",
    );
    expect(await endOf({ kind: "async", call: async () => 0 })).to.equal("normal");
    const print = { params: ["i32"], results: ["i32"], call: () => 0 };
    for (const kind of ["plain", "direct"] as const) {
      // Nobody would wait for it, and nobody hear of its error.
      const redirect = { "env::print": print, "env::done": { ...done, kind, call: async () => {} } } as never;
      const { exited } = runtime.spawn(PRINTS, { config: { imports: { redirect } } });
      expect(reasonText(await exited), kind).to.include("env::done returned a promise");
    }
  });

  it("that are bytes or modules are these", async () => {
    const rejected = async (promise: Promise<unknown>): Promise<string> =>
      String(await promise.catch((error: unknown) => error));
    expect(await rejected(compile(new ArrayBuffer(8) as never))).to.equal(
      "TypeError: what is compiled: expected a Uint8Array, got an object of ArrayBuffer",
    );
    expect(await rejected(runtime.compile("(module)" as never))).to.include('expected a Uint8Array, got "(module)"');
    expect(() => textToBinary(undefined as never)).to.throw(
      TypeError,
      "expected a string or a Uint8Array, got undefined",
    );
    for (const [module, got] of [
      [new Uint8Array(8), "Uint8Array"],
      [runtime.compile(wat`(module)`), "Promise"],
    ] as const) {
      expect(() => runtime.spawn(module as never)).to.throw(
        TypeError,
        `expected a module of compile, got an object of ${got}`,
      );
      expect(() => new Store().instantiateSync(module as never)).to.throw(TypeError, "expected a module of compile");
    }
    expect(await rejected(runtime.restore(undefined as never, { modules: [] }))).to.include("expected a Uint8Array");
    expect(await rejected(runtime.restore(new Uint8Array(8), {} as never))).to.include("modules of restore: expected");
    expect(() => runtime.spawnNative(5 as never)).to.throw(TypeError, "expected a function, got 5");
    expect(() => runtime.createGroup({}, {} as never)).to.throw(TypeError, "expected a group of Runtime.createGroup");
    const other = new Runtime();
    expect(() => runtime.spawn(EMPTY, { group: other.group })).to.throw(TypeError, "of another runtime");
    expect(() => runtime.createGroup({}, other.group)).to.throw(TypeError, "of another runtime");
    expect(() => runtime.createEnvironment("x" as never)).to.throw(TypeError, "number of an environment");
    expect(() => runtime.lookup("x", 5 as never)).to.throw(TypeError, "environment to look in");
    expect(() => namesImport(5 as never)).to.throw(TypeError, "pattern of imports");
    expect(() => new LineOutput(5 as never)).to.throw(
      TypeError,
      "what is called for a line: expected a function, got 5",
    );
    for (const bytes of ["10K", Number.NaN]) {
      expect(() => MemoryDirectory.create(new FakeClock(), bytes as never)).to.throw("maxBytes of MemoryDirectory");
    }
    const nothing = new Runtime({ functions: [() => null as never] });
    const importing = compileSync(wat`(module (import "a" "b" (func)) (func (export "_start")))`);
    expect(reasonText(await nothing.spawn(importing).exited)).to.equal(
      "host function a::b: expected a definition with params, results and call, got null",
    );
    const instance = new Store().instantiateSync(compileSync(wat`(module (func (export "f")))`));
    expect(await rejected(instance.call("f", [], { feul: 5 } as never))).to.include("a call has no option");
    await other.dispose();
  });

  it("that are sent are bytes and tags of 64 bits", async () => {
    const handle = runtime.spawnNative(async ({ pid, receive, send }) => {
      const error = async (promise: Promise<unknown>): Promise<string> =>
        String(await promise.catch((reason: unknown) => reason));
      expect(await error(send(pid, "text" as never))).to.include(
        'data of a message: expected a Uint8Array, got "text"',
      );
      expect(await error(receive({ tags: [5] as never }))).to.include(
        "expected an array of bigints of 64 bits, got an array",
      );
      expect(await error(receive({ timeoutMs: Number.NaN }))).to.include("RangeError: timeoutMs of receive");
      const sameBits = BigInt.asUintN(64, -5n);
      expect(await receive({ tags: [sameBits], timeoutMs: 1_000 })).to.include({ kind: "data", tag: -5n });
      expect(await receive({ tags: [-5n], timeoutMs: 1_000 })).to.include({ kind: "data", tag: -5n });
    });
    const other = runtime.spawnNative(async ({ send, sleep, link, unlink, monitor, stopMonitoring, kill }) => {
      const rejected = async (promise: Promise<unknown>): Promise<string> => String(await promise.catch(String));
      const wrong = "x" as never;
      expect(await rejected(send(wrong, new Uint8Array(1)))).to.include("process to send to: expected a whole number");
      expect(await rejected(send(-1, new Uint8Array(1)))).to.include("RangeError: process to send to");
      for (const delay of [-5, Number.NaN, wrong])
        expect(await rejected(sleep(delay))).to.include("milliseconds to sleep");
      for (const act of [link, unlink, monitor, stopMonitoring, kill])
        expect(() => act(wrong)).to.throw(TypeError, "process to ");
      expect(() => link(1, 5 as never)).to.throw(TypeError, "tag of a link");
    });
    expect(reasonText(await other.exited)).to.equal("normal");
    const error = async (data: unknown, tag?: unknown): Promise<string> =>
      String(await handle.send(data as Uint8Array, tag as bigint).catch((reason: unknown) => reason));
    expect(await error("text")).to.equal('TypeError: data of a message: expected a Uint8Array, got "text"');
    expect(await error(new ArrayBuffer(3))).to.include("got an object of ArrayBuffer");
    expect(await error(new Uint16Array(3))).to.include("got an object of Uint16Array");
    expect(await error(new Uint8Array(3), 5)).to.include("expected a bigint of 64 bits, as 5n, got 5");
    expect(await error(new Uint8Array(3), 2n ** 64n + 5n)).to.include("RangeError: tag of a message");
    await handle.send(new Uint8Array(3), -5n);
    await handle.send(new Uint8Array(3), BigInt.asUintN(64, -5n));
    expect(reasonText(await handle.exited)).to.equal("normal");
  });

  it("that name a process are texts that guests could ask for, of one that lives", async () => {
    const handle = runtime.spawnNative(({ receive }) => receive());
    runtime.register("é".repeat(2_048), handle);
    expect(runtime.lookup("é".repeat(2_048))?.pid).to.equal(handle.pid);
    expect(() => runtime.register("é".repeat(2_049), handle)).to.throw(RangeError, "a string of at most 4096 bytes");
    expect(() => runtime.register(5 as never, handle)).to.throw(TypeError, "name to register");
    expect(() => runtime.register("x", 5 as never)).to.throw(
      TypeError,
      "process to register: expected a ProcessHandle, got 5",
    );
    handle.kill();
    await handle.exited;
    expect(() => runtime.register("x", handle)).to.throw(SpawnError, `process ${handle.pid} has ended`);
    expect(runtime.lookup("x")).to.equal(null);
  });

  it("that are signals carry their reasons", async () => {
    const loop = compileSync(wat`(module (func (export "_start") (loop br 0)))`);
    const abort = new AbortController();
    const why = new Error("the tenant is over its budget");
    const handles = [
      runtime.spawn(loop, { signal: abort.signal }),
      runtime.spawn(loop, { signal: AbortSignal.abort("no") }),
    ];
    let told: unknown;
    const native = runtime.spawnNative(
      async ({ receive, signal }) => {
        await receive().catch(() => {});
        told = signal.reason;
      },
      { signal: abort.signal },
    );
    while (native.stats.state !== "waiting") await new Promise((resolve) => setTimeout(resolve));
    abort.abort(why);
    const reasons = await Promise.all([...handles, native].map(({ exited }) => exited));
    expect(reasons.map((reason) => reason.kind === "killed" && reason.cause)).to.deep.equal([why, "no", why]);
    expect(reasons.map(reasonText)).to.deep.equal([
      "killed: the tenant is over its budget",
      "killed: no",
      "killed: the tenant is over its budget",
    ]);
    await new Promise((resolve) => setTimeout(resolve));
    expect(told).to.equal(why);
    expect(reasonText(await runtime.spawn(loop, { signal: AbortSignal.abort() }).exited)).to.equal("killed");
    const compiling = (signal: unknown): Promise<unknown> =>
      compile(wat`(module)`, { signal: signal as AbortSignal }).catch((error: unknown) => error);
    expect(await compiling(AbortSignal.abort(why))).to.equal(why);
    expect(String(await compiling(5))).to.equal("TypeError: signal of compile: expected an AbortSignal, got 5");
  });
});
