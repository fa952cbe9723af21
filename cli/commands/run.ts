/**
 * `perilune run`: a WASI program, or one exported function, under the limits that the options set.
 * Whatever ends the run becomes an exit code, at most one line of reason with the guest's
 * backtrace, and statistics.
 */

import { drive, newProgress, type Preopen, type Progress, Wasi } from "../../host/index.ts";
import { NODE_EVENT_LOOP, NodeClock, NodeRandom } from "../../host/node/clock.ts";
import { standardError, standardInput, standardOutput } from "../../host/node/stdio.ts";
import type { CompiledModule, Instance, Invocation, Value } from "../../vm/index.ts";
import { compile, Func, Store } from "../../vm/index.ts";
import { endOf } from "../end.ts";
import {
  EXIT_FAILURE,
  EXIT_SIGINT,
  EXIT_SIGPIPE,
  EXIT_SIGTERM,
  EXIT_TIMEOUT,
  EXIT_USAGE,
  Interrupted,
  UsageError,
} from "../exit.ts";
import { displayName, readModule } from "../input.ts";
import { environmentOf, parseBytes, parseCount, parseDirectory, parseDuration } from "../options.ts";
import { errorReport, field } from "../report.ts";
import { PeakAccountant, printStats, type Stats, statsFormat } from "../stats.ts";
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
}

interface Limits {
  readonly maxFuel?: number;
  readonly maxBytes: number;
  readonly timeoutMs?: number;
  readonly slice?: number;
}

const SECOND_SIGNAL_GRACE_MS = 2_000;

export async function runCommand(file: string, args: readonly string[], options: RunOptions): Promise<number> {
  const name = displayName(file);
  const stdout = standardOutput();
  const stderr = standardError();
  let exitCode: number;
  try {
    const format = statsFormat(options.stats);
    const run = new Run(name, limitsOf(options));
    const clock = new NodeClock();
    const wasi = new Wasi({
      args: [file, ...(options.invoke === undefined ? args : [])],
      env: environmentOf(options.env ?? [], options.inheritEnv ?? false, process.env),
      stdin: standardInput(),
      stdout,
      stderr,
      preopens: await openDirectories(options.dir ?? []),
      clock,
      random: new NodeRandom(),
    });
    const stats = await run.execute(file, args, options.invoke, wasi, clock);
    exitCode = stats.exitCode;
    if (format !== null) printStats(stats, format);
  } catch (error) {
    process.stderr.write(`${errorReport(name, error)}\n`);
    exitCode = EXIT_USAGE;
  }
  await Promise.all([stdout.flush(), stderr.flush()]);
  // Standard input may still be open, and would keep the process waiting.
  process.exit(exitCode);
}

