/**
 * A program of processes from its first to its end: the main process under its grants, reports of
 * those that fail, and how the run ended. With the main process all others stop.
 */

import {
  type BasicProcess,
  type Cancel,
  Executor,
  ExecutorClock,
  type ExitReason,
  reasonText,
  Runtime,
  type RuntimeOptions,
  type Services,
} from "../../host/index.ts";
import { NodeClock, NodeRandom } from "../../host/node/clock.ts";
import { standardError, standardInput, standardOutput } from "../../host/node/stdio.ts";
import { type CompiledModule, Termination } from "../../vm/index.ts";
import { checkEntry, type End, endOf, noStart } from "../end.ts";
import { EXIT_LIMIT, exitCodeOf, Interrupted } from "../exit.ts";
import type { Interruptions } from "../interruptions.ts";
import { parseCount } from "../options.ts";
import { errorReport, field } from "../report.ts";
import { say } from "../streams.ts";
import { keepAlive } from "../timers.ts";
import type { RunStats } from "../stats.ts";
import { CrashLog } from "./crash-log.ts";
import { deniedHint, type Grants } from "./grants.ts";
import { waitingLines } from "./waiting.ts";

export interface MainOptions {
  /** The program's, for reports. */
  readonly name: string;
  readonly module: CompiledModule;
  readonly grants: Grants;
  readonly interruptions: Interruptions;
  readonly slice?: string;
  /** Waits also when nothing can wake anyone, as Lunatic does. */
  readonly waitForever?: boolean;
  /** In place of the standard streams. */
  readonly services?: Partial<Services>;
  /** Called when the main process has been made. Returns what is called at the end. */
  readonly observe?: (runtime: Runtime) => () => void;
  /** Where reports go. Default: standard error. */
  readonly report?: (text: string) => void;
}

/** How long the processes may take to end after the main one. */
const END_GRACE_MS = 2_000;

/** A runtime that tells of every end, but for those of processes that had no room to start: their makers know. */
export class ReportingRuntime extends Runtime {
  readonly #onEnd: (process: BasicProcess, reason: ExitReason) => void;
  readonly #told = new WeakSet<Termination>();

  constructor(options: RuntimeOptions, onEnd: (process: BasicProcess, reason: ExitReason) => void) {
    super(options);
    this.#onEnd = onEnd;
  }

  override startProcess(...[request, creator, done]: Parameters<Runtime["startProcess"]>): Cancel {
    return super.startProcess(request, creator, (result) => {
      if (result.kind === "failed" && isWantOfMemory(result.error)) this.#told.add(result.error);
      done(result);
    });
  }

  override exited(process: BasicProcess, reason: ExitReason): void {
    if (!("error" in reason && isWantOfMemory(reason.error) && this.#told.has(reason.error))) {
      this.#onEnd(process, reason);
    }
    super.exited(process, reason);
  }
}

function isWantOfMemory(error: unknown): error is Termination {
  return error instanceof Termination && error.reason === "memory limit";
}

export function nodeServices(executor: Executor): Services {
  return {
    clock: new ExecutorClock(executor, new NodeClock()),
    random: new NodeRandom(),
    stdin: standardInput(),
    stdout: standardOutput(),
    stderr: standardError(),
  };
}

/** Reports how the main process ended. Throws for what is wrong before it starts: no program, imports. */
export async function runMain(options: MainOptions): Promise<RunStats> {
  const { name, module, grants, interruptions, slice, services, observe, report = say } = options;
  if (!module.exports.some((each) => each.name === "_start" && each.type.kind === "func")) throw noStart(module);
  checkEntry(module, "_start");
  const log = new CrashLog(report);
  const executor = new Executor(slice === undefined ? {} : { sliceFuel: parseCount("--slice", slice) });
  const runtime = new ReportingRuntime(
    { ...grants.limits, executor, services: { ...nodeServices(executor), ...services }, functions: [grants.functions] },
    (ended, reason) => {
      if (ended.pid !== 1) log.ended(ended, reason);
    },
  );
  const main = runtime.spawn(module, { config: grants.config, name: "main" });
  const stopWatching = options.waitForever === true ? keepAlive() : watchDeadlock(runtime, interruptions);
  const stopObserving = observe?.(runtime);
  let end: End;
  try {
    const reason = await Promise.race([main.exited, aborted(interruptions.signal)]);
    end = mainEnd(name, reason, grants, report);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    end = endOf(error);
    if (end.reason !== "closed") report(errorReport(name, error));
    if (end.reason === "deadlock") report(waitingLines(runtime.processes, executor.nowMs()));
  } finally {
    stopWatching();
    stopObserving?.();
    await Promise.race([runtime.dispose(), new Promise((resolve) => setTimeout(resolve, END_GRACE_MS).unref())]);
    log.flush();
  }
  return {
    ...end,
    fuel: runtime.group.used("fuel"),
    slices: executor.stats.turns,
    memoryBytes: runtime.group.peak("memory"),
    processes: runtime.environment.takePid() - 1,
  };
}

/** What the end of the main process means for the run; says why if it failed. */
function mainEnd(name: string, reason: ExitReason, grants: Grants, report: (text: string) => void): End {
  switch (reason.kind) {
    case "normal":
      return { exitCode: 0, reason: "returned" };
    case "code":
      return { exitCode: exitCodeOf(reason.code), reason: "exit", guestCode: reason.code };
    case "trap":
    case "limit":
    case "error": {
      const end = endOf(reason.error);
      if (end.reason === "usage") throw reason.error;
      report(`${errorReport(name, reason.error)}${deniedHint(reason.error, grants)}`);
      return end;
    }
    default: {
      const message = field(reasonText(reason));
      report(`perilune: ${field(name)}: ${message}`);
      return { exitCode: EXIT_LIMIT, reason: reason.kind, message };
    }
  }
}

/** Nothing is runnable, and no timer, I/O or native process can wake anyone. */
function watchDeadlock({ executor, scheduler }: Runtime, interruptions: Interruptions): () => void {
  return executor.onIdle(() => {
    if (scheduler.isIdle && !executor.isHeld && executor.armedTimers === 0) interruptions.deadlock();
  });
}

/** Rejects with the signal's reason. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
