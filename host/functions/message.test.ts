import { expect } from "chai";
import { DataMessage, MAX_MESSAGE_RESOURCES, type Resource } from "../message.ts";
import type { Process } from "../process.ts";
import { MAX_RESOURCES, type ResourceTable } from "../resources.ts";
import { Trap } from "../../vm/index.ts";
import { reasonText } from "../signal.ts";
import type { Continuation } from "./define.ts";
import { HOST_FUNCTIONS } from "./functions.ts";
import { MAX_MESSAGE_BYTES, MAX_TAGS } from "./message.ts";
import {
  cells,
  compileGuest,
  endOf,
  expectOutOfBounds,
  expectTrap,
  mainOf,
  type Note,
  notesOf,
  runPrepared,
  TestHost,
} from "./testing.ts";

const CREATE = `(call $message::create_data (i64.const 0) (i64.const 0))`;
/** A data message with "hello" (from address 100). */
const HELLO = `${CREATE} (drop (call $message::write_data (i32.const 100) (i32.const 5)))`;
const TEXT = `(data (i32.const 100) "hello")`;
const SELF = "(call $process::process_id)";
const SEND_SELF = `(drop (call $message::send ${SELF}))`;
const RECEIVE = `(call $message::receive (i32.const 0) (i32.const 0) (i64.const 0))`;
/** A link-died message in the slot: what a link to nobody leads to. */
const LINK_DIED = `(call $process::die_when_link_dies (i32.const 0))
  (call $process::link (i64.const 77) (i64.const 999)) (drop ${RECEIVE})`;
const NOT_DATA = "no data message in the slot";
const EMPTY = "the slot is empty";

/** Calls that need a data message trap without one and with a notice. */
function expectNeedsData(call: string): void {
  expectTrap(NOT_DATA, call, TEXT);
  expectTrap(NOT_DATA, `${LINK_DIED} ${call}`, TEXT);
}

cells("message::create_data", {
  "success: the slot has a new empty message with the tag": () => {
    const tag = -0x1234_5678_9abc_def0n;
    const notes = notesOf(`(call $message::create_data (i64.const ${tag}) (i64.const 5))
      (call $test::i64 (call $message::get_tag)) (call $test::i64 (call $message::data_size))`);
    expect(notes).to.deep.equal([tag, 0n]);
  },
  "what was in the slot is dropped with its resources": () => {
    const { resource } = withResource(
      "tcp_stream",
      `${CREATE} (drop (call $message::push_tcp_stream (i64.const 0))) ${CREATE} (call $process::sleep_ms (i64.const -1))`,
    );
    expect(resource.isClosed).to.equal(true);
  },
  "a huge capacity is not believed": () => {
    expect(
      notesOf(`(call $message::create_data (i64.const 0) (i64.const -1)) (call $test::i64 (call $message::data_size))`),
    ).to.deep.equal([0n]);
  },
});

/** Four and a half megabytes written and read; what lies at the ends of their parts is noted. */
const LONG_BYTES = 4.5 * 1_048_576;
const LONG_TRANSFER = `(memory (export "memory") 160) (func (export "main")
  (memory.fill (i32.const 0) (i32.const 7) (i32.const ${LONG_BYTES}))
  (i32.store8 (i32.const 3) (i32.const 1)) (i32.store8 (i32.const 1048579) (i32.const 2))
  (i32.store8 (i32.const ${LONG_BYTES + 2}) (i32.const 3))
  ${CREATE}
  (call $test::i32 (call $message::write_data (i32.const 3) (i32.const ${LONG_BYTES})))
  (call $test::i64 (call $message::data_size))
  (call $test::i32 (call $message::read_data (i32.const 5000000) (i32.const 5000000)))
  (call $test::i32 (i32.load8_u (i32.const 5000000))) (call $test::i32 (i32.load8_u (i32.const 6048576)))
  (call $test::i32 (i32.load8_u (i32.const 6048577))) (call $test::i32 (i32.load8_u (i32.const ${LONG_BYTES + 4_999_999})))
  (call $test::i32 (i32.load8_u (i32.const ${LONG_BYTES + 5_000_000}))))`;
