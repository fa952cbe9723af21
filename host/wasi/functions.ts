/** Every function of `wasi_snapshot_preview1` by its name. */

import { ARGS_FUNCTIONS } from "./args.ts";
import { CLOCK_FUNCTIONS } from "./clock.ts";
import type { WasiFunction } from "./define.ts";
import { FD_IO_FUNCTIONS } from "./fd-io.ts";
import { FD_STATE_FUNCTIONS } from "./fd-state.ts";
import { PATH_FUNCTIONS } from "./path.ts";
import { POLL_FUNCTIONS } from "./poll.ts";
import { PROC_FUNCTIONS } from "./proc.ts";
import { RANDOM_FUNCTIONS } from "./random.ts";
import { SOCK_FUNCTIONS } from "./sock.ts";

export const WASI_MODULE = "wasi_snapshot_preview1";

export const WASI_FUNCTIONS: ReadonlyMap<string, WasiFunction> = new Map(
  [
    ARGS_FUNCTIONS,
    CLOCK_FUNCTIONS,
    RANDOM_FUNCTIONS,
    FD_IO_FUNCTIONS,
    FD_STATE_FUNCTIONS,
    PATH_FUNCTIONS,
    POLL_FUNCTIONS,
    PROC_FUNCTIONS,
    SOCK_FUNCTIONS,
  ].flatMap((group) => Object.entries(group)),
);

/** Nothing has happened while they wait, so after a restore they are called again. */
export const REISSUED_FUNCTIONS: ReadonlySet<string> = new Set([
  "fd_read",
  "fd_pread",
  "poll_oneoff",
  "random_get",
  "sched_yield",
]);