function limitsOf(options: RunOptions): Limits {
  return {
    ...(options.fuel === undefined ? {} : { maxFuel: parseCount("--fuel", options.fuel) }),
    ...(options.timeout === undefined ? {} : { timeoutMs: parseDuration("--timeout", options.timeout) }),
    ...(options.slice === undefined ? {} : { slice: parseCount("--slice", options.slice) }),
    maxBytes: options.maxMemory === undefined ? Number.MAX_SAFE_INTEGER : parseBytes("--max-memory", options.maxMemory),
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
      throw new UsageError(`--dir ${hostPath}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return preopens;
}

/** One run from compiling to the end, with what it used on the way. */
class Run {
  readonly #name: string;
  readonly #limits: Limits;
  readonly #abort = new AbortController();
  readonly #progress: Progress = newProgress();
  readonly #accountant: PeakAccountant;

  constructor(name: string, limits: Limits) {
    this.#name = name;
    this.#limits = limits;
    this.#accountant = new PeakAccountant(limits.maxBytes);
  }

  /** Reports how the guest ended. Rejects for what is wrong before it starts: usage, file, imports. */
  async execute(
    file: string,
    args: readonly string[],
    invoke: string | undefined,
    wasi: Wasi,
    clock: NodeClock,
  ): Promise<Stats> {
    const started = performance.now();
    let compiled = started;
    const release = this.#listen();
    let end: { readonly exitCode: number; readonly reason: string };
    try {
      const bytes = await readModule(file);
      const module = await compile(bytes, { signal: this.#abort.signal });
      compiled = performance.now();
      const store = new Store({ accountant: this.#accountant });
      const instance = await this.#instantiate(store, module, wasi, clock);
      await this.#start(instance, module, args, invoke, clock);
      end = { exitCode: 0, reason: "returned" };
    } catch (error) {
      end = endOf(error);
      if (end.exitCode === EXIT_USAGE && end.reason === "usage") throw error;
      if (end.reason !== "exit" && end.reason !== "closed") {
        process.stderr.write(`${errorReport(this.#name, error)}\n`);
      }
    } finally {
      release();
      await wasi.dispose();
    }
    const { fuel, slices, waits } = this.#progress;
    const now = performance.now();
    return {
      ...end,
      fuel,
      slices,
      waits,
      memoryBytes: this.#accountant.peakBytes,
      compileMs: compiled - started,
      runMs: now - compiled,
    };
  }

  async #instantiate(store: Store, module: CompiledModule, wasi: Wasi, clock: NodeClock): Promise<Instance> {
    const { instance, invocation } = store.instantiation(module, wasi.imports);
    await this.#drive(invocation, clock);
    return instance;
  }

  async #start(
    instance: Instance,
    module: CompiledModule,
    args: readonly string[],
    invoke: string | undefined,
    clock: NodeClock,
  ): Promise<void> {
    const isFunction = (name: string) => instance.export(name) instanceof Func;
    if (invoke !== undefined) {
      if (isFunction("_initialize")) await this.#drive(instance.invoke("_initialize", []), clock);
      await this.#invoke(instance, module, invoke, args, clock);
    } else if (isFunction("_start")) {
      await this.#drive(instance.invoke("_start", []), clock);
    } else if (isFunction("_initialize")) {
      await this.#drive(instance.invoke("_initialize", []), clock);
    } else {
      const names = module.exports.filter(({ type }) => type.kind === "func").map(({ name }) => field(name, 40));
      const hint = names.length === 0 ? "it exports no function" : `it exports ${names.slice(0, 8).join(", ")}`;
      throw new UsageError(
        `no '_start' to run: call a function with --invoke NAME (${hint}${names.length > 8 ? ", …" : ""})`,
      );
    }
  }

  async #invoke(
    instance: Instance,
    module: CompiledModule,
    name: string,
    args: readonly string[],
    clock: NodeClock,
  ): Promise<void> {
    const type = module.exports.find((candidate) => candidate.name === name)?.type;
    if (type?.kind !== "func") throw new UsageError(`it exports no function '${name}'`);
    if (args.length !== type.params.length) {
      const wanted =
        type.params.length === 0 ? "no arguments" : `${type.params.length} arguments (${type.params.join(" ")})`;
      throw new UsageError(`'${name}' takes ${wanted}, not ${args.length}`);
    }
    const values = args.map((arg, i) => parseValue(arg, type.params[i] ?? ""));
    const results = await this.#drive(instance.invoke(name, values), clock);
    results.forEach((value, i) => {
      process.stdout.write(`${valueText(value, type.results[i] ?? "")}\n`);
    });
  }

  /** The fuel limit is for all invocations of the run together: they count in one progress. */
  #drive(invocation: Invocation, clock: NodeClock): Promise<readonly Value[]> {
    const { maxFuel, slice } = this.#limits;
    const options = {
      clock,
      eventLoop: NODE_EVENT_LOOP,
      signal: this.#abort.signal,
      ...(slice === undefined ? {} : { slice }),
      ...(maxFuel === undefined ? {} : { maxFuel }),
    };
    return drive(invocation, options, this.#progress);
  }

  /** Time, signals, a closed stdout and a run that nothing can continue: each aborts. Returns what ends listening. */
  #listen(): () => void {
    const abort = (reason: Interrupted["reason"], exitCode: number, message: string) =>
      this.#abort.abort(new Interrupted(reason, exitCode, message));
    const onSignal = (signal: NodeJS.Signals) => {
      const exitCode = signal === "SIGINT" ? EXIT_SIGINT : EXIT_SIGTERM;
      if (this.#abort.signal.aborted) process.exit(exitCode);
      abort("signal", exitCode, `ended by ${signal}`);
      setTimeout(() => process.exit(exitCode), SECOND_SIGNAL_GRACE_MS).unref();
    };
    const onOutputError = (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") abort("closed", EXIT_SIGPIPE, "stdout was closed");
    };
    const onIdle = () => abort("deadlock", EXIT_FAILURE, "the program waits, and nothing can wake it");
    const { timeoutMs } = this.#limits;
    // Alone it must not keep a run alive that waits for nothing.
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => abort("timeout", EXIT_TIMEOUT, `ended after ${timeoutMs} ms`), timeoutMs).unref();
    process.on("SIGINT", onSignal).on("SIGTERM", onSignal).on("beforeExit", onIdle);
    process.stdout.on("error", onOutputError);
    return () => {
      clearTimeout(timer);
      process.off("SIGINT", onSignal).off("SIGTERM", onSignal).off("beforeExit", onIdle);
      process.stdout.off("error", onOutputError);
    };
  }
}
