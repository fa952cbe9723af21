/**
 * A program of processes from its first to its end: the main process under its grants, reports of
 * those that fail, and how the run ended. With the main process all others stop.
 */

import {
  type BasicProcess,
  Executor,
  ExecutorClock,
  type ExitReason,
  Runtime,
  type RuntimeOptions,
  type Services,
} from "../../host/index.ts";
import { NodeClock, NodeRandom } from "../../host/node/clock.ts";
import { standardError, standardInput, standardOutput } from "../../host/node/stdio.ts";
import { type CompiledModule, Termination } from "../../vm/index.ts";
import { type End, endOf, noStart } from "../end.ts";
import { EXIT_LIMIT, exitCodeOf, Interrupted } from "../exit.ts";
import type { Interruptions } from "../interruptions.ts";
import { parseCount } from "../options.ts";
import { errorLine, errorReport } from "../report.ts";
import { say } from "../streams.ts";
import { keepAlive } from "../timers.ts";
import type { RunStats } from "../stats.ts";
import { CrashLog } from "./crash-log.ts";
import type { Grants } from "./grants.ts";
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
}

/** How long the processes may take to end after the main one. */
const END_GRACE_MS = 2_000;

/** A runtime that tells of every end. */
export class ReportingRuntime extends Runtime {
  readonly #onEnd: (process: BasicProcess, reason: ExitReason) => void;

  constructor(options: RuntimeOptions, onEnd: (process: BasicProcess, reason: ExitReason) => void) {
    super(options);
    this.#onEnd = onEnd;
  }

  override exited(process: BasicProcess, reason: ExitReason): void {
    this.#onEnd(process, reason);
    super.exited(process, reason);
  }
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
  const { name, module, grants, interruptions, slice, services, observe } = options;
  if (!module.exports.some((each) => each.name === "_start" && each.type.kind === "func")) throw noStart(module);
  const log = new CrashLog(say);
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
    end = mainEnd(name, reason);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    end = endOf(error);
    if (end.reason !== "closed") say(errorReport(name, error));
    if (end.reason === "deadlock") say(waitingLines(runtime.processes, executor.nowMs()));
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
function mainEnd(name: string, reason: ExitReason): End {
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
      say(`${errorReport(name, reason.error)}${hint(reason.error)}`);
      return end;
    }
    default: {
      const error = new Termination("killed", killedBy(reason));
      say(errorReport(name, error));
      return { exitCode: EXIT_LIMIT, reason: reason.kind, message: errorLine(error) };
    }
  }
}

function killedBy(reason: ExitReason): string {
  if (reason.kind === "killed" && reason.by !== null) return `by process ${reason.by}`;
  return reason.kind === "link" ? `process ${reason.pid} that it is linked to failed` : "from outside";
}

function hint(error: unknown): string {
  if (!(error instanceof Termination) || error.reason !== "import denied") return "";
  return "\n    (--allow 'lunatic::*' permits what programs for Lunatic import, 'perilune lunatic run' grants what Lunatic does)";
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
