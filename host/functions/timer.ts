/** `lunatic::timer`: messages sent after a delay. */

import { sendAfter } from "../send-after.ts";
import type { HostFunction } from "./define.ts";
import { functionsOf } from "./define.ts";
import { EMPTY_SLOT, messageToSend, NOTICE } from "./message.ts";

const define = functionsOf("lunatic::timer");

const TOO_MANY = "too many timers";

export const TIMER_FUNCTIONS: readonly HostFunction[] = [
  define(
    "send_after",
    ["process_id: pid", "delay_ms: millis"],
    {
      result: "i64",
      fuel: 300,
      traps: [EMPTY_SLOT, NOTICE, TOO_MANY],
      doc: "Empties the slot and sends its message after the delay; returns a timer ID. The process is looked up now: if there is none, nothing is sent. Timers outlive their process.",
    },
    (guest, pid, delayMs) => {
      const { process } = guest;
      const message = messageToSend(guest);
      const id = sendAfter(process, pid, message, delayMs);
      if (id === null) throw guest.trap(TOO_MANY);
      process.messages.scratch = null;
      return BigInt(id);
    },
  ),
  define(
    "cancel_timer",
    ["timer_id: resource"],
    {
      result: "i32",
      fuel: 100,
      codes: { 0: "there is no such timer, or it has fired", 1: "cancelled" },
      doc: "Drops the message of a timer that has not fired.",
    },
    ({ process }, id) => (process.resources.timers.drop(id) ? 1 : 0),
  ),
];
