/** Senders that wait for each other's mailboxes, guests and native ones, wait for ever: here one of them is found that gives up. */

import type { BasicProcess } from "./basic-process.ts";

/** Processes of a circle: in a larger one all wait until one of them ends. And the charge of looking at each. */
const MAX_REACHED = 4_096;
export const LOOK_CHARGE = 50;

export const NOBODY_MAKES_ROOM = "mailbox full: senders wait for each other";

/** A send that waits for room. */
export interface BlockedSend {
  readonly target: BasicProcess;
}

let suspensions = 0;

/** Which of those that wait for room has waited longest: the one with the least number. */
export function nextSuspension(): number {
  return suspensions++;
}

/**
 * `begun` has begun to wait for room and for nothing else, so it alone can have closed a circle: whoever it waits for, and those
 * that they wait for, and so on, can do nothing else either. Then one send fails: the guest's that has waited longest, or where
 * there are only native processes, theirs. Returns how many were looked at.
 */
export function breakCircle(begun: BasicProcess): number {
  const sends = begun.blockedSends;
  if (sends === null) return 0;
  const reached = new Map([[begun, sends]]);
  let victim = begun;
  for (const [process, waiting] of reached) {
    if (isBefore(process, victim)) victim = process;
    for (const { target } of waiting) {
      if (reached.has(target)) continue;
      const more = target.blockedSends;
      if (more === null || reached.size === MAX_REACHED) return reached.size;
      reached.set(target, more);
    }
  }
  victim.failSend();
  return reached.size;
}

/** A native process may serve many: what a guest that reads nothing does to it must not end it. */
function isBefore(process: BasicProcess, other: BasicProcess): boolean {
  if (process.yieldsToHost !== other.yieldsToHost) return other.yieldsToHost;
  return process.sendsSince < other.sendsSince;
}
