/** What embedders give as options is checked where it comes in: a limit that is not a number would be none. */

import { expect } from "chai";
import { Engine, LimitAccountant, Store } from "../vm/index.ts";
import { wat } from "../vm/testing.ts";
import { drive } from "./drive.ts";
import { CollectedOutput } from "./fakes.ts";
import { Config, Executor, Runtime, type RuntimeOptions, SlabAllocator, Wasi } from "./index.ts";
import { Account } from "./group.ts";

const runtime = new Runtime();
const LIMITS = [
  ["maxFuel", "fuel"],
  ["maxMemory", "bytes"],
  ["maxProcesses", "a count"],
] as const;
const GROUP_COUNTS = ["maxTimers", "maxNames", "maxDescriptors", "maxSeries"] as const;

type Make = (options: object) => unknown;
const MAKERS: Readonly<Record<string, Make>> = {
  Config: (options) => new Config(options),
  Runtime: (options) => new Runtime(options),
  "a group": (options) => runtime.createGroup(options),
  Executor: (options) => new Executor(options),
  Store: (options) => new Store(options),
  Engine: (options) => new Engine(options),
  SlabAllocator: (options) => new SlabAllocator(options),
  spawn: (options) => runtime.spawn({} as never, options),
  spawnNative: (options) => runtime.spawnNative(async () => {}, options),
};

function refuses(of: string, options: object, kind: typeof TypeError | typeof RangeError, text: string): void {
  expect(() => MAKERS[of]!(options), `${of} ${text}`).to.throw(kind, text);
}

describe("options", () => {
  after(() => runtime.dispose());

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
    expect(() => new Config({ ...new Config() })).to.throw(TypeError, 'Config has no option "policies"');
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