const LONG_NOTES = [LONG_BYTES, BigInt(LONG_BYTES), LONG_BYTES, 1, 2, 7, 3, 0];

function findStep(name: string, step: string): Continuation {
  return HOST_FUNCTIONS.find((each) => each.fullName === `lunatic::message::${name}`)!.steps![step]!;
}

cells("message::write_data", {
  "success: appends at the end wherever the cursor is, and returns the length": () => {
    const notes = notesOf(
      `${HELLO} (call $message::seek_data (i64.const 2))
       (call $test::i32 (call $message::write_data (i32.const 101) (i32.const 3)))
       (call $test::i64 (call $message::data_size))
       (call $message::seek_data (i64.const 0))
       (call $test::i32 (call $message::read_data (i32.const 200) (i32.const 100)))
       (call $test::bytes (i32.const 200) (i32.const 8))`,
      TEXT,
    );
    expect(notes).to.deep.equal([3, 8n, 8, "helloell"]);
  },
  "success: many bytes, in steps, in each of which it may be saved": async () => {
    const host = new TestHost();
    const module = compileGuest(LONG_TRANSFER);
    const handle = host.start(module);
    const copies: Uint8Array[] = [];
    while (!handle.process.hasEnded) {
      host.executor.runUntilIdle(1);
      if (!handle.process.hasEnded) copies.push(await handle.snapshot());
    }
    expect(host.notes).to.deep.equal(LONG_NOTES);
    // A slice is at most 100,000 fuel: so much for each megabyte of both ways.
    expect(copies.length).to.be.greaterThan(2 * 5 * 0.5);
    for (const bytes of copies.filter((_, i) => i % 3 === 1)) {
      const elsewhere = new TestHost();
      const restored = elsewhere.runtime.restore(bytes, { modules: [module] });
      elsewhere.executor.runUntilIdle();
      const { process, stats } = await restored;
      expect([reasonText(process.exitReason!), stats.fuel]).to.deep.equal(["normal", handle.stats.fuel]);
      expect(elsewhere.notes).to.deep.equal(LONG_NOTES.slice(-elsewhere.notes.length));
    }
  },
  "a step of a forged snapshot traps": () => {
    const host = new TestHost();
    const { process } = host.start(compileGuest(mainOf(`${CREATE} (call $process::sleep_ms (i64.const -1))`)));
    host.executor.runUntilIdle();
    const { guest } = process as Process;
    const steps = [findStep("write_data", "write"), findStep("read_data", "read")];
    const states = [null, [0], [0, 10, 20], [-1, 10, 0], ["a", {}, 7], [0, 65_537, 0]];
    for (const step of steps) {
      for (const state of states) expect(() => step(guest!, state, null), String(state)).to.throw(Trap);
    }
  },
  "trap: no data message in the slot": () => {
    expectNeedsData(`(drop (call $message::write_data (i32.const 100) (i32.const 1)))`);
  },
  "trap: the message is too large: one byte more than fits": () => {
    const fill = `${CREATE} (drop (call $message::write_data (i32.const 0) (i32.const ${MAX_MESSAGE_BYTES})))`;
    const more = `(memory (export "memory") 300)`;
    expect(endOf(fill, more)).to.equal("normal");
    expectTrap(
      "the message is too large",
      `${fill} (drop (call $message::write_data (i32.const 0) (i32.const 1)))`,
      more,
    );
  },
  "bad pointer: traps, and the message stays as it was": () => {
    expectOutOfBounds(
      `${CREATE} (drop (call $message::write_data (i32.const 65536) (i32.const 1)))`,
      `${CREATE} (drop (call $message::write_data (i32.const 0) (i32.const -1)))`,
      `${CREATE} (drop (call $message::write_data (i32.const -1) (i32.const 2)))`,
    );
    const notes = notesOf(
      `${HELLO} (call $test::i32 (call $trap::catch (i32.const 0) (i32.const 0)))
       (call $test::i64 (call $message::data_size))`,
      `${TEXT} (func (export "_lunatic_catch_trap") (param i32 i32) (result i32)
         (call $message::write_data (i32.const 65536) (i32.const 1)))`,
    );
    expect(notes).to.deep.equal([0, 5n]);
  },
  "a length of 0 is allowed at any address inside": () => {
    expect(
      notesOf(`${CREATE} (call $test::i32 (call $message::write_data (i32.const 65536) (i32.const 0)))`),
    ).to.deep.equal([0]);
  },
});

