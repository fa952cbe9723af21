import { expect } from "chai";
import { Account, type Group } from "../group.ts";
import { MAX_CONFIGS } from "./config.ts";
import {
  cells,
  endOf,
  expectOutOfBounds,
  expectTrap,
  mainOf,
  type Note,
  NOT_UTF8,
  notesOf,
  runPrepared,
  TestHost,
} from "./testing.ts";

const CREATE = `(drop (call $process::create_config))`;
const ZERO = "(i64.const 0)";
const DATA = `(data (i32.const 16) "child") (data (i32.const 100) "KEY") (data (i32.const 110) "value") (data (i32.const 120) "sub")`;
const TEXT = "(i32.const 100) (i32.const 3)";
const BAD = "(i32.const 200) (i32.const 3)";
const BAD_DATA = NOT_UTF8.replace("(i32.const 0)", "(i32.const 200)");
const OUTSIDE = "(i32.const 65536) (i32.const 1)";

/** Setters and getters trap for IDs that do not exist. */
function expectBadId(call: (id: string) => string): void {
  for (const id of ["0", "1", "-1"]) {
    if (id !== "0") expectTrap("there is no configuration", `${CREATE} ${call(`(i64.const ${id})`)}`);
    expectTrap("there is no configuration", call(`(i64.const ${id})`));
  }
}

cells("process::create_config", {
  "success: numbers from 0 on": () => {
    expect(
      notesOf(`(call $test::i64 (call $process::create_config)) (call $test::i64 (call $process::create_config))`),
    ).to.deep.equal([0n, 1n]);
  },
  "code -1: not permitted, too many, or no memory": () => {
    const create = `(call $test::i64 (call $process::create_config))`;
    expect(new TestHost().run(mainOf(create), { config: { canCreateConfigs: false } }).notes).to.deep.equal([-1n]);
    const many = `(local $i i32) (loop $l ${CREATE} (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${MAX_CONFIGS}))))`;
    expect(notesOf(`${many} ${create}`)).to.deep.equal([-1n]);
    expect(
      runPrepared(({ group }) => group.setLimit(Account.Memory, group.used(Account.Memory)), create).notes,
    ).to.deep.equal([-1n]);
  },
});

cells("process::drop_config", {
  "success: frees the ID, and what it counted": () => {
    const used: number[] = [];
    const { end } = runPrepared(
      ({ group }) => used.push(group.used(Account.Memory)),
      `${CREATE} (call $test::prepare) (call $wasi::config_add_command_line_argument ${ZERO} ${TEXT}) (call $test::prepare)
       (call $process::drop_config ${ZERO}) (call $test::prepare) (call $process::drop_config ${ZERO})`,
      DATA,
    );
    const [before = 0, empty = 0, full = 0, after = 0] = used;
    expect([before < empty, empty < full, after]).to.deep.equal([true, true, before]);
    expect(end).to.include("there is no configuration 0");
  },
  "bad ID: traps": () => {
    expectBadId((id) => `(call $process::drop_config ${id})`);
  },
});

for (const [name, initial] of [
  ["max_memory", 0xffff_ffffn],
  ["max_fuel", 0n],
] as const) {
  const get = `(call $test::i64 (call $process::config_get_${name} ${ZERO}))`;
  const set = (value: string) => `(call $process::config_set_${name} ${ZERO} (i64.const ${value}))`;
  cells(`process::config_set_${name}`, {
    "success: stores all 64 bits": () => {
      expect(notesOf(`${CREATE} ${set("-2")} ${get} ${set("5")} ${get}`)).to.deep.equal([-2n, 5n]);
    },
    "bad ID: traps": () => {
      expectBadId((id) => `(call $process::config_set_${name} ${id} (i64.const 1))`);
    },
  });
  cells(`process::config_get_${name}`, {
    [`success: ${initial} at first`]: () => {
      expect(notesOf(`${CREATE} ${get}`)).to.deep.equal([initial]);
    },
    "bad ID: traps": () => {
      expectBadId((id) => `(drop (call $process::config_get_${name} ${id}))`);
    },
  });
}

for (const right of ["can_compile_modules", "can_create_configs", "can_spawn_processes"]) {
  const get = `(call $test::i32 (call $process::config_${right} ${ZERO}))`;
  const set = (value: number) => `(call $process::config_set_${right} ${ZERO} (i32.const ${value}))`;
  cells(`process::config_${right}`, {
    "success: 0 at first": () => {
      expect(notesOf(`${CREATE} ${get}`)).to.deep.equal([0]);
    },
    "bad ID: traps": () => {
      expectBadId((id) => `(drop (call $process::config_${right} ${id}))`);
    },
  });
  cells(`process::config_set_${right}`, {
    "success: anything but 0 is yes": () => {
      expect(notesOf(`${CREATE} ${set(256)} ${get} ${set(0)} ${get}`)).to.deep.equal([1, 0]);
    },
    "bad ID: traps": () => {
      expectBadId((id) => `(call $process::config_set_${right} ${id} (i32.const 1))`);
    },
  });
}

