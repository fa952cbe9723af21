/**
 * Runs tests: each is a process in an environment of its own, with its own names and captured
 * output; when it ends, so do those it has left behind. Guest time is virtual unless told otherwise:
 * it jumps while all wait.
 */

import {
  type BasicProcess,
  type ConfigOptions,
  type Environment,
  Executor,
  ExecutorClock,
  type ExitReason,
  type GroupLimits,
  isFailure,
  lunaticFunctions,
  Runtime,
  type Services,
  reasonText,
  statsOf,
} from "../../host/index.ts";
import { NodeRandom } from "../../host/node/clock.ts";
import type { CompiledModule } from "../../vm/index.ts";
import { CompileError, LinkError } from "../../vm/index.ts";
import { waitingLines } from "../processes/waiting.ts";
import { field } from "../report.ts";
import { callAfter, keepAlive } from "../timers.ts";
import { Capture } from "./capture.ts";
import type { Selected, TestCase } from "./cases.ts";
import type { Finished, Summary } from "./listing.ts";
import { verdict } from "./verdict.ts";

export interface TestRunOptions {
  readonly config: ConfigOptions;
  /** Of each test, with all its processes. */
  readonly limits: GroupLimits;
  /** Of each test, by the real clock. */
  readonly timeoutMs?: number;
  /** Tests wait also when nothing can wake them. */
  readonly waitForever: boolean;
  readonly clock: "real" | "virtual";
  /** At the same time. */
  readonly threads: number;
  /** Where output goes besides, as it comes. */
  readonly echo: Pick<Services, "stdout" | "stderr"> | null;
  /** Called as tests end, and at once for those that are ignored. */
  readonly onResult: (test: TestCase, word: "FAILED" | "ignored" | "ok") => void;
}

const DEADLOCK = "it waits, and nothing can wake it";

/** Why a test was ended, which is no failure of its own. */
class TestEnded extends Error {
  override readonly name = "TestEnded";
}

export interface Used {
  readonly fuel: number;
  readonly slices: number;
  readonly memoryBytes: number;
  readonly processes: number;
}

export class TestRun {
  readonly #module: CompiledModule;
  readonly #options: TestRunOptions;
  readonly #runtime: Runtime;
  readonly #captures = new Map<Environment, Capture>();
  /** Tests that run. */
  readonly #running = new Set<BasicProcess>();
  /** Who waited for what in those that nothing could wake. */
  readonly #waiting = new Map<BasicProcess, string>();
  readonly #finished: Finished[] = [];
  #processes = 0;

  constructor(module: CompiledModule, options: TestRunOptions) {
    this.#module = module;
    this.#options = options;
    const executor = new Executor({ virtualTime: options.clock === "virtual" });
    this.#runtime = new Runtime({
      executor,
      functions: [lunaticFunctions],
      services: { clock: new ExecutorClock(executor), random: new NodeRandom() },
      servicesOf: (process) => this.#streamsOf(process),
    });
    executor.onIdle(() => {
      if (options.waitForever) return;
      if (!executor.isHeld && executor.armedTimers === 0 && executor.scheduler.isIdle) this.#endWaiting();
    });
  }

  /** What all tests took together. */
  get used(): Used {
    const { group, executor } = this.#runtime;
    return {
      fuel: group.used("fuel"),
      slices: executor.stats.turns,
      memoryBytes: group.peak("memory"),
      processes: this.#processes,
    };
  }

  /** Throws `LinkError` when the module's tests cannot be instantiated. */
  async run({ tests, filteredOut }: Selected): Promise<Summary> {
    const started = performance.now();
    let ignored = 0;
    const queue: TestCase[] = [];
    for (const { test, runs } of tests) {
      if (runs) queue.push(test);
      else {
        ignored++;
        this.#options.onResult(test, "ignored");
      }
    }
    const stopWaiting = this.#options.waitForever ? keepAlive() : () => {};
    const left = queue.values();
    const worker = async (): Promise<void> => {
      for (const test of left) await this.#runTest(test);
    };
    await Promise.all(Array.from({ length: Math.min(this.#options.threads, queue.length) }, worker));
    await this.#runtime.dispose();
    stopWaiting();
    const order = new Map(queue.map((test, i) => [test, i]));
    const finished = this.#finished.sort((a, b) => order.get(a.test)! - order.get(b.test)!);
    return { finished, ignored, filteredOut, seconds: (performance.now() - started) / 1_000 };
  }

  async #runTest(test: TestCase): Promise<void> {
    const { config, limits, timeoutMs, onResult } = this.#options;
    const environment = this.#runtime.createEnvironment(0);
    const group = this.#runtime.createGroup({ ...limits, name: test.name });
    const capture = new Capture();
    this.#captures.set(environment, capture);
    const handle = this.#runtime.spawn(this.#module, {
      entry: test.exportName,
      config,
      group,
      environment,
      name: test.name,
    });
    const { process } = handle;
    this.#running.add(process);
    const late = new TestEnded(`ended after ${timeoutMs} ms`);
    const stopTimer =
      timeoutMs === undefined ? () => {} : callAfter(timeoutMs, () => process.kill({ kind: "error", error: late }));
    const reason = await handle.exited;
    stopTimer();
    this.#running.delete(process);
    for (const other of [...environment.processes()]) other.kill({ kind: "killed", by: null });
    this.#captures.delete(environment);
    this.#processes += environment.takePid() - 1;
    const isEnded = reason.kind === "limit" || (reason.kind === "error" && reason.error instanceof TestEnded);
    const { passed, note } = verdict(test, failureOf(reason), capture.textOf(process.pid), isEnded);
    const output = capture.text;
    const separator = output === "" || output.endsWith("\n") ? "" : "\n";
    const notes = [note, this.#waiting.get(process)].filter((each) => each).map((each) => `${each}\n`);
    this.#waiting.delete(process);
    this.#finished.push({ test, passed, output: notes.length === 0 ? output : output + separator + notes.join("") });
    onResult(test, passed ? "ok" : "FAILED");
  }

  #streamsOf({ environment, pid }: BasicProcess): Partial<Services> {
    const { echo } = this.#options;
    const stream = this.#captures.get(environment)?.streamOf(pid, echo?.stdout ?? null);
    return stream === undefined ? {} : { stdout: stream, stderr: stream };
  }

  #endWaiting(): void {
    const nowMs = this.#runtime.executor.nowMs();
    for (const process of this.#running) {
      if (process.hasEnded) continue;
      const all = [...process.environment.processes()];
      this.#waiting.set(process, waitingLines(all.map(statsOf), nowMs));
      process.kill({ kind: "error", error: new TestEnded(DEADLOCK) });
    }
  }
}

/** In words, for a process that failed. Throws what is no failure of the test but of the whole module. */
function failureOf(reason: ExitReason): string | null {
  if (reason.kind === "error" && (reason.error instanceof LinkError || reason.error instanceof CompileError)) {
    throw reason.error;
  }
  return isFailure(reason) ? field(reasonText(reason)) : null;
}