cells("message::read_data", {
  "success: copies from the cursor, moves it, and gives 0 at the end": () => {
    const read = (length: number) =>
      `(call $test::i32 (call $message::read_data (i32.const 200) (i32.const ${length})))`;
    const notes = notesOf(
      `${HELLO} ${read(2)} ${read(2)} (call $test::bytes (i32.const 200) (i32.const 2)) ${read(9)} ${read(9)}`,
      TEXT,
    );
    expect(notes).to.deep.equal([2, 2, "ll", 1, 0]);
  },
  "trap: no data message in the slot": () => {
    expectNeedsData(`(drop (call $message::read_data (i32.const 100) (i32.const 1)))`);
  },
  "trap: the cursor is beyond the end": () => {
    const seek = (position: string) => `${HELLO} (call $message::seek_data (i64.const ${position}))
      (call $test::i32 (call $message::read_data (i32.const 200) (i32.const 1)))`;
    expect(notesOf(seek("5"), TEXT)).to.deep.equal([0]);
    expectTrap("the cursor is beyond the end", seek("6"), TEXT);
    expectTrap("the cursor is beyond the end", seek("-1"), TEXT);
  },
  "bad pointer: traps for the whole range that is given, and the message stays": () => {
    expectOutOfBounds(
      `${CREATE} (drop (call $message::read_data (i32.const 65535) (i32.const 2)))`,
      `${CREATE} (drop (call $message::read_data (i32.const 1) (i32.const -1)))`,
    );
    const notes = notesOf(
      `${HELLO} (call $test::i32 (call $trap::catch (i32.const 0) (i32.const 0)))
       (call $test::i32 (call $message::read_data (i32.const 200) (i32.const 9)))`,
      `${TEXT} (func (export "_lunatic_catch_trap") (param i32 i32) (result i32)
         (call $message::read_data (i32.const 65536) (i32.const 1)))`,
    );
    expect(notes).to.deep.equal([0, 5]);
  },
});

cells("message::seek_data", {
  "success: moves the cursor of reading only, also beyond the end": () => {
    const notes = notesOf(
      `${HELLO} (call $message::seek_data (i64.const 9)) (drop (call $message::write_data (i32.const 100) (i32.const 5)))
       (call $message::seek_data (i64.const 8))
       (call $test::i32 (call $message::read_data (i32.const 200) (i32.const 9)))
       (call $test::bytes (i32.const 200) (i32.const 2))`,
      TEXT,
    );
    expect(notes).to.deep.equal([2, "lo"]);
  },
  "trap: no data message in the slot": () => {
    expectNeedsData(`(call $message::seek_data (i64.const 0))`);
  },
});

cells("message::get_tag", {
  "success: of any kind of message, all 64 bits; 0 for none": () => {
    expect(
      notesOf(
        `(call $message::create_data (i64.const 0x8000000000000001) (i64.const 0)) (call $test::i64 (call $message::get_tag))`,
      ),
    ).to.deep.equal([-0x7fff_ffff_ffff_ffffn]);
    expect(notesOf(`${LINK_DIED} (call $test::i64 (call $message::get_tag))`)).to.deep.equal([77n]);
    expect(notesOf(`${PROCESS_DIED} (call $test::i64 (call $message::get_tag))`)).to.deep.equal([0n]);
  },
  "trap: the slot is empty": () => {
    expectTrap(EMPTY, `(drop (call $message::get_tag))`);
    expectTrap(EMPTY, `${CREATE} ${SEND_SELF} (drop (call $message::get_tag))`);
  },
});

