/**
 * For tests of host functions: guests written as the calls they make, and the register of which
 * test stands for which cell of the table.
 */

import { compileSync, eventLoopTurn, type Caller, type CompiledModule, type HostDefinition } from "../../vm/index.ts";
import { textToBinary } from "../../vm/text/index.ts";
import { Executor } from "../executor.ts";
import { CollectedOutput } from "../fakes.ts";
import type { ProcessHandle } from "../process-handle.ts";
import { Process, processOf } from "../process.ts";
import { Runtime, type RuntimeOptions, type SpawnOptions } from "../runtime.ts";
import { reasonText, type ExitReason } from "../signal.ts";
import { WASI_FUNCTIONS, WASI_MODULE } from "../wasi/functions.ts";
import { cellsOf } from "./cells.ts";
import type { HostFunction } from "./define.ts";
import { HOST_FUNCTIONS } from "./functions.ts";
import { guestFunctions } from "./host-definition.ts";

/** Functions of the test itself that a guest may call: they record what they are given. */
const RECORDERS: Readonly<Record<string, string>> = {
  "test::i32": "(param i32)",
  "test::i64": "(param i64)",
  "test::bytes": "(param i32 i32)",
  "test::prepare": "",
};

/**
 * A module text around `body`: whatever function it calls as `$message::send` is imported from
 * `lunatic::message`, `$perilune::registry::lookup` from there, `$test::i32` and its like record
 * their argument. A second function of the same name is `$message::send_receive_skip_search#1`.
 */