const SPAWN = `(call $test::i32 (call $process::spawn ${ZERO} ${ZERO} (i64.const -1) (i32.const 16) (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 8)))
  (call $process::sleep_ms (i64.const 5))`;

/** Runs a main that builds configuration 0 and spawns a child with it. */
function withChild(
  main: string,
  child: string,
  options: Parameters<TestHost["run"]>[1] = {},
  more = "",
): { notes: Note[]; host: TestHost; end: string } {
  const host = new TestHost();
  const { notes, end } = host.run(
    `(func (export "main") ${CREATE} ${main} ${SPAWN}) (func (export "child") ${child}) ${DATA} ${more}`,
    options,
  );
  return { notes, host, end };
}

/** A configuration that may not have more texts. */
function expectNoMemory(call: string): void {
  const { end } = runPrepared(
    ({ group }) => group.setLimit(Account.Memory, group.used(Account.Memory) + 1_300),
    `${CREATE} ${call}`,
    DATA,
  );
  expect(end).to.include("host function trapped").and.to.include("no memory for a");
}

const WASI = "wasi_snapshot_preview1";
/** Notes the first 16 bytes of the arguments or variables. */
const list = (what: "args" | "environ") =>
  `(drop (call $${WASI}::${what}_get (i32.const 1000) (i32.const 2000))) (call $test::bytes (i32.const 2000) (i32.const 10))`;

for (const [name, texts, read, expected] of [
  ["config_add_environment_variable", [TEXT, "(i32.const 110) (i32.const 5)"], list("environ"), "KEY=value\0"],
  ["config_add_command_line_argument", [TEXT], list("args"), "KEY\0\0\0\0\0\0\0"],
] as const) {
  const add = (...args: readonly string[]) => `(call $wasi::${name} ${ZERO} ${args.join(" ")})`;
  cells(`wasi::${name}`, {
    "success: the child has it": () => {
      expect(withChild(add(...texts), read).notes).to.have.members([0, expected]);
    },
    "trap: no memory for it": () => {
      expectNoMemory(`(loop $l ${add(...texts)} (br $l))`);
    },
    "trap: too many texts": () => {
      const some = (
        count: number,
      ) => `(local $n i32) (local.set $n (i32.const ${count})) ${CREATE} (loop $l ${add(...texts)}
        (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))`;
      expect(endOf(some(4_096), DATA)).to.equal("normal");
      expectTrap("more texts than a configuration may have", some(4_097), DATA);
      const long = texts.map(() => "(i32.const 2000) (i32.const 60000)").join(" ");
      const call = `(memory.fill (i32.const 2000) (i32.const 97) (i32.const 60000)) ${`(call $wasi::${name} ${ZERO} ${long})`.repeat(5)}`;
      expectTrap("more texts than a configuration may have", `${CREATE} ${call}`, DATA);
    },
    "trap: a zero byte in the text": () => {
      texts.forEach((_, i) => {
        const args = texts.map((text, k) => (k === i ? "(i32.const 99) (i32.const 2)" : text));
        expectTrap("a zero byte", `${CREATE} ${add(...args)}`, DATA);
      });
    },
    "bad pointer: traps": () => {
      texts.forEach((_, i) => {
        expectOutOfBounds(`${CREATE} ${add(...texts.map((text, k) => (k === i ? OUTSIDE : text)))}`);
      });
    },
    "bad ID: traps": () => {
      expectBadId((id) => `(call $wasi::${name} ${id} ${texts.join(" ")})`);
    },
    "bad UTF-8: traps": () => {
      texts.forEach((_, i) => {
        expectTrap(
          "not UTF-8",
          `${CREATE} ${add(...texts.map((text, k) => (k === i ? BAD : text)))}`,
          `${DATA} ${BAD_DATA}`,
        );
      });
    },
  });
}

