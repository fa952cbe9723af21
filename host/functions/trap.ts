/** `lunatic::trap`: running a part of the guest whose traps are contained. */

import { callGuest, FRAME_RETURN_FUEL, FRAME_STEP_FUEL, Func, type ValType, valTypeText } from "../../vm/internal.ts";
import type { HostFunction } from "./define.ts";
import { functionsOf } from "./define.ts";

const define = functionsOf("lunatic::trap");

/** The export that is called. */
const CALLBACK = "_lunatic_catch_trap";
/** Fuel of a trap that is caught: unwinding costs microseconds. */
const CAUGHT_FUEL = 10_000;
const NO_CALLBACK = "no `_lunatic_catch_trap`, or one that returns no i32";

export const TRAP_FUNCTIONS: readonly HostFunction[] = [
  define(
    "catch",
    ["function: u32", "pointer: u32"],
    {
      result: "i32",
      fuel: 100,
      fuelNote: `${FRAME_STEP_FUEL + FRAME_RETURN_FUEL} for calling back, ${CAUGHT_FUEL} for a trap that is caught`,
      traps: [NO_CALLBACK],
      doc: "Calls the export `_lunatic_catch_trap` with both values and returns its result, or 0 if the call ended in a trap, in `proc_exit`, or has another type. What the call has done stays done. A kill, a limit and a denied import are not caught.",
      continuations: {
        called(guest, _state, outcome) {
          if (outcome?.kind === "returned") return outcome.values[0] as number;
          guest.charge(CAUGHT_FUEL);
          return 0;
        },
      },
    },
    (guest, func, pointer) => {
      const callback = guest.instance?.export(CALLBACK);
      if (!(callback instanceof Func)) throw guest.trap(`the module exports no function \`${CALLBACK}\``);
      const { params, results } = callback.type;
      const [result] = results;
      if (params.length !== 2 || !params.every(isI32) || result === undefined || results.length > 1) return 0;
      if (!isI32(result)) throw guest.trap(`\`${CALLBACK}\` returns ${valTypeText(result)}`);
      return callGuest(callback, [func | 0, pointer | 0], "called");
    },
  ),
];

function isI32(type: ValType): boolean {
  return valTypeText(type) === "i32";
}