export function guestText(body: string): string {
  const names = new Set([...body.matchAll(/\$((?:\w+::)+\w+(?:#\d)?)/g)].map((match) => match[1]!));
  const imports = [...names].map((name) => {
    const id = `$${name}`;
    const recorder = RECORDERS[name];
    if (recorder !== undefined) return importText("test", name.slice("test::".length), id, recorder);
    const fn = name.startsWith(WASI_MODULE) ? wasiFunction(name) : functionNamed(name);
    const params = fn.params.length === 0 ? "" : `(param ${fn.params.join(" ")})`;
    const results = fn.results.length === 0 ? "" : `(result ${fn.results.join(" ")})`;
    return importText(fn.namespace, fn.name, id, `${params} ${results}`);
  });
  return `(module ${imports.join("\n")} ${body})`;
}

function wasiFunction(fullName: string): Pick<HostFunction, "name" | "namespace" | "params" | "results"> {
  const name = fullName.slice(WASI_MODULE.length + 2);
  return { namespace: WASI_MODULE, name, ...WASI_FUNCTIONS.get(name)! };
}

function importText(namespace: string, name: string, id: string, type: string): string {
  return `(import "${namespace}" "${name}" (func ${id} ${type}))`;
}

/** What a guest told the test: numbers, and texts of bytes. */
export type Note = bigint | number | string;

/** A runtime with virtual time and a seed, in which guests may also call the test. */
export class TestHost {
  readonly notes: Note[] = [];
  readonly stderr = new CollectedOutput();
  /** What `$test::prepare` does to the process that calls it. */
  prepare: (process: Process) => void = () => {};
  readonly executor: Executor;
  readonly runtime: Runtime;

  constructor(options: RuntimeOptions = {}, seed = 1) {
    const source = { nowMs: () => 0, nextTurn: () => {}, wakeAfter: () => () => {} };
    this.executor = new Executor({ seed, source });
    const recorders: Readonly<Record<string, HostDefinition>> = {
      i32: recorder(["i32"], (_caller, value: number) => this.notes.push(value)),
      i64: recorder(["i64"], (_caller, value: bigint) => this.notes.push(value)),
      prepare: recorder([], (caller) => this.prepare(processOf(caller))),
      bytes: recorder(["i32", "i32"], (caller, address: number, length: number) => {
        this.notes.push(new TextDecoder("latin1").decode(caller.memory().read(address, length)));
      }),
    };
    this.runtime = new Runtime({
      executor: this.executor,
      functions: [(module, name) => (module === "test" ? recorders[name] : undefined), guestFunctions],
      services: { stderr: this.stderr },
      ...options,
    });
  }

  /** Starts the export "main" of a guest, or of a module. It runs when the executor does. */
  start(guest: string | CompiledModule, options: SpawnOptions = {}): ProcessHandle {
    const module = typeof guest === "string" ? compileGuest(guest) : guest;
    return this.runtime.spawn(module, { entry: "main", ...options });
  }

  /** Runs a guest as process 1 until nothing can run, and tells how it ended. */
  run(
    guest: string | CompiledModule,
    options: SpawnOptions = {},
  ): { notes: Note[]; end: string; reason: ExitReason | null } {
    const { process } = this.start(guest, options);
    this.executor.runUntilIdle();
    const reason = process.exitReason;
    return { notes: this.notes, end: reason === null ? "waiting" : reasonText(reason), reason };
  }

  /** Runs until nothing can run, files and closings outside included. */
  async settle(): Promise<void> {
    this.executor.runUntilIdle();
    while (this.executor.isHeld) {
      await eventLoopTurn();
      this.executor.runUntilIdle();
    }
  }

  /** A guest process by its number. */
  process(pid: number): Process {
    const process = this.runtime.environment.get(pid);
    if (!(process instanceof Process)) throw new Error(`no guest process ${pid}`);
    return process;
  }
}

function recorder(params: readonly string[], call: (caller: Caller, ...args: never[]) => unknown): HostDefinition {
  return {
    params,
    results: [],
    call(caller: Caller, ...args: never[]) {
      call(caller, ...args);
      return [];
    },
  };
}

/** A guest with one page of memory: `body` as {@link guestText} has it. */
export function compileGuest(body: string): CompiledModule {
  const memory = /\(memory\s/.test(body) ? "" : `(memory (export "memory") 1)`;
  return compileSync(textToBinary(guestText(`${memory} ${body}`)));
}

/** The notes of a guest whose export "main" makes these calls. It must end normally. */
export function notesOf(calls: string, more = "", options: SpawnOptions = {}): Note[] {
  const { notes, end } = new TestHost().run(mainOf(calls, more), options);
  if (end !== "normal") throw new Error(`the guest ended: ${end}`);
  return notes;
}

/** How a guest whose export "main" makes these calls ends. */
export function endOf(calls: string, more = "", options: SpawnOptions = {}): string {
  return new TestHost().run(mainOf(calls, more), options).end;
}

export function mainOf(calls: string, more = ""): string {
  return `(func (export "main") ${calls}) ${more}`;
}

/** "message::send", with "#1" for the second of that name. */
export function functionNamed(name: string): HostFunction {
  const [plain = "", index = "0"] = name.split("#");
  const fullName = plain.startsWith("perilune::") ? plain : `lunatic::${plain}`;
  const fn = HOST_FUNCTIONS.filter((candidate) => candidate.fullName === fullName)[Number(index)];
  if (fn === undefined) throw new Error(`no function ${name}`);
  return fn;
}

/** Titles of tests, by function and cell. */
const tested = new Map<HostFunction, Map<string, string>>();

export function testOf(fn: HostFunction, cell: string): string | undefined {
  return tested.get(fn)?.get(cell);
}

type Test = () => Promise<void> | void;

/** Tests of the cells of one function: "bad pointer: traps" stands for the cell before the colon. */
export function cells(name: string, tests: Readonly<Record<string, Test>>): void {
  const fn = functionNamed(name);
  const expected = cellsOf(fn);
  const titles = tested.get(fn) ?? new Map<string, string>();
  tested.set(fn, titles);
  describe(`${fn.fullName}${name.includes("#") ? ` (${fn.params.join(" ")})` : ""}`, () => {
    for (const [title, test] of Object.entries(tests)) {
      const cell = expected.findLast((candidate) => title === candidate || title.startsWith(`${candidate}: `));
      if (cell !== undefined && !titles.has(cell)) titles.set(cell, title);
      it(title, test);
    }
  });
}

/** Runs a guest whose `$test::prepare` does something to its process. */
export function runPrepared(
  prepare: (process: Process) => void,
  calls: string,
  more = "",
): ReturnType<TestHost["run"]> {
  const host = new TestHost();
  host.prepare = prepare;
  return host.run(mainOf(`(call $test::prepare) ${calls}`, more));
}

/** Expects that a guest which makes these calls ends with a trap of the host whose text has these words. */
export function expectTrap(words: string, calls: string, more = "", options: SpawnOptions = {}): void {
  const { end, reason } = new TestHost().run(mainOf(calls, more), options);
  if (reason?.kind !== "trap" || !end.includes("host function trapped") || !end.includes(words)) {
    throw new Error(`expected a trap with ${JSON.stringify(words)}, the guest ended: ${end}\n${calls}`);
  }
}

/** Expects that each of these ends with an access out of bounds. */
export function expectOutOfBounds(...calls: readonly string[]): void {
  for (const call of calls) expectTrap("out of bounds memory access", call);
}

/** A data segment with bytes that are not UTF-8 at address 0. */
export const NOT_UTF8 = `(data (i32.const 0) "\\ff\\fe\\c0")`;
