/**
 * The adversary set: what somebody tries in the first hour, as guests. Their tests stand beside this
 * file and say who ends and why; `npm run bench:fairness -- adversaries` runs them in real time.
 */

import type { ConfigOptions } from "../config.ts";
import { FakeClock } from "../fakes.ts";
import type { GroupLimits } from "../group.ts";
import { MemoryDirectory } from "../memory-files.ts";

export const MIB = 1_048_576;

/** What an operator gives to somebody whom nobody trusts. */
export const LIMITS: GroupLimits = { maxMemory: 64 * MIB, maxProcesses: 1_000 };

export interface Attack {
  /** Its export "main" is started. Functions are imported by their names; `$note` tells a number. */
  readonly guest: string;
  readonly config?: ConfigOptions;
  /** Beside {@link LIMITS}. */
  readonly limits?: GroupLimits;
}

function attacker(main: string, more = "", pages = 1): string {
  return `(import "arena" "note" (func $note (param i64)))
    (memory (export "memory") ${pages}) (func (export "main") ${main}) ${more}`;
}

/** Constants one after the other. */
const i = (...numbers: number[]): string => numbers.map((number) => `(i32.const ${number})`).join(" ");
const note = (value: string): string => `(call $note (i64.extend_i32_u ${value}))`;
const data = (at: number, text: string): string => `(data (i32.const ${at}) "${text}")`;
const hex = (bytes: readonly number[]): string =>
  bytes.map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("");
/** Counts local $n down from `count`. */
const times = (count: number, body: string): string =>
  `(local.set $n (i32.const ${count})) (loop $next ${body} (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))`;
const forEver = (body: string): string => `(loop $again ${body} (br $again))`;
/** So much fuel, about; needs local $i. */
const burn = (fuel: number): string =>
  `(local.set $i (i32.const ${Math.floor(fuel / 5)})) (loop $l (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))`;

const SELF = "(call $process::process_id)";
const WAIT = "(call $process::sleep_ms (i64.const -1))";
/** Runs the export whose name lies at an address; the new process's number is written to 40,008. */
const spawn = (at: number, length: number, link = 0, config = "(i64.const -1)"): string =>
  `(call $process::spawn (i64.const ${link}) ${config} (i64.const -1) ${i(at, length, 0, 0, 40_008)})`;
const CHILD = "(i64.load (i32.const 40008))";
/** The same of the export "child" whose name lies at 40,000, with the number of its maker. */
const SPAWN_WITH_SELF = `(i32.store8 (i32.const 100) (i32.const 0x7e)) (i64.store (i32.const 101) ${SELF})
  (drop (call $process::spawn (i64.const 0) (i64.const -1) (i64.const -1) ${i(40_000, 5, 100, 17, 40_008)}))`;
const send = (pid: string, byteLength: number): string =>
  `(call $message::create_data (i64.const 1) (i64.const ${byteLength}))
   (drop (call $message::write_data ${i(0, byteLength)})) (drop (call $message::send ${pid}))`;
/** Frames that an exception passes, and clauses in each. */
export const THROW_FRAMES = 300;
export const THROW_CLAUSES = 1_000;
const CATCH = `(call $trap::catch ${i(0, 0)})`;
const callback = (body: string): string => `(func (export "_lunatic_catch_trap") (param i32 i32) (result i32) ${body})`;
/** Writes local-free text of eight letters to 16, another one for each number at 0. */
const LETTERS = `(func $letters (local $k i32) (loop $l
  (i32.store8 offset=16 (local.get $k) (i32.add (i32.const 97) (i32.and (i32.const 15)
    (i32.shr_u (i32.load (i32.const 0)) (i32.mul (local.get $k) (i32.const 4))))))
  (br_if $l (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 8)))))`;

interface CompiledInGuest {
  readonly head: string;
  readonly fill: string;
  readonly call: string;
}

/** An integer of so many bytes in LEB128. */
const leb = (value: number, length: number): number[] =>
  Array.from({ length }, (_, k) => ((value >> (7 * k)) & 0x7f) | (k < length - 1 ? 0x80 : 0));
const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

