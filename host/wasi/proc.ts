/** The guest as a process (proc_*, sched_yield). */

import { GuestExit } from "../../vm/index.ts";
import { Errno } from "./abi.ts";
import type { WasiFunction } from "./define.ts";
import { define, defineEnd } from "./define.ts";

/** A turn ends and another begins. */
const YIELD_FUEL = 200;

/** The guest asked to end (proc_exit). Passes through the engine as it is, to whoever runs the guest. */
export class ProcessExit extends GuestExit {
  override readonly name = "ProcessExit";
  /** As the guest gave it: 32 bits, unsigned. */
  readonly code: number;

  constructor(code: number) {
    super(`exit with code ${code}`);
    this.code = code;
  }
}

export const PROC_FUNCTIONS: Readonly<Record<string, WasiFunction>> = {
  proc_exit: defineEnd(["i32"], (_state, _guest, code) => {
    throw new ProcessExit(code);
  }),
  proc_raise: define(["i32"], () => Errno.Notsup),
  sched_yield: define([], (_state, guest) => {
    guest.charge(YIELD_FUEL);
    guest.giveWay();
    return Errno.Success;
  }),
};
