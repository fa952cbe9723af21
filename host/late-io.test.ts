/**
 * A process that is killed while a host call waits: its memory is somebody else's at once, and what
 * the call waited for still happens. Every function that may wait has a case here, by the table of
 * functions, so one without fails this test.
 */

import { expect } from "chai";
import { compileSync, eventLoopTurn, Memory, type CompiledModule, type HostDefinition } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import { Phase } from "./basic-process.ts";
import { Config } from "./config.ts";
import { Executor } from "./executor.ts";
import { CollectedOutput, FakeClock, QueuedInput } from "./fakes.ts";
import { HOST_FUNCTIONS } from "./functions/functions.ts";
import { guestFunctions } from "./functions/host-definition.ts";
import { compileGuest, guestText, mainOf } from "./functions/testing.ts";
import { Account } from "./group.ts";
import { MemoryDirectory } from "./memory-files.ts";
import type { Process } from "./process.ts";
import { Runtime } from "./runtime.ts";
import type { TraceEvent } from "./runtime-core.ts";
import { SlabAllocator } from "./slabs.ts";
import type { Directory, OpenFile } from "./system.ts";
import { WASI_FUNCTIONS, WASI_MODULE } from "./wasi/functions.ts";

/** Holds operations on files back, and counts what is open. */
class Gate {
  /** Which operations wait. */
  holds: (operation: string) => boolean = () => false;
  openHandles = 0;
  held = 0;
  readonly #targets = new WeakMap<object, object>();
  readonly #waiting: (() => void)[] = [];