cells("wasi::config_preopen_dir", {
  "success: the child has the directory, if its creator does": async () => {
    const { FakeClock } = await import("../fakes.ts");
    const { MemoryDirectory } = await import("../memory-files.ts");
    const root = MemoryDirectory.create(new FakeClock(), 100_000);
    await root.createDirectory("sub");
    const host = new TestHost();
    const preopens = [
      {
        name: ".",
        readOnly: false,
        isScripted: true,
        open: async () => root.open(".", { read: true, write: false, directory: true }) as never,
      },
    ];
    host.start(
      `(func (export "main") ${CREATE} (call $wasi::config_preopen_dir ${ZERO} (i32.const 120) (i32.const 3)) ${SPAWN})
       (func (export "child")
         (call $test::i32 (call $${WASI}::fd_prestat_get (i32.const 3) (i32.const 300)))
         (drop (call $${WASI}::fd_prestat_dir_name (i32.const 3) (i32.const 310) (i32.const 3)))
         (call $test::bytes (i32.const 310) (i32.const 3))) ${DATA}`,
      { config: { preopens } },
    );
    await host.settle();
    expect(host.notes).to.have.members([0, 0, "sub"]);
  },
  "trap: no memory for it": () => {
    expectNoMemory(`(loop $l (call $wasi::config_preopen_dir ${ZERO} ${TEXT}) (br $l))`);
  },
  "trap: too many texts": () => {
    const add = (length: number) => `(call $wasi::config_preopen_dir ${ZERO} (i32.const 2000) (i32.const ${length}))`;
    const fill = `${CREATE} (memory.fill (i32.const 2000) (i32.const 97) (i32.const 5000))`;
    expect(endOf(`${fill} ${add(4_096).repeat(64)}`, DATA)).to.equal("normal");
    expectTrap("more texts than a configuration may have", `${fill} ${add(1).repeat(65)}`, DATA);
    expectTrap("more texts than a configuration may have", `${fill} ${add(4_097)}`, DATA);
  },
  "trap: a zero byte in the text": () => {
    expectTrap("a zero byte", `${CREATE} (call $wasi::config_preopen_dir ${ZERO} (i32.const 99) (i32.const 2))`, DATA);
  },
  "bad pointer: traps": () => {
    expectOutOfBounds(`${CREATE} (call $wasi::config_preopen_dir ${ZERO} ${OUTSIDE})`);
  },
  "bad ID: traps": () => {
    expectBadId((id) => `(call $wasi::config_preopen_dir ${id} ${TEXT})`);
  },
  "bad UTF-8: traps": () => {
    expectTrap("not UTF-8", `${CREATE} (call $wasi::config_preopen_dir ${ZERO} ${BAD})`, BAD_DATA);
  },
});

cells("perilune::config::version", {
  "success: 1": () => {
    expect(notesOf(`(call $test::i32 (call $perilune::config::version))`)).to.deep.equal([1]);
  },
});

const KILL = "lunatic::process::kill";
const KILL_DATA = `(data (i32.const 400) "${KILL}") (data (i32.const 440) "test::*")`;
const KILL_TEXT = `(i32.const 400) (i32.const ${KILL.length})`;
const TEST_TEXT = "(i32.const 440) (i32.const 7)";

/** A child that says 1, kills nobody, and says 2. */
const KILLER = `(call $test::i32 (i32.const 1)) (call $process::kill (i64.const 99)) (call $test::i32 (i32.const 2))`;

for (const name of ["allow_import", "deny_import"]) {
  const add = (text: string, id = ZERO) => `(call $perilune::config::${name} ${id} ${text})`;
  cells(`perilune::config::${name}`, {
    "success: decides what the child may call": () => {
      const { notes } = withChild(add(KILL_TEXT), KILLER, {}, KILL_DATA);
      // Only `kill` is allowed, or only `kill` is denied.
      expect(notes).to.have.members(name === "allow_import" ? [0] : [0, 1]);
      const both = withChild(`${add(KILL_TEXT)} ${add(TEST_TEXT)}`, KILLER, {}, KILL_DATA);
      expect(both.notes).to.have.members(name === "allow_import" ? [0, 1, 2] : [0]);
    },
    "the creator's own denials stay": () => {
      const { notes } = withChild(
        add(KILL_TEXT),
        KILLER,
        { config: { imports: { deny: ["*::kill", "test::*"] } } },
        KILL_DATA,
      );
      expect(notes).to.deep.equal([]);
    },
    "trap: no memory for it": () => {
      expectNoMemory(`(loop $l ${add(TEXT)} (br $l))`);
    },
    "bad pointer: traps": () => {
      expectOutOfBounds(`${CREATE} ${add(OUTSIDE)}`);
    },
    "bad ID: traps": () => {
      expectBadId((id) => add(TEXT, id));
    },
    "bad UTF-8: traps": () => {
      expectTrap("not UTF-8", `${CREATE} ${add(BAD)}`, BAD_DATA);
    },
  });
}