/** A module with 2^`doublings` element segments of three bytes each lies at 1000, and is compiled. */
function compilingSegments(doublings: number): CompiledInGuest {
  const byteLength = 3 << doublings;
  const head = [...MAGIC, 0x09, ...leb(byteLength + 3, 3), ...leb(1 << doublings, 3), 0x01, 0x00, 0x00];
  const first = 1_000 + head.length - 3;
  const copies = Array.from({ length: doublings }, (_, k) => `(memory.copy ${i(first + (3 << k), first, 3 << k)})`);
  return {
    head: data(1_000, hex(head)),
    fill: copies.join(" "),
    call: `(call $process::compile_module ${i(1_000, head.length - 3 + byteLength, 0)})`,
  };
}

/** A module with one passive data segment of so many bytes lies at 1000, and is compiled. */
function compilingData(byteLength: number): CompiledInGuest {
  const head = [...MAGIC, 0x0b, ...leb(byteLength + 6, 4), 0x01, 0x01, ...leb(byteLength, 4)];
  return {
    head: data(1_000, hex(head)),
    fill: "",
    call: `(call $process::compile_module ${i(1_000, head.length + byteLength, 0)})`,
  };
}

/** A module with one body of so many bytes of `nop` lies at 1000, and is compiled. */
function compiling(byteLength: number): CompiledInGuest {
  const head = [
    ...[...MAGIC, 0x01, 0x04, 0x01, 0x60, 0x00, 0x00, 0x03, 0x02, 0x01, 0x00],
    ...[0x0a, ...leb(byteLength + 7, 4), 0x01, ...leb(byteLength + 2, 4), 0x00],
  ];
  const body = 1_000 + head.length;
  return {
    head: data(1_000, hex(head)),
    fill: `(memory.fill ${i(body, 1, byteLength)}) (i32.store8 ${i(body + byteLength, 0x0b)})`,
    call: `(call $process::compile_module ${i(1_000, head.length + byteLength + 1, 0)})`,
  };
}

/** The arena's own processes have the first numbers: a server, a client, a loop, and then the attacker. */
export const FIRST_PID = 4;

const REEXPORTED = `(import "lunatic::trap" "catch" (func $c (param i32 i32) (result i32)))
  (memory (export "memory") 1) (export "_lunatic_catch_trap" (func $c))`;

/** Compiles it again and again, and tells when that has failed. */
const dropping = ({ head, fill, call }: CompiledInGuest, pages: number): Attack => ({
  guest: attacker(
    `${fill} ${note("(i32.const 7)")} ${forEver(`(if ${call} (then (call $note (i64.const 0)) (return)))
       (call $process::drop_module (i64.load (i32.const 0)))`)}`,
    head,
    pages,
  ),
});

/** A start function that does this in every process but the first. */
const slowStart = (body: string): Attack => ({
  guest: attacker(
    `(drop ${spawn(0, 4)}) (call $note (i64.const 1))`,
    `${data(0, "main")} (func $init (if (i64.gt_u ${SELF} (i64.const ${FIRST_PID})) (then ${body}))) (start $init)`,
  ),
});

const PATHS = ["/", "~", "..", "data/../..", "data/~", "/etc", "data"];

function wider(): Attack {
  let at = 100;
  const texts: string[] = [];
  const calls = PATHS.map((path) => {
    const address = at;
    texts.push(data(address, path));
    at += path.length;
    return `(local.set $c (call $process::create_config))
      (call $process::config_set_max_memory (local.get $c) (i64.const -1))
      (call $process::config_set_can_spawn_processes (local.get $c) (i32.const 1))
      (call $wasi::config_preopen_dir (local.get $c) ${i(address, path.length)})
      ${note(spawn(0, 5, 0, "(local.get $c)"))}`;
  });
  const directory = MemoryDirectory.create(new FakeClock());
  return {
    guest: attacker(
      `(local $c i64) ${calls.join("\n")} (call $process::sleep_ms (i64.const 2))`,
      `${data(0, "child")} ${texts.join("")}
       (func (export "child") (loop $more (br_if $more (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0))))
         (call $note (i64.extend_i32_u (i32.add (memory.size) (i32.const 1000)))))`,
    ),
    config: {
      maxMemory: 20 * 65_536,
      preopens: [{ name: "data", readOnly: true, isScripted: true, open: async () => directory }],
    },
  };
}

