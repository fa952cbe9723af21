/**
 * The part of the public API that one guest without processes needs: it loads in half the time of
 * all, which a short run notices.
 */

export type { DriveOptions, Progress } from "./drive.ts";
export { DEFAULT_SLICE_FUEL, drive, newProgress, remainingNs } from "./drive.ts";
export { ProcessExit } from "./wasi/proc.ts";
export { startsThreads, type ThreadOptions, WasiThreads } from "./wasi/threads.ts";
export type { Preopen, WasiOptions } from "./wasi/state.ts";
export { Wasi } from "./wasi/wasi.ts";