const PROCESS_DIED = `(call $process::monitor (i64.const 888)) (drop ${RECEIVE})`;

cells("message::get_process_id", {
  "success: whom a process-died message tells of, 0 for other messages": () => {
    const id = `(call $test::i64 (call $message::get_process_id))`;
    expect(notesOf(`${PROCESS_DIED} ${id} ${HELLO} ${id} ${LINK_DIED} ${id}`)).to.deep.equal([888n, 0n, 0n]);
    // Of what no process ever has, too, exactly.
    for (const other of [2n ** 53n + 1n, -1n, -(2n ** 63n)]) {
      const monitor = `(call $process::monitor (i64.const ${other})) (drop ${RECEIVE})`;
      expect(notesOf(`${monitor} ${id}`).map((each) => BigInt.asIntN(64, each as bigint))).to.deep.equal([other]);
    }
  },
  "trap: the slot is empty": () => {
    expectTrap(EMPTY, `(drop (call $message::get_process_id))`);
  },
});

cells("message::data_size", {
  "success: all bytes, wherever the cursor is": () => {
    expect(
      notesOf(`${HELLO} (call $message::seek_data (i64.const 3)) (call $test::i64 (call $message::data_size))`, TEXT),
    ).to.deep.equal([5n]);
  },
  "trap: no data message in the slot": () => {
    expectNeedsData(`(drop (call $message::data_size))`);
  },
});

class FakeResource implements Resource {
  readonly kind: string;
  isClosed = false;

  constructor(kind: string) {
    this.kind = kind;
  }

  close(): void {
    this.isClosed = true;
  }
}

/** Runs a guest that has such a resource as number 0. */
function withResource(kind: string, calls: string, more = ""): { notes: Note[]; resource: FakeResource } {
  const resource = new FakeResource(kind);
  const { notes } = runPrepared((process) => tableOf(process, kind).add(resource), calls, more);
  return { notes, resource };
}

function tableOf({ resources }: Process, kind: string): ResourceTable<Resource> {
  if (kind === "tcp_stream") return resources.tcpStreams;
  return kind === "tls_stream" ? resources.tlsStreams : resources.udpSockets;
}