  wrap<T extends Directory | OpenFile>(handle: T): T {
    this.openHandles++;
    const proxy = new Proxy(handle, {
      get: (target, name) => {
        const value = Reflect.get(target, name) as unknown;
        if (typeof value !== "function") return value;
        return async (...args: object[]) => {
          await this.#pass(String(name));
          if (name === "close") this.openHandles--;
          const result = (await value.apply(
            target,
            args.map((arg) => this.#targets.get(arg) ?? arg),
          )) as unknown;
          return name === "open" ? this.wrap(result as Directory | OpenFile) : result;
        };
      },
    });
    this.#targets.set(proxy, handle);
    return proxy;
  }

  async #pass(operation: string): Promise<void> {
    if (!this.holds(operation)) return;
    this.held++;
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  release(): void {
    this.holds = () => false;
    for (const go of this.#waiting.splice(0)) go();
  }
}

const PATTERN = 0xb5;

class Scene {
  nowMs = 0;
  readonly clock = new FakeClock();
  readonly stdin = new QueuedInput();
  readonly stdout = new CollectedOutput();
  readonly gate = new Gate();
  readonly events: TraceEvent[] = [];
  readonly executor: Executor;
  readonly runtime: Runtime;
  readonly root: MemoryDirectory;
  prepare: () => void = () => {};
  /** What the embedder's own function waits for, and what it does then. */
  late: Promise<void> = Promise.resolve();

  constructor(isTraced: boolean) {
    const source = { nowMs: () => this.nowMs, nextTurn: () => {}, wakeAfter: () => () => {} };
    this.executor = new Executor({ source });
    this.root = MemoryDirectory.create(this.clock, 1_000_000);
    const own: Readonly<Record<string, HostDefinition>> = {
      prepare: {
        params: [],
        results: [],
        call: () => {
          this.prepare();
          return [];
        },
      },
      async: {
        kind: "async",
        params: ["i32"],
        results: ["i32"],
        call: async (caller, address: number) => {
          const memory = caller.memory();
          await this.late;
          memory.write(address, new Uint8Array(64));
          return 0;
        },
      },
    };
    this.runtime = new Runtime({
      executor: this.executor,
      allocator: new SlabAllocator(),
      functions: [(module, name) => (module === "test" ? own[name] : undefined), guestFunctions],
      services: { stdin: this.stdin, stdout: this.stdout, clock: this.clock },
      ...(isTraced ? { trace: (event: TraceEvent) => void this.events.push(event) } : {}),
    });
  }

  readonly config = new Config({
    preopens: [{ name: "/", readOnly: false, open: async () => this.gate.wrap(this.root) }],
  });

  async settle(): Promise<void> {
    for (let i = 0; i < 12; i++) {
      this.executor.runUntilIdle(10_000);
      await eventLoopTurn();
    }
  }

  spawn(module: CompiledModule, config = this.config, entry = "main"): Process {
    return this.runtime.spawn(module, { entry, config }).process as Process;
  }

  /** Everything outside that a process may wait for happens. */
  complete(): void {
    this.gate.release();
    this.stdin.push("late input");
    this.stdout.drain();
    this.clock.advance(3_600_000_000_000n);
    this.nowMs += 3_600_000;
  }
}

function memoryOf({ instance }: Process): Memory {
  const memory = instance?.export("memory");
  if (!(memory instanceof Memory)) throw new Error("no memory");
  return memory;
}

/** What a case needs besides the call itself. */
interface Case {
  readonly calls: string;
  readonly more?: string;
  readonly imports?: string;
  readonly pages?: number;
  /** In place of a memory of so many pages. */
  readonly memory?: string;
  /** Before the call. */
  setUp?(scene: Scene): Promise<void> | void;
  /** What happens besides {@link Scene.complete}, after the process is gone. */
  complete?(scene: Scene, pid: number): Promise<unknown> | unknown;
  /** It does not wait but runs, this many turns until it is killed. */
  readonly turns?: number;
}

const holdFiles = (scene: Scene): void => {
  scene.gate.holds = (operation) => operation !== "close";
};
const sendAll = ({ runtime }: Scene, pid: number): void => {
  runtime.spawnNative(async (self) => {
    for (const tag of [0n, 7n]) await self.send(pid, new Uint8Array(64).fill(0xee), tag);
  });
};

/** "f" a file, "d" a directory, "l" a link; the file is open as 4 and 5. Vectors of 64 bytes at 1024. */
const FILES = `(data (i32.const 0) "f.......n.......\\00\\04\\00\\00\\40\\00\\00\\00d.......l.......")`;
const open = `(drop (call $${WASI_MODULE}::path_open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0)
  (i64.const 0x3fffffff) (i64.const 0) (i32.const 0) (i32.const 200)))`;

function onFiles(name: string, args: string, holds: (scene: Scene) => void = holdFiles): Case {
  return {
    calls: `${open} ${open} (call $test::prepare) (drop (call $${WASI_MODULE}::${name} ${args}))`,
    more: FILES,
    async setUp(scene) {
      await scene.root.open("f", { read: true, write: true, create: true });
      await scene.root.createDirectory("d");
      await scene.root.createSymlink("l", "f");
      scene.prepare = () => holds(scene);
    },
  };
}

const i = (...numbers: number[]): string => numbers.map((number) => `(i32.const ${number})`).join(" ");
const j = (...numbers: number[]): string => numbers.map((number) => `(i64.const ${number})`).join(" ");

const FOR_EVER = "(drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)))";
const SLOW_START = `(data (i32.const 0) "child") (func (export "child"))
  (func $slow (if (i64.gt_u (call $process::process_id) (i64.const 2)) (then (call $process::sleep_ms (i64.const 1000)))))
  (start $slow)`;
const CHILD = `(i64.const 0) (i64.const -1) (i64.const -1) ${i(0, 5, 0, 0)}`;
/** To process 1, whose mailbox has room for one message, and who receives after a while. */
const MESSAGE = "(call $message::create_data (i64.const 7) (i64.const 0))";
const RECEIVER = compileGuest(mainOf(`(call $process::sleep_ms (i64.const 1000)) ${FOR_EVER} ${FOR_EVER} ${FOR_EVER}`));
const full = async (scene: Scene): Promise<void> => {
  const receiver = scene.spawn(RECEIVER, new Config({ mailbox: { maxMessages: 1 } }));
  await scene.settle();
  await scene.runtime.spawnNative((self) => self.send(receiver.pid, new Uint8Array(8)));
};

/** Up to the instructions of a body that has 300,000 bytes and an `end`. */
const MODULE_HEAD = [
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x04, 0x01, 0x60, 0x00, 0x00, 0x03, 0x02, 0x01, 0x00],
  ...[0x0a, ...leb(300_007), 0x01, ...leb(300_002), 0x00],
];

/** In four bytes. */
function leb(value: number): number[] {
  return [0, 7, 14, 21].map((shift) => ((value >> shift) & 0x7f) | (shift < 21 ? 0x80 : 0));
}

function hex(bytes: readonly number[]): string {
  return bytes.map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("");
}

const CASES: Readonly<Record<string, Case>> = {
  "lunatic::message::send(i64)": {
    calls: `${MESSAGE} (drop (call $message::send (i64.const 1)))`,
    setUp: full,
  },
  "lunatic::message::send_receive_skip_search(i64 i64 i64)": {
    calls: `${MESSAGE} (drop (call $message::send_receive_skip_search (i64.const 1) (i64.const 7) (i64.const 1000)))`,
    setUp: full,
    complete: sendAll,
  },
  "lunatic::message::send_receive_skip_search(i64 i64)": {
    calls: `${MESSAGE} (drop (call $message::send_receive_skip_search#1 (i64.const 999) (i64.const 1000)))`,
    complete: sendAll,
  },
  "lunatic::message::receive(i32 i32 i64)": {
    calls: `(drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const 1000)))`,
    complete: sendAll,
  },
  "lunatic::process::sleep_ms(i64)": { calls: "(call $process::sleep_ms (i64.const 1000))" },
  "lunatic::process::spawn(i64 i64 i64 i32 i32 i32 i32 i32)": {
    calls: `(drop (call $process::spawn ${CHILD} ${i(200)}))`,
    more: SLOW_START,
    setUp: (scene) => void scene.spawn(compileGuest(mainOf(FOR_EVER))),
  },
  "lunatic::process::get_or_spawn(i32 i32 i64 i64 i64 i32 i32 i32 i32 i32 i32)": {
    calls: `(drop (call $process::get_or_spawn ${i(0, 5)} ${CHILD} ${i(208, 200)}))`,
    more: SLOW_START,
    setUp: (scene) => void scene.spawn(compileGuest(mainOf(FOR_EVER))),
    complete: ({ runtime }) => expect(runtime.environment.registry.size).to.equal(0),
  },
  "lunatic::process::compile_module(i32 i32 i32)": {
    // One body of so many `nop`: some hundred steps.
    calls: `(memory.fill ${i(100, 1, 300_000)}) (i32.store8 ${i(300_100, 0x0b)})
      (drop (call $process::compile_module ${i(100 - MODULE_HEAD.length, MODULE_HEAD.length + 300_001, 0)}))`,
    more: `(data ${i(100 - MODULE_HEAD.length)} "${hex(MODULE_HEAD)}")`,
    pages: 5,
    turns: 5,
  },
  "lunatic::trap::catch(i32 i32)": {
    calls: "(drop (call $trap::catch (i32.const 0) (i32.const 0)))",
    more: `(func (export "_lunatic_catch_trap") (param i32 i32) (result i32)
      (call $message::receive (i32.const 0) (i32.const 0) (i64.const 1000)))`,
    complete: sendAll,
  },
  [`${WASI_MODULE}::fd_read`]: onFiles("fd_read", i(4, 16, 1, 200)),
  [`${WASI_MODULE}::fd_read: a stream`]: onFiles("fd_read", i(0, 16, 1, 200)),
  [`${WASI_MODULE}::fd_pread`]: onFiles("fd_pread", `${i(4, 16, 1)} ${j(0)} ${i(200)}`),
  [`${WASI_MODULE}::fd_write`]: onFiles("fd_write", i(4, 16, 1, 200)),
  [`${WASI_MODULE}::fd_write: a stream`]: onFiles("fd_write", i(1, 16, 1, 200), ({ stdout }) => {
    stdout.stalled = true;
  }),
  [`${WASI_MODULE}::fd_pwrite`]: onFiles("fd_pwrite", `${i(4, 16, 1)} ${j(0)} ${i(200)}`),
  [`${WASI_MODULE}::fd_readdir`]: onFiles("fd_readdir", `${i(3, 1_024, 512)} ${j(0)} ${i(200)}`),
  [`${WASI_MODULE}::fd_allocate`]: onFiles("fd_allocate", `${i(4)} ${j(0, 100)}`),
  [`${WASI_MODULE}::fd_close`]: onFiles("fd_close", i(4), (scene) => {
    let closings = 0;
    scene.gate.holds = (operation) => operation === "close" && closings++ === 0;
  }),
  [`${WASI_MODULE}::fd_renumber`]: onFiles("fd_renumber", i(4, 5), (scene) => {
    let closings = 0;
    scene.gate.holds = (operation) => operation === "close" && closings++ === 0;
  }),
  [`${WASI_MODULE}::fd_datasync`]: onFiles("fd_datasync", i(4)),
  [`${WASI_MODULE}::fd_sync`]: onFiles("fd_sync", i(4)),
  [`${WASI_MODULE}::fd_filestat_get`]: onFiles("fd_filestat_get", i(4, 1_024)),
  [`${WASI_MODULE}::fd_filestat_set_size`]: onFiles("fd_filestat_set_size", `${i(4)} ${j(10)}`),
  [`${WASI_MODULE}::fd_filestat_set_times`]: onFiles("fd_filestat_set_times", `${i(4)} ${j(0, 0)} ${i(5)}`),
  [`${WASI_MODULE}::fd_seek`]: onFiles("fd_seek", `${i(4)} ${j(0)} ${i(2, 200)}`),
  [`${WASI_MODULE}::path_create_directory`]: onFiles("path_create_directory", i(3, 8, 1)),
  [`${WASI_MODULE}::path_filestat_get`]: onFiles("path_filestat_get", i(3, 0, 0, 1, 1_024)),
  [`${WASI_MODULE}::path_filestat_set_times`]: onFiles(
    "path_filestat_set_times",
    `${i(3, 0, 0, 1)} ${j(0, 0)} ${i(5)}`,
  ),
  [`${WASI_MODULE}::path_link`]: onFiles("path_link", i(3, 0, 0, 1, 3, 8, 1)),
  [`${WASI_MODULE}::path_open`]: onFiles("path_open", `${i(3, 0, 0, 1, 0)} ${j(2, 0)} ${i(0, 200)}`),
  [`${WASI_MODULE}::path_open: opened meanwhile`]: onFiles("path_open", `${i(3, 0, 8, 1, 1)} ${j(2, 0)} ${i(0, 200)}`),
  [`${WASI_MODULE}::path_readlink`]: onFiles("path_readlink", i(3, 32, 1, 1_024, 64, 200)),
  [`${WASI_MODULE}::path_remove_directory`]: onFiles("path_remove_directory", i(3, 24, 1)),
  [`${WASI_MODULE}::path_rename`]: onFiles("path_rename", i(3, 0, 1, 3, 8, 1)),
  [`${WASI_MODULE}::path_symlink`]: onFiles("path_symlink", i(0, 1, 3, 8, 1)),
  [`${WASI_MODULE}::path_unlink_file`]: onFiles("path_unlink_file", i(3, 0, 1)),
  [`${WASI_MODULE}::poll_oneoff`]: {
    // For a time, and for input.
    calls: `(i64.store ${i(324)} ${j(1_000_000_000)}) (i32.store8 ${i(356, 1)})
      (drop (call $${WASI_MODULE}::poll_oneoff ${i(300, 1_024, 2, 200)}))`,
  },
  [`${WASI_MODULE}::random_get`]: {
    calls: `(drop (call $${WASI_MODULE}::random_get ${i(64, 2_000_000)}))`,
    pages: 31,
  },
};

/** Waits of no host function of ours. */
const OTHER_CASES: Readonly<Record<string, Case>> = {
  "an embedder's async function that writes late": {
    calls: "(drop (call $async (i32.const 64)))",
    imports: `(import "test" "async" (func $async (param i32) (result i32)))`,
    setUp(scene) {
      scene.late = new Promise((resolve) => {
        scene.prepare = resolve;
      });
    },
    complete: (scene) => scene.prepare(),
  },
  "memory.atomic.wait32": {
    calls: "(drop (memory.atomic.wait32 (i32.const 64) (i32.const 0) (i64.const 1000000000)))",
    memory: `(memory (export "memory") 1 1 shared)`,
  },
};

function compileCase({ calls, more = "", imports = "", pages = 1, memory }: Case): CompiledModule {
  const memoryText = memory ?? `(memory (export "memory") ${pages})`;
  return compileSync(textToBinary(guestText(`${imports} ${memoryText} ${mainOf(calls, more)}`)));
}

/** Fills its memory and waits for ever. */
function newOwner({ pages = 1, memory }: Case): CompiledModule {
  const calls = `(memory.fill (i32.const 0) (i32.const ${PATTERN}) (i32.const ${pages * 65_536})) ${FOR_EVER}`;
  return compileCase({ calls, pages, ...(memory === undefined ? {} : { memory }) });
}

const ACCOUNTS = [Account.Memory, Account.Processes, Account.Timers, Account.Names, Account.Descriptors];

async function check(each: Case, isTraced: boolean): Promise<void> {
  const scene = new Scene(isTraced);
  const { runtime, executor, gate, events } = scene;
  await each.setUp?.(scene);
  await scene.settle();
  const used = (): number[] => ACCOUNTS.map((account) => runtime.group.used(account));
  const before = used();

  const first = scene.spawn(compileCase(each), each.turns === undefined ? scene.config : new Config());
  if (each.turns === undefined) await scene.settle();
  else executor.runUntilIdle(each.turns);
  expect(first.hasEnded, "it waits").to.equal(false);
  expect(first.isRunnable).to.equal(each.turns !== undefined);
  const { bytes, base } = memoryOf(first);
  first.kill({ kind: "killed", by: null });
  for (let turns = 0; first.exitReason === null || first.phase !== Phase.Exited; turns++) {
    expect(turns).to.be.below(20);
    executor.runUntilIdle(10);
    await eventLoopTurn();
  }
  expect(used(), "all is given back").to.deep.equal(before);

  // A child that died with it leaves a slot too.
  const owners = [1, 2].map(() => scene.spawn(newOwner(each), new Config()));
  executor.runUntilIdle(100);
  const second = owners.find((owner) => memoryOf(owner).bytes === bytes && memoryOf(owner).base === base);
  if (second === undefined) throw new Error("nobody has its slot");
  const memory = memoryOf(second);
  const eventCount = events.length;
  scene.complete();
  await each.complete?.(scene, first.pid);
  await scene.settle();
  expect(memory.read(0, memory.byteLength).every((byte) => byte === PATTERN)).to.equal(true);
  expect(second.hasEnded || second.isRunnable).to.equal(false);
  expect(gate.held === 0 || gate.openHandles === 0, "what came late is closed").to.equal(true);
  expect(events.slice(eventCount).filter((event) => "pid" in event && event.pid === first.pid)).to.deep.equal([]);
}

describe("what a killed process waited for comes late, and its memory is another's", () => {
  for (const [name, each] of [...Object.entries(CASES), ...Object.entries(OTHER_CASES)]) {
    it(name, async () => {
      await check(each, false);
      await check(each, true);
    });
  }

  it("every function that may wait has its case", () => {
    const waiting = [
      ...HOST_FUNCTIONS.filter(({ waits, continuations }) => waits || continuations !== null).map(
        ({ fullName, params }) => `${fullName}(${params.join(" ")})`,
      ),
      ...[...WASI_FUNCTIONS].filter(([, { waits }]) => waits).map(([name]) => `${WASI_MODULE}::${name}`),
    ];
    const cases = new Set(Object.keys(CASES).map((name) => name.split(": ")[0]));
    expect([...cases].toSorted()).to.deep.equal(waiting.toSorted());
  });
});