/** Each link leads twenty times into a directory and back, and then to the next. */
async function linkedTree(): Promise<MemoryDirectory> {
  const tree = MemoryDirectory.create(new FakeClock());
  await tree.createDirectory("d");
  for (let k = 0; k < 40; k++) await tree.createSymlink(`l${k}`, `${"d/../".repeat(20)}l${k + 1}`);
  return tree;
}
async function largeDirectory(): Promise<MemoryDirectory> {
  const directory = MemoryDirectory.create(new FakeClock());
  for (let k = 0; k < 2_000; k++) await directory.createDirectory(`${k}`);
  return directory;
}
/** Takes the first entry. */
const READ_DIRECTORY = `(call $wasi_snapshot_preview1::fd_readdir ${i(3, 0, 24)} (i64.const 0) (i32.const 64))`;
const STAT = `(call $wasi_snapshot_preview1::path_filestat_get ${i(3, 1, 16, 2, 512)})`;
const pids = (call: (pid: string) => string): string => times(3, call("(i64.extend_i32_u (local.get $n))"));
const BODY_7_MB = compiling(7_000_000);
const MANY_SEGMENTS = compilingSegments(18);
const SEGMENTS = compilingSegments(16);
const DATA_5_MB = compilingData(5_000_000);
const BODY_20_KB = compiling(20_000);
const tags = (count: number): string => `(drop (call $message::receive ${i(0, count)} (i64.const 0)))`;
const WRITE = `(drop (call $wasi_snapshot_preview1::fd_write ${i(1, 16, 1, 32)}))`;
/** Malformed, and valid with thirty parts. */
const RANGES = [`${"^1.".repeat(80)}*`, Array.from({ length: 30 }, () => ">=1.0.0").join(",")] as const;
const lookup = (at: number, length: number): string =>
  `(call $perilune::registry::lookup ${i(16, 3, at, length, 80, 88)})`;
const manyNames = (count: number, at: number, length: number, digit: number, first: number, radix: number): string =>
  times(
    count,
    `(i32.store8 (i32.const ${digit}) (i32.add (i32.const ${first}) (i32.rem_u (local.get $n) (i32.const ${radix}))))
     (call $registry::put ${i(at, length)} (i64.const 0) (i64.const 1))`,
  );

