/** File times as preview 1 asks for them: given, now, or left alone. */

import type { Clock, NewTimes } from "../system.ts";
import { SystemError } from "../system.ts";
import { TimeFlag } from "./abi.ts";

/** Throws EINVAL when a time is both given and "now". */
export function newTimes(clock: Clock, accessed: bigint, modified: bigint, flags: number): NewTimes {
  return {
    accessed: chosenTime(clock, accessed, flags, TimeFlag.Accessed, TimeFlag.AccessedNow),
    modified: chosenTime(clock, modified, flags, TimeFlag.Modified, TimeFlag.ModifiedNow),
  };
}

function chosenTime(clock: Clock, given: bigint, flags: number, isGiven: TimeFlag, isNow: TimeFlag): bigint | null {
  const wantsGiven = (flags & isGiven) !== 0;
  const wantsNow = (flags & isNow) !== 0;
  if (wantsGiven && wantsNow) throw new SystemError("EINVAL");
  if (wantsNow) return clock.realtime();
  return wantsGiven ? BigInt.asUintN(64, given) : null;
}
