/**
 * The public API of `host`: what a guest is given of the world. It needs no particular platform;
 * the services of Node are in node/index.ts.
 */

export type { DriveOptions, Progress } from "./drive.ts";
export { DEFAULT_SLICE_FUEL, drive, newProgress } from "./drive.ts";
export { CollectedOutput, FakeClock, QueuedInput, SeededRandom } from "./fakes.ts";
export { MemoryDirectory } from "./memory-files.ts";
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
export { SystemError } from "./system.ts";
export { ProcessExit } from "./wasi/proc.ts";
export type { Preopen, WasiOptions } from "./wasi/state.ts";
export { Wasi } from "./wasi/wasi.ts";
