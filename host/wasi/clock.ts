/** Clocks (clock_*). The clocks of CPU time are not supported: a guest's time is its fuel. */

import type { Clock } from "../system.ts";
import { SystemError } from "../system.ts";
import { ClockId, Errno } from "./abi.ts";
import type { WasiFunction } from "./define.ts";
import { checkRange, define } from "./define.ts";

/** The CPU time of a thread. */
const LAST_CLOCK = 3;

/** Whether there is such a clock, and whether there could be one: those of CPU time are known. */
export function isClock(id: number): boolean {
  return id === ClockId.Realtime || id === ClockId.Monotonic;
}

export function isKnownClock(id: number): boolean {
  return id <= LAST_CLOCK;
}

/** Throws ENOTSUP for a clock there is none of, EINVAL for an unknown number. */
export function readClock(clock: Clock, id: number): bigint {
  if (id === ClockId.Realtime) return clock.realtime();
  if (id === ClockId.Monotonic) return clock.monotonic();
  throw new SystemError(isKnownClock(id) ? "ENOTSUP" : "EINVAL");
}

export const CLOCK_FUNCTIONS: Readonly<Record<string, WasiFunction>> = {
  clock_res_get: define(["i32", "i32"], ({ clock }, { memory }, id, resolution) => {
    checkRange(memory, resolution, 8);
    readClock(clock, id);
    memory.writeU64(resolution, clock.resolution);
    return Errno.Success;
  }),
  clock_time_get: define(["i32", "i64", "i32"], ({ clock }, { memory }, id, _precision, time) => {
    checkRange(memory, time, 8);
    memory.writeU64(time, BigInt.asUintN(64, readClock(clock, id)));
    return Errno.Success;
  }),
};
