/** What a deadlock's report says of those who wait. */

import type { ProcessStats } from "../../host/index.ts";
import { counted, field } from "../report.ts";

/** Waiting processes that a report names. */
const MAX_WAITING = 20;

/** Who waits in which host call for how long, by the executor's time. */
export function waitingLines(processes: readonly ProcessStats[], nowMs: number): string {
  const lines = processes.slice(0, MAX_WAITING).map(({ pid, name, state, mailbox, waiting }) => {
    const where =
      waiting === null ? state : `waits in ${field(waiting.call)} for ${Math.round(nowMs - waiting.sinceMs)} ms`;
    return `    process ${pid} (${field(name, 80)}): ${where}, ${counted(mailbox, "message")} unread`;
  });
  if (processes.length > MAX_WAITING) lines.push(`    … ${processes.length - MAX_WAITING} more`);
  return lines.join("\n");
}
