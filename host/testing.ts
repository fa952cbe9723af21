/** Host functions and runtimes for tests of processes: the least a guest needs, under short names. */

import { compileSync, type Caller, type HostDefinition, type HostResult, type Value } from "../vm/index.ts";
import { textToBinary } from "../vm/text/index.ts";
import { Executor } from "./executor.ts";
import { DataMessage } from "./message.ts";
import { processOf, type Process } from "./process.ts";
import { Runtime, type RuntimeOptions } from "./runtime.ts";
import { TagSet } from "./tag-table.ts";

type Params = readonly ("i32" | "i64")[];

function define(
  params: Params,
  results: Params,
  call: (process: Process, caller: Caller, ...args: never[]) => unknown,
): HostDefinition {
  return {
    params,
    results,
    call: (caller: Caller, ...args: Value[]) =>
      (call as (process: Process, caller: Caller, ...args: Value[]) => unknown)(
        processOf(caller),
        caller,
        ...args,
      ) as HostResult,
  };
}

/** Where guests leave numbers for the test. */
export type Notes = number[];

export function testFunctions(notes: Notes): Readonly<Record<string, HostDefinition>> {
  return {
    note: define(["i32"], [], (_process, _caller, value: number) => {
      notes.push(value);
    }),
    self: define([], ["i64"], (process) => BigInt(process.pid)),
    /** Sends 8 bytes: pid, tag, value. */
    send: define(["i64", "i64", "i64"], ["i32"], (process, _caller, pid: bigint, tag: bigint, value: bigint) => {
      process.messages.create(tag, 8);
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigInt64(0, value, true);
      (process.messages.scratch as DataMessage).append(bytes);
      return process.messages.send(Number(pid));
    }),
    /** Sends so many bytes. */
    fill: define(["i64", "i32"], ["i32"], (process, _caller, pid: bigint, byteLength: number) => {
      process.messages.create(0n, 0);
      (process.messages.scratch as DataMessage).append(new Uint8Array(byteLength));
      return process.messages.send(Number(pid));
    }),
    ask: define(["i64", "i64", "i64"], ["i32"], (process, _caller, pid: bigint, tag: bigint, timeout: bigint) => {
      process.messages.create(tag, 8);
      (process.messages.scratch as DataMessage).append(new Uint8Array(8));
      return process.messages.sendReceive(Number(pid), tag, timeout < 0n ? Number.POSITIVE_INFINITY : Number(timeout));
    }),
    /** Tag 0 takes any message. With another there are not more than a step can pass over. */
    receive: define(["i64", "i64"], ["i32"], (process, caller, tag: bigint, timeout: bigint) => {
      const timeoutMs = timeout < 0n ? Number.POSITIVE_INFINITY : Number(timeout);
      const { messages } = process;
      return tag === 0n ? messages.receive(timeoutMs) : messages.search(new TagSet([tag]), timeoutMs, caller);
    }),
    /** The value of the message that was received, or its tag if it is a notice. */
    value: define([], ["i64"], (process) => {
      const { scratch } = process.messages;
      if (!(scratch instanceof DataMessage)) return scratch?.tag ?? 0n;
      const { bytes } = scratch;
      return bytes.length < 8 ? 0n : new DataView(bytes.buffer).getBigInt64(0, true);
    }),
    /** Spawns the export whose name is one letter: letter, argument, link tag (-1 for none). Returns the pid or -1. */
    spawn: define(["i32", "i64", "i64"], ["i64"], (process, _caller, letter: number, argument: bigint, link: bigint) =>
      process.spawn(
        {
          environment: process.environment,
          group: process.group,
          config: process.config,
          module: process.module,
          entry: String.fromCharCode(letter),
          args: [argument],
          link: link < 0n ? null : link,
        },
        (result) => [result.kind === "spawned" ? BigInt(result.process.pid) : -1n],
      ),
    ),
    sleep: define(["i64"], [], (process, _caller, ms: bigint) => process.hostCall.sleep(Number(ms))),
    link: define(["i64", "i64"], [], (process, _caller, pid: bigint, tag: bigint) => {
      process.relations.linkTo(Number(pid), tag);
    }),
    monitor: define(["i64"], [], (process, _caller, pid: bigint) => {
      process.relations.monitorPid(pid);
    }),
    kill: define(["i64"], [], (process, _caller, pid: bigint) => process.killProcess(Number(pid))),
    trapLinks: define(["i32"], [], (process, _caller, flag: number) => {
      process.diesWithLinks = flag !== 0;
    }),
  };
}

const TYPES: Readonly<Record<string, string>> = { i32: "i32", i64: "i64" };

/** A module with all functions of {@link testFunctions} imported as $name, one page of memory, and this body. */
export function guest(body: string, pages = 1): Uint8Array {
  const imports = Object.entries(testFunctions([])).map(([name, { params, results }]) => {
    const list = (word: string, types: readonly string[]): string =>
      types.length === 0 ? "" : `(${word} ${types.map((type) => TYPES[type]).join(" ")})`;
    return `(import "test" "${name}" (func $${name} ${list("param", params)} ${list("result", results)}))`;
  });
  return textToBinary(`(module ${imports.join("\n")} (memory (export "memory") ${pages}) ${body})`);
}

export interface TestRuntime {
  readonly runtime: Runtime;
  readonly notes: Notes;
  readonly executor: Executor;
  /** Compiles a guest and starts its export "a" with 0. */
  start(body: string, options?: Parameters<Runtime["spawn"]>[1]): ReturnType<Runtime["spawn"]>;
}

/** A runtime with virtual time and a seed, or none for native processes; give turns with `executor.runUntilIdle()`. */
export function testRuntime(options: RuntimeOptions = {}, seed: number | null = 1): TestRuntime {
  const source = { nowMs: () => 0, nextTurn: () => {}, wakeAfter: () => () => {} };
  const executor = new Executor(seed === null ? { virtualTime: true } : { seed, source });
  const notes: Notes = [];
  const functions = testFunctions(notes);
  const runtime = new Runtime({
    executor,
    functions: [(module, name) => (module === "test" && Object.hasOwn(functions, name) ? functions[name] : undefined)],
    ...options,
  });
  return {
    runtime,
    notes,
    executor,
    start: (body, spawnOptions = {}) =>
      runtime.spawn(compileSync(guest(body)), { entry: "a", args: [0n], ...spawnOptions }),
  };
}

/** The messages of errors that nobody catches while this runs, and before the event loop goes on. */
export async function uncaughtOf(run: () => unknown): Promise<string[]> {
  const mochas = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  const messages: string[] = [];
  const collect = (error: Error): void => void messages.push(error.message);
  process.on("uncaughtException", collect);
  try {
    await run();
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.off("uncaughtException", collect);
    for (const each of mochas) process.on("uncaughtException", each);
  }
  return messages;
}
