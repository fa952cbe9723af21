/**
 * Processes: spawning a function of this module, and what one process may do to another. The entry
 * file has to export the bootstrap: `export { __spawn } from "./lunatic/process";`.
 */

import {
  dieWhenLinkDies,
  dropError,
  errorSize,
  errorText,
  exists,
  kill as killRaw,
  link as linkRaw,
  monitor as monitorRaw,
  processId,
  registryGet,
  registryPut,
  registryRemove,
  send as sendRaw,
  sendAfter as sendAfterRaw,
  sleepMs,
  spawn as spawnRaw,
  stopMonitoring as stopMonitoringRaw,
  unlink as unlinkRaw,
} from "./bindings";
import { panic } from "./console";

/** What a process runs. */
export type Entry = (argument: u64) => void;

const OWN: i64 = -1;
const I32: u8 = 0x7f;
const I64: u8 = 0x7e;
/** A type byte and 16 bytes of value. */
const PARAM_BYTES: usize = 17;

let nextTag: i64 = 129;

/** A tag that this process has not used before: for links and requests. */
export function newTag(): i64 {
  return nextTag++;
}

/** Where every spawned process begins. A function is its index in the table, which all instances share. */
export function __spawn(index: i32, argument: u64): void {
  call_indirect<void>(index, argument);
}

/** Why the last {@link Process.trySpawn} gave null. */
export let spawnError: string = "";

export class Process {
  constructor(readonly id: u64) {}

  /** The process that runs this. */
  static get self(): Process {
    return new Process(processId());
  }

  /** Runs `entry(argument)` as a new process. With a link, its failure is ours, or a message with this tag. */
  static spawn(entry: Entry, argument: u64 = 0, link: i64 = 0, config: i64 = OWN): Process {
    const process = Process.trySpawn(entry, argument, link, config);
    if (process === null) panic("spawn: " + spawnError);
    return process!;
  }

  /** Null where no more processes are allowed; {@link spawnError} says why. */
  static trySpawn(entry: Entry, argument: u64 = 0, link: i64 = 0, config: i64 = OWN): Process | null {
    const params = memory.data(34);
    memory.fill(params, 0, 34);
    store<u8>(params, I32);
    store<i32>(params + 1, entry.index);
    store<u8>(params + PARAM_BYTES, I64);
    store<u64>(params + PARAM_BYTES + 1, argument);
    const id = memory.data(8, 8);
    const name = String.UTF8.encode("__spawn");
    const code = spawnRaw(link, config, OWN, changetype<usize>(name), name.byteLength, params, 2 * PARAM_BYTES, id);
    if (code == 0) return new Process(load<u64>(id));
    spawnError = takeError(load<u64>(id));
    return null;
  }

  /** Sends the message at hand. Nothing tells whether it arrives. */
  send(): void {
    sendRaw(this.id);
  }

  /** Sends the message at hand later. Returns the timer. */
  sendAfter(delayMs: u64): u64 {
    return sendAfterRaw(this.id, delayMs);
  }

  get isAlive(): bool {
    return exists(this.id);
  }

  kill(): void {
    killRaw(this.id);
  }

  link(tag: i64): void {
    linkRaw(tag, this.id);
  }

  unlink(): void {
    unlinkRaw(this.id);
  }

  /** {@link Signal.ProcessDied} comes when it ends, however it does. */
  monitor(): void {
    monitorRaw(this.id);
  }

  stopMonitoring(): void {
    stopMonitoringRaw(this.id);
  }

  /** Makes it known under a name. */
  register(name: string): void {
    const bytes = String.UTF8.encode(name);
    registryPut(changetype<usize>(bytes), bytes.byteLength, 0, this.id);
  }

  /** Null for a name that nobody has. Its process may have ended. */
  static lookup(name: string): Process | null {
    const bytes = String.UTF8.encode(name);
    const ids = memory.data(16, 8);
    if (registryGet(changetype<usize>(bytes), bytes.byteLength, ids, ids + 8) != 0) return null;
    return new Process(load<u64>(ids, 8));
  }

  static unregister(name: string): void {
    const bytes = String.UTF8.encode(name);
    registryRemove(changetype<usize>(bytes), bytes.byteLength);
  }
}

/** With true, {@link Signal.LinkDied} comes where this process would die with a linked one. */
export function catchLinkFailures(flag: bool): void {
  dieWhenLinkDies(!flag);
}

export function sleep(milliseconds: u64): void {
  sleepMs(milliseconds);
}

function takeError(error: u64): string {
  const bytes = new ArrayBuffer(errorSize(error));
  errorText(error, changetype<usize>(bytes));
  dropError(error);
  return String.UTF8.decode(bytes);
}