for (const kind of ["tcp_stream", "tls_stream", "udp_socket"]) {
  const other = kind === "tcp_stream" ? "tls_stream" : "tcp_stream";
  const push = `(call $message::push_${kind} (i64.const 0))`;
  const take = (index: number | string, what = kind) => `(call $message::take_${what} (i64.const ${index}))`;

  cells(`message::push_${kind}`, {
    "success: moves it out of the process, and returns its index in the message": () => {
      const { notes, resource } = withResource(kind, `${CREATE} (call $test::i64 ${push}) (drop ${push})`);
      expect(notes).to.deep.equal([0n]);
      // The second push found none; the end of the process dropped the message and what was in it.
      expect(resource.isClosed).to.equal(true);
    },
    "trap: no data message in the slot: it stays in the process": () => {
      const { notes } = withResource(
        kind,
        `(drop (call $trap::catch (i32.const 0) (i32.const 0))) ${CREATE} (call $test::i64 ${push})`,
        `(func (export "_lunatic_catch_trap") (param i32 i32) (result i32) (drop ${push}) (i32.const 1))`,
      );
      expect(notes).to.deep.equal([0n]);
      expect(withResource(kind, `(drop ${push})`).notes).to.deep.equal([]);
    },
    "trap: the message is too large: it has too many resources": () => {
      const fill = (process: Process) => {
        tableOf(process, kind).add(new FakeResource(kind));
        const message = new DataMessage(0n);
        for (let i = 0; i < MAX_MESSAGE_RESOURCES; i++) message.pushResource(new FakeResource(kind));
        process.messages.scratch = message;
      };
      expect(runPrepared(fill, `(drop ${push})`).end).to.include("the message is too large");
    },
    "bad ID: traps": () => {
      for (const id of ["0", "7", "-1"])
        expectTrap("there is no", `${CREATE} (drop (call $message::push_${kind} (i64.const ${id})))`);
    },
  });

  cells(`message::take_${kind}`, {
    "success: moves it into the process under a new ID, the other indices stay": () => {
      const { notes, resource } = withResource(
        kind,
        `${CREATE} (drop ${push}) ${SEND_SELF} (drop ${RECEIVE}) (call $test::i64 ${take(0)})
         (call $test::i64 (call $message::push_${kind} (i64.const 1)))`,
      );
      expect(notes).to.deep.equal([1n, 1n]);
      expect(resource.isClosed).to.equal(true);
    },
    "trap: no data message in the slot": () => {
      expectNeedsData(`(drop ${take(0)})`);
    },
    "trap: no such resource in the message: none there, taken, or of another type": () => {
      const words = "no such resource in the message";
      for (const index of ["0", "1", "-1"]) expectTrap(words, `${CREATE} (drop ${take(index)})`);
      const twice = withResource(
        kind,
        `${CREATE} (drop ${push}) (drop ${take(0)}) (drop ${take(0)}) (call $test::i32 (i32.const 1))`,
      );
      expect(twice.notes).to.deep.equal([]);
      const { notes } = withResource(
        kind,
        `${CREATE} (drop ${push}) (drop (call $trap::catch (i32.const 0) (i32.const 0))) (call $test::i64 ${take(0)})`,
        `(func (export "_lunatic_catch_trap") (param i32 i32) (result i32) (drop ${take(0, other)}) (i32.const 1))`,
      );
      expect(notes).to.deep.equal([1n]);
    },
    "trap: the table is full": () => {
      const fill = (process: Process) => {
        for (let i = 0; i < MAX_RESOURCES; i++) tableOf(process, kind).add(new FakeResource(kind));
        const message = new DataMessage(0n);
        message.pushResource(new FakeResource(kind));
        process.messages.scratch = message;
      };
      expect(runPrepared(fill, `(drop ${take(0)})`).end).to.include("the table is full");
    },
  });
}

/** The smallest module, and a call that compiles it; its ID goes to address 8. */
const MODULE = `(data (i32.const 50) "\\00asm\\01\\00\\00\\00")`;
const COMPILE = `(drop (call $process::compile_module (i32.const 50) (i32.const 8) (i32.const 8)))`;

cells("message::push_module", {
  "success: the module stays with the sender too": () => {
    const push = `(call $test::i64 (call $message::push_module (i64.const 0)))`;
    expect(
      notesOf(`${COMPILE} ${CREATE} ${push} ${push} (call $process::drop_module (i64.const 0))`, MODULE),
    ).to.deep.equal([0n, 1n]);
  },
  "trap: no data message in the slot": () => {
    expectTrap(NOT_DATA, `${COMPILE} (drop (call $message::push_module (i64.const 0)))`, MODULE);
  },
  "trap: the message is too large: it has too many resources": () => {
    const calls = `${COMPILE} ${CREATE}
      (loop $again (drop (call $message::push_module (i64.const 0))) (br $again))`;
    expectTrap("the message is too large", calls, MODULE);
  },
  "bad ID: traps": () => {
    for (const id of ["0", "-1"])
      expectTrap("there is no module", `${CREATE} (drop (call $message::push_module (i64.const ${id})))`);
  },
});

cells("message::take_module", {
  "success: moves it into the process under a new ID": () => {
    const notes = notesOf(
      `${COMPILE} ${CREATE} (drop (call $message::push_module (i64.const 0))) ${SEND_SELF} (drop ${RECEIVE})
       (call $test::i64 (call $message::take_module (i64.const 0)))
       (call $process::drop_module (i64.const 0)) (call $process::drop_module (i64.const 1))`,
      MODULE,
    );
    expect(notes).to.deep.equal([1n]);
  },
  "trap: no data message in the slot": () => {
    expectNeedsData(`(drop (call $message::take_module (i64.const 0)))`);
  },
  "trap: no such resource in the message": () => {
    expectTrap("no such resource in the message", `${CREATE} (drop (call $message::take_module (i64.const 0)))`);
    const twice = `(drop (call $message::take_module (i64.const 0)))`;
    expectTrap(
      "no such resource in the message",
      `${COMPILE} ${CREATE} (drop (call $message::push_module (i64.const 0))) ${twice} ${twice}`,
      MODULE,
    );
  },
  "trap: the table is full": () => {
    expectTrap(
      "the table is full",
      `${COMPILE} ${CREATE} (loop $again
        (drop (call $message::push_module (i64.const 0)))
        (drop (call $message::take_module (call $message::get_tag)))
        ${CREATE} (br $again))`,
      MODULE,
    );
  },
});

