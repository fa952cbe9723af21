/** What a step of saving or restoring a process is charged, beside its time: as fuel would be that takes as long. */

import { SNAPSHOT_STEP_BYTES } from "../../vm/internal.ts";

const STEP_CHARGE = 10_000;
/** A step looks at a megabyte in about half a millisecond. */
const BYTES_PER_CHARGE = 4;

/** A step of a store of so many bytes: as for a megabyte, or as for all of it. */
export function chargeOfStep(storeBytes: number): number {
  return STEP_CHARGE + Math.ceil(Math.min(storeBytes, SNAPSHOT_STEP_BYTES) / BYTES_PER_CHARGE);
}
