/**
 * The guests of the fairness bench, as text: hogs that burn time in unlike ways, a process that
 * works a little and sleeps, and those that only spawn or send.
 */

import { textToBinary } from "../../vm/text/index.ts";

const IMPORTS = `
  (import "lunatic::process" "process_id" (func $process_id (result i64)))
  (import "lunatic::process" "sleep_ms" (func $sleep_ms (param i64)))
  (import "lunatic::process" "spawn"
    (func $spawn_raw (param i64 i64 i64 i32 i32 i32 i32 i32) (result i32)))
  (import "lunatic::message" "create_data" (func $create_data (param i64 i64)))
  (import "lunatic::message" "write_data" (func $write_data (param i32 i32) (result i32)))
  (import "lunatic::message" "read_data" (func $read_data (param i32 i32) (result i32)))
  (import "lunatic::message" "send" (func $send (param i64) (result i32)))
  (import "lunatic::message" "receive" (func $receive (param i32 i32 i64) (result i32)))
  (import "lunatic::message" "send_receive_skip_search"
    (func $send_receive (param i64 i64 i64) (result i32)))
  (import "lunatic::trap" "catch" (func $catch (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))`;

/** Spawns the export whose name lies at 16, with one i64; returns the new process or -1. */
const SPAWN = `
  (func $spawn (param $length i32) (param $argument i64) (result i64)
    (i32.store8 (i32.const 256) (i32.const 0x7e))
    (i64.store (i32.const 257) (local.get $argument))
    (i64.store (i32.const 265) (i64.const 0))
    (if (result i64) (call $spawn_raw (i64.const 0) (i64.const -1) (i64.const -1)
        (i32.const 16) (local.get $length) (i32.const 256) (i32.const 17) (i32.const 288))
      (then (i64.const -1))
      (else (i64.load (i32.const 288)))))`;

/** `echo`: works as the periodic process does for each message, after it has told the embedder that it is there. */
export const echo = () =>
  textToBinary(`(module ${IMPORTS} (import "bench" "note" (func $note)) (memory (export "memory") 1)
    (func (export "echo") (local $work i32)
      (loop $next
        (drop (call $receive (i32.const 0) (i32.const 0) (i64.const -1)))
        (call $note)
        (local.set $work (i32.const ${PERIODIC_FUEL / 5}))
        (loop $again (br_if $again (local.tee $work (i32.sub (local.get $work) (i32.const 1)))))
        (br $next))))`);

const TIME = `
  (func $now (result i64)
    (drop (call $clock_time_get (i32.const 1) (i64.const 0) (i32.const 8)))
    (i64.load (i32.const 8)))`;

function guest(pages: number, body: string): Uint8Array {
  return textToBinary(`(module ${IMPORTS} (memory (export "memory") ${pages}) ${body})`);
}

export const WALK_PAGES = 1_024;

/** Endless, each in its own way; the entry is `hog`, of no parameters. */
export const HOGS = {
  alu: () =>
    guest(
      1,
      `(func (export "hog") (local $x i32)
        (loop $again
          (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))
          (br $again)))`,
    ),
  /** Reads and writes 64 MiB in an order that no cache foresees. */
  walk: () =>
    guest(
      WALK_PAGES,
      `(func (export "hog") (local $x i32) (local $at i32)
        (local.set $x (i32.const 88172645))
        (loop $again
          (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 13))))
          (local.set $x (i32.xor (local.get $x) (i32.shr_u (local.get $x) (i32.const 17))))
          (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 5))))
          (local.set $at (i32.and (local.get $x) (i32.const 0x3fffffc)))
          (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (i32.const 1)))
          (br $again)))`,
    ),
  /** Grows by one page until it has 64, touches each, leaves that to a successor, and begins again. */
  growth: () =>
    guest(
      1,
      `${SPAWN} (data (i32.const 16) "successor")
      (func $grow (export "hog")
        (loop $again
          (if (i32.lt_u (memory.grow (i32.const 1)) (i32.const 64)) (then
            (i32.store (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 4)) (i32.const 1))
            (br $again))))
        (drop (call $spawn (i32.const 9) (i64.const 0))))
      (func (export "successor") (param i64) (call $grow))`,
    ),
  hostCalls: () => guest(1, `(func (export "hog") (loop $again (drop (call $process_id)) (br $again)))`),
  catches: () =>
    guest(
      1,
      `(func (export "hog") (loop $again (drop (call $catch (i32.const 0) (i32.const 0))) (br $again)))
      (func (export "_lunatic_catch_trap") (param i32 i32) (result i32) unreachable)`,
    ),
  /** Messages of 100 bytes to itself, each received again. */
  sends: () =>
    guest(
      1,
      `(func (export "hog") (local $self i64)
        (local.set $self (call $process_id))
        (loop $again
          (call $create_data (i64.const 0) (i64.const 100))
          (drop (call $write_data (i32.const 512) (i32.const 100)))
          (drop (call $send (local.get $self)))
          (drop (call $receive (i32.const 0) (i32.const 0) (i64.const -1)))
          (br $again)))`,
    ),
} as const;

/** What one turn of the periodic process costs, and how long it sleeps. */
export const PERIODIC_FUEL = 20_000;
export const PERIOD_MS = 5;

/**
 * `periodic(n)`: n times sleeps and works. Writes how late each wake-up was, in nanoseconds as
 * u32, to standard output.
 */
