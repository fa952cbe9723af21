import { expect } from "chai";
import { Account } from "../group.ts";
import { cells, compileGuest, NOT_UTF8, type Note, TestHost } from "./testing.ts";

const DATA = `(data (i32.const 0) "child") (data (i32.const 16) "name")
  (data (i32.const 32) "\\7f\\07\\00\\00\\00\\aa\\aa\\aa\\aa\\00\\00\\00\\00\\00\\00\\00\\00\\7e\\08\\00\\00\\00\\00\\00\\00\\80\\00\\00\\00\\00\\00\\00\\00\\00")
  (data (i32.const 80) "\\7b\\01\\02\\03\\04\\05\\06\\07\\08\\09\\0a\\0b\\0c\\0d\\0e\\0f\\10")`;
const CHILD = "(i32.const 0) (i32.const 5)";
const NONE = "(i32.const 0) (i32.const 0)";
const ID = "(i32.const 160)";
const NODE = "(i32.const 168)";
const NAME = "(i32.const 16) (i32.const 4)";

interface Call {
  link?: string;
  config?: string;
  module?: string;
  func?: string;
  params?: string;
  id?: string;
  name?: string;
  node?: string;
}

/** A call of spawn, or of get_or_spawn; what is not given is the usual. */
function spawnCall(which: "get_or_spawn" | "spawn", call: Call): string {
  const {
    link = "0",
    config = "-1",
    module = "-1",
    func = CHILD,
    params = NONE,
    id = ID,
    name = NAME,
    node = NODE,
  } = call;
  const child = `(i64.const ${link}) (i64.const ${config}) (i64.const ${module}) ${func} ${params}`;
  return which === "spawn"
    ? `(call $process::spawn ${child} ${id})`
    : `(call $process::get_or_spawn ${name} ${child} ${node} ${id})`;
}

/** Runs a main and a child, with the data. */
function run(
  main: string,
  child = "",
  more = "",
  options: Parameters<TestHost["run"]>[1] = {},
  host = new TestHost(),
): { notes: Note[]; end: string; host: TestHost } {
  const { notes, end } = host.run(
    `(func (export "main") ${main}) (func (export "child") ${child}) ${DATA} ${more}`,
    options,
  );
  return { notes, end, host };
}

const PID = `(call $test::i64 (i64.load ${ID}))`;
const SLEEP = (ms: number) => `(call $process::sleep_ms (i64.const ${ms}))`;
/** The text of the error whose number is at the ID's address. */
const ERROR = `(call $error::to_string (i64.load ${ID}) (i32.const 1000))
  (call $test::bytes (i32.const 1000) (call $error::string_size (i64.load ${ID})))`;
const CONFIG = `(drop (call $process::create_config))`;

