/**
 * What `bench:prices` measures of host functions: guests that call them in a loop, with small and with the worst operands.
 * Calls that undo each other (create and drop, link and unlink) are measured together.
 */

import { CollectedOutput, Executor, guestFunctions, reasonText, Runtime } from "../host/index.ts";
import { guestText } from "../host/functions/testing.ts";
import { compileSync, eventLoopTurn } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";

export interface HostCase {
  readonly name: string;
  /** One round: calls by their full names. */
  readonly code: string;
  /** Before the loop. */
  readonly before?: string;
}

const SELF = "(local.get $self)";
const ANY_TAG = "(i32.const 0) (i32.const 0)";
const NAME = "(i32.const 16) (i32.const 4)";

const withConfig = (calls: string) =>
  `(local.set $config (call $process::create_config)) ${calls} (call $process::drop_config (local.get $config))`;
const spawnWith = (config: string) =>
  `(drop (call $process::spawn (i64.const 0) ${config} (i64.const -1) ${NAME} (i32.const 256) (i32.const 0) (i32.const 288)))`;

export const HOST_CASES: readonly HostCase[] = [
  { name: "process_id", code: "(drop (call $process::process_id))" },
  { name: "exists", code: `(drop (call $process::exists ${SELF}))` },
  { name: "create_data", code: "(call $message::create_data (i64.const 0) (i64.const 100))" },
  {
    name: "write_data 100",
    code: "(call $message::create_data (i64.const 0) (i64.const 100)) (drop (call $message::write_data (i32.const 1024) (i32.const 100)))",
  },
  {
    name: "write_data and read_data 60000",
    code: `(call $message::create_data (i64.const 0) (i64.const 100))
      (drop (call $message::write_data (i32.const 1024) (i32.const 60000)))
      (call $message::seek_data (i64.const 0)) (drop (call $message::read_data (i32.const 1024) (i32.const 60000)))`,
  },
  {
    name: "send and receive",
    code: `(call $message::create_data (i64.const 1) (i64.const 8)) (drop (call $message::send ${SELF}))
      (drop (call $message::receive ${ANY_TAG} (i64.const -1)))`,
  },
  {
    name: "receive 4000 tags of which none is there",
    code: "(drop (call $message::receive (i32.const 1024) (i32.const 4000) (i64.const 0)))",
  },
  {
    name: "send_after and cancel_timer",
    code: `(call $message::create_data (i64.const 1) (i64.const 8))
      (drop (call $timer::cancel_timer (call $timer::send_after ${SELF} (i64.const 1000000))))`,
  },
  {
    name: "put and remove",
    code: `(call $registry::put ${NAME} (i64.const 0) ${SELF}) (call $registry::remove ${NAME})`,
  },
  {
    name: "get",
    before: `(call $registry::put ${NAME} (i64.const 0) ${SELF})`,
    code: `(drop (call $registry::get ${NAME} (i32.const 64) (i32.const 72)))`,
  },
  {
    name: "link and unlink",
    code: `(call $process::link (i64.const 1) ${SELF}) (call $process::unlink ${SELF})`,
  },
  {
    name: "monitor and stop_monitoring",
    code: `(call $process::monitor ${SELF}) (call $process::stop_monitoring ${SELF})`,
  },
  {
    name: "monitor of nobody and receive",
    code: `(call $process::monitor (i64.const 999)) (drop (call $message::receive ${ANY_TAG} (i64.const -1)))`,
  },
  {
    name: "create_config and drop_config",
    code: "(call $process::drop_config (call $process::create_config))",
  },
  {
    name: "a configuration with an argument of 60000 bytes",
    before: "(memory.fill (i32.const 1024) (i32.const 97) (i32.const 60000))",
    code: withConfig(
      "(call $wasi::config_add_command_line_argument (local.get $config) (i32.const 1024) (i32.const 60000))",
    ),
  },
  {
    name: "a configuration with variables of 60000 bytes",
    before: "(memory.fill (i32.const 1024) (i32.const 97) (i32.const 60000))",
    code: withConfig(
      "(call $wasi::config_add_environment_variable (local.get $config) (i32.const 1024) (i32.const 30000) (i32.const 1024) (i32.const 30000))",
    ),
  },
  {
    name: "a configuration with a pattern",
    code: withConfig(`(call $perilune::config::deny_import (local.get $config) ${NAME})`),
  },
  {
    name: "config_set_max_memory",
    before: "(local.set $config (call $process::create_config))",
    code: "(call $process::config_set_max_memory (local.get $config) (i64.const 65536))",
  },
  {
    name: "spawn with a new configuration and the end of it",
    code: `${withConfig(`(call $process::config_set_max_memory (local.get $config) (i64.add (local.get $n) (i64.const 65536)))
      ${spawnWith("(local.get $config)")}`)} (call $process::sleep_ms (i64.const 0))`,
  },
  {
    name: "spawn with new patterns and the end of it",
    code: `(i64.store (i32.const 1024) (i64.or (local.get $n) (i64.const 0x2a2a2a2a00000000)))
      (i32.store8 (i32.const 1027) (i32.const 42))
      ${withConfig(`(call $perilune::config::deny_import (local.get $config) (i32.const 1027) (i32.const 1))
        (call $perilune::config::set_max_processes (local.get $config) (local.get $n))
        ${spawnWith("(local.get $config)")}`)} (call $process::sleep_ms (i64.const 0))`,
  },
  {
    name: "spawn that fails",
    before: `(local.set $config (call $process::create_config))
      (call $wasi::config_preopen_dir (local.get $config) ${NAME})`,
    code: `${spawnWith("(local.get $config)")} (call $error::drop (i64.load (i32.const 288)))`,
  },
  { name: "catch", code: "(drop (call $trap::catch (i32.const 1) (i32.const 0)))" },
  { name: "catch of a trap", code: "(drop (call $trap::catch (i32.const 0) (i32.const 0)))" },
  { name: "increment_counter", code: `(call $metrics::increment_counter ${NAME})` },
  { name: "histogram", code: `(call $metrics::histogram ${NAME} (f64.const 1.5))` },
  { name: "version", code: "(drop (call $version::major))" },
  { name: "sleep", code: "(call $process::sleep_ms (i64.const 0))" },
  {
    name: "spawn and the end of it",
    code: `${spawnWith("(i64.const -1)")} (call $process::sleep_ms (i64.const 0))`,
  },
  {
    name: "clock_time_get",
    code: "(drop (call $wasi_snapshot_preview1::clock_time_get (i32.const 1) (i64.const 0) (i32.const 64)))",
  },
  { name: "random_get 8", code: "(drop (call $wasi_snapshot_preview1::random_get (i32.const 1024) (i32.const 8)))" },
  {
    name: "random_get 60000",
    code: "(drop (call $wasi_snapshot_preview1::random_get (i32.const 1024) (i32.const 60000)))",
  },
  {
    name: "args_sizes_get",
    code: "(drop (call $wasi_snapshot_preview1::args_sizes_get (i32.const 64) (i32.const 72)))",
  },
  {
    name: "fd_write of nothing",
    code: "(drop (call $wasi_snapshot_preview1::fd_write (i32.const 1) (i32.const 1024) (i32.const 1) (i32.const 64)))",
  },
  {
    name: "fd_write of 1000 empty vectors",
    code: "(drop (call $wasi_snapshot_preview1::fd_write (i32.const 1) (i32.const 1024) (i32.const 1000) (i32.const 64)))",
  },
  { name: "fd_close of nothing", code: "(drop (call $wasi_snapshot_preview1::fd_close (i32.const 99)))" },
  { name: "sched_yield", code: "(drop (call $wasi_snapshot_preview1::sched_yield))" },
];

