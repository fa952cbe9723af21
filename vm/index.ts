/**
 * The public API of the engine, `perilune/vm`: compile, instantiate and run WebAssembly in exact
 * slices of fuel. Names follow the specification's embedding appendix.
 */

export { compile, type AsyncCompileOptions } from "./compile.ts";
export {
  Compilation,
  CompiledModule,
  compileSync,
  validate,
  type CompileOptions,
  type ExportDescriptor,
  type ExternDescriptor,
  type ImportDescriptor,
} from "./compiled-module.ts";
export { defaultEngine, Engine, type EngineOptions } from "./engine.ts";
export {
  CompileError,
  FuelExhausted,
  GuestExit,
  InternalError,
  LinkError,
  SnapshotError,
  SuspendError,
  Termination,
  Trap,
  type BacktraceFrame,
  type CompileErrorKind,
  type SnapshotErrorKind,
  type TerminationReason,
  type TrapMessage,
} from "./errors.ts";
export { eventLoopTurn } from "./event-loop.ts";
export type { CallOptions } from "./execute/calls.ts";
export { Caller, type DirectCaller } from "./execute/caller.ts";
export { Invocation } from "./execute/invocation.ts";
export type { InvocationOptions, Outcome, TurnOptions } from "./execute/outcome.ts";
export type { Imports, ImportValue, Resolver } from "./execute/link.ts";
export { LinkPlan, type HostResolver } from "./execute/link-plan.ts";
export { MAX_COUNTED_FRAMES } from "./limits.ts";
export {
  callGuest,
  continueWith,
  Func,
  FrameRequest,
  SUSPEND,
  type AsyncDefinition,
  type Continuations,
  type DirectDefinition,
  type FrameDefinition,
  type FrameState,
  type GuestOutcome,
  type HostDefinition,
  type HostResult,
  type PlainDefinition,
} from "./runtime/func.ts";
export { warmUp } from "./execute/training.ts";
export {
  allocateGlobal,
  allocateMemory,
  allocateTable,
  type GlobalOptions,
  type MemoryOptions,
  type TableOptions,
} from "./runtime/allocate.ts";
export { Global, Tag } from "./runtime/global.ts";
export { GuestException } from "./runtime/guest-exception.ts";
export { HeapObject } from "./runtime/heap-object.ts";
export { Instance, type Extern } from "./runtime/instance.ts";
export { Memory, type BufferViews } from "./runtime/memory.ts";
export {
  LimitAccountant,
  SEPARATE_BUFFERS,
  type Accountant,
  type MemoryAllocator,
  type MemoryBlock,
  type ResourceKind,
} from "./runtime/resources.ts";
export { PROPOSALS, type Proposal } from "./proposals.ts";
export { Restoration, Saving, type Restored, type RestoreOptions, type SnapshotOptions } from "./snapshot/index.ts";
export { Store, type StoreOptions } from "./runtime/store.ts";
export { Table } from "./runtime/table.ts";
export type { Value } from "./runtime/values.ts";
export type { AtomicWait } from "./runtime/waiters.ts";
export { funcTypeText, valTypeText, type FuncType, type ValType } from "./types.ts";