for (const which of ["spawn", "get_or_spawn"] as const) {
  const spawn = (call: Call = {}) => `(call $test::i32 ${spawnCall(which, call)})`;
  const trap = (words: string, call: Call, before = "", options = {}, more = "") => {
    const { end } = run(`${before} ${spawn(call)}`, "", more, options);
    expect(end).to.include("host function trapped").and.to.include(words);
  };

  cells(`process::${which}`, {
    "success: the child runs the export in the same module, and its ID is written": () => {
      const { notes } = run(`${spawn()} ${PID} ${SLEEP(1)}`, `(call $test::i64 (call $process::process_id))`);
      expect(notes).to.have.members([0, 2n, 2n]);
    },
    "parameters are i32, i64 and v128 by their low bits": () => {
      const text = `(func (export "main") ${spawn({ params: "(i32.const 32) (i32.const 34)" })} ${SLEEP(1)})
        (func (export "child") (param i32 i64) (call $test::i32 (local.get 0)) (call $test::i64 (local.get 1))) ${DATA}`;
      const { notes } = new TestHost().run(text);
      expect(notes).to.include.members([7, -0x7fff_ffff_ffff_fff8n]);
      const vector = `(func (export "main") ${spawn({ params: "(i32.const 80) (i32.const 17)" })} ${SLEEP(1)})
        (func (export "child") (param v128) (call $test::i64 (i64x2.extract_lane 1 (local.get 0)))) ${DATA}`;
      expect(new TestHost().run(vector).notes).to.include(0x100f_0e0d_0c0b_0a09n);
    },
    "with a link the parent is told with the tag, and the child without": () => {
      const trapExits = "(call $process::die_when_link_dies (i32.const 0))";
      const receive = `(call $test::i32 (call $message::receive (i32.const 0) (i32.const 0) (i64.const 100))) (call $test::i64 (call $message::get_tag))`;
      expect(
        run(`${trapExits} (drop ${spawnCall(which, { link: "7" })}) ${receive}`, "unreachable").notes,
      ).to.deep.equal([1, 7n]);
      expect(
        run(`(drop ${spawnCall(which, { link: "7" })}) unreachable`, `${trapExits} ${receive}`).notes,
      ).to.deep.equal([1, 0n]);
    },
    "an entry that is missing or of another type does not fail the call: the child dies at once": () => {
      for (const call of [{ func: NAME }, { params: "(i32.const 32) (i32.const 17)" }]) {
        const { notes } = run(`(call $process::die_when_link_dies (i32.const 0)) ${spawn({ link: "7", ...call })}
          (call $test::i32 (call $message::receive (i32.const 0) (i32.const 0) (i64.const 100)))`);
        expect(notes).to.deep.equal([0, 1]);
      }
    },
    "code 1: the module cannot be instantiated": () => {
      // The smallest module with a start function that traps, at 200.
      const traps = `(data (i32.const 200) "\\00asm\\01\\00\\00\\00\\01\\04\\01\\60\\00\\00\\03\\02\\01\\00\\08\\01\\00\\0a\\05\\01\\03\\00\\00\\0b")`;
      const compile = `(call $test::i32 (call $process::compile_module (i32.const 200) (i32.const 28) ${ID}))`;
      const { notes, host } = run(
        `${compile} ${spawn({ module: "0" })} ${ERROR} (call $test::i32 (call $process::exists (i64.const 2)))`,
        "",
        traps,
      );
      expect(notes).to.deep.equal([0, 1, "unreachable", 0]);
      expect(host.runtime.processCount).to.equal(0);
      expect(host.runtime.group.used(Account.Memory)).to.equal(0);
    },
    "code 1: a limit of processes, or a memory that is larger than the child may have": () => {
      expect(run(`${spawn()} ${ERROR}`, SLEEP(-1), "", { config: { maxProcesses: 0 } }).notes).to.deep.equal([
        1,
        "at most 0 processes may be made",
      ]);
      const crowded = run(`${spawn()} ${ERROR}`, "", "", {}, new TestHost({ maxProcesses: 1 }));
      expect(crowded.notes).to.deep.equal([1, "no process: the runtime's group has 1 processes of at most 1"]);
      const small = run(
        `${CONFIG} (call $process::config_set_max_memory (i64.const 0) (i64.const 65535)) ${spawn({ config: "0" })} ${ERROR}`,
      );
      expect(small.notes[0]).to.equal(1);
      expect(small.notes[1]).to.include("memory limit");
    },
    "code 1: a directory that the caller does not have": () => {
      const preopen = `(call $wasi::config_preopen_dir (i64.const 0) (i32.const 16) (i32.const 4))`;
      expect(run(`${CONFIG} ${preopen} ${spawn({ config: "0" })} ${ERROR}`).notes).to.deep.equal([
        1,
        'no directory "name" to give',
      ]);
    },
    "trap: not permitted to spawn": () => {
      trap("not permitted to spawn", {}, "", { config: { canSpawnProcesses: false } });
    },
    "trap: called by a start function": () => {
      const host = new TestHost();
      const { end } = host.run(`(start $s) (func $s ${spawn()}) (func (export "main")) ${DATA}`);
      expect(end).to.include("called by a start function");
      expect(host.runtime.processCount).to.equal(0);
    },
    "trap: malformed parameters: of another type, length or number": () => {
      trap("malformed parameters", { params: "(i32.const 32) (i32.const 16)" });
      trap("malformed parameters", { params: "(i32.const 33) (i32.const 17)" });
      trap("malformed parameters", { params: "(i32.const 0) (i32.const 17017)" });
    },
    "bad pointer: traps": () => {
      for (const outside of ["(i32.const 65536) (i32.const 17)", "(i32.const 17) (i32.const -17)"]) {
        for (const key of ["func", "params"] as const) trap("out of bounds", { [key]: outside });
        if (which === "get_or_spawn") trap("out of bounds", { name: outside });
      }
      for (const key of which === "spawn" ? (["id"] as const) : (["id", "node"] as const)) {
        trap("out of bounds", { [key]: "(i32.const 65529)" });
      }
    },
    "bad ID: traps": () => {
      for (const id of ["0", "5", "-2", "0x20000000000001"]) {
        trap("there is no configuration", { config: id });
        trap("there is no module", { module: id });
      }
    },
    "bad UTF-8: traps": () => {
      const text = NOT_UTF8.replace("(i32.const 0)", "(i32.const 300)");
      trap("not UTF-8", { func: "(i32.const 300) (i32.const 3)" }, "", {}, text);
      if (which === "get_or_spawn") trap("not UTF-8", { name: "(i32.const 300) (i32.const 3)" }, "", {}, text);
    },
    "a child gets its configuration's limits, and never more than its creator has": () => {
      const rights = `(call $test::i64 (call $process::create_config))`;
      const allowAll = `${CONFIG} (call $process::config_set_can_create_configs (i64.const 0) (i32.const 1))`;
      expect(run(`${allowAll} ${spawn({ config: "0" })} ${SLEEP(1)}`, rights).notes).to.have.members([0, 0n]);
      expect(run(`${CONFIG} ${spawn({ config: "0" })} ${SLEEP(1)}`, rights).notes).to.have.members([0, -1n]);
      const grow = `(call $test::i32 (memory.grow (i32.const 1)))`;
      expect(
        run(`${CONFIG} ${spawn({ config: "0" })} ${SLEEP(1)}`, grow, "", { config: { maxMemory: 65_536 } }).notes,
      ).to.have.members([0, -1]);
    },
  });
}