export const periodic = () =>
  guest(
    16,
    `${TIME}
    (func (export "periodic") (param $count i64) (local $at i32) (local $before i64) (local $work i32)
      (local.set $at (i32.const 1024))
      (loop $next
        (local.set $before (call $now))
        (call $sleep_ms (i64.const ${PERIOD_MS}))
        (i32.store (local.get $at)
          (i32.wrap_i64 (i64.sub (call $now) (i64.add (local.get $before) (i64.const ${PERIOD_MS}000000)))))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (local.set $work (i32.const ${PERIODIC_FUEL / 5}))
        (loop $again (br_if $again (local.tee $work (i32.sub (local.get $work) (i32.const 1)))))
        (br_if $next (i64.ne (i64.const 0) (local.tee $count (i64.sub (local.get $count) (i64.const 1))))))
      (i32.store (i32.const 32) (i32.const 1024))
      (i32.store (i32.const 36) (i32.sub (local.get $at) (i32.const 1024)))
      (drop (call $fd_write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 40))))`,
  );

/** `spawner(n)`: n processes one after the other, each of which ends at once. */
export const spawner = () =>
  guest(
    1,
    `${SPAWN} (data (i32.const 16) "nothing")
    (func (export "nothing") (param i64))
    (func (export "spawner") (param $count i64)
      (loop $next
        (drop (call $spawn (i32.const 7) (i64.const 0)))
        (br_if $next (i64.ne (i64.const 0) (local.tee $count (i64.sub (local.get $count) (i64.const 1)))))))`,
  );

const MESSAGES = `
  (func $create (call $create_data (i64.const 1) (i64.const 100))
    (drop (call $write_data (i32.const 512) (i32.const 100))))
  (func $take (drop (call $receive (i32.const 0) (i32.const 0) (i64.const -1)))
    (drop (call $read_data (i32.const 512) (i32.const 100))))`;

/**
 * Messages of 100 bytes that are read. `pingPong(n)`: there and back n times. `ring(n)`: once round
 * 1,000 processes, n / 1,000 times. `fanIn(n)`: 100 processes send n together to one.
 */
export const messenger = () =>
  guest(
    1,
    `${SPAWN} ${MESSAGES}
    (data (i32.const 16) "pong")
    (func (export "pingPong") (param $count i64) (local $partner i64)
      (local.set $partner (call $spawn (i32.const 4) (call $process_id)))
      (loop $next
        (call $create)
        (drop (call $send (local.get $partner)))
        (call $take)
        (br_if $next (i64.ne (i64.const 0) (local.tee $count (i64.sub (local.get $count) (i64.const 1)))))))
    (func (export "pong") (param $partner i64)
      (loop $next (call $take) (call $create) (drop (call $send (local.get $partner))) (br $next)))

    (func (export "ring") (param $count i64) (local $next i64) (local $i i32)
      (i32.store (i32.const 16) (i32.const 0x6b6e696c)) ;; "link"
      (local.set $next (call $process_id))
      (local.set $i (i32.const 999))
      (loop $more
        (local.set $next (call $spawn (i32.const 4) (local.get $next)))
        (br_if $more (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      (loop $round
        (call $create)
        (drop (call $send (local.get $next)))
        (call $take)
        (br_if $round (i64.gt_s (local.tee $count (i64.sub (local.get $count) (i64.const 1000))) (i64.const 0)))))
    (func (export "link") (param $next i64)
      (loop $again (call $take) (call $create) (drop (call $send (local.get $next))) (br $again)))

    (func (export "fanIn") (param $count i64) (local $i i32)
      (i32.store (i32.const 16) (i32.const 0x656e6f63)) ;; "cone"
      (local.set $i (i32.const 100))
      (loop $more
        (drop (call $spawn (i32.const 4) (call $process_id)))
        (br_if $more (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
      (loop $next
        (call $take)
        (br_if $next (i64.ne (i64.const 0) (local.tee $count (i64.sub (local.get $count) (i64.const 1)))))))
    (func (export "cone") (param $to i64)
      (loop $again (call $create) (drop (call $send (local.get $to))) (br $again)))`,
  );

/** `idle()`: touches two pages of its 17 and waits. `idleOne()` is the same with one page. */
export const idler = (pages: number) =>
  guest(
    pages,
    `(func (export "idle")
      (i32.store (i32.const 1024) (i32.const 1))
      (i32.store (i32.const ${(pages - 1) * 65_536 + 32_768}) (i32.const 1))
      (drop (call $receive (i32.const 0) (i32.const 0) (i64.const -1))))`,
  );

/** Its bodies: a megabyte of instructions, most of which never run. */
const megabyteOfCode = (): string => {
  const body = Array.from({ length: 128 }, (_, i) => `(drop (v128.const i64x2 ${i} 1))`).join("");
  return Array.from({ length: 380 }, () => `(func ${body})`).join("\n");
};

/** A module of a megabyte of which nearly all is code, else in the shape of a Rust guest; `fails()` traps. */
export const megabyte = () => rustShaped(`(func (export "fails") (unreachable)) ${megabyteOfCode()}`);

/** The shape of a Rust guest of 1 MB: 17 pages, a table of 600, 150 KB of data. */
export const rustShaped = (more = "") =>
  guest(
    17,
    `(table 600 600 funcref) (elem (i32.const 1) ${"$f ".repeat(599)})
    (func $f)
    ${Array.from({ length: 15 }, (_, i) => `(data (i32.const ${131_072 + i * 10_240}) "${"rust data ".repeat(1_000)}")`).join("\n")}
    (func (export "idle") (i32.store (i32.const 1024) (i32.const 1))
      (drop (call $receive (i32.const 0) (i32.const 0) (i64.const -1))))
    (func (export "nothing")) ${more}`,
  );
