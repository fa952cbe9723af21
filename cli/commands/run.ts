/**
 * `perilune run`: a program, or one exported function, under the limits that the options set.
 * Whatever ends the run becomes an exit code, at most one line of reason with the guest's
 * backtrace, and statistics. A program that imports nothing but WASI runs here, alone; one of
 * processes, or with grants and limits for them, in processes/main.ts, which takes longer to load.
 */

import {
  drive,
  type DriveOptions,
  newProgress,
  type Preopen,
  type Progress,
  remainingNs,
  startsThreads,
  Wasi,
  WasiThreads,
} from "../../host/single.ts";
import { NODE_EVENT_LOOP, NodeClock, NodeRandom } from "../../host/node/clock.ts";
import { standardError, standardInput, standardOutput } from "../../host/node/stdio.ts";
import type { CompiledModule, Instance, Invocation, SnapshotOptions, Value } from "../../vm/index.ts";
import { Func, SnapshotError, Store } from "../../vm/index.ts";
import { checkEntry, type End, endOf, noStart } from "../end.ts";
import { EXIT_TIMEOUT, EXIT_UNSAVED, Interrupted, OptionError, UsageError } from "../exit.ts";
import { compileModule, displayName, readModule } from "../input.ts";
import { Interruptions } from "../interruptions.ts";
import {
  directoryError,
  engineWith,
  environmentOf,
  maxBytesOf,
  parseCount,
  parseDirectory,
  parseDuration,
} from "../options.ts";
import { counted, errorReport } from "../report.ts";
import { leave, print, say } from "../streams.ts";
import { parseSnapshotAt, type Phase, type SavedRun, writeRun } from "../saved-run.ts";
import { PeakAccountant, printStats, type RunStats, type StatsFormat, statsFormat } from "../stats.ts";
import { parseValue, valueText } from "../values.ts";

/** As commander gives them. */
export interface RunOptions {
  readonly dir?: readonly string[];
  readonly env?: readonly string[];
  readonly inheritEnv?: boolean;
  readonly fuel?: string;
  readonly maxMemory?: string;
  readonly timeout?: string;
  readonly slice?: string;
  readonly stats?: string;
  readonly invoke?: string;
  readonly threads?: string;
  readonly proposal?: readonly string[];
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly maxProcesses?: string;
  readonly waitForever?: boolean;
  readonly snapshotAt?: string;
  readonly snapshotOnTimeout?: string;
}

interface Limits {
  readonly maxFuel?: number;
  readonly maxBytes: number;
  readonly timeoutMs?: number;
  readonly slice?: number;
  readonly maxThreads?: number;
  readonly snapshotAt?: { readonly fuel: number; readonly path: string };
  readonly snapshotOnTimeout?: string;
}

/** What goes on in place of the file, and where it was read: that is what reports are about. */
export interface Resumed {
  readonly saved: SavedRun;
  readonly path: string;
}

export async function runCommand(
  file: string,
  args: readonly string[],
  options: RunOptions,
  resumed: Resumed | null = null,
): Promise<number> {
  const name = displayName(resumed?.path ?? file);
  const saved = resumed?.saved ?? null;
  const interruptions = new Interruptions();
  const started = performance.now();
  let compileMs = 0;
  let format: StatsFormat | null = null;
  let stats: RunStats;
  let release = () => {};
  try {
    format = statsFormat(options.stats);
    refuseIgnored(options);
    const limits = limitsOf(options);
    release = interruptions.listen(limits.timeoutMs);
    const engine = engineWith(options.proposal);
    const bytes = saved?.module ?? (await readModule(file, engine.proposals));
    const { maxBytes } = limits;
    const module = await compileModule(bytes, { engine, maxBytes, signal: interruptions.signal });
    compileMs = performance.now() - started;
    const isOfProcesses = needsProcesses(module, options);
    if (isOfProcesses) refuseSavingProcesses(module, options);
    stats = isOfProcesses
      ? await runProcesses(name, module, [file, ...args], options, interruptions)
      : await runAlone(name, module, file, args, options, limits, interruptions, saved);
  } catch (error) {
    say(errorReport(name, error));
    stats = { ...endOf(error), fuel: 0, slices: 0 };
  } finally {
    release();
  }
  if (format !== null) printStats({ ...stats, compileMs, runMs: performance.now() - started - compileMs }, format);
  return leave(stats.exitCode, stats.reason === "timeout");
}