describe("lunatic::process::spawn", () => {
  it("keeps the text of what fails again and again once", () => {
    const host = new TestHost();
    const texts: (Uint8Array | undefined)[] = [];
    host.prepare = ({ resources }) => texts.push(resources.errors.get(0), resources.errors.get(1));
    const fails = `(drop ${spawnCall("spawn", {})})`;
    run(`${fails} ${fails} (call $test::prepare)`, "", "", { config: { maxProcesses: 0 } }, host);
    expect(new TextDecoder().decode(texts[0])).to.equal("at most 0 processes may be made");
    expect(texts[1]).to.equal(texts[0]);
  });

  it("costs by the patterns of the configuration and the imports that they are compared with", () => {
    const fuelOf = (patterns: number, imports: number) => {
      const host = new TestHost();
      const deny = `(call $perilune::config::deny_import (i64.const 0) (i32.const 16) (i32.const 4))`;
      const unused = `(import "lunatic::process" "process_id" (func (result i64)))`.repeat(imports);
      const main = `(func (export "main") ${CONFIG} ${deny.repeat(patterns)} (drop ${spawnCall("spawn", { config: "0" })}))`;
      const { end } = host.run(`${unused} (memory (export "memory") 1) ${main} (func (export "child")) ${DATA}`);
      expect(end).to.equal("normal");
      return host.runtime.group.used(Account.Fuel);
    };
    const difference = (patterns: number, few: number, many: number) =>
      fuelOf(patterns, many) - fuelOf(patterns, few) - (fuelOf(0, many) - fuelOf(0, few));
    expect(difference(1, 10, 30)).to.equal(20 * (50 + 100));
    expect(difference(3, 10, 30)).to.equal(20 * (3 * 50 + 100));
    // Functions are compared by name, and there are not more of them.
    expect(difference(3, 300, 400)).to.equal(100 * 100);
  });

  it("works from an entry that is a function of the host, exported again", () => {
    const host = new TestHost();
    const text = `(export "nap" (func $process::sleep_ms)) (func (export "main")
      (call $test::i32 (call $process::spawn (i64.const 0) (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 3) (i32.const 32) (i32.const 17) ${ID})))
      (data (i32.const 0) "nap") (data (i32.const 32) "\\7e\\c8\\00")`;
    expect(host.run(text).notes).to.deep.equal([0]);
    expect(host.executor.nowMs()).to.be.within(200, 210);
  });

  it("a parent that is killed while its child starts takes the child with it", () => {
    const host = new TestHost();
    const endless = `(data (i32.const 200) "\\00asm\\01\\00\\00\\00\\01\\04\\01\\60\\00\\00\\03\\02\\01\\00\\08\\01\\00\\0a\\09\\01\\07\\00\\03\\40\\0c\\00\\0b\\0b")`;
    const parent = host.start(`(func (export "main")
      (drop (call $process::compile_module (i32.const 200) (i32.const 32) ${ID}))
      (drop ${spawnCall("spawn", { module: "0" })}) (call $test::i32 (i32.const 1))) ${DATA} ${endless}`);
    host.executor.runUntilIdle(200);
    expect(host.runtime.processCount).to.equal(2);
    expect(host.runtime.environment.size).to.equal(1);
    parent.kill();
    host.executor.runUntilIdle();
    expect(host.runtime.processCount).to.equal(0);
    expect(host.notes).to.deep.equal([]);
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
  });
});