const MAY_SPAWN = `(call $process::config_set_can_spawn_processes ${ZERO} (i32.const 1))`;
const SPAWN_REST = `(call $test::i32 (call $process::spawn ${ZERO} (i64.const -1) (i64.const -1) (i32.const 130) (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 8)))`;

cells("perilune::config::set_max_processes", {
  "success: the child may make so many": () => {
    const { notes } = withChild(
      `${MAY_SPAWN} (call $perilune::config::set_max_processes ${ZERO} (i64.const 1))`,
      `${SPAWN_REST} ${SPAWN_REST}`,
      {},
      `(func (export "rest") (call $process::sleep_ms (i64.const 1000))) (data (i32.const 130) "rest")`,
    );
    expect(notes).to.have.members([0, 0, 1]);
  },
  "bad ID: traps": () => {
    expectBadId((id) => `(call $perilune::config::set_max_processes ${id} (i64.const 1))`);
  },
});

const SEND = `(call $message::create_data (i64.const 0) (i64.const 0)) (drop (call $message::send (i64.const 2)))`;

cells("perilune::config::set_mailbox", {
  "success: senders wait when so many messages do": () => {
    const host = new TestHost();
    host.run(`(func (export "main") ${CREATE} (call $perilune::config::set_mailbox ${ZERO} (i64.const 2) (i64.const 1000)) ${SPAWN}
      ${SEND} ${SEND} (call $test::i32 (i32.const 2)) ${SEND} (call $test::i32 (i32.const 3)))
      (func (export "child") (call $process::sleep_ms (i64.const 100)) (call $test::i32 (i32.const 100))) ${DATA}`);
    expect(host.notes).to.deep.equal([0, 2, 100, 3]);
  },
  "bad ID: traps": () => {
    expectBadId((id) => `(call $perilune::config::set_mailbox ${id} (i64.const 1) (i64.const 1))`);
  },
});

cells("perilune::config::set_on_full_mailbox", {
  "success: 1 drops the message, 2 cannot be more than the creator has": () => {
    const run = (policy: number) => {
      const host = new TestHost();
      host.run(`(func (export "main") ${CREATE} (call $perilune::config::set_mailbox ${ZERO} (i64.const 1) (i64.const 1000))
        (call $perilune::config::set_on_full_mailbox ${ZERO} (i32.const ${policy})) ${SPAWN} ${SEND} ${SEND} (call $test::i32 (i32.const 5)))
        (func (export "child") (call $process::sleep_ms (i64.const 100)) (call $test::i32 (i32.const 100))) ${DATA}`);
      return host.notes;
    };
    expect([run(0), run(1), run(2)]).to.deep.equal([
      [0, 100, 5],
      [0, 5, 100],
      [0, 100, 5],
    ]);
  },
  "trap: unknown value": () => {
    for (const value of [3, -1])
      expectTrap("no choice", `${CREATE} (call $perilune::config::set_on_full_mailbox ${ZERO} (i32.const ${value}))`);
  },
  "bad ID: traps": () => {
    expectBadId((id) => `(call $perilune::config::set_on_full_mailbox ${id} (i32.const 0))`);
  },
});

cells("perilune::config::set_visibility", {
  "success: the child sees no more than its group": () => {
    const { notes } = withChild(
      `(call $perilune::config::set_visibility ${ZERO} (i32.const 0))`,
      `(call $test::i32 (call $process::exists (i64.const 1)))`,
    );
    expect(notes).to.have.members([0, 1]);
  },
  "trap: unknown value": () => {
    expectTrap("no choice 3", `${CREATE} (call $perilune::config::set_visibility ${ZERO} (i32.const 3))`);
  },
  "bad ID: traps": () => {
    expectBadId((id) => `(call $perilune::config::set_visibility ${id} (i32.const 0))`);
  },
});

const GROUP = `(call $perilune::config::set_group ${ZERO} ${TEXT} (i32.const 50))`;

