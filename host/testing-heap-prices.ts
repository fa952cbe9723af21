/**
 * Run by heap-prices.test.ts in a program of its own: what each kind of thing that a guest can make many of takes of V8's heap, beside
 * what its group is charged for it. Prints both as JSON, by kind.
 */

import { eventLoopTurn } from "../vm/index.ts";
import { Executor } from "./executor.ts";
import { guestFunctions } from "./functions/host-definition.ts";
import { compileGuest } from "./functions/testing.ts";
import type { Group } from "./group.ts";
import { Runtime } from "./runtime.ts";
import { reasonText } from "./signal.ts";

/** Measured together. */
const ROUNDS = 2;

interface Kind {
  readonly count: number;
  /** Before the first. */
  readonly before?: string;
  /** What is done `count` times; `$n` goes down to 1. */
  readonly body: string;
  readonly more?: string;
  /** Processes have memories in slabs, of which nobody can say to whom they belong. */
  readonly withProcesses: boolean;
}

const i32 = (...values: readonly number[]): string => values.map((value) => `(i32.const ${value})`).join(" ");
const times = (count: number, text: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => text(index)).join("");
const FOREVER = "(i64.const -1)";
const WASI = "$wasi_snapshot_preview1";
const SELF = "(call $process::process_id)";
const SPAWN = `(drop (call $process::spawn (i64.const 0) (i64.const -1) (i64.const -1) ${i32(1_024, 1, 0, 0, 8)}))`;
/** Five letters at 512, others for each of 65,536 and in each round. */
const LETTERS = `(i32.store8 (i32.const 516) (i32.or (i32.const 0x40) (i32.and (i32.wrap_i64 ${SELF}) (i32.const 31))))
  (i32.store (i32.const 512) (i32.or (i32.const 0x40404040) (i32.or
  (i32.or (i32.and (local.get $n) (i32.const 15)) (i32.shl (i32.and (local.get $n) (i32.const 0xf0)) (i32.const 4)))
  (i32.or (i32.shl (i32.and (local.get $n) (i32.const 0xf00)) (i32.const 8))
          (i32.shl (i32.and (local.get $n) (i32.const 0xf000)) (i32.const 12))))))`;
const MESSAGE = `(call $message::create_data (i64.const 0x7000000000000000) (i64.const 0))`;
const EMPTY_MODULE = `(data (i32.const 2048) "\\00asm\\01\\00\\00\\00")`;
const CONFIG = `(local.set $c (call $process::create_config))`;

/** Processes that do something and wait. */
function child(count: number, body: string, more = ""): Kind {
  const wait = `(drop (call $message::receive ${i32(0, 0)} ${FOREVER}))`;
  return {
    count,
    body: SPAWN,
    more: `(func (export "c") ${body} ${wait}) (data (i32.const 1024) "c") ${more}`,
    withProcesses: true,
  };
}

function items(count: number, body: string, more = "", before = ""): Kind {
  return { count, body, more, before, withProcesses: false };
}

function polling(clocks: number): Kind {
  const clock = (index: number): string => `(i32.store (i32.const ${index * 48 + 16}) (i32.const 1))
    (i64.store (i32.const ${index * 48 + 24}) (i64.const 1000000000000000))`;
  return child(150, `${times(clocks, clock)} (drop (call ${WASI}::poll_oneoff ${i32(0, 2_000, clocks, 4_000)}))`);
}