const GET_OR_SPAWN = spawnCall("get_or_spawn", {});

cells("process::get_or_spawn", {
  "code 2: finds the process of the name, dead or alive, without any permission": () => {
    const { notes } = run(
      `(call $registry::put ${NAME} (i64.const 3) (i64.const 77)) (call $test::i32 ${GET_OR_SPAWN}) ${PID}
       (call $test::i64 (i64.load ${NODE}))`,
      "",
      "",
      { config: { canSpawnProcesses: false } },
    );
    expect(notes).to.deep.equal([2, 77n, 3n]);
  },
  "trap: too many names: nothing is spawned": () => {
    const host = new TestHost({ maxNames: 0 });
    const { end } = run(`(drop ${GET_OR_SPAWN})`, "", "", {}, host);
    expect(end).to.include("too many registered names");
    expect(host.notes).to.deep.equal([]);
  },
});

describe("lunatic::process::get_or_spawn", () => {
  const call = GET_OR_SPAWN;

  it("registers what it spawned, and nothing when that fails", () => {
    const get = `(call $test::i32 (call $registry::get ${NAME} ${NODE} ${ID}))`;
    expect(run(`(call $test::i32 ${call}) ${get} ${PID} (call $test::i64 (i64.load ${NODE}))`).notes).to.deep.equal([
      0,
      0,
      2n,
      0n,
    ]);
    expect(run(`(call $test::i32 ${call}) ${get}`, "", "", { config: { maxProcesses: 0 } }).notes).to.deep.equal([
      1, 1,
    ]);
  });

  it("two that come at once get one process", () => {
    const host = new TestHost();
    const both = `(func (export "main") (call $test::i32 ${call}) ${PID}) (func (export "child") ${SLEEP(-1)}) ${DATA}`;
    for (let i = 0; i < 5; i++) host.start(both);
    host.executor.runUntilIdle();
    expect(host.notes.filter((note) => note === 0)).to.have.length(1);
    expect(host.notes.filter((note) => note === 2)).to.have.length(4);
    expect(new Set(host.notes.filter((note) => typeof note === "bigint"))).to.have.length(1);
    expect(host.runtime.processCount).to.equal(1);
  });

  it("many that wait for a process that fails are woken some at a time", () => {
    const host = new TestHost();
    const first = endless(host);
    const reserved = host.runtime.environment.registry.reserve("name");
    if (!("pending" in reserved)) throw new Error("nobody spawns");
    const { waiters } = reserved.pending;
    const waiter = compileGuest(
      `(func (export "main") (call $test::i32 ${call})) (func (export "child") ${SLEEP(1_000)}) ${DATA}`,
    );
    for (let i = 0; i < 200; i++) host.start(waiter);
    host.executor.runUntilIdle(400);
    expect(waiters.size).to.equal(200);
    first.kill();
    const sizes = new Set<number>();
    for (let turns = 0; waiters.size > 0 && turns < 1_000; turns++) {
      host.executor.runUntilIdle(1);
      sizes.add(waiters.size);
    }
    expect([...sizes]).to.include.members([136, 72]);
    host.executor.runUntilIdle();
    expect(host.notes.filter((note) => note === 0)).to.have.length(1);
    expect(host.notes.filter((note) => note === 2)).to.have.length(199);
  });

  /** One that spawns for the name a process which is never ready. */
  const endless = (host: TestHost) => {
    const module = `(data (i32.const 200) "\\00asm\\01\\00\\00\\00\\01\\04\\01\\60\\00\\00\\03\\02\\01\\00\\08\\01\\00\\0a\\09\\01\\07\\00\\03\\40\\0c\\00\\0b\\0b")`;
    const first = host.start(`(func (export "main")
      (drop (call $process::compile_module (i32.const 200) (i32.const 32) ${ID}))
      (drop ${spawnCall("get_or_spawn", { module: "0" })}) (call $test::i32 (i32.const 1))) ${DATA} ${module}`);
    host.executor.runUntilIdle(200);
    return first;
  };

  it("keeps nothing of those that are killed while they wait for the process of somebody else", () => {
    const host = new TestHost();
    const first = endless(host);
    const reserved = host.runtime.environment.registry.reserve("name");
    if (!("pending" in reserved)) throw new Error("nobody spawns");
    const waiter = compileGuest(`(func (export "main") (call $test::i32 ${call})) (func (export "child")) ${DATA}`);
    for (let i = 0; i < 50; i++) {
      const handle = host.runtime.spawn(waiter, { entry: "main" });
      host.executor.runUntilIdle(5);
      expect(reserved.pending.waiters.size).to.equal(1);
      handle.kill();
      host.executor.runUntilIdle(5);
      expect(reserved.pending.waiters.size).to.equal(0);
    }
    host.runtime.spawn(waiter, { entry: "main" });
    host.executor.runUntilIdle(5);
    first.kill();
    host.executor.runUntilIdle();
    expect(host.notes).to.deep.equal([0]);
  });

  it("waits for nobody that it does not see: each spawns for himself, and the first that is ready has the name", () => {
    const host = new TestHost();
    const { runtime, executor } = host;
    const module = compileGuest(
      `(func (export "main") (call $test::i32 ${call})) (func (export "child") (call $process::sleep_ms (i64.const -1))) ${DATA}`,
    );
    const endlessModule = compileGuest(
      `(start $s) (func $s (if (i64.gt_u (call $process::process_id) (i64.const 1)) (then (call $process::sleep_ms (i64.const -1)))))
      (func (export "main") (call $test::i32 ${call})) (func (export "child")) ${DATA}`,
    );
    const spawner = runtime.spawn(endlessModule, { entry: "main", group: runtime.createGroup() });
    executor.runUntilIdle(50);
    const other = runtime.spawn(module, { entry: "main", group: runtime.createGroup() });
    executor.runUntilIdle(200);
    expect(host.notes).to.deep.equal([0]);
    expect(other.process.exitReason).to.deep.equal({ kind: "normal" });
    expect(spawner.process.hasEnded).to.equal(false);
    const registered = runtime.environment.registry.get("name");
    spawner.kill();
    executor.runUntilIdle(200);
    expect(runtime.environment.registry.get("name")).to.equal(registered);
    expect(runtime.environment.get(Number(registered!.processId))?.group).to.equal(other.process.group);
  });

  it("one that is killed while it spawns leaves the name to the next", () => {
    const host = new TestHost();
    const first = endless(host);
    host.start(`(func (export "main") (call $test::i32 ${call})) (func (export "child")) ${DATA}`);
    host.executor.runUntilIdle(200);
    expect(host.notes).to.deep.equal([]);
    first.kill();
    host.executor.runUntilIdle();
    expect(host.notes).to.deep.equal([0]);
  });
});

