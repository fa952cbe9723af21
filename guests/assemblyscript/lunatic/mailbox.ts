/** Receiving: what waits in the mailbox becomes the message at hand (message.ts). */

import { receive as receiveRaw } from "./bindings";

/** No timeout. */
export const FOREVER: u64 = u64.MAX_VALUE;

export const enum Signal {
  /** A message from a process. */
  Data = 0,
  /** A linked process failed; its link's tag is the message's. */
  LinkDied = 1,
  /** A monitored process ended. */
  ProcessDied = 2,
  TimedOut = 9027,
}

/** The oldest of whatever there is. */
export function receive(timeoutMs: u64 = FOREVER): Signal {
  return receiveRaw(0, 0, timeoutMs) as Signal;
}

/** The oldest with this tag; all others stay. */
export function receiveTagged(tag: i64, timeoutMs: u64 = FOREVER): Signal {
  const tags = memory.data(8, 8);
  store<i64>(tags, tag);
  return receiveRaw(tags, 1, timeoutMs) as Signal;
}