/** What runs alone has neither policies of imports nor processes: nobody may believe that it had. */
function refuseIgnored(options: RunOptions): void {
  const { invoke, threads, allow, deny, maxProcesses, snapshotAt, snapshotOnTimeout, timeout } = options;
  const snapshot = snapshotAt !== undefined ? "--snapshot-at" : "--snapshot-on-timeout";
  if (snapshotAt !== undefined || snapshotOnTimeout !== undefined) {
    const isAlone = threads === undefined && allow === undefined && deny === undefined && maxProcesses === undefined;
    if (!isAlone) throw new OptionError(`${snapshot} is for programs without threads and processes`);
  }
  if (snapshotOnTimeout !== undefined && timeout === undefined) {
    throw new OptionError("--snapshot-on-timeout needs --timeout");
  }
  const alone = invoke !== undefined ? "--invoke" : threads !== undefined ? "--threads" : null;
  if (alone === null) return;
  const asked = { "--allow": allow, "--deny": deny, "--max-processes": maxProcesses };
  for (const [option, value] of Object.entries(asked)) {
    if (value !== undefined) throw new OptionError(`${option} has no effect with ${alone}: leave one of them out`);
  }
}

/** A guest that imports more than WASI, or one whose imports and processes the options speak of. */
function needsProcesses(module: CompiledModule, options: RunOptions): boolean {
  if (options.invoke !== undefined || options.threads !== undefined) return false;
  if (options.allow !== undefined || options.deny !== undefined || options.maxProcesses !== undefined) return true;
  return module.imports.some((each) => /^(?:lunatic|perilune)::/.test(each.module));
}

/** A file holds one program; processes know others, which would not be in it. */
function refuseSavingProcesses(module: CompiledModule, { snapshotAt, snapshotOnTimeout }: RunOptions): void {
  if (snapshotAt === undefined && snapshotOnTimeout === undefined) return;
  const found = module.imports.find((each) => /^(?:lunatic|perilune)::/.test(each.module));
  const option = snapshotAt !== undefined ? "--snapshot-at" : "--snapshot-on-timeout";
  throw new UsageError(
    `${option} is for programs without processes, and this one imports ${found?.module ?? "them"}: ` +
      "an embedder saves a process by its handle, ProcessHandle.snapshot",
  );
}

async function runProcesses(
  name: string,
  module: CompiledModule,
  args: readonly string[],
  options: RunOptions,
  interruptions: Interruptions,
): Promise<RunStats> {
  const [{ runMain }, { askedGrants }] = await Promise.all([
    import("../processes/main.ts"),
    import("../processes/grants.ts"),
  ]);
  const grants = await askedGrants(args, options);
  return runMain({ name, module, grants, interruptions, ...options });
}

async function runAlone(
  name: string,
  module: CompiledModule,
  file: string,
  args: readonly string[],
  options: RunOptions,
  limits: Limits,
  interruptions: Interruptions,
  saved: SavedRun | null,
): Promise<RunStats> {
  if (startsThreads(module) && limits.maxThreads === undefined) {
    throw new UsageError("the program starts threads: let it with --threads N");
  }
  const clock = new NodeClock();
  const wasi = new Wasi({
    args: [file, ...(options.invoke === undefined ? args : [])],
    env: environmentOf(options.env ?? [], options.inheritEnv ?? false, process.env),
    stdin: standardInput(),
    stdout: standardOutput(),
    stderr: standardError(),
    preopens: await openDirectories(options.dir ?? []),
    clock,
    random: new NodeRandom(),
  });
  const run = { file, args, proposals: options.proposal ?? [], invoke: options.invoke ?? null };
  return new LoneRun(name, module, limits, interruptions, clock, wasi, run).execute(saved);
}

function limitsOf(options: RunOptions): Limits {
  return {
    ...(options.fuel === undefined ? {} : { maxFuel: parseCount("--fuel", options.fuel) }),
    ...(options.timeout === undefined ? {} : { timeoutMs: parseDuration("--timeout", options.timeout) }),
    ...(options.slice === undefined ? {} : { slice: parseCount("--slice", options.slice) }),
    ...(options.threads === undefined ? {} : { maxThreads: parseCount("--threads", options.threads) }),
    ...(options.snapshotAt === undefined ? {} : { snapshotAt: parseSnapshotAt(options.snapshotAt) }),
    ...(options.snapshotOnTimeout === undefined ? {} : { snapshotOnTimeout: options.snapshotOnTimeout }),
    maxBytes: maxBytesOf(options.maxMemory),
  };
}

async function openDirectories(texts: readonly string[]): Promise<Preopen[]> {
  if (texts.length === 0) return [];
  const { openDirectory } = await import("../../host/node/files.ts");
  const preopens: Preopen[] = [];
  for (const { hostPath, guestPath, readOnly } of texts.map(parseDirectory)) {
    try {
      preopens.push({ name: guestPath, directory: await openDirectory(hostPath), readOnly });
    } catch (error) {
      throw directoryError(hostPath, error);
    }
  }
  return preopens;
}