describe("host calls in a start function", () => {
  const receive = (ms: number) =>
    `(call $test::i32 (call $message::receive (i32.const 0) (i32.const 0) (i64.const ${ms})))`;
  const self = "(call $process::process_id)";
  const create = "(call $message::create_data (i64.const 0) (i64.const 0))";
  const starting = (calls: string) => {
    const host = new TestHost();
    const { end } = host.run(`(start $s) (func $s ${calls}) (func (export "main") (call $test::i32 (i32.const 1)))`);
    return { host, notes: host.notes, end };
  };

  it("may wait: the entry runs afterwards", () => {
    expect(starting(`${receive(10)} ${SLEEP(5)}`).notes).to.deep.equal([9027, 1]);
  });

  it("see nobody by the own number yet: messages to it are dropped, now or later", () => {
    const calls = `(call $test::i32 (call $process::exists ${self})) ${create} (drop (call $message::send ${self}))
      ${create} (drop (call $timer::send_after ${self} (i64.const 1))) ${receive(10)}`;
    expect(starting(calls).notes).to.deep.equal([0, 9027, 1]);
  });

  it("kill nobody by the own number either", () => {
    expect(starting(`(call $process::kill ${self}) ${SLEEP(1000)}`).notes).to.deep.equal([1]);
  });

  it("that wait for ever are ended from outside", () => {
    const { end, host } = starting(receive(-1));
    expect(end).to.equal("waiting");
    const disposed = host.runtime.dispose();
    host.executor.runUntilIdle();
    return disposed.then(() => expect(host.runtime.group.used(Account.Memory)).to.equal(0));
  });
});