const receiveFrom = (sender: string, child: string): string => `
  (func (export "main") ${sender})
  (func (export "child") ${child})
  (func $spawn (result i64)
    (drop (call $process::spawn (i64.const 0) (i64.const -1) (i64.const -1) (i32.const 300) (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 320)))
    (i64.load (i32.const 320)))
  (data (i32.const 300) "child") ${TEXT}`;

cells("message::send", {
  "success: the message arrives with tag, data and cursor, and the slot is empty": () => {
    const host = new TestHost();
    host.run(
      receiveFrom(
        `(call $message::create_data (i64.const 9) (i64.const 0)) (drop (call $message::write_data (i32.const 100) (i32.const 5)))
         (call $message::seek_data (i64.const 1))
         (call $test::i32 (call $message::send (call $spawn)))
         (drop (call $message::get_tag))`,
        `(call $test::i32 (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)))
         (call $test::i64 (call $message::get_tag))
         (call $test::i32 (call $message::read_data (i32.const 200) (i32.const 9)))
         (call $test::bytes (i32.const 200) (i32.const 4))`,
      ),
    );
    expect(host.notes).to.deep.equal([0, 0, 9n, 4, "ello"]);
  },
  "trap: a notice cannot be sent": () => {
    expectTrap("a notice cannot be sent", `${LINK_DIED} (drop (call $message::send ${SELF}))`);
  },
  "trap: the slot is empty": () => {
    expectTrap(EMPTY, `(drop (call $message::send ${SELF}))`);
    expectTrap(EMPTY, `${CREATE} ${SEND_SELF} ${SEND_SELF}`);
  },
  "bad ID: 0, and the message is dropped": () => {
    for (const id of ["0", "99", "-1", "0x20000000000001"]) {
      expect(notesOf(`${CREATE} (call $test::i32 (call $message::send (i64.const ${id})))`)).to.deep.equal([0]);
    }
  },
});