export function hostCaseText({ code, before = "" }: HostCase): string {
  return guestText(`(memory (export "memory") 1) (data (i32.const 16) "name")
    (func (export "_lunatic_catch_trap") (param $function i32) (param i32) (result i32)
      (if (i32.eqz (local.get $function)) (then (unreachable))) (i32.const 0))
    (func (export "name"))
    (func (export "run") (param $n i64) (local $self i64) (local $config i64)
      (local.set $self (call $process::process_id))
      ${before}
      (loop $again ${code}
        (br_if $again (i64.ne (i64.const 0) (local.tee $n (i64.sub (local.get $n) (i64.const 1)))))))`);
}

export interface HostRun {
  readonly ns: number;
  /** Of all processes. */
  readonly fuel: number;
}

/** A guest that can be run for some rounds, in the order of a seed, without the event loop. */
export function hostRunnable(hostCase: HostCase): (rounds: number) => Promise<HostRun> {
  const module = compileSync(textToBinary(hostCaseText(hostCase)));
  return async (rounds) => {
    const executor = new Executor({
      seed: 1,
      source: { nowMs: () => 0, nextTurn: () => {}, wakeAfter: () => () => {} },
    });
    const services = { stdout: new CollectedOutput() };
    const runtime = new Runtime({ executor, functions: [guestFunctions], services });
    const guest = runtime.spawn(module, { entry: "run", args: [BigInt(rounds)] });
    let hasEnded = false;
    void guest.exited.then(() => (hasEnded = true));
    const start = performance.now();
    // What belongs to WASI is closed in promises.
    for (executor.runUntilIdle(); !hasEnded; executor.runUntilIdle()) await eventLoopTurn();
    const ns = (performance.now() - start) * 1e6;
    const fuel = runtime.group.used("fuel");
    void runtime.dispose();
    executor.runUntilIdle();
    const reason = await guest.exited;
    if (reason.kind !== "normal") throw new Error(`${hostCase.name}: ${reasonText(reason)}`);
    return { ns, fuel };
  };
}