/** By the number in the set and what they try. */
export const ATTACKS = {
  "1 catch as its own callback": {
    guest: `${REEXPORTED} (func (export "main") ${forEver(`(drop (call $c ${i(0, 0)}))`)})`,
  },
  "1 catch as the callback, once": { guest: `${REEXPORTED} (func (export "main") (drop (call $c ${i(0, 0)})))` },
  "2 spawn chain": {
    guest: attacker(`(local $i i32) ${burn(100_000)} (drop ${spawn(0, 4)})`, data(0, "main")),
  },
  "2 fork bomb": {
    guest: attacker(forEver(`(drop ${spawn(0, 4)})`), data(0, "main")),
    limits: { maxProcesses: 300 },
  },
  "2 fork bomb of large processes": { guest: attacker(forEver(note(spawn(0, 4))), data(0, "main"), 100) },
  "3 fifty that sleep after each slice": {
    guest: attacker(
      `(local $n i32) ${times(50, `(drop ${spawn(0, 7)})`)} ${WAIT}`,
      `${data(0, "cheater")}
       (func (export "cheater") (local $i i32) ${forEver(`${burn(95_000)} (call $process::sleep_ms (i64.const 0))`)})`,
    ),
  },
  "4 wider configurations": wider(),
  "4 patterns in masses": {
    guest: attacker(
      // Each time another one at the end, so that no configuration is one that is known.
      `(local $c i64) (local $n i32) (memory.fill ${i(0, 0x2a, 400)})
       ${forEver(`(local.set $c (call $process::create_config))
         ${times(
           256,
           `(i32.store8 offset=8 (i32.and (local.get $n) (i32.const 255)) (i32.const 101))
           (call $perilune::config::deny_import (local.get $c) ${i(0, 400)})`,
         )}
         (i64.store (i32.const 392) (i64.add (i64.load (i32.const 392)) (i64.const 1)))
         ${note(spawn(40_000, 4, 0, "(local.get $c)"))} (call $process::drop_config (local.get $c))`)}`,
      `${data(40_000, "kept")} (func (export "kept"))`,
    ),
  },
  "5 every number killed, linked, monitored": {
    guest: attacker(
      `(local $n i32) (call $process::die_when_link_dies (i32.const 0))
       ${pids((pid) => note(`(call $process::exists ${pid})`))}
       ${pids((pid) => `(call $process::kill ${pid})`)}
       ${pids((pid) => `(call $process::link (i64.const 9) ${pid})`)}
       ${pids((pid) => `(call $process::monitor ${pid})`)}
       ${times(6, note(`(call $message::receive ${i(0, 0)} (i64.const 0))`))}`,
    ),
  },
  "5 a service's name": {
    guest: attacker(
      `(call $registry::remove ${i(0, 7)}) ${note(`(call $registry::get ${i(0, 7, 16, 24)})`)}
       (call $registry::put ${i(0, 7)} (i64.const 0) ${SELF}) (call $note (i64.const 9))`,
      data(0, "service"),
    ),
  },
  "5 a flood of names": {
    guest: attacker(
      forEver(`(i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
        (call $letters) (call $registry::put ${i(16, 8)} (i64.const 0) (i64.const 0))`),
      LETTERS,
    ),
    limits: { maxNames: 2_000 },
  },
  "6 messages to a child that never receives": {
    guest: attacker(
      `(drop ${spawn(40_000, 5)}) ${forEver(`${send(CHILD, 32_000)} (call $note (i64.const 1))`)}`,
      `${data(40_000, "child")} (func (export "child") ${WAIT})`,
    ),
  },
  "6 messages to a neighbour that never receives": {
    guest: attacker(forEver(send(`(i64.const ${FIRST_PID - 1})`, 0))),
    limits: { maxMemory: 2 * MIB },
  },
  "6 messages to itself": { guest: attacker(forEver(send(SELF, 32_000))) },
  "6 two full mailboxes": {
    guest: attacker(
      `${SPAWN_WITH_SELF} ${forEver(send(CHILD, 32_000))}`,
      `${data(40_000, "child")} (func (export "child") (param $maker i64) ${forEver(send("(local.get $maker)", 32_000))})`,
    ),
  },
  "7 timers of ten years": {
    guest: attacker(
      // Sockets do not exist: each message holds a module.
      `(drop (call $process::compile_module ${i(0, 8, 16)}))
       ${forEver(`(call $message::create_data (i64.const 1) (i64.const 0))
         (drop (call $message::push_module (i64.load (i32.const 16))))
         (drop (call $timer::send_after ${SELF} (i64.const 315360000000)))`)}`,
      data(0, "\\00asm\\01\\00\\00\\00"),
    ),
    limits: { maxTimers: 3_000 },
  },
  "8 arrays of 2^29": {
    guest: attacker(
      `${note(`(call $wasi_snapshot_preview1::fd_write ${i(1, 0, 0x2000_0000, 100)})`)}
       ${note(`(call $wasi_snapshot_preview1::fd_write ${i(1, 0, 0x2000_0001, 100)})`)}
       ${note(`(call $wasi_snapshot_preview1::poll_oneoff ${i(0, 0, 0x2000_0001, 100)})`)}
       ${note(CATCH)}
       ${forEver(`(drop (call $wasi_snapshot_preview1::fd_write ${i(1, 0, 1_024, 60_000)})) (drop ${CATCH})`)}`,
      callback(`${tags(0x2000_0001)} (i32.const 5)`),
    ),
  },
  "8 an array of 2^29 tags": { guest: attacker(tags(0x2000_0000)) },
  "9 receives that match no message": {
    guest: attacker(
      `(local $n i32) ${times(3_000, send(SELF, 0))} (memory.fill ${i(0, 255, 16_000)}) (call $note (i64.const 1))
       ${forEver(tags(2_000))}`,
    ),
  },
  "9 a new tag for each message": {
    guest: attacker(
      `(local $tag i64)
       ${forEver(`(local.set $tag (i64.add (local.get $tag) (i64.const 1)))
         (call $message::create_data (local.get $tag) (i64.const 0)) (drop (call $message::send ${SELF}))
         (i64.store (i32.const 0) (local.get $tag)) ${tags(1)}`)}`,
    ),
  },
  "9 processes that wait for 4,096 tags": {
    guest: attacker(
      forEver(`(drop ${spawn(60_000, 6)}) (call $process::sleep_ms (i64.const 0))`),
      `${data(60_000, "waiter")} (func (export "waiter") (memory.fill ${i(0, 255, 32_768)})
         (i64.store (i32.const 0) ${SELF}) (drop (call $message::receive ${i(0, 4_096)} (i64.const -1))))`,
    ),
  },
  "10 a message of gigabytes": {
    guest: attacker(
      `(call $message::create_data (i64.const 1) (i64.const 0x8000000000000000))
       (drop (call $message::write_data ${i(0, 8)}))
       (call $message::seek_data (i64.const 0x8000000000000000)) ${note(CATCH)}
       (call $message::seek_data (i64.const 0))
       ${forEver(`(drop (call $message::write_data ${i(0, 65_536)})) (call $note (i64.const 1))`)}`,
      callback(`(drop (call $message::read_data ${i(0, 8)})) (i32.const 5)`),
    ),
  },
  "10 a message beyond the group's memory": {
    guest: attacker(
      `(call $message::create_data (i64.const 1) (i64.const -1))
       ${forEver(`(drop (call $message::write_data ${i(0, 65_536)}))`)}`,
    ),
    limits: { maxMemory: MIB },
  },
  "11 a flood of errors": {
    guest: attacker(
      `(local $c i64) (local.set $c (call $process::create_config))
       (call $wasi::config_preopen_dir (local.get $c) ${i(0, 1)}) ${forEver(note(spawn(1, 1, 0, "(local.get $c)")))}`,
      data(0, "/a"),
    ),
    limits: { maxMemory: 150_000 },
  },
  "11 a flood of variables": {
    guest: attacker(
      `(local $c i64) (memory.fill ${i(0, 97, 60_000)})
       ${forEver(`(local.set $c (call $process::create_config))
         (call $wasi::config_add_environment_variable (local.get $c) ${i(0, 30_000, 0, 30_000)})
         (call $wasi::config_add_command_line_argument (local.get $c) ${i(0, 60_000)})`)}`,
    ),
    limits: { maxMemory: 4 * MIB },
  },
  "11 configurations that only children keep": {
    guest: attacker(
      `(local $c i64) (memory.fill ${i(0, 97, 40_000)})
       ${forEver(`(local.set $c (call $process::create_config))
         (call $wasi::config_add_environment_variable (local.get $c) ${i(0, 30_000, 0, 30_000)})
         (call $process::config_set_max_memory (local.get $c) (i64.const 65536))
         ${note(spawn(40_000, 4, 0, "(local.get $c)"))} (call $process::drop_config (local.get $c))`)}`,
      `${data(40_000, "kept")} (func (export "kept") ${WAIT})`,
    ),
    limits: { maxMemory: 8 * MIB },
  },
  "11 a flood of configurations": {
    guest: attacker(
      `(local $n i32) (loop $more (if (i64.ne (call $process::create_config) (i64.const -1))
         (then (local.set $n (i32.add (local.get $n) (i32.const 1))) (br $more))))
       ${note("(local.get $n)")}`,
    ),
  },
  "12 readers killed while they read": {
    guest: attacker(
      // Sockets do not exist: standard input stands for them.
      forEver(`(drop ${spawn(0, 6)}) (i64.store (i32.const 88) ${CHILD})
        (call $process::sleep_ms (i64.const 0)) (call $process::kill (i64.load (i32.const 88)))
        (drop ${spawn(8, 5)})`),
      `${data(0, "reader")} ${data(8, "owner")} ${data(16, "\\00\\04\\00\\00\\00\\80\\00\\00")}
       (func (export "reader") (drop (call $wasi_snapshot_preview1::fd_read ${i(0, 16, 1, 512)})) ${WAIT})
       (func (export "owner") (call $process::sleep_ms (i64.const 1))
         (call $note (i64.or (i64.load (i32.const 1024)) (i64.load (i32.const 512)))))`,
    ),
  },
  "13 a body of 7 MB compiled in a loop": {
    guest: attacker(
      `${BODY_7_MB.fill} (call $note (i64.const 1)) ${forEver(`(drop ${BODY_7_MB.call})`)}`,
      BODY_7_MB.head,
      110,
    ),
  },
  "13 a module of a quarter of a million segments": {
    guest: attacker(`${MANY_SEGMENTS.fill} ${note(MANY_SEGMENTS.call).repeat(3)}`, MANY_SEGMENTS.head, 14),
    limits: { maxMemory: 8_000_000 },
  },
  "13 as many segments as are allowed, without the memory for them": {
    guest: attacker(`${SEGMENTS.fill} ${note(SEGMENTS.call)}`, SEGMENTS.head, 4),
    limits: { maxMemory: 8_000_000 },
  },
  "13 as many segments as are allowed, compiled and dropped in a loop": dropping(SEGMENTS, 4),
  "13 data of 5 MB compiled and dropped in a loop": dropping(DATA_5_MB, 78),
  "13 modules kept in messages": {
    guest: attacker(
      `${BODY_20_KB.fill}
       ${forEver(`(if ${BODY_20_KB.call} (then (call $note (i64.const 0)) (return)))
         (call $message::create_data (i64.const 1) (i64.const 0))
         (drop (call $message::push_module (i64.load (i32.const 0))))
         (call $process::drop_module (i64.load (i32.const 0)))
         (drop (call $message::send ${SELF})) (call $note (i64.const 1))`)}`,
      BODY_20_KB.head,
    ),
    limits: { maxMemory: 800_000 },
  },
  "14 traps caught deep in the stack": {
    guest: attacker(
      `(call $deep (i32.const 0))`,
      `(func $deep (param $n i32) (if (i32.lt_u (local.get $n) (i32.const 20000))
           (then (call $deep (i32.add (local.get $n) (i32.const 1))) (return)))
         (call $note (i64.const 1)) ${forEver(`(drop ${CATCH})`)})
       ${callback("unreachable")}`,
    ),
  },
  "14 exceptions through many frames with many clauses": {
    guest: attacker(
      forEver(`(block $caught (try_table (catch $e $caught) (call $deep (i32.const ${THROW_FRAMES}))))
        (call $note (i64.const 1))`),
      `(tag $e) (tag $other)
       (func $deep (param $left i32) (if (i32.eqz (local.get $left)) (then (throw $e)))
         (block $passed (try_table ${"(catch $other $passed) ".repeat(THROW_CLAUSES)}
           (call $deep (i32.sub (local.get $left) (i32.const 1))))))`,
    ),
  },
  "15 an endless start function": slowStart("(loop $again (br $again))"),
  "15 a start function that waits": slowStart(`(drop (call $message::receive ${i(0, 0)} (i64.const -1)))`),
  "16 growth by one page": {
    guest: attacker(
      `(loop $more (if (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0)) (then
         (i32.store (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 4)) (i32.const 1)) (br $more))))
       ${note("(memory.size)")} (drop ${spawn(0, 4)})`,
      data(0, "main"),
    ),
    config: { maxMemory: 16 * MIB },
  },
  "16 growth beyond the group's memory": {
    guest: attacker(
      `(loop $more (if (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)) (then (br $more)))) ${note("(memory.size)")}`,
    ),
    limits: { maxMemory: 8 * MIB },
  },
  "16 large memories that come and go": {
    guest: attacker(
      forEver(`${note(spawn(0, 4))} (call $process::sleep_ms (i64.const 0))`),
      `${data(0, "kept")} (func (export "kept"))`,
      400,
    ),
  },
  "17 nine hundred links": {
    guest: attacker(
      `(local $n i32) ${times(900, `(drop ${spawn(0, 4, 1)})`)} (call $note (i64.const 1)) unreachable`,
      `${data(0, "leaf")} (func (export "leaf") ${WAIT})`,
    ),
  },
  "17 a chain of nine hundred links": {
    guest: attacker(
      `(call $link (i32.const 900))`,
      `${data(40_000, "link")}
       (func (export "link") (param $left i32) (call $link (local.get $left)))
       (func $link (param $left i32)
         (if (i32.eqz (local.get $left)) (then (call $note (i64.const 1)) unreachable))
         (i32.store8 (i32.const 100) (i32.const 0x7f))
         (i32.store (i32.const 101) (i32.sub (local.get $left) (i32.const 1)))
         (drop (call $process::spawn (i64.const 1) (i64.const -1) (i64.const -1) ${i(40_000, 4, 100, 17, 40_008)})) ${WAIT})`,
    ),
  },
  "18 names that do harm where they are read": {
    guest: attacker(
      `(local $c i64)
       (call $registry::put ${i(0, 9)} (i64.const 0) (i64.const 7))
       ${note(`(call $registry::get ${i(0, 9, 100, 108)})`)} ${note(`(call $registry::get ${i(16, 11, 100, 108)})`)}
       (call $metrics::increment_counter ${i(0, 9)}) (call $metrics::gauge ${i(16, 11)} (f64.const 1))
       (local.set $c (call $process::create_config))
       (call $wasi::config_add_environment_variable (local.get $c) ${i(0, 9, 32, 9)})
       (call $process::config_set_can_spawn_processes (local.get $c) (i32.const 1))
       ${note(spawn(0, 9, 0, "(local.get $c)"))} ${note(spawn(32, 9, 0, "(local.get $c)"))}
       (call $process::sleep_ms (i64.const 5))
       (call $registry::put ${i(0, 1_000_000)} (i64.const 0) (i64.const 0))`,
      `${data(0, "__proto__")} ${data(16, "constructor")} ${data(32, "\\1b[2J\\c2\\9b\\e2\\80\\ae")}
       (func (export "__proto__") (call $note (i64.const 33)))`,
      16,
    ),
  },
  "18 a new metric each time": {
    guest: attacker(
      `(local $n i32)
       ${times(1_500, `(i32.store (i32.const 0) (local.get $n)) (call $letters) (call $metrics::increment_counter ${i(16, 8)})`)}`,
      LETTERS,
    ),
  },
  "19 output that nobody reads": {
    guest: attacker(
      `(local $n i32) ${WRITE} (call $note (i64.const 1)) ${times(100, `(drop ${spawn(0, 6)})`)} ${WAIT}`,
      `${data(0, "writer")} ${data(16, "\\00\\00\\00\\00\\00\\00\\01\\00")} (func (export "writer") ${forEver(WRITE)})`,
    ),
  },
  "20 ranges of versions": {
    guest: attacker(
      `(local $n i32) ${manyNames(26, 0, 7, 6, 97, 26)} ${manyNames(99, 16, 9, 24, 48, 10)}
       ${note(lookup(100, RANGES[0].length))}
       ${forEver(`(drop ${lookup(100, RANGES[0].length)}) (drop ${lookup(600, RANGES[1].length)})`)}`,
      `${data(0, "svc@1.x")} ${data(16, "svc@1.2.0")} ${data(100, RANGES[0])} ${data(600, RANGES[1])}`,
    ),
  },
  "21 a large directory from its beginning": {
    guest: attacker(`${note(READ_DIRECTORY)} ${forEver(`(drop ${READ_DIRECTORY})`)}`),
    config: { preopens: [{ name: "data", readOnly: true, isScripted: true, open: largeDirectory }] },
  },
  "21 a path through forty links": {
    guest: attacker(`${note(STAT)} ${forEver(`(drop ${STAT})`)}`, data(16, "l0")),
    config: { preopens: [{ name: "data", readOnly: true, isScripted: true, open: linkedTree }] },
  },
} as const satisfies Readonly<Record<string, Attack>>;
