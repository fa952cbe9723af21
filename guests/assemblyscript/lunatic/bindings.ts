/** The imports that the library uses, with Lunatic's names and types. Pointers and lengths are those of this memory. */

// @ts-ignore: decorator
@external("lunatic::error", "string_size")
export declare function errorSize(error: u64): u32;
// @ts-ignore: decorator
@external("lunatic::error", "to_string")
export declare function errorText(error: u64, out: usize): void;
// @ts-ignore: decorator
@external("lunatic::error", "drop")
export declare function dropError(error: u64): void;

// @ts-ignore: decorator
@external("lunatic::message", "create_data")
export declare function createData(tag: i64, capacity: u64): void;
// @ts-ignore: decorator
@external("lunatic::message", "write_data")
export declare function writeData(data: usize, length: usize): u32;
// @ts-ignore: decorator
@external("lunatic::message", "read_data")
export declare function readData(data: usize, length: usize): u32;
// @ts-ignore: decorator
@external("lunatic::message", "data_size")
export declare function dataSize(): u64;
// @ts-ignore: decorator
@external("lunatic::message", "get_tag")
export declare function getTag(): i64;
// @ts-ignore: decorator
@external("lunatic::message", "get_process_id")
export declare function getProcessId(): u64;
// @ts-ignore: decorator
@external("lunatic::message", "send")
export declare function send(process: u64): u32;
// @ts-ignore: decorator
@external("lunatic::message", "send_receive_skip_search")
export declare function sendReceive(process: u64, waitTag: i64, timeoutMs: u64): u32;
// @ts-ignore: decorator
@external("lunatic::message", "receive")
export declare function receive(tags: usize, count: u32, timeoutMs: u64): u32;

// @ts-ignore: decorator
@external("lunatic::timer", "send_after")
export declare function sendAfter(process: u64, delayMs: u64): u64;
// @ts-ignore: decorator
@external("lunatic::timer", "cancel_timer")
export declare function cancelTimer(timer: u64): u32;

// @ts-ignore: decorator
@external("lunatic::process", "spawn")
export declare function spawn(
  link: i64,
  config: i64,
  module: i64,
  name: usize,
  nameLength: usize,
  params: usize,
  paramsLength: usize,
  id: usize,
): u32;
// @ts-ignore: decorator
@external("lunatic::process", "create_config")
export declare function createConfig(): i64;
// @ts-ignore: decorator
@external("lunatic::process", "config_set_max_memory")
export declare function setMaxMemory(config: i64, bytes: u64): void;
// @ts-ignore: decorator
@external("lunatic::process", "config_set_max_fuel")
export declare function setMaxFuel(config: i64, units: u64): void;
// @ts-ignore: decorator
@external("lunatic::process", "config_set_can_spawn_processes")
export declare function setCanSpawnProcesses(config: i64, can: bool): void;
// @ts-ignore: decorator
@external("lunatic::process", "config_set_can_create_configs")
export declare function setCanCreateConfigs(config: i64, can: bool): void;
// @ts-ignore: decorator
@external("lunatic::process", "config_set_can_compile_modules")
export declare function setCanCompileModules(config: i64, can: bool): void;
// @ts-ignore: decorator
@external("lunatic::process", "drop_config")
export declare function dropConfig(config: i64): void;

// @ts-ignore: decorator
@external("perilune::config", "version")
export declare function configVersion(): i32;
// @ts-ignore: decorator
@external("perilune::config", "allow_import")
export declare function allowImport(config: i64, pattern: usize, length: usize): void;
// @ts-ignore: decorator
@external("perilune::config", "deny_import")
export declare function denyImport(config: i64, pattern: usize, length: usize): void;
// @ts-ignore: decorator
@external("perilune::config", "set_max_processes")
export declare function setMaxProcesses(config: i64, count: u64): void;
// @ts-ignore: decorator
@external("perilune::config", "set_mailbox")
export declare function setMailbox(config: i64, messages: u64, bytes: u64): void;
// @ts-ignore: decorator
@external("perilune::config", "set_visibility")
export declare function setVisibility(config: i64, scope: u32): void;
// @ts-ignore: decorator
@external("perilune::config", "set_group")
export declare function setGroup(config: i64, name: usize, length: usize, weight: u32): void;
// @ts-ignore: decorator
@external("perilune::config", "set_group_limits")
export declare function setGroupLimits(config: i64, maxFuel: u64, maxMemory: u64, maxProcesses: u64): void;

// @ts-ignore: decorator
@external("lunatic::process", "sleep_ms")
export declare function sleepMs(milliseconds: u64): void;
// @ts-ignore: decorator
@external("lunatic::process", "die_when_link_dies")
export declare function dieWhenLinkDies(flag: bool): void;
// @ts-ignore: decorator
@external("lunatic::process", "process_id")
export declare function processId(): u64;
// @ts-ignore: decorator
@external("lunatic::process", "link")
export declare function link(tag: i64, process: u64): void;
// @ts-ignore: decorator
@external("lunatic::process", "unlink")
export declare function unlink(process: u64): void;
// @ts-ignore: decorator
@external("lunatic::process", "monitor")
export declare function monitor(process: u64): void;
// @ts-ignore: decorator
@external("lunatic::process", "stop_monitoring")
export declare function stopMonitoring(process: u64): void;
// @ts-ignore: decorator
@external("lunatic::process", "kill")
export declare function kill(process: u64): void;
// @ts-ignore: decorator
@external("lunatic::process", "exists")
export declare function exists(process: u64): bool;

// @ts-ignore: decorator
@external("lunatic::registry", "put")
export declare function registryPut(name: usize, length: usize, node: u64, process: u64): void;
// @ts-ignore: decorator
@external("lunatic::registry", "get")
export declare function registryGet(name: usize, length: usize, node: usize, process: usize): u32;
// @ts-ignore: decorator
@external("lunatic::registry", "remove")
export declare function registryRemove(name: usize, length: usize): void;

// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "fd_write")
export declare function fdWrite(descriptor: u32, vectors: usize, count: u32, written: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "clock_time_get")
export declare function clockTime(clock: u32, precision: u64, out: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "args_sizes_get")
export declare function argsSizes(count: usize, bytes: usize): u32;
// @ts-ignore: decorator
@external("wasi_snapshot_preview1", "args_get")
export declare function argsGet(pointers: usize, bytes: usize): u32;