cells("perilune::config::set_group", {
  "success: the child runs in a group of its own, and the next one in the same": () => {
    const host = new TestHost();
    const groups: Group[] = [];
    host.prepare = ({ group }) => groups.push(group);
    host.run(
      mainOf(
        `${CREATE} ${GROUP} (call $test::prepare) ${SPAWN} ${SPAWN}`,
        `(func (export "child") (call $test::prepare)) ${DATA}`,
      ),
    );
    const [own, first, second] = groups;
    expect([first?.parent, first?.name, first?.share.weight, second]).to.deep.equal([own, "KEY", 50, first]);
  },
  "who is in a group sees nobody outside of it": () => {
    const { notes } = withChild(GROUP, `(call $test::i32 (call $process::exists (i64.const 1)))`);
    expect(notes).to.have.members([0, 0]);
  },
  "trap: unknown value: a weight that is none": () => {
    for (const weight of [0, 1_001]) {
      expectTrap("a weight of", `${CREATE} (call $perilune::config::set_group ${ZERO} ${TEXT} (i32.const ${weight}))`);
    }
  },
  "bad pointer: traps": () => {
    expectOutOfBounds(`${CREATE} (call $perilune::config::set_group ${ZERO} ${OUTSIDE} (i32.const 1))`);
  },
  "bad ID: traps": () => {
    expectBadId((id) => `(call $perilune::config::set_group ${id} ${TEXT} (i32.const 1))`);
  },
  "bad UTF-8: traps": () => {
    expectTrap("not UTF-8", `${CREATE} (call $perilune::config::set_group ${ZERO} ${BAD} (i32.const 1))`, BAD_DATA);
  },
});

const limits = (fuel: number, memory: number, processes: number) =>
  `(call $perilune::config::set_group_limits ${ZERO} (i64.const ${fuel}) (i64.const ${memory}) (i64.const ${processes}))`;

cells("perilune::config::set_group_limits", {
  "success: all processes of the group share them": () => {
    const host = new TestHost();
    const child = `(func (export "child") (call $process::sleep_ms (i64.const 1000)))`;
    const { notes } = host.run(
      mainOf(`${CREATE} ${GROUP} ${limits(-1, -1, 2)} ${SPAWN} ${SPAWN} ${SPAWN}`, `${child} ${DATA}`),
    );
    expect(notes).to.deep.equal([0, 0, 1]);
    const endless = `(loop $l (br $l))`;
    const { host: burnt } = withChild(`${GROUP} ${limits(100_000, -1, -1)}`, endless);
    expect(burnt.runtime.processCount).to.equal(0);
    expect(withChild(`${GROUP} ${limits(-1, 65_536, -1)}`, "").notes).to.deep.equal([1]);
  },
  "trap: unknown value: there is no group": () => {
    expectTrap("names no group", `${CREATE} ${limits(1, 1, 1)}`);
  },
  "bad ID: traps": () => {
    expectBadId((id) => limits(1, 1, 1).replace(ZERO, id));
  },
});

cells("perilune::config::set_network", {
  "success: is stored, one flag for each kind": () => {
    const flags: unknown[] = [];
    const { end } = runPrepared(
      ({ resources }) => flags.push(resources.configs.get(0)?.settings.network),
      `${CREATE} (call $perilune::config::set_network ${ZERO} (i32.const 0) (i32.const 9) (i32.const 0)) (call $test::prepare)`,
    );
    expect(end).to.equal("normal");
    expect(flags).to.deep.equal([undefined, { connect: false, listen: true, resolve: false }]);
  },
  "bad ID: traps": () => {
    expectBadId((id) => `(call $perilune::config::set_network ${id} (i32.const 0) (i32.const 0) (i32.const 0))`);
  },
});

describe("configurations", () => {
  /** Of a guest that makes a configuration and these calls, beyond those of one that makes none. */
  const fuelOf = (calls: string, more = "") => {
    const used = (body: string) => {
      const host = new TestHost();
      expect(host.run(mainOf(body, more)).end).to.equal("normal");
      return host.runtime.group.used(Account.Fuel);
    };
    return used(`${CREATE} ${calls}`) - used(CREATE);
  };

  it("cost by the characters of their texts, which garbage collections copy as long as somebody has them", () => {
    const argument = (length: number) =>
      `(call $wasi::config_add_command_line_argument ${ZERO} (i32.const 1000) (i32.const ${length}))`;
    const text = `(data (i32.const 1000) "${"a".repeat(800)}")`;
    expect(fuelOf(argument(800), text) - fuelOf(argument(400), text)).to.equal(400 / 8 + 400 * 2);
    const pattern = (length: number) =>
      argument(length).replace("wasi::config_add_command_line_argument", "perilune::config::deny_import");
    expect(fuelOf(pattern(400), text) - fuelOf(pattern(200), text)).to.equal(200 / 8 + 200 * 2);
  });

  it("cost what their texts take, and give it back", () => {
    const host = new TestHost({ maxMemory: 300_000 });
    const { end } = host.run(
      mainOf(`${CREATE} (loop $l (call $wasi::config_add_command_line_argument ${ZERO} ${TEXT}) (br $l))`, DATA),
    );
    expect(end).to.include("no memory for a text");
    expect(host.runtime.group.used(Account.Memory)).to.equal(0);
  });
});
