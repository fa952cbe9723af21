/** What processes see of the runtime they belong to, and the events that a trace shows. */

import type { CompiledModule, LinkPlan, MemoryAllocator } from "../vm/index.ts";
import type { BasicProcess } from "./basic-process.ts";
import type { Config } from "./config.ts";
import type { Executor } from "./executor.ts";
import type { Group } from "./group.ts";
import type { SpawnRequest, SpawnResult } from "./process-start.ts";
import type { RuntimeCounts } from "./runtime-counts.ts";
import type { RegionPool } from "./regions.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Sleepers } from "./snapshot/sleepers.ts";
import type { ExitReason, Pid, Signal } from "./signal.ts";
import type { Cancel, Clock, InputStream, OutputStream, Random } from "./system.ts";

/** The services that guests reach through WASI. */
export interface Services {
  readonly clock: Clock;
  readonly random: Random;
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
}

export type TraceEvent =
  /** `creator` is null for the embedder. Sent when the process can be seen. */
  | {
      readonly kind: "spawn";
      readonly pid: Pid;
      readonly environment: number;
      readonly creator: Pid | null;
      readonly name: string;
    }
  | { readonly kind: "turn"; readonly pid: Pid; readonly environment: number; readonly fuel: number }
  | {
      readonly kind: "signal";
      readonly from: Pid | null;
      readonly to: Pid;
      readonly environment: number;
      readonly signal: Signal;
    }
  /**
   * A host function answered; `effects` is a hash of its results and of what it wrote, and of the arguments of the embedder's.
   * Of those a step is told too that calls the guest, or goes on later.
   */
  | {
      readonly kind: "call";
      readonly pid: Pid;
      readonly environment: number;
      readonly name: string;
      readonly effects: number;
    }
  | { readonly kind: "exit"; readonly pid: Pid; readonly environment: number; readonly reason: ExitReason };

export interface RuntimeCore {
  readonly executor: Executor;
  readonly scheduler: Scheduler;
  readonly allocator: MemoryAllocator;
  /**
   * Where the allocator puts large memories; null where it has no such places.
   * @internal
   */
  readonly regions: RegionPool | null;
  /** What a process reaches through WASI. Asked once for each that uses it. */
  servicesOf(process: BasicProcess): Services;
  /** The group of everything in the runtime: pays for what the embedder sends. */
  readonly group: Group;
  readonly counts: RuntimeCounts;
  /** Null while nobody traces, so that events are not even made. */
  readonly trace: ((event: TraceEvent) => void) | null;
  /** Throws `LinkError` for a module that cannot run under the configuration. */
  planOf(module: CompiledModule, config: Config): LinkPlan;
  /** What a plan takes besides what its module counts. */
  ownBytesOf(plan: LinkPlan): number;
  /** As {@link planOf}, in steps: null when the next turn is to go on. */
  planStep(module: CompiledModule, config: Config): LinkPlan | null;
  /** Makes a process; `done` hears of it when it is ready or has failed. Returns how to give it up until then. */
  startProcess(request: SpawnRequest, creator: BasicProcess | null, done: (result: SpawnResult) => void): Cancel;
  /** Processes that wait and are to hibernate after a while. */
  readonly sleepers: Sleepers;
  exited(process: BasicProcess, reason: ExitReason): void;
}