cells("message::send_receive_skip_search", {
  "success: code 0 for the answer with the tag, not for what was there before": () => {
    const host = new TestHost();
    host.run(
      receiveFrom(
        `(call $message::create_data (i64.const 5) (i64.const 0)) ${SEND_SELF}
         (call $message::create_data (i64.const 4) (i64.const 0))
         (i64.store (i32.const 400) ${SELF}) (drop (call $message::write_data (i32.const 400) (i32.const 8)))
         (call $test::i32 (call $message::send_receive_skip_search (call $spawn) (i64.const 5) (i64.const -1)))
         (call $test::i64 (call $message::data_size))
         (call $test::i32 ${RECEIVE}) (call $test::i64 (call $message::data_size))`,
        `(drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)))
         (drop (call $message::read_data (i32.const 400) (i32.const 8)))
         ${CREATE} (drop (call $message::send (i64.load (i32.const 400))))
         (call $message::create_data (i64.const 5) (i64.const 0)) (drop (call $message::write_data (i32.const 100) (i32.const 5)))
         (drop (call $message::send (i64.load (i32.const 400))))`,
      ),
    );
    // The answer has five bytes; the oldest of the rest is the one sent to itself.
    expect(host.notes).to.deep.equal([0, 5n, 0, 0n]);
  },
  "success: also when a link died with that tag": () => {
    const host = new TestHost();
    host.run(
      `(func (export "main") (call $process::die_when_link_dies (i32.const 0))
         (drop (call $process::spawn (i64.const 6) (i64.const -1) (i64.const -1) (i32.const 300) (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 320)))
         ${CREATE} (call $test::i32 (call $message::send_receive_skip_search (i64.load (i32.const 320)) (i64.const 6) (i64.const -1))))
       (func (export "child") (drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1))) unreachable)
       (data (i32.const 300) "child")`,
    );
    expect(host.notes).to.deep.equal([0]);
  },
  "code 9027: nothing in time, and the slot is empty": () => {
    const host = new TestHost();
    const call = (timeout: number) =>
      `${CREATE} (call $test::i32 (call $message::send_receive_skip_search (i64.const 99) (i64.const 5) (i64.const ${timeout})))`;
    const { end } = host.run(mainOf(`${call(0)} ${call(1000)} (drop (call $message::get_tag))`));
    expect(host.notes).to.deep.equal([9027, 9027]);
    expect(host.executor.nowMs()).to.be.within(1_000, 1_010);
    expect(end).to.include(EMPTY);
  },
  "a tag of 0 is never answered": () => {
    expect(
      notesOf(
        `${CREATE} (call $test::i32 (call $message::send_receive_skip_search ${SELF} (i64.const 0) (i64.const 10)))`,
      ),
    ).to.deep.equal([9027]);
  },
  "trap: a notice cannot be sent": () => {
    expectTrap(
      "a notice cannot be sent",
      `${LINK_DIED} (drop (call $message::send_receive_skip_search ${SELF} (i64.const 1) (i64.const 0)))`,
    );
  },
  "trap: the slot is empty": () => {
    expectTrap(EMPTY, `(drop (call $message::send_receive_skip_search ${SELF} (i64.const 1) (i64.const 0)))`);
  },
  "bad ID: as if nobody answered": () => {
    for (const id of ["0", "-1"]) {
      expect(
        notesOf(
          `${CREATE} (call $test::i32 (call $message::send_receive_skip_search (i64.const ${id}) (i64.const 5) (i64.const 10)))`,
        ),
      ).to.deep.equal([9027]);
    }
  },
});

cells("message::send_receive_skip_search#1", {
  "success: waits for the tag of the message sent": () => {
    const host = new TestHost();
    host.run(
      receiveFrom(
        `(call $message::create_data (i64.const 5) (i64.const 0))
         (i64.store (i32.const 400) ${SELF}) (drop (call $message::write_data (i32.const 400) (i32.const 8)))
         (call $test::i32 (call $message::send_receive_skip_search#1 (call $spawn) (i64.const -1)))
         (call $test::i64 (call $message::get_tag))`,
        `(drop (call $message::receive (i32.const 0) (i32.const 0) (i64.const -1)))
         (drop (call $message::read_data (i32.const 400) (i32.const 8)))
         (call $message::create_data (i64.const 6) (i64.const 0)) (drop (call $message::send (i64.load (i32.const 400))))
         (call $message::create_data (i64.const 5) (i64.const 0)) (drop (call $message::send (i64.load (i32.const 400))))`,
      ),
    );
    expect(host.notes).to.deep.equal([0, 5n]);
  },
  "without a tag any message is the answer": () => {
    expect(
      notesOf(
        `${HELLO} (call $test::i32 (call $message::send_receive_skip_search#1 ${SELF} (i64.const 10)))
      (call $test::i64 (call $message::data_size))`,
        TEXT,
      ),
    ).to.deep.equal([0, 5n]);
  },
  "code 9027: nothing in time": () => {
    expect(
      notesOf(`${CREATE} (call $test::i32 (call $message::send_receive_skip_search#1 (i64.const 99) (i64.const 10)))`),
    ).to.deep.equal([9027]);
  },
  "trap: a notice cannot be sent": () => {
    expectTrap(
      "a notice cannot be sent",
      `${LINK_DIED} (drop (call $message::send_receive_skip_search#1 ${SELF} (i64.const 0)))`,
    );
  },
  "trap: the slot is empty": () => {
    expectTrap(EMPTY, `(drop (call $message::send_receive_skip_search#1 ${SELF} (i64.const 0)))`);
  },
  "bad ID: as if nobody answered": () => {
    expect(
      notesOf(`${CREATE} (call $test::i32 (call $message::send_receive_skip_search#1 (i64.const -1) (i64.const 10)))`),
    ).to.deep.equal([9027]);
  },
});