const KINDS: Readonly<Record<string, Kind>> = {
  "idle processes": child(300, ""),
  "sleeping processes": child(300, `(call $process::sleep_ms ${FOREVER})`),
  "processes inside trap::catch": child(
    300,
    `(drop (call $trap::catch ${i32(0, 0)}))`,
    `(func (export "_lunatic_catch_trap") (param i32 i32) (result i32) (call $process::sleep_ms ${FOREVER}) (i32.const 0))`,
  ),
  "processes with WASI": child(300, `(drop (call ${WASI}::clock_time_get (i32.const 1) (i64.const 0) (i32.const 8)))`),
  "processes that wait for a clock": polling(1),
  "processes that wait for many clocks": polling(40),
  "processes with objects": child(300, "(drop (struct.new $s (i32.const 1)))", "(type $s (struct (field i32)))"),
  "processes with exceptions": child(300, "(block (try_table (catch $e 0) (throw $e)))", "(tag $e)"),
  tables: child(5, "", "(table 0 funcref)".repeat(400)),
  "tables of one element": child(5, "", "(table 1 funcref)".repeat(400)),
  memories: child(20, "", "(memory 0)".repeat(99)),
  tags: child(10, "", "(tag)".repeat(500)),
  "tags that were thrown": child(
    5,
    times(500, (index) => `(block (try_table (catch $e${index} 0) (throw $e${index})))`),
    times(500, (index) => `(tag $e${index})`),
  ),
  globals: child(5, "", "(global (mut i64) (i64.const 1))".repeat(2_000)),
  "segments that are dropped": child(
    50,
    times(1_000, (index) => `(data.drop $d${index})`),
    times(1_000, (index) => `(data $d${index} "a")`),
  ),
  errors: items(
    2_000,
    `${LETTERS} ${CONFIG} (call $wasi::config_preopen_dir (local.get $c) ${i32(512, 5)})
     (drop (call $process::spawn (i64.const 0) (local.get $c) (i64.const -1) ${i32(1_024, 1, 0, 0, 8)}))
     (call $process::drop_config (local.get $c))`,
    `(data (i32.const 1024) "x")`,
  ),
  configurations: items(
    1_000,
    `${CONFIG}
     (call $perilune::config::set_group (local.get $c) ${i32(1_024, 4, 5)})
     (call $perilune::config::set_group_limits (local.get $c) ${"(i64.const 99999999999)".repeat(3)})
     (call $perilune::config::set_mailbox (local.get $c) ${"(i64.const 99999999999)".repeat(2)})
     (call $perilune::config::set_network (local.get $c) ${i32(1, 0, 1)})
     (call $process::config_set_max_memory (local.get $c) (i64.const 99999999999999))
     (call $process::config_set_max_fuel (local.get $c) (i64.const 99999999999999))`,
    `(data (i32.const 1024) "abcd")`,
  ),
  variables: items(
    4_000,
    `${LETTERS} (call $wasi::config_add_environment_variable (local.get $c) ${i32(512, 5, 512, 5)})`,
    "",
    CONFIG,
  ),
  names: items(
    3_000,
    `${LETTERS} (call $registry::put ${i32(512, 5)} (i64.const 0)
       (i64.add (i64.extend_i32_u (local.get $n)) (i64.const 0x7000000000000000)))`,
  ),
  timers: items(3_000, `${MESSAGE} (drop (call $timer::send_after ${SELF} (i64.const 100000000)))`),
  messages: items(3_000, `${MESSAGE} (drop (call $message::send ${SELF}))`),
  monitors: items(3_000, `(call $process::monitor (i64.add (i64.extend_i32_u (local.get $n)) (i64.const 99999)))`),
  "modules in a message": items(
    4_000,
    "(drop (call $message::push_module (i64.load (i32.const 600))))",
    EMPTY_MODULE,
    `(drop (call $process::compile_module ${i32(2_048, 8, 600)})) ${MESSAGE}`,
  ),
  "modules that were taken": items(
    4_000,
    `${MESSAGE} (drop (call $message::push_module (i64.load (i32.const 600))))
     (drop (call $message::take_module (i64.const 0)))`,
    EMPTY_MODULE,
    `(drop (call $process::compile_module ${i32(2_048, 8, 600)}))`,
  ),
  histograms: items(990, `${LETTERS} (call $metrics::histogram ${i32(512, 5)} (f64.const 1.5))`),
  groups: items(
    1_000,
    `${LETTERS} (call $perilune::config::set_group (local.get $c) ${i32(512, 5, 5)})
     (drop (call $process::spawn (i64.const 0) (local.get $c) (i64.const -1) ${i32(1_024, 1, 0, 0, 8)}))`,
    `(data (i32.const 1024) "c") (func (export "c"))`,
    `${CONFIG} (call $process::config_set_can_spawn_processes (local.get $c) (i32.const 1))`,
  ),
};

const collect =
  (globalThis as { gc?: () => void }).gc ??
  ((): never => {
    throw new TypeError("to be run with --expose-gc");
  });

function usedBytes(withExternal: boolean): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + (withExternal ? external : 0);
}

/** Heap bytes that are taken, and counted, of each, after a round for what is made once. */
async function pricesOf({ count, before = "", body, more = "", withProcesses }: Kind): Promise<[number, number]> {
  const executor = new Executor({ source: { nowMs: () => 0, nextTurn() {}, wakeAfter: () => () => {} } });
  const runtime = new Runtime({ executor, functions: [guestFunctions], maxMemory: 4e9, maxHostMemory: 4e9 });
  const module = compileGuest(`(memory (export "memory") 1) ${more}
    (func (export "main") (local $n i32) (local $c i64) ${before} (local.set $n (i32.const ${count}))
      (loop $next ${body} (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (call $process::sleep_ms ${FOREVER}))`);
  const run = async (): Promise<Group> => {
    const group = runtime.createGroup({});
    const { process: main } = runtime.spawn(module, { entry: "main", group });
    for (let isIdle = false; !isIdle; ) {
      executor.runUntilIdle(10_000);
      isIdle = executor.scheduler.isIdle && !executor.isHeld;
      if (executor.isHeld) await eventLoopTurn();
    }
    if (main.exitReason !== null) throw new Error(`${body}: ${reasonText(main.exitReason)}`);
    return group;
  };
  await run();
  const start = usedBytes(!withProcesses);
  let counted = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const group = await run();
    // The module was there before.
    counted += group.used("memory") - module.byteLength - (withProcesses ? group.used("outsideMemory") : 0);
  }
  return [(usedBytes(!withProcesses) - start) / (ROUNDS * count), counted / (ROUNDS * count)];
}

const only = process.argv.slice(2);
const prices: Record<string, [taken: number, counted: number]> = {};
for (const [name, kind] of Object.entries(KINDS)) {
  if (only.length === 0 || only.includes(name))
    prices[name] = (await pricesOf(kind)).map(Math.round) as [number, number];
}
process.stdout.write(`${JSON.stringify(prices)}\n`);
process.exit();
