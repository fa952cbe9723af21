/**
 * Reports of processes that failed, apart from the main one: bounded in their size and in how many there are in a second,
 * whatever guests do. Each group of the program's has its own, with all groups inside it, so that no noisy one hides what
 * befalls the others; the last half of what there is for all goes to groups that had none yet.
 */

import { type BasicProcess, type ExitReason, type Group, reasonText } from "../../host/index.ts";
import { Termination, Trap } from "../../vm/index.ts";
import { backtraceLines, bounded, counted, field } from "../report.ts";

/** Of one group, and of all. */
const REPORTS_PER_GROUP = 10;
const REPORTS_PER_WINDOW = 100;
const WINDOW_MS = 1_000;
const MAX_NAMES = 4;

type Ended = Pick<BasicProcess, "pid" | "name" | "environment" | "group">;

export class CrashLog {
  readonly #write: (text: string) => void;
  readonly #nowMs: () => number;
  #windowEndMs = Number.NEGATIVE_INFINITY;
  #reports = 0;
  readonly #reportsOf = new Map<Group, number>();
  #suppressed = 0;

  constructor(write: (text: string) => void, nowMs = () => performance.now()) {
    this.#write = write;
    this.#nowMs = nowMs;
  }

  /** Processes that were told to end, or that ended with a linked one, are not worth a report. */
  ended(process: Ended, reason: ExitReason): void {
    const isReported =
      ["trap", "limit", "error"].includes(reason.kind) || (reason.kind === "code" && reason.code !== 0);
    if (!isReported) return;
    const nowMs = this.#nowMs();
    if (nowMs >= this.#windowEndMs) {
      this.flush();
      this.#windowEndMs = nowMs + WINDOW_MS;
      this.#reports = 0;
      this.#reportsOf.clear();
    }
    if (this.#takes(process.group)) this.#write(bounded(this.#lines(process, reason)));
    else this.#suppressed++;
  }

  /** Whether there is room for a report of the group. */
  #takes(group: Group): boolean {
    let outermost = group;
    // The runtime's own group is all that there is.
    while (outermost.parent !== null && outermost.parent.parent !== null) outermost = outermost.parent;
    const own = this.#reportsOf.get(outermost) ?? 0;
    const left = REPORTS_PER_WINDOW - this.#reports;
    const isRoom = own === 0 ? left > 0 : own < REPORTS_PER_GROUP && left > REPORTS_PER_WINDOW / 2;
    if (isRoom) {
      this.#reports++;
      this.#reportsOf.set(outermost, own + 1);
    }
    return isRoom;
  }

  /** Says how many reports were left out since the last that was written. */
  flush(): void {
    if (this.#suppressed === 0) return;
    this.#write(`perilune: ${counted(this.#suppressed, "more report")} suppressed`);
    this.#suppressed = 0;
  }

  #lines({ pid, name, environment }: Ended, reason: ExitReason): string[] {
    const names = environment.registry.namesOf(BigInt(pid), MAX_NAMES).map(lastPart);
    const known = names.length === 0 ? [name] : names;
    const who = `process ${pid} (${known.map((each) => field(each, 80)).join(", ")})`;
    const lines = [`perilune: ${who}: ${field(reasonText(reason))}`];
    const error = "error" in reason ? reason.error : null;
    if (error instanceof Trap || error instanceof Termination) {
      lines.push(...backtraceLines(error.backtrace, error.omittedFrames));
    }
    return lines;
  }
}

/** Rust's library registers names behind the types of messages: "type/serializer/Process/name". */
function lastPart(name: string): string {
  const fields = name.split("/", 4);
  return fields.length === 4 ? name.slice(fields.slice(0, 3).join("/").length + 1) : name;
}