/** Sends a message of this tag to itself. */
const note = (tag: number) => `(call $message::create_data (i64.const ${tag}) (i64.const 0)) ${SEND_SELF}`;

cells("message::receive", {
  "success: the oldest message, or the oldest with one of the tags": () => {
    const notes = notesOf(
      `${note(1)} ${note(2)} ${note(3)} ${note(0)} ${note(2)}
       (i64.store (i32.const 8) (i64.const 3)) (i64.store (i32.const 16) (i64.const 2)) (i64.store (i32.const 24) (i64.const 0))
       (call $test::i32 (call $message::receive (i32.const 8) (i32.const 3) (i64.const 0))) (call $test::i64 (call $message::get_tag))
       (call $test::i32 (call $message::receive (i32.const 8) (i32.const 3) (i64.const 0))) (call $test::i64 (call $message::get_tag))
       (call $test::i32 ${RECEIVE}) (call $test::i64 (call $message::get_tag))
       (call $test::i32 ${RECEIVE}) (call $test::i64 (call $message::get_tag))`,
    );
    expect(notes).to.deep.equal([0, 2n, 0, 3n, 0, 1n, 0, 0n]);
  },
  "code 1: a link-died message": () => {
    expect(
      notesOf(`(call $process::die_when_link_dies (i32.const 0))
      (call $process::link (i64.const 77) (i64.const 999)) (call $test::i32 ${RECEIVE})`),
    ).to.deep.equal([1]);
  },
  "code 2: a process-died message, which no tag finds": () => {
    expect(
      notesOf(`(call $process::monitor (i64.const 999))
      (call $test::i32 (call $message::receive (i32.const 8) (i32.const 1) (i64.const 0)))
      (call $test::i32 ${RECEIVE})`),
    ).to.deep.equal([9027, 2]);
  },
  "code 9027: nothing in time, the slot is as it was, and order is kept afterwards": () => {
    const host = new TestHost();
    host.run(
      mainOf(
        `${HELLO} (i64.store (i32.const 8) (i64.const 5))
       (call $test::i32 (call $message::receive (i32.const 8) (i32.const 1) (i64.const 2000)))
       (call $test::i64 (call $message::data_size))
       ${note(5)} ${note(6)}
       (drop ${RECEIVE}) (call $test::i64 (call $message::get_tag))`,
        TEXT,
      ),
    );
    expect(host.notes).to.deep.equal([9027, 5n, 5n]);
    expect(host.executor.nowMs()).to.be.within(2_000, 2_010);
  },
  "trap: too many tags": () => {
    const more = `(memory (export "memory") 20)`;
    const receive = (count: number) =>
      `(call $test::i32 (call $message::receive (i32.const 0) (i32.const ${count}) (i64.const 0)))`;
    expect(new TestHost().run(mainOf(receive(MAX_TAGS), more)).notes).to.deep.equal([9027]);
    expectTrap("too many tags", receive(MAX_TAGS + 1), more);
    // The length would wrap around 32 bits.
    expectTrap("too many tags", receive(0x2000_0000));
  },
  "bad pointer: traps, but a count of 0 has no pointer": () => {
    expectOutOfBounds(
      `(drop (call $message::receive (i32.const 65536) (i32.const 1) (i64.const 0)))`,
      `(drop (call $message::receive (i32.const 65529) (i32.const 1) (i64.const 0)))`,
      `(drop (call $message::receive (i32.const -8) (i32.const 1) (i64.const 0)))`,
    );
    expect(
      notesOf(`(call $test::i32 (call $message::receive (i32.const -1) (i32.const 0) (i64.const 0)))`),
    ).to.deep.equal([9027]);
  },
});
