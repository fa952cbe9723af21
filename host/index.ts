/**
 * The public API of `host`: what a guest is given of the world. It needs no particular platform;
 * the services of Node are in node/index.ts.
 */

export type { Caller, CompiledModule, HostDefinition, Value } from "../vm/index.ts";
export { Config, type ConfigOptions, type NetworkGrants, type Visibility } from "./config.ts";
export type { DirectoryGrant } from "./directory-grants.ts";
export type { DriveOptions, Progress } from "./drive.ts";
export { DEFAULT_SLICE_FUEL, drive, newProgress } from "./drive.ts";
export type { Environment } from "./environment.ts";
export { Executor, type ExecutorOptions, type ExecutorStats, type TurnSource } from "./executor.ts";
export { ExecutorClock } from "./executor-clock.ts";
export { CollectedOutput, FakeClock, QueuedInput, SeededRandom } from "./fakes.ts";
export { guestFunctions, lunaticFunctions } from "./functions/host-definition.ts";
export type { AccountName, Group, GroupLimits, GroupOptions } from "./group.ts";
export type { ImportRules } from "./import-policy.ts";
export { LineOutput } from "./line-output.ts";
export type { FunctionProvider } from "./link-plans.ts";
export type { MailboxLimits } from "./mailbox.ts";
export { MemoryDirectory } from "./memory-files.ts";
export { DataMessage } from "./message.ts";
export type { NativeContext, NativeFunction, NativeMessage, ReceiveOptions } from "./native.ts";
export type { BasicProcess } from "./basic-process.ts";
export { type Process, processOf } from "./process.ts";
export { type ProcessHandle, type ProcessState, type ProcessStats, statsOf } from "./process-handle.ts";
export { type RestoreProcessOptions, Runtime, type RuntimeOptions, type SpawnOptions } from "./runtime.ts";
export { SpawnError, type SpawnErrorKind } from "./spawn-error.ts";
export { namesImport } from "./import-names.ts";
export type { GroupMetric } from "./runtime-metrics.ts";
export type { ProcessSnapshotOptions } from "./snapshot/save.ts";
export type { Services, TraceEvent } from "./runtime-core.ts";
export { SlabAllocator, type SlabOptions } from "./slabs.ts";
export { type ExitReason, isFailure, type Pid, reasonText, type Signal } from "./signal.ts";
export type {
  Cancel,
  Clock,
  Directory,
  DirectoryEntry,
  EventLoop,
  FileKind,
  FileStat,
  InputStream,
  NewTimes,
  OpenFile,
  OpenOptions,
  OutputStream,
  Random,
} from "./system.ts";
export {
  type ChildSpec,
  type Restart,
  type RestartStrategy,
  Supervisor,
  type SupervisorEnd,
  type SupervisorOptions,
  type SupervisorSpec,
  type WorkerSpec,
} from "./supervisor.ts";
export { SystemError } from "./system.ts";
export { Timer } from "./timers.ts";
export { ProcessExit } from "./wasi/proc.ts";
export type { Preopen, WasiOptions } from "./wasi/state.ts";
export { startsThreads, type ThreadOptions, WasiThreads } from "./wasi/threads.ts";
export { Wasi } from "./wasi/wasi.ts";
