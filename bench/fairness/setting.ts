/** Runtimes to measure: an executor of their own, and who had which part of the time. */

import { Executor, guestFunctions, Runtime, type RuntimeOptions, type TurnSource } from "../../host/index.ts";
import { eventLoopTurn } from "../../vm/index.ts";

/** One turn of a process. */
export interface TurnRecord {
  readonly environment: number;
  readonly pid: number;
  readonly startMs: number;
  readonly lengthMs: number;
}

export interface Setting {
  readonly runtime: Runtime;
  readonly executor: Executor;
}

export function setting(options: RuntimeOptions = {}): Setting {
  const executor = new Executor();
  return {
    executor,
    runtime: new Runtime({
      executor,
      functions: [guestFunctions],
      maxMemory: Infinity,
      maxHostMemory: Infinity,
      ...options,
    }),
  };
}

/** Calls `onTurn` after every turn. What the event loop does between belongs to nobody. */
export function tracedSetting(onTurn: (turn: TurnRecord) => void): Setting {
  let lastMs = performance.now();
  const source: TurnSource = {
    nowMs: () => performance.now(),
    nextTurn(run) {
      void eventLoopTurn().then(() => {
        lastMs = performance.now();
        run();
      });
    },
    wakeAfter(delayMs, wake) {
      const timer = setTimeout(() => {
        lastMs = performance.now();
        wake();
      }, delayMs);
      return () => clearTimeout(timer);
    },
  };
  const executor = new Executor({ source });
  const runtime = new Runtime({
    executor,
    functions: [guestFunctions],
    maxMemory: Infinity,
    maxHostMemory: Infinity,
    trace(event) {
      if (event.kind !== "turn") return;
      const nowMs = performance.now();
      onTurn({ environment: event.environment, pid: event.pid, startMs: lastMs, lengthMs: nowMs - lastMs });
      lastMs = nowMs;
    },
  });
  return { runtime, executor };
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Runs hogs until V8 has optimised what runs them. */
export async function warmUpProcesses(
  module: Parameters<Runtime["spawn"]>[0],
  entry: string,
  milliseconds = 1_500,
): Promise<void> {
  const { runtime } = setting();
  for (let i = 0; i < 4; i++) runtime.spawn(module, { entry });
  await sleep(milliseconds);
  await runtime.dispose();
}