/** One guest from its instantiation to its end, with what it used on the way. */
class LoneRun {
  readonly #name: string;
  readonly #module: CompiledModule;
  readonly #limits: Limits;
  readonly #interruptions: Interruptions;
  readonly #clock: NodeClock;
  readonly #progress: Progress = newProgress();
  readonly #accountant: PeakAccountant;
  readonly #wasi: Wasi;
  readonly #asked: Pick<SavedRun, "file" | "args" | "proposals" | "invoke">;
  /** What the present drive is for. */
  #phase: Phase = "instantiation";
  #invocation: Invocation | null = null;
  /** What was to be saved is not there. */
  #isLost = false;
  /** If the program may start any. */
  #threads: WasiThreads | null = null;

  constructor(
    name: string,
    module: CompiledModule,
    limits: Limits,
    interruptions: Interruptions,
    clock: NodeClock,
    wasi: Wasi,
    asked: Pick<SavedRun, "file" | "args" | "proposals" | "invoke">,
  ) {
    this.#name = name;
    this.#module = module;
    this.#limits = limits;
    this.#interruptions = interruptions;
    this.#clock = clock;
    this.#accountant = new PeakAccountant(limits.maxBytes);
    this.#wasi = wasi;
    this.#asked = asked;
  }

  /** Reports how the guest ended. Rejects for what is wrong before it starts: usage, imports. */
  async execute(saved: SavedRun | null): Promise<RunStats> {
    const wasi = this.#wasi;
    let end: End;
    try {
      if (saved !== null) await this.#resume(saved);
      else {
        const store = new Store({ engine: this.#module.engine, accountant: this.#accountant });
        this.#threads = this.#threadsOf(store, wasi);
        const instance = await this.#instantiate(store, wasi);
        await this.#start(instance);
      }
      end = { exitCode: 0, reason: "returned" };
    } catch (error) {
      end = endOf(error);
      if (end.reason === "usage") throw error;
      if (end.reason !== "exit" && end.reason !== "closed") {
        say(errorReport(this.#name, error));
      }
      // A wait that is no call of the host is one for another thread.
      if (end.reason === "deadlock") say(`    it waits in ${this.#invocation?.waitsIn ?? "memory.atomic.wait"}`);
    } finally {
      this.#threads?.end();
      await wasi.dispose();
    }
    // A failure of the program's own says more.
    if (this.#isLost && [0, EXIT_TIMEOUT].includes(end.exitCode)) end = { ...end, exitCode: EXIT_UNSAVED };
    return { ...end, ...this.#progress, memoryBytes: this.#accountant.peakBytes };
  }

  #threadsOf(store: Store, { imports }: Wasi): WasiThreads | null {
    const { maxThreads } = this.#limits;
    if (maxThreads === undefined) return null;
    const options = { ...this.#driveOptions(), store, module: this.#module, imports, maxThreads };
    return new WasiThreads(options, this.#progress);
  }

  async #instantiate(store: Store, wasi: Wasi): Promise<Instance> {
    const { instance, invocation } = store.instantiation(this.#module, this.#threads?.imports ?? wasi.imports);
    await this.#drive(invocation);
    return instance;
  }

  /** Goes on where the command stood. */
  async #resume({ snapshot, preopens, phase, fuel, input }: SavedRun): Promise<void> {
    const given = this.#wasi.preopenNames();
    if (given.length !== preopens.length || given.some((name, i) => name !== preopens[i])) {
      const wanted = preopens.map((name) => `--dir HOST::${name}`).join(" ");
      throw new UsageError(`it needs its directories again, in this order: ${wanted === "" ? "none" : wanted}`);
    }
    const accountant = this.#accountant;
    const { instances, invocations, data } = Store.restore(snapshot, {
      engine: this.#module.engine,
      accountant,
      modules: [this.#module],
      imports: this.#wasi.imports,
    });
    const [instance] = instances;
    const [invocation] = invocations;
    if (instance === undefined || invocation === undefined) throw new UsageError("the saved run is damaged");
    const isTime = (time: unknown): time is bigint => typeof time === "bigint" && time >= 0n;
    if (Array.isArray(data) && data.every(isTime)) this.#wasi.resumeTimes(data);
    standardInput().putBack(input);
    this.#progress.fuel = fuel;
    this.#phase = phase;
    const results = await this.#drive(invocation);
    if (phase === "instantiation") await this.#start(instance);
    else if (phase === "initialize" && this.#asked.invoke !== null) await this.#invoke(instance, this.#asked.invoke);
    else if (phase === "invoke" && this.#asked.invoke !== null) await this.#print(this.#asked.invoke, results);
  }

  async #start(instance: Instance): Promise<void> {
    const { invoke } = this.#asked;
    const isFunction = (name: string) => instance.export(name) instanceof Func;
    const run = async (phase: Phase, name: string) => {
      checkEntry(this.#module, name);
      this.#phase = phase;
      await this.#drive(instance.invoke(name, []));
    };
    if (invoke !== null) {
      if (isFunction("_initialize")) await run("initialize", "_initialize");
      await this.#invoke(instance, invoke);
    } else if (isFunction("_start")) {
      await run("start", "_start");
    } else if (isFunction("_initialize")) {
      await run("initialize", "_initialize");
    } else {
      throw noStart(this.#module);
    }
  }

  async #invoke(instance: Instance, name: string): Promise<void> {
    const { args } = this.#asked;
    const type = this.#module.exports.find((candidate) => candidate.name === name)?.type;
    if (type?.kind !== "func") throw new UsageError(`it exports no function '${name}'`);
    if (args.length !== type.params.length) {
      const wanted =
        type.params.length === 0
          ? "no arguments"
          : `${counted(type.params.length, "argument")} (${type.params.join(" ")})`;
      throw new UsageError(`'${name}' takes ${wanted}, not ${args.length}`);
    }
    const values = args.map((arg, i) => parseValue(arg, type.params[i] ?? ""));
    this.#phase = "invoke";
    await this.#print(name, await this.#drive(instance.invoke(name, values)));
  }

  async #print(name: string, results: readonly Value[]): Promise<void> {
    const type = this.#module.exports.find((candidate) => candidate.name === name)?.type;
    if (type?.kind !== "func") throw new UsageError(`it exports no function '${name}'`);
    const lines = results.map((value, i) => `${valueText(value, type.results[i] ?? "")}\n`);
    if (lines.length > 0) await print(lines.join(""));
  }

  /** Writes the run to a file, and the run goes on. Reports what stands in the way. */
  async #save(path: string, invocation: Invocation): Promise<void> {
    try {
      const clock = this.#clock;
      const snapshot = await settledSnapshot(invocation, () => ({
        data: this.#wasi.remainingTimes,
        remainingNs: (wait) => remainingNs(wait, clock),
      }));
      const preopens = this.#wasi.preopenNames();
      const { data } = this.#module;
      const { fuel } = this.#progress;
      const input = standardInput().unread;
      await writeRun(path, { ...this.#asked, phase: this.#phase, fuel, preopens, module: data.bytes, snapshot, input });
    } catch (error) {
      say(errorReport(path, error));
      this.#isLost = true;
    }
  }

  /** The fuel limit is for all invocations of the run together: they count in one progress. */
  #drive(invocation: Invocation): Promise<readonly Value[]> {
    this.#invocation = invocation;
    if (this.#threads !== null) return this.#threads.drive(invocation);
    return drive(invocation, this.#driveOptions(), this.#progress);
  }

  #driveOptions(): DriveOptions {
    const { maxFuel, slice, snapshotAt, snapshotOnTimeout } = this.#limits;
    const isTimeout = (reason: unknown) => reason instanceof Interrupted && reason.reason === "timeout";
    return {
      ...(snapshotAt === undefined || this.#progress.fuel >= snapshotAt.fuel
        ? {}
        : {
            checkpoint: {
              fuel: snapshotAt.fuel,
              reached: (invocation) => this.#save(snapshotAt.path, invocation),
            },
          }),
      ...(snapshotOnTimeout === undefined
        ? {}
        : {
            beforeEnd: async (invocation, reason) => {
              if (isTimeout(reason)) await this.#save(snapshotOnTimeout, invocation);
            },
          }),
      clock: this.#clock,
      eventLoop: NODE_EVENT_LOOP,
      signal: this.#interruptions.signal,
      ...(slice === undefined ? {} : { slice }),
      ...(maxFuel === undefined ? {} : { maxFuel }),
    };
  }
}

/** How long a call that waits, and cannot be made again, has to end before a snapshot. */
const SETTLE_MS = 2_000;
const SETTLE_STEP_MS = 10;

async function settledSnapshot(invocation: Invocation, options: () => SnapshotOptions): Promise<Uint8Array> {
  for (let waited = 0; ; waited += SETTLE_STEP_MS) {
    try {
      return invocation.store.snapshot([invocation], options());
    } catch (error) {
      if (!(error instanceof SnapshotError) || invocation.pendingCall === null || waited >= SETTLE_MS) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, SETTLE_STEP_MS));
  }
}
